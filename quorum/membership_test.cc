#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// Slot 3 in its second incarnation.
Members Renewed(bool voter) {
  Members members = MakeMembers(3);
  members.list[2] = {Slot::k3, Incarnation(Slot::k3, 'b'), voter};
  return members;
}

// Leads term 2 with a committed no-op at 1, which both others hold.
TestNode MakeLeader() {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Ack(Slot::k3, 1);
  node.TakeMessages();
  return node;
}

bool Has(const absl::Status& status, absl::StatusCode code) {
  return status.code() == code;
}

TEST(Membership, AChangeIsInForceFromTheMomentItIsAppended) {
  TestNode node = MakeLeader();
  const auto position = node->ProposeMembers(EncodeMembers(Renewed(false)));
  ASSERT_TRUE(position.ok()) << position.status();
  EXPECT_EQ(position->first_index, Index(2));
  EXPECT_EQ(node->members(), Renewed(false));
  EXPECT_EQ(node->members_index(), Index(2));
  EXPECT_FALSE(node->members_committed());
  node.Settle();
  ASSERT_THAT(node.stored(), SizeIs(2));
  EXPECT_EQ(node.stored()[1].kind, EntryKind::kMembers);
  node.Ack(Slot::k2, 2, 2);
  EXPECT_TRUE(node->members_committed());
}

TEST(Membership, OnlyALeaderWithACommittedEntryOfItsTermMayChangeThem) {
  TestNode node(At(1));
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(false))).status(),
                  absl::StatusCode::kFailedPrecondition));
  node.Lead();
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(false))).status(),
                  absl::StatusCode::kFailedPrecondition))
      << "Ongaro's erratum";
  node.Ack(Slot::k2, 1);
  EXPECT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
}

TEST(Membership, TheNextChangeWaitsForTheOneBefore) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
  node.Settle();
  node.Ack(Slot::k3, 2, 2);
  ASSERT_TRUE(node->CaughtUp(Slot::k3)) << "that is not what it waits for";
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(true))).status(),
                  absl::StatusCode::kFailedPrecondition))
      << "C1 and C3 have majorities without a common node";
}

// Leads term 2 with C2 committed at 2 by both its voters; slot 3 is the learner.
TestNode MakeLeaderOfTwo() {
  TestNode node = MakeLeader();
  EXPECT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
  node.Settle();
  node.Ack(Slot::k2, 2, 2);
  EXPECT_TRUE(node->members_committed());
  node.TakeMessages();
  return node;
}

TEST(Membership, WhatMayNotBeProposedIsRefusedAndNothingIsAppended) {
  TestNode node = MakeLeader();
  Members itself = MakeMembers(3);
  itself.list[0] = {Slot::k1, Incarnation(Slot::k1, 'b'), false};
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(itself)).status(),
                  absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(true))).status(),
                  absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(Has(node->ProposeMembers(std::make_shared<const std::string>("?")).status(),
                  absl::StatusCode::kInvalidArgument));
  ASSERT_TRUE(node->TransferLeadership(Slot::k2).ok());
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(false))).status(),
                  absl::StatusCode::kFailedPrecondition))
      << "the lead is being handed over";
  EXPECT_EQ(node->last_index(), Index(1));
  EXPECT_EQ(node->members(), MakeMembers(3));
}

TEST(Membership, ANodeOutsideTheClusterCannotBeAdded) {
  TestNode node(WithMembers({}, 1), Slot::k1, 1);
  Members next = MakeMembers(1);
  next.list.push_back({Slot::k2, "x", false});
  EXPECT_TRUE(
      Has(node->ProposeMembers(EncodeMembers(next)).status(), absl::StatusCode::kInvalidArgument));
}

TEST(Membership, FromTheAppendOfC2OnBothOtherVotersAreNeeded) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.Ack(Slot::k3, 3, 2);
  EXPECT_EQ(node->commit_index(), Index(1)) << "a learner's word counts for nothing";
  node.Ack(Slot::k2, 3, 2);
  EXPECT_EQ(node->commit_index(), Index(3));
}

