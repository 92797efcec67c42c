#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Compaction, TheNextReadySaysWhereTheLogBegins) {
  TestNode node(At(1, MakeLog({1, 1, 1}), /*applied=*/3));
  node->Compact(Index(2));
  Ready ready = node.Take();
  EXPECT_EQ(ready.start, (LogStart{Index(2), Term(1), MakeMembers(3)}));
  EXPECT_NE(ready.write_id, 0u);
  EXPECT_EQ(node->snapshot_index(), Index(2));
  node->Compact(Index(1));
  EXPECT_FALSE(node->HasReady());
}

TEST(Compaction, WhatIsForgottenMustBeApplied) {
  TestNode node(At(1, MakeLog({1, 1, 1}), /*applied=*/1));
  EXPECT_DEATH(node->Compact(Index(2)), "the ledger holds 1");
}

TEST(Compaction, TheMembersOfForgottenEntriesStayInForce) {
  Members renewed = MakeMembers(3);
  renewed.list[2] = {Slot::k3, Incarnation(Slot::k3, 'b'), false};
  std::vector<Entry> log = MakeLog({1, 1, 1});
  log[1] = MembersEntry(2, 1, renewed);
  TestNode node(At(1, log));
  node.Step(AppendFrom(Slot::k2, 1, 3, 1, {}, /*commit=*/3));
  node->Compact(Index(3));
  node.Settle();
  EXPECT_EQ(node->members(), renewed);
  EXPECT_TRUE(node->members_committed());
}

// Leads term 4; its log begins behind 10.
TestNode MakeCompactedLeader() {
  TestNode node(CompactedAt(10, 2, 3));
  node.LeadConfirmed();
  node.TakeMessages();
  return node;
}

TEST(Compaction, AFollowerThatIsTooFarBehindIsToldWithEachHeartbeat) {
  TestNode node = MakeCompactedLeader();
  node.Step(RefusalFrom(Slot::k3, 4, 10, 3, 1));
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k3), IsEmpty()) << "nothing could help it";
  for (int i = 0; i < 3; ++i) {
    node.Tick(5);
    const auto beats = node.TakeSent<AppendRequest>(Slot::k3);
    ASSERT_THAT(beats, SizeIs(1));
    EXPECT_EQ(beats[0].prev_index, Index(10));
    EXPECT_EQ(beats[0].log_start, Index(10));
    node.Step(RefusalFrom(Slot::k3, 4, 10, 3, 1, beats[0].round.value()));
    EXPECT_FALSE(node->HasReady());
  }
  EXPECT_EQ(node->role(), Role::kLeader) << "its refusals are a sign of life";
}

TEST(Compaction, AFollowerThatHasFetchedItsSnapshotIsSentTheRest) {
  TestNode node = MakeCompactedLeader();
  node.Step(RefusalFrom(Slot::k3, 4, 10, 3, 1));
  node.Tick(5);
  node.TakeMessages();
  node.Ack(Slot::k3, 10, 2);
  const auto appends = node.TakeSent<AppendRequest>(Slot::k3);
  ASSERT_THAT(appends, SizeIs(1));
  EXPECT_EQ(appends[0].prev_index, Index(10));
  EXPECT_THAT(appends[0].entries, SizeIs(1));
}

TEST(Compaction, AFollowerWhoseNextEntryIsForgottenMeanwhileNeedsASnapshot) {
  TestNode node(At(1));
  node.LeadConfirmed();
  ASSERT_TRUE(node.Propose(5).ok());
  node.Settle();
  node.Ack(Slot::k2, 6);
  node->Compact(Index(4));
  node.Settle();
  node.TakeMessages();
  node.Step(RefusalFrom(Slot::k3, 2, 0, 0, 0));  // it held nothing of what was sent
  node.Tick(5);
  const auto beats = node.TakeSent<AppendRequest>(Slot::k3);
  ASSERT_THAT(beats, SizeIs(1));
  EXPECT_EQ(beats[0].prev_index, Index(4));
  EXPECT_THAT(beats[0].entries, IsEmpty());
}

