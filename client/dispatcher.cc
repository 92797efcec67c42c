#include "client/dispatcher.h"

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace triad::client {

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
      {
        absl::MutexLock lock(&shared->mutex);
        shared->mutex.Await(absl::Condition(shared.get(), &Shared::Ready));
        if (shared->queue.empty()) return;
        entry = std::move(shared->queue.front());
        shared->queue.pop_front();
        if (entry.event) --shared->events;
      }
      entry.run();
    }
  }

  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return stopped || !queue.empty(); }

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
