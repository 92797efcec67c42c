// The one thread that runs a Node: events come in from any thread, are run in order, and after each
// batch the Node makes their effects happen.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/environment.h"

namespace triad::server {

class EventLoop {
 public:
  using Event = std::function<void()>;

  explicit EventLoop(Clock* clock) : clock_(clock) {}

  // Thread-safe; never blocks. After the loop has ended events are dropped.
  void Post(Event event) ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs events; calls `after_batch` after each batch and at least every kTickMs, until it returns
  // false.
  void Run(const std::function<bool()>& after_batch) ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs `query` on the loop's thread and waits for it, at most `timeout_ms`. FALSE: it will not
  // run any more, or the loop did not get to it in time (then it may still run: it must own what it
  // touches).
  bool Ask(std::function<void()> query, int64_t timeout_ms) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Clock* const clock_;
  absl::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace triad::server
