#include "tests/simulation/trace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace triad::simulation {

void Trace::Text(int64_t now_us, int who, absl::string_view text) {
  Add(static_cast<uint64_t>(now_us));
  Add(static_cast<uint64_t>(who));
  for (const char byte : text) AddByte(static_cast<uint8_t>(byte));
  Line& line = NextLine(now_us);
  line.what = "says";
  line.numbers = {who, 0, 0};
  line.text = std::string(text);
  if (printer_) printer_(Format(line));
}

std::string Trace::Format(const Line& line) {
  std::string text = absl::StrFormat("%12.6f  %-22s %d", static_cast<double>(line.now_us) / 1e6,
                                     line.what, line.numbers[0]);
  if (!line.text.empty()) {
    absl::StrAppend(&text, " ", line.text);
  } else {
    absl::StrAppend(&text, " ", line.numbers[1], " ", line.numbers[2]);
  }
  return text;
}

std::vector<std::string> Trace::Last() const {
  std::vector<std::string> lines;
  const uint64_t count = std::min<uint64_t>(next_, kKept);
  for (uint64_t i = next_ - count; i < next_; ++i) lines.push_back(Format(lines_[i % kKept]));
  return lines;
}

}  // namespace triad::simulation
