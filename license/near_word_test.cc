#include "license/near_word.h"

#include <gtest/gtest.h>

namespace triad::license {
namespace {

TEST(NearWord, FindsTheWordThatFewestLettersMake) {
  const std::vector<absl::string_view> words = {"OVERDRAFT", "LINGER", "SN", "TZ", "sort"};
  struct Row {
    const char* word;
    const char* near;
  };
  const Row rows[] = {
      {"OVERDARFT", "OVERDRAFT"},
      {"overdraft", "OVERDRAFT"},
      {"LINGR", "LINGER"},
      {"LINGER", ""},
      {"SM", "SN"},
      {"XY", ""},
      {"sorts", "sort"},
      {"", ""},
      {"LINGERING", ""},
  };
  for (const Row& row : rows) EXPECT_EQ(NearWord(row.word, words), row.near) << row.word;
  EXPECT_EQ(NearWord(std::string(1000, 'L'), words), "");
}

}  // namespace
}  // namespace triad::license
