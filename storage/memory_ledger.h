// A ledger's home in memory, for tests and the simulator: what a crash may do to rows that were not
// synced, and what a machine may do to those that were.
//
// A crash takes back batches that were not synced, whole ones, from the end: what RocksDB with its
// WAL does (ledger_db.h). Destroy, DropIncoming, Adopt and MoveTo happen at once and for good. The
// home outlives the node: after a Crash() or Restart() the stores that were open are dead, and
// every call of theirs fails. Not thread-safe. Deterministic: chance comes from the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "license/ledger_store.h"

namespace triad::storage {

class MemoryLedgerHome final : public license::LedgerHome {
 public:
  // A number in [0, bound).
  using Choice = std::function<uint32_t(uint32_t bound)>;

  absl::StatusOr<std::unique_ptr<license::LedgerStore>> Open() override;
  absl::Status Destroy() override;
  absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenIncoming(bool fresh) override;
  absl::Status DropIncoming() override;
  absl::Status Adopt() override;
  absl::Status MoveTo(const std::string& dir) override;

  // The power fails and comes back: `choose` says how many of the batches that were not synced are
  // left, of each store.
  void Crash(const Choice& choose);
  // Only the process died: nothing is lost.
  void Restart() { ++epoch_; }
  // The store in force, or the received one, is found to be damaged when it is opened next.
  void Damage() { current_.damaged = true; }
  void DamageIncoming() { incoming_.damaged = true; }
  // The disk is gone: neither store is there any more.
  void Wipe();

  bool exists() const { return current_.exists; }
  bool incoming_exists() const { return incoming_.exists; }

 private:
  friend class MemoryLedgerStore;

  using Rows = std::map<std::string, std::string>;
  struct Batch {
    std::vector<license::RowChange> changes;
    license::LogPosition applied;
  };
  struct Store {
    bool exists = false;
    bool damaged = false;
    Rows rows;
    license::LogPosition applied;
    // As of the last sync, and what came since.
    Rows durable_rows;
    license::LogPosition durable_applied;
    std::vector<Batch> unsynced;
  };

  static void Change(const std::vector<license::RowChange>& changes, Rows* rows);
  static void Sync(Store* store);
  static void CrashStore(Store* store, const Choice& choose);
  absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenStore(Store* store);

  Store current_;
  Store incoming_;
  uint64_t epoch_ = 0;  // of the open stores that still work
};

}  // namespace triad::storage
