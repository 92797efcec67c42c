// The rules of the Raft paper's Figure 2 and of its sections 5.6, 6 and 7, one test each, in our
// own words; the other sections are in paper_test.cc. Where Triad does it in another way (one
// server at a time instead of joint consensus, snapshots that are fetched), the test says so.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kElectionMin = 30;  // Config's default; chance is 0 in these tests

Members Renewed(bool voter) {
  Members members = MakeMembers(3);
  members.list[2] = {Slot::k3, Incarnation(Slot::k3, 'b'), voter};
  return members;
}

// --- State

// Term, vote and log are on stable storage before a request is answered.
TEST(Figure2State, TheTermIsWrittenBeforeAnAnswerOfItLeaves) {
  TestNode node(At(1));
  node->Step(AppendFrom(Slot::k2, 5, 0, 0, MakeLog({1})));
  Ready ready = node.Take();
  EXPECT_EQ(ready.hard_state, (HardState{Term(5), Slot::kNone}));
  EXPECT_THAT(ready.entries, SizeIs(1));
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  EXPECT_THAT(ready.send_after_write, SizeIs(1));
}

// What is committed is not stored: after a restart a server knows only what it has applied, and
// learns the rest again.
TEST(Figure2State, TheCommitIndexIsLearnedAnew) {
  TestNode node(At(2, MakeLog({1, 1, 2}), /*applied=*/1));
  EXPECT_EQ(node->commit_index(), Index(1));
  node.Step(AppendFrom(Slot::k2, 2, 3, 2, {}, 3));
  EXPECT_EQ(node->commit_index(), Index(3));
}

// The commit index never goes back.
TEST(Figure2State, AnAppendThatKnowsLessDoesNotTakeACommitBack) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1, 1}), 3));
  node.Step(AppendFrom(Slot::k2, 1, 3, 1, {}, 1));
  EXPECT_EQ(node->commit_index(), Index(3));
}

// For each follower a new leader starts behind its own last entry, and knows of nothing that it
// has.
TEST(Figure2State, ANewLeaderBeginsBehindItsOwnLastEntry) {
  TestNode node(At(2, MakeLog({1, 2, 2})));
  for (uint64_t i = 0; i < kElectionMin; ++i) node.Tick();
  node.Step({Slot::k2, Slot::k1, Term(3), VoteResponse{true, true}});
  node.TakeMessages();
  node.Step({Slot::k2, Slot::k1, Term(3), VoteResponse{false, true}});
  EXPECT_EQ(node->match_index(Slot::k2), Index(0));
  const auto first = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].prev_index, Index(3));
  EXPECT_EQ(first[0].prev_term, Term(2));
}

// --- AppendEntries, receiver

// 1: an append of an older term is refused with the receiver's term.
TEST(Figure2Append, AnOlderTermIsRefused) {
  TestNode node(At(5, MakeLog({1})));
  node.Step(AppendFrom(Slot::k2, 4, 1, 1, {MakeEntry(2, 4)}));
  const std::vector<Message> messages = node.TakeMessages();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].term, Term(5));
  EXPECT_FALSE(std::get<AppendResponse>(messages[0].body).accepted);
  EXPECT_EQ(node->last_index(), Index(1));
}

// 2: so is one behind an entry that the receiver does not have with that term.
TEST(Figure2Append, TheEntryBeforeMustBeThereWithThatTerm) {
  TestNode node(At(3, MakeLog({1, 2})));
  node.Step(AppendFrom(Slot::k2, 3, 2, 1, {MakeEntry(3, 3)}));
  EXPECT_FALSE(node.TakeSent<AppendResponse>().at(0).accepted) << "another term";
  node.Step(AppendFrom(Slot::k2, 3, 5, 2, {MakeEntry(6, 3)}));
  EXPECT_FALSE(node.TakeSent<AppendResponse>().at(0).accepted) << "not there";
}

