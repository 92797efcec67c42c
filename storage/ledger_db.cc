#include "storage/ledger_db.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "storage/bytes.h"
#include "storage/file_system.h"
#include "storage/limits.h"

namespace triad::storage {
namespace {

using license::LogPosition;
using license::RowChange;

// Column families: "default" has the two meta rows, "ledger" the rows.
constexpr char kLedgerFamily[] = "ledger";
constexpr absl::string_view kAppliedKey = "applied";
constexpr absl::string_view kFormatKey = "format";
constexpr absl::string_view kFormat = "1";
// The applied position once more, among the rows: if ever the two column families were recovered to
// different points, they would not agree. Sorts before every key of the ledger.
constexpr absl::string_view kSealKey("\0applied", 8);

rocksdb::Slice ToSlice(absl::string_view s) {
  return rocksdb::Slice(s.data(), s.size());
}
absl::string_view FromSlice(const rocksdb::Slice& s) {
  return absl::string_view(s.data(), s.size());
}

std::string EncodePosition(LogPosition position) {
  std::string out;
  AppendNumber(position.index, 8, &out);
  AppendNumber(position.term, 8, &out);
  return out;
}

absl::Status ToStatus(const rocksdb::Status& status, absl::string_view what,
                      const std::string& dir) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = absl::StrCat("cannot ", what, " the ledger database ", dir, ": ",
                                        absl::string_view(status.ToString()));
  if (status.IsCorruption()) return absl::DataLossError(text);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

// What Open says means more: whatever is not the machine's fault is a database to throw away.
absl::Status ToOpenStatus(const rocksdb::Status& status, const std::string& dir) {
  const std::string text = status.ToString();
  if (status.IsIOError() && (absl::StrContains(text, "lock ") || absl::StrContains(text, "LOCK"))) {
    return absl::FailedPreconditionError(
        absl::StrCat("another process has the ledger database ", dir, " open: ", text));
  }
  if (status.IsPathNotFound() || status.IsNotFound() || status.IsInvalidArgument() ||
      status.IsNotSupported()) {
    return absl::DataLossError(absl::StrCat("the ledger database ", dir, " is damaged: ", text));
  }
  return ToStatus(status, "open", dir);
}

rocksdb::Options MakeOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // Stops at the first damage of the WAL: an earlier state, from which the log is replayed.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // An error of a flush or compaction stays: no resume behind our back (quorum-notes B.14).
  options.max_bgerror_resume_count = 0;
  options.max_background_jobs = kLedgerBackgroundJobs;
  options.write_buffer_size = kLedgerWriteBufferBytes;
  options.max_write_buffer_number = 2;
  options.max_total_wal_size = 4 * kLedgerWriteBufferBytes;
  options.max_open_files = kLedgerOpenFilesMax;
  options.keep_log_file_num = kLedgerInfoLogsMax;
  options.max_log_file_size = kLedgerInfoLogBytesMax;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kLedgerBlockCacheBytes);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class LedgerDb final : public license::LedgerStore {
 public:
  LedgerDb(std::string dir, std::unique_ptr<rocksdb::DB> db,
           std::vector<rocksdb::ColumnFamilyHandle*> families)
      : dir_(std::move(dir)), db_(std::move(db)), meta_(families[0]), ledger_(families[1]) {}
  ~LedgerDb() override {
    // Errors have nobody left to go to, and nothing here is the only copy.
    (void)db_->DestroyColumnFamilyHandle(meta_);
    (void)db_->DestroyColumnFamilyHandle(ledger_);
    (void)db_->Close();
  }

  // Reads the applied position, or makes a new database one of ours.
  absl::Status Start();

  LogPosition applied() const override { return applied_; }
  absl::Status Load(
      const std::function<absl::Status(absl::string_view, absl::string_view)>& row) override;
  absl::Status Write(const std::vector<RowChange>& changes, LogPosition applied) override;
  absl::Status Sync() override;

 private:
  const std::string dir_;
  const std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* const meta_;
  rocksdb::ColumnFamilyHandle* const ledger_;
  LogPosition applied_;
};

absl::Status LedgerDb::Start() {
  const rocksdb::ReadOptions read;
  std::string format, applied, seal;
  const rocksdb::Status has_format = db_->Get(read, meta_, ToSlice(kFormatKey), &format);
  const rocksdb::Status has_applied = db_->Get(read, meta_, ToSlice(kAppliedKey), &applied);
  const rocksdb::Status has_seal = db_->Get(read, ledger_, ToSlice(kSealKey), &seal);
  for (const rocksdb::Status& status : {has_format, has_applied, has_seal}) {
    if (!status.ok() && !status.IsNotFound()) return ToStatus(status, "read", dir_);
  }
  if (has_format.IsNotFound() && has_applied.IsNotFound() && has_seal.IsNotFound()) {
    std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(read, ledger_));
    rows->SeekToFirst();
    if (rows->Valid()) return absl::DataLossError(absl::StrCat(dir_, " has rows of no position"));
    if (!rows->status().ok()) return ToStatus(rows->status(), "read", dir_);
    rocksdb::WriteBatch batch;
    rocksdb::Status status = batch.Put(meta_, ToSlice(kFormatKey), ToSlice(kFormat));
    if (status.ok()) status = batch.Put(meta_, ToSlice(kAppliedKey), EncodePosition({}));
    if (status.ok()) status = batch.Put(ledger_, ToSlice(kSealKey), EncodePosition({}));
    if (status.ok()) status = db_->Write(rocksdb::WriteOptions(), &batch);
    return ToStatus(status, "set up", dir_);
  }
  if (absl::string_view(format) != kFormat) {
    return absl::DataLossError(absl::StrCat("the ledger database ", dir_, " has format \"",
                                            absl::CHexEscape(format), "\", not \"", kFormat, "\""));
  }
  if (applied.size() != 16 || applied != seal) {
    return absl::DataLossError(
        absl::StrCat("the ledger database ", dir_, " does not know what its rows hold"));
  }
  applied_ = {ReadNumber(applied, 0, 8), ReadNumber(applied, 8, 8)};
  return absl::OkStatus();
}

