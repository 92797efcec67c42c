#include "client/examples/configuration.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::examples {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::string ErrorOf(const std::string& text) {
  Configuration configuration;
  std::string error;
  EXPECT_FALSE(Configuration::Parse("t.cfg", text, &configuration, &error));
  return error;
}

TEST(Configuration, OptionsStandInSectionsWithCommentsAndBlanks) {
  Configuration configuration;
  std::string error;
  ASSERT_TRUE(Configuration::Parse("t.cfg",
                                   "; a comment\n"
                                   "[license]\n"
                                   "  license-file = 27000@host1,27000@host2  # the servers\n"
                                   "num-of-licenses=max\n"
                                   "\n"
                                   "[cdn]\n8001 = autodial\n",
                                   &configuration, &error))
      << error;
  EXPECT_EQ(configuration.Get("license", "license-file"), "27000@host1,27000@host2");
  EXPECT_EQ(configuration.Get("license", "num-of-licenses"), "max");
  EXPECT_EQ(configuration.Get("cdn", "8001"), "autodial");
  EXPECT_EQ(configuration.Get("cdn", "license-file"), "");
}

TEST(Configuration, ASetOptionKeepsItsPlace) {
  Configuration configuration;
  configuration.Set("license", "a", "1");
  configuration.Set("license", "b", "2");
  configuration.Set("license", "a", "3");
  EXPECT_THAT(configuration.Section("license"), ElementsAre(Pair("a", "3"), Pair("b", "2")));
}

TEST(Configuration, ErrorsSayWhereAndWhatToDo) {
  EXPECT_EQ(ErrorOf("a = 1\n"),
            "t.cfg:1:1: an option before any section: write [license] above it");
  EXPECT_EQ(ErrorOf("[license]\n  what\n"), "t.cfg:2:3: not an option: write NAME = VALUE");
  EXPECT_EQ(ErrorOf("[license\n"), "t.cfg:1:1: not a section: write [NAME]");
  Configuration configuration;
  std::string error;
  EXPECT_FALSE(Configuration::Read("/nowhere/t.cfg", &configuration, &error));
  EXPECT_EQ(error, "/nowhere/t.cfg: cannot be read as a configuration file: give -c another");
}

TEST(Configuration, CountsAreMaxOrUpTo9999) {
  Count count;
  EXPECT_TRUE(ParseCount("max", &count));
  EXPECT_TRUE(count.max);
  EXPECT_TRUE(ParseCount("9999", &count));
  EXPECT_FALSE(count.max);
  EXPECT_EQ(count.number, 9999u);
  for (const char* wrong : {"", "10000", "-1", "1.5", "Max", "99999999999999999999", "3 4"}) {
    EXPECT_FALSE(ParseCount(wrong, &count)) << wrong;
  }
}

TEST(Configuration, DurationsHaveUnits) {
  int64_t ms = 0;
  EXPECT_TRUE(ParseDuration("60m", &ms));
  EXPECT_EQ(ms, 3'600'000);
  EXPECT_TRUE(ParseDuration("2h", &ms));
  EXPECT_EQ(ms, 7'200'000);
  EXPECT_TRUE(ParseDuration("90", &ms));
  EXPECT_EQ(ms, 90'000);
  for (const char* wrong : {"", "m", "60d", "-1m", "123456789m"}) {
    EXPECT_FALSE(ParseDuration(wrong, &ms)) << wrong;
  }
}

}  // namespace
}  // namespace triad::examples
