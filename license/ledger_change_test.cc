// What becomes of those who hold licenses when licenses, days and clocks change: violations,
// resizing, idling, borrowing, removing. After every entry the rows are restored into another
// ledger, which must be equal and go on equally.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "license/digest.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using Kind = LedgerEvent::Kind;
using testing::CheckinOf;
using testing::CheckoutOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::ItemOf;
using testing::kDayMs;
using testing::kNoonMs;
using testing::OpenOf;
using testing::SetOf;

constexpr int64_t kHourMs = 3'600'000;

class LedgerChangeTest : public ::testing::Test {
 protected:
  LedgerChangeTest() {
    v1::Command command;
    command.mutable_set_cluster_version()->set_version(3);
    Apply(command);
  }
  v1::Outcome Apply(v1::Command command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(wall_ms_);
    record.mutable_stamp()->set_utc_offset_s(offset_s_);
    record.mutable_stamp()->set_cluster_ms(cluster_ms_);
    *record.mutable_command() = std::move(command);
    events_.clear();
    const LogPosition at{ledger_.applied().index + 1, 1};
    const v1::Outcome outcome = ledger_.Apply(at, &record, &events_);
    EXPECT_TRUE(ledger_.CheckInvariants().ok()) << ledger_.CheckInvariants();
    EXPECT_TRUE(store_.Write(ledger_.TakeChanges(), at).ok());
    Ledger restored;
    EXPECT_TRUE(restored.Restore(store_).ok()) << restored.Restore(store_);
    EXPECT_EQ(restored.Digest(), ledger_.Digest());
    return outcome;
  }
  void Install(absl::string_view lines, absl::string_view options = "") {
    v1::Command command;
    *command.mutable_install() = SetOf(lines, ledger_.license_set_number());
    if (!options.empty()) {
      auto* file = command.mutable_install()->add_option_files();
      file->set_name("acme");
      file->set_content(std::string(options));
    }
    Apply(command);
  }
  uint64_t Hold(const std::string& name, uint64_t seq, uint64_t count) {
    const v1::Outcome outcome = Apply(CheckoutOf(name, seq, {ItemOf("f", count)}));
    EXPECT_TRUE(outcome.has_granted()) << outcome.ShortDebugString();
    return outcome.has_granted() ? outcome.granted().holdings(0).handle() : 0;
  }
  v1::Outcome Ask(const std::string& name, uint64_t seq, v1::Request op) {
    v1::Command command;
    *command.mutable_request() = std::move(op);
    command.mutable_request()->set_session(testing::SessionNamed(name));
    command.mutable_request()->set_seq(seq);
    return Apply(command);
  }
  v1::Outcome Resize(const std::string& name, uint64_t seq, uint64_t handle, uint64_t count,
                     v1::CountMode mode = v1::EXACT) {
    v1::Request op;
    op.mutable_resize()->set_handle(handle);
    op.mutable_resize()->set_count(count);
    op.mutable_resize()->set_mode(mode);
    return Ask(name, seq, op);
  }
  v1::Outcome SetIdle(const std::string& name, uint64_t seq, bool idle) {
    v1::Request op;
    op.mutable_set_idle()->set_idle(idle);
    return Ask(name, seq, op);
  }
  v1::Outcome Borrow(const std::string& name, uint64_t seq, uint64_t count, int64_t for_ms) {
    v1::Request op;
    *op.mutable_borrow()->mutable_item() = ItemOf("f", count);
    op.mutable_borrow()->set_until_wall_ms(wall_ms_ + for_ms);
    return Ask(name, seq, op);
  }
  v1::Outcome Return(const std::string& name, uint64_t seq, uint64_t handle) {
    v1::Request op;
    op.mutable_return_borrowed()->set_handle(handle);
    return Ask(name, seq, op);
  }
  v1::Outcome TimePasses() {
    v1::Command command;
    command.mutable_time_passes();
    return Apply(command);
  }
  v1::Outcome Close(const std::string& name) {
    v1::Command command;
    command.mutable_close()->set_session(testing::SessionNamed(name));
    return Apply(command);
  }
  v1::Outcome Remove(uint64_t handle, bool force = false) {
    v1::Command command;
    command.mutable_admin()->mutable_remove()->set_force(force);
    command.mutable_admin()->set_who("root (uid 0) on lic1");
    command.mutable_admin()->mutable_remove()->set_feature("f");
    command.mutable_admin()->mutable_remove()->set_handle(handle);
    return Apply(command);
  }
  // "handle reason" of this entry's events of one kind.
  std::vector<std::string> Told(Kind kind) const {
    std::vector<std::string> told;
    for (const LedgerEvent& event : events_) {
      if (event.kind != kind) continue;
      told.push_back(std::to_string(event.holding.handle()) + " " + event.reason);
    }
    return told;
  }
  std::string ViolationOf(uint64_t handle) const {
    return HoldingOf(*ledger_.FindCheckout(handle)).violation();
  }
  uint64_t Used() const { return ledger_.UsedOf(ledger_.catalog().PoolsOf("f").front()->id); }

