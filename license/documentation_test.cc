// docs/license-and-options-files.md has a row for every keyword that the readers know, and no
// other.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "license/attributes.h"
#include "license/lexer.h"
#include "license/options_file.h"

namespace triad::license {
namespace {

constexpr char kPage[] = "docs/license-and-options-files.md";

// The rows of the tables by the title of their first column: keyword -> what it says.
std::map<std::string, std::map<std::string, std::string>> Tables() {
  std::map<std::string, std::map<std::string, std::string>> out;
  std::ifstream in(kPage);
  EXPECT_TRUE(in.good()) << kPage;
  std::string line;
  std::string title;
  while (std::getline(in, line)) {
    if (!absl::StartsWith(line, "| ")) {
      if (!absl::StartsWith(line, "|")) title.clear();
      continue;
    }
    const std::string first = line.substr(2, line.find(" |", 2) - 2);
    if (title.empty()) {
      title = first;
      continue;
    }
    EXPECT_TRUE(first.size() > 2 && first.front() == '`' && first.back() == '`') << line;
    const std::string keyword = first.substr(1, first.size() - 2);
    const std::string says = line.substr(first.size() + 5);
    EXPECT_TRUE(out[title].emplace(keyword, says).second) << keyword << " has two rows";
  }
  return out;
}

std::set<std::string> KeysOf(const std::map<std::string, std::string>& rows) {
  std::set<std::string> out;
  for (const auto& [key, says] : rows) out.insert(key);
  return out;
}

std::set<std::string> Strings(const std::vector<absl::string_view>& words) {
  return {words.begin(), words.end()};
}

TEST(Documentation, HasARowForEachLineOfALicenseFile) {
  EXPECT_EQ(KeysOf(Tables()["Line"]), Strings(LicenseKeywords()));
}

TEST(Documentation, HasARowForEachAttributeWhichSaysWhatIsDone) {
  const std::map<std::string, std::string> rows = Tables()["Attribute"];
  std::set<std::string> names;
  for (const AttributeRule& rule : AttributeRules()) {
    names.insert(std::string(rule.name));
    const char* begins = "";
    switch (rule.use) {
      case AttributeUse::kEnforced:
        begins = "Enforced";
        break;
      case AttributeUse::kShown:
        begins = "Shown";
        break;
      case AttributeUse::kRefused:
        begins = "Refused";
        break;
      case AttributeUse::kAdministrator:
        begins = "Administrator's";
        break;
      case AttributeUse::kSignature:
        begins = "Signature";
        break;
    }
    const auto row = rows.find(std::string(rule.name));
    ASSERT_NE(row, rows.end()) << rule.name;
    EXPECT_TRUE(absl::StartsWith(row->second, begins)) << rule.name << ": " << row->second;
  }
  EXPECT_EQ(KeysOf(rows), names);
}

TEST(Documentation, HasARowForEachOption) {
  EXPECT_EQ(KeysOf(Tables()["Option"]), Strings(OptionKeywords()));
}

}  // namespace
}  // namespace triad::license
