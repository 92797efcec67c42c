// What each keyword and attribute of a license file does, one row each, with the fact that it
// checks (flexnet-facts, by section). A keyword or attribute without a row fails the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "license/attributes.h"
#include "license/catalog.h"
#include "license/lexer.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using testing::CatalogOf;
using testing::SignedByAcme;

constexpr absl::string_view kHead = "SERVER lic1 ANY 27000\nVENDOR acme\n";

// What a catalog gives on a day: "feature version licenses[+overdraft]" of each valid pool.
std::string Gives(const Catalog& catalog, absl::string_view day) {
  std::vector<std::string> out;
  for (const Pool& pool : catalog.pools()) {
    const PoolTerms& terms = pool.On(**ParseExpiry(day));
    if (!terms.valid) continue;
    out.push_back(absl::StrCat(pool.feature, " ", pool.version, " ",
                               pool.uncounted ? "uncounted" : absl::StrCat(terms.licenses),
                               terms.overdraft > 0 ? absl::StrCat("+", terms.overdraft) : ""));
  }
  return absl::StrJoin(out, ", ");
}

struct Row {
  const char* about;  // the keyword or attribute
  const char* fact;   // section: what it says
  std::string text;   // behind SERVER and VENDOR lines, signed; beginning with SERVER: alone
  std::string gives;  // on 15-jun-2026
  std::vector<std::string> says = {};  // of each complaint, a part
  // Something else about the catalog; "" if it holds.
  std::function<std::string(const Catalog&)> also = nullptr;
};

std::function<std::string(const Catalog&)> That(bool (*holds)(const Pool&)) {
  return [holds](const Catalog& catalog) {
    return !catalog.pools().empty() && holds(catalog.pools()[0]) ? "" : "its pool says otherwise";
  };
}

