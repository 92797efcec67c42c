// The log in memory: every entry after the last compaction, and how far each of them has come:
//
//   snapshot <= applied <= min(commit, durable)      durable <= saved <= last      commit <= last
//
// `saved` is what was handed to storage, `durable` what storage has synced, `applied` what was
// handed out to be applied. The log itself writes nothing. Not thread-safe.
//
// A write that is under way when the log is truncated must not make the entries durable that took
// the place of those it carries (Redpanda 2327254): a truncation shortens the writes under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "quorum/limits.h"
#include "quorum/types.h"

namespace triad::quorum {

// What an entry counts against every limit in bytes: empty payloads are not free.
inline size_t EntryCost(const Entry& entry) {
  return entry.bytes() + kEntryOverheadBytes;
}

class Log {
 public:
  // What storage found, see Recovered; all of it is durable. `applied` is committed by definition.
  Log(Index snapshot_index, Term snapshot_term, std::vector<Entry> entries, Index applied);

  Index snapshot_index() const { return snapshot_index_; }
  Term snapshot_term() const { return snapshot_term_; }
  Index last_index() const { return snapshot_index_ + entries_.size(); }
  Term last_term() const { return entries_.empty() ? snapshot_term_ : entries_.back().term; }
  Index commit_index() const { return commit_; }
  Index durable_index() const { return durable_; }
  Index applied_index() const { return applied_; }
  Index saved_index() const { return saved_; }

  // Empty for an index that was compacted away or is beyond the end. The snapshot's own index has
  // a term; so has 0 when nothing was compacted: term 0.
  std::optional<Term> TermAt(Index index) const;
  // snapshot_index() < index <= last_index().
  const Entry& At(Index index) const;

  // "At least as up-to-date" (paper 5.4.1): a candidate whose log ends so may have our vote.
  bool IsUpToDate(Index candidate_index, Term candidate_term) const;

  // The largest index <= `index` whose term is <= `term`: where another log, which is known to
  // have `term` at `index`, could meet this one (paper 5.3, the optimisation at its end). Skips a
  // whole term per exchange. 0 if it lies before what is held.
  Index LastIndexNotAbove(Index index, Term term) const;

  // Leader: appends behind the end.
  void Append(Entry entry);
  // Follower: `entries` follow `prev`, which matches. What is there already stays; from the first
  // true conflict on the log is cut. Never cuts a committed entry: aborts. Returns the first index
  // that is new, behind the end when all were there.
  Index AppendAfter(Index prev, std::vector<Entry> entries);
  // Never goes back; `index` <= last_index().
  void CommitTo(Index index);

  // For an append message: entries from `first` on, at least one if `cost_window` has room for it,
  // then as many as kAppendEntriesMax, kAppendBytesMax and `cost_window` allow. Returns their cost.
  size_t CopyTo(Index first, size_t cost_window, std::vector<Entry>& out) const;

  bool HasUnsaved() const { return saved_ < last_index(); }
  // Hands everything unsaved to storage as part of write `write_id`; ids grow.
  std::vector<Entry> TakeUnsaved(uint64_t write_id);
  // Every write up to `write_id` is synced.
  void WriteDone(uint64_t write_id);

  // Entries up to `index` are forgotten. They are applied: else aborts.
  void CompactTo(Index index);
  // The ledger has jumped to `index`, which is above applied_index(), or not below it when it had
  // nothing. The log begins behind it now; what follows stays if the log holds that entry with that
  // term, else all of it goes. True: it stays. Aborts when something is unsaved, or when a
  // committed entry is another.
  bool JumpTo(Index index, Term term);

  // The order at the top of this file; aborts when it is broken. Cheap.
  void CheckOrder() const;

  bool HasApplicable() const;
  // The next entries that are committed and durable, each exactly once; at most
  // kCommittedEntriesMax of them.
  std::vector<Entry> TakeApplicable();

 private:
  struct Write {
    uint64_t id = 0;
    Index last;  // its last entry that is still in the log
  };

  std::deque<Entry>::const_iterator Position(Index index) const;
  void TruncateFrom(Index index);

  Index snapshot_index_;
  Term snapshot_term_;
  std::deque<Entry> entries_;  // Invariant: entries_[i].index == snapshot_index_ + 1 + i
  Index commit_;
  Index applied_;
  Index saved_;
  Index durable_;
  std::deque<Write> writes_;  // Invariant: ids grow
};

}  // namespace triad::quorum
