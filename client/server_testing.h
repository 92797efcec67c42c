// For tests of the library's I/O: license servers in this process, on real sockets, that behave as
// FakeCluster says. Three servers share one cluster, as three nodes do.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/search_path.h"
#include "client/session_testing.h"
#include "grpcpp/grpcpp.h"
#include "triad/v1/license.grpc.pb.h"

namespace triad::client {

class TestServers {
 public:
  explicit TestServers(size_t count = 3) {
    for (size_t i = 0; i < count; ++i) {
      nodes_.push_back(std::make_unique<Node>(this, i));
      nodes_.back()->Start();
    }
  }
  ~TestServers() {
    for (auto& node : nodes_) node->Stop();
  }

  // "port@127.0.0.1,..."
  std::string path() const {
    std::string path;
    for (const auto& node : nodes_) {
      absl::StrAppend(&path, path.empty() ? "" : ",", node->port, "@127.0.0.1");
    }
    return path;
  }
  std::vector<Address> addresses() const {
    std::vector<Address> addresses;
    for (const auto& node : nodes_) addresses.push_back({"127.0.0.1", node->port});
    return addresses;
  }
  void Stop(size_t node) { nodes_[node]->Stop(); }
  void Start(size_t node) { nodes_[node]->Start(); }

  template <typename Function>
  auto With(Function function) {
    absl::MutexLock lock(&mutex_);
    return function(cluster_);
  }
  // Returns when `condition` holds of the cluster.
  template <typename Function>
  bool WaitFor(Function condition) {
    auto holds = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return condition(cluster_); };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&holds), absl::Seconds(20));
  }
  // The addresses that streams to `node` came from, all that ever were.
  std::set<std::string> Peers(size_t node) {
    absl::MutexLock lock(&mutex_);
    return nodes_[node]->peers;
  }
  // To everything that is connected to `node`.
  void Push(size_t node, const v1::ServerMessage& message) {
    absl::MutexLock lock(&mutex_);
    v1::ServerBatch batch;
    *batch.add_messages() = message;
    for (auto* stream : nodes_[node]->streams) stream->Write(batch);
  }

 private:
  using Rpc = grpc::ServerReaderWriter<v1::ServerBatch, v1::ClientBatch>;

  struct Node final : v1::LicenseService::Service {
    Node(TestServers* owner, size_t number) : owner(owner), number(number) {}

    void Start() {
      grpc::ServerBuilder builder;
      builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
      int bound = port;
      builder.AddListeningPort(absl::StrCat("127.0.0.1:", port), grpc::InsecureServerCredentials(),
                               &bound);
      builder.RegisterService(this);
      server = builder.BuildAndStart();
      ASSERT_NE(server, nullptr);
      port = bound;
    }
    void Stop() {
      if (server == nullptr) return;
      server->Shutdown(gpr_now(GPR_CLOCK_REALTIME));
      server->Wait();
      server.reset();
    }
    grpc::Status Connect(grpc::ServerContext* context,
                         Rpc* stream) override ABSL_NO_THREAD_SAFETY_ANALYSIS {
      absl::MutexLock lock(&owner->mutex_);
      streams.insert(stream);
      peers.insert(context->peer());
      while (true) {
        v1::ClientBatch batch;
        owner->mutex_.Unlock();
        const bool ok = stream->Read(&batch);
        owner->mutex_.Lock();
        if (!ok) break;
        v1::ServerBatch answers;
        const Mode mode = owner->cluster_.modes[number];
        for (const v1::ClientMessage& message : batch.messages()) {
          if (mode == Mode::kSilent) continue;
          auto answer = owner->cluster_.Handle(number, message);
          if (answer.has_value() && mode != Mode::kMute) *answers.add_messages() = *answer;
        }
        if (answers.messages_size() > 0) stream->Write(answers);
      }
      streams.erase(stream);
      return grpc::Status::OK;
    }

    TestServers* const owner;
    const size_t number;
    int port = 0;
    std::set<Rpc*> streams;
    std::set<std::string> peers;
    std::unique_ptr<grpc::Server> server;
  };

  absl::Mutex mutex_;
  FakeCluster cluster_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace triad::client
