#include "license/line_effects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/signing_testing.h"

// UPGRADE, PACKAGE and SUPERSEDE as a catalog shows them. Rows about single attributes are in
// conformance_test.cc.
namespace triad::license {
namespace {

using testing::CatalogOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SignedByAcme;
using ::testing::SizeIs;
using testing::Texts;

Catalog Of(absl::string_view lines) {
  return CatalogOf({SignedByAcme(absl::StrCat("SERVER lic1 ANY 27000\nVENDOR acme\n", lines))});
}

Day On(absl::string_view text) {
  return **ParseExpiry(text);
}

// "feature version licenses[+overdraft]" of each pool that is valid on the day, in grant order.
std::vector<std::string> Give(const Catalog& catalog, absl::string_view day = "15-jun-2026") {
  std::vector<std::string> out;
  for (const Pool& pool : catalog.pools()) {
    const PoolTerms& terms = pool.On(On(day));
    if (!terms.valid) continue;
    out.push_back(absl::StrCat(pool.feature, " ", pool.version, " ",
                               pool.uncounted ? "uncounted" : absl::StrCat(terms.licenses),
                               terms.overdraft > 0 ? absl::StrCat("+", terms.overdraft) : ""));
  }
  return out;
}

// ---- UPGRADE

TEST(Upgrade, TurnsLicensesOfTheClosestLineBeforeItIntoTheNewVersion) {
  struct Row {
    const char* fact;
    const char* lines;
    std::vector<std::string> gives;
  };
  const Row rows[] = {
      {"flexnet-facts 1.8: 5 of 1.0 and UPGRADE 2 to 2.0 is 3 of 1.0 and 2 of 2.0",
       "INCREMENT f acme 1.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 2\n",
       {"f 2.0 2", "f 1.0 3"}},
      {"no more than there are",
       "INCREMENT f acme 1.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 9\n",
       {"f 2.0 5"}},
      {"the closest before it",
       "INCREMENT f acme 1.0 permanent 5\nINCREMENT f acme 1.5 permanent 5\n"
       "INCREMENT f acme 2.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 2\n"
       "INCREMENT f acme 1.2 permanent 5\n",
       {"f 2.0 7", "f 1.5 3", "f 1.2 5", "f 1.0 5"}},
      {"two after another",
       "INCREMENT f acme 1.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 2\n"
       "UPGRADE f acme 1.0 3.0 permanent 4\n",
       {"f 3.0 2", "f 1.0 3"}},
      {"of another feature",
       "INCREMENT g acme 1.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 2\n",
       {"g 1.0 5"}},
      {"uncounted",
       "FEATURE f acme 1.0 permanent uncounted HOSTID=ANY\n"
       "UPGRADE f acme 1.0 2.0 permanent uncounted HOSTID=ANY\n",
       {"f 1.0 uncounted", "f 2.0 uncounted"}},
  };
  for (const Row& row : rows) EXPECT_EQ(Give(Of(row.lines)), row.gives) << row.fact;
}

TEST(Upgrade, WithNothingToUpgradeIsToldOf) {
  const Catalog catalog =
      Of("INCREMENT f acme 2.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 2\n");
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre("a.dat:4:1: warning: UPGRADE f: no line before it has licenses of 1.0 to "
                          "below 2.0 left: nothing is upgraded"));
}

TEST(Upgrade, HoldsWhileBothLinesAreValid) {
  const Catalog catalog =
      Of("INCREMENT f acme 1.0 31-dec-2026 5 OVERDRAFT=1\n"
         "UPGRADE f acme 1.0 2.0 31-mar-2027 5 START=1-jul-2026\n");
  EXPECT_THAT(Give(catalog, "30-jun-2026"), ElementsAre("f 1.0 5+1"));
  EXPECT_THAT(Give(catalog, "1-jul-2026"), ElementsAre("f 2.0 5"));
  EXPECT_THAT(Give(catalog, "31-dec-2026"), ElementsAre("f 2.0 5"));
  EXPECT_THAT(Give(catalog, "1-jan-2027"), IsEmpty());
  const Catalog over =
      Of("INCREMENT f acme 1.0 permanent 5\nUPGRADE f acme 1.0 2.0 31-mar-2026 2\n");
  EXPECT_THAT(Give(over, "31-mar-2026"), ElementsAre("f 2.0 2", "f 1.0 3"));
  EXPECT_THAT(Give(over, "1-apr-2026"), ElementsAre("f 1.0 5"));
}

// ---- PACKAGE

TEST(Package, GivesItsComponentsForEachLicenseOfTheEnablingLine) {
  struct Row {
    const char* fact;
    const char* lines;
    std::vector<std::string> gives;
  };
  const Row rows[] = {
      {"flexnet-facts 1.8: 3 packages with apple:1.5:2 are 6 apples; defaults are the line's",
       "PACKAGE p acme 1.0 COMPONENTS=\"apple:1.5:2 pear plum:2\"\n"
       "INCREMENT p acme 1.0 permanent 3\n",
       {"apple 1.5 6", "pear 1.0 3", "plum 2 3"}},
      {"it may stand behind",
       "INCREMENT p acme 1.0 permanent 3 OVERDRAFT=1\nPACKAGE p acme 1.0 COMPONENTS=a:2:2\n",
       {"a 2 6+2"}},
      {"of another version, it stays what it is",
       "INCREMENT p acme 2.0 permanent 3\nPACKAGE p acme 1.0 COMPONENTS=a\n",
       {"p 2.0 3"}},
      {"without a version, for all",
       "INCREMENT p acme 2.0 permanent 3\nINCREMENT p acme 3.0 permanent 4\n"
       "PACKAGE p acme COMPONENTS=a\n",
       {"a 3.0 4", "a 2.0 3"}},
      {"components count with lines of their own",
       "INCREMENT p acme 1.0 permanent 3\nPACKAGE p acme 1.0 COMPONENTS=a\n"
       "INCREMENT a acme 1.0 permanent 10\n",
       {"a 1.0 13"}},
      {"a suite's do not, and the suite stays",
       "INCREMENT p acme 1.0 permanent 3\nPACKAGE p acme 1.0 COMPONENTS=\"a b\" OPTIONS=SUITE\n"
       "INCREMENT a acme 1.0 permanent 10\n",
       {"a 1.0 3", "a 1.0 10", "b 1.0 3", "p 1.0 3"}},
      {"an upgraded line enables, too",
       "INCREMENT p acme 1.0 permanent 5\nUPGRADE p acme 1.0 2.0 permanent 2\n"
       "PACKAGE p acme 2.0 COMPONENTS=a\n",
       {"a 2.0 2", "p 1.0 3"}},
  };
  for (const Row& row : rows) {
    const Catalog catalog = Of(row.lines);
    EXPECT_EQ(Give(catalog), row.gives) << row.fact;
  }
}

TEST(Package, OfASuiteNamesThePoolThatCountsWithIt) {
  for (const bool reserved : {false, true}) {
    const Catalog catalog =
        Of(absl::StrCat("INCREMENT s acme 1.0 permanent 3 SUITE_DUP_GROUP=UH\nPACKAGE s acme 1.0 "
                        "COMPONENTS=\"a b\" OPTIONS=",
                        reserved ? "SUITE_RESERVED" : "SUITE", "\n"));
    ASSERT_THAT(catalog.pools(), SizeIs(3));
    const Pool& a = *catalog.PoolsOf("a")[0];
    const Pool& b = *catalog.PoolsOf("b")[0];
    const Pool& suite = *catalog.PoolsOf("s")[0];
    ASSERT_TRUE(a.suite.has_value());
    EXPECT_EQ(a.suite->pool, suite.id);
    EXPECT_EQ(a.suite->reserved, reserved);
    EXPECT_EQ(b.suite->pool, suite.id);
    EXPECT_FALSE(suite.suite.has_value());
    EXPECT_THAT(suite.components, ElementsAre(a.id, b.id));
    EXPECT_EQ(suite.suite_dup_group->ToString(), "UH");
    // What a client needs to check the grant itself.
    ASSERT_NE(a.lines[0].package, nullptr);
    EXPECT_TRUE(VerifyBytes(a.lines[0].package->canonical, a.lines[0].package->sign.signature,
                            testing::FixedKey("acme").keys.public_key));
  }
}

TEST(Package, IsRefusedUnsignedAndItsLineStaysWhatItIs) {
  std::string text = SignedByAcme(
      "SERVER lic1 ANY 27000\nVENDOR acme\nINCREMENT p acme 1.0 permanent 3\n"
      "PACKAGE p acme 1.0 COMPONENTS=a:1:2\n");
  text.replace(text.find("a:1:2"), 5, "a:1:9");
  const Catalog catalog = CatalogOf({text});
  EXPECT_THAT(Give(catalog), ElementsAre("p 1.0 3"));
  ASSERT_THAT(catalog.diagnostics(), SizeIs(1));
  EXPECT_THAT(catalog.diagnostics()[0].ToString(),
              HasSubstr("a.dat:4:1: error: p: signature does not fit"));
}

TEST(Package, TellsOfOneThatNothingEnablesAndOfOneTooMany) {
  const Catalog catalog =
      Of("INCREMENT p acme 1 permanent 3\nPACKAGE p acme 1.0 COMPONENTS=a\n"
         "PACKAGE p acme 1 COMPONENTS=b\nPACKAGE q acme 1 COMPONENTS=c\n");
  EXPECT_THAT(Give(catalog), ElementsAre("a 1 3"));
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre("a.dat:5:1: error: PACKAGE p of acme stands twice: a.dat:4 is used: "
                          "remove this one",
                          "a.dat:6:1: warning: PACKAGE q is not enabled: a FEATURE or INCREMENT "
                          "line q of version 1 of acme is needed"));
}