Message Told(uint64_t term, uint64_t log_start, uint64_t start_term) {
  Message append = AppendFrom(Slot::k2, term, log_start, start_term);
  std::get<AppendRequest>(append.body).log_start = Index(log_start);
  return append;
}

TEST(Snapshot, ANodeBehindTheLeadersLogIsToldAndGoesOnFromTheJump) {
  TestNode node(At(1, MakeLog({1, 1}), 2));
  Message append = AppendFrom(Slot::k2, 1, 10, 1);
  std::get<AppendRequest>(append.body).log_start = Index(10);
  node.Step(append);
  EXPECT_EQ(node->snapshot_source(), Slot::k2);
  node->InstallSnapshot(Index(12), Term(1), MakeMembers(3));
  Ready ready = node.Take();
  EXPECT_EQ(ready.start, (LogStart{Index(12), Term(1), MakeMembers(3)}));
  node.Release(ready);
  EXPECT_EQ(node->applied_index(), Index(12));
  EXPECT_EQ(node->snapshot_source(), Slot::kNone);
  node.TakeMessages();
  node.Step(AppendFrom(Slot::k2, 1, 12, 1, {MakeEntry(13, 1)}, 13));
  EXPECT_EQ(node.TakeSent<AppendResponse>().at(0).match, Index(13));
  ASSERT_THAT(node.applied(), SizeIs(1));
}

TEST(Snapshot, ARefusalBehindTheStartOfTheLeadersLogOnly) {
  TestNode node(At(1, MakeLog({1, 1}), 2));
  Message append = AppendFrom(Slot::k2, 1, 20, 1);
  std::get<AppendRequest>(append.body).log_start = Index(10);
  node.Step(append);
  EXPECT_EQ(node->snapshot_source(), Slot::kNone) << "the leader can still go back";
  node.Step(Told(1, 10, 1));
  EXPECT_EQ(node->snapshot_source(), Slot::k2);
  node.Step(AppendFrom(Slot::k2, 1, 2, 1));
  EXPECT_EQ(node->snapshot_source(), Slot::kNone) << "an accepted append";
}

TEST(Snapshot, WithoutALeaderThereIsNoSource) {
  TestNode node(At(1, MakeLog({1, 1}), 2));
  node.Step(Told(1, 10, 1));
  node->LinkDown(Slot::k2);
  EXPECT_EQ(node->snapshot_source(), Slot::kNone);
}

TEST(Snapshot, OverAPrefixOfTheLogWhatFollowsStays) {
  // Scylla 248449816b.
  TestNode node(At(1, MakeLog({1, 1, 1, 1}), 1));
  node->InstallSnapshot(Index(2), Term(1), MakeMembers(3));
  EXPECT_EQ(node->last_index(), Index(4));
  EXPECT_EQ(node->commit_index(), Index(2));
  EXPECT_EQ(node->applied_index(), Index(2));
  node.Settle();
  EXPECT_EQ(node.start(), (LogStart{Index(2), Term(1), MakeMembers(3)}));
  EXPECT_THAT(node.stored(), SizeIs(2));
  node.Step(AppendFrom(Slot::k2, 1, 4, 1, {}, 4));
  EXPECT_THAT(TermsOf(node.applied()), SizeIs(2)) << "3 and 4, each once";
}

