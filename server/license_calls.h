// LicenseService.Call: one message of an application and its answer, without a stream, for simple
// tools. The answer comes from the Node as for a stream's: the call waits in a table, on no thread.
//
// On the loop's thread only.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <map>

#include "server/client_desk.h"
#include "server/environment.h"
#include "triad/v1/license.grpc.pb.h"

namespace triad::server {

using AsyncLicense = v1::LicenseService::AsyncService;

class LicenseCalls {
 public:
  struct Handler {
    std::function<ConnectionId()> new_id;
    std::function<void(const Caller&, v1::ClientMessage)> received;
    std::function<void(ConnectionId)> closed;
  };

  LicenseCalls(AsyncLicense* service, Handler handler)
      : service_(service), handler_(std::move(handler)) {}

  // Takes calls from now on.
  void Serve(grpc::ServerCompletionQueue* queue);
  // FALSE: `id` is none of them. A second answer is dropped.
  bool Answer(ConnectionId id, v1::ServerMessage* message);
  // Those that have waited too long for the Node are told that they may have taken effect.
  void EndLate(int64_t now_ms);
  // The node stops: whoever waits is told so.
  void EndAll();

 private:
  class Call;

  void Take();

  AsyncLicense* const service_;
  const Handler handler_;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  std::map<ConnectionId, Call*> waiting_;  // in the order in which they came
  int64_t now_ms_ = 0;                     // as last told
};

}  // namespace triad::server
