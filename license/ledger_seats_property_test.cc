// Random histories of checkouts of all kinds, check-ins, ends of sessions, queues, reservations,
// lingers, time and changes of licenses, step by step against a model (model_testing.h) that
// searches lists. After every step: the same answer, the same licenses with the same holders, the
// same places in the queue; no grant above licenses plus overdraft; every license accounted for
// once. One of the two ledgers is made anew from its rows again and again.
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
#include "license/model_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using testing::CloseOf;
using testing::ItemOf;
using testing::kNoonMs;
using testing::MemoryStore;
using testing::ModelFeature;
using testing::OpenAs;
using testing::ReserveOf;
using testing::SeatModel;
using testing::SessionNamed;
using testing::SetOf;
using testing::TimePassesNow;
using testing::UnreserveOf;

using Features = std::map<std::string, ModelFeature>;

// The sets that are installed in turn: the same pools grow, shrink, vanish and come back.
const std::vector<Features>& Sets() {
  static const auto* const sets = new std::vector<Features>{
      {{"f", {.licenses = 4, .borrow = true}},
       {"g", {.licenses = 5, .by_user = true}},
       {"h", {.licenses = 2, .overdraft = 2}},
       {"l", {.licenses = 4, .linger_ms = 3'000}},
       {"m", {.licenses = 5, .minimum = 2, .linger_ms = 2'000, .by_user = true}}},
      {{"f", {.licenses = 2, .kept = {{"ann", 1}, {"bob", 2}}}},
       {"g", {.licenses = 3, .by_user = true, .kept = {{"cid", 1}}}},
       {"h", {.licenses = 3, .overdraft = 2, .overdraft_max = 1}},
       {"l", {.licenses = 6, .linger_ms = 1'000, .borrow = true}}},
      {{"f", {.licenses = 7, .borrow = true}},
       {"g", {.licenses = 4, .by_user = true}},
       {"l", {.licenses = 2}},
       {"m", {.licenses = 6, .minimum = 1, .linger_ms = 4'000, .by_user = true}}},
  };
  return *sets;
}

std::string LinesOf(const Features& features) {
  std::string lines;
  for (const auto& [name, each] : features) {
    absl::StrAppend(&lines, "INCREMENT ", name, " acme 1.0 permanent ", each.licenses);
    if (each.overdraft > 0) absl::StrAppend(&lines, " OVERDRAFT=", each.overdraft);
    if (each.minimum > 1) absl::StrAppend(&lines, " MINIMUM=", each.minimum);
    if (each.linger_ms > 0) absl::StrAppend(&lines, " LINGER=", each.linger_ms / 1'000);
    if (each.by_user) absl::StrAppend(&lines, " DUP_GROUP=U");
    if (each.borrow) absl::StrAppend(&lines, " BORROW");
    absl::StrAppend(&lines, "\n");
  }
  return lines;
}

std::string OptionsOf(const Features& features) {
  std::string lines;
  for (const auto& [name, each] : features) {
    for (const auto& [user, licenses] : each.kept) {
      absl::StrAppend(&lines, "RESERVE ", licenses, " ", name, " USER ", user, "\n");
    }
    if (each.overdraft_max != UINT64_MAX) {
      absl::StrAppend(&lines, "MAX_OVERDRAFT ", name, " ", each.overdraft_max, "\n");
    }
  }
  return lines;
}

struct Person {
  const char* session;
  const char* user;
};
constexpr Person kPeople[] = {
    {"a", "ann"}, {"a2", "ann"}, {"b", "bob"}, {"c", "cid"}, {"d", "dee"}};

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {}

  void Run(int steps) {
    Install();
    for (const Person& person : kPeople) Open(person);
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) Step();
  }

  std::map<std::string, int> answers;

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  const Person& Someone() { return kPeople[Below(std::size(kPeople))]; }

  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    *record.mutable_command() = command;
    record.mutable_stamp()->set_cluster_ms(model_.now);
    record.mutable_stamp()->set_wall_ms(kNoonMs + static_cast<int64_t>(model_.now));
    const LogPosition position{++applied_, 1};
    events_.clear();
    const v1::Outcome outcome = steady_.Apply(position, &record, &events_);
    const v1::Outcome other = restored_.Apply(position, &record, nullptr);
    EXPECT_EQ(outcome.SerializeAsString(), other.SerializeAsString());
    last_ = command.ShortDebugString();
    return outcome;
  }

  void Open(const Person& person) {
    Apply(OpenAs(person.session, person.user, absl::StrCat("pc-", person.user)));
    seqs_[person.session] = 0;
  }

  void Install() {
    const Features& features = Sets()[sets_ % Sets().size()];
    v1::Command command;
    *command.mutable_install() = SetOf(LinesOf(features), OptionsOf(features), sets_++);
    ASSERT_TRUE(Apply(command).has_done());
    model_.Change(features);
    Compare("done", "done");
  }

  void Step() {
    switch (Below(24)) {
      case 0:
        model_.now += Below(2'500);
        Compare(Apply(TimePassesNow()).has_done() ? "done" : "?", model_.TimePasses());
        break;
      case 1:
        model_.now += Below(1'500);  // and nobody has proposed TimePasses yet
        break;
      case 2:
        if (OneIn(4)) Install();
        break;
      case 3:
        if (OneIn(2)) End(Someone());
        break;
      case 4:
        Reserve();
        break;
      case 5:
        Cancel();
        break;
      case 6:
      case 7:
      case 8:
      case 9:
      case 10:
      case 11:
        Checkin();
        break;
      case 20:
      case 21:
        Resize();
        break;
      case 22:
        Borrow();
        break;
      case 23:
        Return();
        break;
      default:
        Checkout();
    }
    if (OneIn(12)) StartAnew();
  }

  void End(const Person& person) {
    Apply(CloseOf(person.session));
    model_.End(person.session);
    Compare("done", "done");
    Open(person);
  }

  void Reserve() {
    if (OneIn(2) && !model_.reserved.empty()) {
      const uint64_t id = OneIn(5) ? 7 : model_.reserved[Below(model_.reserved.size())].id;
      const v1::Outcome outcome = Apply(UnreserveOf(id));
      Compare(outcome.has_done() ? "done" : "refused", model_.Unreserve(id));
      return;
    }
    if (model_.reserved.size() >= 3) return;
    const std::string feature = Feature();
    const std::string user = Someone().user;
    const uint64_t count = 1 + Below(3);
    const uint64_t for_ms = OneIn(2) ? 1'000 + Below(9'000) : 0;
    const v1::Outcome outcome = Apply(ReserveOf(feature, count, "USER", user, for_ms));
    Compare(outcome.has_reserved() ? "reserved" : "refused",
            model_.Reserve(feature, user, count, for_ms));
  }

  void Cancel() {
    if (model_.waits.empty()) return;
    const SeatModel::Waits waiter = model_.waits[Below(model_.waits.size())];
    const std::string session = OneIn(5) ? Someone().session : waiter.session;
    v1::Command command;
    v1::Request& request = *command.mutable_request();
    request.set_session(SessionNamed(session));
    request.set_seq(++seqs_[session]);
    request.set_acked(seqs_[session] - 1);
    request.mutable_cancel_wait()->set_ticket(waiter.ticket);
    Compare(Apply(command).has_done() ? "done" : "refused", model_.Cancel(session, waiter.ticket));
  }

  void Checkin() {
    if (model_.outs.empty()) return;
    const SeatModel::Out& out = model_.outs[Below(model_.outs.size())];
    const uint64_t handle = out.handle;
    const std::string session = out.session.empty() || OneIn(10) ? Someone().session : out.session;
    const uint64_t seq = ++seqs_[session];
    const v1::Outcome outcome = Apply(CheckinOf(session, seq, handle, seq - 1));
    Compare(outcome.has_done() ? "done" : "refused", model_.Checkin(session, handle));
  }

  v1::Outcome Request(const std::string& session, v1::Request request) {
    v1::Command command;
    request.set_session(SessionNamed(session));
    request.set_seq(++seqs_[session]);
    request.set_acked(seqs_[session] - 1);
    *command.mutable_request() = std::move(request);
    return Apply(command);
  }

  static std::string Answer(const v1::Outcome& outcome) {
    if (outcome.has_done()) return "done";
    return outcome.has_refused() ? "refused" : Describe(outcome);
  }

  void Resize() {
    if (model_.outs.empty()) return;
    const SeatModel::Out out = model_.outs[Below(model_.outs.size())];
    const std::string session = out.session.empty() || OneIn(10) ? Someone().session : out.session;
    v1::Request request;
    v1::Resize& resize = *request.mutable_resize();
    resize.set_handle(out.handle);
    resize.set_count(1 + Below(6));
    resize.set_mode(OneIn(3) ? v1::UP_TO : v1::EXACT);
    const uint64_t count = resize.count();
    const bool up_to = resize.mode() == v1::UP_TO;
    Compare(Answer(Request(session, request)), model_.Resize(session, out.handle, count, up_to));
  }

  void Borrow() {
    const Person& person = Someone();
    const std::string feature = Feature();
    const uint64_t count = 1 + Below(2);
    v1::Request request;
    *request.mutable_borrow()->mutable_item() = ItemOf(feature, count);
    // Longer than the history takes: how a borrow ends by its date, ledger_change_test says.
    request.mutable_borrow()->set_until_wall_ms(kNoonMs + static_cast<int64_t>(model_.now) +
                                                160L * 3'600'000);
    Compare(Answer(Request(person.session, request)),
            model_.Borrow(person.session, person.user, feature, count));
  }

  void Return() {
    std::vector<SeatModel::Out> borrowed;
    for (const SeatModel::Out& out : model_.outs) {
      if (out.borrowed || OneIn(8)) borrowed.push_back(out);
    }
    if (borrowed.empty()) return;
    const SeatModel::Out& out = borrowed[Below(borrowed.size())];
    const Person* person = &Someone();
    while (!OneIn(6) && person->user != out.user) person = &Someone();
    v1::Request request;
    request.mutable_return_borrowed()->set_handle(out.handle);
    const std::string user = person->user;
    Compare(Answer(Request(person->session, request)), model_.Return(user, out.handle));
  }

  std::string Feature() {
    static const char* const kNames[] = {"f", "g", "h", "l", "m"};
    return kNames[Below(std::size(kNames))];
  }

  void Checkout() {
    const Person& person = Someone();
    std::vector<SeatModel::Item> items(1 + (OneIn(3) ? Below(3) : 0));
    std::vector<v1::Checkout::Item> asked;
    // Of all items alike: where something is set aside, what an earlier item frees of its own
    // group's lingers is not given to a later one that does not share. Without reservations it is:
    // ledger_sharing_property_test.cc.
    const bool by_user = OneIn(4);
    for (SeatModel::Item& item : items) {
      item = {Feature(), 1 + Below(OneIn(4) ? 6 : 3), OneIn(5), by_user};
      asked.push_back(ItemOf(item.feature, item.count, item.up_to ? v1::UP_TO : v1::EXACT));
      if (item.by_user) asked.back().set_dup_mask("U");
    }
    const bool wait = OneIn(2) && model_.waits.size() < 8;
    const uint32_t wait_ms = OneIn(2) ? static_cast<uint32_t>(500 + Below(6'000)) : 0;
    const std::string user = OneIn(8) ? Someone().user : person.user;
    const uint64_t seq = ++seqs_[person.session];
    v1::Command command = CheckoutOf(person.session, seq, asked, seq - 1);
    v1::Checkout& checkout = *command.mutable_request()->mutable_checkout();
    checkout.set_wait(wait);
    checkout.set_wait_ms(wait ? wait_ms : 0);
    // On behalf of a user at that user's machine: the model knows users alone.
    if (user != person.user) return;
    const v1::Outcome outcome = Apply(command);
    Compare(Describe(outcome), model_.Checkout(person.session, user, items, wait, wait_ms));
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
    CompareHolders();
    CompareQueue();
    CheckCounts();
  }

  void CompareHolders() {
    std::vector<std::string> ledger;
    for (const auto& [handle, checkout] : steady_.checkouts()) {
      const std::string session =
          checkout->session == nullptr ? "" : checkout->session->id.substr(0, 2);
      ledger.push_back(absl::StrCat(handle, " ", session, " ", UserOf(*checkout), " ",
                                    checkout->use->feature, " ", checkout->count, " ",
                                    HoldingOf(*checkout).lingers_until_ms()));
    }
    std::vector<std::string> model;
    for (const SeatModel::Out& out : model_.outs) {
      const std::string session = out.session.empty() ? "" : SessionNamed(out.session).substr(0, 2);
      model.push_back(absl::StrCat(out.handle, " ", session, " ", out.user, " ", out.feature, " ",
                                   out.count, " ", out.lingers_until));
    }
    ASSERT_EQ(ledger, model) << last_;
  }

  // The same places, in the same order; and who was served was served in order, pool by pool.
  void CompareQueue() {
    std::vector<uint64_t> ledger;
    for (const auto& [ticket, waiter] : steady_.waiters()) ledger.push_back(ticket);
    std::vector<uint64_t> model;
    for (const SeatModel::Waits& each : model_.waits) model.push_back(each.ticket);
    ASSERT_EQ(ledger, model) << last_;
    std::multiset<uint64_t> granted;
    for (const LedgerEvent& event : events_) {
      if (event.kind == LedgerEvent::Kind::kGranted) granted.insert(event.ticket);
    }
    ASSERT_EQ(granted, std::multiset<uint64_t>(model_.served.begin(), model_.served.end()));
    events_.clear();
  }

  void CheckCounts() {
    for (const auto& [name, feature] : model_.features) {
      const Pool& pool = *steady_.catalog().PoolsOf(name).at(0);
      const PoolSeats seats = steady_.SeatsOf(pool);
      ASSERT_EQ(steady_.UsedOf(pool.id), model_.UsedOf(name)) << name << "\n" << last_;
      ASSERT_EQ(seats.licenses, feature.licenses);
      // Every license is one of these; what is above them is overdrawn, or out from before.
      ASSERT_EQ(seats.used + seats.lingering + seats.borrowed + seats.overdrafted,
                model_.UsedOf(name));
      ASSERT_EQ(seats.used + seats.lingering + seats.borrowed + seats.reserved + seats.free,
                feature.licenses)
          << name << "\n"
          << last_;
      uint64_t unused = 0;
      for (const char* user : {"ann", "bob", "cid", "dee"}) unused += model_.Unused(name, user);
      const uint64_t left = feature.licenses - std::min(feature.licenses, model_.UsedOf(name));
      ASSERT_EQ(seats.reserved, std::min(unused, left)) << name << "\n" << last_;
    }
  }

  void StartAnew() {
    ASSERT_TRUE(store_.Write(restored_.TakeChanges(), restored_.applied()).ok());
    Ledger fresh;
    const absl::Status status = fresh.Restore(store_);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(fresh.Digest(), steady_.Digest()) << last_;
    ASSERT_TRUE(fresh.CheckInvariants().ok()) << fresh.CheckInvariants();
    restored_ = std::move(fresh);
  }

  std::mt19937_64 random_;
  Ledger steady_;
  Ledger restored_;
  MemoryStore store_;
  SeatModel model_;
  uint64_t applied_ = 0;
  uint64_t sets_ = 0;
  std::map<std::string, uint64_t> seqs_;
  std::vector<LedgerEvent> events_;
  std::string last_;
};

class SeatsProperty : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SeatsProperty, RandomHistoriesGoAsTheModelSays) {
  History history(GetParam());
  history.Run(2000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SeatsProperty, ::testing::Range<uint64_t>(1, 31));

TEST(SeatsPropertyReach, TheHistoriesReachEveryAnswer) {
  std::map<std::string, int> answers;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    History history(seed);
    history.Run(2000);
    for (const auto& [answer, times] : history.answers) answers[answer] += times;
  }
  for (const char* answer :
       {"granted 1", "granted 2", "denied -4", "denied -5", "denied -24", "denied -26",
        "denied -101", "denied -68", "denied -117", "queued", "reserved", "refused", "done"}) {
    EXPECT_GT(answers[answer], 0) << answer;
  }
}

}  // namespace
}  // namespace triad::license
