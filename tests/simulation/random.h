// Chance for the simulator: the same numbers from the same seed with every compiler and library.
//
// Integers only (std::uniform_int_distribution differs between libraries, floating point may
// between compilers). Not thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace triad::simulation {

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}

  // splitmix64
  uint64_t Next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // In [0, bound); 0 when bound is 0.
  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : (Next() >> 11) % bound; }
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  bool Permille(uint64_t permille) { return Below(1000) < permille; }
  bool PerMillion(uint64_t ppm) { return ppm > 0 && Below(1'000'000) < ppm; }
  // Mostly near `low`, seldom near `high`: the smallest of three draws.
  int64_t Skewed(int64_t low, int64_t high) {
    int64_t least = Between(low, high);
    for (int i = 0; i < 2; ++i) {
      const int64_t other = Between(low, high);
      if (other < least) least = other;
    }
    return least;
  }
  std::string Bytes(size_t size) {
    std::string bytes;
    bytes.reserve(size);
    while (bytes.size() < size) bytes.push_back(static_cast<char>(Below(256)));
    return bytes;
  }

 private:
  uint64_t state_;
};

}  // namespace triad::simulation
