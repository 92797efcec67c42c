// Replication through Core: batching, the window, lost messages, heartbeats, the commit index,
// reads and limits.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/limits.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kElectionMin = 30;
constexpr uint64_t kHeartbeat = 5;

TestNode MakeLeader() {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Ack(Slot::k3, 1);
  node.TakeMessages();
  return node;
}

TEST(Replication, ManyProposalsBecomeOneAppendPerFollower) {
  TestNode node = MakeLeader();
  const auto first = node.Propose(200);
  ASSERT_TRUE(node.Propose(56).ok());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->first_index, Index(2));
  EXPECT_EQ(first->term, Term(2));
  node.Settle();
  const std::vector<AppendRequest> sent = node.TakeSent<AppendRequest>();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[0].entries, SizeIs(256));
}

TEST(Replication, AppendsArePipelinedWithoutWaitingForAnswers) {
  TestNode node = MakeLeader();
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(node.Propose().ok());
    node.Settle();
    const std::vector<AppendRequest> sent = node.TakeSent<AppendRequest>(Slot::k2);
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].prev_index, Index(1 + i));
  }
}

TEST(Replication, AFullWindowStopsTheFlowAndAnAnswerOpensIt) {
  TestNode node = MakeLeader();
  for (size_t i = 0; i < kInflightMessagesMax + 5; ++i) {
    ASSERT_TRUE(node.Propose().ok());
    node.Settle();
  }
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2), SizeIs(kInflightMessagesMax));
  EXPECT_FALSE(node->HasReady()) << "a full window must not make the caller spin";
  node.Ack(Slot::k2, 2);
  const std::vector<AppendRequest> sent = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0].entries, SizeIs(5)) << "what waited travels together";
}

TEST(Replication, AnEntryTooBigForTheRestOfTheWindowWaitsWithoutSpinning) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(1, kEntryBytesMax).ok());
  ASSERT_TRUE(node.Propose(1, kEntryBytesMax).ok());
  node.Settle();
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2), SizeIs(1));
  EXPECT_FALSE(node->HasReady());
  node.Ack(Slot::k2, 2);
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2), SizeIs(1));
}

TEST(Replication, AHeartbeatAsksForNothingThatMayBeMissingAndResetsNothing) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(3).ok());
  node.Settle();
  node.TakeMessages();
  node.Tick(kHeartbeat);
  const std::vector<AppendRequest> beats = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_EQ(beats[0].prev_index, Index(1)) << "match, not what is still on the way";
  EXPECT_EQ(beats[0].commit, Index(1));
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  EXPECT_EQ(node.TakeSent<AppendRequest>(Slot::k2).at(0).prev_index, Index(4))
      << "the pipeline goes on";
}

TEST(Replication, TheCommitIndexInAHeartbeatIsNotAboveWhatTheFollowerHolds) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(3).ok());
  node.Settle();
  node.Ack(Slot::k2, 4);
  ASSERT_EQ(node->commit_index(), Index(4));
  node.TakeMessages();
  node.Tick(kHeartbeat);
  EXPECT_EQ(node.TakeSent<AppendRequest>(Slot::k3).at(0).commit, Index(1));
}

TEST(Replication, LostAppendsAreSentAgainAfterAHeartbeat) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(3).ok());
  node.Settle();  // both appends are lost
  node.Tick(kHeartbeat);
  const Round round = node.TakeSent<AppendRequest>(Slot::k2).back().round;
  node.Ack(Slot::k2, 1, round.value());
  const std::vector<AppendRequest> again = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].prev_index, Index(1));
  EXPECT_THAT(again[0].entries, SizeIs(3));
}

TEST(Replication, AGapIsFilledAtOnceWhenTheFollowerRefuses) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();  // lost
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.TakeMessages();
  node.Step(RefusalFrom(Slot::k2, 2, 2, 1, 2));
  const std::vector<AppendRequest> again = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].prev_index, Index(1));
  EXPECT_THAT(again[0].entries, SizeIs(2));
}

TEST(Replication, ALostFirstProbeIsRepeatedByTheHeartbeat) {
  TestNode node(At(1));
  node.Lead();  // the no-op went out and is lost
  node.Tick(kHeartbeat);
  const std::vector<AppendRequest> probe = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(probe, SizeIs(1));
  EXPECT_EQ(probe[0].prev_index, Index(0));
  node.Ack(Slot::k2, 0, probe[0].round.value());
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2).at(0).entries, SizeIs(1));
}

TEST(Replication, ABrokenStreamGivesUpWhatWasInFlight) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(3).ok());
  node.Settle();
  node->LinkDown(Slot::k2);
  node.TakeMessages();
  node.Tick(kHeartbeat);
  const std::vector<AppendRequest> probe = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(probe, SizeIs(1));
  EXPECT_THAT(probe[0].entries, IsEmpty());
  node.Ack(Slot::k2, 1, probe[0].round.value());
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2).at(0).entries, SizeIs(3));
}

