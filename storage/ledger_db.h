// The ledger's rows in RocksDB: a copy of what Apply holds in memory, written behind it, that can
// always be made again from the log and the other nodes.
//
// Every batch carries the applied position, so rows and position never disagree. The WAL is on but
// not synced for each write: after a crash the database is some earlier state, and the log is
// replayed from there.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/ledger_store.h"

namespace triad::storage {

// Opens or creates the database in `dir`. DATA_LOSS: it does not open or is damaged; the caller
// throws it away with DestroyLedgerDb and makes it anew from the log.
absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenLedgerDb(const std::string& dir);
absl::Status DestroyLedgerDb(const std::string& dir);

}  // namespace triad::storage
