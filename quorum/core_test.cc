// What Core promises beyond the paper: the order of effects in Ready, pre-vote, check-quorum,
// reads, handing over, limits, one voter, lost messages, a log that starts after a compaction.
#include "quorum/core.h"

#include <tuple>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/limits.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kElectionMin = 30;
constexpr uint64_t kHeartbeat = 5;

bool Has(const absl::Status& status, absl::StatusCode code) {
  return status.code() == code;
}

// Leads term 2 with a committed no-op at 1; both followers hold it and are sent at full speed.
TestNode MakeLeader() {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Ack(Slot::k3, 1);
  node.TakeMessages();
  return node;
}

// --- The order of effects

TEST(CoreOrder, AVoteLeavesOnlyAfterItIsWritten) {
  TestNode node(At(1));
  (*node).Step(VoteFrom(Slot::k2, 2, 0, 0));
  Ready ready = node.Take();
  EXPECT_EQ(ready.hard_state, (HardState{Term(2), Slot::k2}));
  EXPECT_NE(ready.write_id, 0u);
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  EXPECT_THAT(ready.send_after_write, SizeIs(1));
}

TEST(CoreOrder, AnAcknowledgementHangsOnTheWriteOfItsEntries) {
  TestNode node(At(1));
  (*node).Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1})));
  Ready ready = node.Take();
  EXPECT_THAT(ready.entries, SizeIs(2));
  EXPECT_THAT(node.TakeMessages(), IsEmpty());
  ASSERT_THAT(ready.send_after_write, SizeIs(1));
  EXPECT_EQ(std::get<AppendResponse>(ready.send_after_write[0].body).match, Index(2));
}

TEST(CoreOrder, AFollowerAcknowledgesWhatItWasSentAndNotItsLastIndex) {
  TestNode node(At(2, MakeLog({1, 1, 1})));
  node.Step(AppendFrom(Slot::k2, 2, 0, 0, MakeLog({1}), /*commit=*/3));
  EXPECT_EQ(node.TakeSent<AppendResponse>().at(0).match, Index(1));
  EXPECT_EQ(node->commit_index(), Index(1)) << "2 and 3 may be another history's";
}

TEST(CoreOrder, ALeaderSendsEntriesWhileItsOwnDiskIsStillWriting) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(3).ok());
  Ready ready = node.Take();
  EXPECT_THAT(ready.entries, SizeIs(3));
  EXPECT_THAT(node.TakeSent<AppendRequest>(), SizeIs(2)) << "thesis 10.2.1";
  EXPECT_THAT(ready.send_after_write, IsEmpty());
}

TEST(CoreOrder, ALeaderCountsItselfOnlyWhenItsWriteIsDone) {
  TestNode node(At(1));
  node.Lead();
  ASSERT_TRUE(node.Propose().ok());
  Ready ready = node.Take();
  AppendResponse ack;
  ack.accepted = true;
  ack.match = Index(2);
  ack.round = Round(1);
  node->Step({Slot::k2, Slot::k1, node->term(), ack});
  EXPECT_EQ(node->commit_index(), Index(1)) << "its own disk has only the no-op";
  node->Advance(ready.write_id);
  EXPECT_EQ(node->commit_index(), Index(2));
}

TEST(CoreOrder, NothingIsAppliedThatIsNotDurableHere) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  Ready ready = node.Take();
  for (Slot from : {Slot::k2, Slot::k3}) {
    AppendResponse ack;
    ack.accepted = true;
    ack.match = Index(2);
    ack.round = Round(1);
    node->Step({from, Slot::k1, node->term(), ack});
  }
  EXPECT_EQ(node->commit_index(), Index(2)) << "the other two are a majority";
  node.Take();
  EXPECT_THAT(node.applied(), SizeIs(1)) << "only the no-op is on this disk";
  node->Advance(ready.write_id);
  node.Settle();
  EXPECT_THAT(node.applied(), SizeIs(2));
}

