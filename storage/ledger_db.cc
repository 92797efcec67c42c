#include "storage/ledger_db.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"
#include "storage/bytes.h"
#include "storage/limits.h"
#include "storage/usage_index.h"
#include "xxhash.h"

namespace triad::storage {
namespace {

using license::LogPosition;
using license::RowChange;

// Column families: "default" has the meta rows, "ledger" the rows, "usage" the usage records under
// their numbers, 8 bytes big-endian.
constexpr char kLedgerFamily[] = "ledger";
constexpr char kUsageFamily[] = "usage";
// Which records there are: first, next, and [from, to) of each missing range.
constexpr absl::string_view kUsageKey = "usage";
constexpr absl::string_view kAppliedKey = "applied";
constexpr absl::string_view kFormatKey = "format";
constexpr absl::string_view kFormat = "2";
// The position and the sum once more, among the rows: if ever the two column families were
// recovered to different points, they would not agree. Sorts before every key of the ledger.
constexpr absl::string_view kSealKey("\0applied", 8);

rocksdb::Slice ToSlice(absl::string_view s) {
  return rocksdb::Slice(s.data(), s.size());
}
absl::string_view FromSlice(const rocksdb::Slice& s) {
  return absl::string_view(s.data(), s.size());
}

// What stands under both keys: position, and the sum of RowHash over all rows (mod 2^64), which a
// batch can bring up to date without looking at the others.
struct Seal {
  LogPosition applied;
  uint64_t sum = 0;
};
constexpr size_t kSealBytes = 24;

std::string Encode(const Seal& seal) {
  std::string out;
  AppendNumber(seal.applied.index, 8, &out);
  AppendNumber(seal.applied.term, 8, &out);
  AppendNumber(seal.sum, 8, &out);
  return out;
}

std::string UsageKey(uint64_t number) {
  std::string key;
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(number >> shift & 0xff));
  }
  return key;
}

uint64_t ReadNumberBigEndian(absl::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

uint64_t RowHash(absl::string_view key, absl::string_view value) {
  return XXH3_64bits_withSeed(value.data(), value.size(), XXH3_64bits(key.data(), key.size()));
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

// RocksDB would go on in a mode of its own; what that is worth, nobody here can say.
class ErrorListener final : public rocksdb::EventListener {
 public:
  explicit ErrorListener(std::function<void(const absl::Status&)> broken)
      : broken_(std::move(broken)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    broken_(absl::InternalError(
        absl::StrCat("the ledger database failed: ", absl::string_view(status->ToString()))));
  }

 private:
  const std::function<void(const absl::Status&)> broken_;
};

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// RocksDB makes a new MANIFEST and lets CURRENT name it by a rename, with one sync of the directory
// behind both: it counts on a file system that keeps the order of names. On one that does not, a
// crash could leave a CURRENT that names nothing, and with it a database that was synced would be
// gone. Here the directory is synced before every rename.
class SyncedRenames final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "SyncedRenames"; }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    rocksdb::IOStatus status = NewDirectory(ParentOf(from), options, &directory, debug);
    if (status.ok()) status = directory->Fsync(options, debug);
    return status.ok() ? FileSystemWrapper::RenameFile(from, to, options, debug) : status;
  }
};

std::shared_ptr<rocksdb::Env> MakeEnv(const LedgerDbOptions& options) {
  rocksdb::Env* const base = options.env == nullptr ? rocksdb::Env::Default() : options.env;
  return rocksdb::NewCompositeEnv(std::make_shared<SyncedRenames>(base->GetFileSystem()));
}

