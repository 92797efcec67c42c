// PeerService's unary calls: chunks of a snapshot and of usage records, and a node's files, for the
// other nodes. The stream between nodes, PeerService.Link, is wire.h's.
//
// With TLS only a node's certificate may call, and only in the name of its own slot. Whether the
// caller is of this cluster the Node judges by the Hello in the request, as it does on a link.
// Called by threads that may wait (calls.h); waits for the Node's loop.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/calls.h"
#include "server/disk_io.h"
#include "server/event_loop.h"
#include "server/node.h"
#include "triad/v1/peer.grpc.pb.h"

namespace triad::server {

using AsyncPeer = v1::PeerService::AsyncService;

class PeerCalls final {
 public:
  // `certified`: there is TLS, and callers must show a node's certificate.
  PeerCalls(EventLoop* loop, bool certified,
            std::function<absl::StatusOr<Node::ReadFiles>()> read_files)
      : loop_(loop), certified_(certified), read_files_(std::move(read_files)) {}

  void set_node(Node* node) { node_ = node; }
  void set_usage_reader(UsageReader* reader) { usage_reader_ = reader; }

  // Takes calls of `service` from now on.
  void Serve(CallPlace place, AsyncPeer* service);

  grpc::Status FetchSnapshot(grpc::ServerContext* context, const v1::SnapshotRequest* request,
                             v1::SnapshotChunk* response);
  grpc::Status FetchUsage(grpc::ServerContext* context, const v1::UsageRequest* request,
                          v1::UsageChunk* response);
  grpc::Status FetchFiles(grpc::ServerContext* context, const v1::FilesRequest* request,
                          v1::FilesAnswer* response);

 private:
  grpc::Status CheckNode(const grpc::ServerContext& context, const v1::Hello& hello) const;

  EventLoop* const loop_;
  const bool certified_;
  const std::function<absl::StatusOr<Node::ReadFiles>()> read_files_;
  Node* node_ = nullptr;
  UsageReader* usage_reader_ = nullptr;
};

}  // namespace triad::server
