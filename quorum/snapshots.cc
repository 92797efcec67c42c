// The log's beginning moves: compaction, and a ledger that jumped to a snapshot. Fetching snapshots
// is the caller's; the core only says that one is needed.
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "quorum/core_impl.h"

namespace triad::quorum {

void Core::Impl::Compact(Index upto) {
  if (upto <= log.snapshot_index()) return;
  log.CompactTo(upto);
  members_log.CompactTo(upto);
  new_start = LogStart{log.snapshot_index(), log.snapshot_term(), members_log.At(upto)};
}

Slot Core::Impl::SnapshotSource() const {
  const auto* follower = std::get_if<FollowerState>(&state);
  if (follower == nullptr) return Slot::kNone;
  return follower->needs_snapshot || ledger_missing ? follower->leader : Slot::kNone;
}

void Core::Impl::LearnCommitted(Index index, Term term) {
  if (std::holds_alternative<LeaderState>(state)) return;
  if (index <= log.commit_index() || log.TermAt(index) != term) return;
  log.CommitTo(index);
}

void Core::Impl::InstallSnapshot(Index index, Term term, Members members) {
  TRIAD_CHECK(ledger_missing ? index >= log.applied_index() : index > log.applied_index(),
              absl::StrCat("a snapshot at ", index.value(), " would set the ledger back from ",
                           log.applied_index().value()));
  TRIAD_CHECK(members.voters() > 0, "a snapshot knows no members");
  // Who stands for election has told others where its log ends, and the jump may cut that: then
  // their votes are for a log that is no more. (A leader's log is never behind; a leader that was
  // deposed and does not know it may be.)
  if (term > hard_state.term) {
    BecomeFollower(term, Slot::kNone);
  } else if (!std::holds_alternative<FollowerState>(state)) {
    BecomeFollower(hard_state.term, Slot::kNone);
  }
  const bool stays = log.JumpTo(index, term);
  new_start = LogStart{index, term, members};
  members_log.Jump(index, std::move(members), stays);
  ledger_missing = false;
  std::get<FollowerState>(state).needs_snapshot = false;
}

}  // namespace triad::quorum
