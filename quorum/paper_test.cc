// The rules of the Raft paper (extended version, 2014), one test for each sentence that can be
// tested, quoted with its section. Rules of the dissertation ("thesis") are in core_test.cc, except
// where they replace the paper's: elections begin with a pre-vote (thesis 9.6).
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kElectionMin = 30;  // Config's default; chance is 0 in these tests

// 5.1: "if one server's current term is smaller than the other's, then it updates its current term
// to the larger value"
TEST(Paper51, AFollowerTakesOverAHigherTerm) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 4, 0, 0));
  EXPECT_EQ(node->term(), Term(4));
  EXPECT_EQ(node->leader(), Slot::k2);
}

// 5.1: "If a candidate or leader discovers that its term is out of date, it immediately reverts to
// follower state."
TEST(Paper51, ALeaderThatLearnsOfAHigherTermFollows) {
  TestNode node(At(1));
  node.Lead();
  ASSERT_EQ(node->role(), Role::kLeader);
  node.Step({Slot::k3, Slot::k1, Term(9), AppendResponse{}});
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->term(), Term(9));
}

TEST(Paper51, ACandidateThatLearnsOfAHigherTermFollows) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  ASSERT_EQ(node->role(), Role::kCandidate);
  node.Step({Slot::k3, Slot::k1, Term(9), VoteResponse{false, false}});
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->term(), Term(9));
}

// 5.1: "If a server receives a request with a stale term number, it rejects the request."
TEST(Paper51, RequestsOfAStaleTermAreRejectedWithTheOwnTerm) {
  TestNode node(At(5));
  node.Step(AppendFrom(Slot::k2, 4, 0, 0, {MakeEntry(1, 4)}));
  node.Step(VoteFrom(Slot::k3, 4, 9, 4));
  const std::vector<Message> messages = node.TakeMessages();
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(messages[0].term, Term(5));
  EXPECT_FALSE(std::get<AppendResponse>(messages[0].body).accepted);
  EXPECT_EQ(messages[1].term, Term(5));
  EXPECT_FALSE(std::get<VoteResponse>(messages[1].body).granted);
  EXPECT_EQ(node->last_index(), Index(0));
}

// 5.2: "When servers start up, they begin as followers."
TEST(Paper52, AServerStartsAsAFollower) {
  TestNode node(At(3, MakeLog({1, 3})));
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->leader(), Slot::kNone);
}

// 5.2: "A server remains in follower state as long as it receives valid RPCs from a leader or
// candidate."
TEST(Paper52, AFollowerThatHearsItsLeaderStaysOne) {
  TestNode node(At(1));
  for (int i = 0; i < 20; ++i) {
    node.Tick(kElectionMin - 1);
    node.Step(AppendFrom(Slot::k2, 1, 0, 0));
  }
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->term(), Term(1));
}

// 5.2: "Leaders send periodic heartbeats (AppendEntries RPCs that carry no log entries) to all
// followers in order to maintain their authority."
TEST(Paper52, ALeaderSendsHeartbeatsToAll) {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Ack(Slot::k3, 1);
  node.TakeMessages();
  node.Tick(5);
  for (const Message& message : node.TakeMessages()) {
    EXPECT_THAT(std::get<AppendRequest>(message.body).entries, IsEmpty());
  }
  node.Tick(5);
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k2), SizeIs(1));
  node.Tick(5);
  EXPECT_THAT(node.TakeSent<AppendRequest>(Slot::k3), SizeIs(1));
}

// 5.2: "To begin an election, a follower increments its current term and transitions to candidate
// state. It then votes for itself and issues RequestVote RPCs in parallel to each of the other
// servers in the cluster." Here after a majority said that it could win.
TEST(Paper52, ACandidateRaisesItsTermVotesForItselfAndAsksAll) {
  TestNode node(At(1, MakeLog({1})));
  node.Tick(kElectionMin);
  EXPECT_EQ(node->role(), Role::kPreCandidate);
  EXPECT_EQ(node->term(), Term(1)) << "a pre-vote changes no term";
  EXPECT_THAT(node.TakeSent<VoteRequest>(), SizeIs(2));
  (*node).Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  Ready ready = node.Take();
  EXPECT_EQ(ready.hard_state, (HardState{Term(2), Slot::k1}));
  EXPECT_THAT(node.TakeMessages(), IsEmpty()) << "not before the vote for itself is durable";
  node.Release(ready);
  const std::vector<VoteRequest> asked = node.TakeSent<VoteRequest>();
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_FALSE(asked[0].pre_vote);
  EXPECT_EQ(asked[0].last_index, Index(1));
  EXPECT_EQ(asked[0].last_term, Term(1));
}