  Ledger ledger_;
  testing::MemoryStore store_;
  std::vector<LedgerEvent> events_;
  int64_t wall_ms_ = kNoonMs;  // 2026-06-15
  int32_t offset_s_ = 0;
  uint64_t cluster_ms_ = 1'000;
};

// --- Violations

TEST_F(LedgerChangeTest, FewerLicensesThanAreInUseIsAViolationToldOnceAndNobodyIsThrownOut) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  Apply(OpenOf("two"));
  const uint64_t a = Hold("one", 1, 3);
  const uint64_t b = Hold("two", 1, 2);
  Install("INCREMENT f acme 1.0 permanent 3\n");
  EXPECT_THAT(Told(Kind::kViolation),
              ElementsAre(std::to_string(a) + " decreased in license file",
                          std::to_string(b) + " decreased in license file"));
  EXPECT_EQ(ViolationOf(a), "decreased in license file");
  EXPECT_EQ(Used(), 5u);
  TimePasses();
  EXPECT_THAT(Told(Kind::kViolation), IsEmpty());
  EXPECT_EQ(Apply(CheckoutOf("one", 2, {ItemOf("f")})).denied().code(), -4);
  EXPECT_EQ(Resize("one", 3, a, 4).denied().code(), -4);
  // Given back, it is restored for those who are left.
  Apply(CheckinOf("two", 2, b));
  EXPECT_THAT(Told(Kind::kRestored), ElementsAre(std::to_string(a) + " decreased in license file"));
  EXPECT_EQ(ViolationOf(a), "");
}

TEST_F(LedgerChangeTest, GrowthRestores) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 5);
  Install("INCREMENT f acme 1.0 permanent 4\n");
  EXPECT_EQ(ViolationOf(a), "decreased in license file");
  Install("INCREMENT f acme 1.0 permanent 5\n");
  EXPECT_THAT(Told(Kind::kRestored), ElementsAre(std::to_string(a) + " decreased in license file"));
}

TEST_F(LedgerChangeTest, APoolThatVanishesIsAViolationUntilItComesBack) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 1);
  Install("INCREMENT g acme 1.0 permanent 5\n");
  EXPECT_EQ(ViolationOf(a), "decreased in license file");
  Install("INCREMENT f acme 1.0 permanent 1\n");
  EXPECT_EQ(ViolationOf(a), "");
}