TEST(CoreOrder, ACandidateIsNotLeaderBeforeItsOwnVoteIsDurable) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node->Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  Ready ready = node.Take();
  node->Step({Slot::k2, Slot::k1, Term(2), VoteResponse{false, true}});
  node->Step({Slot::k3, Slot::k1, Term(2), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kCandidate);
  node->Advance(ready.write_id);
  EXPECT_EQ(node->role(), Role::kLeader);
}

TEST(CoreOrder, AWriteOfAnOlderTermDoesNotCountAsTheVoteOfThisOne) {
  TestNode node(At(1));
  node->Step(VoteFrom(Slot::k2, 2, 0, 0));
  const uint64_t old_write = node.Take().write_id;
  for (uint64_t i = 0; i < kElectionMin; ++i) node->Tick();
  node->Step({Slot::k3, Slot::k1, Term(3), VoteResponse{true, true}});
  const uint64_t own_write = node.Take().write_id;
  node->Step({Slot::k3, Slot::k1, Term(3), VoteResponse{false, true}});
  node->Advance(old_write);
  EXPECT_EQ(node->role(), Role::kCandidate);
  node->Advance(own_write);
  EXPECT_EQ(node->role(), Role::kLeader);
}

TEST(CoreOrder, AnAcknowledgementFromBeforeATruncationCountsForNothing) {
  // etcd's ABA race: this node led term 2, lost it, and leads term 4 with other entries.
  TestNode node(At(3, MakeLog({1, 3})));
  node.Lead();
  ASSERT_EQ(node->term(), Term(4));
  node.Step({Slot::k2, Slot::k1, Term(2), AppendResponse{true, Index(3), {}, {}, Round(1)}});
  EXPECT_EQ(node->commit_index(), Index(0));
  EXPECT_EQ(node->match_index(Slot::k2), Index(0));
}

TEST(CoreOrder, AdvanceMayCoverSeveralWrites) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  node.Take();
  ASSERT_TRUE(node.Propose().ok());
  const uint64_t last = node.Take().write_id;
  EXPECT_EQ(node->durable_index(), Index(1));
  node->Advance(last);
  EXPECT_EQ(node->durable_index(), Index(3));
}

// --- Elections: thesis 9.6 and 6.4

TEST(CoreElection, APreVoteChangesNeitherTermNorVote) {
  TestNode node(At(1));
  node.Step(VoteFrom(Slot::k2, 2, 0, 0, /*pre_vote=*/true));
  const std::vector<Message> messages = node.TakeMessages();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_TRUE(std::get<VoteResponse>(messages[0].body).granted);
  EXPECT_EQ(messages[0].term, Term(2)) << "the requested term";
  EXPECT_EQ(node->term(), Term(1));
  node.Step(VoteFrom(Slot::k3, 2, 0, 0));
  EXPECT_TRUE(node.TakeSent<VoteResponse>().at(0).granted) << "no vote was given before";
}

TEST(CoreElection, APreVoteOfALowerTermIsRefusedAloud) {
  TestNode node(At(8));
  node.Step(VoteFrom(Slot::k2, 3, 9, 2, /*pre_vote=*/true));
  const std::vector<Message> messages = node.TakeMessages();
  ASSERT_THAT(messages, SizeIs(1)) << "silence would leave it there for good (etcd 8501)";
  EXPECT_EQ(messages[0].term, Term(8));
  EXPECT_FALSE(std::get<VoteResponse>(messages[0].body).granted);
}

TEST(CoreElection, APreCandidateTakesOverTheTermOfARefusalAndTriesAgainSoon) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(8), VoteResponse{true, false}});
  EXPECT_EQ(node->term(), Term(8));
  node.TakeMessages();
  node.Tick(2);
  const std::vector<Message> messages = node.TakeMessages();
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(messages[0].term, Term(9));
}

TEST(CoreElection, ALeaderWithAQuorumLetsNobodyStand) {
  TestNode node = MakeLeader();
  node.Step(VoteFrom(Slot::k2, 9, 9, 8));
  EXPECT_EQ(node->role(), Role::kLeader);
  EXPECT_EQ(node->term(), Term(2));
  EXPECT_FALSE(node.TakeSent<VoteResponse>().at(0).granted);
}