std::vector<Row> KeywordRows() {
  return {
      {"SERVER",
       "1.2 one line is a single server",
       "SERVER a ANY 27000\nVENDOR acme\n",
       "",
       {},
       [](const Catalog& c) { return c.servers().size() == 1 ? "" : "no server"; }},
      {"SERVER",
       "1.2 two lines are no supported set",
       "SERVER a ANY 1\nSERVER b ANY 1\nVENDOR acme\n",
       "",
       {"2 SERVER lines"}},
      {"SERVER",
       "1.2 three-server files must state a port",
       "SERVER a ANY 1\nSERVER b ANY 1\nSERVER c ANY\nVENDOR acme\n",
       "",
       {"SERVER c has no port"}},
      {"SERVER",
       "1.2 PRIMARY_IS_MASTER and HEARTBEAT_INTERVAL are accepted, noted once",
       "SERVER a ANY 1 PRIMARY_IS_MASTER HEARTBEAT_INTERVAL=20\nVENDOR acme\n",
       "",
       {"without effect here: PRIMARY_IS_MASTER, HEARTBEAT_INTERVAL"}},
      {"SERVER",
       "1.9 DEMO is never a SERVER's",
       "SERVER a DEMO 1\nVENDOR acme\n",
       "",
       {"DEMO is no host id for a SERVER line"}},
      {"SERVER", "1.1 keywords in any case", "Server a ANY 1\nvendor acme\n", ""},
      {"VENDOR", "1.3 names who may be served", "INCREMENT f acme 1 permanent 5\n", "f 1 5"},
      {"VENDOR",
       "1.3 path and port are accepted, noted once",
       "SERVER a ANY 1\nVENDOR acme /opt/acme PORT=27001\n",
       "",
       {"daemon's path and port"}},
      {"DAEMON",
       "1.1 the old name of VENDOR",
       "SERVER a ANY 1\nDAEMON acme\n",
       "",
       {},
       [](const Catalog& c) { return c.vendors().size() == 1 ? "" : "no vendor"; }},
      {"USE_SERVER", "1.4 no effect on the server", "USE_SERVER\nINCREMENT f acme 1 permanent 5\n",
       "f 1 5"},
      {"USE_SERVER",
       "1.4 no arguments",
       "USE_SERVER now\nINCREMENT f acme 1 permanent 5\n",
       "f 1 5",
       {"3:12: warning: USE_SERVER stands alone on its line: `now` is ignored"}},
      {"USE_SERVER",
       "1.4 clients need no line above it: uncounted ones are the servers', and recorded",
       "FEATURE f acme 1 permanent 0 HOSTID=ANY\nUSE_SERVER\n",
       "f 1 uncounted",
       {"4:1: note: the uncounted lines above USE_SERVER are granted by the servers as well"}},
      {"USE_SERVER",
       "1.4 a client's file may be SERVER lines and USE_SERVER alone",
       "SERVER a ANY 27000\nUSE_SERVER\n",
       "",
       {},
       [](const Catalog& c) { return c.servers().size() == 1 ? "" : "no server"; }},
      {"FEATURESET",
       "1.1 legacy: a comment, with a warning",
       "FEATURESET acme 0123\nINCREMENT f acme 1 permanent 5\n",
       "f 1 5",
       {"FEATURESET has no effect here"}},
      {"FEATURE",
       "1.5 only the first of a name counts",
       "FEATURE f acme 1 permanent 5\nFEATURE f acme 2 permanent 7\n",
       "f 1 5",
       {"FEATURE f of acme stands 2 times"}},
      {"FEATURE", "1.5 0 licenses are uncounted", "FEATURE f acme 1 permanent 0 HOSTID=ANY\n",
       "f 1 uncounted"},
      {"FEATURE", "1.5 uncounted needs HOSTID", "FEATURE g acme 1 permanent 1\n", "g 1 1"},
      {"FEATURE", "1.5 valid through the end of the printed day",
       "FEATURE f acme 1 15-jun-2026 5\nFEATURE g acme 1 14-jun-2026 5\n", "f 1 5"},
      {"FEATURE", "1.5 never expires: permanent, 1-jan-0, 1-jan-00, 01-jan-0000",
       "FEATURE a acme 1 permanent 1\nFEATURE b acme 1 1-jan-0 1\nFEATURE c acme 1 1-JAN-00 1\n"
       "FEATURE d acme 1 01-jan-0000 1\n",
       "a 1 1, b 1 1, c 1 1, d 1 1"},
      {"FEATURE", "1.5 two-digit years are 19xx", "FEATURE a acme 1 31-dec-99 1\n", ""},
      {"INCREMENT", "1.5 always adds",
       "INCREMENT f acme 1 permanent 5 SN=1\nINCREMENT f acme 1.0 permanent 7\n", "f 1 12"},
      {"INCREMENT",
       "design 3 the same signed line counts once",
       "INCREMENT f acme 1 permanent 5\nINCREMENT f acme 1.0 permanent 5\n",
       "f 1 5",
       {"the same line as at"}},
      {"INCREMENT", "1.6 higher version first, uncounted before counted",
       "INCREMENT f acme 1 permanent 1\nINCREMENT f acme 2 permanent 2\n"
       "INCREMENT f acme 1.5 permanent 0 HOSTID=ANY\n",
       "f 1.5 uncounted, f 2 2, f 1 1"},
      {"UPGRADE", "1.8 5 of 1.0 and 2 to 2.0 are 3 of 1.0 and 2 of 2.0",
       "INCREMENT f acme 1.0 permanent 5\nUPGRADE f acme 1.0 2.0 permanent 2\n",
       "f 2.0 2, f 1.0 3"},
      {"UPGRADE", "1.8 from the closest preceding version from and below to",
       "INCREMENT f acme 1.0 permanent 5\nINCREMENT f acme 2.0 permanent 5\n"
       "UPGRADE f acme 1.5 3.0 permanent 2\nUPGRADE f acme 0.5 2.0 permanent 1\n",
       "f 3.0 2, f 2.0 4, f 1.0 4"},
      {"PACKAGE", "1.8 3 packages with apple:1.5:2 are 6 apples",
       "PACKAGE p acme 1.0 COMPONENTS=\"apple:1.5:2 pear\"\nINCREMENT p acme 1.0 permanent 3\n",
       "apple 1.5 6, pear 1.0 3"},
      {"PACKAGE",
       "1.8 licenses nothing by itself",
       "PACKAGE p acme 1.0 COMPONENTS=a\n",
       "",
       {"PACKAGE p is not enabled"}},
  };
}