TEST_F(LedgerChangeTest, LessOverdraftByTheOptionsFileIsAViolationOfTheConfiguration) {
  Install("INCREMENT f acme 1.0 permanent 2 OVERDRAFT=2\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 4);
  Install("INCREMENT f acme 1.0 permanent 2 OVERDRAFT=2\n", "MAX_OVERDRAFT f 1\n");
  EXPECT_EQ(ViolationOf(a), "decreased in configuration");
}

TEST_F(LedgerChangeTest, ALineHoldsThroughTheEndOfItsDayByTheStampedOffset) {
  offset_s_ = 7'200;
  wall_ms_ += 1;  // an offset comes with a later stamp
  Install("INCREMENT f acme 1.0 15-jun-2026 5\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 5);
  const int64_t midnight_ms = kNoonMs + 12 * kHourMs - 2 * kHourMs;
  ASSERT_TRUE(ledger_.NextDueAt().wall_ms.has_value());
  EXPECT_EQ(*ledger_.NextDueAt().wall_ms, midnight_ms);
  wall_ms_ = midnight_ms - 1;
  TimePasses();
  EXPECT_EQ(ViolationOf(a), "");
  wall_ms_ = midnight_ms;
  TimePasses();
  EXPECT_THAT(Told(Kind::kViolation), ElementsAre(std::to_string(a) + " expired"));
  EXPECT_GT(*ledger_.NextDueAt().wall_ms, midnight_ms);
  EXPECT_EQ(Apply(CheckoutOf("one", 2, {ItemOf("f")})).denied().code(), -10);
}

TEST_F(LedgerChangeTest, OneOfTwoLinesThatExpiresIsAnExpiryToo) {
  Install("INCREMENT f acme 1.0 15-jun-2026 3\nINCREMENT f acme 1.0 permanent 2\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 4);
  wall_ms_ += kDayMs;
  TimePasses();
  EXPECT_EQ(ViolationOf(a), "expired");
  Resize("one", 2, a, 2);
  EXPECT_EQ(ViolationOf(a), "");
}

TEST_F(LedgerChangeTest, NothingIsJudgedBeforeAllNodesKnowHow) {
  Ledger old;
  v1::LogRecord record;
  record.mutable_stamp()->set_wall_ms(kNoonMs);
  *record.mutable_command()->mutable_install() = SetOf("INCREMENT f acme 1.0 permanent 5\n", 0);
  old.Apply({1, 1}, &record, nullptr);
  *record.mutable_command() = OpenOf("one");
  old.Apply({2, 1}, &record, nullptr);
  *record.mutable_command() = CheckoutOf("one", 1, {ItemOf("f", 5)});
  old.Apply({3, 1}, &record, nullptr);
  *record.mutable_command()->mutable_install() = SetOf("INCREMENT f acme 1.0 permanent 1\n", 1);
  std::vector<LedgerEvent> events;
  old.Apply({4, 1}, &record, &events);
  EXPECT_EQ(events.size(), 1u);
  record.mutable_command()->mutable_set_cluster_version()->set_version(3);
  events.clear();
  old.Apply({5, 1}, &record, &events);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].kind, Kind::kViolation);
}

// --- Clocks

TEST_F(LedgerChangeTest, AClockSetBackGainsNothing) {
  Install("INCREMENT f acme 1.0 15-jun-2026 5\nINCREMENT g acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  wall_ms_ += kDayMs;
  TimePasses();
  wall_ms_ -= kDayMs;
  EXPECT_EQ(Apply(CheckoutOf("one", 1, {ItemOf("f")})).denied().code(), -10);
  EXPECT_TRUE(Apply(CheckoutOf("one", 2, {ItemOf("g")})).has_granted());
}

TEST_F(LedgerChangeTest, PastADayAClockSetBackIsSaidAndOnlyAnAdministratorUndoesAJumpForward) {
  Install("INCREMENT f acme 1.0 31-dec-2026 5\nINCREMENT g acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  wall_ms_ += 30 * kDayMs;
  TimePasses();
  wall_ms_ -= 30 * kDayMs;
  EXPECT_EQ(Apply(CheckoutOf("one", 1, {ItemOf("f")})).denied().code(), -88);
  EXPECT_TRUE(Apply(CheckoutOf("one", 2, {ItemOf("g")})).has_granted()) << "without a date";
  v1::Command undo;
  undo.mutable_admin()->set_who("ann (uid 7) on lic1");
  undo.mutable_admin()->mutable_undo_clock();
  EXPECT_TRUE(Apply(undo).has_done());
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, Kind::kClockUndone);
  EXPECT_EQ(events_[0].who, "ann (uid 7) on lic1");
  EXPECT_EQ(ledger_.wall_ms(), wall_ms_);
  EXPECT_TRUE(Apply(CheckoutOf("one", 3, {ItemOf("f")})).has_granted());
}

TEST_F(LedgerChangeTest, AClientADayApartIsDeniedUntilItsClockIsRight) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  v1::Command open = OpenOf("one");
  open.mutable_open()->set_client_wall_ms(wall_ms_ - kDayMs - 1);
  EXPECT_EQ(RequiredVersion(open), 3u);
  Apply(open);
  EXPECT_EQ(Apply(CheckoutOf("one", 1, {ItemOf("f")})).denied().code(), -34);
  v1::Command attach;
  attach.mutable_attach()->set_session(testing::SessionNamed("one"));
  attach.mutable_attach()->set_token_hash(testing::TokenNamed("token"));
  attach.mutable_attach()->set_attachment(2);
  attach.mutable_attach()->set_node(1);
  attach.mutable_attach()->set_client_wall_ms(wall_ms_ - kHourMs);
  Apply(attach);
  EXPECT_TRUE(Apply(CheckoutOf("one", 2, {ItemOf("f")})).has_granted());
}

// --- Another count

TEST_F(LedgerChangeTest, ResizingKeepsTheHandleAndIsAllOrNothingUnlessUpTo) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 2);
  const v1::Outcome more = Resize("one", 2, a, 4);
  ASSERT_TRUE(more.has_granted());
  EXPECT_EQ(more.granted().holdings(0).handle(), a);
  EXPECT_EQ(more.granted().holdings(0).count(), 4u);
  EXPECT_EQ(Resize("one", 3, a, 6).denied().code(), -4);
  EXPECT_EQ(Used(), 4u);
  EXPECT_EQ(Resize("one", 4, a, 9, v1::UP_TO).granted().holdings(0).count(), 5u);
  EXPECT_EQ(Resize("one", 5, a, 1).granted().holdings(0).count(), 1u);
  EXPECT_EQ(Used(), 1u);
  EXPECT_TRUE(Resize("one", 6, a, 0).has_refused());
  Apply(OpenOf("two"));
  EXPECT_TRUE(Resize("two", 1, a, 2).has_refused()) << "not its own";
}

