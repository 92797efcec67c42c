// Who shares licenses, what lingers, is reserved, overdrawn, waited for and taken with a suite,
// seen through the ledger. After every step everything is counted again, and once in a while the
// ledger is made anew from its rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using testing::CloseOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ItemOf;
using testing::kDayMs;
using testing::kNoonMs;
using testing::MemoryStore;
using testing::OpenAs;
using testing::ReserveOf;
using testing::SessionNamed;
using testing::SetOf;
using ::testing::SizeIs;
using testing::TimePassesNow;
using testing::UnreserveOf;
using Kind = LedgerEvent::Kind;

class SeatsTest : public ::testing::Test {
 protected:
  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(wall_ms_);
    record.mutable_stamp()->set_cluster_ms(cluster_ms_);
    *record.mutable_command() = command;
    events_.clear();
    v1::Outcome outcome = ledger_.Apply({ledger_.applied().index + 1, 1}, &record, &events_);
    EXPECT_TRUE(ledger_.CheckInvariants().ok()) << ledger_.CheckInvariants();
    for (LedgerEvent& event : events_) event.identity = nullptr;
    StartAnew();
    return outcome;
  }
  // Every test also shows that nothing is in the ledger but what is in its rows.
  void StartAnew() {
    const uint64_t digest = ledger_.Digest();
    ASSERT_TRUE(store_.Write(ledger_.TakeChanges(), ledger_.applied()).ok());
    Ledger fresh;
    const absl::Status restored = fresh.Restore(store_);
    ASSERT_TRUE(restored.ok()) << restored;
    ASSERT_EQ(fresh.Digest(), digest);
    ASSERT_TRUE(fresh.CheckInvariants().ok()) << fresh.CheckInvariants();
    ledger_ = std::move(fresh);
  }
  // Installs the lines; ann at pc1 has sessions a and a2, bob at pc2 b, cid at pc3 c.
  void Serve(absl::string_view lines, absl::string_view options = "") {
    Install(lines, options);
    ASSERT_THAT(ledger_.catalog().pools(), Not(IsEmpty()));
    Apply(OpenAs("a", "ann", "pc1"));
    Apply(OpenAs("a2", "ann", "pc1"));
    Apply(OpenAs("b", "bob", "pc2"));
    Apply(OpenAs("c", "cid", "pc3"));
  }
  void Install(absl::string_view lines, absl::string_view options = "") {
    v1::Command command;
    *command.mutable_install() = options.empty()
                                     ? SetOf(lines, ledger_.license_set_number())
                                     : SetOf(lines, options, ledger_.license_set_number());
    ASSERT_TRUE(Apply(command).has_done());
  }
  v1::Outcome Ask(absl::string_view name, const std::vector<v1::Checkout::Item>& items) {
    return Apply(CheckoutOf(name, ++seq_, items));
  }
  v1::Outcome Ask(absl::string_view name, absl::string_view feature = "f", uint64_t count = 1,
                  v1::CountMode mode = v1::EXACT) {
    return Ask(name, {ItemOf(feature, count, mode)});
  }
  v1::Outcome Wait(absl::string_view name, const std::vector<v1::Checkout::Item>& items,
                   uint32_t wait_ms = 0) {
    v1::Command command = CheckoutOf(name, ++seq_, items);
    command.mutable_request()->mutable_checkout()->set_wait(true);
    command.mutable_request()->mutable_checkout()->set_wait_ms(wait_ms);
    return Apply(command);
  }
  v1::Outcome Wait(absl::string_view name, absl::string_view feature = "f", uint64_t count = 1) {
    return Wait(name, {ItemOf(feature, count)});
  }
  v1::Outcome CancelWait(absl::string_view name, uint64_t ticket) {
    v1::Command command;
    v1::Request& request = *command.mutable_request();
    request.set_session(SessionNamed(name));
    request.set_seq(++seq_);
    request.set_acked(seq_ - 1);
    request.mutable_cancel_wait()->set_ticket(ticket);
    return Apply(command);
  }
  v1::Outcome Return(absl::string_view name, uint64_t handle) {
    return Apply(CheckinOf(name, ++seq_, handle));
  }
  v1::Outcome Pass(uint64_t ms) {
    cluster_ms_ += ms;
    wall_ms_ += static_cast<int64_t>(ms);
    return Apply(TimePassesNow());
  }
  static uint64_t HandleOf(const v1::Outcome& outcome, int item = 0) {
    return outcome.granted().holdings_size() > item ? outcome.granted().holdings(item).handle() : 0;
  }
  uint64_t Used(absl::string_view feature = "f") {
    uint64_t used = 0;
    for (const Pool* pool : ledger_.catalog().PoolsOf(feature)) used += ledger_.UsedOf(pool->id);
    return used;
  }
  std::vector<uint64_t> Granted() {
    std::vector<uint64_t> tickets;
    for (const LedgerEvent& event : events_) {
      if (event.kind == Kind::kGranted) tickets.push_back(event.ticket);
    }
    return tickets;
  }
  const LedgerEvent* Event(Kind kind) {
    for (const LedgerEvent& event : events_) {
      if (event.kind == kind) return &event;
    }
    return nullptr;
  }
  const Session& SessionOf(absl::string_view name) {
    return *ledger_.FindSession(SessionNamed(name));
  }

  Ledger ledger_;
  MemoryStore store_;
  std::vector<LedgerEvent> events_;
  uint64_t seq_ = 0;
  int64_t wall_ms_ = kNoonMs;
  uint64_t cluster_ms_ = 1'000;
};