TEST(Membership, WhatTheOldIncarnationAcknowledgedIsNotTheNewOnes) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(3).ok());
  node.Settle();
  const uint64_t old_round = 1;
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(false))).ok());
  node.Settle();
  node.Ack(Slot::k3, 4, old_round);
  EXPECT_EQ(node->match_index(Slot::k3), Index(0)) << "an answer to what C_old was sent";
  node.Ack(Slot::k3, 4, old_round + 1);
  EXPECT_EQ(node->match_index(Slot::k3), Index(4));
}

TEST(Membership, ALearnerIsSentTheLogFromWhereItsOwnEnds) {
  TestNode node = MakeLeaderOfTwo();
  node.Step(RefusalFrom(Slot::k3, 2, 2, 0, 0, 2));
  const auto appends = node.TakeSent<AppendRequest>(Slot::k3);
  ASSERT_THAT(appends, SizeIs(1));
  EXPECT_EQ(appends[0].prev_index, Index(0));
  EXPECT_THAT(appends[0].entries, SizeIs(2));
}

TEST(Membership, ALearnerIsPromotedOnlyWhenItHasCaughtUp) {
  TestNode node = MakeLeaderOfTwo();
  EXPECT_FALSE(node->CaughtUp(Slot::k3));
  EXPECT_TRUE(Has(node->ProposeMembers(EncodeMembers(Renewed(true))).status(),
                  absl::StatusCode::kFailedPrecondition));
  node.Ack(Slot::k3, 2, 2);
  EXPECT_TRUE(node->CaughtUp(Slot::k3)) << "all that was committed when the round began";
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.Ack(Slot::k2, 3, 2);
  EXPECT_TRUE(node->CaughtUp(Slot::k3)) << "the newest entries are always on their way";
  node.Tick(5);
  EXPECT_FALSE(node->CaughtUp(Slot::k3)) << "entry 3 was committed when this round began";
  node.Ack(Slot::k3, 3, 3);
  EXPECT_TRUE(node->CaughtUp(Slot::k3));
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(Renewed(true))).ok());
  node.Settle();
  node.Ack(Slot::k3, 4, 4);
  EXPECT_EQ(node->commit_index(), Index(4)) << "now it counts, and what it holds as well";
}

TEST(Membership, ALearnerKeepsNoLeadAndConfirmsNoRead) {
  TestNode node = MakeLeaderOfTwo();
  ASSERT_TRUE(node->RequestRead(7).ok());
  node.Settle();
  node.Ack(Slot::k3, 2, 3);
  node.Settle();
  EXPECT_THAT(node.TakeReads(), IsEmpty());
  for (int i = 0; i < 30; ++i) {
    node.Tick();
    node.Ack(Slot::k3, 2, 3);
  }
  EXPECT_EQ(node->role(), Role::kFollower) << "slot 2, the only other voter, was silent";
}

TEST(Membership, TheLeadIsNeverHandedToALearner) {
  TestNode node = MakeLeaderOfTwo();
  node.Ack(Slot::k3, 2, 2);
  EXPECT_FALSE(node->TransferLeadership(Slot::k3).ok());
  ASSERT_TRUE(node->TransferLeadership(Slot::kNone).ok());
  node.Settle();
  EXPECT_THAT(node.TakeSent<TimeoutNow>(Slot::k2), SizeIs(1));
}

// What C_new is while C2 is in force.
TestNode MakeLearner() {
  Config config = MakeConfig(Slot::k3);
  config.incarnation = Incarnation(Slot::k3, 'b');
  return TestNode(config, Recovered());
}

Message ToLearner(Message message) {
  message.to = Slot::k3;
  return message;
}

TEST(Learner, ItDoesNotStandButVotesAndAcknowledges) {
  TestNode node = MakeLearner();
  node.Step(ToLearner(AppendFrom(Slot::k1, 2, 0, 0, {MakeEntry(1, 1)})));
  EXPECT_EQ(node.TakeSent<AppendResponse>().at(0).match, Index(1));
  node.Step(ToLearner(AppendFrom(Slot::k1, 2, 1, 1, {MembersEntry(2, 2, Renewed(false))})));
  EXPECT_EQ(node->members(), Renewed(false));
  node.TakeMessages();
  node.Tick(500);
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->leader(), Slot::kNone) << "silent for long";
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  node.Step(ToLearner(VoteFrom(Slot::k2, 3, 2, 2)));
  EXPECT_TRUE(node.TakeSent<VoteResponse>().at(0).granted);
}

