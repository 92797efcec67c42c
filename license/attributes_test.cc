#include "license/attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/ascii.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

LineTerms Read(absl::string_view name, absl::string_view value, bool has_value = true) {
  LineTerms terms;
  const absl::Status status = ReadTerm(name, has_value, value, 7, &terms);
  EXPECT_TRUE(status.ok()) << name << "=" << value << ": " << status;
  return terms;
}

std::string Wrong(absl::string_view name, absl::string_view value) {
  LineTerms terms;
  return std::string(ReadTerm(name, true, value, 7, &terms).message());
}

TEST(Attributes, DuplicateGroupsAreLettersSiteOrNone) {
  struct Row {
    const char* text;
    const char* same;
  };
  for (const Row& row : {Row{"UHD", "UHD"}, Row{"vduh", "UHDV"}, Row{"H", "H"}, Row{"site", "SITE"},
                         Row{"NONE", "NONE"}}) {
    const absl::StatusOr<DupGroup> group = ParseDupGroup(row.text);
    ASSERT_TRUE(group.ok()) << row.text;
    EXPECT_EQ(group->ToString(), row.same);
  }
  EXPECT_TRUE(ParseDupGroup("NONE")->none());
  EXPECT_THAT(std::string(ParseDupGroup("UX").status().message()), HasSubstr("`UX` is not SITE"));
  EXPECT_FALSE(ParseDupGroup("").ok());
}

TEST(Attributes, NumbersHaveTheirDefaultsAndLimits) {
  EXPECT_EQ(Read("OVERDRAFT", "5").overdraft, 5u);
  EXPECT_EQ(Read("LINGER", "60").linger_s, 60u);
  EXPECT_EQ(Read("MINIMUM", "2").minimum, 2u);
  EXPECT_EQ(Read("BORROW", "", false).borrow_hours, kBorrowHoursDefault);
  EXPECT_EQ(Read("BORROW", "24").borrow_hours, 24u);
  EXPECT_EQ(Read("HOST_BASED", "", false).host_based, 7u);
  EXPECT_EQ(Read("HOST_BASED", "3").host_based, 3u);
  EXPECT_EQ(Read("USER_BASED", "3").user_based, 3u);
  EXPECT_EQ(Read("USER_BASED", "3").host_based, std::nullopt);
  EXPECT_EQ(Wrong("BORROW", "0"), "`0` is not a number from 1 to 87660");
  EXPECT_THAT(Wrong("LINGER", "1h"), HasSubstr("`1h` is not a number"));
  EXPECT_THAT(Wrong("OVERDRAFT", "-1"), HasSubstr("not a number"));
  EXPECT_THAT(Wrong("MINIMUM", ""), HasSubstr("not a number"));
}

TEST(Attributes, ListsAreWords) {
  EXPECT_TRUE(Read("SUPERSEDE", "", false).supersedes);
  EXPECT_THAT(Read("SUPERSEDE", "", false).superseded, IsEmpty());
  EXPECT_THAT(Read("SUPERSEDE", "f1  f2").superseded, ElementsAre("f1", "f2"));
  EXPECT_THAT(Read("PLATFORMS", "X64_LSB i86_n").platforms, ElementsAre("x64_lsb", "i86_n"));
  EXPECT_EQ(Wrong("PLATFORMS", " "), "no platform is named");
}

TEST(Attributes, WhatCannotBeCheckedIsKept) {
  EXPECT_EQ(Read("TZ", "SERVERTZ").uncheckable, "TZ=SERVERTZ");
  EXPECT_EQ(Read("VM_PLATFORMS", "PHYSICAL").uncheckable, "VM_PLATFORMS=PHYSICAL");
  EXPECT_EQ(Read("TS_OK", "", false).uncheckable, "");
  EXPECT_EQ(Read("FLOAT_OK", "FLEXID=9-12345678").float_ok->ToString(), "FLEXID=9-12345678");
}

TEST(Attributes, TheTableHoldsEachNameOnceInOneCase) {
  std::set<std::string> seen;
  for (const AttributeRule& rule : AttributeRules()) {
    const std::string name(rule.name);
    EXPECT_TRUE(name == absl::AsciiStrToUpper(name) || name == absl::AsciiStrToLower(name)) << name;
    EXPECT_TRUE(seen.insert(name).second) << name;
    // What an administrator may edit is in lower case, and only that (flexnet-facts 1.7).
    EXPECT_EQ(rule.use == AttributeUse::kAdministrator, name == absl::AsciiStrToLower(name))
        << name;
    EXPECT_EQ(FindAttributeRule(name), &rule);
  }
  EXPECT_EQ(FindAttributeRule("linger"), nullptr);
  EXPECT_EQ(NearAttribute("OVERDARFT"), "OVERDRAFT");
  EXPECT_EQ(NearAttribute("COLOUR"), "");
}

}  // namespace
}  // namespace triad::license