std::vector<Row> AttributeRows() {
  const std::string f = "INCREMENT f acme 1 permanent 5 ";
  return {
      {"BORROW",
       "1.7 borrowing allowed, 168 hours by default",
       f + "BORROW\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.On(Day{0}).borrow_hours == 168; })},
      {"BORROW", "1.7 n is the most hours", f + "BORROW=24\n", "f 1 5", {}, That([](const Pool& p) {
         return p.On(Day{0}).borrow_hours == 24;
       })},
      {"COMPONENTS", "1.8 what a package is made of",
       "PACKAGE p acme COMPONENTS=\"a b:2\"\nINCREMENT p acme 1 permanent 3\n", "a 1 3, b 2 3"},
      {"DUP_GROUP",
       "1.7 letters combine, over the client's mask",
       f + "DUP_GROUP=DHU\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.dup_group->ToString() == "UHD"; })},
      {"DUP_GROUP",
       "1.7 SITE: everyone shares",
       f + "DUP_GROUP=SITE\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.dup_group->site; })},
      {"DUP_GROUP", "1.5 a pooling component", f + "DUP_GROUP=U\nINCREMENT f acme 1 permanent 5\n",
       "f 1 5, f 1 5"},
      {"FLOAT_OK",
       "1.7 a dongle's line: nobody can show it, and the reader says so",
       f + "HOSTID=FLEXID=9-12345678 FLOAT_OK=ANY\n",
       "f 1 5",
       {"matches no host"}},
      {"HOSTID",
       "1.7 a list, any one may match",
       f + "HOSTID=\"0019D1AABBCC ANY\"\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.locks.size() == 2; })},
      {"HOSTID",
       "1.9 INTERNET with wildcards, IPv6, USER, HOSTNAME, DISPLAY, ID, COMPOSITE",
       f + "HOSTID=\"INTERNET=195.186.*.* INTERNET=fd00::1 USER=ann HOSTNAME=pc1 DISPLAY=:0 "
           "ID=1234-5678 COMPOSITE=0123456789AB\"\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.locks[5].ToString() == "ID=12345678"; })},
      {"HOSTID", "1.9 DEMO is for uncounted features", "FEATURE f acme 1 permanent 0 HOSTID=DEMO\n",
       "f 1 uncounted"},
      {"HOSTID",
       "1.9 Windows ids are read and match no host",
       f + "HOSTID=VSN=1234ABCD\n",
       "f 1 5",
       {"matches no host"}},
      {"HOST_BASED",
       "1.7 at most num_lic hosts",
       f + "HOST_BASED\n",
       "f 1 5",
       {"HOST_BASED"},
       That([](const Pool& p) { return p.host_based == 5u; })},
      {"USER_BASED",
       "1.7 at most n users",
       f + "USER_BASED=3\n",
       "f 1 5",
       {"USER_BASED"},
       That([](const Pool& p) { return p.user_based == 3u; })},
      {"ISSUED", "1.6 the newest first",
       "INCREMENT f acme 1 permanent 1 ISSUED=1-jan-2024 VENDOR_STRING=old\n"
       "INCREMENT f acme 1 permanent 2 ISSUED=1-jan-2025 VENDOR_STRING=new\n",
       "f 1 2, f 1 1"},
      {"ISSUER", "1.7 metadata, shown", f + "ISSUER=\"A B\"\n", "f 1 5"},
      {"KEY", "2 named by option lines", f + "KEY=1\n", "f 1 5"},
      {"LINGER",
       "1.7 seconds after check-in",
       f + "LINGER=60\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.On(Day{0}).linger_s == 60; })},
      {"MINIMUM",
       "1.7 smallest count of a checkout",
       f + "MINIMUM=2\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.On(Day{0}).minimum == 2; })},
      {"NOTICE", "1.7 metadata, shown", f + "NOTICE=\"caf\xe9\"\n", "f 1 5"},
      {"ONE_TS_OK", "1.7 terminal sessions are Windows'", f + "ONE_TS_OK\n", "f 1 5"},
      {"OPTIONS",
       "1.8 SUITE: the suite stays, and counts with each component",
       "PACKAGE p acme 1 COMPONENTS=a OPTIONS=SUITE\nINCREMENT p acme 1 permanent 3\n",
       "a 1 3, p 1 3",
       {},
       That([](const Pool& p) { return p.suite && !p.suite->reserved; })},
      {"OPTIONS",
       "1.8 SUITE_RESERVED: the first component keeps the others",
       "PACKAGE p acme 1 COMPONENTS=a OPTIONS=SUITE_RESERVED\nINCREMENT p acme 1 permanent 3\n",
       "a 1 3, p 1 3",
       {},
       That([](const Pool& p) { return p.suite && p.suite->reserved; })},
      {"OVERDRAFT", "1.7 n beyond num_lic", f + "OVERDRAFT=2\n", "f 1 5+2"},
      {"PLATFORMS",
       "1.7 a platform list",
       f + "PLATFORMS=\"x64_lsb i86_n\"\n",
       "f 1 5",
       {},
       That([](const Pool& p) { return p.platforms.size() == 2; })},
      {"SN", "1.7 metadata, shown", f + "SN=7\n", "f 1 5"},
      {"START", "1.7 not before this day",
       f + "START=15-jun-2026\nINCREMENT g acme 1 permanent 5 START=16-jun-2026\n", "f 1 5"},
      {"SUITE_DUP_GROUP",
       "1.7 of the suite's own license",
       "INCREMENT p acme 1 permanent 3 SUITE_DUP_GROUP=UH\n",
       "p 1 3",
       {},
       That([](const Pool& p) { return p.suite_dup_group->ToString() == "UH"; })},
      {"SUPERSEDE",
       "1.7 kills lines issued earlier",
       "INCREMENT f acme 1 permanent 1 ISSUED=1-jan-2024\n"
       "INCREMENT f acme 1 permanent 4 ISSUED=1-jan-2025 SUPERSEDE\n",
       "f 1 4",
       {"is superseded"}},
      {"SUPERSEDE",
       "1.7 or of the features listed",
       "INCREMENT g acme 1 permanent 1\n" + f + "ISSUED=1-jan-2025 SUPERSEDE=\"g h\"\n",
       "f 1 5",
       {"g: this line"}},
      {"SUPERSEDE_SIGN", "1.7 FlexNet's own signature: shown", f + "SUPERSEDE_SIGN=12\n", "f 1 5"},
      {"TS_OK", "1.7 terminal sessions are Windows'", f + "TS_OK\n", "f 1 5"},
      {"TZ",
       "1.7 time-zone restriction: cannot be checked, so refused",
       f + "TZ=SERVERTZ\n",
       "",
       {"TZ=SERVERTZ restricts what cannot be checked here"}},
      {"VM_PLATFORMS",
       "1.7 physical or virtual only: cannot be checked, so refused",
       f + "VM_PLATFORMS=PHYSICAL\n",
       "",
       {"VM_PLATFORMS=PHYSICAL restricts"}},
      {"VENDOR_STRING",
       "1.7 opaque, a pooling key",
       f + "VENDOR_STRING=\"a b\"\nINCREMENT f acme 1 permanent 7\n",
       "f 1 5, f 1 7",
       {},
       That([](const Pool& p) { return p.vendor_string == "a b"; })},
      {"USER_INFO", "1.7 shown", f + "USER_INFO=x\n", "f 1 5"},
      {"asset_info", "1.7 the administrator's", f + "asset_info=x\n", "f 1 5"},
      {"dist_info", "1.7 the administrator's", f + "dist_info=x\n", "f 1 5"},
      {"user_info", "1.7 the administrator's", f + "user_info=x\n", "f 1 5"},
      {"vendor_info", "1.7 the administrator's", f + "vendor_info=x\n", "f 1 5"},
      {"ck", "1.5 not checked by the daemon", f + "ck=7\n", "f 1 5"},
      {"sort", "1.6 below 100 stands ahead, above 100 behind",
       "INCREMENT a acme 1 permanent 1 sort=120\nINCREMENT b acme 1 permanent 2\n"
       "INCREMENT c acme 1 permanent 3 sort=50\n",
       "c 1 3, b 1 2, a 1 1"},
      {"SIGN",
       "1.5 a line whose signature does not fit is refused",
       absl::StrReplaceAll(SignedByAcme(absl::StrCat(kHead, f, "\n")), {{" 5 ", " 6 "}}),
       "",
       {"signature does not fit"}},
      {"SIGN",
       "1.5 FlexNet's is refused with advice",
       absl::StrCat(kHead, f, "SIGN=\"0778 0B1A 5F3D 00C6\"\n"),
       "",
       {"f: signed for FlexNet, not for Triad: ask acme for a Triad-signed file"}},
      {"SIGN2",
       "1.5 FlexNet's second one",
       absl::StrCat(kHead, f, "SIGN2=1234\n"),
       "",
       {"signed for FlexNet, not for Triad"}},
      {"AUTH",
       "1.5 FlexNet's block",
       absl::StrCat(kHead, f, "AUTH={ v=( LK=1 SIGN=\"a\" ) }\n"),
       "",
       {"signed for FlexNet, not for Triad"}},
  };
}

void Check(const Row& row) {
  SCOPED_TRACE(absl::StrCat(row.about, ": ", row.fact));
  const bool whole = absl::StartsWithIgnoreCase(row.text, "SERVER");
  const std::string text = whole ? row.text : SignedByAcme(absl::StrCat(kHead, row.text));
  const Catalog catalog = CatalogOf({text});
  EXPECT_EQ(Gives(catalog, "15-jun-2026"), row.gives);
  const std::vector<std::string> texts = testing::Texts(catalog.diagnostics());
  EXPECT_EQ(texts.size(), row.says.size()) << absl::StrJoin(texts, "\n");
  for (size_t i = 0; i < std::min(texts.size(), row.says.size()); ++i) {
    EXPECT_THAT(texts[i], ::testing::HasSubstr(row.says[i]));
  }
  if (row.also != nullptr) {
    EXPECT_EQ(row.also(catalog), "");
  }
}

TEST(Conformance, EachKeywordDoesWhatTheFactsSay) {
  std::set<Keyword> seen;
  const std::vector<Row> rows = KeywordRows();
  for (const Row& row : rows) {
    Check(row);
    seen.insert(FindKeyword(row.about));
  }
  EXPECT_EQ(seen.size(), 8u) << "SERVER, VENDOR (DAEMON), USE_SERVER, FEATURE, INCREMENT, UPGRADE, "
                                "PACKAGE, FEATURESET";
  EXPECT_FALSE(seen.contains(Keyword::kComment));
  RecordProperty("rows", static_cast<int>(rows.size()));
}

TEST(Conformance, EachAttributeDoesWhatTheFactsSay) {
  std::set<std::string> seen;
  const std::vector<Row> rows = AttributeRows();
  for (const Row& row : rows) {
    Check(row);
    EXPECT_NE(FindAttributeRule(row.about), nullptr) << row.about;
    seen.insert(row.about);
  }
  for (const AttributeRule& rule : AttributeRules()) {
    EXPECT_TRUE(seen.contains(std::string(rule.name))) << rule.name << " has no row";
  }
  RecordProperty("rows", static_cast<int>(rows.size()));
}

}  // namespace
}  // namespace triad::license