TEST_F(LedgerChangeTest, WhatAResizeFreesServesTheQueueAtOnce) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  Apply(OpenOf("two"));
  const uint64_t a = Hold("one", 1, 5);
  v1::Command wait = CheckoutOf("two", 1, {ItemOf("f", 2)});
  wait.mutable_request()->mutable_checkout()->set_wait(true);
  ASSERT_TRUE(Apply(wait).has_queued());
  EXPECT_TRUE(Resize("one", 2, a, 3).has_granted());
  ASSERT_FALSE(events_.empty());
  EXPECT_EQ(events_.back().kind, Kind::kGranted);
  EXPECT_EQ(Used(), 5u);
}

// --- Idle, time limits

TEST_F(LedgerChangeTest, WhatStaysIdleIsReclaimedByItsTimeout) {
  Install("INCREMENT f acme 1.0 permanent 5\n", "TIMEOUT f 1000\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 2);
  EXPECT_TRUE(SetIdle("one", 2, true).has_done());
  EXPECT_EQ(*ledger_.NextDueAt().cluster_ms, cluster_ms_ + 1'000'000);
  cluster_ms_ += 999'999;
  TimePasses();
  EXPECT_EQ(Used(), 2u);
  SetIdle("one", 3, false);
  cluster_ms_ += 10'000'000;
  TimePasses();
  EXPECT_EQ(Used(), 2u) << "it works with it";
  SetIdle("one", 4, true);
  cluster_ms_ += 1'000'000;
  TimePasses();
  EXPECT_EQ(Used(), 0u);
  EXPECT_THAT(Told(Kind::kReclaimed), ElementsAre(std::to_string(a) + " idle"));
  EXPECT_FALSE(ledger_.NextDueAt().cluster_ms.has_value());
}

TEST_F(LedgerChangeTest, ANewTimeoutHoldsForWhatIsIdleAlready) {
  const std::string lines = "INCREMENT f acme 1.0 permanent 5\n";
  Install(lines, "MAX 5 f USER bob\n");
  Apply(OpenOf("one"));
  Hold("one", 1, 2);
  SetIdle("one", 2, true);
  const uint64_t idle_since_ms = cluster_ms_;
  EXPECT_FALSE(ledger_.NextDueAt().cluster_ms.has_value());
  cluster_ms_ += 400'000;
  Install(lines, "TIMEOUT f 1000\n");
  EXPECT_EQ(ledger_.NextDueAt().cluster_ms, idle_since_ms + 1'000'000);
  Install(lines, "TIMEOUT f 2000\n");
  EXPECT_EQ(ledger_.NextDueAt().cluster_ms, idle_since_ms + 2'000'000);
  Install(lines, "TIMEOUT f 0\n");
  EXPECT_FALSE(ledger_.NextDueAt().cluster_ms.has_value());
  cluster_ms_ += 2'000'000;
  Install(lines, "TIMEOUTALL 1000\n");
  TimePasses();
  EXPECT_EQ(Used(), 0u) << "it has been idle longer than that";
}

TEST_F(LedgerChangeTest, APackageLineThatExpiresCountsAsWhatItGave) {
  Install(
      "PACKAGE p acme COMPONENTS=\"f:1:2\"\nINCREMENT p acme 1 15-jun-2026 2\n"
      "INCREMENT p acme 1 permanent 1\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 6);
  wall_ms_ += testing::kDayMs;
  TimePasses();
  EXPECT_EQ(ViolationOf(a), "expired");
}

TEST_F(LedgerChangeTest, ATimeLimitGivesBackByItself) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  v1::Command command = CheckoutOf("one", 1, {ItemOf("f", 2)});
  command.mutable_request()->mutable_checkout()->set_time_limit_ms(3'600'000);
  ASSERT_TRUE(Apply(command).has_granted());
  cluster_ms_ += 3'599'999;
  TimePasses();
  EXPECT_EQ(Used(), 2u);
  cluster_ms_ += 1;
  TimePasses();
  EXPECT_EQ(Used(), 0u);
}

// --- Borrowing

TEST_F(LedgerChangeTest, WhatIsBorrowedOutlivesItsSessionAndEndsByItsDate) {
  Install("INCREMENT f acme 1.0 permanent 5 BORROW=48\n");
  Apply(OpenOf("one"));
  const v1::Outcome borrowed = Borrow("one", 1, 2, 24 * kHourMs);
  ASSERT_TRUE(borrowed.has_granted()) << borrowed.ShortDebugString();
  EXPECT_EQ(borrowed.granted().holdings(0).borrowed_until_wall_ms(), wall_ms_ + 24 * kHourMs);
  Close("one");
  EXPECT_EQ(Used(), 2u);
  EXPECT_EQ(*ledger_.NextDueAt().wall_ms, kNoonMs + 12 * kHourMs) << "midnight comes first";
  wall_ms_ += 24 * kHourMs - 1;
  TimePasses();
  EXPECT_EQ(Used(), 2u);
  wall_ms_ += 1;
  TimePasses();
  EXPECT_EQ(Used(), 0u);
}

TEST_F(LedgerChangeTest, OnlyTheSameUserOnTheSameHostBringsItBack) {
  Install("INCREMENT f acme 1.0 permanent 5 BORROW=48\n");
  Apply(OpenOf("one"));
  const uint64_t a = Borrow("one", 1, 2, kHourMs).granted().holdings(0).handle();
  Close("one");
  v1::Command stranger = OpenOf("two");
  stranger.mutable_open()->mutable_identity()->set_host("desk2");
  Apply(stranger);
  EXPECT_EQ(Return("two", 1, a).denied().code(), -117);
  Apply(OpenOf("three"));
  EXPECT_TRUE(Return("three", 1, a).has_done());
  EXPECT_EQ(Used(), 0u);
  EXPECT_TRUE(Return("three", 2, a).has_refused());
}

TEST_F(LedgerChangeTest, BorrowingIsDeniedWithItsReason) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  EXPECT_EQ(Borrow("one", 1, 1, kHourMs).denied().code(), -68);
  Install("INCREMENT f acme 1.0 permanent 5 BORROW=48\n");
  EXPECT_EQ(Borrow("one", 2, 1, 49 * kHourMs).denied().code(), -104);
  Install("INCREMENT f acme 1.0 permanent 5 BORROW=48\n",
          "MAX_BORROW_HOURS f 12\nBORROW_LOWWATER f 3\nEXCLUDE_BORROW f USER bob\n");
  EXPECT_EQ(Borrow("one", 3, 1, 13 * kHourMs).denied().code(), -104);
  EXPECT_EQ(Borrow("one", 4, 3, 12 * kHourMs).denied().code(), -67);
  EXPECT_TRUE(Borrow("one", 5, 2, 12 * kHourMs).has_granted());
  EXPECT_EQ(Borrow("one", 6, 1, 12 * kHourMs).denied().code(), -67);
  v1::Command bob = OpenOf("bob");
  bob.mutable_open()->mutable_identity()->set_user("bob");
  Apply(bob);
  EXPECT_EQ(Borrow("bob", 1, 1, kHourMs).denied().code(), -38);
  EXPECT_TRUE(Borrow("one", 7, 1, -1).has_refused());
}

