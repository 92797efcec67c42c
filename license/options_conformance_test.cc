// What each line of an options file does to checkouts, seen through the ledger: one row per
// keyword, type of name and form of a feature, naming the fact that it checks (flexnet-facts 2). A
// keyword without a row fails the test.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckoutOf;
using testing::ItemOf;
using testing::kNoonMs;
using testing::OpenOf;
using testing::SetOf;
using testing::TimePassesNow;

// Ten of f; three of v 2.0 before four of v 1.0; n for users that are named.
constexpr absl::string_view kLicenses =
    "INCREMENT f acme 1.0 permanent 10\n"
    "INCREMENT v acme 2.0 31-dec-2030 3 ISSUER=us SN=7 VENDOR_STRING=gold user_info=u\n"
    "INCREMENT v acme 1.0 permanent 4\n"
    "INCREMENT n acme 1.0 permanent 5 USER_BASED=1\n"
    "INCREMENT a:b acme 1.0 permanent 5\n"
    // A package of ten x and twenty y; a suite of which four are; one that reserves by itself.
    "PACKAGE pack acme 1.0 COMPONENTS=\"x:3.0 y:1.5:2\"\n"
    "INCREMENT pack acme 1.0 permanent 10\n"
    "PACKAGE suite acme 1.0 COMPONENTS=\"s1 s2\" OPTIONS=SUITE\n"
    "INCREMENT suite acme 1.0 permanent 4\n"
    "PACKAGE keeper acme 1.0 COMPONENTS=\"k1 k2\" OPTIONS=SUITE_RESERVED\n"
    "INCREMENT keeper acme 1.0 permanent 2 SUITE_DUP_GROUP=U\n"
    "PACKAGE crew acme 1.0 COMPONENTS=\"c1 c2\"\n"
    "INCREMENT crew acme 1.0 permanent 5 USER_BASED=1\n"
    // Ten that may be borrowed, for two days; two and three beyond; four that linger.
    "INCREMENT b acme 1.0 permanent 10 BORROW=48\n"
    "INCREMENT o acme 1.0 permanent 2 OVERDRAFT=3\n"
    "INCREMENT l acme 1.0 permanent 4 LINGER=60\n";
constexpr int64_t kHourMs = 3'600'000;