TEST(Learner, NeitherABrokenStreamNorAWordOfTheLeaderMakesItStand) {
  TestNode node = MakeLearner();
  node.Step(ToLearner(AppendFrom(Slot::k1, 2, 0, 0, {MembersEntry(1, 2, Renewed(false))})));
  node.TakeMessages();
  node->LinkDown(Slot::k1);
  node.Tick(10);
  node.Step({Slot::k1, Slot::k3, Term(2), TimeoutNow{}});
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
}

TEST(Learner, FromTheAppendOfC3OnItStands) {
  TestNode node = MakeLearner();
  node.Step(ToLearner(AppendFrom(
      Slot::k1, 2, 0, 0, {MembersEntry(1, 2, Renewed(false)), MembersEntry(2, 2, Renewed(true))},
      /*commit=*/1)));
  node.TakeMessages();
  node.Tick(30);
  EXPECT_EQ(node->role(), Role::kPreCandidate);
}

TEST(Learner, AnOldIncarnationThatLearnsOfItsSuccessorStandsNoMore) {
  TestNode node(At(1), Slot::k3);
  node.Step(ToLearner(AppendFrom(Slot::k1, 1, 0, 0, {MembersEntry(1, 1, Renewed(true))})));
  node.TakeMessages();
  node.Tick(500);
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
}

TEST(MembersOfAFollower, ACutRestoresTheOnesBefore) {
  TestNode node(At(2, MakeLog({1}), 1));
  node.Step(AppendFrom(Slot::k2, 2, 1, 1, {MembersEntry(2, 2, Renewed(false))}));
  EXPECT_EQ(node->members(), Renewed(false));
  node.Step(AppendFrom(Slot::k3, 3, 1, 1, {MakeEntry(2, 3)}));
  EXPECT_EQ(node->members(), MakeMembers(3)) << "C2 was never committed";
}

TEST(MembersOfAFollower, AfterARestartThoseInTheLogCountOnTopOfTheLedgers) {
  std::vector<Entry> log = MakeLog({1, 1, 1});
  log[1] = MembersEntry(2, 1, Renewed(false));
  TestNode node(At(1, log, /*applied=*/1));
  EXPECT_EQ(node->members(), Renewed(false));
  EXPECT_EQ(node->members_index(), Index(2));
  EXPECT_FALSE(node->members_committed());
}

TEST(MembersOfACandidate, OnlyVotersInForceAreAskedAndCounted) {
  std::vector<Entry> log = MakeLog({1, 1});
  log[1] = MembersEntry(2, 1, Renewed(false));
  TestNode node(At(1, log));
  node.Tick(30);
  std::vector<Message> asked = node.TakeMessages();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].to, Slot::k2);
  node.Step({Slot::k3, Slot::k1, Term(2), VoteResponse{true, true}});
  EXPECT_EQ(node->role(), Role::kPreCandidate) << "a learner's vote, or its predecessor's";
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  node.Step({Slot::k3, Slot::k1, Term(2), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kCandidate);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kLeader);
}

// After `recover --accept-loss`: one voter, and two slots that nobody fills yet.
TestNode MakeSurvivor() {
  Recovered recovered = At(4, {MembersEntry(1, 4, MakeMembers(1))}, /*applied=*/1);
  recovered.members = MakeMembers(1);
  return TestNode(recovered);
}

TEST(Survivor, ItLeadsAloneAndAsksNobody) {
  TestNode node = MakeSurvivor();
  EXPECT_EQ(node->role(), Role::kLeader);
  EXPECT_TRUE(node->leads_confirmed());
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  node.Tick(100);
  EXPECT_EQ(node->role(), Role::kLeader);
  ASSERT_TRUE(node->RequestRead(1).ok());
  node.Settle();
  EXPECT_TRUE(node.TakeReads().at(0).confirmed);
}

