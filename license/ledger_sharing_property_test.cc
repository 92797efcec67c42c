// Random histories of who shares with whom (DUP_GROUP in all its letters, or as the application
// asks), of packages, suites and suites that reserve their components, with lingers, queues and
// several features at once, step by step against a model that keeps one list of what is out and
// reckons everything from it anew. After every step: the same answer, the same licenses with the
// same holders, and every license of every pool exactly one of free, used and lingering.
//
// ledger_seats_property_test.cc does the same for reservations, borrowing, overdraft, resizing and
// changes of licenses; it knows sharing by user alone, and no suites.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using testing::CloseOf;
using testing::ItemOf;
using testing::kNoonMs;
using testing::MemoryStore;
using testing::OpenAs;
using testing::SessionNamed;
using testing::SetOf;
using testing::TimePassesNow;

struct Person {
  std::string session;
  std::string user;
  std::string host;
  std::string display;
};
// Each letter of a mask joins some of them and parts others.
const std::vector<Person>& People() {
  static const auto* const people = new std::vector<Person>{
      {"a", "ann", "pc1", ":0"}, {"a2", "ann", "pc1", ":0"}, {"a3", "ann", "pc2", ":1"},
      {"b", "bob", "pc1", ":1"}, {"b2", "bob", "pc2", ":0"}, {"c", "cid", "pc3", ":0"},
  };
  return *people;
}

struct Feature {
  uint64_t licenses = 0;
  std::string mask = "-";  // DUP_GROUP; "-": none, so the application's counts
  uint64_t linger_ms = 0;
  std::string suite = "";        // a component of this suite
  std::string suite_mask = "-";  // of a suite: SUITE_DUP_GROUP
  bool reserves = false;         // of a suite: SUITE_RESERVED
};
using Features = std::map<std::string, Feature>;

struct Config {
  std::string lines;
  Features features;
};