// 3: where an entry conflicts with a new one, it and all behind it go.
TEST(Figure2Append, AConflictCutsTheEntryAndAllThatFollowIt) {
  TestNode node(At(4, MakeLog({1, 2, 2, 2, 3})));
  node.Step(AppendFrom(Slot::k2, 4, 1, 1, {MakeEntry(2, 2), MakeEntry(3, 4)}));
  EXPECT_THAT(TermsOf(node.stored()), ElementsAre(1, 2, 4));
}

// 4: only entries that are not there yet are appended.
TEST(Figure2Append, WhatIsThereIsNotWrittenAgain) {
  TestNode node(At(1, MakeLog({1, 1})));
  node->Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1, 1})));
  Ready ready = node.Take();
  ASSERT_THAT(ready.entries, SizeIs(1));
  EXPECT_EQ(ready.entries[0].index, Index(3));
  node.Release(ready);
}

// 5: the commit index becomes the leader's, but not beyond the last entry of this append.
TEST(Figure2Append, TheCommitIndexFollowsTheLeaderAsFarAsTheAppendReaches) {
  TestNode node(At(1, MakeLog({1, 1, 1})));
  node.Step(AppendFrom(Slot::k2, 1, 1, 1, {MakeEntry(2, 1)}, 9));
  EXPECT_EQ(node->commit_index(), Index(2)) << "the third may be another history's";
  node.Step(AppendFrom(Slot::k2, 1, 2, 1, {MakeEntry(3, 1)}, 2));
  EXPECT_EQ(node->commit_index(), Index(2));
}

// --- RequestVote, receiver

// 1: a candidate of an older term is refused with the receiver's term.
TEST(Figure2Vote, AnOlderTermIsRefused) {
  TestNode node(At(5));
  node.Step(VoteFrom(Slot::k2, 4, 9, 4));
  const std::vector<Message> messages = node.TakeMessages();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].term, Term(5));
  EXPECT_FALSE(std::get<VoteResponse>(messages[0].body).granted);
}

// 2: the vote is free when nobody has it or that very candidate, so a lost answer can be repeated.
TEST(Figure2Vote, TheSameCandidateIsGrantedAgain) {
  TestNode node(At(1));
  for (int i = 0; i < 2; ++i) {
    node.Step(VoteFrom(Slot::k2, 2, 0, 0));
    EXPECT_TRUE(node.TakeSent<VoteResponse>().at(0).granted);
  }
  node.Step(VoteFrom(Slot::k3, 2, 0, 0));
  EXPECT_FALSE(node.TakeSent<VoteResponse>().at(0).granted);
}

// --- Rules for servers

// All: what is committed and not applied is applied, in order, each entry once.
TEST(Figure2Servers, WhatIsCommittedIsAppliedOnceInOrder) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1, 1}), 1));
  node.Step(AppendFrom(Slot::k2, 1, 3, 1, {}, 3));
  node.Step(AppendFrom(Slot::k2, 1, 3, 1, {}, 3));
  ASSERT_THAT(node.applied(), SizeIs(3));
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(node.applied()[i].index, Index(i + 1));
}

// Followers: who neither hears a leader nor gives a vote for a whole timeout stands for election.
// A vote that is given begins the timeout anew, one that is refused does not.
TEST(Figure2Servers, OnlyAVoteThatIsGivenHoldsAnElectionBack) {
  for (const bool given : {true, false}) {
    TestNode node(At(1, MakeLog({1})));
    node.Tick(kElectionMin - 1);
    node.Step(VoteFrom(Slot::k2, 2, given ? 1 : 0, given ? 1 : 0));
    EXPECT_EQ(node.TakeSent<VoteResponse>().at(0).granted, given);
    node.Tick();
    EXPECT_EQ(node->role(), given ? Role::kFollower : Role::kPreCandidate);
  }
}