TEST(CoreElection, ANodeAtAHigherTermThanItsLeaderBringsItDown) {
  // Else it could never come back: the leader does not take over terms from its vote requests.
  TestNode stuck(At(9));
  stuck.Step(AppendFrom(Slot::k2, 4, 0, 0));
  const std::vector<Message> messages = stuck.TakeMessages();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].term, Term(9));
  TestNode leader = MakeLeader();
  Message answer = messages[0];
  answer.to = Slot::k1;
  answer.from = Slot::k2;
  leader.Step(answer);
  EXPECT_EQ(leader->role(), Role::kFollower);
  EXPECT_EQ(leader->term(), Term(9));
}

TEST(CoreElection, ALeaderThatHearsNoMajorityStepsDownAndKeepsItsVote) {
  TestNode node = MakeLeader();
  node.Tick(kElectionMin - 1);
  EXPECT_EQ(node->role(), Role::kLeader);
  node.Tick();
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->term(), Term(2));
  node.Step(VoteFrom(Slot::k3, 2, 9, 2));
  EXPECT_FALSE(node.TakeSent<VoteResponse>().at(0).granted) << "it voted for itself in this term";
}

TEST(CoreElection, OneFollowerIsEnoughToKeepTheLead) {
  TestNode node = MakeLeader();
  for (int i = 0; i < 10; ++i) {
    node.Tick(kElectionMin - 1);
    node.Ack(Slot::k3, 1);
  }
  EXPECT_EQ(node->role(), Role::kLeader);
}

TEST(CoreElection, PreVotesOfAFollowerThatHearsNothingDoNotKeepTheLead) {
  // Its messages come through, ours do not reach it: it is no support.
  TestNode node = MakeLeader();
  for (uint64_t i = 0; i < kElectionMin; ++i) {
    node.Tick();
    node.Step(VoteFrom(Slot::k2, 3, 1, 2, /*pre_vote=*/true));
  }
  EXPECT_EQ(node->role(), Role::kFollower);
}

TEST(CoreElection, ABrokenStreamOfTheLeaderEndsTheLeaseAndStartsAnElection) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  node.TakeMessages();
  node->LinkDown(Slot::k3);
  EXPECT_EQ(node->leader(), Slot::k2) << "that one does not matter";
  node->LinkDown(Slot::k2);
  node.Settle();
  EXPECT_EQ(node->role(), Role::kPreCandidate) << "chance said 0 ticks";
  node.Step(VoteFrom(Slot::k3, 2, 0, 0, /*pre_vote=*/true));
  EXPECT_TRUE(node.TakeSent<VoteResponse>().at(0).granted);
}

TEST(CoreElection, TheSurvivorsStaggerAfterABrokenStream) {
  Config config = MakeConfig();
  uint32_t retry_spread = 0;
  config.random = [&](uint32_t bound) {
    retry_spread = bound;
    return bound - 1;
  };
  Core core(config, WithMembers(At(1)));
  core.Step(AppendFrom(Slot::k2, 1, 0, 0));
  core.LinkDown(Slot::k2);
  EXPECT_EQ(retry_spread, config.retry_spread_ticks + 1);
  for (uint32_t i = 0; i + 1 < config.retry_spread_ticks; ++i) core.Tick();
  EXPECT_EQ(core.role(), Role::kFollower);
  core.Tick();
  EXPECT_EQ(core.role(), Role::kPreCandidate);
}

TEST(CoreElection, OfTwoThatAskAtOnceTheHigherSlotMakesWay) {
  for (const auto& [self, asker, role] : {std::tuple{Slot::k1, Slot::k3, Role::kPreCandidate},
                                          std::tuple{Slot::k3, Slot::k1, Role::kFollower}}) {
    TestNode node(At(1, MakeLog({1})), self);
    node.Tick(kElectionMin);
    ASSERT_EQ(node->role(), Role::kPreCandidate);
    node.TakeMessages();
    node.Step({asker, self, Term(2), VoteRequest{true, false, Index(1), Term(1)}});
    EXPECT_TRUE(node.TakeSent<VoteResponse>().at(0).granted) << "in any case";
    EXPECT_EQ(node->role(), role);
    node.Tick(10);
    EXPECT_EQ(node->role(), Role::kPreCandidate) << "the other one may have died";
  }
}

