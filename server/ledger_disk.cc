#include "server/ledger_disk.h"

#include <algorithm>
#include <utility>

#include "server/limits.h"

namespace triad::server {

using license::LogPosition;
using license::RowChange;

LedgerDisk::LedgerDisk(license::LedgerHome* home, std::unique_ptr<license::LedgerStore> store,
                       license::Ledger::Limits limits)
    : home_(home), limits_(limits), store_(std::move(store)) {
}

LedgerDisk::~LedgerDisk() {
  views_.clear();
}

void LedgerDisk::Begin(std::unique_ptr<license::LedgerStore> store) {
  views_.clear();
  incoming_.reset();
  store_ = std::move(store);
}

absl::Status LedgerDisk::Write(const std::vector<RowChange>& changes, LogPosition applied) {
  return store_->Write(changes, applied);
}

absl::StatusOr<LogPosition> LedgerDisk::Sync() {
  if (absl::Status s = store_->Sync(); !s.ok()) return s;
  return store_->applied();
}

absl::StatusOr<SnapshotRows> LedgerDisk::ReadSnapshot(uint64_t view, const std::string& after,
                                                      size_t bytes_max) {
  if (view == 0) {
    auto taken = store_->TakeView();
    if (!taken.ok()) return taken.status();
    if (views_.size() >= kSnapshotViewsMax) views_.pop_front();
    views_.push_back({++last_view_, *std::move(taken)});
    view = last_view_;
  }
  const auto found = std::find_if(views_.begin(), views_.end(),
                                  [view](const View& open) { return open.id == view; });
  if (found == views_.end()) return SnapshotRows();
  views_.splice(views_.end(), views_, found);
  SnapshotRows rows;
  rows.view = view;
  rows.applied = found->view->applied();
  absl::Status status = found->view->Read(after, bytes_max, &rows.rows, &rows.last);
  if (!status.ok()) return status;
  return rows;
}

void LedgerDisk::CloseSnapshot(uint64_t view) {
  views_.remove_if([view](const View& open) { return open.id == view; });
}

absl::StatusOr<std::unique_ptr<license::Ledger>> LedgerDisk::StageRows(
    bool first, const std::vector<RowChange>& rows, std::optional<LogPosition> complete) {
  if (first) {
    incoming_.reset();
    auto incoming = home_->OpenIncoming(/*fresh=*/true);
    if (!incoming.ok()) return incoming.status();
    incoming_ = *std::move(incoming);
  }
  // Rows of a snapshot whose beginning was thrown away.
  if (incoming_ == nullptr) return nullptr;
  if (absl::Status s = incoming_->Write(rows, complete.value_or(LogPosition())); !s.ok()) return s;
  if (!complete.has_value()) return nullptr;
  if (absl::Status s = incoming_->Sync(); !s.ok()) return s;
  auto ledger = std::make_unique<license::Ledger>(limits_);
  const absl::Status restored = ledger->Restore(*incoming_);
  if (restored.ok()) return ledger;
  if (!absl::IsDataLoss(restored)) return restored;
  incoming_.reset();
  if (absl::Status s = home_->DropIncoming(); !s.ok()) return s;
  return nullptr;
}

absl::Status LedgerDisk::AdoptStaged() {
  views_.clear();
  incoming_.reset();
  store_.reset();
  if (absl::Status s = home_->Adopt(); !s.ok()) return s;
  auto store = home_->Open();
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  return absl::OkStatus();
}

}  // namespace triad::server