// --- Sharing ---

struct DupCase {
  const char* mask;
  bool other_display;  // whether ann at pc1 on :1 shares with ann at pc1 on :0
  bool other_host;
  bool other_user;
  bool other_data;
};

class DupTest : public SeatsTest, public ::testing::WithParamInterface<DupCase> {};

TEST_P(DupTest, TheLettersSayWhoShares) {  // flexnet-facts 1.7
  const DupCase& row = GetParam();
  Serve(absl::StrCat("INCREMENT f acme 1.0 permanent 9 DUP_GROUP=", row.mask, "\n"));
  Apply(OpenAs("d", "ann", "pc1", ":1"));
  Apply(OpenAs("h", "ann", "pc9"));
  Apply(OpenAs("u", "bob", "pc1"));
  Ask("a");
  EXPECT_EQ(Used(), 1u);
  uint64_t used = 1;
  const auto expect = [&](const char* who, bool shares) {
    const uint64_t handle = HandleOf(Ask(who));
    EXPECT_EQ(Used(), used + (shares ? 0 : 1)) << row.mask << " " << who;
    Return(who, handle);
  };
  expect("d", row.other_display);
  expect("h", row.other_host);
  expect("u", row.other_user);
  v1::Checkout::Item item = ItemOf("f");
  item.set_checkout_data("x");
  Ask("a2", {item});
  EXPECT_EQ(Used(), row.other_data ? 1u : 2u) << row.mask;
}

INSTANTIATE_TEST_SUITE_P(Masks, DupTest,
                         ::testing::Values(DupCase{"U", true, true, false, true},
                                           DupCase{"H", true, false, true, true},
                                           DupCase{"D", false, true, true, true},
                                           DupCase{"V", true, true, true, false},
                                           DupCase{"UH", true, false, false, true},
                                           DupCase{"UHD", false, false, false, true},
                                           DupCase{"UHDV", false, false, false, false},
                                           DupCase{"SITE", true, true, true, true},
                                           DupCase{"NONE", false, false, false, false}));

TEST_F(SeatsTest, AGroupHasOutWhatTheMemberWithMostHas) {
  Serve("INCREMENT f acme 1.0 permanent 5 DUP_GROUP=UH\n");
  const uint64_t three = HandleOf(Ask("a", "f", 3));
  const uint64_t two = HandleOf(Ask("a2", "f", 2));
  EXPECT_EQ(Used(), 3u);
  EXPECT_EQ(Ask("b", "f", 3).denied().code(), -4);
  Return("a", three);
  EXPECT_EQ(Used(), 2u) << "the most of those that are left";
  EXPECT_TRUE(Ask("b", "f", 3).has_granted());
  EXPECT_EQ(Ask("a", "f", 3).denied().code(), -4);
  EXPECT_TRUE(Ask("a", "f", 2).has_granted()) << "of a full pool, what one's group has already";
  Return("a2", two);
  EXPECT_EQ(Used(), 5u);
}

TEST_F(SeatsTest, TheLineOverridesWhatTheClientAsksFor) {
  Serve(
      "INCREMENT f acme 1.0 permanent 9 DUP_GROUP=NONE\n"
      "INCREMENT g acme 1.0 permanent 9\n");
  for (const char* feature : {"f", "g"}) {
    v1::Checkout::Item item = ItemOf(feature);
    item.set_dup_mask("HU");
    Ask("a", {item});
    Ask("a2", {item});
  }
  EXPECT_EQ(Used("f"), 2u);
  EXPECT_EQ(Used("g"), 1u);
  v1::Checkout::Item wrong = ItemOf("g");
  wrong.set_dup_mask("X");
  EXPECT_EQ(Ask("a", {wrong}).refused().why(), v1::Refused::MALFORMED);
}

