#include "license/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "license/catalog.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FixedKey;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KeysOf;
using ::testing::Not;
using testing::SignedByAcme;
using testing::Texts;

constexpr Day kToday{20'000};

Catalog CatalogOf(absl::string_view lines, absl::string_view options) {
  LicenseSources sources;
  sources.license_files.push_back(
      {"a.dat", SignedByAcme(absl::StrCat("SERVER lic1 ANY 27000\nVENDOR acme\n", lines))});
  sources.option_files.push_back({"acme", std::string(options)});
  sources.keys = KeysOf({FixedKey("acme")});
  return Catalog::Build(sources);
}

Catalog F(absl::string_view options) {
  return CatalogOf("INCREMENT f acme 1 permanent 10\nINCREMENT g acme 1 permanent 10\n", options);
}

const Pool& PoolOf(const Catalog& catalog, absl::string_view feature, size_t nth = 0) {
  return *catalog.PoolsOf(feature).at(nth);
}

// "ann@pc1", or "ann@pc1@10.0.0.7@moon": user, host, address, project.
Who WhoOf(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '@');
  Who who;
  who.user = parts[0];
  if (parts.size() > 1) who.host = parts[1];
  if (parts.size() > 2) who.address = parts[2];
  if (parts.size() > 3) who.project = parts[3];
  return who;
}

int CodeFor(const Catalog& catalog, absl::string_view feature, absl::string_view who) {
  const Pool& pool = PoolOf(catalog, feature);
  const Policy& policy = catalog.policy();
  const auto code = policy.Bars(pool, policy.SubjectsOf(pool, WhoOf(who)));
  return code ? ToNumber(*code) : 0;
}

int BorrowCodeFor(const Catalog& catalog, absl::string_view feature, absl::string_view who) {
  const Pool& pool = PoolOf(catalog, feature);
  const Policy& policy = catalog.policy();
  const auto code = policy.BarsBorrowing(pool, policy.SubjectsOf(pool, WhoOf(who)));
  return code ? ToNumber(*code) : 0;
}

