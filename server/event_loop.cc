#include "server/event_loop.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/limits.h"

namespace triad::server {

void EventLoop::Post(Event event) {
  absl::MutexLock lock(&mutex_);
  if (!ended_) events_.push_back(std::move(event));
}

void EventLoop::Run(const std::function<bool()>& after_batch) {
  std::deque<Event> batch;
  int64_t next_ms = clock_->NowMs() + kTickMs;
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      const int64_t wait_ms = std::max<int64_t>(0, next_ms - clock_->NowMs());
      const auto has_events = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !events_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&has_events), absl::Milliseconds(wait_ms));
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
