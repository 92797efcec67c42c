// The library's I/O: one thread, one completion queue, one channel and stream per SERVER line. It
// decides nothing; it drives a Session and does what that says.
//
// Everything of the Session runs on this thread; other threads Post. A connect never blocks, a
// broken stream is reported at once. Thread-safe: Post and Stop; Transport's functions are for the
// Session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/environment.h"
#include "client/search_path.h"
#include "grpcpp/alarm.h"
#include "grpcpp/completion_queue.h"
#include "triad/v1/license.grpc.pb.h"

namespace triad::client {

class GrpcTransport final : public Transport {
 public:
  GrpcTransport(const std::vector<Address>& servers, Clock* clock);
  ~GrpcTransport() override;  // as Stop()

  // Starts the thread. `driven` must live until Stop has returned.
  void Start(Driven* driven);
  // Runs `task` on the thread. FALSE: stopped, it will not run.
  bool Post(std::function<void()> task);
  // Runs what was posted, cancels all streams, ends the thread. Not from the thread itself.
  void Stop();

  void Connect(size_t server) override;
  void Send(size_t server, v1::ClientMessage message) override;
  void Disconnect(size_t server) override;

 private:
  struct Stream;
  enum class Event { kStarted, kRead, kWritten, kFinished };
  struct Tag {
    Stream* stream;
    Event event;
  };

  void Run();
  void RunTasks();
  void OnEvent(const Tag& tag, bool ok);
  void OnRead(Stream* stream);
  void OnFinished(Stream* stream);
  void StartFinish(Stream* stream);
  void Flush();
  void FlushStream(Stream* stream);
  // The stream that the Session knows as `server`'s; nullptr: none.
  bool IsCurrent(const Stream* stream) const;
  void DeleteIfIdle(Stream* stream);

  Clock* const clock_;
  Driven* driven_ = nullptr;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<v1::LicenseService::Stub>> stubs_;
  std::vector<Stream*> current_;  // by server
  std::set<Stream*> streams_;     // all that gRPC still knows; owned
  bool ending_ = false;           // no new streams
  std::thread thread_;

  absl::Mutex mutex_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Alarm> wake_ ABSL_GUARDED_BY(mutex_);
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace triad::client
