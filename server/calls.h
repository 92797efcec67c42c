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

// One unary call, from before it comes in until it is over; deletes itself.
template <typename Service, typename Request, typename Response>
class BlockingCall final : public Operation {
 public:
  using Responder = grpc::ServerAsyncResponseWriter<Response>;
  using Ask = void (Service::*)(grpc::ServerContext*, Request*, Responder*, grpc::CompletionQueue*,
                                grpc::ServerCompletionQueue*, void*);
  using Handler = std::function<grpc::Status(grpc::ServerContext*, const Request*, Response*)>;

  static void Take(CallPlace place, Service* service, Ask ask, Handler handler) {
    auto* call = new BlockingCall(place, service, ask, std::move(handler));
    (service->*ask)(&call->context_, &call->request_, &call->responder_, place.queue, place.queue,
                    static_cast<Operation*>(call));
  }

  void Done(bool ok) override {
    if (over_ || !ok) {
      delete this;
      return;
    }
    over_ = true;
    Take(place_, service_, ask_, handler_);
    const bool taken = place_.workers->Run([this] {
      const grpc::Status status = handler_(&context_, &request_, &response_);
      responder_.Finish(response_, status, static_cast<Operation*>(this));
    });
    if (!taken) responder_.FinishWithError(TooManyCalls(), static_cast<Operation*>(this));
  }

 private:
  BlockingCall(CallPlace place, Service* service, Ask ask, Handler handler)
      : place_(place), service_(service), ask_(ask), handler_(std::move(handler)) {}

  const CallPlace place_;
  Service* const service_;
  const Ask ask_;
  const Handler handler_;
  grpc::ServerContext context_;
  Request request_;
  Response response_;
  Responder responder_{&context_};
  bool over_ = false;  // the next time the queue names it, it is
};

// One call that is answered with many messages; deletes itself. The handler's `write` returns when
// the message has left, FALSE: the caller is gone.
template <typename Service, typename Request, typename Response>
class BlockingStream final : public Operation {
 public:
  using Writer = grpc::ServerAsyncWriter<Response>;
  using Ask = void (Service::*)(grpc::ServerContext*, Request*, Writer*, grpc::CompletionQueue*,
                                grpc::ServerCompletionQueue*, void*);
  using Write = std::function<bool(const Response&)>;
  using Handler = std::function<grpc::Status(grpc::ServerContext*, const Request*, const Write&)>;

  static void Take(CallPlace place, Service* service, Ask ask, Handler handler) {
    auto* call = new BlockingStream(place, service, ask, std::move(handler));
    (service->*ask)(&call->context_, &call->request_, &call->writer_, place.queue, place.queue,
                    static_cast<Operation*>(call));
  }

  void Done(bool ok) override {
    if (over_ || !ok) {
      delete this;
      return;
    }
    over_ = true;
    Take(place_, service_, ask_, handler_);
    const bool taken = place_.workers->Run([this] {
      const grpc::Status status =
          handler_(&context_, &request_, [this](const Response& message) { return Send(message); });
      writer_.Finish(status, static_cast<Operation*>(this));
    });
    if (!taken) writer_.Finish(TooManyCalls(), static_cast<Operation*>(this));
  }

 private:
  struct Written final : Operation {
    void Done(bool sent) override {
      ok = sent;
      done.Notify();
    }
    absl::Notification done;
    bool ok = false;
  };

  BlockingStream(CallPlace place, Service* service, Ask ask, Handler handler)
      : place_(place), service_(service), ask_(ask), handler_(std::move(handler)) {}

  bool Send(const Response& message) {
    Written written;
    writer_.Write(message, static_cast<Operation*>(&written));
    written.done.WaitForNotification();
    return written.ok;
  }

  const CallPlace place_;
  Service* const service_;
  const Ask ask_;
  const Handler handler_;
  grpc::ServerContext context_;
  Request request_;
  Writer writer_{&context_};
  bool over_ = false;
};

// Takes calls of one method from now on: TakeCalls(place, &service, &Service::RequestX, handler).
template <typename Service, typename Request, typename Response>
void TakeCalls(CallPlace place, std::type_identity_t<Service>* service,
               void (Service::*ask)(grpc::ServerContext*, Request*,
                                    grpc::ServerAsyncResponseWriter<Response>*,
                                    grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*),
               typename BlockingCall<Service, Request, Response>::Handler handler) {
  BlockingCall<Service, Request, Response>::Take(place, service, ask, std::move(handler));
}

template <typename Service, typename Request, typename Response>
void TakeStreams(CallPlace place, std::type_identity_t<Service>* service,
                 void (Service::*ask)(grpc::ServerContext*, Request*,
                                      grpc::ServerAsyncWriter<Response>*, grpc::CompletionQueue*,
                                      grpc::ServerCompletionQueue*, void*),
                 typename BlockingStream<Service, Request, Response>::Handler handler) {
  BlockingStream<Service, Request, Response>::Take(place, service, ask, std::move(handler));
}

}  // namespace triad::server
