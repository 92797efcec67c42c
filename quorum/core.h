// The quorum log's protocol: Raft (Ongaro & Ousterhout 2014; thesis = Ongaro's dissertation) for
// a cluster of one or three slots, as one deterministic object. Who votes is in the log itself:
// see members.h.
//
// Not thread-safe: one caller at a time. It has no thread, clock, socket, file or randomness of its
// own: time is the number of Tick() calls, randomness is handed in, and every effect it wants is in
// the Ready that TakeReady() returns. Callbacks were rejected: a callback that fails in the middle
// of a step leaves nobody who knows what state that is.
//
// The order of effects is the caller's duty and is written on the fields of Ready; a caller that
// keeps to it can lose power at any point without breaking a promise.
//
//   node:   Step / Tick / Propose ... -> TakeReady() -> { send_now; write + sync; send_after_write
//   } -> Advance()
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "quorum/members.h"
#include "quorum/message.h"
#include "quorum/types.h"

namespace triad::quorum {

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

struct Config {
  Slot self = Slot::kNone;
  // This node's own. It stands for election only where the members in force name it as a voter.
  std::string incarnation;
  std::vector<Slot> slots;  // of the cluster: whom it may speak to; one or three, `self` among them
  // All in ticks. Silence of the leader is noticed after election_min .. election_min +
  // election_spread (drawn anew for each attempt); a leader that has not heard a majority for
  // election_min steps down.
  uint32_t heartbeat_ticks = 5;
  uint32_t election_min_ticks = 30;
  uint32_t election_spread_ticks = 30;
  // After a broken stream from the leader, or a split vote: 0 .. retry_spread ticks until the next
  // attempt.
  uint32_t retry_spread_ticks = 6;
  // Uniform in [0, bound). The only source of chance.
  std::function<uint32_t(uint32_t bound)> random;
};

// What storage found. `entries` begin at first index `snapshot_index + 1` and are contiguous.
struct Recovered {
  HardState hard_state;
  Index snapshot_index;
  Term snapshot_term;
  std::vector<Entry> entries;
  Index applied;  // what the ledger holds already; committed by definition
  // In force at `applied`: the ledger's, or those of the birth. Changes in `entries` behind it
  // count on top. Empty: not known, so nobody votes yet (a newcomer, until the leader has sent the
  // log).
  Members members;
  // There is no ledger for this log: `applied` means nothing, nothing is handed out and this node
  // does not stand for election until InstallSnapshot. It votes and acknowledges, for its log is
  // whole.
  bool ledger_missing = false;
};

// Identifies a confirmed read: the ledger's state at or after `index` is as new as the moment
// RequestRead was called.
struct ReadState {
  uint64_t id = 0;
  bool confirmed = false;  // false: this node lost the lead; the read must be asked for again
  Index index;
};

// Everything that a step wants done. Fields in the order in which the caller acts on them.
struct Ready {
  // 1. May leave at once, also before the write below is durable: a leader's appends (its own disk
  // works in parallel
  //    with the followers', thesis 10.2.1), pre-vote requests.
  std::vector<Message> send_now;
  // 2. Term and vote, then the log's new start, then entries: written in this order under one id,
  // with one sync behind all. entries[0].index may be at or
  //    below what was written before: the log is cut there first.
  std::optional<HardState> hard_state;
  // Where the log holds `start.index` with `start.term`, what follows it stays; else everything in
  // it goes, and the next entry is start.index + 1.
  std::optional<LogStart> start;
  std::vector<Entry> entries;
  // Names that write; 0 when there is nothing to write. Writes are done in order of their ids; when
  // the sync that covers one has returned, Advance(write_id) says so. Several may be gathered under
  // one sync: Advance the last.
  uint64_t write_id = 0;
  // 3. Leave only after the write named above (or, with write_id 0, every earlier write) is
  // durable: votes, append
  //    responses, vote requests (they carry our own vote).
  std::vector<Message> send_after_write;
  // 4. Committed by a majority and durable here: apply in order. May be handled while the write
  // above is under way. At most kCommittedEntriesMax; if there are more, HasReady() stays true.
  std::vector<Entry> committed;
  // 5. Reads that were confirmed or lost; an answer may be given when `index` is applied.
  std::vector<ReadState> reads;
};

class Core {
 public:
  // Where an accepted proposal stands. It is committed when an entry of this very term is applied
  // at that index, and certainly not when one of another term is.
  struct Position {
    Term term;
    Index first_index;
  };

  Core(Config config, Recovered recovered);
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) noexcept;

  // Takes one message of another voter. Safe with anything: late, doubled, out of order, malformed.
  // What only a broken history can have sent (a second leader in a term, an append that replaces a
  // committed entry) ends the process with a message that names it.
  void Step(Message message);

  // One unit of time has passed.
  void Tick();