class OptionsConformance : public ::testing::Test {
 protected:
  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(kNoonMs);
    record.mutable_stamp()->set_cluster_ms(cluster_ms_);
    *record.mutable_command() = command;
    v1::Outcome outcome = ledger_.Apply({ledger_.applied().index + 1, 1}, &record, nullptr);
    EXPECT_TRUE(ledger_.CheckInvariants().ok()) << ledger_.CheckInvariants();
    return outcome;
  }

  void Serve(absl::string_view options) {
    ledger_ = Ledger();
    v1::Command command;
    *command.mutable_install() = SetOf(kLicenses, options, 0);
    ASSERT_TRUE(Apply(command).has_done());
  }

  // One step, in words; 0: as wished, else the denial's code:
  //   "USER@HOST@ADDRESS@PROJECT@DISPLAY feature count": a new session asks
  //   "borrow USER feature count hours": so does one
  //   "idle", "return": of what the last one was granted
  //   "pass seconds"
  //   "used feature count": 1 if it is another count
  int Ask(absl::string_view request) {
    const std::vector<std::string> words = absl::StrSplit(request, ' ');
    if (words[0] == "borrow") return Borrow(words);
    if (words[0] == "used") return Used(words[1]) == std::stoul(words[2]) ? 0 : 1;
    if (words[0] == "pass") {
      cluster_ms_ += 1'000 * std::stoul(words[1]);
      return Apply(TimePassesNow()).has_done() ? 0 : 1;
    }
    if (words[0] == "idle" || words[0] == "return") {
      v1::Command command = RequestOf(2);
      if (words[0] == "idle") {
        command.mutable_request()->mutable_set_idle()->set_idle(true);
      } else {
        command.mutable_request()->mutable_checkin()->set_handle(handle_);
      }
      return Apply(command).has_done() ? 0 : 1;
    }
    Open(words[0]);
    return CodeOf(Apply(CheckoutOf(Last(), 1, {ItemOf(words[1], std::stoul(words[2]))})));
  }

  int Borrow(const std::vector<std::string>& words) {
    Open(words[1]);
    v1::Command command = RequestOf(1);
    v1::Borrow& borrow = *command.mutable_request()->mutable_borrow();
    *borrow.mutable_item() = ItemOf(words[2], std::stoul(words[3]));
    borrow.set_until_wall_ms(kNoonMs + kHourMs * std::stol(words[4]));
    return CodeOf(Apply(command));
  }

  uint64_t Used(const std::string& feature) const {
    return ledger_.UsedOf(ledger_.catalog().PoolsOf(feature).front()->id);
  }

  int CodeOf(const v1::Outcome& outcome) {
    EXPECT_TRUE(outcome.has_granted() || outcome.has_denied()) << outcome.ShortDebugString();
    if (outcome.has_granted()) handle_ = outcome.granted().holdings(0).handle();
    return outcome.has_denied() ? outcome.denied().code() : 0;
  }

  std::string Last() const { return absl::StrCat("s", sessions_); }

  v1::Command RequestOf(uint64_t seq) const {
    v1::Command command;
    command.mutable_request()->set_session(testing::SessionNamed(Last()));
    command.mutable_request()->set_seq(seq);
    command.mutable_request()->set_acked(seq - 1);
    return command;
  }

  void Open(const std::string& identity_text) {
    std::vector<std::string> who = absl::StrSplit(identity_text, '@');
    who.resize(5);
    ++sessions_;
    v1::Command open = OpenOf(Last());
    v1::Identity& identity = *open.mutable_open()->mutable_identity();
    identity.set_user(who[0]);
    identity.set_host(who[1]);
    identity.set_peer_address(who[2]);
    identity.set_project(who[3]);
    identity.set_display(who[4]);
    Apply(open);
  }

  Ledger ledger_;
  uint64_t cluster_ms_ = 1'000;
  int sessions_ = 0;
  uint64_t handle_ = 0;
};

struct Step {
  const char* request;
  int code;
};

struct Row {
  const char* fact;
  const char* options;
  std::vector<Step> steps;
  const char* says = "";  // a part of one of the complaints
  // What the server reads of it, where the ledger does nothing with it.
  std::function<bool(const OptionSettings&)> set = nullptr;
};

