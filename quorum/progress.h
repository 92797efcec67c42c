// What a leader knows about one follower: how far its log is known to match, what is on the way,
// and whether to go carefully (probe) or at full speed (replicate). After etcd's tracker.
//
//   probe      where the logs meet is unknown: one append at a time, then wait for its answer; each
//              heartbeat asks again (with no entries), because any message may be lost
//   replicate  they meet: pipelined appends, as many as the window holds
//   snapshot   the follower needs entries that were compacted away. Nothing is sent but heartbeats
//              behind the start of our log: refusing one tells it that it must fetch a snapshot,
//              accepting one tells us that it has.
//
// Not thread-safe. It sends nothing: core asks it what may be sent and tells it what was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "quorum/limits.h"
#include "quorum/types.h"

namespace triad::quorum {

class Progress {
 public:
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };

  // `next`: the first guess, one after the leader's own last entry. `now` in ticks. `since`: the
  // first round that this follower is asked to answer.
  Progress(Slot slot, Index next, uint64_t now, bool is_voter = true, Round since = Round());

  Slot slot() const { return slot_; }
  // A learner receives the log but its answers count for nothing: neither commits, nor reads, nor
  // the lead itself.
  bool is_voter() const { return is_voter_; }
  void BecomeVoter() { is_voter_ = true; }
  Round since() const { return since_; }
  State state() const { return state_; }
  Index match() const { return match_; }
  Index next() const { return next_; }
  Round round() const { return round_; }
  // When it last answered an append of this term, in ticks; until then when the lead began.
  uint64_t heard_at() const { return heard_at_; }
  size_t inflight_count() const { return inflight_count_; }

  // Whether an append with entries may leave, and the cost its entries may have.
  bool MaySendEntries() const;
  size_t CostWindow() const;
  // An append with entries from next() to `last` left as part of `round`.
  void SentEntries(Index last, size_t cost, Round round, uint64_t now);

  // The follower answered an append of this term that left in `round` or later.
  void Heard(Round round, uint64_t now);
  // It holds everything up to `match`, durably.
  void Accepted(Index match, Index snapshot_index, uint64_t now);
  // It refused an append behind `prev`. True if that is news: then it is probed, at the latest
  // behind `meet` (where the logs could meet), and never below match() + 1.
  bool Refused(Index prev, Index meet);
  // Whether an answer to an append of `round` proves that what is in flight was lost: it was sent
  // after that, and nothing moved for `patience_ticks`. Streams keep their order and a follower
  // its order of writes, so it is proof there; on a network that reorders it costs a resend.
  bool HasLostInflight(Round round, uint64_t now, uint64_t patience_ticks) const;

  // What was in flight is given up; probing begins behind match(). `paused`: not before the next
  // heartbeat, because nothing gets through now.
  void BecomeProbe(bool paused);
  void BecomeSnapshot();

  // The commit index that this follower will have when it has all that was sent.
  Index commit_sent() const { return commit_sent_; }
  void SentCommit(Index commit);

  // Set at the start of a round, cleared by any append that leaves.
  bool owes_heartbeat = false;

 private:
  struct InFlight {
    Index last;
    size_t cost = 0;
    Round round;
  };

  void BecomeReplicate();
  void ClearInflight();

  Slot slot_;
  bool is_voter_;
  Round since_;
  State state_ = State::kProbe;
  bool probe_sent_ = false;
  Index match_;
  Index next_;  // Invariant: next_ > match_
  Index commit_sent_;
  Round round_;  // the highest that it answered
  uint64_t heard_at_;
  uint64_t moved_at_;  // when match_ last grew or the window last began to fill

  // A ring, so that the hot path allocates nothing.
  std::array<InFlight, kInflightMessagesMax> inflight_;
  size_t inflight_begin_ = 0;
  size_t inflight_count_ = 0;
  size_t inflight_cost_ = 0;
};

}  // namespace triad::quorum
