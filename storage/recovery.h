// Reads the log's files after a start and tells a torn tail, which was never acknowledged, from
// damage, which must never be cut away. The judgement and its proof are in FORMAT.md.
//
// Only reads: what there is to cut or to complete, log.cc does with the result. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/log.h"
#include "storage/log_contents.h"
#include "storage/segment.h"

namespace triad::storage {

// One file of the log, as far as the writer must know it.
struct SegmentInfo {
  uint64_t number = 0;
  quorum::Index base;  // the last index before its first record
};

// The place where the next batch goes.
struct Tail {
  std::unique_ptr<File> file;
  uint64_t number = 0;
  uint64_t bytes = 0;               // the file's size by its header
  uint64_t end = 0;                 // of the last whole batch
  bool torn = false;                // something that is no batch stands behind `end`
  uint64_t watermark_sequence = 0;  // the highest one in use
  int watermark_slot = 0;           // which of the two is overwritten next
};

struct Recovery {
  Log::Found found;
  // Empty: there is no log. With found.damage set, the rest is not to be used.
  std::vector<SegmentInfo> segments;
  LogContents contents;
  Tail tail;
  // Of the last file, as read: the batches that its watermarks do not show to have been synced
  // (they begin at `unproven_at` and end at tail.end), and the sector of each whole watermark.
  uint64_t unproven_at = 0;
  std::string unproven;
  std::array<std::string, kWatermarkSlots> watermarks;  // "" where there is none
  // The last but one segment; without a file when there is none.
  Tail previous;
  LogState previous_state;  // at its end
};

// Errors only where nothing can be said about the log: `dir` cannot be listed, a file cannot be
// opened, or a later version wrote it. Everything else that is wrong is in found.damage.
absl::StatusOr<Recovery> Recover(FileSystem* files, const std::string& dir);

}  // namespace triad::storage