// --- What need not be verified again

TEST_F(LedgerChangeTest, WhatItWasToldOfIsNotVerifiedAgainAndNothingElseIsTaken) {
  v1::InstallLicenses set = testing::SetOf("INCREMENT f acme 1.0 permanent 5\n", 0);
  std::string& text = *set.mutable_license_files(0)->mutable_content();
  absl::StrReplaceAll({{"permanent 5", "permanent 6"}}, &text);
  const LicenseFile file = ReadLicenseFile("license.dat", text);
  const PublicKey& key = testing::AcmeKey().keys.public_key;
  // As if the forged line had been found good: so that it shows whether it is verified.
  std::string forged(key.begin(), key.end());
  AppendField(forged, CanonicalForm(file.features[0], file.servers));
  forged += ParseSign(file.features[0].sign)->signature;
  const auto known = std::make_shared<const VerifiedLines>(VerifiedLines{Sha256(forged)});
  v1::Command command;
  *command.mutable_install() = set;
  Ledger told(Ledger::Limits{.known = known});
  v1::LogRecord record;
  *record.mutable_command() = command;
  told.Apply({1, 1}, &record, nullptr);
  EXPECT_EQ(told.catalog().pools().size(), 1u);
  Apply(command);
  EXPECT_TRUE(ledger_.catalog().pools().empty());
  // A set that replaces one: what both have is known from the first.
  record.mutable_command()->mutable_install()->set_replaces(1);
  told.Know(nullptr);
  told.Apply({2, 1}, &record, nullptr);
  EXPECT_EQ(told.catalog().pools().size(), 1u);
  // From rows: only what it was told before.
  testing::MemoryStore store;
  ASSERT_TRUE(store.Write(told.TakeChanges(), told.applied()).ok());
  Ledger fresh;
  ASSERT_TRUE(fresh.Restore(store).ok());
  EXPECT_TRUE(fresh.catalog().pools().empty());
  Ledger again(Ledger::Limits{.known = known});
  ASSERT_TRUE(again.Restore(store).ok());
  EXPECT_EQ(again.catalog().pools().size(), 1u);
}

