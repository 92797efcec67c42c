// One log file that whoever likes may rotate, fill up or take away: a line that cannot be written
// is counted, never waited for, and said when writing works again.
//
// Where in the records it stands is kept beside it, in a file of our own: written before the lines
// themselves with what they will be, so that after a crash no record is there twice and none is
// left out.
//
// Not thread-safe; it blocks on the disk, so it belongs to a thread of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::server {

class LogFile {
 public:
  struct Config {
    std::string path;
    bool append = true;           // else it begins empty when it is opened first
    std::string position_path;    // where its place is kept; "": nowhere
    uint64_t rollover_bytes = 0;  // begins a new one above it; 0: never
  };

  explicit LogFile(Config config);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Writes `text`, whole lines, which bring it to record `number` (0: no records). `stamp` names an
  // old file when it rolls over ("20260615120000"). The error says why nothing was written; the
  // lines are counted as lost.
  absl::Status Write(absl::string_view text, uint64_t number, absl::string_view stamp);
  // The record it stands at; 0: it has none yet.
  uint64_t number() const { return number_; }
  const std::string& path() const { return config_.path; }

  // Lines that were lost since TakeLost, and why the last one was.
  uint64_t lost_lines() const { return lost_lines_; }
  uint64_t TakeLost();
  void AddLost(uint64_t lines) { lost_lines_ += lines; }

  // Goes on in a new file under the same name; the old one gets the name `old_path`. Returns it.
  absl::StatusOr<std::string> Rotate(const std::string& old_path);
  // Goes on in `path`. The present file stays as it is. Returns its name.
  absl::StatusOr<std::string> Switch(const std::string& path);
  // Opens the name anew with the next write: somebody has moved the file.
  void Reopen();

 private:
  struct Place {
    uint64_t before = 0;  // record before the last write
    uint64_t after = 0;   // and behind it
    uint64_t inode = 0;
    int64_t offset = 0;
    int64_t bytes = 0;
  };

  absl::Status Open();
  bool IsMovedAway() const;
  void ReadPlace();
  absl::Status WritePlace(const Place& place);
  void Close();

  Config config_;
  bool opened_once_ = false;
  int file_ = -1;
  int place_file_ = -1;
  uint64_t number_ = 0;
  uint64_t lost_lines_ = 0;
};

}  // namespace triad::server
