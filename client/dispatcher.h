// The thread on which the application's callbacks run: events and the ends of asynchronous calls,
// one at a time, in order.
//
// A thread of its own, so that a callback may block, or call into the library, without holding up
// heartbeats. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace triad::client {

class Dispatcher {
 public:
  explicit Dispatcher(size_t events_max);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  ~Dispatcher();  // as Stop()

  // Runs `event` later. When too many wait, the oldest event is dropped.
  void PostEvent(std::function<void()> event);
  // Runs `call` later; never dropped. How many there are is limited by who makes them. FALSE:
  // stopped, it will not run.
  bool PostCall(std::function<void()> call);
  // Calls `tick` on the thread, at once and then each time after as many milliseconds as it has
  // returned; below 0: not again before the next SetTicker. Never after Stop.
  void SetTicker(std::function<int64_t()> tick);
  // Runs what waits, then ends the thread. Called from a callback it does not wait for that.
  void Stop();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace triad::client
