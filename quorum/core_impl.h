// The inside of Core, shared by core.cc (inputs, time, Ready), election.cc (roles and votes),
// replication.cc (appends, commit, reads, handing over), membership.cc (changes of members) and
// snapshots.cc (compaction, jumps of the ledger). Nobody else includes it but tests.
//
// Not thread-safe. Two rules keep it honest:
//   - a message that depends on what is written goes to send_after_write_, and the write of the
//     same Ready, or one before it, carries what it depends on;
//   - a leader's appends are made only in TakeReady, from the state of that moment, and a leader
//     exists only in a term that is durable. So nothing that leaves at once can be overtaken by a
//     crash.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "quorum/core.h"
#include "quorum/log.h"
#include "quorum/members.h"
#include "quorum/progress.h"
#include "quorum/reads.h"
#include "quorum/votes.h"

namespace triad::quorum {

struct FollowerState {
  Slot leader = Slot::kNone;
  bool needs_snapshot = false;  // that leader's log begins behind what is held here
};

struct PreCandidateState {
  Votes votes;
};

// Its own vote is counted when it is durable, not before.
struct CandidateState {
  Votes votes;
};

struct LeaderState {
  struct Transfer {
    Slot to = Slot::kNone;
    uint32_t ticks_left = 0;
  };

  std::vector<Progress> followers;  // in the order of slots
  Index noop;                       // the first entry of the term
  Index commit_at_round;            // the commit index when the newest round began
  size_t uncommitted_cost = 0;      // of the entries above the commit index
  uint32_t heartbeat_elapsed = 0;
  Reads reads;
  std::optional<Transfer> transfer;

  Progress* Find(Slot slot);
  const Progress* Find(Slot slot) const;
};

struct Core::Impl {
  Impl(Config config, Recovered recovered);

  // --- core.cc: inputs and outputs
  void Step(Message message);
  void Tick();
  bool HasReady() const;
  Ready TakeReady();
  void Advance(uint64_t done_id);

  bool IsPeer(Slot slot) const;
  const Members& members() const { return members_log.in_force(); }
  size_t Majority() const { return members().Majority(); }
  Slot KnownLeader() const;
  uint32_t Random(uint32_t bound);
  void SendNow(Slot to, Term message_term, decltype(Message::body) body);
  void SendAfterWrite(Slot to, Term message_term, decltype(Message::body) body);
  // Takes over a term seen in `message`, or answers for itself and returns false when the message
  // is of no further use.
  bool MeetTerms(const Message& message);

  // --- election.cc
  void BecomeFollower(Term new_term, Slot leader);
  void BecomePreCandidate();
  void BecomeCandidate(bool leadership_transfer);
  void BecomeLeader();
  void Campaign();
  void CountOwnVote();
  void HearLeader(Slot leader);
  bool IsInContactWithLeader() const;
  void DrawElectionTimeout();
  void DrawRetry();
  void HurryElection(uint32_t ticks_max);
  uint32_t RetrySpread() const;
  void AskForVotes(bool pre_vote, bool leadership_transfer);
  void HandleVoteRequest(const Message& message, const VoteRequest& request);
  void MakeWay(Slot other, const VoteRequest& request);
  void HandleVoteResponse(const Message& message, const VoteResponse& response);
  void HandleTimeoutNow(const Message& message);
  void LinkDown(Slot peer);
  void StoodStill();
  void SetDiskStuck(bool stuck);
  // Whether this node may stand for election at all.
  bool MayCampaign() const;
  // A voter with nobody to wait for: it wins by its own vote.
  bool IsSoleVoter() const { return IsVoter() && members().voters() == 1; }

  // --- membership.cc
  bool IsVoter() const;
  // A members entry that is new in the log is in force.
  void NoteMembers(const Entry& entry);
  absl::StatusOr<Position> ProposeMembers(std::shared_ptr<const std::string> payload);
  absl::Status MayChangeMembers(const LeaderState& leader) const;
  bool CaughtUp(Slot peer) const;
  void FollowMembers(LeaderState& leader, const Members& before);

  // --- invariants.cc
  void CheckInvariants() const;
  void CheckLeader(const LeaderState& leader) const;

  // --- snapshots.cc
  void Compact(Index upto);
  void InstallSnapshot(Index index, Term term, Members members);
  Slot SnapshotSource() const;
  void LearnCommitted(Index index, Term term);

  // --- replication.cc
  absl::StatusOr<Position> Propose(absl::Span<const std::shared_ptr<const std::string>> payloads);
  absl::Status RequestRead(uint64_t id);
  absl::Status TransferLeadership(Slot to);
  // The voter with the longest log among those heard lately.
  const Progress* BestSuccessor(const LeaderState& leader) const;
  void TickLeader(LeaderState& leader);
  void CheckQuorum(const LeaderState& leader);
  void BeginRound(LeaderState& leader);
  void ConfirmReads(LeaderState& leader);
  bool MayBeginReadRound(const LeaderState& leader) const;
  bool OwesMessage(const Progress& progress) const;
  void SendAppends(Progress& progress);
  bool SendEntries(Progress& progress);
  void SendHeartbeat(Progress& progress);
  void SendAppend(const Progress& progress, Index prev, Index commit_known,
                  std::vector<Entry> entries);
  void MaybeCommit(LeaderState& leader);
  bool LeadsConfirmed(const LeaderState& leader) const { return log.commit_index() >= leader.noop; }
  void MaybeHandOver(LeaderState& leader);
  void AcceptEntries(Index prev, std::vector<Entry> entries);
  void HandleAppendRequest(Message& message, AppendRequest& request);
  void HandleAppendResponse(const Message& message, const AppendResponse& response);

  struct HardStateWrite {
    uint64_t write_id = 0;
    HardState hard_state;
  };

  Config config;
  std::vector<Slot> peers;  // the other slots, in order

  HardState hard_state;          // what holds now
  HardState hard_state_handed;   // what storage was given last
  HardState hard_state_durable;  // what it has synced
  std::deque<HardStateWrite> hard_state_writes;
  uint64_t write_id = 0;  // the last one given out

  Log log;
  MembersLog members_log;
  bool ledger_missing = false;
  bool disk_stuck = false;
  std::optional<LogStart> new_start;  // for the next Ready
  std::variant<FollowerState, PreCandidateState, CandidateState, LeaderState> state;
  // Never reset, so that no round is used twice, whatever the terms.
  Round round;

  uint64_t now_ticks = 0;
  uint32_t election_elapsed = 0;
  uint32_t election_timeout = 0;  // drawn anew for each attempt
  uint32_t attempts = 0;          // elections tried since a leader was heard
  std::array<uint64_t, kSlotsMax + 1> heard_at{};
  std::shared_ptr<const std::string> empty_payload;

  std::vector<Message> send_now;
  std::vector<Message> send_after_write;
  std::vector<ReadState> reads_done;
};

}  // namespace triad::quorum
