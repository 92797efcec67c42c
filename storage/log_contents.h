// What the records of the log mean, in one place: the writer and the recovery both go through
// Apply(), so what is found after a crash is what was known before it.
//
// Holds numbers only, never the entries' payloads. Not thread-safe.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "quorum/types.h"
#include "storage/segment.h"

namespace triad::storage {

class LogContents {
 public:
  LogContents() = default;
  // The log as a segment header says it is at the start of the segment.
  explicit LogContents(const LogState& state);

  // Takes in one record. DATA_LOSS: it cannot follow those before it; the message says why.
  absl::Status Apply(const Record& record);

  const LogState& state() const { return state_; }
  // The term of the entry at `index`; nullopt when that is not known here.
  std::optional<quorum::Term> TermAt(quorum::Index index) const;

 private:
  // Entries from `first` up to the next run, or to the last index, have this term.
  struct Run {
    quorum::Index first;
    quorum::Term term;
  };

  absl::Status ApplyCut(const Record& record);
  void ApplyStart(const Record& record);

  LogState state_;
  std::vector<Run> runs_;  // ascending, never empty; as many as there were elections
};

}  // namespace triad::storage