std::vector<Row> WhoMayRows() {
  return {
      {"no options: everyone, all", "", {{"ann f 10", 0}, {"bob f 1", -4}}},
      // EXCLUDE, and every type of name.
      {"EXCLUDE USER", "EXCLUDE f USER ann", {{"ann f 1", -38}, {"bob f 1", 0}, {"ann v 1", 0}}},
      {"names have their case", "EXCLUDE f USER ANN", {{"ann f 1", 0}}},
      {"keywords do not", "exclude f user ann", {{"ann f 1", -38}}},
      {"EXCLUDE HOST", "EXCLUDE f HOST pc1", {{"ann@pc1 f 1", -38}, {"ann@pc2 f 1", 0}}},
      {"HOST by address",
       "EXCLUDE f HOST 10.0.0.*",
       {{"ann@pc1@10.0.0.9 f 1", -38}, {"ann@pc1@10.0.1.9 f 1", 0}}},
      {"EXCLUDE DISPLAY", "EXCLUDE f DISPLAY :1", {{"ann@p@@@:1 f 1", -38}, {"ann@p@@@:2 f 1", 0}}},
      {"EXCLUDE INTERNET",
       "EXCLUDE f INTERNET 195.186.*.*",
       {{"a@p@195.186.4.5 f 1", -38}, {"a@p@195.187.4.5 f 1", 0}}},
      {"INTERNET of IPv6",
       "EXCLUDE f INTERNET fec0::*",
       {{"a@p@fec0::7 f 1", -38}, {"a@p@fec0::1:7 f 1", 0}}},
      {"EXCLUDE PROJECT", "EXCLUDE f PROJECT m", {{"a@p@@m f 1", -38}, {"a@p@@n f 1", 0}}},
      {"EXCLUDE GROUP", "GROUP o ann bob\nEXCLUDE f GROUP o", {{"bob f 1", -38}, {"cec f 1", 0}}},
      {"GROUP lines accumulate",
       "GROUP o ann\nEXCLUDE f GROUP o\nGROUP o bob",
       {{"ann f 1", -38}, {"bob f 1", -38}}},
      {"EXCLUDE HOST_GROUP",
       "HOST_GROUP l pc1 lab*\nEXCLUDE f HOST_GROUP l",
       {{"a@lab7 f 1", -38}, {"a@pc1 f 1", -38}, {"a@pc2 f 1", 0}}},
      {"GROUPCASEINSENSITIVE",
       "GROUPCASEINSENSITIVE ON\nGROUP o Ann\nEXCLUDE f GROUP o",
       {{"aNN f 1", -38}}},
      {"FQDN_MATCHING LENIENT",
       "FQDN_MATCHING LENIENT\nEXCLUDE f HOST pc1",
       {{"ann@pc1.acme.com f 1", -38}}},
      {"FQDN_MATCHING EXACT", "EXCLUDE f HOST pc1", {{"ann@pc1.acme.com f 1", 0}}},
      {"EXCLUDEALL", "EXCLUDEALL USER ann", {{"ann f 1", -38}, {"ann v 1", -38}, {"bob f 1", 0}}},
      // INCLUDE, and what wins.
      {"INCLUDE", "INCLUDE f USER ann", {{"ann f 1", 0}, {"bob f 1", -39}, {"bob v 1", 0}}},
      {"INCLUDEALL", "INCLUDEALL USER ann", {{"ann f 1", 0}, {"bob f 1", -39}, {"bob v 1", -39}}},
      {"EXCLUDE wins", "INCLUDE f USER ann\nEXCLUDE f HOST p", {{"ann@p f 1", -38}}},
      {"a continued line", "INCLUDE f \\\r\n  USER \\\r\n ann\r\n", {{"bob f 1", -39}}},
      {"a trailing comment", "INCLUDE f USER ann # not bob", {{"bob f 1", -39}, {"ann f 1", 0}}},
      {"Latin-1", "EXCLUDE f USER j\xf6rg", {{"j\xf6rg f 1", -38}}},
      // MAX.
      {"MAX USER", "MAX 2 f USER ann", {{"ann f 2", 0}, {"ann f 1", -87}, {"bob f 3", 0}}},
      {"MAX 0", "MAX 0 f USER ann", {{"ann f 1", -87}}},
      {"MAX GROUP is the group's total",
       "GROUP o ann bob\nMAX 3 f GROUP o",
       {{"ann f 2", 0}, {"bob f 2", -87}, {"bob f 1", 0}, {"cec f 5", 0}}},
      {"MAX HOST", "MAX 1 f HOST p", {{"ann@p f 1", 0}, {"bob@p f 1", -87}, {"bob@q f 1", 0}}},
      {"MAX HOST_GROUP",
       "HOST_GROUP l p*\nMAX 1 f HOST_GROUP l",
       {{"ann@p1 f 1", 0}, {"ann@p2 f 1", -87}}},
      {"MAX INTERNET",
       "MAX 1 f INTERNET 10.*.*.*",
       {{"a@p@10.1.1.1 f 1", 0}, {"b@q@10.2.2.2 f 1", -87}}},
      {"MAX PROJECT", "MAX 1 f PROJECT m", {{"a@p@@m f 1", 0}, {"b@q@@m f 1", -87}}},
      {"MAX ALL_USERS is for each",
       "MAX 2 f USER ALL_USERS",
       {{"ann f 2", 0}, {"ann f 1", -87}, {"bob f 2", 0}}},
      {"a specific USER before ALL_USERS",
       "MAX 4 f USER ann\nMAX 1 f USER ALL_USERS",
       {{"ann f 4", 0}, {"bob f 1", 0}, {"bob f 1", -87}}},
      {"ALL_USERS before a specific USER",
       "MAX 1 f USER ALL_USERS\nMAX 4 f USER ann",
       {{"ann f 2", -87}}},
      {"MAX ALL_GROUPS",
       "GROUP o ann\nGROUP p bob\nMAX 1 f GROUP ALL_GROUPS",
       {{"ann f 1", 0}, {"ann f 1", -87}, {"bob f 1", 0}, {"cec f 4", 0}}},
      {"MAX counts over all pools of the feature",
       "MAX 4 v USER ann",
       {{"ann v 3", 0}, {"ann v 2", -87}, {"ann v 1", 0}}},
      {"INCLUDE and MAX are independent",
       "INCLUDE f USER ann\nMAX 1 f USER ann",
       {{"ann f 1", 0}, {"ann f 1", -87}, {"bob f 1", -39}}},
      // RESERVE.
      {"RESERVE USER", "RESERVE 9 f USER ann", {{"bob f 2", -101}, {"bob f 1", 0}, {"ann f 9", 0}}},
      {"RESERVE GROUP",
       "GROUP o ann bob\nRESERVE 10 f GROUP o",
       {{"cec f 1", -101}, {"ann f 4", 0}, {"bob f 6", 0}}},
      {"RESERVE HOST", "RESERVE 10 f HOST p", {{"ann@q f 1", -101}, {"ann@p f 1", 0}}},
      {"RESERVE HOST_GROUP",
       "HOST_GROUP l p*\nRESERVE 10 f HOST_GROUP l",
       {{"ann@q f 1", -101}, {"ann@p2 f 1", 0}}},
      {"RESERVE DISPLAY",
       "RESERVE 10 f DISPLAY :1",
       {{"ann@p@@@:2 f 1", -101}, {"ann@p@@@:1 f 1", 0}}},
      {"RESERVE INTERNET",
       "RESERVE 10 f INTERNET 10.*.*.*",
       {{"a@p@11.0.0.1 f 1", -101}, {"a@p@10.0.0.1 f 1", 0}}},
      {"RESERVE PROJECT", "RESERVE 10 f PROJECT m", {{"a@p f 1", -101}, {"a@p@@m f 1", 0}}},
      {"only the first reservations up to the count",
       "RESERVE 8 f USER ann\nRESERVE 8 f USER bob",
       {{"cec f 1", -101}, {"bob f 3", -101}, {"bob f 2", 0}, {"ann f 8", 0}}},
      // Forms of a feature: v 2.0 is the first pool.
      {"feature:VERSION", "EXCLUDE v:VERSION=2.0 USER a", {{"a v 4", 0}, {"a v 1", -4}}},
      {"\"feature VERSION\"", "EXCLUDE \"v VERSION=2\" USER a", {{"a v 4", 0}, {"a v 1", -4}}},
      {"feature:EXPDATE", "EXCLUDE v:EXPDATE=31-dec-2030 USER a", {{"a v 4", 0}, {"a v 1", -4}}},
      {"feature:ISSUER", "EXCLUDE v:ISSUER=us USER a", {{"a v 4", 0}, {"a v 1", -4}}},
      {"feature:SN", "EXCLUDE v:SN=7 USER a", {{"a v 4", 0}, {"a v 1", -4}}},
      {"feature:VENDOR_STRING", "EXCLUDE v:VENDOR_STRING=gold USER a", {{"a v 4", 0}}},
      {"feature:user_info", "EXCLUDE v:user_info=u USER a", {{"a v 4", 0}, {"a v 1", -4}}},
      {"a colon in the name", "EXCLUDE \"a:b VERSION=1.0\" USER a", {{"a a:b 1", -38}}},
      // USER_BASED.
      {"USER_BASED without names", "", {{"ann n 1", -84}}},
      {"USER_BASED with names",
       "INCLUDE n:VERSION=1.0 USER ann",
       {{"ann n 1", 0}, {"bob n 1", -39}}},
      {"USER_BASED with too many names",
       "INCLUDE n:VERSION=1.0 USER ann\nINCLUDE n:VERSION=1.0 USER bob",
       {{"ann n 1", -84}}},
      // A package's name stands for all its components, a suite's also for the suite.
      {"EXCLUDE package",
       "EXCLUDE pack USER ann",
       {{"ann x 1", -38}, {"ann y 1", -38}, {"bob x 1", 0}}},
      {"EXCLUDE suite",
       "EXCLUDE suite USER ann",
       {{"ann s1 1", -38}, {"ann s2 1", -38}, {"ann suite 1", -38}, {"bob s1 1", 0}}},
      {"INCLUDE package",
       "INCLUDE pack USER ann",
       {{"ann x 1", 0}, {"bob x 1", -39}, {"bob y 1", -39}, {"bob f 1", 0}}},
      {"EXCLUDE of one component", "EXCLUDE x USER ann", {{"ann x 1", -38}, {"ann y 1", 0}}},
      {"MAX package: each component by itself",
       "MAX 2 pack USER ann",
       {{"ann x 2", 0}, {"ann y 2", 0}, {"ann x 1", -87}, {"ann y 1", -87}, {"bob x 8", 0}}},
      {"MAX suite",
       "MAX 1 suite USER ann",
       {{"ann@p s1 1", 0}, {"ann@p s1 1", -87}, {"ann@p s2 1", 0}, {"ann@q s2 1", -87}}},
      {"RESERVE package: of each component",
       "RESERVE 9 pack USER ann",
       {{"bob x 2", -101}, {"bob x 1", 0}, {"bob y 12", -101}, {"bob y 11", 0}, {"ann x 9", 0}}},
      {"RESERVE suite",
       "RESERVE 3 suite USER ann",
       {{"bob s1 1", 0}, {"cec s1 1", -101}, {"cec s2 1", -101}, {"ann s1 1", 0}}},
      {"RESERVE on a suite that reserves by itself is of the suite",
       "RESERVE 1 keeper USER ann",
       {{"bob k1 1", 0}, {"cec k2 1", -101}, {"ann k2 1", 0}, {"bob k2 1", 0}}},
      {"RESERVE on its component has no effect",
       "RESERVE 2 k1 USER ann",
       {{"bob k1 1", 0}, {"cec k1 1", 0}}},
      {"package:VERSION is that of the enabling line",
       "EXCLUDE pack:VERSION=1.0 USER ann\nEXCLUDE pack:VERSION=3.0 USER bob",
       {{"ann x 1", -38}, {"bob x 1", 0}}},
      {"component:VERSION is the component's",
       "EXCLUDE x:VERSION=3.0 USER ann\nEXCLUDE x:VERSION=1.0 USER bob",
       {{"ann x 1", -38}, {"bob x 1", 0}}},
      {"USER_BASED package with names",
       "INCLUDE crew:VERSION=1.0 USER ann",
       {{"ann c1 1", 0}, {"ann c2 1", 0}, {"bob c1 1", -39}}},
      // What is wrong has no effect, and shuts nobody out.
      {"a group never defined", "INCLUDE f GROUP nix", {{"ann f 1", 0}}},
      {"a wrong line",
       "EXLCUDE f USER ann\nEXCLUDE f USER bob",
       {{"ann f 1", 0}, {"bob f 1", -38}}},
  };
}

