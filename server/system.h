// The machine as the daemon uses it: clocks, chance, the log of events, and what host ids the
// machine can show.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "license/host_id.h"
#include "server/environment.h"

namespace triad::server {

// CLOCK_BOOTTIME and the machine's zone. Thread-safe.
class SystemClock final : public Clock {
 public:
  int64_t NowMs() override;
  int64_t WallMs() override;
  int32_t UtcOffsetSeconds() override;
};

// getrandom(2). Thread-safe.
class SystemRandom final : public Random {
 public:
  uint32_t Below(uint32_t bound) override;
  std::string Bytes(size_t size) override;
};

// statvfs(2), what is left for users without privileges. Thread-safe.
class SystemDiskSpace final : public DiskSpace {
 public:
  explicit SystemDiskSpace(std::string dir) : dir_(std::move(dir)) {}
  int64_t FreeBytes() override;

 private:
  const std::string dir_;
};

// Writes a few bytes to a file of its own and syncs them, to see whether the disk answers. What
// fails is nothing here: the log and the ledger say what is wrong with the disk. Not thread-safe.
class DiskProbe {
 public:
  explicit DiskProbe(std::string path) : path_(std::move(path)) {}
  ~DiskProbe();
  DiskProbe(const DiskProbe&) = delete;
  DiskProbe& operator=(const DiskProbe&) = delete;
  // Returns when the disk has answered; counts in the file how often it did.
  void Touch();

 private:
  const std::string path_;
  int file_ = -1;
  uint64_t touches_ = 0;
};

// What cannot stand in a line as '?'.
std::string OneLine(absl::string_view line);
// What ps and top call the calling thread; at most 15 characters.
void NameThread(const char* name);

// One line an event on stderr: with the journal's priority prefix when the journal reads it, else
// with date and time. Thread-safe.
class StderrLogger final : public Logger {
 public:
  StderrLogger();
  void Log(LogLevel level, absl::string_view line) override;

 private:
  const bool journal_;
};

// What this machine can show of itself.
license::MachineIds ReadMachineIds();

// The address in what gRPC says of a peer: "10.0.0.7" of "ipv4:10.0.0.7:4711", "fec0::1" of
// "ipv6:%5Bfec0::1%5D:4711". What has none, such as "unix:PATH", stays as it is.
std::string AddressOfPeer(absl::string_view peer);

// The whole of a regular file, at most `bytes_max`. The error names the path.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max);
bool IsDirectory(const std::string& path);
// Files in `dir` whose name ends with `suffix`, in name order; empty when it cannot be read.
std::vector<std::string> ListFiles(const std::string& dir, absl::string_view suffix);

}  // namespace triad::server
