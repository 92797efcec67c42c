// What is done to the ledger's stores, one call after the other: rows written behind, views read
// for other nodes, a snapshot of another node staged and adopted.
//
// The daemon calls it on the ledger's thread (disk_io.h), the simulator from its events; it is the
// same code. Not thread-safe; has no thread of its own. An error means that the disk failed: the
// process must end.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/ledger.h"
#include "license/ledger_store.h"
#include "server/environment.h"

namespace triad::server {

class LedgerDisk {
 public:
  // `home` must outlive this. `store` is the one in force, opened; null until Begin for a node that
  // has none yet.
  LedgerDisk(license::LedgerHome* home, std::unique_ptr<license::LedgerStore> store,
             license::Ledger::Limits limits = {});
  LedgerDisk(LedgerDisk&&) = default;
  ~LedgerDisk();

  // The store in force is another one from now on.
  void Begin(std::unique_ptr<license::LedgerStore> store);
  bool has_store() const { return store_ != nullptr; }

  // As LedgerWriter says of each.
  absl::Status Write(const std::vector<license::RowChange>& changes, license::LogPosition applied);
  void AddUsage(license::UsageChanges usage) { store_->AddUsage(std::move(usage)); }
  absl::StatusOr<UsageRead> ReadUsage(const UsageQuery& query);
  absl::StatusOr<UsageGap> FindUsageGap();
  absl::Status FillUsage(const std::vector<license::UsageRow>& rows) {
    return store_->FillUsage(rows);
  }
  // nullopt: all records are kept.
  absl::StatusOr<std::optional<v1::PruneUsage>> PlanPrune(const UsageKeep& keep);
  absl::StatusOr<license::LogPosition> Sync();
  absl::StatusOr<SnapshotRows> ReadSnapshot(uint64_t view, const std::string& after,
                                            size_t bytes_max);
  void CloseSnapshot(uint64_t view);
  absl::StatusOr<std::unique_ptr<license::Ledger>> StageRows(
      bool first, const std::vector<license::RowChange>& rows,
      std::optional<license::LogPosition> complete);
  absl::Status AdoptStaged();

  size_t open_views() const { return views_.size(); }

 private:
  absl::StatusOr<uint64_t> FindUsage(const UsageQuery& query);

  struct View {
    uint64_t id = 0;
    std::unique_ptr<license::LedgerView> view;
  };

  license::LedgerHome* home_;
  license::Ledger::Limits limits_;
  std::unique_ptr<license::LedgerStore> store_;
  std::unique_ptr<license::LedgerStore> incoming_;
  std::list<View> views_;  // the one that was read last stands last
  uint64_t last_view_ = 0;
};

}  // namespace triad::server