TEST(CoreElection, OfTwoThatAskAtOnceTheShorterLogMakesWay) {
  TestNode node(At(1, MakeLog({1})));
  node.Tick(kElectionMin);
  node.Step(VoteFrom(Slot::k3, 2, 2, 1, /*pre_vote=*/true));
  EXPECT_EQ(node->role(), Role::kFollower);
}

TEST(CoreElection, AStreamThatComesBackEndsTheHurry) {
  Config config = MakeConfig();
  config.random = [](uint32_t bound) { return bound - 1; };
  Core core(config, WithMembers(At(1)));
  core.Step(AppendFrom(Slot::k2, 1, 0, 0));
  core.LinkDown(Slot::k2);
  core.Step(AppendFrom(Slot::k2, 1, 0, 0));
  for (uint64_t i = 0; i < kElectionMin; ++i) core.Tick();
  EXPECT_EQ(core.role(), Role::kFollower);
}

TEST(CoreElection, AnElectionWithoutAnswersIsTriedAgainSoonAndThenMoreSlowly) {
  TestNode node(At(1));
  std::vector<uint64_t> at;
  for (uint64_t tick = 1; tick <= 600; ++tick) {
    node.Tick();
    if (!node.TakeSent<VoteRequest>().empty()) at.push_back(tick);
  }
  ASSERT_GT(at.size(), 5u);
  EXPECT_EQ(at[0], kElectionMin);
  EXPECT_LE(at[1] - at[0], 10u) << "tens of milliseconds";
  EXPECT_EQ(node->term(), Term(1)) << "however often it asks";
}

TEST(CoreElection, ACandidateThatKeepsLosingBacksOffToTheOrdinaryTimeout) {
  Config config = MakeConfig();
  config.random = [](uint32_t bound) { return bound - 1; };
  Core core(config, WithMembers(At(1)));
  uint64_t last = 0;
  uint64_t gap = 0;
  for (uint64_t tick = 1; tick <= 2000; ++tick) {
    core.Tick();
    if (!core.HasReady()) continue;
    core.TakeReady();
    core.Step({Slot::k2, Slot::k1, Term(1), VoteResponse{true, false}});
    gap = tick - last;
    last = tick;
  }
  EXPECT_GE(gap, kElectionMin);
  EXPECT_LE(gap, uint64_t{config.election_min_ticks} + config.election_spread_ticks);
}

TEST(CoreElection, ALeaderThatStoodStillGivesUpTheLead) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->RequestRead(1).ok());
  node->StoodStill();
  node.Settle();
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_FALSE(node.TakeReads().at(0).confirmed);
}

TEST(CoreElection, AFollowerThatStoodStillWaitsAWholeTimeout) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  node.Tick(kElectionMin - 1);
  node->StoodStill();
  node.Tick(kElectionMin - 1);
  EXPECT_EQ(node->role(), Role::kFollower);
  node.Tick();
  EXPECT_EQ(node->role(), Role::kPreCandidate);
}

// --- Handing over: thesis 3.10

TEST(CoreTransfer, TheTargetIsToldAtOnceWhenItHasEverything) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->TransferLeadership(Slot::k3).ok());
  node.Settle();
  EXPECT_THAT(node.TakeSent<TimeoutNow>(Slot::k3), SizeIs(1));
  EXPECT_TRUE(node->transferring());
}

TEST(CoreTransfer, TheTargetIsFirstSentWhatItLacks) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose(2).ok());
  ASSERT_TRUE(node->TransferLeadership(Slot::k3).ok());
  node.Settle();
  std::vector<Message> messages = node.TakeMessages();
  EXPECT_THAT(messages, SizeIs(2)) << "entries to both, TimeoutNow to nobody";
  node.Ack(Slot::k3, 3);
  EXPECT_THAT(node.TakeSent<TimeoutNow>(Slot::k3), SizeIs(1));
}

