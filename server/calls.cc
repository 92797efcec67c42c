#include "server/calls.h"

#include "server/system.h"

namespace triad::server {

bool CallWorkers::Run(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stop_ || waiting_.size() >= waiting_max_) return false;
  waiting_.push_back(std::move(work));
  // One for each that waits: those who are idle may be about to take earlier ones.
  if (waiting_.size() > idle_ && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { Serve(); });
  }
  return true;
}

void CallWorkers::Serve() {
  NameThread("calls");
  for (;;) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
      const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || !waiting_.empty();
      };
      mutex_.Await(absl::Condition(&wake));
      --idle_;
      if (waiting_.empty()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

void CallWorkers::Stop() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace triad::server