rocksdb::Options MakeOptions(const LedgerDbOptions& ours, rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  if (ours.broken) options.listeners.push_back(std::make_shared<ErrorListener>(ours.broken));
  const size_t buffer_bytes =
      ours.write_buffer_bytes == 0 ? kLedgerWriteBufferBytes : ours.write_buffer_bytes;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // Stops at the first damage of the WAL: an earlier state, from which the log is replayed.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // An error of a flush or compaction stays: no resume behind our back (quorum-notes B.14).
  options.max_bgerror_resume_count = 0;
  options.max_background_jobs = kLedgerBackgroundJobs;
  options.write_buffer_size = buffer_bytes;
  options.max_write_buffer_number = 2;
  options.max_total_wal_size = 4 * buffer_bytes;
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

class SnapshotView final : public license::LedgerView {
 public:
  SnapshotView(std::string dir, rocksdb::DB* db, rocksdb::ColumnFamilyHandle* family,
               LogPosition applied)
      : dir_(std::move(dir)),
        db_(db),
        family_(family),
        applied_(applied),
        snapshot_(db->GetSnapshot()) {}
  ~SnapshotView() override { db_->ReleaseSnapshot(snapshot_); }

  LogPosition applied() const override { return applied_; }
  absl::Status Read(absl::string_view after, size_t bytes_max, std::vector<RowChange>* rows,
                    bool* last) override;

 private:
  const std::string dir_;
  rocksdb::DB* const db_;
  rocksdb::ColumnFamilyHandle* const family_;
  const LogPosition applied_;
  const rocksdb::Snapshot* const snapshot_;
};

absl::Status SnapshotView::Read(absl::string_view after, size_t bytes_max,
                                std::vector<RowChange>* rows, bool* last) {
  rows->clear();
  *last = false;
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  read.snapshot = snapshot_;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read, family_));
  // The seal sorts before every row, so "behind the seal" is "from the first row".
  const absl::string_view from = after.empty() ? kSealKey : after;
  it->Seek(ToSlice(from));
  if (it->Valid() && FromSlice(it->key()) == from) it->Next();
  size_t bytes = 0;
  for (; it->Valid(); it->Next()) {
    const size_t row_bytes = it->key().size() + it->value().size();
    if (!rows->empty() && bytes + row_bytes > bytes_max) return absl::OkStatus();
    bytes += row_bytes;
    rows->push_back({it->key().ToString(), it->value().ToString()});
  }
  *last = true;
  return ToStatus(it->status(), "read", dir_);
}

class LedgerDb final : public license::LedgerStore {
 public:
  LedgerDb(std::string dir, std::shared_ptr<rocksdb::Env> env, std::unique_ptr<rocksdb::DB> db,
           std::vector<rocksdb::ColumnFamilyHandle*> families)
      : dir_(std::move(dir)),
        env_(std::move(env)),
        db_(std::move(db)),
        meta_(families[0]),
        ledger_(families[1]),
        usage_family_(families[2]) {}
  ~LedgerDb() override {
    // Errors have nobody left to go to, and nothing here is the only copy.
    (void)db_->DestroyColumnFamilyHandle(meta_);
    (void)db_->DestroyColumnFamilyHandle(ledger_);
    (void)db_->DestroyColumnFamilyHandle(usage_family_);
    (void)db_->Close();
  }

  // Reads position and sum, or makes a new database one of ours.
  absl::Status Start();

  LogPosition applied() const override { return seal_.applied; }
  absl::Status Load(
      const std::function<absl::Status(absl::string_view, absl::string_view)>& row) override;
  absl::Status Write(const std::vector<RowChange>& changes, LogPosition applied) override;
  void AddUsage(license::UsageChanges usage) override;
  license::UsageHeld usage() const override { return usage_.held(); }
  absl::Status ReadUsage(uint64_t from, size_t bytes_max, std::vector<license::UsageRow>* rows,
                         bool* last) override;
  uint64_t UsageBytes() override;
  absl::Status FillUsage(const std::vector<license::UsageRow>& rows) override;
  absl::Status Sync() override;
  absl::StatusOr<std::unique_ptr<license::LedgerView>> TakeView() override {
    return std::make_unique<SnapshotView>(dir_, db_.get(), ledger_, seal_.applied);
  }

 private:
  absl::Status Put(const Seal& seal, rocksdb::WriteBatch* batch);
  absl::Status PutUsage(const std::vector<license::UsageRow>& rows, const UsageIndex& index,
                        rocksdb::WriteBatch* batch);

  const std::string dir_;
  const std::shared_ptr<rocksdb::Env> env_;  // outlives the database
  const std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* const meta_;
  rocksdb::ColumnFamilyHandle* const ledger_;
  rocksdb::ColumnFamilyHandle* const usage_family_;
  Seal seal_;
  UsageIndex usage_;
  license::UsageChanges new_usage_;  // for the next Write
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
    if (!status.ok()) return ToStatus(status, "set up", dir_);
    return Put(Seal(), &batch);
  }
  if (absl::string_view(format) != kFormat) {
    return absl::DataLossError(absl::StrCat("the ledger database ", dir_, " has format \"",
                                            absl::CHexEscape(format), "\", not \"", kFormat, "\""));
  }
  if (applied.size() != kSealBytes || applied != seal) {
    return absl::DataLossError(
        absl::StrCat("the ledger database ", dir_, " does not know what its rows hold"));
  }
  seal_.applied = {ReadNumber(applied, 0, 8), ReadNumber(applied, 8, 8)};
  seal_.sum = ReadNumber(applied, 16, 8);
  std::string usage;
  const rocksdb::Status has_usage = db_->Get(read, meta_, ToSlice(kUsageKey), &usage);
  if (has_usage.IsNotFound()) return absl::OkStatus();
  if (!has_usage.ok()) return ToStatus(has_usage, "read", dir_);
  if (usage_.Decode(usage)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the ledger database ", dir_, " does not know its usage records"));
}

