#include "server/admin_service.h"

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/limits.h"
#include "server/usage.h"

namespace triad::server {
namespace {

// A little longer than the Node's own limit, so that its reason is the one that is heard.
constexpr int64_t kAnswerTimeoutMs = kReadTimeoutMs + 500;

grpc::Status FromAbsl(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

grpc::Status NoAnswer() {
  return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "this node is too busy to answer");
}

}  // namespace

grpc::Status AdminCalls::GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                                   v1::NodeStatus* response) {
  auto status = std::make_shared<v1::NodeStatus>();
  if (!loop_->Ask([this, status] { *status = node_->Status(); }, kAnswerTimeoutMs)) {
    return NoAnswer();
  }
  response->Swap(status.get());
  return grpc::Status::OK;
}

grpc::Status AdminCalls::GetUsage(grpc::ServerContext*, const v1::GetUsageRequest* request,
                                  v1::Usage* response) {
  struct Answer {
    absl::Notification done;
    absl::Status status;
    v1::Usage usage;
  };
  auto answer = std::make_shared<Answer>();
  auto build = [this, answer, request = *request](const absl::Status& status) {
    answer->status = status;
    if (status.ok()) {
      answer->usage = BuildUsage(node_->ledger(), request);
      answer->usage.set_leader(static_cast<uint32_t>(node_->leader()));
    }
    answer->done.Notify();
  };
  loop_->Post([this, build, stale = request->stale()] {
    if (stale) {
      build(absl::OkStatus());
    } else {
      node_->Read(build);
    }
  });
  if (!answer->done.WaitForNotificationWithTimeout(absl::Milliseconds(kAnswerTimeoutMs))) {
    return NoAnswer();
  }
  if (!answer->status.ok()) return FromAbsl(answer->status);
  response->Swap(&answer->usage);
  return grpc::Status::OK;
}

grpc::Status AdminCalls::CheckMayChange(const grpc::ServerContext& context) const {
  if (changes_over_tcp_ || absl::StartsWith(context.peer(), "unix:")) return grpc::Status::OK;
  return grpc::Status(
      grpc::StatusCode::PERMISSION_DENIED,
      "you are not a license administrator (-63): use the admin socket on the host itself");
}

grpc::Status AdminCalls::TransferLead(grpc::ServerContext* context,
                                      const v1::TransferLeadRequest* request,
                                      v1::TransferLeadResponse* response) {
  const grpc::Status allowed = CheckMayChange(*context);
  if (!allowed.ok()) return allowed;
  if (request->to() > quorum::kSlotsMax) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "there is no such node");
  }
  auto result = std::make_shared<absl::Status>();
  const auto to = static_cast<quorum::Slot>(request->to());
  if (!loop_->Ask([this, result, to] { *result = node_->TransferLead(to); }, kAnswerTimeoutMs)) {
    return NoAnswer();
  }
  if (!result->ok()) return FromAbsl(*result);
  auto leader = std::make_shared<uint32_t>(0);
  (void)loop_->Ask([this, leader] { *leader = static_cast<uint32_t>(node_->leader()); },
                   kAnswerTimeoutMs);
  response->set_leader(*leader);
  return grpc::Status::OK;
}

}  // namespace triad::server
