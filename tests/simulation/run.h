// Runs seeds and says what came of them. Used by the program and by the test.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/counters.h"

namespace triad::simulation {

struct RunResult {
  bool ok = false;
  std::string failure;
  std::vector<std::string> last;  // events, when it failed
  std::string plan;
  uint64_t hash = 0;
  uint64_t events = 0;
  uint64_t checked = 0;
  uint64_t committed = 0;
  int64_t simulated_us = 0;
  Counters counters;
};

// `print` hears every event, if it is set.
RunResult RunSeed(uint64_t seed, const std::function<void(const std::string&)>& print = nullptr);

// An assertion of the product ends the process: say first which seed it was, and what happened
// last.
void ReportAborts();

}  // namespace triad::simulation
