// What tests of data directories hand to the code beside a disk: a log that nobody reads, and
// chance that repeats.
#pragma once

#include <string>

#include "server/environment.h"

namespace triad::server::testing {

class QuietLogger final : public Logger {
 public:
  void Log(LogLevel, absl::string_view) override {}
};

// Bytes that differ from one call to the next: all 'N', all 'O', ...
class CountingRandom final : public Random {
 public:
  uint32_t Below(uint32_t) override { return 0; }
  std::string Bytes(size_t size) override { return std::string(size, static_cast<char>(++last_)); }

 private:
  int last_ = 'M';
};

}  // namespace triad::server::testing