TEST_F(SeatsTest, ItemsOfOneRequestShareToo) {
  Serve("INCREMENT f acme 1.0 permanent 2 DUP_GROUP=U\n");
  EXPECT_TRUE(Ask("a", {ItemOf("f", 2), ItemOf("f", 1), ItemOf("f", 2)}).has_granted());
  EXPECT_EQ(Used(), 2u);
}

TEST_F(SeatsTest, OnBehalfOfAUserCountsAsThatUser) {
  Serve("INCREMENT f acme 1.0 permanent 9 DUP_GROUP=U\n");
  Ask("b");
  v1::Command command = CheckoutOf("a", ++seq_, {ItemOf("f")});
  command.mutable_request()->mutable_checkout()->set_user("bob");
  const v1::Outcome outcome = Apply(command);
  EXPECT_EQ(outcome.granted().holdings(0).user(), "bob");
  EXPECT_EQ(Used(), 1u);
  Ask("a");
  EXPECT_EQ(Used(), 2u);
}

// --- Overdraft and minimum ---

TEST_F(SeatsTest, OverdraftIsGrantedAndSaidSo) {
  Serve("INCREMENT f acme 1.0 permanent 2 OVERDRAFT=2\n");
  EXPECT_EQ(Ask("a", "f", 2).granted().holdings(0).overdraft(), 0u);
  EXPECT_EQ(Ask("b").granted().holdings(0).overdraft(), 1u);
  EXPECT_EQ(Ask("b", "f", 2).denied().code(), -4);
  EXPECT_EQ(Ask("b", "f", 5).denied().code(), -26);
  EXPECT_EQ(Ask("b", "f", 0, v1::ALL).granted().holdings(0).count(), 1u);
}

TEST_F(SeatsTest, MaxOverdraftLowersIt) {
  Serve("INCREMENT f acme 1.0 permanent 2 OVERDRAFT=2\n", "MAX_OVERDRAFT f 1\n");
  EXPECT_TRUE(Ask("a", "f", 3).has_granted());
  EXPECT_EQ(Ask("b").denied().code(), -4);
}

TEST_F(SeatsTest, FewerThanTheMinimumAreRaisedToIt) {
  Serve("INCREMENT f acme 1.0 permanent 5 MINIMUM=2\n");
  EXPECT_EQ(Ask("a").granted().holdings(0).count(), 2u);
  EXPECT_EQ(Ask("a", "f", 3).granted().holdings(0).count(), 3u);
  EXPECT_EQ(Used(), 5u);
}

// --- Reservations ---

TEST_F(SeatsTest, ReservedLicensesAreForThoseTheyName) {
  Serve("INCREMENT f acme 1.0 permanent 3\n", "RESERVE 2 f USER ann\n");
  EXPECT_TRUE(Ask("b").has_granted());
  const v1::Outcome no = Ask("b");
  EXPECT_EQ(no.denied().code(), -101);
  EXPECT_EQ(no.denied().reason(), "all licenses are reserved for others");
  EXPECT_TRUE(Ask("a").has_granted());
  EXPECT_TRUE(Ask("a2").has_granted());
  EXPECT_EQ(Ask("a").denied().code(), -4);
}

TEST_F(SeatsTest, ThoseNamedUseTheirReservationFirst) {
  Serve("INCREMENT f acme 1.0 permanent 3\n", "RESERVE 1 f USER ann\n");
  const uint64_t first = HandleOf(Ask("a"));
  EXPECT_TRUE(Ask("b", "f", 2).has_granted()) << "ann's is the reserved one";
  Return("a", first);
  EXPECT_EQ(Ask("b").denied().code(), -101);
  EXPECT_TRUE(Ask("a").has_granted());
}

