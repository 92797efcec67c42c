#include "bench/load.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <memory>
#include <string>

namespace triad::bench {
namespace {

constexpr int64_t kMs = 1'000'000;
// How late an operation may begin because the load generator slept.
constexpr int64_t kFineNs = 500'000;
// What is still under way at the end of a run is waited for, for so long.
constexpr int64_t kTailMs = 30'000;

constexpr int64_t kQuietLookMs = 500;  // nine tenths of it idle
constexpr int64_t kQuietMsMax = 30'000;

struct MachineTicks {
  int64_t all = 0;
  int64_t idle = 0;
};

// Of all processors together: user, nice, system, idle, waiting for disks, ...
MachineTicks ReadMachineTicks() {
  std::ifstream file("/proc/stat");
  std::string name;
  file >> name;
  MachineTicks ticks;
  int64_t number = 0;
  for (int field = 0; field < 8 && file >> number; ++field) {
    ticks.all += number;
    if (field == 3 || field == 4) ticks.idle += number;
  }
  return ticks;
}

std::chrono::system_clock::time_point Deadline(int64_t until_ns) {
  return std::chrono::system_clock::now() +
         std::chrono::nanoseconds(std::max<int64_t>(0, until_ns - NowNs()));
}

// Samples of the operations that ended within the measured time.
struct Tally {
  int64_t from_ns = 0;
  int64_t to_ns = 0;
  std::vector<int64_t> latencies_ns;
  int64_t errors = 0;
  int under_way = 0;

  void Ended(int64_t started_ns, bool ok) {
    --under_way;
    const int64_t now = NowNs();
    if (now < from_ns || now >= to_ns) return;
    if (ok) {
      latencies_ns.push_back(now - started_ns);
    } else {
      ++errors;
    }
  }

  Measured Sum() {
    Measured sum;
    sum.operations = static_cast<int64_t>(latencies_ns.size());
    sum.errors = errors;
    sum.ops_per_s =
        static_cast<double>(sum.operations) * 1e9 / static_cast<double>(to_ns - from_ns);
    sum.p50_us = Percentile(latencies_ns, 0.50) / 1e3;
    sum.p99_us = Percentile(latencies_ns, 0.99) / 1e3;
    return sum;
  }
};

Tally TallyFor(int64_t warm_ms, int64_t run_ms) {
  Tally tally;
  tally.from_ns = NowNs() + warm_ms * kMs;
  tally.to_ns = tally.from_ns + run_ms * kMs;
  return tally;
}

}  // namespace

int64_t NowNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

Loop::~Loop() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) static_cast<Tag*>(tag)->Proceed(false);
}

bool Loop::HandleOne(int64_t until_ns) {
  void* tag = nullptr;
  bool ok = false;
  if (queue_.AsyncNext(&tag, &ok, Deadline(until_ns)) != grpc::CompletionQueue::GOT_EVENT) {
    return false;
  }
  static_cast<Tag*>(tag)->Proceed(ok);
  return true;
}

void Loop::Wait(int64_t until_ns) {
  if (!HandleOne(until_ns)) return;
  while (NowNs() < until_ns && HandleOne(0)) {
  }
}

void Loop::WaitFinely(int64_t until_ns) {
  while (HandleOne(0)) {
    if (NowNs() >= until_ns) return;
  }
  const int64_t rest = std::min(until_ns - NowNs(), kFineNs);
  if (rest <= 0) return;
  const timespec pause{0, static_cast<long>(rest)};
  nanosleep(&pause, nullptr);
}

bool Loop::Until(const std::function<bool()>& done, int64_t timeout_ms) {
  const int64_t end = NowNs() + timeout_ms * kMs;
  while (!done()) {
    if (NowNs() >= end) return false;
    Wait(std::min(end, NowNs() + 10 * kMs));
  }
  return true;
}

void AwaitQuiet(Loop& loop) {
  const int64_t end = NowNs() + kQuietMsMax * kMs;
  for (MachineTicks before = ReadMachineTicks(); NowNs() < end;) {
    loop.Until([] { return false; }, kQuietLookMs);
    const MachineTicks now = ReadMachineTicks();
    if ((now.idle - before.idle) * 10 > (now.all - before.all) * 9) return;
    before = now;
  }
}

double Percentile(std::vector<int64_t>& samples, double part) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto rank = static_cast<size_t>(std::ceil(part * static_cast<double>(samples.size())));
  return static_cast<double>(samples[std::clamp<size_t>(rank, 1, samples.size()) - 1]);
}

Measured RunClosed(Loop& loop, Seats& seats, int inflight, int64_t warm_ms, int64_t run_ms) {
  Tally tally = TallyFor(warm_ms, run_ms);
  std::function<void(int)> begin = [&](int session) {
    ++tally.under_way;
    const int64_t started = NowNs();
    seats.Operate(session, [&, session, started](bool ok) {
      tally.Ended(started, ok);
      if (NowNs() < tally.to_ns) begin(session);
    });
  };
  for (int i = 0; i < inflight; ++i) begin(i % seats.sessions());
  while (NowNs() < tally.to_ns) loop.Wait(tally.to_ns);
  loop.Until([&] { return tally.under_way == 0; }, kTailMs);
  return tally.Sum();
}

Measured RunOpen(Loop& loop, Seats& seats, double rate, int64_t warm_ms, int64_t run_ms) {
  Tally tally = TallyFor(warm_ms, run_ms);
  const int64_t start_ns = NowNs();
  const double between_ns = 1e9 / rate;
  int session = 0;
  for (int64_t number = 0;; ++number) {
    const int64_t due = start_ns + static_cast<int64_t>(static_cast<double>(number) * between_ns);
    if (due >= tally.to_ns) break;
    while (NowNs() < due) loop.WaitFinely(due);
    ++tally.under_way;
    if (tally.under_way > kOpenLoopMax) {
      tally.Ended(due, false);
      continue;
    }
    seats.Operate(session, [&tally, due](bool ok) { tally.Ended(due, ok); });
    session = (session + 1) % seats.sessions();
  }
  // What is late counts too: the measured time ends when the last operation that was due has ended.
  const int64_t planned_end = tally.to_ns;
  tally.to_ns += kTailMs * kMs;
  loop.Until([&] { return tally.under_way == 0; }, kTailMs);
  tally.to_ns = planned_end;
  return tally.Sum();
}

}  // namespace triad::bench
