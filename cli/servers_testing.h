// For tests: nodes that say what they are told to, on real ports of this machine.
//
// Set their fields before they are asked; the answers come from gRPC's threads.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/servers.h"
#include "client/search_path.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::cli {

// A node that says what it is told to.
class FakeNode : public v1::AdminService::Service {
 public:
  explicit FakeNode(uint32_t slot) {
    status.set_slot(slot);
    status.set_quorum(true);
    status.set_role("follower");
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeNode() override { server_->Shutdown(); }

  client::Address address() const { return {"127.0.0.1", port}; }

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::NodeStatus* response) override {
    *response = status;
    return grpc::Status::OK;
  }
  grpc::Status GetUsage(grpc::ServerContext*, const v1::GetUsageRequest*,
                        v1::Usage* response) override {
    ++usage_calls;
    *response = usage;
    response->set_index(status.slot());
    return usage_result;
  }
  grpc::Status TransferLead(grpc::ServerContext*, const v1::TransferLeadRequest* request,
                            v1::TransferLeadResponse*) override {
    ++transfer_calls;
    if (on_transfer) on_transfer(request->to());
    return transfer_result;
  }

  grpc::Status Reread(grpc::ServerContext*, const v1::RereadRequest* request,
                      v1::RereadResponse* response) override {
    reread_request = *request;
    *response = reread_response;
    return reread_result;
  }
  grpc::Status Act(grpc::ServerContext*, const v1::ActRequest* request,
                   v1::ActResponse* response) override {
    act = request->command();
    act_ids.push_back(act.id());
    if (act_failures > 0) {
      --act_failures;
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "an election is under way");
    }
    *response->mutable_outcome() = act_outcome;
    return act_result;
  }

  grpc::Status Stop(grpc::ServerContext*, const v1::StopRequest* request,
                    v1::StopResponse* response) override {
    ++stop_calls;
    stop_request = *request;
    *response = stop_response;
    return stop_result;
  }
  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest* request,
                     v1::DrainResponse* response) override {
    drain_request = *request;
    response->set_node(request->node() == 0 ? status.slot() : request->node());
    if (on_drain) on_drain();
    return grpc::Status::OK;
  }
  grpc::Status Backup(grpc::ServerContext*, const v1::BackupRequest*,
                      grpc::ServerWriter<v1::BackupPiece>* writer) override {
    for (const v1::BackupPiece& piece : backup) writer->Write(piece);
    return backup_result;
  }
  grpc::Status RotateLogs(grpc::ServerContext*, const v1::RotateLogsRequest* request,
                          v1::RotateLogsResponse* response) override {
    rotate_request = *request;
    response->add_paths("/old");
    return grpc::Status::OK;
  }

  int port = 0;
  v1::NodeStatus status;
  int stop_calls = 0;
  v1::StopRequest stop_request;
  v1::StopResponse stop_response;
  grpc::Status stop_result = grpc::Status::OK;
  v1::DrainRequest drain_request;
  std::function<void()> on_drain;
  v1::RotateLogsRequest rotate_request;
  std::vector<v1::BackupPiece> backup;
  grpc::Status backup_result = grpc::Status::OK;
  grpc::Status usage_result = grpc::Status::OK;
  int usage_calls = 0;
  v1::Usage usage;
  grpc::Status transfer_result = grpc::Status::OK;
  std::function<void(uint32_t to)> on_transfer;
  int transfer_calls = 0;
  v1::RereadRequest reread_request;
  v1::RereadResponse reread_response;
  grpc::Status reread_result = grpc::Status::OK;
  v1::AdminCommand act;
  v1::Outcome act_outcome;
  std::vector<std::string> act_ids;  // of each time it was asked
  int act_failures = 0;              // so often it cannot say what came of it
  grpc::Status act_result = grpc::Status::OK;

 private:
  std::unique_ptr<grpc::Server> server_;
};

// A port at which nobody listens: that of a server that has gone.
inline client::Address Nobody() {
  return FakeNode(9).address();
}

// `node` says that the cluster has a node `slot` at `address`.
inline void Name(FakeNode* node, uint32_t slot, const client::Address& address) {
  auto* entry = node->status.add_nodes();
  entry->set_slot(slot);
  entry->set_address(client::FormatAddress(address));
}

// Three nodes that know one another, one of which leads.
struct FakeCluster {
  explicit FakeCluster(uint32_t leader) {
    for (FakeNode* node : {&one, &two, &three}) {
      Name(node, 1, one.address());
      Name(node, 2, two.address());
      Name(node, 3, three.address());
      for (auto& other : *node->status.mutable_nodes()) other.set_connected(true);
      node->status.set_term(7);
    }
    Lead(leader);
  }
  void Lead(uint32_t leader) {
    for (FakeNode* node : {&one, &two, &three}) {
      node->status.set_leader(leader);
      node->status.set_role(node->status.slot() == leader ? "leader" : "follower");
    }
  }
  void LoseQuorum() {
    for (FakeNode* node : {&one, &two, &three}) {
      node->status.set_quorum(false);
      node->status.set_role("candidate");
    }
  }
  // These arguments, with where the cluster is.
  std::vector<std::string> With(std::vector<std::string> arguments) const {
    arguments.emplace_back("-c");
    arguments.push_back(
        AsSearchPath(client::Cluster{{one.address(), two.address(), three.address()}, ""}));
    return arguments;
  }

  FakeNode one{1};
  FakeNode two{2};
  FakeNode three{3};
};

}  // namespace triad::cli