std::vector<Row> HowLongAndWhereRows() {
  return {
      // Borrowing.
      {"without options as the line says",
       "",
       {{"borrow ann b 10 48", 0}, {"borrow bob b 1 1", -4}, {"borrow ann f 1 1", -68}}},
      {"no longer than the line", "", {{"borrow ann b 1 49", -104}}},
      {"INCLUDE_BORROW",
       "INCLUDE_BORROW b USER ann",
       {{"borrow ann b 1 1", 0}, {"borrow bob b 1 1", -39}, {"bob b 1", 0}}},
      {"EXCLUDE_BORROW",
       "EXCLUDE_BORROW b USER ann",
       {{"borrow ann b 1 1", -38}, {"borrow bob b 1 1", 0}, {"ann b 1", 0}}},
      {"EXCLUDE_BORROW wins",
       "INCLUDE_BORROW b USER ann\nEXCLUDE_BORROW b HOST p",
       {{"borrow ann@p b 1 1", -38}, {"borrow ann@q b 1 1", 0}}},
      {"BORROW_LOWWATER: 10 in all, 3: 7 may be borrowed",
       "BORROW_LOWWATER b 3",
       {{"borrow ann b 7 1", 0}, {"borrow bob b 1 1", -67}, {"bob b 3", 0}}},
      {"MAX_BORROW_HOURS",
       "MAX_BORROW_HOURS b 24",
       {{"borrow ann b 1 24", 0}, {"borrow ann b 1 25", -104}}},
      {"MAX_BORROW_HOURS never lengthens",
       "MAX_BORROW_HOURS b 100",
       {{"borrow ann b 1 49", -104}, {"borrow ann b 1 48", 0}}},
      {"MAX_BORROW_HOURS: the last line wins",
       "MAX_BORROW_HOURS b 1\nMAX_BORROW_HOURS b 24",
       {{"borrow ann b 1 24", 0}}},
      // Overdraft.
      {"the line's overdraft", "", {{"ann o 5", 0}, {"bob o 1", -4}}},
      {"MAX_OVERDRAFT lowers it",
       "MAX_OVERDRAFT o 1",
       {{"ann o 3", 0}, {"bob o 1", -4}, {"bob o 4", -26}}},
      {"MAX_OVERDRAFT 0", "MAX_OVERDRAFT o 0", {{"ann o 2", 0}, {"ann o 1", -4}}},
      {"MAX_OVERDRAFT never raises it", "MAX_OVERDRAFT o 9", {{"ann o 5", 0}, {"ann o 1", -4}}},
      // Idle.
      {"TIMEOUT",
       "TIMEOUT f 1200",
       {{"ann f 2", 0},
        {"idle", 0},
        {"pass 1199", 0},
        {"used f 2", 0},
        {"pass 1", 0},
        {"used f 0", 0}}},
      {"TIMEOUT below the least is raised to it, here 900 s",
       "TIMEOUT f 60",
       {{"ann f 2", 0},
        {"idle", 0},
        {"pass 899", 0},
        {"used f 2", 0},
        {"pass 1", 0},
        {"used f 0", 0}},
       "900"},
      {"what is not idle is not reclaimed",
       "TIMEOUT f 900",
       {{"ann f 2", 0}, {"pass 9000", 0}, {"used f 2", 0}}},
      {"TIMEOUTALL",
       "TIMEOUTALL 900",
       {{"ann v 1", 0}, {"idle", 0}, {"pass 900", 0}, {"used v 0", 0}}},
      {"TIMEOUT of a feature goes before TIMEOUTALL",
       "TIMEOUTALL 900\nTIMEOUT f 1800",
       {{"ann f 1", 0},
        {"idle", 0},
        {"pass 900", 0},
        {"used f 1", 0},
        {"pass 900", 0},
        {"used f 0", 0}}},
      {"TIMEOUT 0 without a feature, as seen in the wild",
       "TIMEOUT 0",
       {{"ann f 1", 0}},
       "TIMEOUT"},
      // Lingers.
      {"LINGER lengthens the line's",
       "LINGER l 90",
       {{"ann l 1", 0},
        {"return", 0},
        {"pass 89", 0},
        {"used l 1", 0},
        {"pass 1", 0},
        {"used l 0", 0}}},
      {"LINGER never shortens it",
       "LINGER l 30",
       {{"ann l 1", 0},
        {"return", 0},
        {"pass 59", 0},
        {"used l 1", 0},
        {"pass 1", 0},
        {"used l 0", 0}}},
      {"LINGER of a line without one",
       "LINGER f 30",
       {{"ann f 1", 0}, {"return", 0}, {"used f 1", 0}, {"pass 30", 0}, {"used f 0", 0}}},
      {"a linger that is over ends when a request would be denied",
       "LINGER f 30",
       {{"ann f 10", 0}, {"return", 0}, {"bob f 1", -4}}},
      // What the server does: debug_log_test, usage_logs_test and event_loop say how.
      {"NOLOG: one event per line",
       "NOLOG IN\nNOLOG queued",
       {{"ann f 1", 0}},
       "",
       [](const OptionSettings& set) {
         return set.no_log == std::vector<std::string>{"IN", "QUEUED"};
       }},
      {"DEBUGLOG: + appends, AUTO_ROLLOVER in MB",
       "DEBUGLOG +/var/log/d.log AUTO_ROLLOVER 5",
       {},
       "",
       [](const OptionSettings& set) {
         return set.debug_log && set.debug_log->append && set.debug_log->rollover_mb == 5 &&
                set.debug_log->path == "/var/log/d.log";
       }},
      {"REPORTLOG: HIDE_USER",
       "REPORTLOG /var/log/r.log HIDE_USER",
       {},
       "",
       [](const OptionSettings& set) {
         return set.report_log && !set.report_log->append && set.report_log->hide_user;
       }},
      {"AUTOMATIC_REREAD: there is no nightly reread here",
       "AUTOMATIC_REREAD ON",
       {},
       "nothing is reread by itself here",
       [](const OptionSettings& set) { return set.automatic_reread == true; }},
      {"MAX_CONNECTIONS: see below",
       "MAX_CONNECTIONS 3",
       {},
       "",
       [](const OptionSettings& set) { return set.max_connections == 3; }},
      {"DAEMON_SELECT_TIMEOUT sets nothing here",
       "DAEMON_SELECT_TIMEOUT 5",
       {{"ann f 1", 0}},
       "DAEMON_SELECT_TIMEOUT"},
      // Trusted storage: read, told of, without effect.
      {"INCLUDE_ENTITLEMENT", "INCLUDE_ENTITLEMENT f USER ann", {{"bob f 1", 0}}, "ENTITLEMENT"},
      {"INCLUDEALL_ENTITLEMENT",
       "INCLUDEALL_ENTITLEMENT USER ann",
       {{"bob f 1", 0}},
       "ENTITLEMENT"},
      {"EXCLUDE_ENTITLEMENT", "EXCLUDE_ENTITLEMENT f USER ann", {{"ann f 1", 0}}, "ENTITLEMENT"},
      {"EXCLUDEALL_ENTITLEMENT",
       "EXCLUDEALL_ENTITLEMENT USER ann",
       {{"ann f 1", 0}},
       "ENTITLEMENT"},
      {"ACTIVATION_LOWWATER", "ACTIVATION_LOWWATER f 3", {{"ann f 10", 0}}, "ACTIVATION_LOWWATER"},
      {"ACTIVATION_EXPIRY_DAYS",
       "ACTIVATION_EXPIRY_DAYS f 3",
       {{"ann f 10", 0}},
       "ACTIVATION_EXPIRY_DAYS"},
  };
}

