#include "server/proposals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "server/limits.h"

namespace triad::server {
namespace {

using quorum::Index;
using quorum::Slot;
using quorum::Term;

class Recorder : public Proposals::Sink, public PeerTransport {
 public:
  void OnOutcome(const Origin& origin, const v1::Outcome&) override {
    outcomes.push_back(origin.message_id);
  }
  void OnFailure(const Origin& origin, const v1::Failure& failure) override {
    failures.emplace_back(origin.message_id, failure);
  }
  void Send(Slot to, v1::PeerMessage message) override {
    sent.emplace_back(to, std::move(message));
  }
  void Answer(LinkId, v1::PeerMessage) override {}
  void CloseLink(LinkId) override {}

  std::vector<uint64_t> outcomes;
  std::vector<std::pair<uint64_t, v1::Failure>> failures;
  std::vector<std::pair<Slot, v1::PeerMessage>> sent;
};

class ProposalsTest : public ::testing::Test {
 protected:
  void Submit(uint64_t id, Origin::Kind kind = Origin::Kind::kRequest) {
    v1::Command command;
    command.mutable_request()->set_seq(id);
    Origin origin;
    origin.kind = kind;
    origin.message_id = id;
    proposals_.Submit(std::move(command), std::move(origin), now_);
  }
  // As a follower of node 1.
  void Relay() {
    proposals_.Send({.leads = false, .leader = Slot::k1, .leader_reachable = true}, nullptr, {},
                    now_);
  }
  v1::RelayAnswer AnswerTo(size_t message, uint64_t term, std::vector<uint64_t> indexes) {
    v1::RelayAnswer answer;
    answer.set_first_id(recorder_.sent[message].second.relay().first_id());
    answer.set_term(term);
    for (uint64_t index : indexes) answer.add_indexes(index);
    return answer;
  }

  int64_t now_ = 1000;
  Recorder recorder_;
  Proposals proposals_{&recorder_, &recorder_, 1};
};

TEST_F(ProposalsTest, AFollowerRelaysInOneBatchAndAnswersFromItsOwnApply) {
  Submit(1);
  Submit(2);
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 1u);
  EXPECT_EQ(recorder_.sent[0].second.relay().commands_size(), 2);
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {10, 11}), Index(9), now_);
  EXPECT_TRUE(recorder_.outcomes.empty()) << "appended is not committed";
  proposals_.OnApplied(Index(10), Term(3), {});
  EXPECT_THAT(recorder_.outcomes, ::testing::ElementsAre(1));
  proposals_.OnApplied(Index(11), Term(3), {});
  EXPECT_THAT(recorder_.outcomes, ::testing::ElementsAre(1, 2));
  EXPECT_EQ(proposals_.pending(), 0u);
}

TEST_F(ProposalsTest, AnEntryOfAnotherTermAtThatIndexMeansSendAgain) {
  Submit(1);
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {10}), Index(9), now_);
  proposals_.OnApplied(Index(10), Term(4), {});
  EXPECT_TRUE(recorder_.outcomes.empty());
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 2u);
}

TEST_F(ProposalsTest, ANewerTermBelowThatIndexMeansSendAgainToo) {
  Submit(1);
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {20}), Index(9), now_);
  proposals_.OnApplied(Index(10), Term(4), {});  // terms never fall along the log: (3, 20) is gone
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 2u);
}

TEST_F(ProposalsTest, AnAnswerForAnIndexThatIsAppliedAlreadyMeansSendAgain) {
  Submit(1);
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {10}), Index(10), now_);
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 2u);
}

TEST_F(ProposalsTest, WhatTheLeaderRefusesForGoodIsNotSentAgainAndTheRestOfItsBatchStands) {
  for (uint64_t id : {1, 2, 3}) Submit(id);
  Relay();
  v1::RelayAnswer answer = AnswerTo(0, 3, {10, 0, 11});
  v1::RelayAnswer::Failed& failed = *answer.add_failed();
  failed.set_position(1);
  failed.set_why(v1::Failure::DISK_LOW);
  failed.set_reason("full");
  answer.add_failed()->set_position(77);  // of nobody
  proposals_.OnRelayAnswer(Slot::k1, answer, Index(9), now_);
  ASSERT_EQ(recorder_.failures.size(), 1u);
  EXPECT_EQ(recorder_.failures[0].first, 2u);
  EXPECT_EQ(recorder_.failures[0].second.why(), v1::Failure::DISK_LOW);
  EXPECT_TRUE(recorder_.failures[0].second.certain()) << "it was handed on once, and came back";
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 1u);
  proposals_.OnApplied(Index(10), Term(3), {});
  proposals_.OnApplied(Index(11), Term(3), {});
  EXPECT_THAT(recorder_.outcomes, ::testing::ElementsAre(1, 3));
}

TEST_F(ProposalsTest, ARefusalIsNotCertainWhenAnEarlierLeaderMayHaveAppendedIt) {
  Submit(1);
  Relay();
  proposals_.OnLeaderChanged();
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 2u);
  v1::RelayAnswer answer = AnswerTo(1, 4, {0});
  answer.add_failed()->set_why(v1::Failure::DISK_LOW);
  proposals_.OnRelayAnswer(Slot::k1, answer, Index(9), now_);
  ASSERT_EQ(recorder_.failures.size(), 1u);
  EXPECT_FALSE(recorder_.failures[0].second.certain());
}

