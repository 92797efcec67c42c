#include "storage/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"

namespace triad::storage {
namespace {

constexpr size_t kZeroChunkBytes = 256u << 10;

// Must be called before anything else can change errno.
absl::Status ErrnoError(absl::string_view what, const std::string& path) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::StrCat("cannot ", what, " ", path));
}

// A call that a signal interrupted or that did a part of its work goes on; that is no retry of
// something that failed.
class PosixFile final : public File {
 public:
  PosixFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~PosixFile() override { close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::Status WriteAt(uint64_t offset, absl::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError("write", path_);
      if (n == 0) return absl::DataLossError(absl::StrCat("cannot write ", path_, ": no progress"));
      data.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t size) override {
    std::string data(size, '\0');
    size_t done = 0;
    while (done < size) {
      const ssize_t n =
          pread(descriptor_, &data[done], size - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    data.resize(done);
    return data;
  }

  absl::Status Sync() override {
    if (sync_failed_) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot sync ", path_, ": an earlier sync failed, its content is unknown"));
    }
    // Also EINTR is final: what it leaves of the dirty pages is not said anywhere.
    if (fdatasync(descriptor_) != 0) {
      sync_failed_ = true;
      return ErrnoError("sync", path_);
    }
    return absl::OkStatus();
  }

  absl::Status Preallocate(uint64_t size) override {
    absl::StatusOr<uint64_t> now = Size();
    if (!now.ok()) return now.status();
    if (*now >= size) return absl::OkStatus();
    // First the space as one piece, so that a full disk is known before anything is written; then
    // real zeros, because reserved but unwritten blocks cost a metadata write at their first sync.
    int error = EINTR;
    while (error == EINTR) {
      error =
          posix_fallocate(descriptor_, static_cast<off_t>(*now), static_cast<off_t>(size - *now));
    }
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL) {
      return absl::ErrnoToStatus(error,
                                 absl::StrCat("cannot allocate ", size, " bytes for ", path_));
    }
    static const std::string* const zeros = new std::string(kZeroChunkBytes, '\0');
    for (uint64_t at = *now; at < size;) {
      const size_t part = static_cast<size_t>(std::min<uint64_t>(kZeroChunkBytes, size - at));
      if (absl::Status s = WriteAt(at, absl::string_view(*zeros).substr(0, part)); !s.ok()) {
        return s;
      }
      at += part;
    }
    return absl::OkStatus();
  }

  absl::Status Truncate(uint64_t size) override {
    if (ftruncate(descriptor_, static_cast<off_t>(size)) != 0) return ErrnoError("truncate", path_);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat info;
    if (fstat(descriptor_, &info) != 0) return ErrnoError("stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  const std::string path_;
  const int descriptor_;
  bool sync_failed_ = false;
};

class Posix final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool create) override {
    const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (descriptor < 0) return ErrnoError("open", path);
    return std::make_unique<PosixFile>(path, descriptor);
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& dir) override {
    DIR* stream = opendir(dir.c_str());
    if (stream == nullptr) return ErrnoError("list", dir);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    if (errno != 0) {
      const absl::Status status = ErrnoError("list", dir);
      closedir(stream);
      return status;
    }
    closedir(stream);
    std::sort(names.begin(), names.end());
    return names;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoError(absl::StrCat("rename ", from, " to"), to);
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) != 0) return ErrnoError("remove", path);
    return absl::OkStatus();
  }

  absl::Status SyncDirectory(const std::string& dir) override {
    const int descriptor = open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return ErrnoError("open directory", dir);
    if (fsync(descriptor) != 0) {
      const absl::Status status = ErrnoError("sync directory", dir);
      close(descriptor);
      return status;
    }
    close(descriptor);
    return absl::OkStatus();
  }

  bool Exists(const std::string& path) override { return access(path.c_str(), F_OK) == 0; }

  absl::Status MakeDirectory(const std::string& dir) override {
    if (mkdir(dir.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
    return ErrnoError("make directory", dir);
  }
};

}  // namespace

FileSystem* PosixFileSystem() {
  static Posix* const posix = new Posix;
  return posix;
}

}  // namespace triad::storage
