#include "server/expiry.h"

#include <gtest/gtest.h>

#include <string>

#include "license/ledger_testing.h"

namespace triad::server {
namespace {

using license::testing::OpenOf;
using license::testing::SessionNamed;

constexpr int64_t kGraceMs = 2'000;
constexpr uint32_t kTtlMs = 6'000;
constexpr uint64_t kTerm = 4;

class ExpiryTest : public ::testing::Test {
 protected:
  void Open(const std::string& name) {
    v1::LogRecord record;
    *record.mutable_command() = OpenOf(name);
    record.mutable_command()->mutable_open()->set_ttl_ms(kTtlMs);
    ledger_.Apply({++index_, kTerm}, &record, nullptr);
    expiry_.OnSeen(SessionNamed(name), kTtlMs, now_);
  }
  size_t DueAt(int64_t now) { return expiry_.Due(ledger_, now).size(); }

  license::Ledger ledger_;
  uint64_t index_ = 0;
  int64_t now_ = 100'000;
  Expiry expiry_{kGraceMs};
};

TEST_F(ExpiryTest, ASessionIsDueWhenItsTimeToLiveIsOverAndNamesWhatItWasBasedOn) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  EXPECT_EQ(DueAt(now_ + kTtlMs - 1), 0u);
  const auto due = expiry_.Due(ledger_, now_ + kTtlMs);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].term(), kTerm);
  EXPECT_EQ(due[0].attachment(), 1u);
  EXPECT_EQ(due[0].last_seen_index(), index_);
  EXPECT_FALSE(due[0].connection_lost());
}

TEST_F(ExpiryTest, ANodeThatDoesNotLeadProposesNothing) {
  Open("app");
  EXPECT_EQ(DueAt(now_ + 10 * kTtlMs), 0u);
  expiry_.Lead(ledger_, kTerm, now_);
  expiry_.StopLeading();
  EXPECT_EQ(DueAt(now_ + 10 * kTtlMs), 0u);
}

TEST_F(ExpiryTest, ANewLeaderCountsFromItsOwnBeginning) {
  Open("app");
  expiry_.Lead(ledger_, kTerm, now_ + 5'000);
  EXPECT_EQ(DueAt(now_ + kTtlMs), 0u);
  EXPECT_EQ(DueAt(now_ + 5'000 + kTtlMs), 1u);
}

TEST_F(ExpiryTest, ASignOfLifePutsTheDeadlineOff) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  expiry_.OnSeen(SessionNamed("app"), kTtlMs, now_ + 4'000);
  EXPECT_EQ(DueAt(now_ + kTtlMs), 0u);
  EXPECT_EQ(DueAt(now_ + 4'000 + kTtlMs), 1u);
}

TEST_F(ExpiryTest, AnOlderSignOfLifeNeverShortensIt) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  expiry_.OnSeen(SessionNamed("app"), kTtlMs, now_ - 3'000);
  EXPECT_EQ(DueAt(now_ + kTtlMs - 1), 0u);
}

TEST_F(ExpiryTest, AClosedConnectionLeavesTheShortGrace) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  expiry_.OnDetached(SessionNamed("app"), kGraceMs, now_);
  EXPECT_EQ(DueAt(now_ + kGraceMs - 1), 0u);
  const auto due = expiry_.Due(ledger_, now_ + kGraceMs);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_TRUE(due[0].connection_lost());
}

TEST_F(ExpiryTest, AttachingAgainGivesTheFullTimeBack) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  expiry_.OnDetached(SessionNamed("app"), kGraceMs, now_);
  expiry_.OnSeen(SessionNamed("app"), kTtlMs, now_ + 1'000);
  EXPECT_EQ(DueAt(now_ + kGraceMs), 0u);
  EXPECT_EQ(DueAt(now_ + 1'000 + kTtlMs), 1u);
}

TEST_F(ExpiryTest, AHeartbeatIsNotAcceptedWhileTheExpiryIsOnItsWay) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  EXPECT_TRUE(expiry_.Accepts(ledger_, SessionNamed("app"), 1));
  ASSERT_EQ(DueAt(now_ + kTtlMs), 1u);
  EXPECT_FALSE(expiry_.Accepts(ledger_, SessionNamed("app"), 1));
  EXPECT_EQ(DueAt(now_ + kTtlMs), 0u) << "it is proposed once";
  expiry_.OnNotExpired(SessionNamed("app"), kTerm);
  EXPECT_TRUE(expiry_.Accepts(ledger_, SessionNamed("app"), 1));
  EXPECT_EQ(DueAt(now_ + kTtlMs), 1u) << "and again when it was ignored";
}

TEST_F(ExpiryTest, AnOlderTermsExpirySaysNothingAboutTheOneThatIsOnItsWay) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  ASSERT_EQ(DueAt(now_ + kTtlMs), 1u);
  expiry_.OnNotExpired(SessionNamed("app"), kTerm - 1);
  EXPECT_FALSE(expiry_.Accepts(ledger_, SessionNamed("app"), 1));
}

TEST_F(ExpiryTest, AHeartbeatOfAnotherAttachmentOrAnUnknownSessionIsNotAccepted) {
  expiry_.Lead(ledger_, kTerm, now_);
  Open("app");
  EXPECT_FALSE(expiry_.Accepts(ledger_, SessionNamed("app"), 2));
  EXPECT_FALSE(expiry_.Accepts(ledger_, SessionNamed("nobody"), 1));
}

}  // namespace
}  // namespace triad::server
