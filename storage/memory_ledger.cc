#include "storage/memory_ledger.h"

#include <utility>

#include "absl/status/status.h"

namespace triad::storage {

using license::LogPosition;
using license::RowChange;

namespace {

// Above this many the older half counts as synced, as RocksDB's own flushes would make it.
constexpr size_t kUnsyncedMax = 4'096;

class MemoryView final : public license::LedgerView {
 public:
  MemoryView(std::map<std::string, std::string> rows, LogPosition applied)
      : rows_(std::move(rows)), applied_(applied) {}

  LogPosition applied() const override { return applied_; }
  absl::Status Read(absl::string_view after, size_t bytes_max, std::vector<RowChange>* rows,
                    bool* last) override {
    rows->clear();
    *last = false;
    size_t bytes = 0;
    for (auto it = rows_.upper_bound(std::string(after)); it != rows_.end(); ++it) {
      const size_t row_bytes = it->first.size() + it->second.size();
      if (!rows->empty() && bytes + row_bytes > bytes_max) return absl::OkStatus();
      bytes += row_bytes;
      rows->push_back({it->first, it->second});
    }
    *last = true;
    return absl::OkStatus();
  }

 private:
  const std::map<std::string, std::string> rows_;
  const LogPosition applied_;
};

}  // namespace

class MemoryLedgerStore final : public license::LedgerStore {
 public:
  MemoryLedgerStore(MemoryLedgerHome* home, MemoryLedgerHome::Store* store)
      : home_(home), store_(store), epoch_(home->epoch_) {}

  LogPosition applied() const override { return store_->applied; }
  absl::Status Load(
      const std::function<absl::Status(absl::string_view, absl::string_view)>& row) override {
    if (absl::Status s = Refusal(); !s.ok()) return s;
    for (const auto& [key, value] : store_->rows) {
      if (absl::Status s = row(key, value); !s.ok()) return s;
    }
    return absl::OkStatus();
  }
  absl::Status Write(const std::vector<RowChange>& changes, LogPosition applied) override {
    if (absl::Status s = Refusal(); !s.ok()) return s;
    MemoryLedgerHome::Change(changes, &store_->rows);
    store_->applied = applied;
    store_->unsynced.push_back({changes, applied});
    if (store_->unsynced.size() > kUnsyncedMax) {
      const auto middle = store_->unsynced.begin() + kUnsyncedMax / 2;
      for (auto batch = store_->unsynced.begin(); batch != middle; ++batch) {
        MemoryLedgerHome::Change(batch->changes, &store_->durable_rows);
        store_->durable_applied = batch->applied;
      }
      store_->unsynced.erase(store_->unsynced.begin(), middle);
    }
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    if (absl::Status s = Refusal(); !s.ok()) return s;
    MemoryLedgerHome::Sync(store_);
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<license::LedgerView>> TakeView() override {
    if (absl::Status s = Refusal(); !s.ok()) return s;
    return std::make_unique<MemoryView>(store_->rows, store_->applied);
  }

 private:
  absl::Status Refusal() const {
    if (epoch_ == home_->epoch_) return absl::OkStatus();
    return absl::UnavailableError("the store was opened before a crash");
  }

  MemoryLedgerHome* const home_;
  MemoryLedgerHome::Store* const store_;
  const uint64_t epoch_;
};

absl::StatusOr<std::unique_ptr<license::LedgerStore>> MemoryLedgerHome::OpenStore(Store* store) {
  if (store->damaged) return absl::DataLossError("the ledger in memory is damaged");
  store->exists = true;
  return std::make_unique<MemoryLedgerStore>(this, store);
}

absl::StatusOr<std::unique_ptr<license::LedgerStore>> MemoryLedgerHome::Open() {
  return OpenStore(&current_);
}

absl::Status MemoryLedgerHome::Destroy() {
  current_ = Store();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<license::LedgerStore>> MemoryLedgerHome::OpenIncoming(bool fresh) {
  if (fresh) {
    incoming_ = Store();
  } else if (!incoming_.exists) {
    return absl::NotFoundError("there is no received ledger in memory");
  }
  return OpenStore(&incoming_);
}

absl::Status MemoryLedgerHome::DropIncoming() {
  incoming_ = Store();
  return absl::OkStatus();
}

absl::Status MemoryLedgerHome::Adopt() {
  if (!incoming_.exists) return absl::NotFoundError("there is no received ledger in memory");
  current_ = std::move(incoming_);
  incoming_ = Store();
  return absl::OkStatus();
}

absl::Status MemoryLedgerHome::MoveTo(const std::string&) {
  Wipe();
  return absl::OkStatus();
}

void MemoryLedgerHome::Wipe() {
  current_ = Store();
  incoming_ = Store();
}

void MemoryLedgerHome::Crash(const Choice& choose) {
  CrashStore(&current_, choose);
  CrashStore(&incoming_, choose);
  Restart();
}

void MemoryLedgerHome::Change(const std::vector<RowChange>& changes, Rows* rows) {
  for (const RowChange& change : changes) {
    if (change.value.has_value()) {
      rows->insert_or_assign(change.key, *change.value);
    } else {
      rows->erase(change.key);
    }
  }
}

void MemoryLedgerHome::Sync(Store* store) {
  for (const Batch& batch : store->unsynced) Change(batch.changes, &store->durable_rows);
  store->durable_applied = store->applied;
  store->unsynced.clear();
}

void MemoryLedgerHome::CrashStore(Store* store, const Choice& choose) {
  if (store->unsynced.empty()) return;
  store->unsynced.resize(choose(static_cast<uint32_t>(store->unsynced.size() + 1)));
  store->rows = store->durable_rows;
  store->applied = store->durable_applied;
  for (const Batch& batch : store->unsynced) {
    Change(batch.changes, &store->rows);
    store->applied = batch.applied;
  }
  // What a start has found stays.
  store->durable_rows = store->rows;
  store->durable_applied = store->applied;
  store->unsynced.clear();
}

}  // namespace triad::storage
