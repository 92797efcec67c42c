#include "server/peer_service.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/limits.h"
#include "server/tls.h"

namespace triad::server {

void PeerCalls::Serve(CallPlace place, AsyncPeer* service) {
  const auto on_this = [this](auto method) {
    return [this, method](auto* context, const auto* request, auto* response) {
      return (this->*method)(context, request, response);
    };
  };
  TakeCalls(place, service, &AsyncPeer::RequestFetchSnapshot, on_this(&PeerCalls::FetchSnapshot));
  TakeCalls(place, service, &AsyncPeer::RequestFetchUsage, on_this(&PeerCalls::FetchUsage));
  TakeCalls(place, service, &AsyncPeer::RequestFetchFiles, on_this(&PeerCalls::FetchFiles));
}

grpc::Status PeerCalls::CheckNode(const grpc::ServerContext& context,
                                  const v1::Hello& hello) const {
  if (!certified_) return grpc::Status::OK;
  const license::Certified who = RoleOf(*context.auth_context());
  if (who.role == license::Role::kNode && who.slot == hello.self().slot()) return grpc::Status::OK;
  return {grpc::StatusCode::PERMISSION_DENIED,
          absl::StrCat("this service is for the other nodes; the certificate is that of ",
                       who.ToString())};
}

grpc::Status PeerCalls::FetchSnapshot(grpc::ServerContext* context,
                                      const v1::SnapshotRequest* request,
                                      v1::SnapshotChunk* response) {
  const grpc::Status refused = CheckNode(*context, request->hello());
  if (!refused.ok()) return refused;
  struct Call {
    absl::Notification answered;
    v1::SnapshotChunk chunk;
  };
  auto call = std::make_shared<Call>();
  loop_->Post([this, call, request = *request] {
    node_->OnSnapshotRequest(request, [call](v1::SnapshotChunk chunk) {
      call->chunk = std::move(chunk);
      call->answered.Notify();
    });
  });
  if (!call->answered.WaitForNotificationWithTimeout(absl::Milliseconds(kSnapshotAnswerMs))) {
    return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "no chunk in time");
  }
  response->Swap(&call->chunk);
  return grpc::Status::OK;
}

grpc::Status PeerCalls::FetchUsage(grpc::ServerContext* context, const v1::UsageRequest* request,
                                   v1::UsageChunk* response) {
  const grpc::Status refused = CheckNode(*context, request->hello());
  if (!refused.ok()) return refused;
  auto refusal = std::make_shared<std::string>();
  auto allowed = std::make_shared<bool>(false);
  const bool asked = loop_->Ask(
      [this, refusal, allowed, hello = request->hello()] {
        *allowed = node_->MayGiveUsage(hello, refusal.get());
      },
      kReadTimeoutMs);
  if (!asked || !*allowed) {
    response->set_refusal(asked ? *refusal : "it is too busy to answer");
    return grpc::Status::OK;
  }
  if (request->to() <= request->from() || usage_reader_ == nullptr) return grpc::Status::OK;
  const uint64_t count = std::min(request->to() - request->from(), kUsageChunkRecordsMax);
  UsageQuery query;
  query.after = request->to() - count - 1;
  query.bytes_max = kWireMessageBytesMax / 2;
  struct Call {
    absl::Notification done;
    UsageRead read;
  };
  auto call = std::make_shared<Call>();
  usage_reader_->ReadUsage(query, [call](UsageRead read) {
    call->read = std::move(read);
    call->done.Notify();
  });
  if (!call->done.WaitForNotificationWithTimeout(absl::Milliseconds(kUsageFetchTimeoutMs / 2))) {
    return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "no chunk in time");
  }
  // What is missing here too is left out; the rest must reach to the end.
  uint64_t next = 0;
  for (license::UsageRow& row : call->read.rows) {
    if (row.number >= request->to()) break;
    if (row.number != next) {
      response->clear_records();
      response->set_first(row.number);
    }
    next = row.number + 1;
    response->add_records(std::move(row.bytes));
  }
  if (next != request->to()) response->clear_records();
  return grpc::Status::OK;
}

grpc::Status PeerCalls::FetchFiles(grpc::ServerContext* context, const v1::FilesRequest* request,
                                   v1::FilesAnswer* response) {
  const grpc::Status refused = CheckNode(*context, request->hello());
  if (!refused.ok()) return refused;
  struct Judged {
    bool allowed = false;
    std::string refusal;
  };
  auto judged = std::make_shared<Judged>();
  const bool asked = loop_->Ask(
      [this, judged, request = *request] {
        judged->allowed = node_->MayGiveFiles(request, &judged->refusal);
      },
      kReadTimeoutMs);
  if (!asked || !judged->allowed) {
    response->set_refusal(asked ? judged->refusal : "it is too busy to answer");
    return grpc::Status::OK;
  }
  auto files = read_files_();
  if (!files.ok()) {
    response->set_refusal(std::string(files.status().message()));
    return grpc::Status::OK;
  }
  for (const std::string& problem : files->problems) response->add_problems(problem);
  *response->mutable_files() = files->files;
  auto own = std::make_shared<Node::ReadFiles>(*std::move(files));
  loop_->Post([this, own] { node_->SetOwnFiles(*own); });
  return grpc::Status::OK;
}

}  // namespace triad::server
