// What is written to the log at once, and how: which of the writes that gathered while one sync ran
// are joined into the next, and in which order a write reaches the disk.
//
// One rule for the daemon's thread (disk_io.h) and for the simulator's disk. Plain values, no
// thread of its own; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "quorum/members.h"
#include "quorum/types.h"
#include "storage/log.h"

namespace triad::server {

// As quorum::Ready hands it over.
struct LogWrite {
  uint64_t id = 0;  // with what was joined into it, of the last of them
  std::optional<quorum::HardState> hard_state;
  std::optional<quorum::LogStart> start;
  std::vector<quorum::Entry> entries;
};

// Takes the first of `waiting`, which is not empty, and those behind it that fit into one write
// with one sync. A batch that cuts the log back begins a new one, and so does a new start of the
// log, which stands before its entries.
LogWrite TakeJoined(std::deque<LogWrite>* waiting);

// Term and vote, then the log's new start, then the entries; durable when it returns OK.
absl::Status Perform(const LogWrite& write, storage::Log* log);

}  // namespace triad::server