TEST(CoreTransfer, WithoutANameTheLongestLogTakesIt) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  node.Ack(Slot::k3, 2);
  node.TakeMessages();
  ASSERT_TRUE(node->TransferLeadership(Slot::kNone).ok());
  node.Settle();
  EXPECT_THAT(node.TakeSent<TimeoutNow>(Slot::k3), SizeIs(1));
}

TEST(CoreTransfer, ProposalsAreRefusedMeanwhileAndForOneElectionTimeout) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->TransferLeadership(Slot::k3).ok());
  EXPECT_TRUE(Has(node.Propose().status(), absl::StatusCode::kFailedPrecondition));
  for (uint64_t i = 0; i < kElectionMin; ++i) {
    node.Ack(Slot::k2, 1);
    node.Tick();
  }
  EXPECT_FALSE(node->transferring());
  EXPECT_TRUE(node.Propose().ok());
}

TEST(CoreTransfer, ALostWordToTheTargetIsRepeated) {
  TestNode node = MakeLeader();
  ASSERT_TRUE(node->TransferLeadership(Slot::k3).ok());
  node.Settle();
  node.TakeMessages();
  node.Tick(kHeartbeat);
  EXPECT_THAT(node.TakeSent<TimeoutNow>(Slot::k3), SizeIs(1));
}

TEST(CoreTransfer, TheTargetStandsWithoutPreVoteAndIsNotHinderedByTheLease) {
  TestNode target(At(1));
  target.Step(AppendFrom(Slot::k2, 1, 0, 0));
  target.TakeMessages();
  target.Step({Slot::k2, Slot::k1, Term(1), TimeoutNow{}});
  EXPECT_EQ(target->role(), Role::kCandidate);
  EXPECT_TRUE(target.TakeSent<VoteRequest>().at(0).leadership_transfer);

  TestNode voter(At(1));
  voter.Step(AppendFrom(Slot::k2, 1, 0, 0));
  voter.TakeMessages();
  voter.Step(VoteFrom(Slot::k3, 2, 0, 0, false, /*transfer=*/true));
  EXPECT_TRUE(voter.TakeSent<VoteResponse>().at(0).granted);

  TestNode leader = MakeLeader();
  leader.Step(VoteFrom(Slot::k3, 3, 1, 2, false, /*transfer=*/true));
  EXPECT_EQ(leader->role(), Role::kFollower);
  EXPECT_TRUE(leader.TakeSent<VoteResponse>().at(0).granted);
}

TEST(CoreTransfer, OnlyTheLeaderMayTellANodeToStand) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  node.Step({Slot::k3, Slot::k1, Term(1), TimeoutNow{}});
  EXPECT_EQ(node->role(), Role::kFollower);
}

TEST(CoreTransfer, ItNeedsALeadAndSomebodyToTakeIt) {
  TestNode follower(At(1));
  EXPECT_TRUE(Has(follower->TransferLeadership(Slot::k2), absl::StatusCode::kFailedPrecondition));
  TestNode leader = MakeLeader();
  EXPECT_TRUE(Has(leader->TransferLeadership(Slot::k1), absl::StatusCode::kFailedPrecondition));
  TestNode alone({}, Slot::k1, 1);
  ASSERT_EQ(alone->role(), Role::kLeader);
  EXPECT_TRUE(Has(alone->TransferLeadership(Slot::kNone), absl::StatusCode::kFailedPrecondition));
}

// --- A cluster of one

TEST(CoreAlone, ItLeadsWithoutWaitingAndCommitsWhatIsDurable) {
  TestNode node({}, Slot::k1, 1);
  EXPECT_EQ(node->role(), Role::kLeader);
  EXPECT_TRUE(node->leads_confirmed());
  ASSERT_TRUE(node.Propose().ok());
  Ready ready = node.Take();
  EXPECT_EQ(node->commit_index(), Index(1)) << "not before its sync (etcd 14370)";
  node.Release(ready);
  EXPECT_EQ(node->commit_index(), Index(2));
  node.Tick(1000);
  EXPECT_EQ(node->term(), Term(1));
}

TEST(CoreAlone, AReadIsConfirmedAtOnce) {
  TestNode node({}, Slot::k1, 1);
  ASSERT_TRUE(node->RequestRead(3).ok());
  node.Settle();
  EXPECT_TRUE(node.TakeReads().at(0).confirmed);
}

