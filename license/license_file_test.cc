#include "license/license_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/limits.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::Texts;

LicenseFile Read(absl::string_view text) {
  return ReadLicenseFile("f", text);
}

// The one FEATURE or INCREMENT line of `text`, which must be without complaint.
FeatureLine ReadOne(absl::string_view text) {
  LicenseFile file = Read(text);
  EXPECT_THAT(Texts(file.diagnostics), IsEmpty());
  EXPECT_EQ(file.features.size(), 1u);
  return file.features.empty() ? FeatureLine() : file.features[0];
}

// ---- dates and versions

TEST(Expiry, ReadsEveryForm) {
  struct Row {
    const char* fact;
    const char* text;
    const char* means;  // "": permanent
  };
  const Row rows[] = {
      {"four-digit year", "31-dec-2026", "31-dec-2026"},
      {"month in any case", "31-DeC-2026", "31-dec-2026"},
      {"one-digit day", "1-jan-2027", "1-jan-2027"},
      {"day with a zero", "01-jan-2027", "1-jan-2027"},
      {"two-digit year is 19xx", "01-jan-99", "1-jan-1999"},
      {"leap day", "29-feb-2028", "29-feb-2028"},
      {"leap day of 2000", "29-feb-2000", "29-feb-2000"},
      {"the word permanent", "permanent", ""},
      {"the word in upper case", "PERMANENT", ""},
      {"year 0", "1-jan-0", ""},
      {"year 00", "01-JAN-00", ""},
      {"year 000", "1-jan-000", ""},
      {"year 0000", "01-jan-0000", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    absl::StatusOr<std::optional<Day>> day = ParseExpiry(row.text);
    ASSERT_TRUE(day.ok()) << day.status();
    EXPECT_EQ(day->has_value() ? FormatDay(**day) : "", row.means);
  }
}

TEST(Expiry, RefusesWhatIsNoDay) {
  for (const char* text :
       {"", "never", "31-dec", "31-dec-2026-1", "31-dez-2026", "31-jun-2026", "29-feb-2027",
        "29-feb-2100", "0-jan-2026", "32-jan-2026", "001-jan-2026", "1-jan-026", "1-jan-1",
        "1-jan-20266", "2026-12-31", "-1-jan-2026", "1-jan-+026", "1 jan 2026", "permanently"}) {
    EXPECT_FALSE(ParseExpiry(text).ok()) << text;
  }
}

TEST(Day, CountsFrom1970) {
  EXPECT_EQ((*ParseExpiry("1-jan-1970"))->days, 0);
  EXPECT_EQ((*ParseExpiry("31-dec-1969"))->days, -1);
  EXPECT_EQ((*ParseExpiry("1-mar-2000"))->days, 11017);
  EXPECT_EQ((*ParseExpiry("31-dec-2026"))->days, 20818);
  for (int32_t days = -200'000; days < 2'900'000; days += 17) {
    const std::string text = FormatDay(Day{days});
    absl::StatusOr<std::optional<Day>> back = ParseExpiry(text);
    if (!back.ok()) continue;  // before year 1000 or after 9999
    ASSERT_EQ((*back)->days, days) << text;
  }
}

TEST(Day, BeginsAtMidnightWhereTheServerStands) {
  const int64_t midnight = int64_t{20818} * 86400 * 1000;
  EXPECT_EQ(DayAt(midnight, 0).days, 20818);
  EXPECT_EQ(DayAt(midnight - 1, 0).days, 20817);
  EXPECT_EQ(DayAt(midnight - 1, 3600).days, 20818);
  EXPECT_EQ(DayAt(midnight, -3600).days, 20817);
  EXPECT_EQ(DayAt(-1, 0).days, -1);
  EXPECT_EQ(DayAt(-1000, 0).days, -1);
  EXPECT_EQ(DayAt(0, -1).days, -1);
  DayAt(INT64_MAX, INT32_MAX);
  DayAt(INT64_MIN, INT32_MIN);
}

TEST(Version, ComparesAsANumber) {
  struct Row {
    const char* a;
    const char* b;
    int sign;
  };
  const Row rows[] = {
      {"8.0", "8", 0},
      {"8.0", "8.00", 0},
      {"08.10", "8.1", 0},
      {"8.5", "8.10", 1},
      {"8.09", "8.1", -1},
      {"10", "9", 1},
      {"2024.0331", "2024", 1},
      {"2024.0331", "2024.04", -1},
      {".5", "0.5", 0},
      {"0", "0.0", 0},
      {"5.", "5", 0},
      {"0.1", "0.10000001", -1},
      {"123456789", "1234567890", -1},
      {"1.0000001", "1.0000002", -1},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(row.a, " and ", row.b));
    const int there = CompareVersions(row.a, row.b);
    const int back = CompareVersions(row.b, row.a);
    EXPECT_EQ((there > 0) - (there < 0), row.sign);
    EXPECT_EQ((back > 0) - (back < 0), -row.sign);
    EXPECT_EQ(CanonicalVersion(row.a) == CanonicalVersion(row.b), row.sign == 0);
  }
}

