#include "storage/shared_disk.h"

#include <algorithm>
#include <cstdarg>
#include <set>
#include <utility>

#include "rocksdb/file_system.h"
#include "xxhash.h"

namespace triad::storage {

using rocksdb::FileLock;
using rocksdb::FileOptions;
using rocksdb::FSDirectory;
using rocksdb::FSRandomAccessFile;
using rocksdb::FSSequentialFile;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class SharedFile final : public File {
 public:
  SharedFile(SharedDisk* disk, std::unique_ptr<File> file, uint64_t number)
      : disk_(disk), file_(std::move(file)), number_(number) {}
  ~SharedFile() override {
    absl::MutexLock lock(&disk_->mutex_);
    Note({SharedDisk::Effect::kClose, number_, "", "", 0, ""});
    file_.reset();
  }
  absl::Status WriteAt(uint64_t offset, absl::string_view data) override {
    absl::MutexLock lock(&disk_->mutex_);
    Note({SharedDisk::Effect::kWrite, number_, "", "", offset, std::string(data)});
    return file_->WriteAt(offset, data);
  }
  absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t size) override {
    absl::MutexLock lock(&disk_->mutex_);
    return file_->ReadAt(offset, size);
  }
  absl::Status Sync() override {
    absl::MutexLock lock(&disk_->mutex_);
    Note({SharedDisk::Effect::kSync, number_, "", "", 0, ""});
    return file_->Sync();
  }
  absl::Status Preallocate(uint64_t size) override {
    absl::MutexLock lock(&disk_->mutex_);
    Note({SharedDisk::Effect::kPreallocate, number_, "", "", size, ""});
    return file_->Preallocate(size);
  }
  absl::Status Truncate(uint64_t size) override {
    absl::MutexLock lock(&disk_->mutex_);
    Note({SharedDisk::Effect::kTruncate, number_, "", "", size, ""});
    return file_->Truncate(size);
  }
  absl::StatusOr<uint64_t> Size() override {
    absl::MutexLock lock(&disk_->mutex_);
    return file_->Size();
  }

 private:
  void Note(SharedDisk::Effect effect) ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mutex_) {
    disk_->effects_.push_back(std::move(effect));
  }

  SharedDisk* const disk_;
  std::unique_ptr<File> file_;
  const uint64_t number_;
};

absl::StatusOr<std::unique_ptr<File>> SharedDisk::Open(const std::string& path, bool create) {
  absl::MutexLock lock(&mutex_);
  auto file = disk_->Open(path, create);
  if (!file.ok()) return file.status();
  const uint64_t number = ++opened_;
  effects_.push_back({Effect::kOpen, number, path, "", 0, ""});
  return std::make_unique<SharedFile>(this, std::move(*file), number);
}

absl::StatusOr<std::vector<std::string>> SharedDisk::List(const std::string& dir) {
  absl::MutexLock lock(&mutex_);
  return disk_->List(dir);
}

absl::Status SharedDisk::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mutex_);
  effects_.push_back({Effect::kRename, 0, from, to, 0, ""});
  return disk_->Rename(from, to);
}

absl::Status SharedDisk::Remove(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  effects_.push_back({Effect::kRemove, 0, path, "", 0, ""});
  return disk_->Remove(path);
}

absl::Status SharedDisk::SyncDirectory(const std::string& dir) {
  absl::MutexLock lock(&mutex_);
  effects_.push_back({Effect::kSyncDirectory, 0, dir, "", 0, ""});
  return disk_->SyncDirectory(dir);
}

bool SharedDisk::Exists(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  return disk_->Exists(path);
}

size_t SharedDisk::effects() const {
  absl::MutexLock lock(&mutex_);
  return effects_.size();
}

std::vector<SharedDisk::Effect> SharedDisk::TakeEffects() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(effects_, {});
}

bool Replay::Next() {
  using Effect = SharedDisk::Effect;
  if (at_ >= effects_.size()) return false;
  const Effect& effect = effects_[at_++];
  // What failed when it was recorded fails again, to the same effect.
  switch (effect.kind) {
    case Effect::kOpen: {
      auto file = disk_->Open(effect.path, /*create=*/true);
      if (file.ok()) files_[effect.file] = std::move(*file);
      break;
    }
    case Effect::kClose:
      files_.erase(effect.file);
      break;
    case Effect::kWrite:
      (void)files_[effect.file]->WriteAt(effect.offset, effect.data);
      break;
    case Effect::kSync:
      (void)files_[effect.file]->Sync();
      break;
    case Effect::kPreallocate:
      (void)files_[effect.file]->Preallocate(effect.offset);
      break;
    case Effect::kTruncate:
      (void)files_[effect.file]->Truncate(effect.offset);
      break;
    case Effect::kRename:
      (void)disk_->Rename(effect.path, effect.to);
      break;
    case Effect::kRemove:
      (void)disk_->Remove(effect.path);
      break;
    case Effect::kSyncDirectory:
      (void)disk_->SyncDirectory(effect.path);
      break;
  }
  return true;
}

uint64_t Fingerprint(const TestFileSystem& disk) {
  uint64_t sum = 0;
  for (const std::string& path : disk.paths()) {
    const std::string content = disk.Content(path);
    sum = XXH3_64bits_withSeed(path.data(), path.size(), sum);
    sum = XXH3_64bits_withSeed(content.data(), content.size(), sum);
  }
  return sum;
}

