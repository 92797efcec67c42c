// AdminService: how tools look at a node and act on it. Unary; waits for the Node's loop.
//
// Reading is open unless it was switched off; a node's status, which says nothing of users, always
// is. What changes something needs the local admin socket or an administrator's certificate;
// without TLS it is taken over TCP only where all SERVER hosts are loopback addresses or the daemon
// runs --insecure.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/calls.h"
#include "server/disk_io.h"
#include "server/event_loop.h"
#include "server/log_control.h"
#include "server/node.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::server {

// Where the files for a reread come from. Called by threads that may wait.
struct FileSources {
  std::function<absl::StatusOr<Node::ReadFiles>()> own;
  std::function<absl::StatusOr<v1::FilesAnswer>(quorum::Slot, const v1::FilesRequest&)> ask;
};

// Who may do what over TCP; the local socket may do all.
struct AdminRights {
  bool anybody_changes = false;
  bool certificate_changes = false;  // an administrator's certificate may
  bool anybody_reads = true;
};

using AsyncAdmin = v1::AdminService::AsyncService;

class AdminCalls final {
 public:
  // `who` names the one who calls, as the node sees it.
  AdminCalls(EventLoop* loop, AdminRights rights, FileSources files,
             std::function<std::string(const grpc::ServerContext&)> who)
      : loop_(loop), rights_(rights), files_(std::move(files)), who_(std::move(who)) {}
  void set_node(Node* node) { node_ = node; }
  void set_disabled(std::vector<std::string> verbs) { disabled_ = std::move(verbs); }
  void set_usage(UsageReader* reader, LogControl* logs) {
    usage_reader_ = reader;
    logs_ = logs;
  }

  // Takes calls of `service` from now on.
  void Serve(CallPlace place, AsyncAdmin* service);

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::NodeStatus* response);
  grpc::Status GetUsage(grpc::ServerContext* context, const v1::GetUsageRequest* request,
                        v1::Usage* response);
  grpc::Status TransferLead(grpc::ServerContext* context, const v1::TransferLeadRequest* request,
                            v1::TransferLeadResponse* response);
  grpc::Status ReadUsage(grpc::ServerContext* context, const v1::ReadUsageRequest* request,
                         const std::function<bool(const v1::UsagePage&)>& write);
  grpc::Status RotateLogs(grpc::ServerContext* context, const v1::RotateLogsRequest* request,
                          v1::RotateLogsResponse* response);

  grpc::Status Reread(grpc::ServerContext* context, const v1::RereadRequest* request,
                      v1::RereadResponse* response);
  grpc::Status Stop(grpc::ServerContext* context, const v1::StopRequest* request,
                    v1::StopResponse* response);
  grpc::Status Drain(grpc::ServerContext* context, const v1::DrainRequest* request,
                     v1::DrainResponse* response);
  grpc::Status Backup(grpc::ServerContext* context, const v1::BackupRequest* request,
                      const std::function<bool(const v1::BackupPiece&)>& write);
  grpc::Status Act(grpc::ServerContext* context, const v1::ActRequest* request,
                   v1::ActResponse* response);

 private:
  absl::StatusOr<std::shared_ptr<const Node::ReadFiles>> FilesOf(uint32_t from);
  // The ledger's store holds all that was agreed on when this was called.
  grpc::Status AwaitAgreed(v1::BackupHead* head);
  absl::StatusOr<v1::SnapshotChunk> ReadRows(const v1::SnapshotRequest& request);
  bool IsAdministrator(const grpc::ServerContext& context) const;
  grpc::Status CheckMayChange(const grpc::ServerContext& context) const;
  grpc::Status CheckEnabled(absl::string_view verb) const;
  grpc::Status CheckMayRead(const grpc::ServerContext& context) const;
  // Who asks, and for what: written down before it is done.
  void Note(const grpc::ServerContext& context, const std::string& what);
  // Serves again what lmdown has stopped of `vendor` ("": all).
  void StartVendors(const std::string& vendor, const std::string& who);

  EventLoop* const loop_;
  const AdminRights rights_;
  const FileSources files_;
  const std::function<std::string(const grpc::ServerContext&)> who_;
  std::vector<std::string> disabled_;
  Node* node_ = nullptr;
  UsageReader* usage_reader_ = nullptr;
  LogControl* logs_ = nullptr;
};

}  // namespace triad::server
