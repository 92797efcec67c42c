#include "server/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "server/system.h"

namespace triad::server {
namespace {

constexpr size_t kPlaceBytesMax = 256;

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(
      absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
}

}  // namespace

LogFile::LogFile(Config config) : config_(std::move(config)) {
  ReadPlace();
}

LogFile::~LogFile() {
  Close();
  if (place_file_ >= 0) close(place_file_);
}

void LogFile::Close() {
  if (file_ >= 0) close(file_);
  file_ = -1;
}

void LogFile::Reopen() {
  Close();
}

// What was announced last may have been written, in part, or not at all.
void LogFile::ReadPlace() {
  if (config_.position_path.empty()) return;
  const auto text = ReadFile(config_.position_path, kPlaceBytesMax);
  if (!text.ok()) return;
  const std::vector<std::string> words = absl::StrSplit(*text, ' ', absl::SkipWhitespace());
  Place place;
  if (words.size() < 5 || !absl::SimpleAtoi(words[0], &place.before) ||
      !absl::SimpleAtoi(words[1], &place.after) || !absl::SimpleAtoi(words[2], &place.inode) ||
      !absl::SimpleAtoi(words[3], &place.offset) || !absl::SimpleAtoi(words[4], &place.bytes)) {
    return;
  }
  number_ = place.after;
  struct stat info {};
  if (stat(config_.path.c_str(), &info) != 0) return;
  if (static_cast<uint64_t>(info.st_ino) != place.inode) return;
  if (info.st_size >= place.offset + place.bytes || info.st_size < place.offset) return;
  number_ = place.before;
  // Half a batch: it is written again, whole.
  [[maybe_unused]] const int cut = truncate(config_.path.c_str(), place.offset);
}

absl::Status LogFile::WritePlace(const Place& place) {
  if (config_.position_path.empty()) return absl::OkStatus();
  if (place_file_ < 0) {
    place_file_ = open(config_.position_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (place_file_ < 0) return Failed("open", config_.position_path);
  }
  // Of one length, so that a shorter one leaves nothing of a longer one behind.
  const std::string text = absl::StrFormat("%20d %20d %20d %20d %20d\n", place.before, place.after,
                                           place.inode, place.offset, place.bytes);
  const ssize_t written = pwrite(place_file_, text.data(), text.size(), 0);
  if (written == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return Failed("write", config_.position_path);
}

bool LogFile::IsMovedAway() const {
  struct stat name {};
  struct stat opened {};
  return stat(config_.path.c_str(), &name) != 0 || fstat(file_, &opened) != 0 ||
         name.st_ino != opened.st_ino || name.st_dev != opened.st_dev;
}

absl::Status LogFile::Open() {
  if (file_ >= 0 && IsMovedAway()) Close();
  if (file_ >= 0) return absl::OkStatus();
  const int begin = opened_once_ || config_.append ? 0 : O_TRUNC;
  // Not blocking: the name may be a pipe that nobody reads.
  file_ = open(config_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | begin,
               0640);
  if (file_ < 0) return Failed("open", config_.path);
  opened_once_ = true;
  return absl::OkStatus();
}

absl::Status LogFile::Write(absl::string_view text, uint64_t number, absl::string_view stamp) {
  if (text.empty()) {
    if (number != 0) number_ = number;
    return absl::OkStatus();
  }
  const uint64_t before = number_;
  if (number != 0) number_ = number;
  absl::Status status = Open();
  struct stat info {};
  if (status.ok() && fstat(file_, &info) != 0) status = Failed("look at", config_.path);
  const bool full = config_.rollover_bytes > 0 && info.st_size > 0 &&
                    static_cast<uint64_t>(info.st_size) + text.size() > config_.rollover_bytes;
  if (status.ok() && full) {
    status = Rotate(absl::StrCat(config_.path, ".", stamp)).status();
    if (status.ok()) status = Open();
    if (status.ok() && fstat(file_, &info) != 0) status = Failed("look at", config_.path);
  }
  if (status.ok()) {
    status = WritePlace({before, number_, static_cast<uint64_t>(info.st_ino), info.st_size,
                         static_cast<int64_t>(text.size())});
  }
  if (status.ok()) {
    const ssize_t written = write(file_, text.data(), text.size());
    if (written == static_cast<ssize_t>(text.size())) return absl::OkStatus();
    if (written >= 0) errno = ENOSPC;
    status = Failed("write", config_.path);
    // No half lines.
    if (written > 0) [[maybe_unused]]
      const int cut = ftruncate(file_, info.st_size);
  }
  lost_lines_ += static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
  return status;
}

uint64_t LogFile::TakeLost() {
  return std::exchange(lost_lines_, 0);
}

absl::StatusOr<std::string> LogFile::Rotate(const std::string& old_path) {
  std::string free_path = old_path;
  // Never over another file.
  for (int i = 1; access(free_path.c_str(), F_OK) == 0; ++i) {
    free_path = absl::StrCat(old_path, ".", i);
  }
  if (rename(config_.path.c_str(), free_path.c_str()) != 0) return Failed("rename", config_.path);
  Close();
  return free_path;
}

absl::StatusOr<std::string> LogFile::Switch(const std::string& path) {
  const std::string old = std::exchange(config_.path, path);
  const int old_file = std::exchange(file_, -1);
  if (absl::Status opened = Open(); !opened.ok()) {
    config_.path = old;
    file_ = old_file;
    return opened;
  }
  if (old_file >= 0) close(old_file);
  return old;
}

}  // namespace triad::server