// "limit/subject", sorted.
std::vector<std::string> LimitsFor(const Catalog& catalog, const Pool& pool,
                                   absl::string_view who) {
  const Policy& policy = catalog.policy();
  const Who whom = WhoOf(who);
  std::vector<std::string> out;
  for (const MaxLimit& limit : policy.LimitsOf(pool, whom, policy.SubjectsOf(pool, whom))) {
    out.push_back(absl::StrCat(limit.limit, "/", limit.key.subject));
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(Policy, WithoutOptionsFilesEveryoneMay) {
  const Policy policy;
  const Pool pool;
  const Who who{"ann", "pc1", "/dev/pts/1", "192.0.2.1", ""};
  const Subjects subjects = policy.SubjectsOf(pool, who);
  EXPECT_EQ(policy.Bars(pool, subjects), std::nullopt);
  EXPECT_EQ(policy.BarsBorrowing(pool, subjects), std::nullopt);
  EXPECT_TRUE(policy.LimitsOf(pool, who, subjects).empty());
  EXPECT_TRUE(policy.ReservationsOn(Day{}).empty());
  EXPECT_EQ(policy.TimeoutSeconds(pool), 0u);
  EXPECT_FALSE(policy.HasLimits(pool));
  EXPECT_TRUE(policy.Names("acme", SubjectType::kUser, "ann", who));
  EXPECT_FALSE(policy.HasGroup("acme", SubjectType::kGroup, "ann"));
}

TEST(Policy, IncludeAndExclude) {
  struct Row {
    const char* fact;  // flexnet-facts 2, precedence
    const char* options;
    const char* who;
    int of_f;
    int of_g;
  };
  const Row rows[] = {
      {"neither: all", "", "ann@pc1", 0, 0},
      {"EXCLUDE only: all but those", "EXCLUDE f USER bob", "ann@pc1", 0, 0},
      {"EXCLUDE only: those not", "EXCLUDE f USER bob", "bob@pc1", -38, 0},
      {"INCLUDE only: those", "INCLUDE f USER ann", "ann@pc1", 0, 0},
      {"INCLUDE only: nobody else", "INCLUDE f USER ann", "bob@pc1", -39, 0},
      {"both: EXCLUDE wins", "INCLUDE f USER ann\nEXCLUDE f USER ann", "ann@pc1", -38, 0},
      {"both: EXCLUDE wins, other order", "EXCLUDE f HOST pc1\nINCLUDE f USER ann", "ann@pc1", -38,
       0},
      {"both: not on either", "EXCLUDE f USER bob\nINCLUDE f USER ann", "cec@pc1", -39, 0},
      {"several INCLUDE lines are one list", "INCLUDE f USER ann\nINCLUDE f HOST pc9", "x@pc9", 0,
       0},
      {"EXCLUDEALL", "EXCLUDEALL USER ann", "ann@pc1", -38, -38},
      {"INCLUDEALL", "INCLUDEALL USER ann", "bob@pc1", -39, -39},
      {"INCLUDEALL and INCLUDE are one list", "INCLUDEALL USER ann\nINCLUDE f USER bob", "bob@p", 0,
       -39},
      {"EXCLUDEALL wins over INCLUDE", "EXCLUDEALL USER ann\nINCLUDE f USER ann", "ann@p", -38,
       -38},
      {"GROUP", "GROUP ops ann bob\nINCLUDE f GROUP ops", "bob@p", 0, 0},
      {"GROUP, outside", "GROUP ops ann bob\nINCLUDE f GROUP ops", "cec@p", -39, 0},
      {"GROUP, defined later", "EXCLUDE f GROUP ops\nGROUP ops ann", "ann@p", -38, 0},
      {"HOST_GROUP", "HOST_GROUP lab pc*\nEXCLUDE f HOST_GROUP lab", "ann@pc7", -38, 0},
      {"HOST", "EXCLUDE f HOST pc7", "ann@pc7", -38, 0},
      {"HOST by address", "EXCLUDE f HOST 10.0.0.*", "ann@pc7@10.0.0.3", -38, 0},
      {"INTERNET", "EXCLUDE f INTERNET 10.0.*.*", "ann@pc7@10.0.0.3", -38, 0},
      {"PROJECT", "INCLUDE f PROJECT moon", "ann@pc7@@moon", 0, 0},
      {"PROJECT, another", "INCLUDE f PROJECT moon", "ann@pc7@@mars", -39, 0},
      {"a group that is not defined shuts nobody out", "INCLUDE f GROUP nix", "ann@p", 0, 0},
      {"ALL_USERS is a name here", "EXCLUDE f USER ALL_USERS", "ann@p", 0, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const Catalog catalog = F(row.options);
    EXPECT_EQ(CodeFor(catalog, "f", row.who), row.of_f);
    EXPECT_EQ(CodeFor(catalog, "g", row.who), row.of_g);
  }
}

TEST(Policy, BorrowingHasListsOfItsOwn) {
  const Catalog catalog = CatalogOf("INCREMENT f acme 1 permanent 10 BORROW=48\n",
                                    "INCLUDE_BORROW f USER ann\nINCLUDE_BORROW f USER bob\n"
                                    "EXCLUDE_BORROW f HOST pc9\nBORROW_LOWWATER f 3\n"
                                    "MAX_BORROW_HOURS f 30\nMAX_BORROW_HOURS f 24\n");
  EXPECT_EQ(BorrowCodeFor(catalog, "f", "ann@pc1"), 0);
  EXPECT_EQ(BorrowCodeFor(catalog, "f", "ann@pc9"), -38);
  EXPECT_EQ(BorrowCodeFor(catalog, "f", "cec@pc1"), -39);
  EXPECT_EQ(CodeFor(catalog, "f", "cec@pc1"), 0);
  const Policy::Borrowing borrowing = catalog.policy().BorrowingOf(PoolOf(catalog, "f"));
  EXPECT_EQ(borrowing.lowwater, 3u);
  EXPECT_EQ(borrowing.hours_max, 24u) << "the last line wins";
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre("acme.opt:6:1: warning: MAX_BORROW_HOURS f stands in line 5 already: "
                          "this one counts; remove the other"));
}

TEST(Policy, MaxRulesThatHold) {
  struct Row {
    const char* fact;
    const char* options;
    const char* who;
    std::vector<std::string> limits;
  };
  const Row rows[] = {
      {"a user", "MAX 2 f USER ann", "ann", {"2/ann"}},
      {"another", "MAX 2 f USER ann", "bob", {}},
      {"each user", "MAX 2 f USER ALL_USERS", "bob", {"2/bob"}},
      {"specific before ALL_USERS", "MAX 5 f USER ann\nMAX 2 f USER ALL_USERS", "ann", {"5/ann"}},
      {"ALL_USERS before specific", "MAX 2 f USER ALL_USERS\nMAX 5 f USER ann", "ann", {"2/ann"}},
      {"the first of two", "MAX 2 f USER ann\nMAX 5 f USER ann", "ann", {"2/ann"}},
      {"a group's total", "GROUP o ann bob\nMAX 3 f GROUP o", "bob", {"3/o"}},
      {"every group's total",
       "GROUP o ann\nGROUP p ann\nMAX 3 f GROUP ALL_GROUPS",
       "ann",
       {"3/o", "3/p"}},
      {"specific before ALL_GROUPS",
       "GROUP o ann\nGROUP p ann\nMAX 9 f GROUP p\nMAX 3 f GROUP ALL_GROUPS",
       "ann",
       {"3/o", "9/p"}},
      {"all types hold together",
       "GROUP o ann\nMAX 3 f GROUP o\nMAX 2 f HOST pc1\nMAX 1 f USER ann",
       "ann@pc1",
       {"1/ann", "2/", "3/o"}},
      {"user and group catch-alls hold together",
       "GROUP o ann\nMAX 3 f GROUP ALL_GROUPS\nMAX 1 f USER ALL_USERS",
       "ann@pc1",
       {"1/ann", "3/o"}},
      {"not of the feature", "MAX 2 g USER ann", "ann", {}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const Catalog catalog = F(row.options);
    EXPECT_EQ(LimitsFor(catalog, PoolOf(catalog, "f"), row.who), row.limits);
  }
}

TEST(Policy, AMaxCountsOverAllPoolsOfItsFeature) {
  const Catalog catalog =
      CatalogOf("INCREMENT f acme 2 permanent 3\nINCREMENT f acme 1 permanent 4\n",
                "MAX 2 f USER ann\nMAX 1 f:VERSION=2.0 USER ann\n");
  const Policy& policy = catalog.policy();
  const Who ann = WhoOf("ann");
  const auto of = [&](size_t nth) {
    const Pool& pool = PoolOf(catalog, "f", nth);
    return policy.LimitsOf(pool, ann, policy.SubjectsOf(pool, ann));
  };
  ASSERT_EQ(of(0).size(), 2u);
  ASSERT_EQ(of(1).size(), 1u);
  EXPECT_EQ(of(0)[0].key, of(1)[0].key);
  EXPECT_EQ(of(0)[1].limit, 1u);
  EXPECT_EQ(of(0)[1].text, "MAX 1 f:VERSION=2.0 USER ann");
}

TEST(Policy, EachSpecSelectsItsPools) {
  // Two pools: 2.0 with SN and so on, and 1.0.
  const absl::string_view lines =
      "INCREMENT f acme 2.0 31-dec-2030 3 HOSTID=0019d1aabbcc ISSUER=us NOTICE=\"to b\" SN=7 "
      "VENDOR_STRING=gold dist_info=d user_info=u asset_info=a\n"
      "INCREMENT f acme 1.0 permanent 4\n";
  for (const char* spec :
       {"f:VERSION=2", "\"f VERSION=2.00\"", "f:HOSTID=0019D1AABBCC", "f:EXPDATE=31-DEC-2030",
        "f:ISSUER=us", "\"f NOTICE=to b\"", "f:NOTICE=\"to b\"", "f:SN=7", "f:VENDOR_STRING=gold",
        "f:dist_info=d", "f:user_info=u", "f:asset_info=a"}) {
    SCOPED_TRACE(spec);
    const Catalog catalog = CatalogOf(lines, absl::StrCat("EXCLUDE ", spec, " USER ann"));
    EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
    const Policy& policy = catalog.policy();
    const Pool& two = PoolOf(catalog, "f", 0);
    const Pool& one = PoolOf(catalog, "f", 1);
    EXPECT_TRUE(policy.Bars(two, policy.SubjectsOf(two, WhoOf("ann"))));
    EXPECT_FALSE(policy.Bars(one, policy.SubjectsOf(one, WhoOf("ann"))));
  }
  const Catalog plain = CatalogOf(lines, "");
  const std::string& sign = PoolOf(plain, "f", 1).lines[0].line.sign;
  const Catalog by_sign = CatalogOf(lines, absl::StrCat("EXCLUDE \"f SIGN=", sign, "\" USER ann"));
  const Pool& one = PoolOf(by_sign, "f", 1);
  EXPECT_TRUE(by_sign.policy().Bars(one, by_sign.policy().SubjectsOf(one, WhoOf("ann"))));
}

// "count TYPE name" per pool's version.
std::vector<std::string> ReservedOn(const Catalog& catalog, Day day) {
  std::vector<std::string> out;
  const auto reserved = catalog.policy().ReservationsOn(day);
  for (const Pool& pool : catalog.pools()) {
    const auto it = reserved.find(pool.id);
    if (it == reserved.end()) continue;
    for (const Reservation& each : it->second) {
      out.push_back(absl::StrCat(pool.version, ": ", each.count, " ", SubjectTypeName(each.type),
                                 " ", each.name));
    }
  }
  return out;
}

TEST(Policy, OnlyTheFirstReservationsUpToTheCountAreHonoured) {
  const Catalog catalog =
      F("RESERVE 6 f USER ann\nGROUP o bob\nRESERVE 3 f GROUP o\nRESERVE 4 f HOST pc1\n"
        "RESERVE 1 f USER cec\n");
  EXPECT_THAT(ReservedOn(catalog, kToday),
              ElementsAre("1: 6 USER ann", "1: 3 GROUP o", "1: 1 HOST pc1"));
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre("acme.opt:4:1: error: reserves 4 of f, of whose 10 licenses 1 is not "
                          "reserved yet: only so many are; lower it, or another before it",
                          "acme.opt:5:1: error: reserves 1 of f, of whose 10 licenses 0 are not "
                          "reserved yet: only so many are; lower it, or another before it"));
}

TEST(Policy, ReservationsAreTakenFromThePoolsThatAreValid) {
  const Catalog catalog =
      CatalogOf("INCREMENT f acme 2 31-dec-2026 3\nINCREMENT f acme 1 permanent 4\n",
                "RESERVE 5 f USER ann\n");
  const Day last = **ParseExpiry("31-dec-2026");
  EXPECT_THAT(ReservedOn(catalog, last), ElementsAre("2: 3 USER ann", "1: 2 USER ann"));
  EXPECT_THAT(ReservedOn(catalog, Day{last.days + 1}), ElementsAre("1: 4 USER ann"));
  const auto reserved = catalog.policy().ReservationsOn(last);
  const Pool& pool = PoolOf(catalog, "f");
  const Reservation& first = reserved.at(pool.id)[0];
  EXPECT_THAT(catalog.policy().SubjectsOf(pool, WhoOf("ann")), Contains(first.subject));
  EXPECT_THAT(catalog.policy().SubjectsOf(pool, WhoOf("bob")), Not(Contains(first.subject)));
}

TEST(Policy, NumbersOfAFeature) {
  const Catalog catalog =
      CatalogOf("INCREMENT f acme 1 permanent 10 OVERDRAFT=5\nINCREMENT g acme 1 permanent 10\n",
                "LINGER f 60\nTIMEOUT f 1200\nMAX_OVERDRAFT f 2\nTIMEOUTALL 3600\n");
  const Policy& policy = catalog.policy();
  const Pool& f = PoolOf(catalog, "f");
  const Pool& g = PoolOf(catalog, "g");
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  EXPECT_EQ(policy.LingerSeconds(f), 60u);
  EXPECT_EQ(policy.LingerSeconds(g), 0u);
  EXPECT_EQ(policy.TimeoutSeconds(f), 1200u) << "the specific one, wherever TIMEOUTALL stands";
  EXPECT_EQ(policy.TimeoutSeconds(g), 3600u);
  EXPECT_EQ(policy.OverdraftMax(f), 2u);
  EXPECT_EQ(policy.OverdraftMax(g), std::nullopt);
}

TEST(Policy, ATimeoutIsRaisedToTheLeastThereIs) {
  const Catalog catalog = F("TIMEOUT f 10\nTIMEOUTALL 20\nTIMEOUT g 0\n");
  EXPECT_EQ(catalog.policy().TimeoutSeconds(PoolOf(catalog, "f")), kTimeoutSecondsMin);
  EXPECT_EQ(catalog.policy().TimeoutSeconds(PoolOf(catalog, "g")), 0u);
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre(HasSubstr("TIMEOUT of 10 seconds is raised to 900"),
                          HasSubstr("TIMEOUTALL of 20 seconds is raised to 900"),
                          HasSubstr("idle licenses are not reclaimed")));
}

TEST(Policy, NamedUsersAndHosts) {
  struct Row {
    const char* fact;  // flexnet-facts 1.7, USER_BASED and HOST_BASED
    const char* attribute;
    const char* options;
    int ann;
    const char* says;
  };
  const Row rows[] = {
      {"no options", "USER_BASED", "", -84, "no INCLUDE names its users"},
      {"named with a selector", "USER_BASED", "INCLUDE f:VERSION=1 USER ann", 0, "from here on"},
      {"others are out", "USER_BASED", "INCLUDE f:VERSION=1 USER bob", -39, "from here on"},
      {"the plain form does not name", "USER_BASED", "INCLUDE f USER ann", -84, "no INCLUDE names"},
      {"nor does INCLUDEALL", "USER_BASED", "INCLUDEALL USER ann", -84, "no INCLUDE names"},
      {"hosts do not name users", "USER_BASED", "INCLUDE f:VERSION=1 HOST pc1", -84,
       "no INCLUDE names its users"},
      {"a group names its members", "USER_BASED=2", "GROUP o ann bob\nINCLUDE f:VERSION=1 GROUP o",
       0, "from here on"},
      {"more than are licensed", "USER_BASED=1", "GROUP o ann bob\nINCLUDE f:VERSION=1 GROUP o",
       -84, "USER_BASED for 1 users, and INCLUDE names 2"},
      {"more than the count", "USER_BASED", "GROUP o ann b c d\nINCLUDE f:VERSION=1 GROUP o", -84,
       "INCLUDE names 4"},
      {"named twice counts once", "USER_BASED=1",
       "INCLUDE f:VERSION=1 USER ann\nINCLUDE f:VERSION=1.0 USER ann", 0, "from here on"},
      {"hosts", "HOST_BASED", "INCLUDE f:VERSION=1 HOST pc1", 0, "from here on"},
      {"no hosts", "HOST_BASED", "INCLUDE f:VERSION=1 USER ann", -84, "no INCLUDE names its hosts"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const Catalog catalog = CatalogOf(
        absl::StrCat("INCREMENT f acme 1 permanent 3 ", row.attribute, "\n"), row.options);
    EXPECT_EQ(CodeFor(catalog, "f", "ann@pc1"), row.ann);
    EXPECT_THAT(absl::StrJoin(Texts(catalog.diagnostics()), "\n"), HasSubstr(row.says));
    EXPECT_EQ(catalog.policy().ClosedBecause(PoolOf(catalog, "f")).empty(), row.ann != -84);
  }
}

TEST(Policy, SaysWhatHasNoEffect) {
  struct Row {
    const char* fact;
    const char* options;
    const char* says;
  };
  const Row rows[] = {
      {"no such feature", "INCLUDE x USER ann",
       "acme.opt:1:9: warning: no license file has feature x of acme"},
      {"case of a feature", "INCLUDE F USER ann", "did you mean f? Case counts"},
      {"no such line", "MAX 1 f:VERSION=9 USER a", "no line of feature f has VERSION=9"},
      {"a group never defined", "INCLUDE f GROUP o",
       "acme.opt:1:17: error: GROUP o is not defined"},
      {"case of a group", "GROUP ops a\nINCLUDE f GROUP Ops", "did you mean ops? Case counts"},
      {"the other kind", "HOST_GROUP lab a\nINCLUDE f GROUP lab", "lab is a HOST_GROUP"},
      {"ALL_USERS first", "MAX 1 f USER ALL_USERS\nMAX 2 f USER ann",
       "acme.opt:2:1: warning: an earlier MAX line of f counts for USER ann"},
      {"a catch-all", "INCLUDE f USER ann",
       "acme.opt:1:1: note: from here on only those listed may use f"},
      {"a catch-all for everything", "INCLUDEALL USER ann", "may use any feature of acme"},
      {"on both lists", "INCLUDE f USER a\nEXCLUDEALL USER a",
       "acme.opt:1:1: warning: USER a is on an EXCLUDE list too"},
      {"no BORROW", "BORROW_LOWWATER f 3", "f has no BORROW"},
      {"no BORROW", "INCLUDE_BORROW f USER a", "f has no BORROW"},
      {"hours above BORROW", "MAX_BORROW_HOURS b 48", "b has BORROW=48: the line has no effect"},
      {"lowwater of all", "BORROW_LOWWATER b 10", "nothing of it may be borrowed"},
      {"no OVERDRAFT", "MAX_OVERDRAFT f 1", "f has no OVERDRAFT"},
      {"above OVERDRAFT", "MAX_OVERDRAFT b 7", "b has OVERDRAFT=5: the line has no effect"},
      {"LINGER below", "LINGER b 10", "b lingers 60 seconds: the line has no effect"},
      {"uncounted", "RESERVE 1 u USER a", "u is uncounted"},
      {"ALL_USERS elsewhere", "EXCLUDE f USER ALL_USERS", "in MAX lines only"},
      {"set twice", "LINGER f 5\nLINGER f 6", "acme.opt:2:1: warning: LINGER f stands in line 1"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const Catalog catalog = CatalogOf(
        "INCREMENT f acme 1 permanent 10\nFEATURE u acme 1 permanent uncounted "
        "HOSTID=ANY\nINCREMENT b acme 1 permanent 10 BORROW=48 OVERDRAFT=5 LINGER=60\n",
        row.options);
    EXPECT_THAT(absl::StrJoin(Texts(catalog.diagnostics()), "\n"), HasSubstr(row.says));
  }
}

TEST(Policy, FilesAreOfVendors) {
  LicenseSources sources;
  sources.license_files.push_back(
      {"a.dat",
       SignedByAcme("SERVER lic1 ANY 27000\nVENDOR acme\nINCREMENT f acme 1 permanent 1\n")});
  sources.keys = KeysOf({FixedKey("acme")});
  sources.option_files.push_back({"other", "EXCLUDE f USER ann\n", "/etc/other.opt"});
  sources.option_files.push_back({"acme", "MAX_CONNECTIONS 7\n"});
  sources.option_files.push_back({"acme", "EXCLUDE f USER ann\n"});
  const Catalog catalog = Catalog::Build(sources);
  EXPECT_EQ(CodeFor(catalog, "f", "ann"), 0);
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre(HasSubstr("/etc/other.opt:1:1: warning: no license file has licenses of "
                                    "other"),
                          HasSubstr("a second options file for acme")));
  EXPECT_EQ(catalog.policy().settings().at("acme").max_connections, 7u);
}

TEST(Policy, SettingsAreThereWithoutLicenses) {
  LicenseSources sources;
  sources.option_files.push_back({"acme", "REPORTLOG +/var/log/r.rl\n"});
  const Catalog catalog = Catalog::Build(sources);
  ASSERT_TRUE(catalog.policy().settings().at("acme").report_log);
  EXPECT_TRUE(F("GROUP ops ann\n").policy().HasGroup("acme", SubjectType::kGroup, "ops"));
}

TEST(Policy, APackagesNameStandsForItsComponents) {
  const Catalog catalog = CatalogOf(
      "PACKAGE p acme 1.0 COMPONENTS=\"a b\"\nINCREMENT p acme 1.0 permanent 5 BORROW=24 "
      "OVERDRAFT=2\nPACKAGE s acme 1.0 COMPONENTS=\"c d\" OPTIONS=SUITE\n"
      "INCREMENT s acme 1.0 permanent 5\n",
      "LINGER p 60\nTIMEOUT p 1000\nMAX_OVERDRAFT p 1\nBORROW_LOWWATER p 3\n"
      "MAX_BORROW_HOURS p 8\nEXCLUDE_BORROW p USER ann\nLINGER s 30\n");
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  const Policy& policy = catalog.policy();
  for (const char* feature : {"a", "b"}) {
    const Pool& pool = PoolOf(catalog, feature);
    EXPECT_EQ(policy.LingerSeconds(pool), 60u);
    EXPECT_EQ(policy.TimeoutSeconds(pool), 1000u);
    EXPECT_EQ(policy.OverdraftMax(pool), 1u);
    EXPECT_EQ(policy.BorrowingOf(pool).lowwater, 3u);
    EXPECT_EQ(policy.BorrowingOf(pool).hours_max, 8u);
    EXPECT_EQ(BorrowCodeFor(catalog, feature, "ann@pc1"), -38);
  }
  for (const char* feature : {"c", "d", "s"}) {
    EXPECT_EQ(policy.LingerSeconds(PoolOf(catalog, feature)), 30u) << feature;
  }
}

TEST(Policy, ReservingBesideASuiteThatReservesIsAnError) {
  constexpr absl::string_view kLines =
      "PACKAGE s acme 1.0 COMPONENTS=\"a b\" OPTIONS=SUITE_RESERVED\n"
      "INCREMENT s acme 1.0 permanent 5\n";
  EXPECT_THAT(Texts(CatalogOf(kLines, "RESERVE 1 a USER ann\n").diagnostics()),
              ElementsAre(HasSubstr("acme.opt:1:1: error: a is a component of s with "
                                    "OPTIONS=SUITE_RESERVED, which reserves by itself, so the line "
                                    "has no effect: reserve s instead")));
  const Catalog catalog = CatalogOf(kLines, "RESERVE 1 s USER ann\n");
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  const auto reservations = catalog.policy().ReservationsOn(kToday);
  EXPECT_EQ(reservations.size(), 1u);
  EXPECT_TRUE(reservations.contains(PoolOf(catalog, "s").id));
}

TEST(Policy, EachComponentOfAPackageIsReservedByItself) {
  const Catalog catalog =
      CatalogOf("PACKAGE p acme 1.0 COMPONENTS=\"a b:1.0:2\"\nINCREMENT p acme 1.0 permanent 3\n",
                "RESERVE 2 a USER bob\nRESERVE 3 p USER ann\n");
  EXPECT_THAT(Texts(catalog.diagnostics()),
              ElementsAre(HasSubstr("reserves 3 of a, of whose 3 licenses 1 is not reserved yet")));
  auto reservations = catalog.policy().ReservationsOn(kToday);
  EXPECT_EQ(reservations[PoolOf(catalog, "a").id].size(), 2u);
  EXPECT_EQ(reservations[PoolOf(catalog, "a").id][1].count, 1u);
  EXPECT_EQ(reservations[PoolOf(catalog, "b").id][0].count, 3u);
}

}  // namespace
}  // namespace triad::license
