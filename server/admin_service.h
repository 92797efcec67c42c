// AdminService: how tools look at a node and act on it. Unary; waits for the Node's loop.
//
// Reading is open. What changes something needs the local admin socket; over TCP it is taken only
// where all SERVER hosts are loopback addresses or the daemon runs --insecure.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>

#include "server/event_loop.h"
#include "server/node.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::server {

class AdminCalls final : public v1::AdminService::Service {
 public:
  AdminCalls(EventLoop* loop, bool changes_over_tcp)
      : loop_(loop), changes_over_tcp_(changes_over_tcp) {}
  void set_node(Node* node) { node_ = node; }

  grpc::Status GetStatus(grpc::ServerContext* context, const v1::GetStatusRequest* request,
                         v1::NodeStatus* response) override;
  grpc::Status GetUsage(grpc::ServerContext* context, const v1::GetUsageRequest* request,
                        v1::Usage* response) override;
  grpc::Status TransferLead(grpc::ServerContext* context, const v1::TransferLeadRequest* request,
                            v1::TransferLeadResponse* response) override;

 private:
  grpc::Status CheckMayChange(const grpc::ServerContext& context) const;

  EventLoop* const loop_;
  const bool changes_over_tcp_;
  Node* node_ = nullptr;
};

}  // namespace triad::server