TEST_F(SeatsTest, AReservationAtRunTimeIsWholeOrRefused) {
  Serve("INCREMENT f acme 1.0 permanent 4\n");
  Ask("a", "f", 2);
  Ask("b", "f", 1);
  const v1::Outcome no = Apply(ReserveOf("f", 4, "USER", "ann"));
  EXPECT_THAT(no.refused().reason(), HasSubstr("only 3 are free or held by those it names"));
  const v1::Outcome yes = Apply(ReserveOf("f", 3, "USER", "ann", 5'000));
  ASSERT_TRUE(yes.has_reserved()) << yes.ShortDebugString();
  EXPECT_EQ(Event(Kind::kReserved)->reason, "USER ann");
  EXPECT_EQ(Ask("c").denied().code(), -101);
  EXPECT_TRUE(Apply(UnreserveOf(yes.reserved().id())).has_done());
  EXPECT_EQ(Apply(UnreserveOf(yes.reserved().id())).refused().why(), v1::Refused::MALFORMED);
  EXPECT_TRUE(Ask("c").has_granted());
}

TEST_F(SeatsTest, AReservationAtRunTimeEnds) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  ASSERT_TRUE(Apply(ReserveOf("f", 1, "HOST", "pc1", 5'000)).has_reserved());
  EXPECT_EQ(ledger_.NextDueAt().cluster_ms, cluster_ms_ + 5'000);
  const v1::Outcome waits = Wait("b");
  ASSERT_TRUE(waits.has_queued());
  Pass(4'999);
  EXPECT_THAT(Granted(), IsEmpty());
  Pass(1);
  EXPECT_EQ(Event(Kind::kUnreserved)->reason, "over");
  EXPECT_THAT(Granted(), ElementsAre(waits.queued().ticket()));
}

TEST_F(SeatsTest, WhatIsReservedWronglyIsRefused) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  EXPECT_TRUE(Apply(ReserveOf("f", 0, "USER", "ann")).has_refused());
  EXPECT_TRUE(Apply(ReserveOf("f", 1, "CAT", "ann")).has_refused());
  EXPECT_TRUE(Apply(ReserveOf("f", 1, "USER", "")).has_refused());
  EXPECT_TRUE(Apply(ReserveOf("g", 1, "USER", "ann")).has_refused());
}

// --- The queue ---

TEST_F(SeatsTest, WhoWaitsIsServedInOrder) {
  Serve("INCREMENT f acme 1.0 permanent 2\n");
  const uint64_t both = HandleOf(Ask("a", "f", 2));
  const v1::Outcome first = Wait("b", "f", 2);
  EXPECT_EQ(first.queued().position(), 1u);
  EXPECT_EQ(Event(Kind::kQueued)->ticket, first.queued().ticket());
  const v1::Outcome second = Wait("c");
  EXPECT_EQ(second.queued().position(), 2u);
  Return("a", both);
  EXPECT_THAT(Granted(), ElementsAre(first.queued().ticket()));
  const v1::Holding& holding = Event(Kind::kGranted)->granted.holdings(0);
  EXPECT_EQ(holding.handle(), first.queued().ticket()) << "the ticket becomes the handle";
  EXPECT_EQ(holding.ticket(), first.queued().ticket());
  const v1::SessionState state = ledger_.StateOf(SessionOf("c"));
  ASSERT_THAT(state.waiting(), SizeIs(1));
  EXPECT_EQ(state.waiting(0).position(), 1u);
  Return("b", holding.handle());
  EXPECT_THAT(Granted(), ElementsAre(second.queued().ticket()));
}

TEST_F(SeatsTest, WhoWaitsBlocksThoseBehindAlsoIfTheyWouldFit) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  const uint64_t two = HandleOf(Ask("a", "f", 2));
  const v1::Outcome big = Wait("b", "f", 3);
  const v1::Outcome no = Ask("c");
  EXPECT_EQ(no.denied().code(), -24);
  EXPECT_EQ(no.denied().reason(), "users are queued for this feature");
  const v1::Outcome small = Wait("c");
  ASSERT_TRUE(small.has_queued());
  Return("a", two);
  EXPECT_THAT(Granted(), ElementsAre(big.queued().ticket()));
  EXPECT_EQ(Used(), 3u);
}

TEST_F(SeatsTest, SeveralFeaturesWaitTogether) {
  Serve("INCREMENT f acme 1.0 permanent 1\nINCREMENT g acme 1.0 permanent 1\n");
  const uint64_t f = HandleOf(Ask("a", "f"));
  const uint64_t g = HandleOf(Ask("a", "g"));
  const v1::Outcome both = Wait("b", {ItemOf("f"), ItemOf("g")});
  Return("a", f);
  EXPECT_THAT(Granted(), IsEmpty()) << "all or none";
  EXPECT_EQ(Ask("c", "f").denied().code(), -24);
  Return("a", g);
  ASSERT_THAT(Granted(), ElementsAre(both.queued().ticket()));
  EXPECT_EQ(SessionOf("b").handles.size(), 2u);
}

TEST_F(SeatsTest, ARetriedCheckoutKeepsItsPlace) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  const uint64_t handle = HandleOf(Ask("a"));
  v1::Command command = CheckoutOf("b", 7, {ItemOf("f")}, 0);
  command.mutable_request()->mutable_checkout()->set_wait(true);
  const v1::Outcome first = Apply(command);
  EXPECT_EQ(Apply(command).queued().ticket(), first.queued().ticket());
  Return("a", handle);
  EXPECT_EQ(Apply(command).queued().ticket(), first.queued().ticket());
  EXPECT_EQ(Used(), 1u);
  EXPECT_THAT(SessionOf("b").handles, SizeIs(1));
}

TEST_F(SeatsTest, AWaitEndsByItself) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  Ask("a");
  const v1::Outcome waits = Wait("b", {ItemOf("f")}, 3'000);
  EXPECT_EQ(ledger_.NextDueAt().cluster_ms, cluster_ms_ + 3'000);
  Pass(2'999);
  EXPECT_EQ(Event(Kind::kDequeued), nullptr);
  Pass(1);
  ASSERT_NE(Event(Kind::kDequeued), nullptr);
  EXPECT_EQ(Event(Kind::kDequeued)->ticket, waits.queued().ticket());
  EXPECT_THAT(ledger_.waiters(), IsEmpty());
}

TEST_F(SeatsTest, AWaitCanBeGivenUp) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  const uint64_t handle = HandleOf(Ask("a"));
  const uint64_t b = Wait("b").queued().ticket();
  const uint64_t c = Wait("c").queued().ticket();
  EXPECT_TRUE(CancelWait("a", b).has_refused()) << "not another's";
  EXPECT_TRUE(CancelWait("b", b).has_done());
  EXPECT_TRUE(CancelWait("b", b).has_refused());
  Return("a", handle);
  EXPECT_THAT(Granted(), ElementsAre(c));
  EXPECT_TRUE(CancelWait("c", c).has_done()) << "the grant came first, and goes back";
  EXPECT_EQ(Used(), 0u);
}

TEST_F(SeatsTest, AGivenUpPlaceLetsThoseBehindIn) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  Ask("a", "f", 2);
  const uint64_t big = Wait("b", "f", 3).queued().ticket();
  const uint64_t small = Wait("c").queued().ticket();
  CancelWait("b", big);
  EXPECT_THAT(Granted(), ElementsAre(small));
}

TEST_F(SeatsTest, ASessionThatEndsLeavesItsPlaces) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  Ask("a");
  Wait("b");
  const uint64_t c = Wait("c").queued().ticket();
  Apply(CloseOf("b"));
  ASSERT_NE(Event(Kind::kDequeued), nullptr);
  Apply(CloseOf("a"));
  EXPECT_THAT(Granted(), ElementsAre(c));
}

TEST_F(SeatsTest, WhoCanNeverBeServedIsToldWhy) {
  Serve("INCREMENT f acme 1.0 permanent 2\n");
  Ask("a", "f", 2);
  Wait("b", "f", 2);
  const uint64_t c = Wait("c").queued().ticket();
  Install("INCREMENT f acme 1.0 permanent 1\n");
  ASSERT_NE(Event(Kind::kDequeued), nullptr);
  EXPECT_EQ(Event(Kind::kDequeued)->code, -26);
  EXPECT_THAT(ledger_.waiters(), SizeIs(1));
  Install("INCREMENT g acme 1.0 permanent 1\n");
  ASSERT_NE(Event(Kind::kDequeued), nullptr);
  EXPECT_EQ(Event(Kind::kDequeued)->code, -5);
  EXPECT_EQ(Event(Kind::kDequeued)->ticket, c);
}

TEST_F(SeatsTest, MoreLicensesServeTheQueue) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  Ask("a");
  const uint64_t b = Wait("b").queued().ticket();
  const uint64_t c = Wait("c").queued().ticket();
  Install("INCREMENT f acme 1.0 permanent 3\n");
  EXPECT_THAT(Granted(), ElementsAre(b, c));
}

TEST_F(SeatsTest, WhoWaitsForWhatExpiresIsToldOnTheDay) {
  Serve("INCREMENT f acme 1.0 15-jun-2026 1\n");
  Ask("a");
  Wait("b");
  Pass(kDayMs);
  ASSERT_NE(Event(Kind::kDequeued), nullptr);
  EXPECT_EQ(Event(Kind::kDequeued)->code, -10);
}

TEST_F(SeatsTest, WhatSharesOrLingersNeedNotWait) {
  Serve("INCREMENT f acme 1.0 permanent 1 DUP_GROUP=U\n");
  Ask("a");
  Wait("b");
  EXPECT_TRUE(Ask("a2").has_granted()) << "its group has it out already";
}

TEST_F(SeatsTest, TheQueueIsBounded) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  Ask("a");
  for (size_t i = 0; i < kWaitingPerSessionMax; ++i) ASSERT_TRUE(Wait("b").has_queued());
  EXPECT_EQ(Wait("b").refused().why(), v1::Refused::TOO_MANY_PENDING);
}

