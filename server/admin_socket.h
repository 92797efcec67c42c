// The local admin socket: takes connections itself and hands them to gRPC, so that it knows by the
// kernel's word who is at the other end; gRPC alone would not tell.
//
// The socket is for its owner and, where there is one, for group lmadmin. Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace grpc {
class Server;
}

namespace triad::server {

class AdminSocket {
 public:
  AdminSocket() = default;
  ~AdminSocket() { Stop(); }
  AdminSocket(const AdminSocket&) = delete;
  AdminSocket& operator=(const AdminSocket&) = delete;

  // UNAVAILABLE: the socket cannot be made, or another program listens there.
  absl::Status Listen(const std::string& path);
  // Takes connections from now on; `server` must outlive Stop().
  void Start(grpc::Server* server);
  void Stop();

  // "root (uid 0)" for gRPC's name of a connection taken here, "" for any other.
  std::string NameOf(absl::string_view peer) const;

 private:
  void TakeAll(grpc::Server* server);

  std::string path_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::thread thread_;
  mutable absl::Mutex mutex_;
  // By the number of the connection's descriptor; one that is used again has its new owner.
  std::map<int, std::string> names_ ABSL_GUARDED_BY(mutex_);
};

// "root (uid 0)"; without a name "uid 4711".
std::string UserName(unsigned uid);

}  // namespace triad::server
