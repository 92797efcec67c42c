// Roles and votes: paper 5.2 and 5.4.1, pre-vote (thesis 9.6), and the timers of elections.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "quorum/core_impl.h"

namespace triad::quorum {

void Core::Impl::BecomeFollower(Term new_term, Slot leader) {
  TRIAD_CHECK(new_term >= hard_state.term, "the term was about to go back");
  // Within a term the vote stays, whatever becomes of the role (Redpanda 9ff1818).
  if (new_term > hard_state.term) hard_state = {new_term, Slot::kNone};
  const bool was_leader = std::holds_alternative<LeaderState>(state);
  const bool was_follower = std::holds_alternative<FollowerState>(state);
  if (was_leader) std::get<LeaderState>(state).reads.Lose(reads_done);
  state = FollowerState{leader};
  if (was_leader) {
    election_elapsed = 0;
    DrawElectionTimeout();
  } else if (!was_follower) {
    // It stood for election and was told of a higher term: there is still no leader, so it tries
    // again soon. A follower's timer goes on as it was (paper 5.2: only a leader or a vote given
    // resets it).
    HurryElection(RetrySpread());
  }
}

void Core::Impl::BecomePreCandidate() {
  PreCandidateState next{Votes(members().voters())};
  next.votes.Record(config.self, true);
  state = next;
  AskForVotes(/*pre_vote=*/true, /*leadership_transfer=*/false);
}

void Core::Impl::BecomeCandidate(bool leadership_transfer) {
  TRIAD_CHECK(!std::holds_alternative<LeaderState>(state), "a leader stood for election");
  hard_state = {hard_state.term + 1, config.self};
  state = CandidateState{Votes(members().voters())};
  // A majority is there and willing, so no hurry: two syncs lie ahead. A refusal hurries.
  election_elapsed = 0;
  DrawElectionTimeout();
  AskForVotes(/*pre_vote=*/false, leadership_transfer);
}

void Core::Impl::BecomeLeader() {
  TRIAD_CHECK(std::holds_alternative<CandidateState>(state), "only a candidate can win");
  TRIAD_CHECK(hard_state_durable == hard_state && hard_state.voted_for == config.self,
              "a candidate won by a vote for itself that its own disk may forget");
  LeaderState leader;
  const Index next = log.last_index() + 1;
  ++round;  // above 0, and above all rounds of earlier leads
  for (const Member& member : members().list) {
    if (member.slot == config.self) continue;
    leader.followers.emplace_back(member.slot, next, now_ticks, member.voter, round);
  }
  leader.noop = next;
  log.Append({hard_state.term, next, EntryKind::kNoop, empty_payload});
  for (Index index = log.commit_index() + 1; index <= next; ++index) {
    leader.uncommitted_cost += EntryCost(log.At(index));
  }
  attempts = 0;
  state = std::move(leader);
}

// One more try: ask first whether it could succeed, so that a node that cannot win disturbs nobody.
void Core::Impl::Campaign() {
  election_elapsed = 0;
  if (!MayCampaign()) {
    state = FollowerState{};  // there is no leader, but it is for others to stand
    DrawElectionTimeout();
    return;
  }
  // Nobody can beat a lone voter: it has won as soon as its vote is durable.
  if (IsSoleVoter() && std::holds_alternative<CandidateState>(state)) return;
  ++attempts;
  DrawRetry();
  if (IsSoleVoter()) {
    BecomeCandidate(/*leadership_transfer=*/false);
  } else {
    BecomePreCandidate();
  }
}

bool Core::Impl::MayCampaign() const {
  return IsVoter() && !ledger_missing && !disk_stuck;
}

void Core::Impl::CountOwnVote() {
  if (hard_state_durable != hard_state) return;
  auto& candidate = std::get<CandidateState>(state);
  candidate.votes.Record(config.self, true);
  if (candidate.votes.HasWon()) BecomeLeader();
}

void Core::Impl::HearLeader(Slot leader) {
  TRIAD_CHECK(!std::holds_alternative<LeaderState>(state),
              absl::StrCat("nodes ", ToInt(config.self), " and ", ToInt(leader), " both lead term ",
                           hard_state.term.value(),
                           ": a voter forgot its vote, or two nodes share an identity"));
  if (!std::holds_alternative<FollowerState>(state)) BecomeFollower(hard_state.term, leader);
  auto& follower = std::get<FollowerState>(state);
  TRIAD_CHECK(follower.leader == Slot::kNone || follower.leader == leader,
              absl::StrCat("nodes ", ToInt(follower.leader), " and ", ToInt(leader),
                           " both lead term ", hard_state.term.value(),
                           ": a voter forgot its vote, or two nodes share an identity"));
  follower.leader = leader;
  attempts = 0;
  election_elapsed = 0;
  // After a broken stream the timer was short; this one is heard.
  if (election_timeout < config.election_min_ticks) DrawElectionTimeout();
}

bool Core::Impl::IsInContactWithLeader() const {
  if (std::holds_alternative<LeaderState>(state)) return true;  // check-quorum sees to it
  const auto* follower = std::get_if<FollowerState>(&state);
  return follower != nullptr && follower->leader != Slot::kNone &&
         election_elapsed < config.election_min_ticks;
}

void Core::Impl::DrawElectionTimeout() {
  election_timeout = config.election_min_ticks + Random(config.election_spread_ticks + 1);
}

// How long to wait for the answers to a pre-vote: tens of ms at first, twice that with each
// attempt, at most an ordinary timeout.
void Core::Impl::DrawRetry() {
  const uint32_t wait = config.retry_spread_ticks + 1 + Random(RetrySpread() + 1);
  DrawElectionTimeout();
  election_timeout = std::min(election_timeout, wait);
}

void Core::Impl::HurryElection(uint32_t ticks_max) {
  election_timeout = std::min(election_timeout, election_elapsed + 1 + Random(ticks_max + 1));
}

uint32_t Core::Impl::RetrySpread() const {
  const uint64_t doubled = uint64_t{config.retry_spread_ticks}
                           << std::min<uint32_t>(std::max<uint32_t>(attempts, 1) - 1, 16);
  const uint64_t most = uint64_t{config.election_min_ticks} + config.election_spread_ticks;
  return static_cast<uint32_t>(std::min(doubled, most));
}

void Core::Impl::AskForVotes(bool pre_vote, bool leadership_transfer) {
  const VoteRequest request{pre_vote, leadership_transfer, log.last_index(), log.last_term()};
  for (Slot peer : peers) {
    if (!members().IsVoter(peer)) continue;
    if (pre_vote) {
      SendNow(peer, hard_state.term + 1, request);
    } else {
      SendAfterWrite(peer, hard_state.term, request);
    }
  }
}

// Lower terms and those who disturb a leader were answered in MeetTerms.
void Core::Impl::HandleVoteRequest(const Message& message, const VoteRequest& request) {
  const bool vote_is_free = hard_state.voted_for == message.from ||
                            (hard_state.voted_for == Slot::kNone && KnownLeader() == Slot::kNone);
  const bool may_vote = vote_is_free || (request.pre_vote && message.term > hard_state.term);
  const bool granted = may_vote && log.IsUpToDate(request.last_index, request.last_term);
  if (granted && !request.pre_vote) {
    if (!std::holds_alternative<FollowerState>(state)) BecomeFollower(hard_state.term, Slot::kNone);
    hard_state.voted_for = message.from;
    attempts = 0;
    election_elapsed = 0;
    DrawElectionTimeout();
  }
  if (granted && request.pre_vote) MakeWay(message.from, request);
  const Term answer_term = granted ? message.term : hard_state.term;
  SendAfterWrite(message.from, answer_term, VoteResponse{request.pre_vote, granted});
}

// Two survivors that notice the same silence at once would both be granted their pre-votes and then
// split the vote. So of two that ask, the one with the shorter log, or else the higher slot, stops
// asking; and one that has just granted waits a moment for the vote request. Both only delay an
// attempt by some tens of ms, so a node that asks in vain stops nobody.
void Core::Impl::MakeWay(Slot other, const VoteRequest& request) {
  if (std::holds_alternative<PreCandidateState>(state)) {
    const bool same_log =
        request.last_index == log.last_index() && request.last_term == log.last_term();
    if (same_log && config.self < other) return;
    state = FollowerState{};
    election_elapsed = 0;
    DrawRetry();
  } else if (std::holds_alternative<FollowerState>(state)) {
    election_timeout = std::max(election_timeout, election_elapsed + config.retry_spread_ticks);
  }
}

void Core::Impl::HandleVoteResponse(const Message& message, const VoteResponse& response) {
  if (!members().IsVoter(message.from)) return;
  if (response.pre_vote) {
    auto* pre_candidate = std::get_if<PreCandidateState>(&state);
    if (pre_candidate == nullptr) return;
    if (response.granted && message.term != hard_state.term + 1) return;  // of an older attempt
    pre_candidate->votes.Record(message.from, response.granted);
    if (!response.granted) HurryElection(RetrySpread());
    if (pre_candidate->votes.HasWon()) BecomeCandidate(/*leadership_transfer=*/false);
    return;
  }
  auto* candidate = std::get_if<CandidateState>(&state);
  if (candidate == nullptr) return;
  candidate->votes.Record(message.from, response.granted);
  if (!response.granted) HurryElection(RetrySpread());
  // Our own vote is missing until it is durable; CountOwnVote goes on then.
  if (candidate->votes.HasWon() && hard_state_durable == hard_state) BecomeLeader();
}

void Core::Impl::HandleTimeoutNow(const Message& message) {
  const auto* follower = std::get_if<FollowerState>(&state);
  const bool standing = std::holds_alternative<PreCandidateState>(state);
  if ((follower == nullptr && !standing) || !MayCampaign()) return;
  if (follower != nullptr && follower->leader != Slot::kNone && follower->leader != message.from) {
    return;
  }
  ++attempts;
  BecomeCandidate(/*leadership_transfer=*/true);
}

void Core::Impl::LinkDown(Slot peer) {
  if (!IsPeer(peer)) return;
  if (auto* leader = std::get_if<LeaderState>(&state)) {
    Progress* progress = leader->Find(peer);
    // What was in flight on the stream is lost; nothing gets through before it is dialled again.
    if (progress != nullptr && progress->state() == Progress::State::kReplicate) {
      progress->BecomeProbe(/*paused=*/true);
    }
    return;
  }
  auto* follower = std::get_if<FollowerState>(&state);
  if (follower == nullptr || follower->leader != peer) return;
  follower->leader = Slot::kNone;
  election_elapsed = 0;
  election_timeout = Random(config.retry_spread_ticks + 1);
  if (election_timeout == 0) Campaign();
}

void Core::Impl::StoodStill() {
  attempts = 0;
  BecomeFollower(hard_state.term, Slot::kNone);
  election_elapsed = 0;
  DrawElectionTimeout();
  if (IsSoleVoter()) Campaign();
}

void Core::Impl::SetDiskStuck(bool stuck) {
  if (stuck == disk_stuck) return;
  disk_stuck = stuck;
  if (stuck) {
    // The word to the best of the others needs no disk: its term is durable since this node leads.
    if (const auto* leader = std::get_if<LeaderState>(&state)) {
      const Progress* best = BestSuccessor(*leader);
      if (best != nullptr) SendNow(best->slot(), hard_state.term, TimeoutNow{});
    }
    if (!std::holds_alternative<FollowerState>(state)) BecomeFollower(hard_state.term, Slot::kNone);
    return;
  }
  attempts = 0;
  election_elapsed = 0;
  DrawElectionTimeout();
  if (IsSoleVoter()) Campaign();
}

}  // namespace triad::quorum