absl::Status LedgerDb::Load(
    const std::function<absl::Status(absl::string_view, absl::string_view)>& row) {
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(read, ledger_));
  uint64_t sum = 0;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    const absl::string_view key = FromSlice(rows->key());
    if (key == kSealKey) continue;
    const absl::string_view value = FromSlice(rows->value());
    sum += RowHash(key, value);
    if (absl::Status s = row(key, value); !s.ok()) return s;
  }
  if (!rows->status().ok()) return ToStatus(rows->status(), "read", dir_);
  if (sum == seal_.sum) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the ledger database ", dir_, " is damaged: its rows are not those written"));
}

absl::Status LedgerDb::Write(const std::vector<RowChange>& changes, LogPosition applied) {
  absl::btree_map<absl::string_view, const RowChange*> net;  // the last change of each row
  for (const RowChange& change : changes) {
    if (absl::string_view(change.key) == kSealKey) {
      return absl::InvalidArgumentError("a ledger row has the key of the database's own row");
    }
    net[change.key] = &change;
  }
  Seal seal = seal_;
  seal.applied = applied;
  rocksdb::WriteBatch batch;
  rocksdb::PinnableSlice old;
  for (const auto& [key, change] : net) {
    old.Reset();
    rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), ledger_, ToSlice(key), &old);
    if (!status.ok() && !status.IsNotFound()) return ToStatus(status, "read", dir_);
    if (status.ok()) seal.sum -= RowHash(key, FromSlice(old));
    if (change->value.has_value()) {
      seal.sum += RowHash(key, *change->value);
      status = batch.Put(ledger_, ToSlice(key), *change->value);
    } else {
      status = batch.Delete(ledger_, ToSlice(key));
    }
    if (!status.ok()) return ToStatus(status, "write", dir_);
  }
  UsageIndex index = usage_;
  const license::UsageChanges usage = std::exchange(new_usage_, {});
  for (const license::UsageRow& row : usage.rows) index.Append(row.number);
  const uint64_t first_before = index.held().first;
  index.PruneBelow(usage.first);
  index.ExpectBelow(usage.next);
  if (index.held().first > first_before) {
    const rocksdb::Status status =
        batch.DeleteRange(usage_family_, UsageKey(first_before), UsageKey(index.held().first));
    if (!status.ok()) return ToStatus(status, "write", dir_);
  }
  if (!usage.rows.empty() || index.held().next > usage_.held().next ||
      index.held().first > first_before) {
    if (absl::Status s = PutUsage(usage.rows, index, &batch); !s.ok()) return s;
  }
  if (absl::Status s = Put(seal, &batch); !s.ok()) return s;
  usage_ = std::move(index);
  return absl::OkStatus();
}

void LedgerDb::AddUsage(license::UsageChanges usage) {
  new_usage_.first = std::max(new_usage_.first, usage.first);
  new_usage_.next = std::max(new_usage_.next, usage.next);
  new_usage_.rows.insert(new_usage_.rows.end(), std::make_move_iterator(usage.rows.begin()),
                         std::make_move_iterator(usage.rows.end()));
}

// Those that are pruned already are left out.
absl::Status LedgerDb::PutUsage(const std::vector<license::UsageRow>& rows, const UsageIndex& index,
                                rocksdb::WriteBatch* batch) {
  rocksdb::Status status;
  for (const license::UsageRow& row : rows) {
    if (row.number < index.held().first) continue;
    status = batch->Put(usage_family_, UsageKey(row.number), row.bytes);
    if (!status.ok()) return ToStatus(status, "write", dir_);
  }
  status = batch->Put(meta_, ToSlice(kUsageKey), index.Encode());
  return ToStatus(status, "write", dir_);
}