std::vector<Row> AllRows() {
  std::vector<Row> rows = WhoMayRows();
  for (Row& row : HowLongAndWhereRows()) rows.push_back(std::move(row));
  return rows;
}

TEST_F(OptionsConformance, EveryLineDoesWhatItSays) {
  const std::vector<Row> rows = AllRows();
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(row.fact, ": ", row.options));
    Serve(row.options);
    for (const Step& step : row.steps) {
      EXPECT_EQ(Ask(step.request), step.code) << step.request;
    }
    const Diagnostics& complaints = ledger_.catalog().diagnostics();
    EXPECT_TRUE(*row.says == '\0' || std::any_of(complaints.begin(), complaints.end(),
                                                 [&row](const Diagnostic& each) {
                                                   return absl::StrContains(each.ToString(),
                                                                            row.says);
                                                 }))
        << (complaints.empty() ? "no complaint" : complaints.front().ToString());
    const auto& settings = ledger_.catalog().policy().settings();
    if (row.set != nullptr) {
      EXPECT_TRUE(settings.contains("acme") && row.set(settings.find("acme")->second));
    }
  }
  RecordProperty("rows", static_cast<int>(rows.size()));
}

TEST_F(OptionsConformance, EveryKeywordHasARow) {
  std::set<std::string> seen;
  for (const Row& row : AllRows()) {
    for (absl::string_view line : absl::StrSplit(row.options, '\n')) {
      const absl::string_view word = line.substr(0, line.find(' '));
      seen.insert(absl::AsciiStrToUpper(word));
    }
  }
  for (const absl::string_view keyword : OptionKeywords()) {
    EXPECT_TRUE(seen.contains(std::string(keyword))) << keyword;
  }
}

