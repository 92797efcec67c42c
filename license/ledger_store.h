// Where the ledger's rows are kept between runs. Declared here because the ledger needs it,
// implemented in storage/ (and in memory by the simulator).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace triad::license {

// A place in the quorum log. (0, 0) is before the first entry.
struct LogPosition {
  uint64_t index = 0;
  uint64_t term = 0;
  bool operator==(const LogPosition&) const = default;
};

// One change of a row: without a value it is deleted.
struct RowChange {
  std::string key;
  std::optional<std::string> value;
};

// Used by one thread at a time.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;
  // The log position whose effects the rows hold, all of them and no more.
  virtual LogPosition applied() const = 0;
  // Calls `row` for each row in key order; stops at its first error.
  virtual absl::Status Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& row) = 0;
  // Changes the rows and the applied position in one atomic batch, not synced.
  virtual absl::Status Write(const std::vector<RowChange>& changes, LogPosition applied) = 0;
  // Makes all that was written durable; the log may then be trimmed up to applied().
  virtual absl::Status Sync() = 0;
};

}  // namespace triad::license
