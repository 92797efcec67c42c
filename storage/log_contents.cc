#include "storage/log_contents.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace triad::storage {

using quorum::Index;
using quorum::Slot;
using quorum::Term;

LogContents::LogContents(const LogState& state)
    : state_(state), runs_({{state.last_index, state.last_term}}) {
}

absl::Status LogContents::Apply(const Record& record) {
  switch (record.type) {
    case RecordType::kEntry:
      if (record.index != state_.last_index + 1) {
        return absl::DataLossError(absl::StrCat("entry ", record.index.value(), " follows entry ",
                                                state_.last_index.value()));
      }
      if (runs_.empty() || runs_.back().term != record.term) {
        runs_.push_back({record.index, record.term});
      }
      state_.last_index = record.index;
      state_.last_term = record.term;
      return absl::OkStatus();
    case RecordType::kHardState:
      state_.hard_state = {record.term, static_cast<Slot>(record.kind)};
      return absl::OkStatus();
    case RecordType::kCut:
      return ApplyCut(record);
    case RecordType::kStart:
      if (!DecodeMembers(record.payload).has_value()) {
        return absl::DataLossError("the members at the log's start cannot be read");
      }
      ApplyStart(record);
      return absl::OkStatus();
    case RecordType::kBatchEnd:
      if (record.index != state_.last_index || record.term != state_.last_term ||
          record.payload != kBatchEndMark) {
        return absl::DataLossError("the end of a batch does not fit its entries");
      }
      return absl::OkStatus();
  }
  return absl::DataLossError("unknown record");
}

absl::Status LogContents::ApplyCut(const Record& record) {
  const std::optional<Term> term = TermAt(record.index);
  if (record.index > state_.last_index || (term.has_value() && *term != record.term)) {
    return absl::DataLossError(absl::StrCat("a cut to entry ", record.index.value(), " of term ",
                                            record.term.value(), ", which is not in the log"));
  }
  while (!runs_.empty() && runs_.back().first > record.index) runs_.pop_back();
  // Below the first segment that is left the terms are not known; the record has this one.
  if (runs_.empty()) runs_.push_back({record.index, record.term});
  state_.last_index = record.index;
  state_.last_term = record.term;
  return absl::OkStatus();
}

void LogContents::ApplyStart(const Record& record) {
  state_.start_index = record.index;
  state_.start_term = record.term;
  if (record.kind == 1) {
    runs_ = {{record.index, record.term}};
    state_.last_index = record.index;
    state_.last_term = record.term;
    return;
  }
  // Only the run that `index` is in, and those after it, are asked for from now on.
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), record.index,
                       [](Index index, const Run& run) { return index < run.first; });
  if (after - runs_.begin() > 1) runs_.erase(runs_.begin(), after - 1);
}

std::optional<Term> LogContents::TermAt(Index index) const {
  if (index > state_.last_index) return std::nullopt;
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](Index at, const Run& run) { return at < run.first; });
  if (after == runs_.begin()) return std::nullopt;
  return (after - 1)->term;
}

}  // namespace triad::storage
