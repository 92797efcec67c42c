// For tests: every state that a crash may leave of a disk (or, where these are too many, a choice
// of them that says which), one after the other.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "storage/test_file_system.h"

namespace triad::storage {

// Set TRIAD_ENUMERATION=deep for the long run.
inline bool DeepEnumeration() {
  const char* value = std::getenv("TRIAD_ENUMERATION");
  return value != nullptr && std::string(value) == "deep";
}

struct CrashLimits {
  uint64_t all_max = 512;  // up to so many combinations, all of them are tried
  size_t pairs_max = 12;   // else: pairs of sectors, if there are at most so many sectors
  size_t singles_max = 64;
  int random = 16;
};

// Crashes copies of one disk.
class CrashStates {
 public:
  using Visit = std::function<void(std::unique_ptr<TestFileSystem> crashed)>;

  CrashStates(const TestFileSystem& disk, CrashLimits limits, uint64_t seed)
      : disk_(disk), limits_(limits), engine_(seed) {}

  // Returns how many states `visit` was shown.
  uint64_t ForEach(const Visit& visit) {
    visit_ = &visit;
    Run([](size_t, uint32_t bound) { return bound - 1; });
    const std::vector<uint32_t> bounds = bounds_;
    uint64_t product = 1;
    for (const uint32_t bound : bounds) {
      product = product > limits_.all_max ? product : product * bound;
    }
    if (product > limits_.all_max || !All()) Some(bounds);
    return count_;
  }

 private:
  using Choose = std::function<uint32_t(size_t place, uint32_t bound)>;

  void Run(const Choose& choose) {
    bounds_.clear();
    std::unique_ptr<TestFileSystem> copy = disk_.Copy();
    copy->Crash([&](uint32_t bound) {
      bounds_.push_back(bound);
      return choose(bounds_.size() - 1, bound) % bound;
    });
    ++count_;
    (*visit_)(std::move(copy));
  }

  // The whole tree of choices, depth first. What can be chosen depends on earlier choices (a file
  // that is not removed has sectors), so it may be larger than it looked: FALSE, and not finished.
  bool All() {
    count_ = 0;  // the first one comes again
    std::vector<uint32_t> path;
    for (;;) {
      Run([&](size_t place, uint32_t) { return place < path.size() ? path[place] : 0; });
      path.resize(bounds_.size(), 0);
      while (!path.empty() && path.back() + 1 == bounds_[path.size() - 1]) path.pop_back();
      if (path.empty()) return true;
      if (count_ >= limits_.all_max) return false;
      ++path.back();
    }
  }

  // Nothing, each alone in each of its states, all but one, beginnings, ends, pairs, and by chance.
  void Some(const std::vector<uint32_t>& bounds) {
    const size_t n = bounds.size();
    const size_t step = n / (limits_.singles_max + 1) + 1;
    Run([](size_t, uint32_t) { return 0; });
    for (size_t i = 0; limits_.singles_max > 0 && i < n; i += step) {
      for (uint32_t v = 1; v < bounds[i]; ++v) {
        Run([&](size_t place, uint32_t) { return place == i ? v : 0; });
        Run([&](size_t place, uint32_t bound) { return place == i ? v - 1 : bound - 1; });
      }
      if (i == 0) continue;
      Run([&](size_t place, uint32_t bound) { return place < i ? bound - 1 : 0; });
      Run([&](size_t place, uint32_t bound) { return place < i ? 0 : bound - 1; });
    }
    for (size_t i = 0; n <= limits_.pairs_max && i < n; ++i) {
      for (size_t k = i + 1; k < n; ++k) {
        const auto in = [&](size_t place) { return place == i || place == k; };
        Run([&](size_t place, uint32_t bound) { return in(place) ? bound - 1 : 0; });
        Run([&](size_t place, uint32_t bound) { return in(place) ? 0 : bound - 1; });
      }
    }
    for (int r = 0; r < limits_.random; ++r) {
      Run([&](size_t, uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); });
    }
  }

  const TestFileSystem& disk_;
  const CrashLimits limits_;
  std::mt19937_64 engine_;
  const Visit* visit_ = nullptr;
  std::vector<uint32_t> bounds_;
  uint64_t count_ = 0;
};

}  // namespace triad::storage