TEST(Snapshot, OverAnotherHistoryEverythingGoes) {
  Members renewed = MakeMembers(3);
  renewed.list[2] = {Slot::k3, Incarnation(Slot::k3, 'b'), false};
  std::vector<Entry> log = MakeLog({1, 1, 2, 2});
  log[3] = MembersEntry(4, 2, renewed);
  TestNode node(At(2, log, 1));
  node->InstallSnapshot(Index(3), Term(3), MakeMembers(3));
  EXPECT_EQ(node->term(), Term(3)) << "the term cannot be behind the log";
  EXPECT_EQ(node->last_index(), Index(3));
  EXPECT_EQ(node->members(), MakeMembers(3));
  Ready ready = node.Take();
  EXPECT_EQ(ready.hard_state, (HardState{Term(3), Slot::kNone}));
  EXPECT_EQ(ready.start, (LogStart{Index(3), Term(3), MakeMembers(3)}));
  node.Release(ready);
  EXPECT_THAT(node.stored(), IsEmpty());
}

TEST(Snapshot, WritesThatAreUnderWayDoNotMakeTheGoneEntriesDurable) {
  TestNode node(At(1, MakeLog({1}), 1));
  node->Step(AppendFrom(Slot::k2, 1, 1, 1, {MakeEntry(2, 1), MakeEntry(3, 1), MakeEntry(4, 1)}));
  Ready under_way = node.Take();
  node->InstallSnapshot(Index(3), Term(2), MakeMembers(3));
  EXPECT_EQ(node->durable_index(), Index(3));
  node.Release(under_way);
  EXPECT_EQ(node->durable_index(), Index(3));
  node.Settle();
}

TEST(Snapshot, AnAcknowledgementOfTheJumpHangsOnTheLogsNewStart) {
  TestNode node(At(1, MakeLog({1}), 1));
  node->InstallSnapshot(Index(9), Term(1), MakeMembers(3));
  node->Step(AppendFrom(Slot::k2, 1, 9, 1));
  Ready ready = node.Take();
  EXPECT_TRUE(ready.start.has_value());
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  ASSERT_THAT(ready.send_after_write, SizeIs(1));
  EXPECT_EQ(std::get<AppendResponse>(ready.send_after_write[0].body).match, Index(9));
}

TEST(Snapshot, WhoStandsForElectionStopsBecauseItsLogIsAnother) {
  // Votes that it was granted were for a log that ends at 4 of term 2.
  TestNode node(At(2, MakeLog({1, 1, 2, 2}), 1));
  node.Tick(30);
  node.Step({Slot::k2, Slot::k1, Term(3), VoteResponse{true, true}});
  ASSERT_EQ(node->role(), Role::kCandidate);
  node->InstallSnapshot(Index(3), Term(1), MakeMembers(3));
  EXPECT_EQ(node->role(), Role::kFollower);
  node.Step({Slot::k2, Slot::k1, Term(3), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kFollower);
}

TEST(Snapshot, OneInALeadersHandsEndsTheLead) {
  // It was deposed and does not know it: only then can there be a snapshot ahead of it.
  TestNode node(At(1));
  node.LeadConfirmed();
  node->InstallSnapshot(Index(7), Term(5), MakeMembers(3));
  node.Settle();
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->term(), Term(5));
}

TEST(SnapshotDeathTest, ALedgerCannotGoBack) {
  TestNode node(At(1, MakeLog({1, 1, 1}), 3));
  EXPECT_DEATH(node->InstallSnapshot(Index(2), Term(1), MakeMembers(3)), "set the ledger back");
  EXPECT_DEATH(node->InstallSnapshot(Index(3), Term(1), MakeMembers(3)), "set the ledger back");
}

TEST(SnapshotDeathTest, ASnapshotThatContradictsWhatIsCommittedIsFoundOut) {
  TestNode node(At(1, MakeLog({1, 1, 1}), 1));
  node->Step(AppendFrom(Slot::k2, 1, 3, 1, {}, 3));  // committed, and not handed out yet
  EXPECT_DEATH(node->InstallSnapshot(Index(2), Term(3), MakeMembers(3)),
               "another entry than the committed one at 2");
}

TEST(SnapshotDeathTest, NothingMayWaitToBeWritten) {
  TestNode node(At(1));
  node->Step(AppendFrom(Slot::k2, 1, 0, 0, {MakeEntry(1, 1)}));
  EXPECT_DEATH(node->InstallSnapshot(Index(4), Term(1), MakeMembers(3)), "waited to be handed");
}

