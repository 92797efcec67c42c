// The load: operations started in a closed or an open loop on one thread, and their latencies.
//
// An operation takes a seat and gives it back; it counts once, when both are done. Everything runs
// on the thread that calls Run...: the systems under test put their work on the Loop's queue.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "grpcpp/completion_queue.h"

namespace triad::bench {

int64_t NowNs();  // CLOCK_MONOTONIC

// What waits in the completion queue. Proceed is called once per operation put there.
class Tag {
 public:
  virtual ~Tag() = default;
  virtual void Proceed(bool ok) = 0;
};

class Loop {
 public:
  Loop() = default;
  // Everything put on the queue must have come back: see Drain.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  grpc::CompletionQueue* queue() { return &queue_; }
  // Handles what is ready, and waits for the first thing until `until_ns`.
  void Wait(int64_t until_ns);
  // The same without sleeping in the queue for longer than a fraction of a millisecond: gRPC's own
  // deadlines are whole milliseconds, too coarse to start an operation when it is meant to start.
  void WaitFinely(int64_t until_ns);
  // Until `done` holds; false after `timeout_ms`.
  bool Until(const std::function<bool()>& done, int64_t timeout_ms);

 private:
  bool HandleOne(int64_t until_ns);

  grpc::CompletionQueue queue_;
};

// A system in which seats are taken and given back.
class Seats {
 public:
  using Done = std::function<void(bool ok)>;
  virtual ~Seats() = default;
  // Sessions that operations are spread over, counted from 0.
  virtual int sessions() const = 0;
  // Takes a seat in `session` and gives it back; `done` is called from the Loop.
  virtual void Operate(int session, Done done) = 0;
};

struct Measured {
  double ops_per_s = 0;
  double p50_us = 0;
  double p99_us = 0;
  int64_t operations = 0;
  int64_t errors = 0;
};

// `inflight` operations at all times, each begun when one ends: for `warm_ms` unmeasured, then for
// `run_ms`.
Measured RunClosed(Loop& loop, Seats& seats, int inflight, int64_t warm_ms, int64_t run_ms);

// `rate` operations per second, begun when they are due, whatever has become of those before;
// latency counts from that moment. At most kOpenLoopMax are under way: beyond it an operation that
// is due counts as an error.
inline constexpr int kOpenLoopMax = 20'000;
Measured RunOpen(Loop& loop, Seats& seats, double rate, int64_t warm_ms, int64_t run_ms);

// Returns when the machine has little to do, or after some seconds: what one case has left to do
// behind (databases order their files) is no cost of the next.
void AwaitQuiet(Loop& loop);

// The value below which `part` of the samples lie; sorts them. 0 for none.
double Percentile(std::vector<int64_t>& samples, double part);

}  // namespace triad::bench