// --- Lingers ---

TEST_F(SeatsTest, ReturnedLicensesLingerForTheirUser) {
  Serve("INCREMENT f acme 1.0 permanent 2 LINGER=60\n");
  const uint64_t handle = HandleOf(Ask("a", "f", 2));
  Return("a", handle);
  ASSERT_NE(Event(Kind::kLingers), nullptr);
  EXPECT_EQ(Event(Kind::kLingers)->holding.lingers_until_ms(), cluster_ms_ + 60'000);
  EXPECT_EQ(Used(), 2u);
  EXPECT_EQ(Ask("b").denied().code(), -4);
  EXPECT_TRUE(Ask("a2").has_granted()) << "the same user, host and display";
  EXPECT_EQ(Used(), 2u) << "one taken up, one lingers on";
  EXPECT_TRUE(Return("a", handle).has_refused());
  Pass(60'000);
  EXPECT_EQ(Event(Kind::kLingerOver)->reason, "over");
  EXPECT_EQ(Used(), 1u);
}

TEST_F(SeatsTest, TheOptionsFileMayLengthenALinger) {
  Serve("INCREMENT f acme 1.0 permanent 2 LINGER=60\nINCREMENT g acme 1.0 permanent 2\n",
        "LINGER f 10\nLINGER g 90\n");
  Return("a", HandleOf(Ask("a", "f")));
  EXPECT_EQ(Event(Kind::kLingers)->holding.lingers_until_ms(), cluster_ms_ + 60'000);
  Return("a", HandleOf(Ask("a", "g")));
  EXPECT_EQ(Event(Kind::kLingers)->holding.lingers_until_ms(), cluster_ms_ + 90'000);
}

TEST_F(SeatsTest, ASessionThatEndsLeavesLingers) {
  Serve("INCREMENT f acme 1.0 permanent 1 LINGER=60\n");
  Ask("a");
  Apply(CloseOf("a"));
  EXPECT_EQ(Used(), 1u);
  const uint64_t b = Wait("b").queued().ticket();
  Pass(59'999);
  EXPECT_THAT(Granted(), IsEmpty());
  Pass(1);
  EXPECT_THAT(Granted(), ElementsAre(b));
}

TEST_F(SeatsTest, ADenialFirstLooksForLingersThatAreOver) {
  Serve("INCREMENT f acme 1.0 permanent 1 LINGER=60\n");
  Return("a", HandleOf(Ask("a")));
  cluster_ms_ += 60'000;  // nobody has proposed TimePasses yet
  EXPECT_TRUE(Ask("b").has_granted());
  EXPECT_EQ(Event(Kind::kLingerOver)->reason, "over");
}

TEST_F(SeatsTest, ALingerInAGroupIsTakenUpByItsUser) {
  Serve("INCREMENT f acme 1.0 permanent 3 LINGER=60 DUP_GROUP=U\n");
  Return("a", HandleOf(Ask("a", "f", 3)));
  EXPECT_EQ(Used(), 3u);
  EXPECT_TRUE(Ask("a2", "f", 2).has_granted());
  EXPECT_EQ(Used(), 2u);
  EXPECT_THAT(ledger_.checkouts(), SizeIs(1));
}

TEST_F(SeatsTest, ALingerIsTakenUpByItsOwnGroupAlone) {
  Serve("INCREMENT f acme 1.0 permanent 3 LINGER=60 DUP_GROUP=V\n");
  const auto of = [](absl::string_view data) {
    v1::Checkout::Item item = ItemOf("f");
    item.set_checkout_data(std::string(data));
    return item;
  };
  Return("a", HandleOf(Ask("a", {of("x")})));
  Ask("a", {of("y")});
  EXPECT_EQ(Used(), 2u) << "x lingers on";
  Ask("a", {of("x")});
  EXPECT_EQ(Used(), 2u);
  EXPECT_THAT(ledger_.checkouts(), SizeIs(2));
}

TEST_F(SeatsTest, WhatALingerFreesIsThereForTheNextItemOfTheRequest) {
  Serve("INCREMENT f acme 1.0 permanent 3 LINGER=60\n");
  v1::Checkout::Item shared = ItemOf("f", 3);
  shared.set_dup_mask("U");
  Return("a", HandleOf(Ask("a", {shared})));
  EXPECT_EQ(Used(), 3u);
  shared.set_count(1);
  EXPECT_EQ(Ask("a", {shared, ItemOf("f", 3)}).denied().code(), -4);
  const v1::Outcome both = Ask("a", {shared, ItemOf("f", 2)});
  ASSERT_TRUE(both.has_granted()) << both.ShortDebugString();
  EXPECT_EQ(Used(), 3u);
  EXPECT_THAT(ledger_.checkouts(), SizeIs(2));
}

TEST_F(SeatsTest, WhatALingerFreesIsNotTakenFromThoseForWhomItIsSetAside) {
  Serve("INCREMENT f acme 1.0 permanent 3 LINGER=60\n");
  v1::Checkout::Item shared = ItemOf("f", 3);
  shared.set_dup_mask("U");
  Return("a", HandleOf(Ask("a", {shared})));
  Install("INCREMENT f acme 1.0 permanent 3 LINGER=60\n", "RESERVE 2 f USER bob\n");
  shared.set_count(1);
  EXPECT_TRUE(Ask("a", {shared, ItemOf("f", 2)}).has_denied());
}

// --- Suites ---

constexpr char kSuite[] =
    "PACKAGE s acme 1.0 COMPONENTS=\"f g\" OPTIONS=SUITE\n"
    "INCREMENT s acme 1.0 permanent 2\n";

TEST_F(SeatsTest, AComponentTakesASuiteLicenseForItsUser) {
  Serve(kSuite);
  const uint64_t f = HandleOf(Ask("a", "f"));
  const uint64_t g = HandleOf(Ask("a", "g"));
  EXPECT_EQ(Used("s"), 1u) << "one suite for one user";
  EXPECT_THAT(SessionOf("a").handles, ElementsAre(f, g));
  Ask("b", "f");
  EXPECT_EQ(Used("s"), 2u);
  EXPECT_EQ(Ask("c", "g").denied().code(), -4) << "no suite is left";
  Return("a", f);
  EXPECT_EQ(Used("s"), 2u);
  Return("a", g);
  EXPECT_EQ(Used("s"), 1u) << "with the last component";
  EXPECT_TRUE(Ask("c", "g").has_granted());
  Apply(CloseOf("c"));
  EXPECT_EQ(Used("s"), 1u);
}

TEST_F(SeatsTest, SuiteReservedKeepsTheOtherComponents) {
  Serve(
      "PACKAGE s acme 1.0 COMPONENTS=\"f g\" OPTIONS=SUITE_RESERVED\n"
      "INCREMENT s acme 1.0 permanent 2 SUITE_DUP_GROUP=U\n");
  Ask("a", "f");
  Ask("b", "g");
  EXPECT_EQ(Ask("b", "g").denied().code(), -101) << "ann has a suite, so one g is hers";
  EXPECT_TRUE(Ask("a2", "g").has_granted());
}

TEST_F(SeatsTest, ComponentsOfASuiteThatReservesAreNotReservedAtRunTime) {
  Serve(
      "PACKAGE s acme 1.0 COMPONENTS=\"f g\" OPTIONS=SUITE_RESERVED\n"
      "INCREMENT s acme 1.0 permanent 2 SUITE_DUP_GROUP=U\n");
  EXPECT_THAT(Apply(testing::ReserveOf("g", 1, "USER", "ann")).refused().reason(),
              HasSubstr("reserve s instead"));
  EXPECT_TRUE(Apply(testing::ReserveOf("s", 1, "USER", "ann")).has_reserved());
  EXPECT_TRUE(Ask("b", "g").has_granted());
  EXPECT_EQ(Ask("c", "f").denied().code(), -101);
  EXPECT_TRUE(Ask("a", "f").has_granted());
}

// --- All or none, and why not ---

TEST_F(SeatsTest, SeveralFeaturesAllOrNoneWithAllOfThese) {
  Serve(
      "INCREMENT f acme 1.0 permanent 2 DUP_GROUP=U\n"
      "INCREMENT g acme 1.0 permanent 2 LINGER=60\n"
      "INCREMENT h acme 1.0 permanent 1 OVERDRAFT=1\n",
      "RESERVE 1 f USER ann\n");
  Return("a", HandleOf(Ask("a", "g", 2)));
  const auto all = {ItemOf("f", 2), ItemOf("g", 1), ItemOf("g", 1), ItemOf("h", 2)};
  EXPECT_EQ(Ask("b", {ItemOf("f", 1), ItemOf("g", 1)}).denied().feature(), "g");
  EXPECT_EQ(Used("f"), 0u);
  EXPECT_TRUE(Ask("a", all).has_granted());
  EXPECT_EQ(Used("g"), 2u);
  EXPECT_EQ(Used("h"), 2u);
}

TEST_F(SeatsTest, TheOptionsFileSaysWho) {
  Serve(
      "INCREMENT f acme 1.0 permanent 9\nINCREMENT g acme 1.0 permanent 9\n"
      "INCREMENT h acme 1.0 permanent 9\nINCREMENT u acme 1.0 permanent 9 USER_BASED\n",
      "EXCLUDE f USER ann\nINCLUDE g USER bob\nMAX 2 h USER ann\n");
  EXPECT_EQ(Ask("a", "f").denied().code(), -38);
  EXPECT_TRUE(Ask("b", "f").has_granted());
  EXPECT_EQ(Ask("a", "g").denied().code(), -39);
  EXPECT_TRUE(Ask("b", "g").has_granted());
  EXPECT_EQ(Ask("a", "u").denied().code(), -84);
  const uint64_t handle = HandleOf(Ask("a", "h", 2));
  const v1::Outcome no = Ask("a2", "h");
  EXPECT_EQ(no.denied().code(), -87);
  EXPECT_THAT(no.denied().reason(), HasSubstr("MAX 2"));
  EXPECT_TRUE(Ask("b", "h", 5).has_granted());
  Return("a", handle);
  EXPECT_EQ(Ask("a2", "h", 0, v1::ALL).granted().holdings(0).count(), 2u);
}

TEST_F(SeatsTest, AMaxOfOnePoolCountsThatPoolAlone) {
  Serve("INCREMENT f acme 2.0 permanent 3\nINCREMENT f acme 1.0 permanent 4\n",
        "MAX 3 f:VERSION=1.0 USER ann\n");
  const v1::Outcome both = Ask("a", {ItemOf("f", 3), ItemOf("f", 3)});
  EXPECT_TRUE(both.has_granted()) << both.ShortDebugString();
  EXPECT_EQ(Used(), 6u);
  EXPECT_EQ(Ask("a").denied().code(), -87);
  EXPECT_TRUE(Ask("b").has_granted());
}

TEST_F(SeatsTest, AMaxCountsTheItemsBeforeInAllItsPools) {
  Serve("INCREMENT f acme 2.0 permanent 3\nINCREMENT f acme 1.0 permanent 4\n",
        "MAX 5 f USER ann\n");
  EXPECT_EQ(Ask("a", {ItemOf("f", 3), ItemOf("f", 3)}).denied().code(), -87);
  EXPECT_TRUE(Ask("a", {ItemOf("f", 3), ItemOf("f", 2)}).has_granted());
}

// --- A vendor that an administrator has stopped ---

v1::Command StopOf(absl::string_view vendor, uint32_t node) {
  v1::Command command;
  command.mutable_admin()->mutable_stop_vendor()->set_vendor(std::string(vendor));
  command.mutable_admin()->mutable_stop_vendor()->set_node(node);
  return command;
}

v1::Command StartOf(absl::string_view vendor, uint32_t node) {
  v1::Command command;
  command.mutable_admin()->mutable_start_vendors()->set_vendor(std::string(vendor));
  command.mutable_admin()->mutable_start_vendors()->set_node(node);
  return command;
}

TEST_F(SeatsTest, OfAStoppedVendorNothingIsGivenAndWhatIsOutStays) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  const uint64_t handle = HandleOf(Ask("a", "f"));
  EXPECT_TRUE(Apply(StopOf("nobody", 1)).has_refused());
  EXPECT_TRUE(Apply(StopOf("acme", 2)).has_done());
  EXPECT_TRUE(ledger_.IsStopped("acme"));
  EXPECT_TRUE(ledger_.StoppedThrough(2));
  EXPECT_EQ(Ask("b", "f").denied().code(), -97);
  EXPECT_EQ(Used("f"), 1u);
  Return("a", handle);
  EXPECT_TRUE(Apply(StartOf("other", 0)).has_done());
  EXPECT_EQ(Ask("b", "f").denied().code(), -97) << "another vendor was started";
  EXPECT_TRUE(Apply(StartOf("", 1)).has_done());
  EXPECT_EQ(Ask("b", "f").denied().code(), -97) << "it was stopped through another node";
  EXPECT_TRUE(Apply(StartOf("", 2)).has_done());
  EXPECT_TRUE(Ask("b", "f").has_granted());
}

TEST_F(SeatsTest, WhoeverWaitsKeepsThePlaceWhileTheVendorIsStopped) {
  Serve("INCREMENT f acme 1.0 permanent 1\n");
  const uint64_t handle = HandleOf(Ask("a", "f"));
  ASSERT_TRUE(Wait("b").has_queued());
  Apply(StopOf("acme", 1));
  Return("a", handle);
  EXPECT_EQ(ledger_.waiters().size(), 1u);
  EXPECT_EQ(Used("f"), 0u);
  Apply(StartOf("acme", 0));
  EXPECT_EQ(ledger_.waiters().size(), 0u);
  EXPECT_EQ(Used("f"), 1u);
}

}  // namespace
}  // namespace triad::license
