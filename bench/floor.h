// The floors, measured: see chain.h for what they are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace triad::bench {

// One floor's processes, up.
struct Floor {
  integration::TempDir dir;
  std::vector<integration::Process> processes;
  std::string address;  // where clients connect
};
std::unique_ptr<Floor> StartEmpty();
std::unique_ptr<Floor> StartChain();

struct SyncFloor {
  double p50_us = 0;
  double p99_us = 0;
  double per_s = 0;
};
// Appends of `bytes` to a preallocated file, each synced, one after the other.
SyncFloor MeasureSyncedAppend(size_t bytes, int64_t run_ms);

}  // namespace triad::bench