TEST(Survivor, AnswersOfThoseWhoAreNoMembersAreDropped) {
  TestNode node = MakeSurvivor();
  node.Step({Slot::k2, Slot::k1, Term(9), AppendResponse{}});
  EXPECT_EQ(node->term(), Term(5));
  EXPECT_EQ(node->role(), Role::kLeader);
}

TEST(Survivor, ItTakesTheOthersInOneAfterTheOther) {
  TestNode node = MakeSurvivor();
  Members next = MakeMembers(1);
  next.list.push_back({Slot::k2, Incarnation(Slot::k2, 'b'), false});
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(next)).ok());
  node.Settle();
  EXPECT_TRUE(node->members_committed()) << "it is the only voter";
  node.Ack(Slot::k2, node->last_index().value(), 2);
  next.list[1].voter = true;
  ASSERT_TRUE(node->ProposeMembers(EncodeMembers(next)).ok());
  node.Settle();
  EXPECT_FALSE(node->members_committed()) << "of two both are needed";
  node.Ack(Slot::k2, node->last_index().value(), 2);
  EXPECT_TRUE(node->members_committed());
}

TEST(MembersDeathTest, AnEntryThatCannotBeReadIsFoundOut) {
  std::vector<Entry> log = MakeLog({1});
  log[0].kind = EntryKind::kMembers;
  EXPECT_DEATH(TestNode(At(1, log)), "cannot be read");
}

TEST(Members, AnAppendWithMembersThatCannotBeReadIsDropped) {
  TestNode node(At(1));
  Entry entry = MakeEntry(1, 1);
  entry.kind = EntryKind::kMembers;
  node.Step(AppendFrom(Slot::k2, 1, 0, 0, {entry}));
  EXPECT_EQ(node->last_index(), Index(0));
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
}

// --- A disk that hangs: quorum-notes B.6

TEST(DiskStuck, ALeaderHandsTheLeadToTheBestOfTheOthersAndGivesItUp) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  Ready ready = node.Take();
  AppendResponse ack;
  ack.accepted = true;
  ack.match = Index(2);
  ack.round = Round(1);
  node->Step({Slot::k3, Slot::k1, node->term(), ack});
  node.TakeMessages();
  node->SetDiskStuck(true);
  EXPECT_EQ(node->role(), Role::kFollower);
  node.Take();
  EXPECT_THAT(node.TakeSent<TimeoutNow>(Slot::k3), SizeIs(1)) << "and it needs no disk for that";
}

TEST(DiskStuck, NobodyStandsWhileItsOwnDiskHangs) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  node.TakeMessages();
  node->SetDiskStuck(true);
  node.Tick(500);
  node->LinkDown(Slot::k2);
  node.Step({Slot::k2, Slot::k1, Term(1), TimeoutNow{}});
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
}

TEST(DiskStuck, ACandidateGivesUp) {
  TestNode node(At(1));
  node.Tick(30);
  ASSERT_EQ(node->role(), Role::kPreCandidate);
  node->SetDiskStuck(true);
  EXPECT_EQ(node->role(), Role::kFollower);
}

TEST(DiskStuck, WhenItAnswersAWholeTimeoutIsWaitedAnew) {
  TestNode node(At(1));
  node->SetDiskStuck(true);
  node.Tick(29);
  node->SetDiskStuck(false);
  node.Tick(29);
  EXPECT_EQ(node->role(), Role::kFollower) << "LogCabin 200";
  node.Tick();
  EXPECT_EQ(node->role(), Role::kPreCandidate);
}

TEST(DiskStuck, ALoneVoterLeadsAgainWhenItAnswers) {
  TestNode node({}, Slot::k1, 1);
  node->SetDiskStuck(true);
  EXPECT_EQ(node->role(), Role::kFollower);
  node.Tick(200);
  EXPECT_EQ(node->role(), Role::kFollower);
  node->SetDiskStuck(false);
  node.Settle();
  EXPECT_EQ(node->role(), Role::kLeader);
}

}  // namespace
}  // namespace triad::quorum
