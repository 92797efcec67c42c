#include "server/ledger_disk.h"

#include <algorithm>
#include <utility>

#include "server/limits.h"
#include "triad/v1/usage.pb.h"

namespace triad::server {

using license::LogPosition;
using license::RowChange;

LedgerDisk::LedgerDisk(license::LedgerHome* home, std::unique_ptr<license::LedgerStore> store,
                       license::Ledger::Limits limits)
    : home_(home), limits_(std::move(limits)), store_(std::move(store)) {
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

// The number of the first record that is asked for, or some below it. Records stand in the order of
// their dates, so a few looks are enough.
absl::StatusOr<uint64_t> LedgerDisk::FindUsage(const UsageQuery& query) {
  const license::UsageHeld held = store_->usage();
  uint64_t low = std::max(query.after + 1, held.first);
  if (query.from_ms <= 0) return low;
  uint64_t high = held.next;
  std::vector<license::UsageRow> rows;
  bool last = false;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (absl::Status s = store_->ReadUsage(middle, 1, &rows, &last); !s.ok()) return s;
    v1::UsageRecord record;
    const bool late = rows.empty() || !record.ParseFromString(rows.front().bytes) ||
                      record.wall_ms() >= query.from_ms;
    if (late) {
      high = middle;
    } else {
      low = rows.front().number + 1;
    }
  }
  return low;
}

absl::StatusOr<UsageRead> LedgerDisk::ReadUsage(const UsageQuery& query) {
  const auto from = FindUsage(query);
  if (!from.ok()) return from.status();
  UsageRead read;
  const absl::Status status = store_->ReadUsage(*from, query.bytes_max, &read.rows, &read.last);
  if (!status.ok()) return status;
  read.held = store_->usage();
  return read;
}

absl::StatusOr<UsageGap> LedgerDisk::FindUsageGap() {
  const license::UsageHeld held = store_->usage();
  UsageGap gap;
  if (held.missing.empty()) return gap;
  gap.range = held.missing.back();
  std::vector<license::UsageRow> rows;
  bool last = false;
  if (absl::Status s = store_->ReadUsage(gap.range.to, 1, &rows, &last); !s.ok()) return s;
  v1::UsageRecord behind;
  if (!rows.empty() && rows.front().number == gap.range.to &&
      behind.ParseFromString(rows.front().bytes)) {
    gap.anchor = behind.previous();
  }
  return gap;
}

absl::StatusOr<std::optional<v1::PruneUsage>> LedgerDisk::PlanPrune(const UsageKeep& keep) {
  const license::UsageHeld held = store_->usage();
  if (held.next <= held.first + 1) return std::nullopt;
  v1::PruneUsage prune;
  if (keep.oldest_ms > 0) {
    UsageQuery query;
    query.from_ms = keep.oldest_ms;
    const auto first_kept = FindUsage(query);
    if (!first_kept.ok()) return first_kept.status();
    prune.set_before(*first_kept);
    prune.set_reason("too old");
  }
  const uint64_t bytes = store_->UsageBytes();
  if (keep.bytes_max > 0 && bytes > keep.bytes_max) {
    // A tenth more than need be, so that it is not done for each record.
    const double share = 0.9 * static_cast<double>(keep.bytes_max) / static_cast<double>(bytes);
    const auto kept = static_cast<uint64_t>(share * static_cast<double>(held.next - held.first));
    if (held.next - kept > prune.before()) {
      prune.set_before(held.next - kept);
      prune.set_reason("too many");
    }
  }
  // The last one always stays: the chain goes on from it.
  prune.set_before(std::min(prune.before(), held.next - 1));
  if (prune.before() <= held.first) return std::nullopt;
  std::vector<license::UsageRow> rows;
  bool last = false;
  if (absl::Status s = store_->ReadUsage(prune.before(), 1, &rows, &last); !s.ok()) return s;
  v1::UsageRecord record;
  if (rows.empty() || !record.ParseFromString(rows.front().bytes)) return std::nullopt;
  // It may be missing here, and the next one stand in its place: that will do.
  prune.set_before(rows.front().number);
  prune.set_hash(record.previous());
  return prune;
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
