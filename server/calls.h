// Calls of AdminService and PeerService that code answers which may block: it waits for the Node's
// loop or for the disk. Each runs on a thread of a small pool; gRPC's own threads would all wait in
// one poll, and every message of the hot streams would wake one of them.
//
// How a call lives: Take asks the queue for one; when it comes, the next is asked for and the
// handler runs on a thread of the pool; its status ends the call. Everything that the queue hands
// back is handled by whoever reads the queue.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/grpc_stream.h"

namespace triad::server {

// Threads that wait for others' answers. Thread-safe.
class CallWorkers {
 public:
  CallWorkers(size_t threads_max, size_t waiting_max)
      : threads_max_(threads_max), waiting_max_(waiting_max) {}
  ~CallWorkers() { Stop(); }
  CallWorkers(const CallWorkers&) = delete;
  CallWorkers& operator=(const CallWorkers&) = delete;

  // FALSE: too much waits already, or it has stopped; nothing is run.
  bool Run(std::function<void()> work) ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs what waits, and returns when all is done.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Serve() ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t threads_max_;
  const size_t waiting_max_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

// Where calls are taken, and who works on them.
struct CallPlace {
  grpc::ServerCompletionQueue* queue = nullptr;
  CallWorkers* workers = nullptr;
};

inline grpc::Status TooManyCalls() {
  return {grpc::StatusCode::RESOURCE_EXHAUSTED,
          "this node has too many calls waiting: try again shortly; nothing was done"};
}

// One call, from before it comes in until it is over; deletes itself. `Responder` is how it is
// answered: once, or with many messages.
template <typename Service, typename Request, typename Responder>
class BlockingCall final : public Operation {
 public:
  using Ask = void (Service::*)(grpc::ServerContext*, Request*, Responder*, grpc::CompletionQueue*,
                                grpc::ServerCompletionQueue*, void*);
  // Ends the call through the responder, with `over` as the tag.
  using Work = std::function<void(grpc::ServerContext*, const Request&, Responder*, void* over)>;
  using Refuse = void (*)(Responder*, void* over);

  static void Take(CallPlace place, Service* service, Ask ask, Work work, Refuse refuse) {
    auto* call = new BlockingCall(place, service, ask, std::move(work), refuse);
    (service->*ask)(&call->context_, &call->request_, &call->responder_, place.queue, place.queue,
                    call->tag());
  }

  void Done(bool ok) override {
    if (begun_ || !ok) {
      delete this;
      return;
    }
    begun_ = true;
    Take(place_, service_, ask_, work_, refuse_);
    const bool taken =
        place_.workers->Run([this] { work_(&context_, request_, &responder_, tag()); });
    if (!taken) refuse_(&responder_, tag());
  }

 private:
  BlockingCall(CallPlace place, Service* service, Ask ask, Work work, Refuse refuse)
      : place_(place), service_(service), ask_(ask), work_(std::move(work)), refuse_(refuse) {}

  void* tag() { return static_cast<Operation*>(this); }

  const CallPlace place_;
  Service* const service_;
  const Ask ask_;
  const Work work_;
  const Refuse refuse_;
  grpc::ServerContext context_;
  Request request_;
  Responder responder_{&context_};
  bool begun_ = false;  // the next time the queue names it, it is over
};

// Sends one message of a stream, and waits until it has left; FALSE: the caller is gone.
template <typename Response>
bool SendAndWait(grpc::ServerAsyncWriter<Response>* writer, const Response& message) {
  struct Written final : Operation {
    void Done(bool sent) override {
      ok = sent;
      done.Notify();
    }
    absl::Notification done;
    bool ok = false;
  };
  Written written;
  writer->Write(message, static_cast<Operation*>(&written));
  written.done.WaitForNotification();
  return written.ok;
}

// Takes calls of one method from now on: TakeCalls(place, &service, &Service::RequestX, handler).
template <typename Service, typename Request, typename Response>
void TakeCalls(
    CallPlace place, std::type_identity_t<Service>* service,
    void (Service::*ask)(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*,
                         grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::function<grpc::Status(grpc::ServerContext*, const std::type_identity_t<Request>*,
                               std::type_identity_t<Response>*)>
        handler) {
  using Responder = grpc::ServerAsyncResponseWriter<Response>;
  BlockingCall<Service, Request, Responder>::Take(
      place, service, ask,
      [handler = std::move(handler)](grpc::ServerContext* context, const Request& request,
                                     Responder* responder, void* over) {
        Response response;
        const grpc::Status status = handler(context, &request, &response);
        responder->Finish(response, status, over);
      },
      [](Responder* responder, void* over) { responder->FinishWithError(TooManyCalls(), over); });
}

// The same for one that is answered with many messages: the handler's `write` is SendAndWait.
template <typename Service, typename Request, typename Response>
void TakeStreams(
    CallPlace place, std::type_identity_t<Service>* service,
    void (Service::*ask)(grpc::ServerContext*, Request*, grpc::ServerAsyncWriter<Response>*,
                         grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
    std::function<grpc::Status(grpc::ServerContext*, const std::type_identity_t<Request>*,
                               const std::function<bool(const std::type_identity_t<Response>&)>&)>
        handler) {
  using Writer = grpc::ServerAsyncWriter<Response>;
  BlockingCall<Service, Request, Writer>::Take(
      place, service, ask,
      [handler = std::move(handler)](grpc::ServerContext* context, const Request& request,
                                     Writer* writer, void* over) {
        const grpc::Status status = handler(context, &request, [writer](const Response& message) {
          return SendAndWait(writer, message);
        });
        writer->Finish(status, over);
      },
      [](Writer* writer, void* over) { writer->Finish(TooManyCalls(), over); });
}

}  // namespace triad::server
