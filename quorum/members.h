// Who votes: the incarnation of each slot that is in force, and how that may change.
//
// There is one kind of change (quorum-notes B.10): a new incarnation takes over slot k, first as a
// learner that receives the log and counts for nothing; when it has caught up it becomes a voter.
//
//     C1 = {A, B, C_old}  ->  C2 = {A, B} and learner C_new  ->  C3 = {A, B, C_new}
//
// A node counts by the newest members entry in its log from the moment it is *appended*, committed
// or not; when that entry is cut away, the one before is in force again. Why that is safe:
//
//   1. Any majority of C1 (two of three) shares a node with the only majority of C2 (A and B), and
//      so does any majority of C3 with that of C2. So neither two leaders in one term nor two
//      histories at one index can come of C1 beside C2, nor of C2 beside C3.
//   2. C1 and C3 have majorities without a common node ({A, C_old} and {B, C_new}). So C3 is
//      proposed only when C2 is committed: then A and B both hold C2 and neither counts C_old any
//      more; and, because C_new has no vote before C3, nobody counts both.
//   3. A leader proposes a change only when an entry of its own term is committed (Ongaro's erratum
//      of 2015 to single-server changes: else changes of two terms could each have a majority of
//      their own) and no other change is uncommitted.
//   4. Votes are kept by slot, and slot C has had two incarnations. A vote for C_old cannot be
//      counted for C_new: whoever stands under C3 stands in a term above that of the entry C3,
//      which is not below the terms that A and B were in when they took C2, and after that neither
//      of them hears C_old. For the same reason a vote that C_old gave and C_new knows nothing of
//      is of a lower term than any in which C_new's vote is counted.
//   5. From the moment C2 is appended a node refuses C_old. The streams see to that (a Hello names
//      its incarnation); the core drops answers to what was sent before the change. A node that is
//      not in its own members (a newcomer) knows too little to refuse anybody of the cluster, and
//      need not: it counts nobody's votes, and no voter can be replaced before it is one itself.
//
// The same holds from {S} to {S, A} (after `recover --accept-loss`): one voter more at a time, so
// old and new majorities always share a node. Of two voters neither is replaced: what the one that
// is left commits alone would stand on a single disk. It follows that a voter lags behind by at
// most one change: the next one needs it.
//
// Plain values and pure functions; not thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "quorum/types.h"

namespace triad::quorum {

struct Member {
  Slot slot = Slot::kNone;
  std::string incarnation;  // 16 bytes
  bool voter = false;
  bool operator==(const Member&) const = default;
};

struct Members {
  std::vector<Member> list;  // in the order of slots; each slot at most once

  const Member* Find(Slot slot) const;
  bool IsVoter(Slot slot) const;
  size_t voters() const;
  // 1 -> 1, 2 -> 2, 3 -> 2.
  size_t Majority() const { return voters() / 2 + 1; }
  bool operator==(const Members&) const = default;
};

// Where a log begins: a durable snapshot holds the effects of everything up to `index`, whose entry
// was of `term`. The members stand here too, although the snapshot has them: should the ledger be
// lost, the log alone must still know whose votes count.
struct LogStart {
  Index index = {};
  Term term = {};
  Members members = {};  // in force at `index`; empty: not known
  bool operator==(const LogStart&) const = default;
};

// The members in the payload of an EntryKind::kMembers entry: a v1::LogRecord whose command is a
// v1::Members. Empty when it is none, or names nobody who votes, or a slot twice.
std::optional<Members> DecodeMembers(absl::string_view payload);

// Whether `next` is one allowed step from `now`: one slot gets a new incarnation as learner, or one
// learner becomes a voter; never one voter where there were two. INVALID_ARGUMENT says what is
// wrong.
absl::Status CheckMembersChange(const Members& now, const Members& next);

// Which members are in force at the end of the log: what the ledger said, and every change in the
// log behind it.
class MembersLog {
 public:
  struct Change {
    Index index;
    Members members;
  };

  // `base` is in force at `index` and came with that entry or one before.
  MembersLog(Index index, Members base) : changes_{{index, std::move(base)}} {}

  const Members& in_force() const { return changes_.back().members; }
  // The entry that brought them; for the oldest known ones, one at or behind it.
  Index index() const { return changes_.back().index; }
  // The oldest known ones are in force: no entry behind them has changed anything.
  bool at_base() const { return changes_.size() == 1; }
  // In force at `index`, which is not before the oldest known.
  const Members& At(Index index) const;

  void Append(Index index, Members members);
  // Entries from `index` on were cut away.
  void TruncateFrom(Index index);
  // Entries up to `index` are committed and forgotten.
  void CompactTo(Index index);
  // The ledger has jumped to `index`, where `members` are in force; later changes stay, or not.
  void Jump(Index index, Members members, bool keep_later);

 private:
  std::vector<Change> changes_;  // Invariant: not empty, indexes grow
};

}  // namespace triad::quorum
