// Who this node is: the small text file `identity` in the data directory, and the lock that keeps a
// second daemon off the same directory.
//
// The identity is written by `triadd init` and `triadd rejoin` only, never implicitly: a node that
// lost its disk must not come back under its old incarnation (quorum-notes B.9). What it is not: a
// configuration; nobody edits it by hand, and its checksum line says so.
//
// Thread-safety: free functions, safe on different directories; one writer per directory, which
// DirectoryLock ensures.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/file_system.h"

namespace triad::storage {

// One node of the cluster as it was at birth. (Who belongs to it now stands in the log and the
// ledger.)
struct Member {
  int slot = 0;             // 1, 2, 3: the SERVER line
  std::string incarnation;  // 16 bytes
  bool operator==(const Member&) const = default;
};

// All byte strings are raw bytes; the file has them in hex.
struct Identity {
  int slot = 0;                 // 1, 2, 3
  std::string incarnation;      // 16 random bytes, drawn once per data directory
  std::string server_set;       // 32 bytes: hash of the host ids on the SERVER lines
  std::string cluster_id;       // 32 bytes; empty before birth
  std::vector<Member> members;  // in slot order; empty before birth
  // This incarnation has no log of its own yet: drawn by `triadd rejoin` (no cluster then), or let
  // in by the cluster and about to begin. Whatever log lies beside it belongs to an earlier one.
  bool rejoining = false;
  bool operator==(const Identity&) const = default;
};

// Reads `DIR/identity`. nullopt: there is none. DATA_LOSS: it is damaged; the message names the
// file and says what to do.
absl::StatusOr<std::optional<Identity>> ReadIdentity(FileSystem* files, const std::string& dir);

// Replaces `DIR/identity` durably: after OK the new one survives a crash, after an error or a crash
// it is the old one or the new one, whole. INVALID_ARGUMENT when `identity` breaks its own rules.
absl::Status WriteIdentity(FileSystem* files, const std::string& dir, const Identity& identity);

// Held by the daemon as long as it runs; the kernel frees it when the process ends, however it
// ends.
class DirectoryLock {
 public:
  // Locks `DIR/lock`. FAILED_PRECONDITION: "another triadd runs on DIR (pid N)".
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Take(const std::string& dir);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace triad::storage
