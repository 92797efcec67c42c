// The daemon's gRPC: one port for clients, peers, administrators, health and reflection, and the
// streams that this node dials to the others.
//
// One completion queue, which the Node's loop itself sleeps in: the thread that takes a message
// from the network is the one that acts on it. No other thread polls: whatever waits beside it
// would be woken for its messages. Calls that may block run on threads of their own (calls.h).
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/environment.h"
#include "server/event_loop.h"
#include "server/node.h"

namespace triad::server {

class LogControl;
class Tls;
class UsageReader;

class Wire : public PeerTransport, public ClientTransport, public SnapshotTransport {
 public:
  struct Config {
    quorum::Slot self = quorum::Slot::kNone;
    std::vector<Node::Server> servers;
    std::string admin_socket;  // "": none
    // Whether admin calls that change something are taken over TCP from anybody: all SERVER hosts
    // are loopback, or --insecure, and there is no TLS; or from whoever shows an administrator's
    // certificate.
    bool admin_over_tcp = false;
    bool admin_by_certificate = false;
    Tls* tls = nullptr;                 // nullptr: plaintext
    std::vector<std::string> disabled;  // verbs that are refused to all: lmdown, lmremove
    bool reads_over_tcp = true;         // what features are served and who holds them
    uint32_t session_ttl_ms = 60'000;
    // Called on the loop, and may be null: a client's request came in, at that moment of
    // MonotonicUs; its connection is gone.
    std::function<void(ConnectionId, uint64_t message, int64_t begun_us)> on_request;
    std::function<void(ConnectionId)> on_closed;
    // Reads this node's license and options files anew; from any thread.
    std::function<absl::StatusOr<Node::ReadFiles>()> read_files;
  };

  Wire(Config config, EventLoop* loop, Logger* logger);
  ~Wire() override;

  // What admin calls read and rotate; before Start.
  void SetUsage(UsageReader* reader, LogControl* logs);
  // Binds the port and begins to serve and to dial. The error says which address, and why.
  absl::Status Start(Node* node);
  // Ends all streams and calls; blocks until they are gone.
  void Stop();
  // From now on the other nodes are dialled with the certificate that `tls` has now.
  void UseNewCertificates();
  // From now on the other nodes are dialled there. Returns those whose address is another now.
  std::vector<Node::Server> UseAddresses(const std::vector<Node::Server>& servers);
  // What the health service says.
  void SetServing(bool alive, bool licenses);

  // What Send() gathered leaves: after each batch of the loop's events. The messages to the other
  // nodes need not wait until then.
  void Flush();
  void FlushPeers() override;
  // Every now and then.
  void OnTick(int64_t now_ms);

  // On the loop's thread:
  void Send(quorum::Slot to, v1::PeerMessage message) override;
  void Answer(LinkId link, v1::PeerMessage message) override;
  void CloseLink(LinkId link) override;
  void Send(ConnectionId connection, v1::ServerMessage message) override;
  void Fetch(quorum::Slot from, v1::SnapshotRequest request) override;
  void FetchUsage(quorum::Slot from, v1::UsageRequest request) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace triad::server