absl::Status LedgerDb::Load(
    const std::function<absl::Status(absl::string_view, absl::string_view)>& row) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(read, ledger_));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const absl::string_view key = FromSlice(rows->key());
    if (key == kSealKey) continue;
    if (absl::Status s = row(key, FromSlice(rows->value())); !s.ok()) return s;
  }
  return ToStatus(rows->status(), "read", dir_);
}

absl::Status LedgerDb::Write(const std::vector<RowChange>& changes, LogPosition applied) {
  rocksdb::WriteBatch batch;
  rocksdb::Status status;
  for (const RowChange& change : changes) {
    if (absl::string_view(change.key) == kSealKey) {
      return absl::InvalidArgumentError("a ledger row has the key of the database's own row");
    }
    status = change.value.has_value() ? batch.Put(ledger_, change.key, *change.value)
                                      : batch.Delete(ledger_, change.key);
    if (!status.ok()) return ToStatus(status, "write", dir_);
  }
  const std::string position = EncodePosition(applied);
  status = batch.Put(ledger_, ToSlice(kSealKey), position);
  if (status.ok()) status = batch.Put(meta_, ToSlice(kAppliedKey), position);
  if (status.ok()) status = db_->Write(rocksdb::WriteOptions(), &batch);
  if (!status.ok()) return ToStatus(status, "write", dir_);
  applied_ = applied;
  return absl::OkStatus();
}

absl::Status LedgerDb::Sync() {
  return ToStatus(db_->FlushWAL(/*sync=*/true), "sync", dir_);
}

// Where a database is put before it is removed.
std::string Discarded(const std::string& dir) {
  return absl::StrCat(dir, ".discarded");
}

absl::Status RemoveTree(const std::string& dir) {
  std::error_code error;
  std::filesystem::remove_all(dir, error);
  if (!error) return absl::OkStatus();
  return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot remove ", dir));
}

}  // namespace

absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenLedgerDb(const std::string& dir) {
  if (absl::Status s = RemoveTree(Discarded(dir)); !s.ok()) return s;
  const rocksdb::Options options = MakeOptions();
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, options}, {kLedgerFamily, options}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, dir, families, &handles, &raw);
  if (!status.ok()) return ToOpenStatus(status, dir);
  auto db = std::make_unique<LedgerDb>(dir, std::unique_ptr<rocksdb::DB>(raw), handles);
  if (absl::Status s = db->Start(); !s.ok()) return s;
  return db;
}

// In one step, because a half-removed database could open as one that never was: rows without the
// WAL that has their position.
absl::Status DestroyLedgerDb(const std::string& dir) {
  FileSystem* const files = PosixFileSystem();
  const std::string discarded = Discarded(dir);
  if (absl::Status s = RemoveTree(discarded); !s.ok()) return s;
  if (!files->Exists(dir)) return absl::OkStatus();
  rocksdb::Env* const env = rocksdb::Env::Default();
  rocksdb::FileLock* lock = nullptr;
  if (const rocksdb::Status s = env->LockFile(dir + "/LOCK", &lock); !s.ok()) {
    return ToOpenStatus(s, dir);
  }
  const absl::Status renamed = files->Rename(dir, discarded);
  (void)env->UnlockFile(lock);
  if (!renamed.ok()) return renamed;
  const std::string parent = std::filesystem::path(dir).parent_path().string();
  if (absl::Status s = files->SyncDirectory(parent.empty() ? "." : parent); !s.ok()) return s;
  return RemoveTree(discarded);
}

}  // namespace triad::storage