TEST(Version, HasTenCharactersAndOneDotAtMost) {
  for (const char* good : {"8", "8.0", "2024.0331", "1234567890", ".1", "1."}) {
    EXPECT_TRUE(IsVersion(good)) << good;
  }
  for (const char* bad : {"", ".", "8.0.1", "v8", "8a", "12345678901", "-1", "1,0", "1e3", " 1"}) {
    EXPECT_FALSE(IsVersion(bad)) << bad;
  }
}

// ---- lines

TEST(LicenseFile, ReadsServerLines) {
  const LicenseFile file = Read(
      "SERVER wilson 000476BA8EE9 27010\n"
      "server [fd00::2] HOSTNAME=b 27010\n"
      "Server 10.0.0.3 ID=12-34 27010\n");
  EXPECT_THAT(Texts(file.diagnostics), IsEmpty());
  EXPECT_TRUE(file.servers_usable);
  ASSERT_EQ(file.servers.size(), 3u);
  EXPECT_EQ(file.servers[0].host, "wilson");
  EXPECT_EQ(file.servers[0].host_id.ToString(), "000476ba8ee9");
  EXPECT_EQ(file.servers[0].host_id_text, "000476BA8EE9");
  EXPECT_EQ(file.servers[0].port, 27010);
  EXPECT_EQ(file.servers[0].position.line, 1);
  EXPECT_EQ(file.servers[1].host, "fd00::2");
  EXPECT_EQ(file.servers[2].host_id.ToString(), "ID=1234");
}

TEST(LicenseFile, OneServerLineNeedsNoPort) {
  const LicenseFile file = Read("SERVER this_host ANY\n");
  EXPECT_THAT(Texts(file.diagnostics), IsEmpty());
  ASSERT_EQ(file.servers.size(), 1u);
  EXPECT_EQ(file.servers[0].port, 0);
}

TEST(LicenseFile, NotesOnceWhatHasNoEffect) {
  const LicenseFile file = Read(
      "SERVER a ANY 27010 PRIMARY_IS_MASTER HEARTBEAT_INTERVAL=30\n"
      "SERVER b ANY 27010 HEARTBEAT_INTERVAL=30\nSERVER c ANY PRIMARY_IS_MASTER PLAT=1\n"
      "VENDOR v /opt/v OPTIONS=/etc/v.opt PORT=27011\n");
  EXPECT_THAT(file.servers[0].unused, ElementsAre("PRIMARY_IS_MASTER", "HEARTBEAT_INTERVAL=30"));
  ASSERT_EQ(file.vendors.size(), 1u);
  EXPECT_THAT(file.vendors[0].unused, ElementsAre("/opt/v", "PORT=27011"));
  std::vector<std::string> texts = Texts(file.diagnostics);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_THAT(texts[0], HasSubstr("SERVER c has no port"));
  EXPECT_EQ(texts[1],
            "f:1:1: note: accepted, without effect here: PRIMARY_IS_MASTER, HEARTBEAT_INTERVAL, "
            "PLAT, the vendor daemon's path and port");
}