// 5.2: "A candidate wins an election if it receives votes from a majority of the servers in the
// full cluster for the same term."
TEST(Paper52, AMajorityOfVotesWins) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  EXPECT_EQ(node->role(), Role::kCandidate) << "its own vote alone is not enough";
  node.Step({Slot::k3, Slot::k1, Term(1), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kCandidate) << "a vote of another term does not count";
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{false, false}});
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kCandidate) << "the first answer of a voter stands";
  node.Step({Slot::k3, Slot::k1, Term(2), VoteResponse{false, true}});
  EXPECT_EQ(node->role(), Role::kLeader);
}

// 5.2: "Each server will vote for at most one candidate in a given term, on a
// first-come-first-served basis"
TEST(Paper52, AServerVotesOnceInATerm) {
  TestNode node(At(1));
  node.Step(VoteFrom(Slot::k2, 2, 0, 0));
  node.Step(VoteFrom(Slot::k3, 2, 0, 0));
  node.Step(VoteFrom(Slot::k2, 2, 0, 0));
  const std::vector<VoteResponse> answers = node.TakeSent<VoteResponse>();
  ASSERT_THAT(answers, SizeIs(3));
  EXPECT_TRUE(answers[0].granted);
  EXPECT_FALSE(answers[1].granted);
  EXPECT_TRUE(answers[2].granted) << "asked again by the same candidate, it says the same";
}

// 5.2 with Figure 2: votedFor is "persistent state on all servers (updated on stable storage before
// responding to RPCs)"
TEST(Paper52, AVoteGivenBeforeARestartStands) {
  TestNode node(At(2, {}, 0, Slot::k2));
  node.Step(VoteFrom(Slot::k3, 2, 9, 2));
  node.Step(VoteFrom(Slot::k2, 2, 9, 2));
  const std::vector<VoteResponse> answers = node.TakeSent<VoteResponse>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_FALSE(answers[0].granted);
  EXPECT_TRUE(answers[1].granted);
}

// 5.2: "Once a candidate wins an election, it becomes leader. It then sends heartbeat messages to
// all of the other servers to establish its authority and prevent new elections."
TEST(Paper52, ANewLeaderSpeaksToAllAtOnce) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  node.TakeMessages();
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{false, true}});
  EXPECT_THAT(node.TakeSent<AppendRequest>(), SizeIs(2));
}

// 5.2: "If the leader's term (included in its RPC) is at least as large as the candidate's current
// term, then the candidate recognizes the leader as legitimate and returns to follower state."
TEST(Paper52, ACandidateRecognisesALeaderOfItsTerm) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  ASSERT_EQ(node->role(), Role::kCandidate);
  node.Step(AppendFrom(Slot::k3, 2, 0, 0));
  EXPECT_EQ(node->role(), Role::kFollower);
  EXPECT_EQ(node->leader(), Slot::k3);
}

// 5.2: "If the term in the RPC is smaller than the candidate's current term, then the candidate
// rejects the RPC and continues in candidate state."
TEST(Paper52, ACandidateRejectsALeaderOfAnOlderTerm) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  node.TakeMessages();
  node.Step(AppendFrom(Slot::k3, 1, 0, 0));
  EXPECT_EQ(node->role(), Role::kCandidate);
  EXPECT_FALSE(node.TakeSent<AppendResponse>().at(0).accepted);
}

// 5.2: "When this happens, each candidate will time out and start a new election by incrementing
// its term and initiating another round of RequestVote RPCs."
TEST(Paper52, ACandidateWithoutAMajorityStandsAgain) {
  TestNode node(At(1));
  node.Tick(kElectionMin);
  node.Step({Slot::k2, Slot::k1, Term(2), VoteResponse{true, true}});
  node.Tick(2 * kElectionMin);
  EXPECT_EQ(node->role(), Role::kPreCandidate);
  node.Step({Slot::k2, Slot::k1, Term(3), VoteResponse{true, true}});
  EXPECT_EQ(node->role(), Role::kCandidate);
  EXPECT_EQ(node->term(), Term(3));
}