TEST(Package, TooManyComponentsAreRefusedNotHeld) {
  std::string lines = "PACKAGE p acme 1.0 COMPONENTS=\"";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&lines, " c", i);
  absl::StrAppend(&lines, "\"\n");
  for (int i = 0; i < 200; ++i) {
    absl::StrAppend(&lines, "INCREMENT p acme 1.0 permanent 1 SN=", i, "\n");
  }
  const Catalog catalog = Of(lines);
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre(HasSubstr("too many components times lines")));
}

TEST(Package, ChangesTheLicenseSetsHash) {
  constexpr absl::string_view kLine = "INCREMENT p acme 1.0 permanent 3\n";
  EXPECT_NE(Of(absl::StrCat(kLine, "PACKAGE p acme 1.0 COMPONENTS=a\n")).license_hash(),
            Of(absl::StrCat(kLine, "PACKAGE p acme 1.0 COMPONENTS=a NOTICE=x\n")).license_hash());
}

// ---- SUPERSEDE

TEST(Supersede, KillsLinesIssuedEarlier) {
  struct Row {
    const char* fact;
    const char* lines;
    std::vector<std::string> gives;
  };
  const Row rows[] = {
      {"of its own feature",
       "INCREMENT f acme 1 permanent 1 ISSUED=1-jan-2024\nINCREMENT f acme 1 permanent 2 "
       "ISSUED=1-jan-2025\nINCREMENT f acme 1 permanent 4 ISSUED=1-jan-2025 SUPERSEDE\n"
       "INCREMENT g acme 1 permanent 8 ISSUED=1-jan-2024\n",
       {"f 1 6", "g 1 8"}},
      {"without a date, they are older",
       "INCREMENT f acme 1 permanent 1\nINCREMENT f acme 1 permanent 4 ISSUED=1-jan-2025 "
       "SUPERSEDE\n",
       {"f 1 4"}},
      {"of the features named, and only those",
       "INCREMENT f acme 1 permanent 1 SN=1\nINCREMENT g acme 1 permanent 2\n"
       "INCREMENT f acme 1 permanent 4 ISSUED=1-jan-2025 SUPERSEDE=\"g h\"\n",
       {"f 1 5"}},
      {"a FEATURE makes room for the one that supersedes it",
       "FEATURE f acme 1 permanent 1\nFEATURE f acme 1 permanent 4 ISSUED=1-jan-2025 SUPERSEDE\n",
       {"f 1 4"}},
      {"a PACKAGE, too",
       "PACKAGE p acme 1 COMPONENTS=a ISSUED=1-jan-2024\nINCREMENT p acme 1 permanent 3 "
       "ISSUED=1-jan-2025\nPACKAGE p acme 1 COMPONENTS=b ISSUED=1-jan-2025 SUPERSEDE\n",
       {"b 1 3"}},
  };
  for (const Row& row : rows) EXPECT_EQ(Give(Of(row.lines)), row.gives) << row.fact;
}

TEST(Supersede, HoldsFromItsStartOn) {
  const Catalog catalog =
      Of("FEATURE f acme 1 permanent 1 ISSUED=1-jan-2024\n"
         "FEATURE f acme 1 permanent 4 ISSUED=1-jan-2025 START=1-jul-2026 SUPERSEDE\n");
  EXPECT_THAT(Give(catalog, "30-jun-2026"), ElementsAre("f 1 1"));
  EXPECT_THAT(Give(catalog, "1-jul-2026"), ElementsAre("f 1 4"));
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre("a.dat:3:1: note: f: this line of 1-jan-2024 is superseded from "
                          "1-jul-2026 on by the one at a.dat:4 of 1-jan-2025"));
}

TEST(Supersede, NeedsADate) {
  const Catalog catalog =
      Of("INCREMENT f acme 1 permanent 1\nINCREMENT f acme 1 permanent 4 SUPERSEDE\n");
  EXPECT_THAT(Give(catalog), ElementsAre("f 1 5"));
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre(HasSubstr("SUPERSEDE without ISSUED= has no effect")));
}

}  // namespace
}  // namespace triad::license