// --- What administrators do

TEST_F(LedgerChangeTest, ACheckoutIsRemovedByItsHandleOrByNamesAndItsHolderIsTold) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  Apply(OpenOf("one"));
  const uint64_t a = Hold("one", 1, 1);
  Hold("one", 2, 1);
  EXPECT_EQ(Remove(a).removed().checkouts(), 1u);
  EXPECT_THAT(Told(Kind::kRemoved), ElementsAre(std::to_string(a) + " "));
  EXPECT_TRUE(Remove(a).has_refused());
  v1::Command command;
  auto* remove = command.mutable_admin()->mutable_remove();
  remove->set_feature("f");
  remove->set_user("ann");
  remove->set_host("desk1");
  EXPECT_EQ(Apply(command).removed().checkouts(), 1u);
  EXPECT_EQ(Used(), 0u);
}

TEST_F(LedgerChangeTest, WhatLingersOrIsBorrowedIsNotRemoved) {
  Install("INCREMENT f acme 1.0 permanent 5 BORROW=48 LINGER=600\n");
  Apply(OpenOf("one"));
  const uint64_t a = Borrow("one", 1, 1, kHourMs).granted().holdings(0).handle();
  EXPECT_EQ(Remove(a).denied().code(), -100);
  const uint64_t b = Hold("one", 2, 1);
  Apply(CheckinOf("one", 3, b));
  EXPECT_EQ(Remove(b).denied().code(), -100);
  EXPECT_EQ(Used(), 2u);
}

