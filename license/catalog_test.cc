#include "license/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "license/digest.h"
#include "license/limits.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using testing::CatalogOf;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::FixedKey;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KeysOf;
using testing::SignedByAcme;
using ::testing::SizeIs;
using ::testing::StartsWith;
using testing::Texts;

constexpr absl::string_view kHead = "SERVER lic1 ANY 27000\nVENDOR acme\n";

std::string Signed(absl::string_view lines, absl::string_view head = kHead) {
  return SignedByAcme(absl::StrCat(head, lines));
}

Catalog OneFile(absl::string_view lines) {
  return CatalogOf({Signed(lines)});
}

Day On(absl::string_view text) {
  return **ParseExpiry(text);
}

// "feature version count[+count]" of each pool, in order.
std::vector<std::string> Order(const Catalog& catalog) {
  std::vector<std::string> out;
  for (const Pool& pool : catalog.pools()) {
    std::vector<std::string> counts;
    for (const Pool::Line& line : pool.lines) {
      counts.push_back(line.line.uncounted ? "uncounted" : absl::StrCat(line.line.count));
    }
    out.push_back(absl::StrCat(pool.feature, " ", pool.version, " ", absl::StrJoin(counts, "+")));
  }
  return out;
}

// ---- which lines are served

TEST(Catalog, ServesWhatIsSigned) {
  const Catalog catalog = OneFile("INCREMENT f acme 8.0 31-dec-2026 5 VENDOR_STRING=gold SN=7\n");
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  ASSERT_EQ(catalog.pools().size(), 1u);
  const Pool& pool = catalog.pools()[0];
  EXPECT_EQ(pool.feature, "f");
  EXPECT_EQ(pool.vendor, "acme");
  EXPECT_EQ(pool.version, "8.0");
  EXPECT_EQ(pool.vendor_string, "gold");
  EXPECT_EQ(pool.host_ids, "");
  EXPECT_FALSE(pool.uncounted);
  ASSERT_EQ(pool.lines.size(), 1u);
  // What a client needs to check the line itself.
  EXPECT_TRUE(VerifyBytes(pool.lines[0].canonical, pool.lines[0].sign.signature,
                          FixedKey("acme").keys.public_key));
  EXPECT_EQ(pool.lines[0].sign.key_id, KeyId(FixedKey("acme").keys.public_key));
  ASSERT_THAT(catalog.PoolsOf("f"), SizeIs(1));
  EXPECT_EQ(catalog.PoolsOf("f")[0], &pool);
  EXPECT_THAT(catalog.PoolsOf("F"), IsEmpty());
  EXPECT_EQ(catalog.FindPool(pool.id), &pool);
  EXPECT_EQ(catalog.FindPool(0), nullptr);
  EXPECT_THAT(catalog.vendors(), ElementsAre("acme"));
  ASSERT_THAT(catalog.servers(), SizeIs(1));
  EXPECT_EQ(catalog.servers()[0].host, "lic1");
}

