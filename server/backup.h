// What a node gives for a backup: the rows of one view of its ledger and the usage records up to
// there, as the pieces of license/backup_file.h.
//
// Pure and single-threaded: it is handed chunks (server/snapshots.h) and pages of records, and says
// what to ask for next. The call that reads them and paces itself is AdminCalls::Backup.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/environment.h"
#include "triad/v1/backup.pb.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

class BackupMaker {
 public:
  // `known`: what the node knows beside its ledger: cluster, node, program, nodes.
  explicit BackupMaker(v1::BackupHead known) : head_(std::move(known)) {}

  // Which rows to ask for next; nullopt: all are there.
  std::optional<v1::SnapshotRequest> NextRows() const;
  // Their answer; the pieces to send are added to `pieces`. UNAVAILABLE: the view is gone, or the
  // node does not serve it now.
  absl::Status AddRows(v1::SnapshotChunk chunk, std::vector<v1::BackupPiece>* pieces);
  // Which records to ask for next, when all rows are there; nullopt: all are there.
  std::optional<UsageQuery> NextUsage() const;
  void AddUsage(UsageRead read, std::vector<v1::BackupPiece>* pieces);
  // The last piece.
  v1::BackupPiece End() const;

  uint64_t bytes() const { return bytes_; }  // of rows and records so far

 private:
  absl::Status TakeHead(const v1::SnapshotChunk& chunk);

  v1::BackupHead head_;
  uint64_t view_ = 0;
  std::string after_;
  bool rows_done_ = false;
  bool usage_done_ = false;
  uint64_t usage_after_ = 0;
  uint64_t usage_last_ = 0;  // the last that belongs to the ledger
  uint64_t bytes_ = 0;
  v1::BackupEnd end_;
};

}  // namespace triad::server
