// Where the ledger's rows are kept between runs: one store in force, views of it for snapshots to
// others, and a second store for a snapshot that is being received. Declared here because the
// ledger needs it, implemented in storage/ (RocksDB; in memory for tests and the simulator).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

// A usage record's bytes under its number (usage_record.h).
struct UsageRow {
  uint64_t number = 0;
  std::string bytes;
  bool operator==(const UsageRow&) const = default;
};

// What is written of the usage records with one batch of rows.
struct UsageChanges {
  std::vector<UsageRow> rows;  // ascending
  uint64_t first = 0;          // those below are deleted; 0 and 1: none
  uint64_t next = 0;           // all below exist: what a store lacks of them is missing
};

// Numbers from `from` to below `to`.
struct UsageRange {
  uint64_t from = 0;
  uint64_t to = 0;
  bool operator==(const UsageRange&) const = default;
};

// Which usage records a store has: those from `first` to below `next`, without the missing ones.
struct UsageHeld {
  uint64_t first = 1;
  uint64_t next = 1;
  std::vector<UsageRange> missing;  // ascending
};

// All rows as they were at one moment, however long the reader takes and whatever is written
// meanwhile. It must not outlive its store. Used by the store's thread.
class LedgerView {
 public:
  virtual ~LedgerView() = default;
  // The log position whose effects the rows hold.
  virtual LogPosition applied() const = 0;
  // Replaces `rows` by those that follow key `after` ("": from the first one) in key order: as many
  // as `bytes_max` bytes of keys and values allow, and at least one if there is one. `last` says
  // that none follow these.
  virtual absl::Status Read(absl::string_view after, size_t bytes_max, std::vector<RowChange>* rows,
                            bool* last) = 0;
};

// Used by one thread at a time.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;
  // The log position whose effects the rows hold, all of them and no more.
  virtual LogPosition applied() const = 0;
  // Calls `row` for each row in key order; stops at its first error. DATA_LOSS also when all rows
  // could be read, but are not those that were written.
  virtual absl::Status Load(
      const std::function<absl::Status(absl::string_view key, absl::string_view value)>& row) = 0;
  // Changes the rows and the applied position in one atomic batch, not synced.
  virtual absl::Status Write(const std::vector<RowChange>& changes, LogPosition applied) = 0;
  // Usage records for the batch of the next Write. A store may keep none: tests' do not.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): those that keep them take them
  virtual void AddUsage(UsageChanges) {}
  virtual UsageHeld usage() const { return {}; }
  // Replaces `rows` by the records from number `from` on, ascending: as many as `bytes_max` bytes
  // allow, and at least one if there is one. `last` says that none follow these.
  virtual absl::Status ReadUsage(uint64_t from, size_t bytes_max, std::vector<UsageRow>* rows,
                                 bool* last) {
    (void)from;
    (void)bytes_max;
    rows->clear();
    *last = true;
    return absl::OkStatus();
  }
  // What the records take on the disk, about; 0: not known.
  virtual uint64_t UsageBytes() { return 0; }
  // Puts records in that are missing; others are left out.
  virtual absl::Status FillUsage(const std::vector<UsageRow>&) { return absl::OkStatus(); }
  // Makes all that was written durable; the log may then be trimmed up to applied().
  virtual absl::Status Sync() = 0;
  // The rows as they are now.
  virtual absl::StatusOr<std::unique_ptr<LedgerView>> TakeView() = 0;
};

// Where a node keeps its ledger: the store in force and, while a snapshot is received, one beside
// it. A store must be closed (destroyed) before the home touches it again. Used by one thread at a
// time.
class LedgerHome {
 public:
  virtual ~LedgerHome() = default;
  // Opens the store in force, or creates an empty one at position (0, 0). DATA_LOSS: it is damaged;
  // Destroy it.
  virtual absl::StatusOr<std::unique_ptr<LedgerStore>> Open() = 0;
  // Throws the store in force away, in one step that a crash cannot leave half done.
  virtual absl::Status Destroy() = 0;
  // The store that is being received: a new, empty one when `fresh`; else the one that is there,
  // NOT_FOUND when there is none, DATA_LOSS when it is damaged. It is complete when its applied
  // position is not (0, 0): the last batch, and only that one, carries it.
  virtual absl::StatusOr<std::unique_ptr<LedgerStore>> OpenIncoming(bool fresh) = 0;
  // Removes the received store, if there is one.
  virtual absl::Status DropIncoming() = 0;
  // The received store takes the place of the one in force, durably. After a crash in the middle
  // there is the old one, or none (Open creates an empty one) and the received one, or the new one.
  virtual absl::Status Adopt() = 0;
  // Puts the store in force, if there is one, into directory `dir`, for whoever wants to look at
  // it: what is damaged is kept, not thrown away. The received store goes.
  virtual absl::Status MoveTo(const std::string& dir) = 0;
};

}  // namespace triad::license
