// Stamps for the entries that a leader appends: cluster time, which stands still while there is no
// leader and never goes back, and date and time (design 4, "two times").
//
// Not thread-safe; pure.
#pragma once

#include <cstdint>

#include "triad/v1/command.pb.h"

namespace triad::server {

class Stamper {
 public:
  // This node leads from now on: cluster time goes on from the highest stamp that it knows.
  void Lead(uint64_t highest_cluster_ms, int64_t now_ms) {
    base_cluster_ms_ = highest_cluster_ms;
    base_now_ms_ = now_ms;
  }

  // All older entries are applied now: their stamps may be above what Lead() was told.
  void Raise(uint64_t highest_cluster_ms, int64_t now_ms) {
    if (ClusterMs(now_ms) < highest_cluster_ms) Lead(highest_cluster_ms, now_ms);
  }

  uint64_t ClusterMs(int64_t now_ms) const {
    const int64_t passed = now_ms - base_now_ms_;
    return base_cluster_ms_ + (passed > 0 ? static_cast<uint64_t>(passed) : 0);
  }

  v1::Stamp Stamp(int64_t now_ms, int64_t wall_ms, int32_t utc_offset_s) const {
    v1::Stamp stamp;
    stamp.set_cluster_ms(ClusterMs(now_ms));
    stamp.set_wall_ms(wall_ms);
    stamp.set_utc_offset_s(utc_offset_s);
    return stamp;
  }

 private:
  uint64_t base_cluster_ms_ = 0;
  int64_t base_now_ms_ = 0;
};

}  // namespace triad::server