TEST(CoreAlone, AfterStandingStillItLeadsANewTerm) {
  TestNode node({}, Slot::k1, 1);
  node->StoodStill();
  node.Settle();
  EXPECT_EQ(node->role(), Role::kLeader);
  EXPECT_EQ(node->term(), Term(2));
}

TEST(CoreAlone, OnASlowDiskItWaitsForItsOwnVoteInsteadOfAskingForNewTerms) {
  TestNode node({}, Slot::k1, 1);
  node->StoodStill();  // votes for itself in term 2; the write is not done yet
  Ready ready = node.Take();
  for (int i = 0; i < 1000; ++i) node->Tick();
  EXPECT_EQ(node->term(), Term(2));
  node.Release(ready);
  node.Settle();
  EXPECT_EQ(node->role(), Role::kLeader);
}

// --- After a restart

TEST(CoreRestart, OnlyWhatTheLedgerLacksIsApplied) {
  TestNode node(At(1, MakeLog({1, 1, 1}), /*applied=*/2));
  EXPECT_EQ(node->commit_index(), Index(2));
  node.Step(AppendFrom(Slot::k2, 1, 3, 1, {}, 3));
  ASSERT_THAT(node.applied(), SizeIs(1));
  EXPECT_EQ(node.applied()[0].index, Index(3));
}

TEST(CoreRestart, ALogThatStartsAfterACompactionTakesAppends) {
  Recovered recovered = CompactedAt(10, 2, 3);
  recovered.entries = {MakeEntry(11, 3)};
  Config config = MakeConfig();
  Core core(config, recovered);
  core.Step(AppendFrom(Slot::k2, 3, 10, 2, {MakeEntry(11, 3), MakeEntry(12, 3)}, 11));
  core.Step(AppendFrom(Slot::k2, 3, 4, 1, {MakeEntry(5, 1)}, 11));
  Ready ready = core.TakeReady();
  EXPECT_THAT(ready.entries, SizeIs(1));
  ASSERT_THAT(ready.committed, SizeIs(1));
  EXPECT_EQ(ready.committed[0].index, Index(11));
  ASSERT_THAT(ready.send_after_write, SizeIs(2));
  EXPECT_EQ(std::get<AppendResponse>(ready.send_after_write[1].body).match, Index(5))
      << "all below the start of the log is committed, so it matches";
}

TEST(CoreRestart, AFollowerThatNeedsCompactedEntriesIsLeftWaitingWithoutSpinning) {
  TestNode node(CompactedAt(10, 2, 3));
  node.Lead();
  node.Step(RefusalFrom(Slot::k2, 4, 10, 3, 1));
  EXPECT_FALSE(node->HasReady());
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2), IsEmpty());
  node.Tick(kHeartbeat);
  const std::vector<AppendRequest> beats = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(beats, SizeIs(1)) << "it still hears the leader";
  EXPECT_EQ(beats[0].prev_index, Index(10));
  node.Ack(Slot::k2, 10, beats[0].round.value());
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2).at(0).entries, SizeIs(1))
      << "it got there by other means";
}

TEST(CoreRestartDeathTest, ATermBehindTheLogIsFoundOut) {
  EXPECT_DEATH(TestNode(At(1, MakeLog({1, 2}))), "term and vote were lost");
}

TEST(CoreDeathTest, ALeaderThatReplacesCommittedEntriesIsFoundOut) {
  TestNode node(At(1, MakeLog({1, 1}), 2));
  EXPECT_DEATH(node.Step(AppendFrom(Slot::k2, 2, 1, 1, {MakeEntry(2, 2)})),
               "replaces committed entry 2");
  EXPECT_DEATH(node.Step(AppendFrom(Slot::k2, 2, 2, 2)), "another entry than the committed one");
}

TEST(CoreDeathTest, ASecondLeaderInATermIsFoundOut) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  EXPECT_DEATH(node.Step(AppendFrom(Slot::k3, 1, 0, 0)), "both lead term 1");
}

}  // namespace
}  // namespace triad::quorum
