#include "server/event_loop.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/limits.h"

namespace triad::server {

class EventLoop::OwnSleeper final : public Sleeper {
 public:
  void Sleep(int64_t timeout_ms) override {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&woken_), absl::Milliseconds(timeout_ms));
    woken_ = false;
  }
  void Wake() override {
    absl::MutexLock lock(&mutex_);
    woken_ = true;
  }

 private:
  absl::Mutex mutex_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
};

EventLoop::EventLoop(Clock* clock)
    : clock_(clock), own_sleeper_(std::make_unique<OwnSleeper>()), sleeper_(own_sleeper_.get()) {
}

EventLoop::~EventLoop() = default;

void EventLoop::Post(Event event) {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    events_.push_back(std::move(event));
    // Woken once for all; and what the sleeper itself posts finds the loop's thread awake.
    if (!asleep_ || std::this_thread::get_id() == thread_) return;
    asleep_ = false;
  }
  sleeper_->Wake();
}

void EventLoop::SleepUntil(int64_t ms) {
  {
    absl::MutexLock lock(&mutex_);
    asleep_ = events_.empty();
    if (!asleep_) ms = 0;
  }
  sleeper_->Sleep(std::max<int64_t>(0, ms - clock_->NowMs()));
}

void EventLoop::Run(const std::function<bool()>& after_batch) {
  std::deque<Event> batch;
  {
    absl::MutexLock lock(&mutex_);
    thread_ = std::this_thread::get_id();
  }
  int64_t next_ms = clock_->NowMs() + kTickMs;
  for (;;) {
    SleepUntil(next_ms);
    {
      absl::MutexLock lock(&mutex_);
      asleep_ = false;  // what comes now is run in this batch or seen before the next sleep
      batch.swap(events_);
    }
    for (Event& event : batch) event();
    batch.clear();
    const int64_t now = clock_->NowMs();
    if (now >= next_ms) next_ms = now + kTickMs;
    if (!after_batch()) break;
  }
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    batch.swap(events_);
  }
  // What is dropped may hold things whose end does something: not under the lock.
  batch.clear();
}

bool EventLoop::Ask(std::function<void()> query, int64_t timeout_ms) {
  auto done = std::make_shared<absl::Notification>();
  Post([query = std::move(query), done] {
    query();
    done->Notify();
  });
  return done->WaitForNotificationWithTimeout(absl::Milliseconds(timeout_ms));
}

}  // namespace triad::server
