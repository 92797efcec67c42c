#include "client/dispatcher.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace triad::client {
namespace {

int64_t SteadyMs() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

}  // namespace

// Kept alive by its thread, which outlives the Dispatcher when that is stopped from a callback.
struct Dispatcher::Shared {
  struct Entry {
    std::function<void()> run;
    bool event = false;
  };

  explicit Shared(size_t max) : events_max(max) {}

  static void Run(const std::shared_ptr<Shared>& shared) {
    while (true) {
      Entry entry;
      std::function<int64_t()> due;
      {
        absl::MutexLock lock(&shared->mutex);
        shared->mutex.AwaitWithTimeout(absl::Condition(shared.get(), &Shared::Ready),
                                       shared->UntilTick());
        shared->new_tick = false;
        if (!shared->queue.empty()) {
          entry = std::move(shared->queue.front());
          shared->queue.pop_front();
          if (entry.event) --shared->events;
        } else if (shared->stopped) {
          return;
        } else if (SteadyMs() >= shared->tick_ms) {
          shared->tick_ms = INT64_MAX;
          due = shared->tick;
        }
      }
      if (entry.run) entry.run();
      if (due) shared->TickAfter(due());
    }
  }

  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return stopped || new_tick || !queue.empty();
  }

  absl::Duration UntilTick() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (tick_ms == INT64_MAX) return absl::InfiniteDuration();
    return absl::Milliseconds(std::max<int64_t>(tick_ms - SteadyMs(), 0));
  }

  void TickAfter(int64_t ms) {
    if (ms < 0) return;
    absl::MutexLock lock(&mutex);
    tick_ms = std::min(tick_ms, SteadyMs() + ms);
  }

  bool Post(std::function<void()> run, bool event) {
    std::function<void()> dropped;  // destroyed outside the lock
    absl::MutexLock lock(&mutex);
    if (stopped) return false;
    if (event && events == events_max) {
      for (auto it = queue.begin(); it != queue.end(); ++it) {
        if (!it->event) continue;
        dropped = std::move(it->run);
        queue.erase(it);
        --events;
        break;
      }
    }
    queue.push_back({std::move(run), event});
    if (event) ++events;
    return true;
  }

  const size_t events_max;
  absl::Mutex mutex;
  std::deque<Entry> queue ABSL_GUARDED_BY(mutex);
  size_t events ABSL_GUARDED_BY(mutex) = 0;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  std::function<int64_t()> tick ABSL_GUARDED_BY(mutex);
  int64_t tick_ms ABSL_GUARDED_BY(mutex) = INT64_MAX;  // when it is to be called next
  bool new_tick ABSL_GUARDED_BY(mutex) = false;        // that time has changed
  bool joining ABSL_GUARDED_BY(mutex) = false;
  std::thread thread;
};

Dispatcher::Dispatcher(size_t events_max) : shared_(std::make_shared<Shared>(events_max)) {
  shared_->thread = std::thread([shared = shared_] { Shared::Run(shared); });
}

Dispatcher::~Dispatcher() {
  Stop();
}

void Dispatcher::PostEvent(std::function<void()> event) {
  shared_->Post(std::move(event), true);
}

bool Dispatcher::PostCall(std::function<void()> call) {
  return shared_->Post(std::move(call), false);
}

void Dispatcher::SetTicker(std::function<int64_t()> tick) {
  absl::MutexLock lock(&shared_->mutex);
  shared_->tick = std::move(tick);
  shared_->tick_ms = SteadyMs();
  shared_->new_tick = true;
}

void Dispatcher::Stop() {
  {
    absl::MutexLock lock(&shared_->mutex);
    shared_->stopped = true;
    if (shared_->joining) return;
    shared_->joining = true;
  }
  if (shared_->thread.get_id() == std::this_thread::get_id()) {
    shared_->thread.detach();
  } else {
    shared_->thread.join();
  }
}

}  // namespace triad::client