TEST_F(LedgerChangeTest, WhatWasBorrowedToALostMachineIsRemovedByForceOnly) {
  Install("INCREMENT f acme 1.0 permanent 5 BORROW=48 LINGER=600\n");
  Apply(OpenOf("one"));
  const uint64_t a = Borrow("one", 1, 2, kHourMs).granted().holdings(0).handle();
  const uint64_t b = Borrow("one", 2, 3, kHourMs).granted().holdings(0).handle();
  EXPECT_EQ(Remove(a, true).removed().checkouts(), 1u) << "its session lives";
  EXPECT_THAT(Told(Kind::kRemoved), ElementsAre(std::to_string(a) + " "));
  Close("one");
  EXPECT_EQ(Used(), 3u);
  EXPECT_EQ(Remove(b, true).removed().checkouts(), 1u) << "its session is long gone";
  EXPECT_THAT(Told(Kind::kRemoved), ElementsAre(std::to_string(b) + " "));
  EXPECT_EQ(Used(), 0u);
  // The machine is found again: what it brings back is nobody's.
  Apply(OpenOf("two"));
  EXPECT_TRUE(Return("two", 1, b).has_refused());
  // What lingers stays by force, too: it is the vendor's rule.
  const uint64_t c = Hold("two", 2, 1);
  Apply(CheckinOf("two", 3, c));
  EXPECT_EQ(Remove(c, true).denied().code(), -100);
}

TEST_F(LedgerChangeTest, AnAdministratorsCommandThatIsSentAgainIsDoneOnce) {
  Install("INCREMENT f acme 1.0 permanent 5\n");
  v1::Command command;
  command.mutable_admin()->set_id("0123456789abcdef");
  auto* reserve = command.mutable_admin()->mutable_reserve();
  reserve->set_feature("f");
  reserve->set_count(2);
  reserve->set_type("USER");
  reserve->set_name("ann");
  const v1::Outcome first = Apply(command);
  ASSERT_TRUE(first.has_reserved()) << first.ShortDebugString();
  EXPECT_EQ(Apply(command).reserved().id(), first.reserved().id());
  EXPECT_EQ(ledger_.reservations().size(), 1u);
}

}  // namespace
}  // namespace triad::license
