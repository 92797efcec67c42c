// The ledger's rows in RocksDB: a copy of what Apply holds in memory, written behind it, that can
// always be made again from the log and the other nodes.
//
// Every batch carries the applied position and a sum over all rows, so rows, position and sum never
// disagree: rows that vanish or change without RocksDB noticing are found when they are loaded. The
// WAL is on but not synced for each write: after a crash the database is some earlier state, and
// the log is replayed from there.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/ledger_store.h"

namespace rocksdb {
class Env;
}

namespace triad::storage {

struct LedgerDbOptions {
  rocksdb::Env* env = nullptr;  // nullptr: the machine's own
  // Called from a thread of RocksDB when a flush or compaction failed. Nothing is tried again
  // behind our back (quorum-notes B.14): the process has to end.
  std::function<void(const absl::Status&)> broken;
  size_t write_buffer_bytes = 0;  // 0: limits.h says; small in tests
};

// Opens or creates the database in `dir`. DATA_LOSS: it does not open or is damaged; the caller
// throws it away with DestroyLedgerDb and makes it anew from the log.
absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenLedgerDb(
    const std::string& dir, const LedgerDbOptions& options = {});
absl::Status DestroyLedgerDb(const std::string& dir, const LedgerDbOptions& options = {});

// The store in force is in `dir`, the received one in `dir`.incoming, what is thrown away goes
// through `dir`.discarded.
std::unique_ptr<license::LedgerHome> NewRocksLedgerHome(std::string dir, LedgerDbOptions options);

}  // namespace triad::storage
