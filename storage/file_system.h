// The few file operations that the log and the identity need, as an interface, so that tests can
// stop, tear, corrupt and reorder them, and the simulator can run the log without a disk.
//
// Every call returns a one-line error that names the path. No call retries.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::storage {

class File {
 public:
  virtual ~File() = default;
  virtual absl::Status WriteAt(uint64_t offset, absl::string_view data) = 0;
  // Reads up to `size` bytes; shorter only at the end of the file.
  virtual absl::StatusOr<std::string> ReadAt(uint64_t offset, size_t size) = 0;
  // fdatasync. After an error the file's content is unknown; it must not be called again.
  virtual absl::Status Sync() = 0;
  // Allocates and zero-fills up to `size`, so that later syncs need no metadata.
  virtual absl::Status Preallocate(uint64_t size) = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Creates the file when `create` is set and it is not there.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, bool create) = 0;
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& dir) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  virtual absl::Status SyncDirectory(const std::string& dir) = 0;
  virtual bool Exists(const std::string& path) = 0;
  // Makes `dir`, whose parent exists; nothing to do when it is there. Not durable before the
  // parent's SyncDirectory.
  virtual absl::Status MakeDirectory(const std::string& dir) = 0;
};

// The machine's own. Thread-safe, lives for ever.
FileSystem* PosixFileSystem();

}  // namespace triad::storage
