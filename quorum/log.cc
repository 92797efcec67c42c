#include "quorum/log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"

namespace triad::quorum {

Log::Log(Index snapshot_index, Term snapshot_term, std::vector<Entry> entries, Index applied)
    : snapshot_index_(snapshot_index),
      snapshot_term_(snapshot_term),
      entries_(std::make_move_iterator(entries.begin()), std::make_move_iterator(entries.end())),
      commit_(applied),
      applied_(applied),
      saved_(last_index()),
      durable_(last_index()) {
  Index index = snapshot_index_;
  Term term = snapshot_term_;
  for (const Entry& entry : entries_) {
    TRIAD_CHECK(entry.index == ++index,
                absl::StrCat("storage handed over a log with a hole: entry ", entry.index.value(),
                             " stands at index ", index.value()));
    TRIAD_CHECK(entry.term >= term, absl::StrCat("storage handed over a log whose terms go back "
                                                 "at index ",
                                                 index.value()));
    TRIAD_CHECK(entry.payload != nullptr, "storage handed over an entry without a payload");
    term = entry.term;
  }
  TRIAD_CHECK(applied_ >= snapshot_index_,
              absl::StrCat("the ledger is behind the start of the log: it holds ", applied.value(),
                           ", the log was compacted up to ", snapshot_index.value()));
  TRIAD_CHECK(applied_ <= last_index(),
              absl::StrCat("the ledger is ahead of the log: it holds ", applied.value(),
                           ", the log ends at ", last_index().value(),
                           "; synced entries were lost or the ledger is another node's"));
}

std::deque<Entry>::const_iterator Log::Position(Index index) const {
  return entries_.begin() + static_cast<ptrdiff_t>(index - snapshot_index_ - 1);
}

std::optional<Term> Log::TermAt(Index index) const {
  if (index == snapshot_index_) return snapshot_term_;
  if (index < snapshot_index_ || index > last_index()) return std::nullopt;
  return Position(index)->term;
}

const Entry& Log::At(Index index) const {
  TRIAD_CHECK(index > snapshot_index_ && index <= last_index(),
              absl::StrCat("entry ", index.value(), " was asked for; the log holds ",
                           snapshot_index_.value() + 1, " to ", last_index().value()));
  return *Position(index);
}

bool Log::IsUpToDate(Index candidate_index, Term candidate_term) const {
  if (candidate_term != last_term()) return candidate_term > last_term();
  return candidate_index >= last_index();
}

Index Log::LastIndexNotAbove(Index index, Term term) const {
  index = std::min(index, last_index());
  if (index < snapshot_index_) return index;  // not held: nothing is known about it
  // Terms never fall along the log, so the entries up to `index` are partitioned by `term`.
  const auto end = Position(index + 1);
  const auto first_above = std::partition_point(
      entries_.begin(), end, [term](const Entry& entry) { return entry.term <= term; });
  if (first_above != entries_.begin()) return std::prev(first_above)->index;
  return snapshot_term_ <= term ? snapshot_index_ : Index(0);
}

void Log::Append(Entry entry) {
  TRIAD_CHECK(entry.index == last_index() + 1, "the leader appended with a hole");
  TRIAD_CHECK(entry.term >= last_term(), "the leader appended an entry of an older term");
  entries_.push_back(std::move(entry));
}

Index Log::AppendAfter(Index prev, std::vector<Entry> entries) {
  TRIAD_CHECK(prev <= last_index(), "entries were appended behind a hole");
  size_t known = 0;
  for (; known < entries.size(); ++known) {
    const Entry& entry = entries[known];
    // Below the snapshot everything is committed, so it is the same by the log matching property.
    if (entry.index <= snapshot_index_) continue;
    if (entry.index > last_index()) break;
    const Term ours = Position(entry.index)->term;
    if (ours == entry.term) continue;
    TRIAD_CHECK(entry.index > commit_,
                absl::StrCat("the leader replaces committed entry ", entry.index.value(),
                             " of term ", ours.value(), " by one of term ", entry.term.value(),
                             " (committed here: ", commit_.value(),
                             "): a voter forgot what it had synced, or two nodes share an "
                             "identity"));
    TruncateFrom(entry.index);
    break;
  }
  entries_.insert(entries_.end(),
                  std::make_move_iterator(entries.begin() + static_cast<ptrdiff_t>(known)),
                  std::make_move_iterator(entries.end()));
  return known < entries.size() ? prev + known + 1 : last_index() + 1;
}

void Log::TruncateFrom(Index index) {
  TRIAD_CHECK(index > commit_ && index > snapshot_index_, "a committed entry was about to be cut");
  entries_.erase(Position(index), entries_.cend());
  const Index last = last_index();
  saved_ = std::min(saved_, last);
  durable_ = std::min(durable_, last);
  for (Write& write : writes_) write.last = std::min(write.last, last);
}

void Log::CommitTo(Index index) {
  TRIAD_CHECK(index <= last_index(),
              absl::StrCat("entry ", index.value(), " is committed, but the log ends at ",
                           last_index().value()));
  commit_ = std::max(commit_, index);
}

size_t Log::CopyTo(Index first, size_t cost_window, std::vector<Entry>& out) const {
  TRIAD_CHECK(first > snapshot_index_, "a compacted entry was about to be sent");
  size_t cost = 0;
  size_t count = 0;
  const auto begin = Position(first);
  for (auto it = begin; it != entries_.end() && count < kAppendEntriesMax; ++it, ++count) {
    const size_t with = cost + EntryCost(*it);
    if (with > cost_window || (count > 0 && with > kAppendBytesMax)) break;
    cost = with;
  }
  out.assign(begin, begin + static_cast<ptrdiff_t>(count));
  return cost;
}

std::vector<Entry> Log::TakeUnsaved(uint64_t write_id) {
  TRIAD_CHECK(writes_.empty() || writes_.back().id < write_id, "write ids must grow");
  std::vector<Entry> entries(Position(saved_ + 1), entries_.cend());
  saved_ = last_index();
  writes_.push_back({write_id, saved_});
  return entries;
}

void Log::WriteDone(uint64_t write_id) {
  while (!writes_.empty() && writes_.front().id <= write_id) {
    durable_ = std::max(durable_, writes_.front().last);
    writes_.pop_front();
  }
  TRIAD_CHECK(durable_ <= saved_, "more is durable than was ever handed to storage");
}

void Log::CompactTo(Index index) {
  if (index <= snapshot_index_) return;
  TRIAD_CHECK(index <= applied_,
              absl::StrCat("entries up to ", index.value(),
                           " were to be forgotten, but the ledger holds ", applied_.value()));
  snapshot_term_ = At(index).term;
  entries_.erase(entries_.begin(),
                 entries_.begin() + static_cast<ptrdiff_t>(index - snapshot_index_));
  snapshot_index_ = index;
}

bool Log::JumpTo(Index index, Term term) {
  TRIAD_CHECK(!HasUnsaved(), "the ledger jumped while entries waited to be handed to storage");
  TRIAD_CHECK(index >= snapshot_index_, "the ledger jumped to before the start of the log");
  const std::optional<Term> ours = TermAt(index);
  TRIAD_CHECK(index > commit_ || ours == term,
              absl::StrCat("a snapshot has another entry than the committed one at ", index.value(),
                           ": a voter forgot what it had synced, or two nodes share "
                           "an identity"));
  const bool stays = ours == term;
  if (stays) {
    entries_.erase(entries_.begin(),
                   entries_.begin() + static_cast<ptrdiff_t>(index - snapshot_index_));
  } else {
    entries_.clear();
    writes_.clear();
    saved_ = index;
    durable_ = index;
  }
  snapshot_index_ = index;
  snapshot_term_ = term;
  // What the snapshot holds needs no sync of the entries: its rows are durable.
  durable_ = std::max(durable_, index);
  commit_ = std::max(commit_, index);
  applied_ = index;
  return stays;
}

void Log::CheckOrder() const {
  TRIAD_CHECK(snapshot_index_ <= applied_ && applied_ <= commit_ && applied_ <= durable_,
              "more is applied than is committed and durable");
  TRIAD_CHECK(durable_ <= saved_ && saved_ <= last_index() && commit_ <= last_index(),
              "more is durable, saved or committed than there is");
}

bool Log::HasApplicable() const {
  return applied_ < std::min(commit_, durable_);
}

std::vector<Entry> Log::TakeApplicable() {
  const Index until =
      std::min({commit_, durable_, applied_ + static_cast<uint64_t>(kCommittedEntriesMax)});
  if (until <= applied_) return {};
  std::vector<Entry> entries(Position(applied_ + 1), Position(until + 1));
  applied_ = until;
  return entries;
}

}  // namespace triad::quorum
