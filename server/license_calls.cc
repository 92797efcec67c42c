#include "server/license_calls.h"

#include <utility>

#include "server/grpc_stream.h"
#include "server/limits.h"
#include "server/system.h"

namespace triad::server {
namespace {

// The Node gives up first, and says why.
constexpr int64_t kUnaryTimeoutMs = kRequestTimeoutMs + 1'000;

// A request that got no answer is a status; the failure itself stands in the details.
grpc::Status StatusOf(const v1::Failure& failure) {
  grpc::StatusCode code = grpc::StatusCode::FAILED_PRECONDITION;
  switch (failure.why()) {
    case v1::Failure::OVERLOADED:
    case v1::Failure::DISK_LOW:
      code = grpc::StatusCode::RESOURCE_EXHAUSTED;
      break;
    case v1::Failure::MALFORMED:
      code = grpc::StatusCode::INVALID_ARGUMENT;
      break;
    case v1::Failure::SESSION_UNKNOWN:
      code = grpc::StatusCode::NOT_FOUND;
      break;
    case v1::Failure::TIMED_OUT:
      code = grpc::StatusCode::DEADLINE_EXCEEDED;
      break;
    default:
      break;
  }
  if (!failure.certain() && code != grpc::StatusCode::DEADLINE_EXCEEDED) {
    code = grpc::StatusCode::UNAVAILABLE;
  }
  return grpc::Status(code, failure.reason(), failure.SerializeAsString());
}

}  // namespace

// From before it comes in until it is over; deletes itself.
class LicenseCalls::Call final : public Operation {
 public:
  explicit Call(LicenseCalls* calls) : calls_(calls) {
    calls_->service_->RequestCall(&context, &request, &responder, calls_->queue_, calls_->queue_,
                                  static_cast<Operation*>(this));
  }

  void Done(bool ok) override {
    if (over || !ok) {
      if (over) calls_->handler_.closed(id);
      delete this;
      return;
    }
    over = true;
    calls_->Take();
    id = calls_->handler_.new_id();
    calls_->waiting_[id] = this;
    due_ms = calls_->now_ms_ + kUnaryTimeoutMs;
    const Caller caller{id, AddressOfPeer(context.peer()), /*unary=*/true};
    calls_->handler_.received(caller, std::move(request));
  }

  grpc::ServerContext context;
  v1::ClientMessage request;
  grpc::ServerAsyncResponseWriter<v1::ServerMessage> responder{&context};
  ConnectionId id = 0;
  int64_t due_ms = 0;
  bool over = false;  // the next time the queue names it, it is

 private:
  LicenseCalls* const calls_;
};

void LicenseCalls::Serve(grpc::ServerCompletionQueue* queue) {
  queue_ = queue;
  Take();
}

void LicenseCalls::Take() {
  new Call(this);  // deletes itself
}

bool LicenseCalls::Answer(ConnectionId id, v1::ServerMessage* message) {
  const auto found = waiting_.find(id);
  if (found == waiting_.end()) return false;
  Call* const call = found->second;
  waiting_.erase(found);
  const grpc::Status status =
      message->has_failure() ? StatusOf(message->failure()) : grpc::Status::OK;
  call->responder.Finish(*message, status, static_cast<Operation*>(call));
  return true;
}

void LicenseCalls::EndLate(int64_t now_ms) {
  now_ms_ = now_ms;
  while (!waiting_.empty() && waiting_.begin()->second->due_ms <= now_ms) {
    Call* const call = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    call->responder.FinishWithError({grpc::StatusCode::DEADLINE_EXCEEDED,
                                     "no answer in time: the request may still take effect"},
                                    static_cast<Operation*>(call));
  }
}

void LicenseCalls::EndAll() {
  v1::ServerMessage message;
  auto* failure = message.mutable_failure();
  failure->set_why(v1::Failure::NOT_READY);
  failure->set_reason("this node stops: ask another; the request may still take effect");
  while (!waiting_.empty()) {
    v1::ServerMessage answer = message;
    Answer(waiting_.begin()->first, &answer);
  }
}

}  // namespace triad::server