// The suite `name` of two components with the attributes of its line.
void AddSuite(Config& config, const std::string& name, uint64_t licenses, bool reserves,
              const std::string& mask, const std::string& suite_mask, uint64_t linger_s) {
  std::string attributes;
  if (mask != "-") absl::StrAppend(&attributes, " DUP_GROUP=", mask);
  if (suite_mask != "-") absl::StrAppend(&attributes, " SUITE_DUP_GROUP=", suite_mask);
  if (linger_s > 0) absl::StrAppend(&attributes, " LINGER=", linger_s);
  absl::StrAppend(&config.lines, "PACKAGE ", name, " acme 1.0 COMPONENTS=\"", name, "1 ", name,
                  "2\" OPTIONS=SUITE", reserves ? "_RESERVED" : "", "\nINCREMENT ", name,
                  " acme 1.0 permanent ", licenses, attributes, "\n");
  config.features[name] = {licenses, mask, linger_s * 1'000, "", suite_mask, reserves};
  for (const char* part : {"1", "2"}) {
    config.features[name + part] = {licenses, mask, linger_s * 1'000, name, "-", reserves};
  }
}

void AddPlain(Config& config, const std::string& name, uint64_t licenses, const std::string& mask,
              uint64_t linger_s) {
  absl::StrAppend(&config.lines, "INCREMENT ", name, " acme 1.0 permanent ", licenses);
  if (mask != "-") absl::StrAppend(&config.lines, " DUP_GROUP=", mask);
  if (linger_s > 0) absl::StrAppend(&config.lines, " LINGER=", linger_s);
  absl::StrAppend(&config.lines, "\n");
  config.features[name] = {licenses, mask, linger_s * 1'000};
}

Config ConfigOf(uint64_t seed) {
  static const char* const kMasks[] = {"U", "H", "D", "V", "UH", "UHD", "UHDV", "HV", "SITE"};
  static const char* const kSuiteMasks[] = {"-", "U", "UHD", "H", "SITE", "V"};
  Config config;
  AddPlain(config, "f", 3, kMasks[seed % std::size(kMasks)], seed % 2);
  AddPlain(config, "g", 3, "-", 2);
  AddPlain(config, "n", 3, seed % 2 == 0 ? "NONE" : "-", 1);
  AddSuite(config, "s", 2, false, "-", kSuiteMasks[seed % std::size(kSuiteMasks)], seed % 3);
  AddSuite(config, "k", 2, true, seed % 2 == 0 ? "-" : "U",
           kSuiteMasks[seed / 2 % std::size(kSuiteMasks)], seed % 4);
  // Three packages of one x and two y: no suite's license goes with them.
  config.lines += "PACKAGE p acme 1.0 COMPONENTS=\"x y:1.0:2\"\nINCREMENT p acme 1.0 permanent 2\n";
  config.features["x"] = {.licenses = 2};
  config.features["y"] = {.licenses = 4};
  return config;
}

struct Wanted {
  std::string feature;
  uint64_t count = 1;
  bool up_to = false;
  std::string data;
  std::string mask = "-";  // that the application asks for
};

struct Out {
  uint64_t handle = 0;
  std::string session;  // "": lingers, or goes with what lingers
  Person who;
  std::string feature;
  uint64_t count = 0;
  std::string group;      // "": shares with none
  uint64_t lingers = 0;   // until
  uint64_t suite_of = 0;  // the component that it goes with
};

struct Waits {
  uint64_t ticket = 0;
  Person who;
  std::vector<Wanted> items;
};

class Model {
 public:
  explicit Model(Features features) : features_(std::move(features)) {}

  std::vector<Out> outs;  // by handle
  std::vector<Waits> waits;
  uint64_t now = 0;

  std::string Checkout(const Person& who, const std::vector<Wanted>& items, bool wait) {
    std::string answer = Try(who, items, 0);
    if (IsSoft(answer) && EndLingersOver()) {
      ServeAll();
      answer = Try(who, items, 0);
    }
    for (const Wanted& item : items) {
      if (wait && IsSoft(answer) && Needed(item) > features_.at(item.feature).licenses) {
        answer = "denied -26";
      }
    }
    if (wait && IsSoft(answer)) {
      waits.push_back({next_, who, items});
      next_ += items.size();
      answer = "queued";
    }
    ServeAll();
    return answer;
  }

  std::string Checkin(const std::string& session, uint64_t handle) {
    for (const Out& out : std::vector<Out>(outs)) {
      if (out.handle != handle || out.session != session || out.suite_of != 0) continue;
      Release(out);
      ServeAll();
      return "done";
    }
    return "refused";
  }

  void End(const std::string& session) {
    std::erase_if(waits, [&](const Waits& each) { return each.who.session == session; });
    for (const Out& out : std::vector<Out>(outs)) {
      if (out.session == session && out.suite_of == 0) Release(out);
    }
    ServeAll();
  }

  void TimePasses() {
    EndLingersOver();
    ServeAll();
  }

  uint64_t Used(const std::string& feature, bool held_only = false) const {
    std::map<std::string, uint64_t> groups;
    uint64_t used = 0;
    for (const Out& out : outs) {
      if (out.feature != feature || (held_only && out.lingers != 0)) continue;
      uint64_t& group = groups[out.group];
      if (out.group.empty()) {
        used += out.count;
      } else {
        group = std::max(group, out.count);
      }
    }
    for (const auto& [key, count] : groups) used += count;
    return used;
  }

  const Features& features() const { return features_; }

 private:
  static bool IsSoft(const std::string& answer) {
    return answer == "denied -4" || answer == "denied -24" || answer == "denied -101";
  }
  static uint64_t Less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }
  static uint64_t Needed(const Wanted& item) { return item.up_to ? 1 : item.count; }

  // Who shares: those for whom this says the same.
  static std::string GroupOf(const std::string& mask, const Person& who, const std::string& data) {
    if (mask == "-" || mask == "NONE") return "";
    if (mask == "SITE") return "all";
    std::string group = mask;
    if (mask.find('U') != std::string::npos) group += "|user " + who.user;
    if (mask.find('H') != std::string::npos) group += "|host " + who.host;
    if (mask.find('D') != std::string::npos) group += "|display " + who.display;
    if (mask.find('V') != std::string::npos) group += "|data " + data;
    return group;
  }
  static bool SameSeat(const Person& a, const Person& b) {
    return a.user == b.user && a.host == b.host && a.display == b.display;
  }
  std::string MaskOf(const Wanted& item) const {
    const std::string& mask = features_.at(item.feature).mask;
    return mask != "-" ? mask : item.mask;
  }
  // Of the suite's license that goes with a component shared by `mask`.
  std::string SuiteGroupOf(const std::string& suite, const std::string& mask,
                           const Person& who) const {
    const std::string& own = features_.at(suite).suite_mask;
    const bool alone = mask == "-" || mask == "NONE";
    return GroupOf(own != "-" ? own : alone ? "UHD" : mask, who, "");
  }

  uint64_t GroupHas(const std::string& feature, const std::string& group) const {
    uint64_t most = 0;
    for (const Out& out : outs) {
      if (out.feature == feature && out.group == group) most = std::max(most, out.count);
    }
    return most;
  }

  bool OthersWait(const std::string& feature, uint64_t ticket) const {
    for (const Waits& each : waits) {
      if (ticket != 0 && each.ticket >= ticket) break;
      for (const Wanted& item : each.items) {
        if (item.feature == feature || features_.at(item.feature).suite == feature) return true;
      }
    }
    return false;
  }

  // Of a component, what SUITE_RESERVED keeps for others: one for each group that has a suite and
  // does not have this component.
  uint64_t KeptForOthers(const std::string& component, const std::string& own) const {
    const std::string& suite = features_.at(component).suite;
    if (suite.empty() || !features_.at(suite).reserves) return 0;
    std::set<std::string> with_suite;
    std::set<std::string> with_component;
    for (const Out& out : outs) {
      if (out.feature != suite || out.group.empty()) continue;
      with_suite.insert(out.group);
      for (const Out& other : outs) {
        const bool its = other.handle == out.suite_of && other.feature == component;
        if (its) with_component.insert(out.group);
      }
    }
    uint64_t kept = 0;
    for (const std::string& group : with_suite) {
      if (group != own && !with_component.contains(group)) ++kept;
    }
    return kept;
  }

  std::string Take(const Person& who, const Wanted& item, uint64_t ticket, uint64_t handle) {
    const Feature& feature = features_.at(item.feature);
    const std::string mask = MaskOf(item);
    const std::string group = GroupOf(mask, who, item.data);
    const uint64_t needed = Needed(item);
    if (needed > feature.licenses) return "denied -26";
    uint64_t have = group.empty() ? 0 : GroupHas(item.feature, group);
    for (const Out& out : outs) {
      const bool its = group.empty() && out.feature == item.feature && out.group.empty() &&
                       out.lingers != 0 && SameSeat(out.who, who);
      if (its) have += out.count;
    }
    std::string suite_group;
    if (!feature.suite.empty()) {
      suite_group = SuiteGroupOf(feature.suite, mask, who);
      const uint64_t suite_has = GroupHas(feature.suite, suite_group);
      const uint64_t suite_left = Less(features_.at(feature.suite).licenses, Used(feature.suite));
      if (suite_has == 0 && suite_left == 0) return "denied -4";
      if (suite_has == 0 && OthersWait(feature.suite, ticket)) return "denied -24";
    }
    const uint64_t left = Less(feature.licenses, Used(item.feature));
    const uint64_t open = Less(left, KeptForOthers(item.feature, suite_group));
    const uint64_t free = OthersWait(item.feature, ticket) ? 0 : open;
    const uint64_t count = std::min({item.count, have + free, feature.licenses});
    if (count < needed) {
      const uint64_t need = Less(needed, have);
      return open >= need ? "denied -24" : left >= need ? "denied -101" : "denied -4";
    }
    TakeUpLingers(who, item.feature, group, count);
    outs.push_back({handle, who.session, who, item.feature, count, group});
    if (!feature.suite.empty()) {
      outs.push_back({next_++, who.session, who, feature.suite, 1, suite_group, 0, handle});
    }
    std::sort(outs.begin(), outs.end(),
              [](const Out& a, const Out& b) { return a.handle < b.handle; });
    return absl::StrCat(count);
  }

  void Drop(uint64_t handle) {
    std::erase_if(
        outs, [handle](const Out& out) { return out.handle == handle || out.suite_of == handle; });
  }

  // Of one's own seat: all that is shared in the group, else as many as are wanted, the oldest
  // first.
  void TakeUpLingers(const Person& who, const std::string& feature, const std::string& group,
                     uint64_t count) {
    for (const Out& out : std::vector<Out>(outs)) {
      if (out.feature != feature || out.lingers == 0 || out.suite_of != 0) continue;
      if (out.group != group || !SameSeat(out.who, who)) continue;
      const uint64_t taken = group.empty() ? std::min(count, out.count) : out.count;
      count -= std::min(count, taken);
      if (taken == out.count) {
        Drop(out.handle);
      } else {
        for (Out& each : outs) {
          if (each.handle == out.handle) each.count -= taken;
        }
      }
    }
  }

  std::string Try(const Person& who, const std::vector<Wanted>& items, uint64_t ticket) {
    const std::vector<Out> before = outs;
    const uint64_t next_before = next_;
    std::string granted = "granted";
    uint64_t place = ticket;
    for (const Wanted& item : items) {
      const uint64_t handle = ticket == 0 ? next_++ : place++;
      const std::string answer = Take(who, item, ticket, handle);
      if (answer.starts_with("denied")) {
        outs = before;
        next_ = next_before;
        return answer;
      }
      absl::StrAppend(&granted, " ", answer);
    }
    return granted;
  }

  void Release(const Out& out) {
    const uint64_t linger_ms = features_.at(out.feature).linger_ms;
    if (linger_ms == 0) return Drop(out.handle);
    for (Out& each : outs) {
      if (each.handle != out.handle && each.suite_of != out.handle) continue;
      each.session = "";
      if (each.handle == out.handle) each.lingers = now + linger_ms;
    }
  }

  bool EndLingersOver() {
    bool any = false;
    for (const Out& out : std::vector<Out>(outs)) {
      if (out.lingers == 0 || out.lingers > now) continue;
      Drop(out.handle);
      any = true;
    }
    return any;
  }

  // From the front, again and again, until nobody can be served.
  void ServeAll() {
    for (size_t i = 0; i < waits.size();) {
      const Waits waiter = waits[i];
      if (IsSoft(Try(waiter.who, waiter.items, waiter.ticket))) {
        ++i;
        continue;
      }
      waits.erase(waits.begin() + static_cast<std::ptrdiff_t>(i));
      i = 0;
    }
  }

  const Features features_;
  uint64_t next_ = kFirstHandle;
};

class History {
 public:
  explicit History(uint64_t seed)
      : random_(seed), config_(ConfigOf(seed)), model_(config_.features) {}

  void Run(int steps) {
    v1::Command install;
    *install.mutable_install() = SetOf(config_.lines, 0);
    ASSERT_TRUE(Apply(install).has_done());
    for (const auto& [name, feature] : config_.features) {
      ASSERT_EQ(steady_.catalog().PoolsOf(name).size(), 1u) << name;
    }
    for (const Person& person : People()) Open(person);
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) Step();
  }

  std::map<std::string, int> answers;

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  const Person& Someone() { return People()[Below(People().size())]; }

  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    *record.mutable_command() = command;
    record.mutable_stamp()->set_cluster_ms(model_.now);
    record.mutable_stamp()->set_wall_ms(kNoonMs + static_cast<int64_t>(model_.now));
    const LogPosition position{++applied_, 1};
    const v1::Outcome outcome = steady_.Apply(position, &record, nullptr);
    const v1::Outcome other = restored_.Apply(position, &record, nullptr);
    EXPECT_EQ(outcome.SerializeAsString(), other.SerializeAsString());
    last_ = command.ShortDebugString();
    return outcome;
  }

  void Open(const Person& person) {
    Apply(OpenAs(person.session, person.user, person.host, person.display));
    seqs_[person.session] = 0;
  }

  void Step() {
    const uint64_t dice = Below(20);
    if (dice == 0) {
      const Person& person = Someone();
      Apply(CloseOf(person.session));
      model_.End(person.session);
      Compare("done", "done");
      Open(person);
    } else if (dice <= 2) {
      model_.now += Below(1'500);
      Apply(TimePassesNow());
      model_.TimePasses();
      Compare("done", "done");
    } else if (dice == 3) {
      model_.now += Below(1'000);  // and nobody has proposed TimePasses yet
    } else if (dice <= 11) {
      Checkin();
    } else {
      Checkout();
    }
    if (OneIn(12)) StartAnew();
  }

  void Checkin() {
    if (model_.outs.empty()) return;
    const Out out = model_.outs[Below(model_.outs.size())];
    const std::string session = out.session.empty() || OneIn(10) ? Someone().session : out.session;
    const uint64_t seq = ++seqs_[session];
    const v1::Outcome outcome = Apply(CheckinOf(session, seq, out.handle, seq - 1));
    Compare(outcome.has_done() ? "done" : "refused", model_.Checkin(session, out.handle));
  }

  void Checkout() {
    static const char* const kMasks[] = {"-", "-", "U", "V", "HD", "SITE", "NONE"};
    const Person& person = Someone();
    std::vector<Wanted> items(1 + (OneIn(3) ? Below(3) : 0));
    std::vector<v1::Checkout::Item> asked;
    auto name = config_.features.begin();
    // A request that shares what belongs to one reserving suite in two ways is nobody's.
    const std::string one_mask = kMasks[Below(std::size(kMasks))];
    for (Wanted& item : items) {
      // Several of one feature more often than chance would have it.
      if (&item == items.data() || OneIn(2)) {
        name = std::next(config_.features.begin(),
                         static_cast<std::ptrdiff_t>(Below(config_.features.size())));
      }
      if (items.size() > 1 && name->first == "k") name = config_.features.find("s");
      item = {name->first, 1 + Below(3), OneIn(5), OneIn(2) ? "x" : ""};
      item.mask = name->second.reserves ? one_mask : kMasks[Below(std::size(kMasks))];
      asked.push_back(ItemOf(item.feature, item.count, item.up_to ? v1::UP_TO : v1::EXACT));
      asked.back().set_checkout_data(item.data);
      if (item.mask != "-") asked.back().set_dup_mask(item.mask);
    }
    const bool wait = OneIn(3) && model_.waits.size() < 4;
    const uint64_t seq = ++seqs_[person.session];
    v1::Command command = CheckoutOf(person.session, seq, asked, seq - 1);
    command.mutable_request()->mutable_checkout()->set_wait(wait);
    const v1::Outcome outcome = Apply(command);
    Compare(Describe(outcome), model_.Checkout(person, items, wait));
  }

  static std::string Describe(const v1::Outcome& outcome) {
    if (outcome.has_denied()) return absl::StrCat("denied ", outcome.denied().code());
    if (outcome.has_queued()) return "queued";
    if (!outcome.has_granted()) return outcome.ShortDebugString();
    std::string granted = "granted";
    for (const v1::Holding& holding : outcome.granted().holdings()) {
      absl::StrAppend(&granted, " ", holding.count());
    }
    return granted;
  }

  void Compare(const std::string& answer, const std::string& expected) {
    answers[expected.substr(0, expected.find(' ', 8))] += 1;
    ASSERT_EQ(answer, expected) << last_;
    ASSERT_TRUE(steady_.CheckInvariants().ok()) << steady_.CheckInvariants() << "\n" << last_;
    // A suite's license goes by its component: of several who are served by one entry, each pool's
    // come in order.
    std::multiset<std::string> ledger;
    for (const auto& [handle, checkout] : steady_.checkouts()) {
      const uint64_t suite_of = checkout->extra == nullptr ? 0 : checkout->extra->suite_of;
      ledger.insert(absl::StrCat(suite_of == 0 ? handle : suite_of, suite_of == 0 ? " " : "'s ",
                                 checkout->session == nullptr ? "" : checkout->session->id, " ",
                                 UserOf(*checkout), " ", checkout->use->feature, " ",
                                 checkout->count, " ", HoldingOf(*checkout).lingers_until_ms()));
    }
    std::multiset<std::string> model;
    for (const Out& out : model_.outs) {
      model.insert(absl::StrCat(out.suite_of == 0 ? out.handle : out.suite_of,
                                out.suite_of == 0 ? " " : "'s ",
                                out.session.empty() ? "" : SessionNamed(out.session), " ",
                                out.who.user, " ", out.feature, " ", out.count, " ", out.lingers));
    }
    ASSERT_EQ(ledger, model) << last_;
    std::vector<uint64_t> tickets;
    for (const auto& [ticket, waiter] : steady_.waiters()) tickets.push_back(ticket);
    std::vector<uint64_t> places;
    for (const Waits& each : model_.waits) places.push_back(each.ticket);
    ASSERT_EQ(tickets, places) << last_;
    CheckSeats();
  }

  // Every license is one thing, and none is out that is not there.
  void CheckSeats() {
    for (const auto& [name, feature] : model_.features()) {
      const Pool& pool = *steady_.catalog().PoolsOf(name)[0];
      const PoolSeats seats = steady_.SeatsOf(pool);
      const uint64_t used = model_.Used(name);
      const uint64_t held = model_.Used(name, /*held_only=*/true);
      ASSERT_LE(used, feature.licenses) << name << "\n" << last_;
      ASSERT_EQ(seats.licenses, feature.licenses) << name;
      ASSERT_EQ(seats.used, held) << name << "\n" << last_;
      ASSERT_EQ(seats.lingering, used - held) << name << "\n" << last_;
      ASSERT_EQ(seats.free, feature.licenses - used) << name << "\n" << last_;
      ASSERT_EQ(seats.reserved + seats.borrowed + seats.overdrafted, 0u) << name << "\n" << last_;
    }
  }

  void StartAnew() {
    ASSERT_TRUE(store_.Write(restored_.TakeChanges(), restored_.applied()).ok());
    Ledger fresh;
    const absl::Status status = fresh.Restore(store_);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(fresh.Digest(), steady_.Digest()) << last_;
    restored_ = std::move(fresh);
  }

  std::mt19937_64 random_;
  const Config config_;
  Model model_;
  Ledger steady_;
  Ledger restored_;
  MemoryStore store_;
  uint64_t applied_ = 0;
  std::map<std::string, uint64_t> seqs_;
  std::string last_;
};

class SharingProperty : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SharingProperty, RandomHistoriesGoAsTheModelSays) {
  History history(GetParam());
  history.Run(300);
}

// Each seed has another combination of masks.
INSTANTIATE_TEST_SUITE_P(Seeds, SharingProperty, ::testing::Range<uint64_t>(1, 37));

TEST(SharingPropertyReach, TheHistoriesReachEveryAnswer) {
  std::map<std::string, int> answers;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    History history(seed);
    history.Run(300);
    for (const auto& [answer, times] : history.answers) answers[answer] += times;
  }
  for (const char* answer : {"granted 1", "granted 2", "denied -4", "denied -24", "denied -26",
                             "denied -101", "queued", "refused", "done"}) {
    EXPECT_GT(answers[answer], 0) << answer;
  }
}

}  // namespace
}  // namespace triad::license
