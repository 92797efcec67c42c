// What happened in a run: a hash over all of it, and its last events for a report.
//
// The hash is what "same seed, same run" means: every event adds to it. Text is made only when
// somebody reads it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::simulation {

class Trace {
 public:
  // `what` is a literal; the numbers are whatever tells this event from another of its kind.
  void Note(int64_t now_us, const char* what, int64_t a = 0, int64_t b = 0, int64_t c = 0) {
    Add(static_cast<uint64_t>(now_us));
    for (const char* p = what; *p != '\0'; ++p) AddByte(static_cast<uint8_t>(*p));
    Add(static_cast<uint64_t>(a));
    Add(static_cast<uint64_t>(b));
    Add(static_cast<uint64_t>(c));
    Line& line = NextLine(now_us);
    line.what = what;
    line.numbers = {a, b, c};
    if (printer_) printer_(Format(line));
  }
  // A line of text, as of a node's log.
  void Text(int64_t now_us, int who, absl::string_view text);

  uint64_t hash() const { return hash_; }
  // Oldest first.
  std::vector<std::string> Last() const;
  // Called with each line as it happens.
  void set_printer(std::function<void(const std::string&)> printer) {
    printer_ = std::move(printer);
  }

 private:
  static constexpr size_t kKept = 50;
  struct Line {
    int64_t now_us = 0;
    const char* what = nullptr;
    std::array<int64_t, 3> numbers{};
    std::string text;
  };

  void Add(uint64_t value) { hash_ = (hash_ ^ value) * 0x9E3779B97F4A7C15u + (hash_ >> 29); }
  void AddByte(uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  Line& NextLine(int64_t now_us) {
    Line& line = lines_[next_++ % kKept];
    line.now_us = now_us;
    line.text.clear();
    return line;
  }
  static std::string Format(const Line& line);

  uint64_t hash_ = 0xcbf29ce484222325u;
  uint64_t next_ = 0;
  std::array<Line, kKept> lines_;
  std::function<void(const std::string&)> printer_;
};

}  // namespace triad::simulation