namespace {

IOStatus ToIO(const absl::Status& status) {
  if (status.ok()) return IOStatus::OK();
  const std::string text(status.message());
  if (absl::IsNotFound(status)) return IOStatus::PathNotFound(text);
  if (absl::IsResourceExhausted(status)) return IOStatus::NoSpace(text);
  return IOStatus::IOError(text);
}

IOStatus ReadFrom(File* file, uint64_t offset, size_t size, Slice* result, char* scratch) {
  auto data = file->ReadAt(offset, size);
  if (!data.ok()) return ToIO(data.status());
  std::copy(data->begin(), data->end(), scratch);
  *result = Slice(scratch, data->size());
  return IOStatus::OK();
}

class Sequential final : public FSSequentialFile {
 public:
  explicit Sequential(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    const IOStatus status = ReadFrom(file_.get(), at_, n, result, scratch);
    if (status.ok()) at_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t n) override {
    at_ += n;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  uint64_t at_ = 0;
};

class RandomAccess final : public FSRandomAccessFile {
 public:
  explicit RandomAccess(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return ReadFrom(file_.get(), offset, n, result, scratch);
  }

 private:
  const std::unique_ptr<File> file_;
};

class Writable final : public FSWritableFile {
 public:
  Writable(std::unique_ptr<File> file, uint64_t size) : file_(std::move(file)), size_(size) {}
  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const absl::Status s = file_->WriteAt(size_, absl::string_view(data.data(), data.size()));
    if (s.ok()) size_ += data.size();
    return ToIO(s);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    size_ = size;
    return ToIO(file_->Truncate(size));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return ToIO(file_->Sync()); }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  const std::unique_ptr<File> file_;
  uint64_t size_;
};

class Directory final : public FSDirectory {
 public:
  Directory(FileSystem* files, std::string dir) : files_(files), dir_(std::move(dir)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return ToIO(files_->SyncDirectory(dir_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FileSystem* const files_;
  const std::string dir_;
};

class NoLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

class Lock final : public FileLock {
 public:
  explicit Lock(std::string path) : path(std::move(path)) {}
  const std::string path;
};

class EnvFiles final : public rocksdb::FileSystem {
 public:
  explicit EnvFiles(storage::FileSystem* files) : files_(files) {}
  const char* Name() const override { return "TriadTestFiles"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<FSSequentialFile>* result, IODebugContext*) override {
    auto file = files_->Open(path, false);
    if (file.ok()) *result = std::make_unique<Sequential>(std::move(*file));
    return ToIO(file.status());
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<FSRandomAccessFile>* result,
                               IODebugContext*) override {
    auto file = files_->Open(path, false);
    if (file.ok()) *result = std::make_unique<RandomAccess>(std::move(*file));
    return ToIO(file.status());
  }
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<FSWritableFile>* result, IODebugContext*) override {
    auto file = files_->Open(path, true);
    if (!file.ok()) return ToIO(file.status());
    if (absl::Status s = (*file)->Truncate(0); !s.ok()) return ToIO(s);
    *result = std::make_unique<Writable>(std::move(*file), 0);
    return IOStatus::OK();
  }
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<FSWritableFile>* result, IODebugContext*) override {
    auto file = files_->Open(path, true);
    if (!file.ok()) return ToIO(file.status());
    const auto size = (*file)->Size();
    if (!size.ok()) return ToIO(size.status());
    *result = std::make_unique<Writable>(std::move(*file), *size);
    return IOStatus::OK();
  }
  IOStatus NewDirectory(const std::string& dir, const IOOptions&,
                        std::unique_ptr<FSDirectory>* result, IODebugContext*) override {
    *result = std::make_unique<Directory>(files_, dir);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    return files_->Exists(path) ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& dir, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    auto names = files_->List(dir);
    if (names.ok()) *result = std::move(*names);
    return ToIO(names.status());
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return ToIO(files_->Remove(path));
  }
  IOStatus Truncate(const std::string& path, size_t size, const IOOptions&,
                    IODebugContext*) override {
    auto file = files_->Open(path, false);
    return ToIO(file.ok() ? (*file)->Truncate(size) : file.status());
  }
  IOStatus CreateDir(const std::string& dir, const IOOptions&, IODebugContext*) override {
    return ToIO(files_->MakeDirectory(dir));
  }
  IOStatus CreateDirIfMissing(const std::string& dir, const IOOptions&, IODebugContext*) override {
    return ToIO(files_->MakeDirectory(dir));
  }
  IOStatus DeleteDir(const std::string&, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    auto file = files_->Open(path, false);
    if (!file.ok()) return ToIO(file.status());
    const auto bytes = (*file)->Size();
    if (bytes.ok()) *size = *bytes;
    return ToIO(bytes.status());
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return ToIO(files_->Rename(from, to));
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, FileLock** lock,
                    IODebugContext*) override {
    absl::MutexLock guard(&mutex_);
    if (!locked_.insert(path).second) return IOStatus::IOError("lock " + path + ": held");
    *lock = new Lock(path);
    return IOStatus::OK();
  }
  IOStatus UnlockFile(FileLock* lock, const IOOptions&, IODebugContext*) override {
    absl::MutexLock guard(&mutex_);
    locked_.erase(static_cast<Lock*>(lock)->path);
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/test";
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<NoLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_dir,
                       IODebugContext*) override {
    *is_dir = files_->Exists(path) && !files_->Open(path, false).ok();
    return IOStatus::OK();
  }

 private:
  storage::FileSystem* const files_;
  absl::Mutex mutex_;
  std::set<std::string> locked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<rocksdb::Env> NewEnvOver(FileSystem* files) {
  return rocksdb::NewCompositeEnv(std::make_shared<EnvFiles>(files));
}

}  // namespace triad::storage