absl::Status LedgerDb::ReadUsage(uint64_t from, size_t bytes_max,
                                 std::vector<license::UsageRow>* rows, bool* last) {
  rows->clear();
  *last = false;
  rocksdb::ReadOptions read;
  read.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read, usage_family_));
  size_t bytes = 0;
  for (it->Seek(UsageKey(std::max(from, usage_.held().first))); it->Valid(); it->Next()) {
    if (it->key().size() != sizeof(uint64_t)) {
      return absl::DataLossError(
          absl::StrCat("the ledger database ", dir_, " has a usage record without a number"));
    }
    bytes += it->value().size();
    if (!rows->empty() && bytes > bytes_max) return absl::OkStatus();
    rows->push_back({ReadNumberBigEndian(FromSlice(it->key())), it->value().ToString()});
  }
  *last = true;
  return ToStatus(it->status(), "read", dir_);
}

uint64_t LedgerDb::UsageBytes() {
  uint64_t files = 0;
  uint64_t memory = 0;
  (void)db_->GetIntProperty(usage_family_, rocksdb::DB::Properties::kEstimateLiveDataSize, &files);
  (void)db_->GetIntProperty(usage_family_, rocksdb::DB::Properties::kCurSizeAllMemTables, &memory);
  return files + memory;
}

absl::Status LedgerDb::FillUsage(const std::vector<license::UsageRow>& rows) {
  UsageIndex index = usage_;
  std::vector<license::UsageRow> missing;
  for (const license::UsageRow& row : rows) {
    if (index.Fill(row.number)) missing.push_back(row);
  }
  rocksdb::WriteBatch batch;
  if (absl::Status s = PutUsage(missing, index, &batch); !s.ok()) return s;
  const rocksdb::Status status = db_->Write(rocksdb::WriteOptions(), &batch);
  if (!status.ok()) return ToStatus(status, "write", dir_);
  usage_ = std::move(index);
  return absl::OkStatus();
}

// Writes the batch with its seal.
absl::Status LedgerDb::Put(const Seal& seal, rocksdb::WriteBatch* batch) {
  const std::string text = Encode(seal);
  rocksdb::Status status = batch->Put(ledger_, ToSlice(kSealKey), text);
  if (status.ok()) status = batch->Put(meta_, ToSlice(kAppliedKey), text);
  if (status.ok()) status = db_->Write(rocksdb::WriteOptions(), batch);
  if (!status.ok()) return ToStatus(status, "write", dir_);
  seal_ = seal;
  return absl::OkStatus();
}

absl::Status LedgerDb::Sync() {
  return ToStatus(db_->FlushWAL(/*sync=*/true), "sync", dir_);
}

// --- Directories. Through RocksDB's Env, so that a test sees them in order with the files' writes.

std::string Discarded(const std::string& dir) {
  return absl::StrCat(dir, ".discarded");
}

std::string Incoming(const std::string& dir) {
  return absl::StrCat(dir, ".incoming");
}

absl::Status RemoveTree(rocksdb::Env* env, const std::string& dir) {
  if (!env->FileExists(dir).ok()) return absl::OkStatus();
  std::vector<std::string> names;
  rocksdb::Status status = env->GetChildren(dir, &names);
  for (const std::string& name : names) {
    if (name == "." || name == "..") continue;
    if (status.ok()) status = env->DeleteFile(absl::StrCat(dir, "/", name));
  }
  if (status.ok()) status = env->DeleteDir(dir);
  return ToStatus(status, "remove", dir);
}

absl::Status SyncDirectory(rocksdb::Env* env, const std::string& dir) {
  std::unique_ptr<rocksdb::Directory> directory;
  rocksdb::Status status = env->NewDirectory(dir, &directory);
  if (status.ok()) status = directory->Fsync();
  return ToStatus(status, "sync the directory of", dir);
}

// Renames a database that nobody has open; its own directory and both names' are synced.
absl::Status MoveTree(rocksdb::Env* env, const std::string& from, const std::string& to) {
  rocksdb::FileLock* lock = nullptr;
  if (const rocksdb::Status s = env->LockFile(from + "/LOCK", &lock); !s.ok()) {
    return ToOpenStatus(s, from);
  }
  absl::Status synced = SyncDirectory(env, from);
  const rocksdb::Status renamed = synced.ok() ? env->RenameFile(from, to) : rocksdb::Status();
  (void)env->UnlockFile(lock);
  if (!synced.ok()) return synced;
  if (!renamed.ok()) return ToStatus(renamed, "rename", from);
  if (absl::Status s = SyncDirectory(env, ParentOf(to)); !s.ok()) return s;
  return ParentOf(from) == ParentOf(to) ? absl::OkStatus() : SyncDirectory(env, ParentOf(from));
}

