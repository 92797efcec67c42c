#include "client/examples/console.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace triad::examples {
namespace {

// Events that nobody has taken yet: as many as the library itself keeps.
constexpr size_t kEventsMax = 4096;
// A command without an end is cut here.
constexpr size_t kLineBytesMax = 4096;
// What events said and nobody waited for; the oldest go.
constexpr size_t kSaidMax = 1024;

int64_t NowMs() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

}  // namespace

Console::Console(int in, std::FILE* out) : in_(in), out_(out), live_(isatty(in) == 1) {
  if (pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) wake_[0] = wake_[1] = -1;
}

Console::~Console() {
  for (const int end : wake_) {
    if (end >= 0) close(end);
  }
}

void Console::Say(const std::string& line) {
  if (handling_) {
    if (said_.size() == kSaidMax) said_.erase(said_.begin());
    said_.push_back(line);
  }
  std::fputs((line + "\n").c_str(), out_);
  std::fflush(out_);
}

void Console::Post(const Event& event) {
  {
    const std::lock_guard lock(mutex_);
    if (events_.size() == kEventsMax) return;
    events_.push_back(event);
  }
  const char byte = 0;
  // A full pipe wakes as well.
  if (write(wake_[1], &byte, 1) < 0) return;
}

void Console::Handle() {
  char bytes[256];
  while (read(wake_[0], bytes, sizeof(bytes)) > 0) {
  }
  std::deque<Event> events;
  {
    const std::lock_guard lock(mutex_);
    events.swap(events_);
  }
  handling_ = true;
  for (const Event& event : events) {
    if (handler_) handler_(event);
  }
  handling_ = false;
}

std::optional<std::string> Console::ReadLine() {
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos || buffer_.size() > kLineBytesMax) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end == std::string::npos ? end : end + 1);
      return line;
    }
    pollfd ready[2] = {{in_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    if (poll(ready, live_ ? 2 : 1, -1) < 0) continue;
    if (live_ && ready[1].revents != 0) Handle();
    if (ready[0].revents == 0) continue;
    char bytes[1024];
    const ssize_t got = read(in_, bytes, sizeof(bytes));
    if (got <= 0) return buffer_.empty() ? std::nullopt : std::optional(std::exchange(buffer_, ""));
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

std::optional<std::string> Console::Next() {
  std::optional<std::string> line = ReadLine();
  if (!line) return std::nullopt;
  const bool remark = !line->empty() && (line->front() == '#' || line->front() == '!');
  if (!live_) Say(remark ? *line : "> " + *line);
  Handle();
  return line;
}

bool Console::TakeSaid(const std::string& text) {
  const auto found = std::find_if(said_.begin(), said_.end(), [&](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
  if (found == said_.end()) return false;
  said_.erase(said_.begin(), found + 1);
  return true;
}

bool Console::WaitFor(const std::string& text, int timeout_ms) {
  const int64_t end_ms = NowMs() + timeout_ms;
  for (;;) {
    if (TakeSaid(text)) return true;
    const int64_t left_ms = end_ms - NowMs();
    if (left_ms <= 0) return false;
    pollfd ready{wake_[0], POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(left_ms)) > 0) Handle();
  }
}

}  // namespace triad::examples