TEST(Replication, FollowersHearOfACommitAtOnceWhenNothingElseIsToBeSent) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.TakeMessages();
  node.Ack(Slot::k2, 2);
  for (const Slot slot : {Slot::k2, Slot::k3}) {
    TestNode copy = MakeLeader();
    ASSERT_TRUE(copy.Propose().ok());
    copy.Settle();
    copy.TakeMessages();
    copy.Ack(Slot::k2, 2);
    const std::vector<AppendRequest> told = copy.TakeSent<AppendRequest>(slot);
    ASSERT_THAT(told, SizeIs(1)) << ToInt(slot);
    EXPECT_EQ(told[0].commit, Index(2));
    EXPECT_EQ(told[0].prev_index, Index(2)) << "behind the entry that is on its way there";
  }
  EXPECT_FALSE(node->HasReady());
}

TEST(Replication, ACommitTravelsWithTheNextEntriesIfThereAreSome) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.TakeMessages();
  ASSERT_TRUE(node.Propose().ok());
  node->Step({Slot::k2, Slot::k1, Term(2), AppendResponse{true, Index(2), {}, {}, Round(1)}});
  node.Settle();
  const std::vector<AppendRequest> told = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].commit, Index(2));
  EXPECT_THAT(told[0].entries, SizeIs(1));
}

TEST(Replication, AFollowerCutsItsLogOnlyAtATrueConflict) {
  TestNode node(At(3, MakeLog({1, 2, 2, 2})));
  node.Step(AppendFrom(Slot::k2, 3, 1, 1, {MakeEntry(2, 2), MakeEntry(3, 3)}));
  EXPECT_EQ(TermsOf(node.stored()), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(node.TakeSent<AppendResponse>().at(0).match, Index(3));
}

// --- Reads

TEST(Reads, AreHeldUntilAnEntryOfTheTermIsCommitted) {
  TestNode node(At(1, MakeLog({1})));
  node.Lead();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Tick(kHeartbeat);
  const Round early = node.TakeSent<AppendRequest>(Slot::k2).at(0).round;
  node.Ack(Slot::k2, 1, early.value());
  EXPECT_THAT(node.TakeReads(), IsEmpty()) << "the commit index may be behind an older leader's";
  node.Ack(Slot::k2, 2, early.value());
  EXPECT_THAT(node.TakeReads(), IsEmpty()) << "that round began before the index was known";
  node.Ack(Slot::k2, 2, early.value() + 1);
  ASSERT_TRUE(node->leads_confirmed());
  EXPECT_EQ(node.TakeReads().at(0).index, Index(2));
}

TEST(Reads, AnAnswerToARoundBegunBeforeTheRequestDoesNotConfirmIt) {
  TestNode node = MakeLeader();
  node.Tick(kHeartbeat);
  const Round before = node.TakeSent<AppendRequest>(Slot::k2).at(0).round;
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  const Round after = node.TakeSent<AppendRequest>(Slot::k2).at(0).round;
  EXPECT_GT(after, before);
  node.Ack(Slot::k2, 1, before.value());
  EXPECT_THAT(node.TakeReads(), IsEmpty());
  node.Ack(Slot::k2, 1, after.value());
  EXPECT_THAT(node.TakeReads(), SizeIs(1));
}

TEST(Reads, ThatComeWhileARoundIsUnderWayShareTheNext) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  const Round first = node.TakeSent<AppendRequest>(Slot::k2).at(0).round;
  ASSERT_TRUE(node->RequestRead(2).ok());
  ASSERT_TRUE(node->RequestRead(3).ok());
  node.Settle();
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  node.Ack(Slot::k2, 1, first.value());
  EXPECT_THAT(node.TakeReads(), SizeIs(1));
  const Round second = node.TakeSent<AppendRequest>(Slot::k2).at(0).round;
  node.Ack(Slot::k3, 1, second.value());
  EXPECT_THAT(node.TakeReads(), SizeIs(2));
}

TEST(Reads, ALostRoundIsMadeUpForByTheHeartbeat) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  node.TakeMessages();
  node.Tick(kHeartbeat);
  node.Ack(Slot::k3, 1, node.TakeSent<AppendRequest>(Slot::k3).at(0).round.value());
  EXPECT_THAT(node.TakeReads(), SizeIs(1));
}

TEST(Reads, ARefusalConfirmsTheLeadAsWell) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  const Round round = node.TakeSent<AppendRequest>(Slot::k2).at(0).round;
  node.Step(RefusalFrom(Slot::k2, 2, 1, 0, 0, round.value()));
  EXPECT_THAT(node.TakeReads(), SizeIs(1));
}

