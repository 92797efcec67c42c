// The one thread that runs a Node: events come in from any thread, are run in order, and after each
// batch the Node makes their effects happen. Between batches it sleeps in a Sleeper.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/environment.h"

namespace triad::server {

class EventLoop {
 public:
  using Event = std::function<void()>;

  // What the loop's thread sleeps in. The daemon's is gRPC's completion queue, so that a message
  // from the network needs no second thread to get here.
  class Sleeper {
   public:
    virtual ~Sleeper() = default;
    // On the loop's thread: returns after `timeout_ms`, after Wake(), or when something happened
    // that posted events; what is ready without waiting is taken too, up to a limit.
    virtual void Sleep(int64_t timeout_ms) = 0;
    // From any thread; a Wake() before a Sleep() ends that at once.
    virtual void Wake() = 0;
  };

  explicit EventLoop(Clock* clock);
  ~EventLoop();

  // Before Run; must outlive it. Without one only events wake the loop.
  void set_sleeper(Sleeper* sleeper) { sleeper_ = sleeper; }

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
  class OwnSleeper;

  void SleepUntil(int64_t ms) ABSL_LOCKS_EXCLUDED(mutex_);

  Clock* const clock_;
  const std::unique_ptr<OwnSleeper> own_sleeper_;
  Sleeper* sleeper_;
  absl::Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;  // and nobody has woken it
  std::thread::id thread_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace triad::server