// Candidates: one vote more than half of the voters is needed, and each counts once.
TEST(Figure2Servers, ADoubledVoteCountsOnceAndARefusalNot) {
  TestNode node(At(1, MakeLog({1})));
  node.Tick(kElectionMin);
  for (int i = 0; i < 2; ++i) {
    node.Step({Slot::k2, Slot::k1, Term(1), VoteResponse{true, false}});
    node.Step({Slot::k3, Slot::k1, Term(1), VoteResponse{true, false}});
  }
  EXPECT_NE(node->role(), Role::kCandidate);
  EXPECT_EQ(node->term(), Term(1));
}

// Leaders: while a follower lacks entries it is sent what follows the last one it is known to have;
// when it refuses, the leader goes back and tries again.
TEST(Figure2Servers, ALeaderGoesBackUntilTheLogsMeetAndThenSendsAll) {
  TestNode node(At(4, MakeLog({1, 1, 2, 3})));
  node.Lead();
  node.Step(RefusalFrom(Slot::k2, 5, 4, 2, 1));
  const auto again = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].prev_index, Index(2));
  EXPECT_THAT(again[0].entries, SizeIs(3));
  node.Ack(Slot::k2, 5);
  EXPECT_EQ(node->match_index(Slot::k2), Index(5));
}

// Leaders: an entry of their own term that a majority holds is committed, and all before it.
TEST(Figure2Servers, AMajorityIsCountedWithTheLeaderItself) {
  TestNode node(At(1));
  node.LeadConfirmed();
  ASSERT_TRUE(node.Propose(2).ok());
  node.Settle();
  EXPECT_EQ(node->commit_index(), Index(1)) << "one of three";
  node.Ack(Slot::k3, 2);
  EXPECT_EQ(node->commit_index(), Index(2));
}

// --- 5.3 and 5.5

// 5.3: a leader sends its entries until every follower has them, also those that are committed.
TEST(Paper53, ALeaderRepeatsALostAppendForEver) {
  TestNode node(At(1));
  node.LeadConfirmed();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.TakeMessages();
  for (int i = 0; i < 20; ++i) {
    node.Tick(5);
    const auto beats = node.TakeSent<AppendRequest>(Slot::k3);
    ASSERT_FALSE(beats.empty());
    node.Ack(Slot::k2, 2, beats.back().round.value());
    node.Ack(Slot::k3, beats.back().prev_index.value(), beats.back().round.value());
    const auto repeated = node.TakeSent<AppendRequest>(Slot::k3);
    if (!repeated.empty()) {
      EXPECT_EQ(repeated.back().prev_index, Index(0));
      EXPECT_THAT(repeated.back().entries, SizeIs(2));
      return;
    }
  }
  FAIL() << "the lost entries were not sent again";
}

// 5.5: who crashes after it did what was asked and before it answered is asked again, and nothing
// happens twice.
TEST(Paper55, AnAppendThatIsRepeatedAfterARestartIsOnlyAcknowledged) {
  TestNode node(At(1, MakeLog({1, 1})));
  node->Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1})));
  Ready ready = node.Take();
  EXPECT_THAT(ready.entries, IsEmpty());
  ASSERT_THAT(ready.send_after_write, SizeIs(1));
  EXPECT_EQ(std::get<AppendResponse>(ready.send_after_write[0].body).match, Index(2));
}

// 5.6: a leader must be able to speak several times within an election timeout.
TEST(Paper56DeathTest, AHeartbeatMustBeShorterThanAnElectionTimeout) {
  Config config = MakeConfig();
  config.heartbeat_ticks = config.election_min_ticks;
  EXPECT_DEATH(Core(config, WithMembers(At(1))), "must be heard within the election timeout");
}

// --- 6: membership; one server at a time (thesis 4) where the paper has joint consensus

// A server goes by the newest configuration in its log, committed or not.
TEST(Paper6, TheNewestMembersInTheLogCountAlsoWhenTheyAreNotCommitted) {
  TestNode node(At(2, MakeLog({1}), 1));
  node.Step(AppendFrom(Slot::k2, 2, 1, 1, {MembersEntry(2, 2, Renewed(false))}, 1));
  EXPECT_EQ(node->members(), Renewed(false));
  EXPECT_FALSE(node->members_committed());
}