// In one step, because a half-removed database could open as one that never was: rows without the
// WAL that has their position.
absl::Status Discard(rocksdb::Env* env, const std::string& dir, const std::string& discarded) {
  if (absl::Status s = RemoveTree(env, discarded); !s.ok()) return s;
  if (!env->FileExists(dir).ok()) return absl::OkStatus();
  if (absl::Status s = MoveTree(env, dir, discarded); !s.ok()) return s;
  return RemoveTree(env, discarded);
}

absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenIn(const std::string& dir,
                                                             const LedgerDbOptions& ours,
                                                             std::shared_ptr<rocksdb::Env> env) {
  const rocksdb::Options options = MakeOptions(ours, env.get());
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, options},
      {kLedgerFamily, options},
      {kUsageFamily, options}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, dir, families, &handles, &raw);
  if (!status.ok()) return ToOpenStatus(status, dir);
  auto db =
      std::make_unique<LedgerDb>(dir, std::move(env), std::unique_ptr<rocksdb::DB>(raw), handles);
  if (absl::Status s = db->Start(); !s.ok()) return s;
  return db;
}

class RocksLedgerHome final : public license::LedgerHome {
 public:
  RocksLedgerHome(std::string dir, LedgerDbOptions options)
      : dir_(std::move(dir)), options_(std::move(options)), env_(MakeEnv(options_)) {}

  absl::StatusOr<std::unique_ptr<license::LedgerStore>> Open() override {
    if (absl::Status s = RemoveTree(env_.get(), Discarded(dir_)); !s.ok()) return s;
    return OpenIn(dir_, options_, env_);
  }
  absl::Status Destroy() override { return Discard(env_.get(), dir_, Discarded(dir_)); }

  absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenIncoming(bool fresh) override {
    if (fresh) {
      if (absl::Status s = DropIncoming(); !s.ok()) return s;
    } else if (!env_->FileExists(Incoming(dir_)).ok()) {
      return absl::NotFoundError(absl::StrCat("there is no ", Incoming(dir_)));
    }
    return OpenIn(Incoming(dir_), options_, env_);
  }

  absl::Status DropIncoming() override {
    return Discard(env_.get(), Incoming(dir_), Discarded(Incoming(dir_)));
  }

  // The old one is away for good before the new one takes the name: the two renames are never open
  // to a crash at the same time.
  absl::Status Adopt() override {
    const std::string discarded = Discarded(dir_);
    if (absl::Status s = RemoveTree(env_.get(), discarded); !s.ok()) return s;
    if (env_->FileExists(dir_).ok()) {
      if (absl::Status s = MoveTree(env_.get(), dir_, discarded); !s.ok()) return s;
    }
    if (absl::Status s = MoveTree(env_.get(), Incoming(dir_), dir_); !s.ok()) return s;
    return RemoveTree(env_.get(), discarded);
  }

  absl::Status MoveTo(const std::string& dir) override {
    if (absl::Status s = DropIncoming(); !s.ok()) return s;
    if (!env_->FileExists(dir_).ok()) return absl::OkStatus();
    if (const rocksdb::Status s = env_->CreateDirIfMissing(dir); !s.ok()) {
      return ToStatus(s, "make a place for", dir_);
    }
    return MoveTree(env_.get(), dir_, dir + "/ledger");
  }

 private:
  const std::string dir_;
  const LedgerDbOptions options_;
  const std::shared_ptr<rocksdb::Env> env_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<license::LedgerStore>> OpenLedgerDb(const std::string& dir,
                                                                   const LedgerDbOptions& options) {
  return NewRocksLedgerHome(dir, options)->Open();
}

absl::Status DestroyLedgerDb(const std::string& dir, const LedgerDbOptions& options) {
  return NewRocksLedgerHome(dir, options)->Destroy();
}

std::unique_ptr<license::LedgerHome> NewRocksLedgerHome(std::string dir, LedgerDbOptions options) {
  return std::make_unique<RocksLedgerHome>(std::move(dir), std::move(options));
}

}  // namespace triad::storage
