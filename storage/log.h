// The quorum log on disk: entries, term and vote in preallocated segment files, FORMAT.md byte by
// byte.
//
// What it is not: a general store. It knows one writer, appends and cuts at the end, and the
// difference between a torn tail (never acknowledged, may be cut) and damage (acknowledged once,
// must never be cut silently), which no general store can tell.
//
// Thread-safety: none; one thread (the disk thread) owns it after Open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "quorum/members.h"
#include "quorum/types.h"
#include "storage/file_system.h"

namespace triad::storage {

struct LogOptions {
  uint64_t segment_bytes =
      16u << 20;  // preallocated and zero-filled; a larger batch gets a segment of its own size
  // False for a node that belongs to a formed cluster: a directory without a log is then damage,
  // at this start and at every later one, and stays as it is.
  bool may_create = true;
};

class Log {
 public:
  // What a node finds when it starts. With `damage` set, entries that may have been acknowledged
  // cannot be read: the node must not vote or acknowledge under this incarnation; `entries` then
  // ends before the damage.
  struct Found {
    quorum::HardState hard_state;
    quorum::Index snapshot_index;  // the log begins after it
    quorum::Term snapshot_term;
    quorum::Members snapshot_members;  // in force there; empty: not known
    std::vector<quorum::Entry> entries;
    std::optional<std::string> damage;  // one line: file, offset, what is wrong
    std::optional<std::string> note;    // one line when a torn tail was cut off
    // There was no log in `dir`, so this is a new one. Only with LogOptions::may_create; without it
    // the same is `damage`.
    bool created = false;
  };

  // Opens, or where `options` allow it creates, the log in `dir` (which exists). Errors name the
  // file. DATA_LOSS is never returned for damage that `found->damage` can describe: the caller
  // decides. A damaged log is left exactly as it was found, and every write to it fails.
  static absl::StatusOr<std::unique_ptr<Log>> Open(FileSystem* files, const std::string& dir,
                                                   LogOptions options, Found* found);
  // Removes the log for a node that rejoins under a new incarnation. A crash in the middle leaves
  // what Open calls damage, never a shorter log.
  static absl::Status Destroy(FileSystem* files, const std::string& dir);
  // The same, but the files are kept, in directory `to`, which is made (in `dir`, on the same disk)
  // if there is any. NOT for a log that goes on: it is taken apart newest file first.
  static absl::Status MoveTo(FileSystem* files, const std::string& dir, const std::string& to);
  // Makes a log that begins behind `start`, with that term and vote, where there is none
  // (ALREADY_EXISTS). Durable on return.
  static absl::StatusOr<std::unique_ptr<Log>> Create(FileSystem* files, const std::string& dir,
                                                     LogOptions options,
                                                     quorum::HardState hard_state,
                                                     const quorum::LogStart& start);
  virtual ~Log() = default;

  // Writes `hard_state` (if any), then `entries`, and syncs once. entries[0].index may be at or
  // below the last: the log is cut there first. On return with OK all of it is durable. Any error
  // is final: the process must end without acknowledging anything of this batch (a failed sync is
  // never retried), and every later call fails.
  virtual absl::Status Append(const std::optional<quorum::HardState>& hard_state,
                              absl::Span<const quorum::Entry> entries) = 0;

  // Called when there is nothing to write: records how far was synced, without a sync for it, so
  // that later damage to the last batch is told from a torn write; and prepares 1 MB of the next
  // segment. Need not be repeated: what pauses do not prepare, Append does, 1 MB at a time.
  virtual absl::Status Idle() = 0;

  // The log begins behind `start` from now on, which a durable snapshot covers: drops whole
  // segments that end at or before it. Keeps the latest term and vote. What follows `start` stays
  // if the log agrees with it, else all of it goes.
  virtual absl::Status Trim(const quorum::LogStart& start) = 0;
  absl::Status TrimBefore(quorum::Index index, quorum::Term term) {
    return Trim({index, term, {}});
  }
};

}  // namespace triad::storage
