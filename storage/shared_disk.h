// For tests: one disk in memory for RocksDB's threads and the log, that writes down all that is
// done to it, so that it can be done again up to any point.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/env.h"
#include "storage/file_system.h"
#include "storage/test_file_system.h"

namespace triad::storage {

// Thread-safe.
class SharedDisk final : public FileSystem {
 public:
  // One call that changed something. Files are named by the number of their Open.
  struct Effect {
    enum Kind {
      kOpen,
      kClose,
      kWrite,
      kSync,
      kPreallocate,
      kTruncate,
      kRename,
      kRemove,
      kSyncDirectory
    } kind = kWrite;
    uint64_t file = 0;
    std::string path;
    std::string to;
    uint64_t offset = 0;  // or size
    std::string data;
  };

  explicit SharedDisk(std::unique_ptr<TestFileSystem> disk = std::make_unique<TestFileSystem>())
      : disk_(std::move(disk)) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool create) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& dir) override;
  bool Exists(const std::string& path) override;
  absl::Status MakeDirectory(const std::string&) override { return absl::OkStatus(); }

  // How many effects there were until now.
  size_t effects() const;
  // Only while nobody else uses the disk.
  std::vector<Effect> TakeEffects();
  TestFileSystem* disk() { return disk_.get(); }

 private:
  friend class SharedFile;

  mutable absl::Mutex mutex_;
  const std::unique_ptr<TestFileSystem> disk_;
  std::vector<Effect> effects_ ABSL_GUARDED_BY(mutex_);
  uint64_t opened_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Does the same to another disk, one effect after the other.
class Replay {
 public:
  Replay(const std::vector<SharedDisk::Effect>& effects, std::unique_ptr<TestFileSystem> disk)
      : effects_(effects), disk_(std::move(disk)) {}
  // FALSE: all are done.
  bool Next();
  // How many are done.
  size_t at() const { return at_; }
  const TestFileSystem& disk() const { return *disk_; }

 private:
  const std::vector<SharedDisk::Effect>& effects_;
  const std::unique_ptr<TestFileSystem> disk_;
  std::map<uint64_t, std::unique_ptr<File>> files_;
  size_t at_ = 0;
};

// Of all names and contents: two disks that look the same have the same.
uint64_t Fingerprint(const TestFileSystem& disk);

// RocksDB's view of `files`, which must be thread-safe and outlive it.
std::unique_ptr<rocksdb::Env> NewEnvOver(FileSystem* files);

}  // namespace triad::storage