TEST(LicenseFile, ReadsVendorLines) {
  struct Row {
    const char* fact;
    const char* text;
    const char* options;
    std::vector<std::string> unused;
  };
  const Row rows[] = {
      {"name alone", "VENDOR genesys.d", "", {}},
      {"DAEMON is the same", "DAEMON genesys.d /p", "", {"/p"}},
      {"positional", "VENDOR genesys.d /p /o 2000", "/o", {"/p", "2000"}},
      {"keywords in any case", "VENDOR genesys.d options=/o port=1719", "/o", {"port=1719"}},
      {"path and keywords", "VENDOR genesys.d /p Options=\"/o p\"", "/o p", {"/p"}},
      {"path and port", "VENDOR genesys.d /p 2000", "", {"/p", "2000"}},
      {"path, OPTIONS= and positional port",
       "VENDOR genesys.d /p OPTIONS=/o 2000",
       "/o",
       {"/p", "2000"}},
      {"port 0", "VENDOR genesys.d PORT=0", "", {"PORT=0"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const LicenseFile file = Read(row.text);
    ASSERT_EQ(file.vendors.size(), 1u);
    EXPECT_EQ(file.vendors[0].vendor, "genesys.d");
    EXPECT_EQ(file.vendors[0].options_path, row.options);
    EXPECT_EQ(file.vendors[0].unused, row.unused);
    for (const Diagnostic& diagnostic : file.diagnostics) {
      EXPECT_EQ(diagnostic.severity, Severity::kNote) << diagnostic.ToString();
    }
  }
}

TEST(LicenseFile, ReadsAFeatureLine) {
  const FeatureLine line = ReadOne(
      "# sent by mail\n"
      " INCREMENT ARC/INFO genesys.d 8.10 31-DEC-2026 500 \\\n"
      "   HOSTID=\"0019D1AABBCC ANY\" VENDOR_STRING=licenseType=Server;capacityType=cpuPackage \\\n"
      "\tNOTICE=\"caf\xe9 \\\n        au lait\" user_info=\"x y\" ISSUED=1-jan-2020 \\\n"
      "   START=2-jan-2020 TS_OK sort=50 SIGN=\"T1 00\"");
  EXPECT_EQ(line.kind, FeatureLine::Kind::kIncrement);
  EXPECT_EQ(line.position.line, 2);
  EXPECT_EQ(line.position.column, 2);
  EXPECT_EQ(line.feature, "ARC/INFO");
  EXPECT_EQ(line.vendor, "genesys.d");
  EXPECT_EQ(line.version, "8.10");
  EXPECT_EQ(line.expiry_text, "31-DEC-2026");
  EXPECT_EQ(FormatDay(*line.expiry), "31-dec-2026");
  EXPECT_FALSE(line.uncounted);
  EXPECT_EQ(line.count, 500u);
  EXPECT_THAT(line.attributes,
              ElementsAre(Pair("HOSTID", "0019D1AABBCC ANY"),
                          Pair("VENDOR_STRING", "licenseType=Server;capacityType=cpuPackage"),
                          Pair("NOTICE", "caf\xe9 au lait"), Pair("user_info", "x y"),
                          Pair("ISSUED", "1-jan-2020"), Pair("START", "2-jan-2020"),
                          Pair("TS_OK", ""), Pair("sort", "50")));
  EXPECT_EQ(line.sign, "T1 00");
  EXPECT_FALSE(line.foreign_key);
  EXPECT_EQ(line.sort, 50);
  EXPECT_EQ(FormatDay(*line.start), "2-jan-2020");
  EXPECT_EQ(FormatDay(*line.issued), "1-jan-2020");
  ASSERT_EQ(line.host_ids.size(), 2u);
  EXPECT_EQ(*line.Attribute("TS_OK"), "");
  EXPECT_EQ(line.Attribute("ts_ok"), nullptr);
}

TEST(LicenseFile, CountsAndUncounted) {
  EXPECT_EQ(ReadOne("FEATURE f v 1 permanent 7").count, 7u);
  EXPECT_EQ(ReadOne("FEATURE f v 1 permanent 007").count, 7u);
  for (const char* count : {"uncounted", "UNCOUNTED", "0", "00"}) {
    const FeatureLine line =
        ReadOne(absl::StrCat("FEATURE f v 1 permanent ", count, " HOSTID=DEMO"));
    EXPECT_TRUE(line.uncounted) << count;
    EXPECT_EQ(line.count, 0u);
    EXPECT_FALSE(line.expiry.has_value());
  }
}

TEST(LicenseFile, KnowsAFlexNetSignature) {
  struct Row {
    const char* fact;
    const char* tail;
    bool foreign_key;
    const char* sign;
  };
  const Row rows[] = {
      {"none", "", false, ""},
      {"12 digits of key", "99E82D1B9A64 HOSTID=ANY", true, ""},
      {"20 digits of key", "DB3E491171ED29E31E22 vendor_info=\"a b\" ck=241", true, ""},
      {"key and a bare string, as of old", "DB3E491171ED29E31E22 \"vendor data\"", true, ""},
      {"key not filled in", "0 SIGN=0", false, "0"},
      {"SIGN", "SIGN=\"0778 0B1A\"", false, "0778 0B1A"},
      {"SIGN2 beside it", "SIGN=12 SIGN2=\"34 \\\n 56\"", true, "12"},
      {"AUTH block", "AUTH={ v=( LK=1 SIGN=\"a b\" ) \\\n c=(x) }", true, ""},
      {"AUTH block that needs no backslash", "AUTH={ v=( LK=1\n SIGN=\"a b\" ) }", true, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const FeatureLine line = ReadOne(absl::StrCat("INCREMENT f v 1 permanent 5 ", row.tail));
    EXPECT_EQ(line.foreign_key, row.foreign_key);
    EXPECT_EQ(line.sign, row.sign);
    EXPECT_EQ(line.Attribute("SIGN2"), nullptr);
    EXPECT_EQ(line.Attribute("AUTH"), nullptr);
    EXPECT_EQ(line.Attribute("SIGN"), nullptr);
  }
}

struct Complaint {
  const char* fact;
  std::string text;
  std::vector<std::string> says;  // the whole text of each, or its beginning
};

void ExpectComplaints(const Complaint& row) {
  SCOPED_TRACE(row.fact);
  std::vector<std::string> texts = Texts(Read(row.text).diagnostics);
  ASSERT_EQ(texts.size(), row.says.size()) << absl::StrJoin(texts, "\n");
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_THAT(texts[i], ::testing::StartsWith(row.says[i]));
}

TEST(LicenseFile, SaysWhatIsWrongWithAFeatureLine) {
  const Complaint rows[] = {
      {"too short", "FEATURE f v 1.0\n", {"f:1:13: error: FEATURE line ends before its expiry"}},
      {"keyword alone", "FEATURE\n", {"f:1:1: error: FEATURE line ends before its name"}},
      {"version", "FEATURE f v v8 permanent 5\n", {"f:1:13: error: version `v8`"}},
      {"version with 11 characters",
       "FEATURE f v 12345678.90 permanent 5\n",
       {"f:1:13: error: version `12345678.90`"}},
      {"date", "FEATURE f v 1 31-jun-2026 5\n", {"f:1:15: error: `31-jun-2026` is not a date"}},
      {"count", "FEATURE f v 1 permanent five\n", {"f:1:25: error: number of licenses `five`"}},
      {"negative count",
       "FEATURE f v 1 permanent -5\n",
       {"f:1:25: error: number of licenses `-5`"}},
      {"count beyond all reason",
       "FEATURE f v 1 permanent 18446744073709551617\n",
       {"f:1:25: error: number of licenses"}},
      {"several at once",
       "FEATURE f v x y z\n",
       {"f:1:13: error: version", "f:1:15: error: `y`", "f:1:17: error: number"}},
      {"uncounted without HOSTID",
       "FEATURE f v 1 permanent 0\n",
       {"f:1:25: error: an uncounted feature needs HOSTID=: ask v"}},
      {"DEMO on a counted feature",
       "FEATURE f v 1 permanent 5 HOSTID=DEMO\n",
       {"f:1:27: error: HOSTID=DEMO is for uncounted features only"}},
      {"host id",
       "FEATURE f v 1 permanent 5 HOSTID=xyz\n",
       {"f:1:27: error: HOSTID: `xyz` is not a host id"}},
      {"empty list",
       "FEATURE f v 1 permanent 5 HOSTID=\"\"\n",
       {"f:1:27: error: HOSTID: the list"}},
      {"host id of a type not supported",
       "FEATURE f v 1 permanent 5 HOSTID=FLEXID=9-12345678\n",
       {"f:1:27: warning: host id `FLEXID=9-12345678` is of a type that is not supported"}},
      {"attribute twice",
       "FEATURE f v 1 permanent 5 SN=1 SN=2\n",
       {"f:1:32: error: SN stands twice"}},
      {"SIGN twice",
       "FEATURE f v 1 permanent 5 SIGN=1 SIGN=2\n",
       {"f:1:34: error: SIGN= stands twice"}},
      {"no attribute",
       "FEATURE f v 1 permanent 5 # note\n",
       {"f:1:27: error: `#` is not an attribute"}},
      {"START",
       "FEATURE f v 1 permanent 5 START=soon\n",
       {"f:1:27: error: START: `soon` is not a date"}},
      {"open quote",
       "FEATURE f v 1 permanent 5 N=\"abc\n",
       {"f:1:29: error: the quote opened here is not closed"}},
      {"open block",
       "FEATURE f v 1 permanent 5 AUTH={ a\n",
       {"f:1:32: error: the AUTH={ opened here is not closed"}},
      {"a continuation too many",
       "FEATURE f v 1 permanent 5 \\\nFEATURE g v 1 permanent 5\n",
       {"f:2:1: error: `FEATURE` continues the line before it: remove the `\\`",
        "f:2:13: error: `1` is not an attribute", "f:2:25: error: `5` is not an attribute"}},
      {"vendor's attribute in lower case",
       "FEATURE f v 1 permanent 5 hostid=ANY\n",
       {"f:1:27: warning: `hostid` in lower case has no effect: write HOSTID"}},
      {"sort",
       "FEATURE f v 1 permanent 5 sort=first\n",
       {"f:1:27: warning: `sort=first` is ignored"}},
      {"long name",
       absl::StrCat("FEATURE ", std::string(300, 'x'), " v 1 permanent 5\n"),
       {"f:1:9: error: a name of 300 bytes"}},
  };
  for (const Complaint& row : rows) ExpectComplaints(row);
}

TEST(LicenseFile, SaysWhatIsWrongWithServersAndVendors) {
  const std::string server = "SERVER a ANY 27010\n";
  const Complaint rows[] = {
      {"too short", "SERVER a\n", {"f:1:8: error: SERVER line ends early"}},
      {"host id", "SERVER a xyz 1\n", {"f:1:10: error: `xyz` is not a host id"}},
      {"DEMO", "SERVER a DEMO 1\n", {"f:1:10: error: DEMO is no host id for a SERVER line"}},
      {"type not supported",
       "SERVER a 17003456 1\n",
       {"f:1:10: error: host id `17003456` is of a type that is not supported"}},
      {"port", "SERVER a ANY 70000\n", {"f:1:14: error: port `70000`"}},
      {"port 0", "SERVER a ANY 0\n", {"f:1:14: error: port `0`"}},
      {"two lines",
       server + server,
       {"f:2:1: error: 2 SERVER lines: a license server runs on one"}},
      {"four lines", server + server + server + server, {"f:4:1: error: 4 SERVER lines: "}},
      {"three lines, one without port",
       server + "SERVER b ANY\n" + server,
       {"f:2:1: error: SERVER b has no port: with three SERVER lines each must name one"}},
      {"VENDOR without a name", "VENDOR\n", {"f:1:1: error: VENDOR line without a name"}},
      {"port of a VENDOR line", "VENDOR v PORT=x\n", {"f:1:10: error: port `x`"}},
  };
  for (const Complaint& row : rows) ExpectComplaints(row);
}

TEST(LicenseFile, OnlyOneOrThreeWholeServerLinesAreUsable) {
  const std::string server = "SERVER a ANY 27010\n";
  EXPECT_TRUE(Read("").servers_usable);
  EXPECT_TRUE(Read(server).servers_usable);
  EXPECT_FALSE(Read(server + server).servers_usable);
  EXPECT_TRUE(Read(server + server + server).servers_usable);
  EXPECT_FALSE(Read(server + server + server + server).servers_usable);
  EXPECT_FALSE(Read(server + server + "SERVER c ANY\n").servers_usable);
  EXPECT_FALSE(Read("SERVER a xyz 27010\n").servers_usable);
}

TEST(LicenseFile, AFeatureSetIsACommentWithAWarning) {
  const LicenseFile file = Read("FEATURESET v 0123\nFeatureset of a house\n");
  EXPECT_THAT(
      Texts(file.diagnostics),
      ElementsAre("f:1:1: warning: FEATURESET has no effect here: each line's own signature "
                  "counts; you may remove it"));
}

TEST(LicenseFile, ReadsUpgradesAndPackages) {
  const LicenseFile file = Read(
      "UPGRADE f v 1.0 2.5 31-dec-2026 3 SN=7 SIGN=1\n"
      "PACKAGE suite v 1.0 3B24B2F508CB697641CC COMPONENTS=\"a b:2.0 c::3 d:4:5\" NOTICE=x\n"
      "Package bare v COMPONENTS=a OPTIONS=SUITE_RESERVED\n");
  EXPECT_THAT(Texts(file.diagnostics), IsEmpty());
  ASSERT_EQ(file.features.size(), 1u);
  const FeatureLine& upgrade = file.features[0];
  EXPECT_EQ(upgrade.kind, FeatureLine::Kind::kUpgrade);
  EXPECT_EQ(upgrade.from_version, "1.0");
  EXPECT_EQ(upgrade.version, "2.5");
  EXPECT_EQ(upgrade.count, 3u);
  ASSERT_EQ(file.packages.size(), 2u);
  const FeatureLine& suite = file.packages[0];
  EXPECT_EQ(suite.kind, FeatureLine::Kind::kPackage);
  EXPECT_EQ(suite.version, "1.0");
  EXPECT_TRUE(suite.foreign_key);
  EXPECT_EQ(suite.suite, FeatureLine::Suite::kNone);
  std::vector<std::string> components;
  for (const FeatureLine::Component& component : suite.components) {
    components.push_back(
        absl::StrCat(component.feature, "/", component.version, "/", component.count));
  }
  EXPECT_THAT(components, ElementsAre("a//1", "b/2.0/1", "c//3", "d/4/5"));
  EXPECT_EQ(file.packages[1].version, "");
  EXPECT_EQ(file.packages[1].suite, FeatureLine::Suite::kReserved);
}

TEST(LicenseFile, SaysWhatIsWrongWithAnUpgradeOrAPackage) {
  const Complaint rows[] = {
      {"UPGRADE ends early",
       "UPGRADE f v 1.0\n",
       {"f:1:13: error: UPGRADE line ends before its version: it needs name, vendor, two "
        "versions"}},
      {"UPGRADE downwards",
       "UPGRADE f v 2.0 1.5 permanent 3\n",
       {"f:1:17: error: UPGRADE to 1.5, which is not above 2.0"}},
      {"PACKAGE ends early",
       "PACKAGE f\n",
       {"f:1:9: error: PACKAGE line ends before its vendor: it needs name and vendor"}},
      {"PACKAGE without components",
       "PACKAGE p v 1.0 SIGN=1\n",
       {"f:1:17: error: PACKAGE p has no COMPONENTS=: ask v"}},
      {"no component",
       "PACKAGE p v COMPONENTS=:1\n",
       {"f:1:13: error: COMPONENTS: `:1`: write feature, feature:version"}},
      {"component's version",
       "PACKAGE p v COMPONENTS=a:x\n",
       {"f:1:13: error: COMPONENTS: `a:x`: its version is not a number"}},
      {"component's count",
       "PACKAGE p v COMPONENTS=a:1:0\n",
       {"f:1:13: error: COMPONENTS: `a:1:0`: its count is not a number from 1"}},
      {"count in a suite",
       "PACKAGE p v COMPONENTS=a:1:2 OPTIONS=SUITE\n",
       {"f:1:1: error: PACKAGE p: a component of a suite has no count of its own"}},
      {"other option",
       "PACKAGE p v COMPONENTS=a OPTIONS=SUIT\n",
       {"f:1:26: error: OPTIONS: `SUIT` is not SUITE or SUITE_RESERVED"}},
      {"prose", "Package tours are sold out: see below for more\n", {}},
  };
  for (const Complaint& row : rows) ExpectComplaints(row);
}

TEST(LicenseFile, SuggestsTheAttributeThatWasMeant) {
  const Complaint rows[] = {
      {"misspelt",
       "FEATURE f v 1 permanent 5 OVERDARFT=2\n",
       {"f:1:27: warning: `OVERDARFT` is not known and has no effect: if OVERDRAFT was meant, "
        "correct it with v, whose signature covers it"}},
      {"lower case of the vendor's",
       "FEATURE f v 1 permanent 5 overdraft=2\n",
       {"f:1:27: warning: `overdraft` in lower case has no effect: write OVERDRAFT"}},
      {"the administrator's own",
       "FEATURE f v 1 permanent 5 asset_inf=2\n",
       {"f:1:27: warning: `asset_inf` is not known and has no effect: if asset_info was meant, "
        "correct it"}},
      {"like nothing",
       "FEATURE f v 1 permanent 5 COLOUR=red\n",
       {"f:1:27: warning: `COLOUR` is not known and has no effect"}},
      {"value",
       "FEATURE f v 1 permanent 5 DUP_GROUP=UX\n",
       {"f:1:27: error: DUP_GROUP: `UX` is not SITE, NONE or letters of UHDV"}},
  };
  for (const Complaint& row : rows) ExpectComplaints(row);
}

TEST(LicenseFile, SuggestsTheKeywordThatWasMeant) {
  const Complaint rows[] = {
      {"FEATUER",
       "FEATUER f v 8.0 permanent 5 SIGN=1\n",
       {"f:1:1: warning: `FEATUER` is taken for a comment: if FEATURE was meant, correct it"}},
      {"INCREMNT",
       "\n  INCREMNT f v 8.0 permanent 5 \\\n  SIGN=1\n",
       {"f:2:3: warning: `INCREMNT` is taken for a comment: if INCREMENT was meant"}},
      {"SERVR",
       "SERVR host ANY 27000\n",
       {"f:1:1: warning: `SERVR` is taken for a comment: if SERVER was meant"}},
      {"VENDER",
       "VENDER v /opt/v PORT=1\n",
       {"f:1:1: warning: `VENDER` is taken for a comment: if VENDOR was meant"}},
      {"not all upper-case", "Featuer f v 8.0 permanent 5\n", {}},
      {"too few fields", "FEATUER f 8.0\n", {}},
      {"prose in capitals", "NEVER SEND THIS FILE TO ANYBODY\nFEATURED IN THIS RELEASE\n", {}},
      {"another word", "LICENSE f v 8.0 permanent 5\n", {}},
  };
  for (const Complaint& row : rows) ExpectComplaints(row);
}

TEST(LicenseFile, ProseThatBeginsWithAKeywordIsAComment) {
  const LicenseFile file = Read(
      "Server room 3 is closed on sunday.\nVendor\nFeature requests go to support.\n"
      "Package contents: one file\nUpgrade to the latest release, please.\n"
      "SERVER a ANY 27000\n");
  EXPECT_TRUE(file.servers_usable);
  EXPECT_EQ(file.servers.size(), 1u);
  EXPECT_EQ(file.features.size(), 0u);
  for (const Diagnostic& diagnostic : file.diagnostics) {
    EXPECT_EQ(diagnostic.severity, Severity::kWarning) << diagnostic.ToString();
    EXPECT_THAT(diagnostic.message, HasSubstr("taken for a comment"));
  }
  EXPECT_EQ(file.diagnostics.size(), 3u);
}

TEST(LicenseFile, ReadsWhatVendorsShip) {
  const LicenseFile vmware = Read(
      "SERVER this_host ANY 27000\r\nVENDOR VMWARELM port=27010\r\nUSE_SERVER\r\n"
      "INCREMENT PROD_ESX_FULL VMWARELM 2005.05 permanent 32 \\\r\n"
      "\tVENDOR_STRING=licenseType=Server;capacityType=cpuPackage \\\r\n"
      "\tISSUED=10-Feb-2007 NOTICE=FulfillmentId=1 SIGN=\"0778 0B1A \\\r\n"
      "\t5F3D 00C6\"\r\n");
  ASSERT_EQ(vmware.features.size(), 1u);
  EXPECT_TRUE(vmware.use_server);
  EXPECT_EQ(vmware.features[0].sign, "0778 0B1A 5F3D 00C6");
  EXPECT_EQ(vmware.features[0].count, 32u);

  const LicenseFile esri = Read(
      "FEATURE ARC/INFO ESRI 7.21 01-JAN-00 5 DB3E491171ED29E31E22 vendor_info=\"x\" ck=241\n"
      "UPGRADE ARC/INFO ESRI 7.21 8.01 01-JAN-00 3 0123456789ABCDEF0123 ck=40\n");
  ASSERT_EQ(esri.features.size(), 2u);
  EXPECT_FALSE(esri.features[0].expiry.has_value());
  EXPECT_TRUE(esri.features[0].foreign_key);

  const LicenseFile triad = Read(
      "SERVER wilson 000476BA8EE9 27000\nSERVER hood 000476BA8EEA 27000\n"
      "SERVER rainier 000476BA8EEB 27000\nVENDOR blm\n"
      "INCREMENT session blm 4.0 31-dec-2010 5 99E82D1B9A64 HOSTID=ANY\n");
  EXPECT_EQ(triad.servers.size(), 3u);
  ASSERT_EQ(triad.features.size(), 1u);
  EXPECT_TRUE(triad.features[0].foreign_key);
  EXPECT_THAT(Texts(triad.diagnostics), IsEmpty());
}

// ---- hostile input

TEST(LicenseFile, ComplaintsAreLimited) {
  std::string text;
  for (size_t i = 0; i < 5 * kDiagnosticsMax; ++i) absl::StrAppend(&text, "FEATURE\n");
  const LicenseFile file = Read(text);
  EXPECT_EQ(file.diagnostics.size(), kDiagnosticsMax + 1);
}

// A reader that is more than linear would need hours for these; the test's time limit ends it.
TEST(LicenseFile, HostileFilesTakeLinearTime) {
  constexpr size_t kBytes = 4u << 20;
  const char* parts[] = {"FEATURE f v 1 permanent 5 AUTH={\n",
                         "FEATURE \"\n",
                         "\\\n",
                         "FEATURE \\\n",
                         "AUTH={ ",
                         "A=\" \\\n",
                         "FEATURE f v 1 permanent 5 A B C D\n",
                         "SERVER a ANY\n",
                         "VENDOR v\n",
                         "\"",
                         " ",
                         "{",
                         "}",
                         "\r",
                         "x",
                         "FEATUER f v 1 permanent 5\n",
                         "SN=1 "};
  for (absl::string_view part : parts) {
    for (absl::string_view start : {"", "FEATURE f v 1 permanent 5 ", "FEATURE AUTH={ "}) {
      std::string text(start);
      while (text.size() < kBytes) absl::StrAppend(&text, part);
      Read(text);
    }
  }
}

TEST(LicenseFile, SurvivesAnyBytes) {
  const std::string base =
      "SERVER a 0019d1aabbcc 27010 PLAT=1\nVENDOR v /p OPTIONS=/o PORT=1\n"
      "INCREMENT f v 8.0 31-dec-2026 5 HOSTID=\"ANY ID=1-2\" START=1-jan-2020 \\\n  N=\"a\\\n b\" "
      "AUTH={ a }\nFEATURE g v 1 permanent uncounted HOSTID=INTERNET=fd00::* sort=1\n";
  uint64_t state = 1;
  auto draw = [&](uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  const std::string spice = std::string("\"\\\n\r\t =#{}-.:*\0\xe9", 16);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = base;
    for (uint64_t edits = 1 + draw(6); edits > 0; --edits) {
      const size_t at = draw(text.size());
      const char c = draw(2) == 0 ? spice[draw(spice.size())] : static_cast<char>(draw(256));
      switch (draw(3)) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1 + draw(8));
      }
    }
    const LicenseFile file = Read(text);
    for (const Diagnostic& diagnostic : file.diagnostics) {
      ASSERT_GE(diagnostic.position.line, 1);
      ASSERT_GE(diagnostic.position.column, 1);
      ASSERT_FALSE(diagnostic.message.empty());
    }
  }
}

}  // namespace
}  // namespace triad::license