TEST_F(ProposalsTest, WhatALedgerHasJumpedOverIsSentAgain) {
  Submit(1);
  Submit(2);
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {10, 11}), Index(9), now_);
  proposals_.OnJump(Index(10));
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 2u);
  ASSERT_EQ(recorder_.sent[1].second.relay().commands_size(), 1);
  EXPECT_EQ(recorder_.sent[1].second.relay().commands(0).request().seq(), 1u);
  EXPECT_TRUE(recorder_.failures.empty());
}

TEST_F(ProposalsTest, ARefusedOrUnansweredOrOrphanedBatchIsSentAgain) {
  Submit(1);
  Relay();
  v1::RelayAnswer refused = AnswerTo(0, 3, {});
  refused.set_refusal("not the leader");
  proposals_.OnRelayAnswer(Slot::k1, refused, Index(0), now_);
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 1u) << "not at once: the leader would only refuse again";
  now_ += kRelayPauseMs;
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 2u);
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 2u) << "one is under way";
  now_ += kRelayTimeoutMs;
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 3u);
  proposals_.OnLeaderChanged();
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 4u);
}

TEST_F(ProposalsTest, ALateAnswerToABatchThatWasSentAgainIsIgnored) {
  Submit(1);
  Relay();
  proposals_.OnLeaderChanged();
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {10}), Index(9), now_);
  proposals_.OnApplied(Index(10), Term(3), {});
  EXPECT_TRUE(recorder_.outcomes.empty());
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(1, 3, {11}), Index(10), now_);
  proposals_.OnApplied(Index(11), Term(3), {});
  EXPECT_THAT(recorder_.outcomes, ::testing::ElementsAre(1));
}

TEST_F(ProposalsTest, WithoutAQuorumWhatNeverLeftCertainlyDidNotHappen) {
  Submit(1);
  const std::string reason = "no quorum: node 2 does not answer";
  proposals_.Expire(now_, &reason);
  ASSERT_EQ(recorder_.failures.size(), 1u);
  EXPECT_TRUE(recorder_.failures[0].second.certain());
  EXPECT_EQ(recorder_.failures[0].second.reason(), reason);
}

TEST_F(ProposalsTest, WhatWasHandedOnMayHaveHappened) {
  Submit(1);
  Relay();
  const std::string reason = "no quorum";
  proposals_.Expire(now_, &reason);
  ASSERT_EQ(recorder_.failures.size(), 1u);
  EXPECT_FALSE(recorder_.failures[0].second.certain());
}

TEST_F(ProposalsTest, ADetachIsKeptUntilItIsDoneAndAnExpiryIsNeverSentAgain) {
  Submit(1, Origin::Kind::kDetach);
  Submit(2, Origin::Kind::kExpire);
  Relay();
  const std::string reason = "no quorum";
  proposals_.Expire(now_ + 100'000, &reason);
  EXPECT_TRUE(recorder_.failures.empty());
  proposals_.OnLeaderChanged();
  ASSERT_EQ(recorder_.failures.size(), 1u);
  EXPECT_EQ(recorder_.failures[0].first, 2u);
  EXPECT_EQ(proposals_.pending(), 1u);
}

TEST_F(ProposalsTest, ACommandThatIsDisplacedFromItsIndexIsSentAgain) {
  Submit(1);
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(0, 3, {102}), Index(90), now_);
  Submit(2);
  Relay();
  proposals_.OnRelayAnswer(Slot::k1, AnswerTo(1, 4, {102}), Index(90), now_);
  proposals_.OnApplied(Index(102), Term(4), {});
  EXPECT_THAT(recorder_.outcomes, ::testing::ElementsAre(2));
  Relay();
  EXPECT_EQ(recorder_.sent.size(), 3u);
}

TEST_F(ProposalsTest, ANodeThatLostTheLeadDropsItsQueuedExpiries) {
  Submit(1, Origin::Kind::kExpire);
  Submit(2);
  proposals_.DropExpiries();
  ASSERT_EQ(recorder_.failures.size(), 1u);
  Relay();
  ASSERT_EQ(recorder_.sent.size(), 1u);
  EXPECT_EQ(recorder_.sent[0].second.relay().commands_size(), 1);
}

TEST_F(ProposalsTest, WhatIsRelayedAtOnceIsBounded) {
  for (uint64_t i = 0; i < (kRelayBatchesMax + 3) * kRelayCommandsMax; ++i) Submit(i);
  Relay();
  EXPECT_EQ(recorder_.sent.size(), kRelayBatchesMax);
}

TEST_F(ProposalsTest, WhenFullCheckoutsAreRefusedAndCheckinsStillGoThrough) {
  v1::Command checkout;
  checkout.mutable_request()->mutable_checkout();
  for (size_t i = 0; i <= kPendingCheckoutsMax; ++i) proposals_.Submit(checkout, {}, now_);
  ASSERT_EQ(recorder_.failures.size(), 1u);
  EXPECT_EQ(recorder_.failures[0].second.why(), v1::Failure::OVERLOADED);
  EXPECT_TRUE(recorder_.failures[0].second.certain());
  v1::Command checkin;
  checkin.mutable_request()->mutable_checkin();
  proposals_.Submit(checkin, {}, now_);
  EXPECT_EQ(recorder_.failures.size(), 1u);
}

}  // namespace
}  // namespace triad::server
