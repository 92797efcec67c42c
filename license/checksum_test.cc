#include "license/checksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

CheckedLine One(absl::string_view text) {
  const std::vector<CheckedLine> lines = CheckLines(text);
  EXPECT_EQ(lines.size(), 1u);
  return lines.empty() ? CheckedLine() : lines[0];
}

TEST(Checksum, IsThatOfCrc8) {
  // The polynomial's known answer for "123456789".
  LogicalLine line;
  line.words.emplace_back();
  line.words[0].text = "123456789";
  EXPECT_EQ(LineChecksum(line), 0xF4u);
}

TEST(Checksum, LayoutAndTheAdministratorsWordsDoNotCount) {
  const uint32_t sum = One("FEATURE f acme 1.0 permanent 5 NOTICE=\"a b\" SIGN=\"12 ab\"").computed;
  for (const char* same :
       {"feature  f\tacme 1.0 permanent 5 NOTICE=\"a b\" SIGN=12AB",
        "FEATURE f acme 1.0 \\\r\n  permanent 5 NOTICE=\"a \\\n b\" ck=7 SIGN=\"12 \\\n AB\"",
        "FEATURE f acme 1.0 permanent 5 asset_info=x NOTICE=\"a b\" SIGN=12ab sort=7\n"}) {
    EXPECT_EQ(One(same).computed, sum) << same;
  }
  for (const char* other : {"FEATURE f acme 1.0 permanent 6 NOTICE=\"a b\" SIGN=12ab",
                            "FEATURE f acme 1.0 permanent 5 NOTICE=\"b a\" SIGN=12ab",
                            "INCREMENT f acme 1.0 permanent 5 NOTICE=\"a b\" SIGN=12ab"}) {
    EXPECT_NE(One(other).computed, sum) << other;
  }
}

TEST(Checksum, ComparesWithWhatTheLineSays) {
  const std::string text = "INCREMENT f acme 1.0 permanent 5 SN=1";
  const uint32_t sum = One(text).computed;
  const CheckedLine good = One(absl::StrCat(text, " ck=", sum));
  EXPECT_EQ(good.ck, sum);
  EXPECT_EQ(good.computed, sum);
  EXPECT_EQ(good.echo, "INCREMENT f acme 1.0 permanent 5");
  EXPECT_FALSE(good.foreign);
  EXPECT_TRUE(One(absl::StrCat(text, " ck=256")).bad_number);
  EXPECT_TRUE(One(absl::StrCat(text, " ck=x")).bad_number);
  EXPECT_EQ(One(text).ck, std::nullopt);
}

TEST(Checksum, KnowsLinesThatFlexNetSigned) {
  EXPECT_TRUE(
      One("UPGRADE ARC/INFO ESRI 7.21 8.01 01-JAN-00 3 0123456789ABCDEF0123 ck=40").foreign);
  EXPECT_TRUE(One("FEATURE f acme 1 permanent 5 SIGN=\"0778 0B1A\" ck=40").foreign);
  const std::string ours =
      testing::SignedByAcme("SERVER a ANY 1\nVENDOR acme\nFEATURE f acme 1 permanent 5\n");
  EXPECT_FALSE(One(ours).foreign);
}

TEST(Checksum, EveryLicenseLineAndNoOtherIsChecked) {
  EXPECT_EQ(CheckLines("SERVER a ANY 1\nVENDOR v\nFEATURE f v 1 permanent 1\nPACKAGE p v\n"
                       "UPGRADE f v 1 2 permanent 1\nsome words\nINCREMENT\n")
                .size(),
            4u);
  EXPECT_TRUE(CheckLines("").empty());
}

}  // namespace
}  // namespace triad::license
