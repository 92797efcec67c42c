#include "tests/simulation/plan.h"

#include "absl/strings/str_cat.h"
#include "tests/simulation/world.h"

namespace triad::simulation {

Plan Plan::Draw(uint64_t seed) {
  Rng rng(Rng(seed ^ 0x51A7).Next());  // neighbours have nothing in common
  Plan plan;
  // From numbers of its own: seeds without queues stayed the runs that they were.
  plan.queues = Rng(Rng(seed ^ 0x70EE).Next()).Permille(350);
  if (Rng small(Rng(seed ^ 0xA991).Next()); small.Permille(150)) {
    plan.apply_at_once = static_cast<size_t>(small.Between(1, 12));
    plan.usage_hold_bytes = static_cast<size_t>(small.Skewed(300, 20'000));
  }
  plan.safety_us = rng.Between(10, 80) * kSecond;
  plan.latency_low_us = rng.Between(20, 300);
  plan.latency_high_us = plan.latency_low_us + rng.Skewed(50, 20'000);
  plan.sync_low_us = rng.Between(20, 500);
  plan.sync_high_us = plan.sync_low_us + rng.Skewed(50, 60'000);
  plan.turn_high_us = rng.Skewed(20, 5'000);
  plan.segment_bytes = static_cast<uint64_t>(16 << rng.Below(3)) << 10;
  plan.log_keep_entries = static_cast<uint64_t>(rng.Skewed(5, 2'000));
  plan.log_keep_bytes = static_cast<uint64_t>(rng.Skewed(2'000, 1 << 20));
  plan.chunk_bytes = static_cast<size_t>(rng.Skewed(100, 20'000));
  constexpr uint32_t kNewest = license::kCommandVersion;
  plan.version = rng.Permille(300) ? static_cast<uint32_t>(rng.Between(1, kNewest - 1)) : kNewest;
  plan.ttl_ms = static_cast<uint32_t>(rng.Between(2'000, 8'000));
  plan.reset_grace_ms = static_cast<uint32_t>(rng.Between(800, 2'000));
  plan.sessions_max = static_cast<size_t>(rng.Between(4, 12));
  plan.machines = static_cast<int>(rng.Between(1, 4));
  plan.apps = static_cast<int>(rng.Between(1, 10));
  plan.think_us = rng.Skewed(20'000, 1'500'000);
  plan.close_permille = static_cast<uint64_t>(rng.Between(0, 40));
  plan.kill_permille = static_cast<uint64_t>(rng.Between(0, 40));
  plan.check_signatures = rng.Permille(200);
  plan.own_keys_differ = rng.Permille(150);
  plan.read_us = rng.Permille(500) ? rng.Skewed(20'000, 1'000'000) : 0;
  plan.nodes = rng.Permille(50) ? 1 : 3;
  if (rng.Permille(400)) plan.rates.install_us = rng.Between(1 * kSecond, 20 * kSecond);
  plan.calm = rng.Permille(200);
  if (plan.calm) {
    plan.kill_permille = 0;
    return plan;
  }

  // Each kind in half of the seeds, seldom to often.
  const auto maybe = [&rng](int64_t often_us, int64_t seldom_us) -> int64_t {
    const int64_t mean = rng.Between(often_us, seldom_us);
    return rng.Permille(500) ? mean : 0;
  };
  plan.rates.crash_us = maybe(1 * kSecond, 15 * kSecond);
  plan.rates.power_us = maybe(1 * kSecond, 15 * kSecond);
  plan.rates.pause_us = maybe(1 * kSecond, 15 * kSecond);
  plan.rates.cut_us = maybe(1 * kSecond, 10 * kSecond);
  plan.rates.reset_us = maybe(300 * kMs, 10 * kSecond);
  plan.rates.stuck_us = maybe(2 * kSecond, 15 * kSecond);
  plan.rates.disk_error_us = maybe(3 * kSecond, 20 * kSecond);
  plan.rates.disk_full_us = maybe(5 * kSecond, 30 * kSecond);
  plan.rates.clock_us = maybe(1 * kSecond, 10 * kSecond);
  plan.rates.slow_us = maybe(2 * kSecond, 15 * kSecond);
  plan.rates.stop_us = maybe(2 * kSecond, 15 * kSecond);
  plan.rates.transfer_us = maybe(500 * kMs, 10 * kSecond);
  plan.rates.client_pause_us = maybe(1 * kSecond, 10 * kSecond);
  if (plan.version < license::kCommandVersion)
    plan.rates.upgrade_us = rng.Between(2 * kSecond, 15 * kSecond);
  if (rng.Permille(300)) plan.spoil_ppm = static_cast<uint64_t>(rng.Skewed(0, 200'000));
  plan.rates.damage_us = maybe(3 * kSecond, 20 * kSecond);
  if (plan.rates.clock_us > 0) plan.drift_ppm = rng.Between(10, 20'000);
  if (rng.Permille(250)) {
    plan.lost_ppm = static_cast<uint64_t>(rng.Skewed(0, 100'000));
    plan.twice_ppm = static_cast<uint64_t>(rng.Skewed(0, 100'000));
    plan.late_ppm = static_cast<uint64_t>(rng.Skewed(0, 100'000));
  }
  plan.rates.isolate_us = maybe(3 * kSecond, 15 * kSecond);
  plan.rates.client_cut_us = maybe(1 * kSecond, 10 * kSecond);
  if (plan.nodes == 3 && rng.Permille(150)) {
    plan.rates.loss_us = rng.Between(3 * kSecond, 20 * kSecond);
  }
  return plan;
}

std::string Plan::Describe() const {
  const auto mean = [](const char* name, int64_t us) {
    return us == 0 ? std::string() : absl::StrCat(" ", name, "/", us / kMs, "ms");
  };
  return absl::StrCat(
      nodes, " nodes, ", apps, " apps on ", machines, " machines, ", safety_us / kSecond, " s",
      calm ? ", calm" : "", queues ? ", queues" : "", ", latency ", latency_low_us, "-",
      latency_high_us, " us, sync ", sync_low_us, "-", sync_high_us, " us, ttl ", ttl_ms,
      " ms, segment ", segment_bytes, mean("crash", rates.crash_us), mean("power", rates.power_us),
      mean("pause", rates.pause_us), mean("cut", rates.cut_us), mean("reset", rates.reset_us),
      mean("stuck", rates.stuck_us), mean("disk_error", rates.disk_error_us),
      mean("disk_full", rates.disk_full_us), mean("clock", rates.clock_us),
      mean("slow", rates.slow_us), mean("stop", rates.stop_us), mean("transfer", rates.transfer_us),
      mean("client_pause", rates.client_pause_us), mean("damage", rates.damage_us),
      mean("loss", rates.loss_us), mean("isolate", rates.isolate_us),
      mean("client_cut", rates.client_cut_us), mean("install", rates.install_us),
      mean("upgrade", rates.upgrade_us), " keep/", log_keep_entries, "/", log_keep_bytes,
      mean("read", read_us),
      apply_at_once == server::kApplyAtOnceMax
          ? ""
          : absl::StrCat(" apply/", apply_at_once, "/", usage_hold_bytes),
      lost_ppm + twice_ppm + late_ppm == 0
          ? ""
          : absl::StrCat(" raw ", lost_ppm, "/", twice_ppm, "/", late_ppm, " ppm"));
}

}  // namespace triad::simulation