TEST(Catalog, IgnoresALineThatDoesNotVerifyAndSaysWhy) {
  struct Row {
    const char* fact;
    std::string text;
    std::vector<std::string> says;
  };
  const std::string good = Signed("INCREMENT f acme 8.0 permanent 5\n");
  const Row rows[] = {
      {"unsigned",
       absl::StrCat(kHead, "\n  INCREMENT f acme 8.0 permanent 5\n"),
       {"a.dat:4:3: error: f: not signed: ask acme for a Triad-signed file"}},
      {"FlexNet's",
       absl::StrCat(kHead, "INCREMENT f acme 8.0 permanent 5 SIGN=\"0778 0B1A 1234\"\n"),
       {"a.dat:3:1: error: f: signed for FlexNet, not for Triad: ask acme for a Triad-signed "
        "file"}},
      {"more licenses",
       absl::StrReplaceAll(good, {{"permanent 5", "permanent 50"}}),
       {"a.dat:3:1: error: f: signature does not fit"}},
      {"other server",
       absl::StrReplaceAll(good, {{"lic1 ANY", "lic1 ID=1"}}),
       {"a.dat:3:1: error: f: signature does not fit"}},
      {"other vendor",
       absl::StrReplaceAll(good, {{"f acme", "f other"}}),
       {"a.dat:3:1: error: f: no public key of other is installed"}},
      {"no SERVER line",
       good.substr(good.find("VENDOR")),
       {"a.dat:2:1: error: counted licenses need SERVER lines"}},
      {"no VENDOR line",
       absl::StrReplaceAll(good, {{"VENDOR acme\n", ""}}),
       {"a.dat:2:1: error: no VENDOR line for acme: add `VENDOR acme`"}},
      {"two SERVER lines", "SERVER b ANY 1\n" + good, {"a.dat:2:1: error: 2 SERVER lines"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const Catalog catalog = CatalogOf({row.text});
    EXPECT_THAT(catalog.pools(), IsEmpty());
    const std::vector<std::string> texts = Texts(catalog.diagnostics());
    ASSERT_EQ(texts.size(), row.says.size()) << absl::StrJoin(texts, "\n");
    for (size_t i = 0; i < texts.size(); ++i) EXPECT_THAT(texts[i], StartsWith(row.says[i]));
  }
}

TEST(Catalog, OneBadLineDoesNotHurtTheOthers) {
  const std::string text =
      absl::StrReplaceAll(Signed("INCREMENT f acme 1 permanent 5\nINCREMENT g acme 1 permanent 6\n"
                                 "INCREMENT h acme 1 permanent 7\n"),
                          {{"permanent 6", "permanent 9"}});
  const Catalog catalog = CatalogOf({text});
  EXPECT_THAT(Order(catalog), ElementsAre("f 1 5", "h 1 7"));
  ASSERT_THAT(catalog.diagnostics(), SizeIs(1));
  EXPECT_EQ(catalog.diagnostics()[0].position.line, 4);
}

TEST(Catalog, AVendorLineMayStandInAnotherFile) {
  const std::string first = Signed("INCREMENT f acme 1 permanent 5\n", "SERVER lic1 ANY 27000\n");
  const Catalog catalog = CatalogOf({first, "SERVER lic1 ANY 27000\nVENDOR acme\n"});
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  EXPECT_THAT(Order(catalog), ElementsAre("f 1 5"));
}

TEST(Catalog, AMissingVendorLineIsNamedOnce) {
  const Catalog catalog =
      CatalogOf({Signed("INCREMENT f acme 1 permanent 5\nINCREMENT g acme 1 permanent 5\n"
                        "INCREMENT h acme 1 permanent uncounted HOSTID=ANY\n",
                        "SERVER lic1 ANY 27000\n")});
  EXPECT_THAT(catalog.diagnostics(), SizeIs(1));
  // An uncounted feature needs no server.
  EXPECT_THAT(Order(catalog), ElementsAre("h 1 uncounted"));
}

TEST(Catalog, FilesForOtherMachinesAreNotCombined) {
  const std::string here = Signed("INCREMENT f acme 1 permanent 5\n");
  const std::string moved = absl::StrReplaceAll(Signed("INCREMENT g acme 1 permanent 5\n"),
                                                {{"lic1 ANY 27000", "lic9 ANY 27000"}});
  const std::string elsewhere =
      Signed("INCREMENT h acme 1 permanent 5\n", "SERVER lic1 ID=5 27000\nVENDOR acme\n");
  const Catalog catalog = CatalogOf({here, moved, elsewhere});
  EXPECT_THAT(Order(catalog), ElementsAre("f 1 5", "g 1 5"));
  const std::vector<std::string> texts = Texts(catalog.diagnostics());
  ASSERT_THAT(texts, SizeIs(2));
  EXPECT_THAT(texts[0], StartsWith("b.dat:1:1: warning: host or port differs from the same SERVER "
                                   "line at a.dat:1"));
  EXPECT_THAT(texts[1],
              StartsWith("c.dat:1:1: error: SERVER host ids differ from those at a.dat:1"));
}

TEST(Catalog, TheSameSignedLineCountsOnce) {
  const std::string text = Signed("INCREMENT f acme 1 permanent 5\n");
  const std::string line = text.substr(text.find("INCREMENT"));
  EXPECT_EQ(OneFile("INCREMENT f acme 1 permanent 5\n").pools()[0].LicensesOn(Day{0}), 5u);
  const std::string changed =
      absl::StrReplaceAll(line, {{"INCREMENT f", "increment\tf"}, {" SIGN", " user_info=x SIGN"}});
  const Catalog catalog = CatalogOf({absl::StrCat(text, line), absl::StrCat(kHead, changed)});
  EXPECT_THAT(Order(catalog), ElementsAre("f 1 5"));
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre("a.dat:4:1: note: f: the same line as at a.dat:3; it counts once",
                          "b.dat:3:1: note: f: the same line as at a.dat:3; it counts once"));
}

// ---- FEATURE and INCREMENT

TEST(Catalog, OfSeveralFeatureLinesTheFirstInTheFileIsGrantedFrom) {
  const Catalog catalog = OneFile(
      "FEATURE f acme 1.0 permanent 5\nFEATURE g acme 1 permanent 1\n"
      "FEATURE f acme 9.0 permanent 7\nFEATURE f acme 2.0 permanent uncounted HOSTID=ANY\n");
  // By sort order 9.0 or the uncounted one would be first.
  EXPECT_THAT(Order(catalog), ElementsAre("f 1.0 5", "g 1 1"));
  EXPECT_THAT(
      Texts(catalog.diagnostics()),
      ElementsAre("a.dat:5:1: error: FEATURE f of acme stands 3 times: a.dat:3 is granted from, "
                  "a.dat:5, a.dat:6 are ignored: use INCREMENT, or remove it"));
}

TEST(Catalog, ARepeatedFeatureIsFoundOverSeveralFiles) {
  const Catalog catalog = CatalogOf(
      {Signed("FEATURE f acme 1 permanent 5\n"), Signed("FEATURE f acme 1 permanent 7\n")});
  EXPECT_THAT(Order(catalog), ElementsAre("f 1 5"));
  EXPECT_THAT(
      Texts(catalog.diagnostics()),
      ElementsAre("b.dat:3:1: error: FEATURE f of acme stands 2 times: a.dat:3 is granted from, "
                  "b.dat:3 is ignored: use INCREMENT, or remove it"));
}

TEST(Catalog, ALineThatDoesNotVerifyIsNoFirstFeature) {
  const std::string text =
      absl::StrReplaceAll(Signed("FEATURE f acme 1 permanent 5\nFEATURE f acme 1 permanent 7\n"),
                          {{"permanent 5", "permanent 6"}});
  EXPECT_THAT(Order(CatalogOf({text})), ElementsAre("f 1 7"));
}

TEST(Catalog, IncrementsAddToAFeatureAndToOneAnother) {
  const Catalog catalog = OneFile(
      "INCREMENT f acme 1 permanent 3\nFEATURE f acme 1.0 permanent 5\n"
      "INCREMENT f acme 1 permanent 4\n");
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  EXPECT_THAT(Order(catalog), ElementsAre("f 1.0 5+3+4"));
  EXPECT_EQ(catalog.pools()[0].LicensesOn(Day{0}), 12u);
}

TEST(Catalog, TwoVendorsMayHaveAFeatureOfOneName) {
  const std::string text = absl::StrCat(
      kHead, "VENDOR beta\nFEATURE f acme 1 permanent 5\nFEATURE f beta 1 permanent 7\n");
  LicenseSources sources;
  sources.keys = KeysOf({FixedKey("acme"), FixedKey("beta", '2')});
  sources.license_files.push_back(
      {"a.dat",
       *SignText("a.dat", *SignText("a.dat", text, FixedKey("acme")), FixedKey("beta", '2'))});
  const Catalog catalog = Catalog::Build(sources);
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  EXPECT_THAT(Order(catalog), ElementsAre("f 1 5", "f 1 7"));
  EXPECT_THAT(catalog.PoolsOf("f"), SizeIs(2));
  EXPECT_THAT(catalog.vendors(), ElementsAre("acme", "beta"));
}

// ---- pools

TEST(Catalog, PoolingComponentsTellPoolsApart) {
  struct Row {
    const char* fact;
    const char* rest;  // of a line beside "INCREMENT f acme 1.0 permanent 5"
    bool same;
  };
  const Row rows[] = {
      {"count", "1.0 permanent 7", true},
      {"form of the version", "01 permanent 5 SN=2", true},
      {"expiry", "1.0 31-dec-2030 5", true},
      {"SN, ISSUED, NOTICE", "1.0 permanent 5 SN=1 ISSUED=1-jan-2020 NOTICE=x", true},
      {"version", "1.1 permanent 5", false},
      {"VENDOR_STRING", "1.0 permanent 5 VENDOR_STRING=x", false},
      {"empty VENDOR_STRING", "1.0 permanent 5 VENDOR_STRING=\"\"", false},
      {"HOSTID", "1.0 permanent 5 HOSTID=ANY", false},
      {"DUP_GROUP", "1.0 permanent 5 DUP_GROUP=UHD", false},
      {"FLOAT_OK", "1.0 permanent 5 FLOAT_OK", false},
      {"HOST_BASED", "1.0 permanent 5 HOST_BASED=2", false},
      {"USER_BASED", "1.0 permanent 5 USER_BASED", false},
      {"PLATFORMS", "1.0 permanent 5 PLATFORMS=x", false},
      {"uncounted", "1.0 permanent 0 HOSTID=ANY", false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const Catalog catalog = OneFile(
        absl::StrCat("INCREMENT f acme 1.0 permanent 5\nINCREMENT f acme ", row.rest, "\n"));
    EXPECT_THAT(Texts(catalog.diagnostics()), Each(HasSubstr("no INCLUDE names")));
    EXPECT_EQ(catalog.pools().size(), row.same ? 1u : 2u);
    std::set<uint64_t> ids;
    for (const Pool& pool : catalog.pools()) ids.insert(pool.id);
    EXPECT_EQ(ids.size(), catalog.pools().size());
  }
}

TEST(Catalog, HostIdsThatMeanTheSameMakeOnePool) {
  const Catalog catalog = OneFile(
      "INCREMENT f acme 1 permanent 5 HOSTID=\"0019D1AABBCC ID=1-2\"\n"
      "INCREMENT f acme 1 permanent 6 HOSTID=\"0019d1aabbcc  ID=12\"\n");
  ASSERT_THAT(Order(catalog), ElementsAre("f 1 5+6"));
  EXPECT_EQ(catalog.pools()[0].host_ids, "0019d1aabbcc ID=12");
}

TEST(Catalog, APoolKeepsItsIdWhenLinesComeAndGo) {
  const Catalog before = OneFile("INCREMENT f acme 1.0 permanent 5\n");
  const Catalog after = OneFile(
      "INCREMENT a acme 1 permanent 5\nINCREMENT f acme 1.00 1-jan-2030 50\n"
      "INCREMENT f acme 2.0 permanent 5\n");
  const Pool* pool = after.FindPool(before.pools()[0].id);
  ASSERT_NE(pool, nullptr);
  EXPECT_EQ(pool->version, "1.00");
  EXPECT_NE(pool->id, 0u);
}

TEST(Catalog, LinesCountFromTheirStartThroughTheirLastDay) {
  const Catalog catalog = OneFile(
      "INCREMENT f acme 1 31-dec-2026 5\nINCREMENT f acme 1 permanent 20 START=1-jul-2026\n"
      "INCREMENT g acme 1 31-dec-2026 100 START=1-jul-2026\n");
  ASSERT_EQ(catalog.pools().size(), 2u);
  const Pool& f = catalog.pools()[0];
  const Pool& g = catalog.pools()[1];
  struct Row {
    const char* day;
    uint64_t of_f;
    uint64_t of_g;
  };
  const Row rows[] = {{"30-jun-2026", 5, 0},
                      {"1-jul-2026", 25, 100},
                      {"31-dec-2026", 25, 100},
                      {"1-jan-2027", 20, 0}};
  for (const Row& row : rows) {
    EXPECT_EQ(f.LicensesOn(On(row.day)), row.of_f) << row.day;
    EXPECT_EQ(g.LicensesOn(On(row.day)), row.of_g) << row.day;
    EXPECT_EQ(g.ValidOn(On(row.day)), row.of_g > 0) << row.day;
  }
}

TEST(Catalog, AnExpiredLineStaysInItsPool) {
  const Catalog catalog = OneFile("INCREMENT f acme 1 31-dec-2001 5\n");
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  ASSERT_EQ(catalog.pools().size(), 1u);
  EXPECT_EQ(catalog.pools()[0].LicensesOn(On("1-jan-2026")), 0u);
  EXPECT_FALSE(catalog.pools()[0].ValidOn(On("1-jan-2026")));
  EXPECT_EQ(catalog.pools()[0].ExpiryText(), "31-dec-2001");
}

TEST(Catalog, ShowsTheLatestExpiry) {
  EXPECT_EQ(OneFile("INCREMENT f acme 1 31-DEC-2026 5\nINCREMENT f acme 1 1-jan-2026 5\n")
                .pools()[0]
                .ExpiryText(),
            "31-DEC-2026");
  EXPECT_EQ(OneFile("INCREMENT f acme 1 31-dec-2026 5\nINCREMENT f acme 1 1-jan-0 5\n")
                .pools()[0]
                .ExpiryText(),
            "permanent");
  EXPECT_EQ(Pool().ExpiryText(), "");
}

// ---- order

TEST(Catalog, GrantsInTheSortOrder) {
  struct Row {
    const char* fact;
    const char* lines;
    std::vector<std::string> order;
  };
  const Row rows[] = {
      {"by feature name",
       "INCREMENT b acme 1 permanent 1\nINCREMENT a acme 1 permanent 2\n",
       {"a 1 2", "b 1 1"}},
      {"FEATURE before INCREMENT, also of a lower version",
       "INCREMENT a acme 9 permanent 1\nFEATURE a acme 1 permanent 2\n",
       {"a 1 2", "a 9 1"}},
      {"uncounted before counted, also of a lower version",
       "INCREMENT a acme 9 permanent 1\nINCREMENT a acme 1 permanent 0 HOSTID=ANY\n",
       {"a 1 uncounted", "a 9 1"}},
      {"higher version first, as numbers",
       "INCREMENT a acme 9 permanent 1\nINCREMENT a acme 10 permanent 2\n",
       {"a 10 2", "a 9 1"}},
      {"newest ISSUED or START first",
       "INCREMENT a acme 1 permanent 1\nINCREMENT a acme 1 permanent 2 ISSUED=1-jan-2020\n"
       "INCREMENT a acme 1 permanent 3 START=1-jan-2021\n",
       {"a 1 3+2+1"}},
      {"else as in the file",
       "INCREMENT a acme 1 permanent 2\nINCREMENT a acme 1 permanent 1\n",
       {"a 1 2+1"}},
      {"sort= below 100 goes ahead",
       "INCREMENT a acme 9 permanent 1\nINCREMENT a acme 1 permanent 2 sort=99\n",
       {"a 1 2", "a 9 1"}},
      {"sort= above 100 goes behind",
       "INCREMENT a acme 9 permanent 1 sort=101\nINCREMENT a acme 1 permanent 2\n",
       {"a 1 2", "a 9 1"}},
      {"equal sort= keeps the order of the file",
       "INCREMENT b acme 1 permanent 1 sort=5\nINCREMENT a acme 1 permanent 2 sort=5\n"
       "INCREMENT a acme 9 permanent 3 sort=5\n",
       {"b 1 1", "a 1 2", "a 9 3"}},
      {"also with the number that is the default",
       "INCREMENT a acme 1 permanent 2 sort=100\nINCREMENT a acme 9 permanent 3 sort=100\n",
       {"a 1 2", "a 9 3"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    EXPECT_EQ(Order(OneFile(row.lines)), row.order);
  }
}

TEST(Catalog, NothingIsSortedAcrossFiles) {
  const Catalog catalog = CatalogOf(
      {Signed("INCREMENT b acme 1 permanent 1\n"), Signed("INCREMENT a acme 9 permanent 2 sort=1\n"
                                                          "INCREMENT b acme 2 permanent 3\n")});
  EXPECT_THAT(Order(catalog), ElementsAre("b 1 1", "a 9 2", "b 2 3"));
  ASSERT_THAT(catalog.PoolsOf("b"), SizeIs(2));
  EXPECT_EQ(catalog.PoolsOf("b")[0]->version, "1");
}

// ---- the whole

TEST(Catalog, ComplaintsComeInTheOrderOfTheFiles) {
  const Catalog catalog =
      CatalogOf({absl::StrCat(kHead,
                              "INCREMENT f acme 1 permanent 5\nPACKAGE p acme 1 COMPONENTS=f\n"
                              "INCREMENT f acme 1 permanent 5\n"),
                 absl::StrCat(kHead, "INCREMENT f acme 1 never 5\n")});
  std::vector<std::string> places;
  for (const Diagnostic& diagnostic : catalog.diagnostics()) {
    places.push_back(absl::StrCat(diagnostic.position.file, ":", diagnostic.position.line));
  }
  EXPECT_THAT(places, ElementsAre("a.dat:3", "a.dat:4", "a.dat:5", "b.dat:3"));
}

TEST(Catalog, ComplaintsAreLimited) {
  std::string text(kHead);
  for (size_t i = 0; i < 3 * kDiagnosticsMax; ++i) {
    absl::StrAppend(&text, "INCREMENT f", i, " acme 1 permanent 5\n");
  }
  EXPECT_EQ(CatalogOf({text, text}).diagnostics().size(), kDiagnosticsMax + 1);
}

TEST(Catalog, OptionsFilesComeBehindLicenseFiles) {
  LicenseSources sources;
  sources.license_files.push_back({"a.dat", "INCREMENT\n"});
  sources.option_files.push_back({"acme", "MAX 1 f USER ann\n"});
  EXPECT_THAT(Texts(Catalog::Build(sources).diagnostics()),
              ElementsAre(StartsWith("a.dat:1:"), StartsWith("acme.opt:1:1: warning: ")));
}

TEST(Catalog, NothingInNothingOut) {
  const Catalog catalog = Catalog::Build(LicenseSources());
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  EXPECT_THAT(catalog.pools(), IsEmpty());
  EXPECT_EQ(catalog.server_set(), "");
}

TEST(Catalog, PointersStayGoodWhenItMoves) {
  Catalog first = OneFile("INCREMENT f acme 1 permanent 5\nINCREMENT g acme 1 permanent 6\n");
  const Pool* g = first.PoolsOf("g")[0];
  const uint64_t id = g->id;
  Catalog second(std::move(first));
  EXPECT_EQ(second.PoolsOf("g")[0], g);
  Catalog third = OneFile("INCREMENT h acme 1 permanent 5\n");
  third = std::move(second);
  EXPECT_EQ(third.FindPool(id), g);
  EXPECT_EQ(g, &third.pools()[1]);
  EXPECT_EQ(g->lines[0].line.count, 6u);
  EXPECT_THAT(third.PoolsOf("h"), IsEmpty());
}

TEST(Catalog, HashesTellWhatIsTheSame) {
  const Catalog base = OneFile("INCREMENT f acme 1 permanent 5\nINCREMENT g acme 1 permanent 6\n");
  const Catalog laid_out =
      CatalogOf({absl::StrReplaceAll(Signed("INCREMENT g acme 01.0 1-jan-0 6 sort=1\n# x\n"
                                            "increment f acme 1 \\\n permanent 5\n"),
                                     {{"lic1 ANY 27000", "other ANY 1"}})});
  EXPECT_EQ(base.license_hash(), laid_out.license_hash());
  EXPECT_EQ(base.server_set(), laid_out.server_set());
  const Catalog fewer = OneFile("INCREMENT f acme 1 permanent 5\n");
  EXPECT_NE(base.license_hash(), fewer.license_hash());
  EXPECT_EQ(base.server_set(), fewer.server_set());
  const Catalog elsewhere =
      CatalogOf({Signed("INCREMENT f acme 1 permanent 5\n", "SERVER a ID=1 1\nVENDOR acme\n")});
  EXPECT_NE(elsewhere.server_set(), base.server_set());
  EXPECT_NE(elsewhere.license_hash(), fewer.license_hash());
  EXPECT_EQ(base.license_hash().size(), 64u);
}

TEST(Catalog, ThreeServersKeepTheirOrder) {
  const Catalog catalog = CatalogOf(
      {Signed("INCREMENT f acme 1 permanent 5\n",
              "SERVER c ID=3 27010\nSERVER a ID=1 27010\nSERVER b ID=2 27010\nVENDOR acme\n")});
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  ASSERT_THAT(catalog.servers(), SizeIs(3));
  EXPECT_EQ(catalog.servers()[0].host, "c");
  EXPECT_EQ(catalog.server_set(), Sha256Hex("4:ID=3,4:ID=1,4:ID=2,"));
}

// ---- what a pool gives on a day

TEST(Catalog, APoolSumsTheLinesOfTheDayAndTakesTheirMostGenerousTerms) {
  const Catalog catalog = OneFile(
      "INCREMENT f acme 1 31-jan-2026 5 OVERDRAFT=2 LINGER=60 BORROW\n"
      "INCREMENT f acme 1 28-feb-2026 7 OVERDRAFT=1 LINGER=90 MINIMUM=3 START=10-jan-2026\n");
  ASSERT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  ASSERT_THAT(catalog.pools(), SizeIs(1));
  const Pool& pool = catalog.pools()[0];
  struct Row {
    const char* day;
    PoolTerms terms;
  };
  const Row rows[] = {
      {"1-jan-1970", {true, 5, 2, 60, 168, 0}},
      {"9-jan-2026", {true, 5, 2, 60, 168, 0}},
      {"10-jan-2026", {true, 12, 3, 90, 168, 3}},
      {"31-jan-2026", {true, 12, 3, 90, 168, 3}},
      {"1-feb-2026", {true, 7, 1, 90, 0, 3}},
      {"28-feb-2026", {true, 7, 1, 90, 0, 3}},
      {"1-mar-2026", {}},
      {"1-jan-2100", {}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(pool.On(On(row.day)), row.terms) << row.day;
    EXPECT_EQ(pool.LicensesOn(On(row.day)), row.terms.licenses);
    EXPECT_EQ(pool.OverdraftOn(On(row.day)), row.terms.overdraft);
    EXPECT_EQ(pool.ValidOn(On(row.day)), row.terms.valid);
  }
  EXPECT_EQ(pool.NextChange(On("1-jan-2020")), On("10-jan-2026"));
  EXPECT_EQ(pool.NextChange(On("10-jan-2026")), On("1-feb-2026"));
  EXPECT_EQ(pool.NextChange(On("1-feb-2026")), On("1-mar-2026"));
  EXPECT_EQ(pool.NextChange(On("1-mar-2026")), std::nullopt);
}

TEST(Catalog, APoolHasTheTypedPoolingComponents) {
  const Catalog catalog = OneFile(
      "INCREMENT f acme 1 permanent 5 DUP_GROUP=HU USER_BASED=4 HOST_BASED PLATFORMS=x64_lsb "
      "HOSTID=\"ANY 0019D1AABBCC\"\n"
      "INCREMENT f acme 1 permanent 5 DUP_GROUP=UH USER_BASED=4 HOST_BASED PLATFORMS=x64_lsb "
      "HOSTID=\"ANY 0019d1aabbcc\" SN=2\n"
      "INCREMENT f acme 1 permanent 5 DUP_GROUP=SITE\nINCREMENT f acme 1 permanent 5\n");
  ASSERT_THAT(catalog.pools(), SizeIs(3));
  const Pool& pool = catalog.pools()[0];
  EXPECT_THAT(pool.lines, SizeIs(2));
  EXPECT_EQ(pool.dup_group->ToString(), "UH");
  EXPECT_EQ(pool.user_based, 4u);
  EXPECT_EQ(pool.host_based, 5u);
  EXPECT_THAT(pool.platforms, ElementsAre("x64_lsb"));
  EXPECT_THAT(pool.locks, SizeIs(2));
  EXPECT_EQ(catalog.pools()[1].dup_group->ToString(), "SITE");
  EXPECT_EQ(catalog.pools()[2].dup_group, std::nullopt);
}

// --- What makes it cheaper changes nothing ---

LicenseSources SourcesOfAcme(std::string text) {
  LicenseSources sources;
  sources.license_files.push_back({"a.dat", std::move(text)});
  sources.keys = testing::KeysOf({testing::FixedKey("acme")});
  return sources;
}

TEST(Catalog, WhatAnotherCatalogHasVerifiedIsTakenForNothingElse) {
  const std::string text = testing::SignedByAcme(
      "SERVER lic1 ANY 27000\nVENDOR acme\nINCREMENT f acme 1 permanent 5\n"
      "PACKAGE p acme COMPONENTS=a\nINCREMENT p acme 1 permanent 3\n");
  const Catalog known = Catalog::Build(SourcesOfAcme(text));
  ASSERT_EQ(known.pools().size(), 2u);
  ASSERT_EQ(known.verified()->size(), 3u);
  const auto again = [&](const std::string& bytes) {
    const LicenseSources changed = SourcesOfAcme(bytes);
    const Catalog with =
        Catalog::Build(changed, {.known = {nullptr, known.verified()}, .for_each = {}});
    const Catalog without = Catalog::Build(changed);
    EXPECT_EQ(with.license_hash(), without.license_hash()) << bytes;
    EXPECT_EQ(testing::Texts(with.diagnostics()), testing::Texts(without.diagnostics()));
    EXPECT_EQ(*with.verified(), *without.verified());
    return with.pools().size();
  };
  EXPECT_EQ(again(text), 2u);
  EXPECT_EQ(again(absl::StrReplaceAll(text, {{"permanent 5", "permanent 6"}})), 1u);
  EXPECT_EQ(again(absl::StrReplaceAll(text, {{"lic1 ANY", "lic1 ID=7"}})), 0u);
  std::string other = text;
  const size_t digit = text.find("T1") + 40;  // of the first line's signature
  ASSERT_LT(digit, text.size());
  other[digit] = other[digit] == '0' ? '1' : '0';
  EXPECT_EQ(again(other), 1u) << "the line is known, its signature is another";
  LicenseSources no_key = SourcesOfAcme(text);
  no_key.keys.clear();
  EXPECT_TRUE(
      Catalog::Build(no_key, {.known = {known.verified()}, .for_each = {}}).pools().empty());
  no_key.keys = testing::KeysOf({testing::FixedKey("acme", '7')});
  EXPECT_TRUE(
      Catalog::Build(no_key, {.known = {known.verified()}, .for_each = {}}).pools().empty());
}

TEST(Catalog, SignaturesMayBeCheckedInAnyOrder) {
  const std::string text = testing::SignedByAcme(
      "SERVER lic1 ANY 27000\nVENDOR acme\nINCREMENT f acme 1 permanent 5\n"
      "INCREMENT g acme 1 permanent 3\nINCREMENT h acme 1 permanent 1\n");
  const LicenseSources sources =
      SourcesOfAcme(absl::StrReplaceAll(text, {{"permanent 3", "permanent 4"}}));
  BuildHelp backwards;
  size_t asked = 0;
  backwards.for_each = [&asked](size_t count, const std::function<void(size_t)>& work) {
    asked = count;
    for (size_t i = count; i > 0; --i) work(i - 1);
  };
  const Catalog with = Catalog::Build(sources, backwards);
  const Catalog without = Catalog::Build(sources);
  EXPECT_EQ(asked, 3u);
  EXPECT_EQ(with.pools().size(), 2u);
  EXPECT_EQ(with.license_hash(), without.license_hash());
  EXPECT_EQ(testing::Texts(with.diagnostics()), testing::Texts(without.diagnostics()));
}

}  // namespace
}  // namespace triad::license