TEST_F(OptionsConformance, MaxConnectionsCapsSessions) {
  Serve("MAX_CONNECTIONS 2");
  EXPECT_TRUE(Apply(OpenOf("a")).has_session());
  EXPECT_TRUE(Apply(OpenOf("b")).has_session());
  const v1::Outcome full = Apply(OpenOf("c"));
  EXPECT_EQ(full.refused().why(), v1::Refused::SESSION_TABLE_FULL);
  EXPECT_EQ(full.refused().reason(),
            "license server is out of network connections (-106): MAX_CONNECTIONS 2 of the options "
            "file");
  EXPECT_TRUE(Apply(OpenOf("b", 2)).has_session()) << "it is there already";
  v1::Command close;
  close.mutable_close()->set_session(testing::SessionNamed("a"));
  close.mutable_close()->set_token_hash(testing::TokenNamed("token"));
  Apply(close);
  EXPECT_TRUE(Apply(OpenOf("c")).has_session());
}

TEST_F(OptionsConformance, OfSeveralVendorsAllMustCapConnectionsAndTheLargestCapCounts) {
  const auto serve = [&](absl::string_view of_beta) {
    ledger_ = Ledger();
    v1::Command command;
    *command.mutable_install() =
        SetOf("VENDOR beta\nINCREMENT f acme 1.0 permanent 10\n", "MAX_CONNECTIONS 1\n", 0);
    v1::InstallLicenses::File& file = *command.mutable_install()->add_option_files();
    file.set_name("beta");
    file.set_content(std::string(of_beta));
    ASSERT_TRUE(Apply(command).has_done());
  };
  serve("");
  for (const char* name : {"a", "b", "c"}) EXPECT_TRUE(Apply(OpenOf(name)).has_session()) << name;
  serve("MAX_CONNECTIONS 2\n");
  EXPECT_TRUE(Apply(OpenOf("a")).has_session());
  EXPECT_TRUE(Apply(OpenOf("b")).has_session());
  EXPECT_TRUE(Apply(OpenOf("c")).has_refused());
}

TEST_F(OptionsConformance, AGroupOfThousandsIsOneAnswer) {
  std::string options = "RESERVE 4 f GROUP big\nMAX 6 f GROUP big\n";
  for (int line = 0; line < 50; ++line) {
    absl::StrAppend(&options, "GROUP big");
    for (int i = 0; i < 100; ++i) absl::StrAppend(&options, " u", line * 100 + i);
    absl::StrAppend(&options, "\n");
  }
  Serve(options);
  EXPECT_EQ(Ask("ann f 7"), -101);
  EXPECT_EQ(Ask("u0 f 3"), 0);
  EXPECT_EQ(Ask("u4999 f 4"), -87);
  EXPECT_EQ(Ask("u4999 f 3"), 0);
  EXPECT_EQ(Ask("u5000 f 4"), 0);
}

}  // namespace
}  // namespace triad::license
