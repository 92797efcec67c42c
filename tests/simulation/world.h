// Simulated time: events in the order of (time, sequence), one thread, nothing else.
//
// Times are microseconds of a clock that no host sees; hosts have clocks of their own (clocks.h).
// Deterministic: all chance comes from `rng` and `fault_rng`, both of the seed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "tests/simulation/counters.h"
#include "tests/simulation/random.h"
#include "tests/simulation/trace.h"

namespace triad::simulation {

using Event = absl::AnyInvocable<void()>;

inline constexpr int64_t kMs = 1'000;
inline constexpr int64_t kSecond = 1'000'000;

class World {
 public:
  explicit World(uint64_t seed) : rng(seed), fault_rng(seed ^ 0xFA017FA017u) {}

  int64_t now_us() const { return now_us_; }
  void At(int64_t time_us, Event event) {
    const uint32_t place = TakePlace(std::move(event));
    heap_.push_back({time_us < now_us_ ? now_us_ : time_us, next_++, place});
    Rise(heap_.size() - 1);
  }
  void After(int64_t delay_us, Event event) { At(now_us_ + delay_us, std::move(event)); }

  // Runs until the time, or a failure. FALSE: failed.
  bool RunUntil(int64_t time_us);

  // The first thing that was wrong; the run ends.
  void Fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }
  const std::string& failure() const { return failure_; }
  bool failed() const { return !failure_.empty(); }
  uint64_t events() const { return events_; }

  void Note(const char* what, int64_t a = 0, int64_t b = 0, int64_t c = 0) {
    trace.Note(now_us_, what, a, b, c);
  }

  Rng rng;        // schedules, latencies, workload
  Rng fault_rng;  // which faults, and when
  Trace trace;
  Counters counters;

 private:
  struct Due {
    int64_t time_us;
    uint64_t sequence;
    uint32_t place;
    bool Before(const Due& other) const {
      return time_us != other.time_us ? time_us < other.time_us : sequence < other.sequence;
    }
  };

  uint32_t TakePlace(Event event);
  void Rise(size_t at);
  Due PopFirst();

  int64_t now_us_ = 0;
  uint64_t next_ = 0;
  uint64_t events_ = 0;
  std::string failure_;
  std::vector<Due> heap_;
  std::vector<Event> places_;
  std::vector<uint32_t> free_;
};

}  // namespace triad::simulation
