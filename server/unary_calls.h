// Unary calls of tools: each waits on its own thread for the Node's loop to answer.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/environment.h"

namespace triad::server {

// Thread-safe.
class UnaryCalls {
 public:
  struct Call {
    absl::Notification answered;
    v1::ServerMessage answer;
  };

  std::shared_ptr<Call> Begin(ConnectionId id) {
    auto call = std::make_shared<Call>();
    absl::MutexLock lock(&mutex_);
    calls_[id] = call;
    return call;
  }

  // The node stops: whoever waits is told so.
  void EndAll() {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, call] : calls_) {
      auto* failure = call->answer.mutable_failure();
      failure->set_why(v1::Failure::NOT_READY);
      failure->set_reason("this node stops: ask another; the request may still take effect");
      call->answered.Notify();
    }
    calls_.clear();
  }

  void End(ConnectionId id) {
    absl::MutexLock lock(&mutex_);
    calls_.erase(id);
  }

  // FALSE: `id` is no unary call. A second answer is dropped.
  bool Answer(ConnectionId id, v1::ServerMessage* message) {
    absl::MutexLock lock(&mutex_);
    auto it = calls_.find(id);
    if (it == calls_.end()) return false;
    it->second->answer.Swap(message);
    it->second->answered.Notify();
    calls_.erase(it);
    return true;
  }

 private:
  absl::Mutex mutex_;
  std::map<ConnectionId, std::shared_ptr<Call>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace triad::server