// New servers join without a vote, until they have caught up.
TEST(Paper6, ANewServerIsSentTheLogAndNotCounted) {
  TestNode node(At(1));
  node.LeadConfirmed();
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
  node.Settle();
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k3), SizeIs(1));
  node.Ack(Slot::k3, 2, 2);
  EXPECT_FALSE(node->members_committed());
}

// A removed server must not disturb: its requests meet a leader that is heard. (Its streams are
// refused as well.)
TEST(Paper6, ARemovedServerDoesNotEndALead) {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Step(VoteFrom(Slot::k3, 50, 40, 49));
  EXPECT_EQ(node->role(), Role::kLeader);
  EXPECT_EQ(node->term(), Term(2));
}

// --- 7: compaction; snapshots are fetched by who needs them

// Each server compacts on its own, and only what is committed and applied.
TEST(Paper7, AFollowerCompactsWithoutTheLeader) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1, 1}), 2));
  node->Compact(Index(2));
  node.Settle();
  EXPECT_THAT(node.stored(), SizeIs(1));
  EXPECT_DEATH(node->Compact(Index(3)), "the ledger holds 2");
}

// Index and term of the last entry that went are kept: the first append behind it is checked with
// them.
TEST(Paper7, TheEntryBeforeTheLogsStartIsStillKnown) {
  TestNode node(CompactedAt(10, 2, 3));
  node.Step(AppendFrom(Slot::k2, 3, 10, 2, {MakeEntry(11, 3)}));
  EXPECT_TRUE(node.TakeSent<AppendResponse>().at(0).accepted);
}

// The newest configuration up to there is kept as well.
TEST(Paper7, TheMembersOfASnapshotAreInForce) {
  TestNode node(At(1));
  node->InstallSnapshot(Index(5), Term(1), Renewed(true));
  node.Settle();
  EXPECT_EQ(node->members(), Renewed(true));
}

// A follower that lacks what the leader has discarded gets a snapshot instead.
TEST(Paper7, WhoLacksWhatWasDiscardedIsToldSo) {
  TestNode node(At(1, MakeLog({1}), 1));
  Message append = AppendFrom(Slot::k2, 1, 10, 1);
  std::get<AppendRequest>(append.body).log_start = Index(10);
  node.Step(append);
  EXPECT_EQ(node->snapshot_source(), Slot::k2);
}

// Where the snapshot describes a part of the follower's log, what follows it is retained; where the
// log conflicts with it, or does not reach it, all of it goes.
TEST(Paper7, ASnapshotReplacesTheLogAsFarAsItMust) {
  TestNode prefix(At(2, MakeLog({1, 1, 2})));
  prefix->InstallSnapshot(Index(2), Term(1), MakeMembers(3));
  prefix.Settle();
  EXPECT_THAT(TermsOf(prefix.stored()), ElementsAre(2));
  TestNode conflict(At(3, MakeLog({1, 1, 2})));
  conflict->InstallSnapshot(Index(2), Term(3), MakeMembers(3));
  conflict.Settle();
  EXPECT_THAT(conflict.stored(), IsEmpty());
}

// --- 8

// A new leader does not know which entries are committed before one of its own term is.
TEST(Paper8, AReadWaitsForTheFirstEntryOfTheTerm) {
  TestNode node(At(1, MakeLog({1, 1})));
  node.Lead();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  node.Ack(Slot::k2, 2);
  EXPECT_THAT(node.TakeReads(), IsEmpty());
  node.Ack(Slot::k2, 3);
  node.Ack(Slot::k2, 3, 2);
  const auto reads = node.TakeReads();
  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_EQ(reads[0].index, Index(3));
}

}  // namespace
}  // namespace triad::quorum