  // Appends commands to the leader's log, one entry each, in order. FAILED_PRECONDITION: not the
  // leader, or handing over the lead; RESOURCE_EXHAUSTED: too much is uncommitted (or would be: a
  // batch above kUncommittedBytesMax never fits); INVALID_ARGUMENT: none given, or one is above
  // kEntryBytesMax. In all cases nothing was appended.
  absl::StatusOr<Position> Propose(absl::Span<const std::shared_ptr<const std::string>> payloads);

  // Leader only (FAILED_PRECONDITION otherwise): asks for a confirmed read (thesis 6.4, ReadIndex).
  // The answer comes in Ready::reads under `id`, after a majority has confirmed the lead in a round
  // that began after this call.
  absl::Status RequestRead(uint64_t id);

  // The stream from `peer` broke: if it is the leader, this node's lease on it ends now and an
  // election is near. Call it behind the last message that the stream carried: one that is stepped
  // later is taken for a sign of life and costs a whole election timeout.
  void LinkDown(Slot peer);

  // Hands the lead to `to` (kNone: the voter with the longest log), never to a learner.
  // FAILED_PRECONDITION when not the leader or there is none to hand to. Proposals are refused
  // until it has worked, or for one election timeout.
  absl::Status TransferLeadership(Slot to);

  // The node knows that its disk or its loop stood still longer than an election timeout: a leader
  // gives up the lead, a follower waits a whole timeout anew.
  void StoodStill();

  // This node's own disk hangs (true), or answers again (false). Until it answers a leader has
  // given up the lead, handing it over where it can, and nobody here stands for election; then a
  // whole election timeout is waited anew (quorum-notes B.6).
  void SetDiskStuck(bool stuck);

  // Leader: appends one entry EntryKind::kMembers (see members.h for what it may say and when);
  // `payload` is a v1::LogRecord with a v1::Members. It is in force at once. FAILED_PRECONDITION:
  // not the leader, no entry of its own term is committed yet, another change is not committed yet,
  // the lead is being handed over, or the learner to promote has not caught up. INVALID_ARGUMENT:
  // unreadable, not one allowed step, or it would replace this node itself. RESOURCE_EXHAUSTED as
  // for Propose.
  absl::StatusOr<Position> ProposeMembers(std::shared_ptr<const std::string> payload);
  // In force: by the newest members entry in the log, committed or not.
  const Members& members() const;
  // The entry they came with; for the oldest known ones, one at or behind it.
  Index members_index() const;
  bool members_committed() const;
  // Leader: `peer` holds all that was committed when the newest round of heartbeats began. FALSE
  // for everybody when this node does not lead, or has not committed in its term.
  bool CaughtUp(Slot peer) const;

  // Entries up to `upto` are not needed any more: the ledger holds them durably. They are
  // forgotten, and the next Ready says where the log begins now. Aborts when `upto` is not applied
  // yet; below the log's start it does nothing.
  void Compact(Index upto);
  // The leader whose log begins behind what this node has: a snapshot must be fetched, from it or
  // from anybody. kNone: none is needed, or no leader is known.
  Slot snapshot_source() const;
  // No ledger goes with this log (see Recovered) and none has been installed: one is needed that
  // holds snapshot_index(), of whomever, also while nobody leads. It may be that nobody can lead
  // before: this node does not stand, and perhaps votes for no log that is shorter than its own.
  bool ledger_missing() const;
  // Another node's log begins behind `index`, an entry of `term`: it is committed, for no log
  // forgets what is not. If this log holds that very entry, everything up to there is committed
  // here too, whoever leads, and is handed out; else nothing happens. (A leader counts for itself.)
  void LearnCommitted(Index index, Term term);
  // The ledger is now that of a snapshot at `index` (an entry of `term`), with `members` in force
  // there, and its rows are durable. Entries behind it stay when the log holds that very entry; the
  // next Ready carries `start` and goes on behind it. Call it when every Ready was taken, and only
  // with an index above applied_index() (not below, while the ledger is missing): a ledger that
  // would go back aborts, and so does a snapshot that contradicts what is committed here.
  void InstallSnapshot(Index index, Term term, Members members);

  bool HasReady() const;
  Ready TakeReady();
  // Every write up to and including `write_id` is durable.
  void Advance(uint64_t write_id);

  Slot self() const;
  Role role() const;
  Term term() const;
  Slot leader() const;  // kNone: none known
  Index commit_index() const;
  Index last_index() const;
  Index applied_index() const;   // handed out in Ready::committed, or jumped over by a snapshot
  Index snapshot_index() const;  // where the log in memory begins
  Term snapshot_term() const;
  Index durable_index() const;
  // The leader has committed an entry of its own term (before that it may not answer reads nor
  // propose expiries).
  bool leads_confirmed() const;
  bool transferring() const;
  // Ticks since a voter other than this one was last heard; for status only. 0 for this node.
  uint64_t ticks_since_heard(Slot peer) const;
  Index match_index(Slot peer) const;  // leader only, else 0

  // For tests, after every step: walks through everything and aborts at what cannot be.
  void CheckInvariants() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triad::quorum
