// `triad restore`: a data directory out of a backup, for the case that all nodes are lost. It holds
// a new cluster of one node, as after `triadd recover --accept-loss` (server/recover.h), which the
// others join by `triadd rejoin`.
//
// Offline: the caller holds the directory's lock and no daemon runs on it. While the file
// `restoring` is there, no daemon starts on the directory, and restoring into it again begins anew;
// so a crash at any point leaves nothing behind that could be taken for a node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/license_file.h"
#include "server/data_directory.h"
#include "server/environment.h"
#include "server/recover.h"
#include "storage/file_system.h"
#include "triad/v1/backup.pb.h"

namespace triad::server {

// What a backup says of itself, all of it checked but for what only a ledger can find.
struct BackupContents {
  v1::BackupHead head;
  v1::BackupEnd end;
  std::vector<license::ServerLine> servers;  // of the license set in it
  std::string server_set;

  // One line: when, of which entry, what is held.
  std::string Describe() const;
};

// FAILED_PRECONDITION or DATA_LOSS, one line without the file's name: it is no backup, is damaged,
// or holds what this program does not know.
absl::StatusOr<BackupContents> ReadBackup(storage::File* file);

struct RestoreAs {
  int slot = 0;  // 1, 2, 3: which SERVER line the node is
  RecoverAs recover;
  // Names in the directory that are not this node's: the lock, other servers' directories.
  std::vector<std::string> others;
};

// Makes the node in `place.dir`, which holds nothing but `as.others` and what an earlier restore
// has left. `file` is the one that `contents` was read from.
absl::StatusOr<storage::Identity> Restore(const DataPlace& place, storage::File* file,
                                          const BackupContents& contents, const RestoreAs& as,
                                          Random* random, Logger* logger);

}  // namespace triad::server