// --- A log without its ledger

TestNode WithoutLedger() {
  Recovered recovered = CompactedAt(10, 2, 3);
  recovered.entries = {MakeEntry(11, 3), MakeEntry(12, 3)};
  recovered.ledger_missing = true;
  recovered.members = Members();
  return TestNode(MakeConfig(), recovered);
}

TEST(LedgerMissing, NothingIsAppliedAndItDoesNotStandButVotesAndAcknowledges) {
  TestNode node = WithoutLedger();
  node.Tick(200);
  EXPECT_EQ(node->role(), Role::kFollower);
  node.Step(VoteFrom(Slot::k3, 4, 12, 3));
  EXPECT_TRUE(node.TakeSent<VoteResponse>().at(0).granted);
  node.Step(AppendFrom(Slot::k3, 4, 12, 3, {MakeEntry(13, 4)}, 13));
  EXPECT_EQ(node.TakeSent<AppendResponse>().at(0).match, Index(13));
  EXPECT_EQ(node->commit_index(), Index(13));
  EXPECT_THAT(node.applied(), IsEmpty());
}

TEST(LedgerMissing, TheLeaderIsItsSourceAndAfterTheJumpTheRestIsApplied) {
  TestNode node = WithoutLedger();
  EXPECT_EQ(node->snapshot_source(), Slot::kNone);
  node.Step(AppendFrom(Slot::k3, 4, 12, 3, {MakeEntry(13, 4)}, 13));
  EXPECT_EQ(node->snapshot_source(), Slot::k3);
  node->InstallSnapshot(Index(11), Term(3), MakeMembers(3));
  node.Settle();
  EXPECT_EQ(node->snapshot_source(), Slot::kNone);
  ASSERT_THAT(node.applied(), SizeIs(2));
  EXPECT_EQ(node.applied()[0].index, Index(12));
  node.Tick(30);
  EXPECT_EQ(node->role(), Role::kPreCandidate);
}

// Of two nodes that are left one has lost its ledger, so it does not stand, and the other's log is
// shorter, so it is not voted for: what the first one's log has forgotten is known to be committed.
TEST(LedgerMissing, WhereALogBeginsIsCommittedForAnotherThatHoldsThatVeryEntry) {
  TestNode node(At(3, MakeLog({1, 1, 2, 3}), /*applied=*/1));
  node->LearnCommitted(Index(3), Term(1));
  EXPECT_FALSE(node->HasReady()) << "it has another entry there";
  node->LearnCommitted(Index(5), Term(3));
  EXPECT_FALSE(node->HasReady()) << "it has none there";
  node->LearnCommitted(Index(3), Term(2));
  node.Settle();
  EXPECT_THAT(node.applied(), SizeIs(2));
  EXPECT_EQ(node->commit_index(), Index(3));
  node->LearnCommitted(Index(2), Term(1));
  EXPECT_EQ(node->commit_index(), Index(3));
}

TEST(LedgerMissing, ALeaderCommitsByCountingAlone) {
  TestNode node(At(3, MakeLog({1, 1, 2, 3}), /*applied=*/1));
  node.Lead();
  node->LearnCommitted(Index(4), Term(3));
  EXPECT_EQ(node->commit_index(), Index(1));
}

TEST(LedgerMissing, ASnapshotAtTheVeryStartOfTheLogIsEnough) {
  TestNode node = WithoutLedger();
  node->InstallSnapshot(Index(10), Term(2), MakeMembers(3));
  node.Settle();
  EXPECT_EQ(node->last_index(), Index(12));
  EXPECT_EQ(node->applied_index(), Index(10));
  TestNode other = WithoutLedger();
  EXPECT_DEATH(other->InstallSnapshot(Index(9), Term(2), MakeMembers(3)), "set the ledger back");
}

}  // namespace
}  // namespace triad::quorum
