// One machine's clocks: a steady one that runs a little too fast or slow, and a wall clock that is
// stepped.
#pragma once

#include <cstdint>

#include "tests/simulation/world.h"

namespace triad::simulation {

inline constexpr int64_t kNoonMs = 1'781'524'800'000;  // 2026-06-15 12:00 UTC

class MachineClock {
 public:
  // `start_us`: what it shows now.
  MachineClock(const World* world, int64_t start_us)
      : world_(world), base_us_(start_us), origin_us_(world->now_us()) {}

  int64_t NowUs() const {
    const int64_t passed = world_->now_us() - origin_us_;
    return base_us_ + passed + passed * rate_ppm_ / 1'000'000;
  }
  int64_t NowMs() const { return NowUs() / 1000; }
  int64_t WallMs() const { return kNoonMs + wall_offset_ms_ + NowMs(); }
  // The simulated time at which it shows at least `local_us`.
  int64_t TimeOf(int64_t local_us) const {
    const int64_t ahead = local_us - NowUs();
    if (ahead <= 0) return world_->now_us();
    return world_->now_us() + ahead * 1'000'000 / (1'000'000 + rate_ppm_) + 1;
  }

  void SetRate(int64_t ppm) {
    base_us_ = NowUs();
    origin_us_ = world_->now_us();
    rate_ppm_ = ppm;
  }
  void StepWall(int64_t ms) { wall_offset_ms_ += ms; }
  // The machine has booted anew.
  void Restart(int64_t start_us) {
    wall_offset_ms_ += (NowUs() - start_us) / 1000;
    base_us_ = start_us;
    origin_us_ = world_->now_us();
  }

 private:
  const World* world_;
  int64_t base_us_;
  int64_t origin_us_;
  int64_t rate_ppm_ = 0;
  int64_t wall_offset_ms_ = 0;
};

}  // namespace triad::simulation