TEST(Reads, AreLostWithTheLead) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  ASSERT_TRUE(node->RequestRead(2).ok());
  node.Step(AppendFrom(Slot::k2, 9, 0, 0));
  const std::vector<ReadState> reads = node.TakeReads();
  ASSERT_THAT(reads, SizeIs(2));
  EXPECT_FALSE(reads[0].confirmed);
  EXPECT_FALSE(reads[1].confirmed);
  EXPECT_EQ(node->RequestRead(3).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Reads, AnAnswerToAnOlderTermsAppendConfirmsNothing) {
  // Its round is 0: rounds of another term mean nothing in this one.
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  node.Step({Slot::k2, Slot::k1, Term(2), AppendResponse{}});
  EXPECT_THAT(node.TakeReads(), IsEmpty());
}

TEST(Reads, AreRefusedAboveTheLimit) {
  TestNode node = MakeLeader();
  for (uint64_t i = 0; i < kReadsPendingMax; ++i) ASSERT_TRUE(node->RequestRead(i).ok());
  EXPECT_EQ(node->RequestRead(0).code(), absl::StatusCode::kResourceExhausted);
}

// --- Limits

TEST(Limits, AProposalAboveTheEntryLimitIsRefusedAsAWhole) {
  TestNode node = MakeLeader();
  EXPECT_EQ(node.Propose(1, kEntryBytesMax + 1).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(node->last_index(), Index(1));
  EXPECT_TRUE(node.Propose(1, kEntryBytesMax).ok());
}

TEST(Limits, ProposalsAreRefusedWhileTooMuchIsUncommitted) {
  TestNode node = MakeLeader();
  size_t accepted = 0;
  while (node.Propose(1, kEntryBytesMax).ok()) ++accepted;
  EXPECT_EQ(accepted, kUncommittedBytesMax / (kEntryBytesMax + kEntryOverheadBytes));
  EXPECT_EQ(node.Propose(1, kEntryBytesMax).status().code(), absl::StatusCode::kResourceExhausted);
  node.Settle();
  node.Ack(Slot::k2, 2);
  EXPECT_TRUE(node.Propose(1, kEntryBytesMax).ok());
}

TEST(Limits, OnlyALeaderTakesProposals) {
  TestNode node(At(1));
  EXPECT_EQ(node.Propose().status().code(), absl::StatusCode::kFailedPrecondition);
}

// --- Messages of a node that is wrong

TEST(Wrong, MessagesThatCannotBeReadAreDropped) {
  TestNode node(At(1));
  Message gap = AppendFrom(Slot::k2, 1, 0, 0, {MakeEntry(2, 1)});
  Message null = AppendFrom(Slot::k2, 1, 0, 0, {Entry{Term(1), Index(1), EntryKind::kCommand, {}}});
  Message future_term = AppendFrom(Slot::k2, 1, 0, 0, {MakeEntry(1, 2)});
  Message falling = AppendFrom(Slot::k2, 3, 0, 0, {MakeEntry(1, 2), MakeEntry(2, 1)});
  Message huge = AppendFrom(Slot::k2, kNumberMax + 1, 0, 0);
  Message stranger = AppendFrom(Slot::k1, 1, 0, 0);
  Message misled = AppendFrom(Slot::k2, 1, 0, 0);
  misled.to = Slot::k3;
  for (const Message& message : {gap, null, future_term, falling, huge, stranger, misled}) {
    node.Step(message);
  }
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  EXPECT_EQ(node->term(), Term(1));
  EXPECT_EQ(node->last_index(), Index(0));
}

TEST(Wrong, AnAcknowledgementOfEntriesThatNeverWereIsDropped) {
  TestNode node = MakeLeader();
  node.Ack(Slot::k2, 100);
  node.Ack(Slot::k2, 1, /*round=*/99);
  EXPECT_EQ(node->match_index(Slot::k2), Index(1));
  EXPECT_EQ(node->commit_index(), Index(1));
}

TEST(Wrong, ALateRefusalDoesNotDisturbThePipeline) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(2).ok());
  node.Settle();
  node.Ack(Slot::k2, 3);
  node.TakeMessages();
  node.Step(RefusalFrom(Slot::k2, 2, 3, 0, 0));
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2), IsEmpty());
  EXPECT_EQ(node->match_index(Slot::k2), Index(3));
}

TEST(Status, TicksSinceAVoterWasHeardCountEveryMessage) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  node.Tick(kElectionMin / 2);
  EXPECT_EQ(node->ticks_since_heard(Slot::k2), kElectionMin / 2);
  node.Step(VoteFrom(Slot::k2, 2, 0, 0, true));
  EXPECT_EQ(node->ticks_since_heard(Slot::k2), 0u);
  EXPECT_EQ(node->ticks_since_heard(Slot::k1), 0u);
}

}  // namespace
}  // namespace triad::quorum