// 5.2: "Raft uses randomized election timeouts to ensure that split votes are rare"; "Each
// candidate restarts its randomized election timeout at the start of an election"
TEST(Paper52, ElectionTimeoutsAreDrawnAnew) {
  Config config = MakeConfig();
  std::vector<uint32_t> bounds;
  uint32_t next = 0;
  config.random = [&](uint32_t bound) {
    bounds.push_back(bound);
    return next % bound;
  };
  next = 17;
  Core core(config, WithMembers(At(1)));
  EXPECT_THAT(bounds, ElementsAre(config.election_spread_ticks + 1));
  for (uint32_t i = 0; i + 1 < config.election_min_ticks + 17; ++i) core.Tick();
  EXPECT_EQ(core.role(), Role::kFollower);
  core.Tick();
  EXPECT_EQ(core.role(), Role::kPreCandidate);
  EXPECT_GT(bounds.size(), 1u);
}

// 5.3: "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in
// parallel to each of the other servers to replicate the entry."
TEST(Paper53, ALeaderAppendsAndReplicatesToAll) {
  TestNode node(At(1));
  node.LeadConfirmed();
  node.Ack(Slot::k3, 1);
  node.TakeMessages();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  const std::vector<AppendRequest> sent = node.TakeSent<AppendRequest>();
  ASSERT_THAT(sent, SizeIs(2));
  for (const AppendRequest& append : sent) {
    EXPECT_EQ(append.prev_index, Index(1));
    EXPECT_EQ(append.prev_term, Term(2));
    EXPECT_THAT(TermsOf(append.entries), ElementsAre(2));
  }
}

// 5.3: "A log entry is committed once the leader that created the entry has replicated it on a
// majority of the servers"; "When the entry has been safely replicated [...], the leader applies
// the entry to its state machine"
TEST(Paper53, AnEntryIsCommittedWhenAMajorityHasIt) {
  TestNode node(At(1));
  node.LeadConfirmed();
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  EXPECT_EQ(node->commit_index(), Index(1));
  node.Ack(Slot::k3, 2);
  EXPECT_EQ(node->commit_index(), Index(2));
  EXPECT_THAT(node.applied(), SizeIs(2));
}

// 5.3: "This also commits all preceding entries in the leader's log, including entries created by
// previous leaders."
TEST(Paper53, ACommitCoversAllEntriesBefore) {
  TestNode node(At(2, MakeLog({1, 2})));
  node.LeadConfirmed();
  EXPECT_EQ(node->commit_index(), Index(3));
  EXPECT_THAT(TermsOf(node.applied()), ElementsAre(1, 2, 3));
}

// 5.3: "The leader keeps track of the highest index it knows to be committed, and it includes that
// index in future AppendEntries RPCs (including heartbeats) so that the other servers eventually
// find out."
TEST(Paper53, TheCommitIndexTravelsWithAppends) {
  TestNode node(At(1));
  node.Lead();
  node.Ack(Slot::k2, 1);
  const std::vector<AppendRequest> told = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(told, SizeIs(1)) << "at once: callers may be waiting there";
  EXPECT_EQ(told[0].commit, Index(1));
  EXPECT_THAT(told[0].entries, IsEmpty());
}

// 5.3: "Once a follower learns that a log entry is committed, it applies the entry to its local
// state machine (in log order)."
TEST(Paper53, AFollowerAppliesWhatIsCommittedInLogOrder) {
  TestNode node(At(1));
  node.Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1, 1}), 2));
  EXPECT_THAT(node.applied(), SizeIs(2));
  node.Step(AppendFrom(Slot::k2, 1, 3, 1, {}, 3));
  ASSERT_THAT(node.applied(), SizeIs(3));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(node.applied()[i].index, Index(i + 1));
}

// 5.3: "If the follower does not find an entry in its log with the same index and term, then it
// refuses the new entries."
TEST(Paper53, AFollowerRefusesEntriesWithoutTheOneBefore) {
  TestNode node(At(2, MakeLog({1, 2})));
  node.Step(AppendFrom(Slot::k2, 3, 3, 3, {MakeEntry(4, 3)}));
  node.Step(AppendFrom(Slot::k2, 3, 2, 3, {MakeEntry(3, 3)}));
  const std::vector<AppendResponse> answers = node.TakeSent<AppendResponse>();
  ASSERT_THAT(answers, SizeIs(2));
  EXPECT_FALSE(answers[0].accepted);
  EXPECT_EQ(answers[0].hint_index, Index(2));
  EXPECT_FALSE(answers[1].accepted);
  EXPECT_EQ(node->last_index(), Index(2));
}

// 5.3: "conflicting entries in follower logs will be overwritten with entries from the leader's
// log"; Figure 7's followers a to f and a leader of term 8.
TEST(Paper53, EveryLogOfFigure7BecomesTheLeadersLog) {
  const std::vector<std::vector<Entry>> followers = {
      MakeLog({1, 1, 1, 4, 4, 5, 5, 6, 6}),
      MakeLog({1, 1, 1, 4}),
      MakeLog({1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6}),
      MakeLog({1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7}),
      MakeLog({1, 1, 1, 4, 4, 4, 4}),
      MakeLog({1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}),
  };
  for (const std::vector<Entry>& entries : followers) {
    TestNode leader(At(7, MakeLog({1, 1, 1, 4, 4, 5, 5, 6, 6, 6})), Slot::k2);
    TestNode follower(At(7, entries));
    leader.Tick(kElectionMin);
    // The third node votes, so that this follower cannot prevent it.
    leader.Step({Slot::k3, Slot::k2, Term(8), VoteResponse{true, true}});
    leader.Step({Slot::k3, Slot::k2, Term(8), VoteResponse{false, true}});
    ASSERT_EQ(leader->role(), Role::kLeader);
    for (int exchanges = 0; exchanges < 20; ++exchanges) {
      for (Message& message : leader.TakeMessages()) {
        if (message.to == Slot::k1 && std::holds_alternative<AppendRequest>(message.body)) {
          follower.Step(message);
        }
      }
      for (Message& message : follower.TakeMessages()) {
        if (message.to == Slot::k2) leader.Step(message);
      }
    }
    EXPECT_EQ(TermsOf(follower.stored()), TermsOf(leader.stored()));
    EXPECT_THAT(follower.stored(), SizeIs(11));
  }
}

// 5.3: "If an AppendEntries RPC is received by a follower [...] conflicting index [...] the
// protocol can be optimized to reduce the number of rejected AppendEntries RPCs": one per term.
TEST(Paper53, ARefusalSkipsAWholeTerm) {
  TestNode node(At(5, MakeLog({1, 1, 4, 4, 4, 4, 5, 5})));
  node.Lead();
  node.TakeMessages();
  // The follower has 1 1 2 2 2 2 2 2: it meets the leader's log at 2.
  node.Step(RefusalFrom(Slot::k2, 6, 8, 8, 2));
  const std::vector<AppendRequest> probe = node.TakeSent<AppendRequest>(Slot::k2);
  ASSERT_THAT(probe, SizeIs(1));
  EXPECT_EQ(probe[0].prev_index, Index(2));
}

// 5.3: "A leader never overwrites or deletes entries in its own log; it only appends new entries"
TEST(Paper53, ALeaderOnlyAppends) {
  TestNode node(At(2, MakeLog({1, 2, 2})));
  node.Lead();
  node.Step(RefusalFrom(Slot::k2, 3, 3, 0, 0));
  node.Step(RefusalFrom(Slot::k3, 3, 3, 1, 1));
  ASSERT_TRUE(node.Propose().ok());
  node.Settle();
  EXPECT_THAT(TermsOf(node.stored()), ElementsAre(1, 2, 2, 3, 3));
}

// 5.4.1: "the RPC includes information about the candidate's log, and the voter denies its vote if
// its own log is more up-to-date than that of the candidate."
TEST(Paper541, AVoterWithAMoreUpToDateLogDenies) {
  const struct {
    uint64_t last_index, last_term;
    bool granted;
  } cases[] = {{3, 2, true}, {4, 2, true}, {1, 3, true}, {2, 2, false}, {9, 1, false}};
  for (const bool pre_vote : {false, true}) {
    for (const auto& c : cases) {
      TestNode node(At(3, MakeLog({1, 2, 2})));
      node.Step(VoteFrom(Slot::k2, 4, c.last_index, c.last_term, pre_vote));
      EXPECT_EQ(node.TakeSent<VoteResponse>().at(0).granted, c.granted)
          << c.last_index << "/" << c.last_term << (pre_vote ? " pre-vote" : " vote");
    }
  }
}

// 5.4.2: "Raft never commits log entries from previous terms by counting replicas. Only log entries
// from the leader's current term are committed by counting replicas"
TEST(Paper542, EntriesOfEarlierTermsAreNotCommittedByCounting) {
  TestNode node(At(2, MakeLog({1, 2})));
  node.Lead();
  node.Ack(Slot::k2, 2);
  node.Ack(Slot::k3, 2);
  EXPECT_EQ(node->commit_index(), Index(0)) << "Figure 8 (c): all hold it, and yet it may be lost";
  node.Ack(Slot::k2, 3);
  EXPECT_EQ(node->commit_index(), Index(3)) << "Figure 8 (e)";
}

// 5.5: "Raft RPCs are idempotent [...] if a follower receives an AppendEntries request that
// includes log entries already present in its log, it ignores those entries"
TEST(Paper55, ADoubledAppendChangesNothing) {
  TestNode node(At(1));
  const Message append = AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1, 1, 1}), 1);
  node.Step(append);
  node.Step(AppendFrom(Slot::k2, 1, 0, 0, MakeLog({1}), 1));
  node.Step(append);
  EXPECT_THAT(TermsOf(node.stored()), ElementsAre(1, 1, 1));
  EXPECT_THAT(node.applied(), SizeIs(1));
}

// 6: "servers disregard RequestVote RPCs when they believe a current leader exists. Specifically,
// if a server receives a RequestVote RPC within the minimum election timeout of hearing from a
// current leader, it does not update its term or grant its vote." Refused aloud, not ignored.
TEST(Paper6, WhoHearsALeaderLetsNobodyElseStand) {
  for (const bool pre_vote : {false, true}) {
    TestNode node(At(1));
    node.Step(AppendFrom(Slot::k2, 1, 0, 0));
    node.Tick(kElectionMin - 1);
    node.TakeMessages();
    node.Step(VoteFrom(Slot::k3, 7, 9, 6, pre_vote));
    EXPECT_EQ(node->term(), Term(1));
    const std::vector<Message> messages = node.TakeMessages();
    ASSERT_THAT(messages, SizeIs(1));
    EXPECT_EQ(messages[0].term, Term(1));
    EXPECT_FALSE(std::get<VoteResponse>(messages[0].body).granted);
  }
}

// 8: "each leader commit a blank no-op entry into the log at the start of its term"
TEST(Paper8, ALeaderBeginsItsTermWithANoop) {
  TestNode node(At(2, MakeLog({1})));
  node.Lead();
  ASSERT_THAT(TermsOf(node.stored()), ElementsAre(1, 3));
  EXPECT_EQ(node.stored()[1].kind, EntryKind::kNoop);
  EXPECT_EQ(node.stored()[1].bytes(), 0u);
  EXPECT_FALSE(node->leads_confirmed());
  node.Ack(Slot::k3, 2);
  EXPECT_TRUE(node->leads_confirmed());
}

// 8: "a leader must check whether it has been deposed before processing a read-only request [...]
// by having the leader exchange heartbeat messages with a majority of the cluster before
// responding"
TEST(Paper8, AReadIsAnsweredOnlyAfterAMajorityConfirmedTheLead) {
  TestNode node(At(1));
  node.LeadConfirmed();
  ASSERT_TRUE(node->RequestRead(7).ok());
  node.Settle();
  EXPECT_THAT(node.TakeReads(), IsEmpty());
  const Round round = node.TakeSent<AppendRequest>(Slot::k3).at(0).round;
  node.Ack(Slot::k3, 0, round.value());
  const std::vector<ReadState> reads = node.TakeReads();
  ASSERT_THAT(reads, SizeIs(1));
  EXPECT_EQ(reads[0].id, 7u);
  EXPECT_TRUE(reads[0].confirmed);
  EXPECT_EQ(reads[0].index, Index(1));
}

}  // namespace
}  // namespace triad::quorum
