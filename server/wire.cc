#include "server/wire.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/admin_service.h"
#include "server/admin_socket.h"
#include "server/calls.h"
#include "server/grpc_stream.h"
#include "server/license_calls.h"
#include "server/limits.h"
#include "server/listener.h"
#include "server/metrics.h"
#include "server/peer_service.h"
#include "server/standard_services.h"
#include "server/system.h"
#include "server/tls.h"
#include "triad/v1/license.grpc.pb.h"
#include "triad/v1/peer.grpc.pb.h"

namespace triad::server {
namespace {

using quorum::Slot;

constexpr size_t kPeerQueueMessagesMax = 1u << 20;  // the bytes are what is bounded
// Redialling a peer: gRPC's own back-off, kept short because a failover waits for it. Minimum and
// maximum differ (with TLS an equal pair never recovers, quorum-notes E.4).
constexpr int kDialBackoffMinMs = 50;
constexpr int kDialBackoffMaxMs = 500;
constexpr int kRedialMs = 20;
// Until TCP and TLS have to be there: three round trips, and a handshake on a loaded machine.
constexpr int kDialTlsMs = 1'000;
// A peer's heartbeats flow 20 times a second; a link that is silent this long is dialled anew.
constexpr int kPeerKeepaliveMs = 1'000;

// One incoming stream, of a client or a peer.
template <typename InBatch, typename OutBatch>
class IncomingStream final
    : public Stream<grpc::ServerAsyncReaderWriter<OutBatch, InBatch>, InBatch, OutBatch> {
 public:
  using Rpc = grpc::ServerAsyncReaderWriter<OutBatch, InBatch>;
  using Base = Stream<Rpc, InBatch, OutBatch>;

  IncomingStream(typename Base::Handler handler, size_t messages_max, size_t bytes_max)
      : Base(std::move(handler), messages_max, bytes_max) {}

  grpc::ServerContext context;
  Rpc stream{&context};

  void Open() { Base::Opened(); }
  void Cancel() override { context.TryCancel(); }

 protected:
  Rpc* rpc() override { return &stream; }
  void StartFinish() override { stream.Finish(grpc::Status::OK, &finished_); }

 private:
  struct FinishDone final : Operation {
    explicit FinishDone(IncomingStream* stream) : stream(stream) {}
    void Done(bool) override { stream->Finished(); }
    IncomingStream* const stream;
  };
  FinishDone finished_{this};
};

using ClientStream = IncomingStream<v1::ClientBatch, v1::ServerBatch>;
using PeerStream = IncomingStream<v1::PeerBatch, v1::PeerBatch>;

// The stream that this node dials to one peer.
class DialledStream final
    : public Stream<grpc::ClientAsyncReaderWriter<v1::PeerBatch, v1::PeerBatch>, v1::PeerBatch,
                    v1::PeerBatch> {
 public:
  using Rpc = grpc::ClientAsyncReaderWriter<v1::PeerBatch, v1::PeerBatch>;

  DialledStream(Handler handler, std::function<void()> up, std::function<void()> over)
      : Stream(std::move(handler), kPeerQueueMessagesMax, kPeerQueueBytesMax),
        up_(std::move(up)),
        over_(std::move(over)) {}

  void Dial(v1::PeerService::Stub* stub, grpc::CompletionQueue* queue) {
    context_.set_wait_for_ready(true);
    stream_ = stub->PrepareAsyncLink(&context_, queue);
    keep_ = std::static_pointer_cast<DialledStream>(shared_from_this());
    stream_->StartCall(&started_);
  }
  void Cancel() override { context_.TryCancel(); }

 protected:
  Rpc* rpc() override { return stream_.get(); }
  void StartFinish() override { stream_->Finish(&status_, &finished_); }

 private:
  void OnStarted(bool ok) {
    const auto keep = std::move(keep_);
    if (ok) {
      Opened();
      up_();
      return;
    }
    absl::MutexLock lock(&mutex_);
    keep_ = keep;
    stream_->Finish(&status_, &finished_);
  }
  void OnFinished() {
    const auto keep = std::move(keep_);
    const auto self = shared_from_this();
    Finished();
    over_();
  }

  struct StartDone final : Operation {
    explicit StartDone(DialledStream* stream) : stream(stream) {}
    void Done(bool ok) override { stream->OnStarted(ok); }
    DialledStream* const stream;
  };
  struct FinishDone final : Operation {
    explicit FinishDone(DialledStream* stream) : stream(stream) {}
    void Done(bool) override { stream->OnFinished(); }
    DialledStream* const stream;
  };

  const std::function<void()> up_;
  const std::function<void()> over_;
  grpc::ClientContext context_;
  grpc::Status status_;
  std::unique_ptr<Rpc> stream_;
  std::shared_ptr<DialledStream> keep_;
  StartDone started_{this};
  FinishDone finished_{this};
};

// The loop's sleep: in the queue of all that comes from the network.
class QueueSleeper final : public EventLoop::Sleeper {
 public:
  explicit QueueSleeper(grpc::CompletionQueue* queue) : queue_(queue) {}

  void Sleep(int64_t timeout_ms) override {
    gpr_timespec until = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    if (timeout_ms > 0) {
      until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                           gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
    }
    void* tag = nullptr;
    bool ok = false;
    for (int taken = 0; taken < kQueueEventsAtOnce; ++taken) {
      if (queue_->AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) return;
      static_cast<Operation*>(tag)->Done(ok);
      until = gpr_inf_past(GPR_CLOCK_MONOTONIC);
    }
  }

  void Wake() override {
    // An alarm that is on its way wakes for all.
    if (woken_.under_way.exchange(true)) return;
    alarm_.Set(queue_, gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<Operation*>(&woken_));
  }

 private:
  struct Woken final : Operation {
    void Done(bool) override { under_way = false; }
    std::atomic<bool> under_way{false};
  };

  grpc::CompletionQueue* const queue_;
  Woken woken_;
  grpc::Alarm alarm_;
};

// Deletes itself when it is done.
class OneTime final : public Operation {
 public:
  explicit OneTime(std::function<void(bool)> then) : then_(std::move(then)) {}
  void Done(bool ok) override {
    then_(ok);
    delete this;
  }

 private:
  const std::function<void(bool)> then_;
};

std::string Target(const Node::Server& server) {
  const bool v6 = absl::StrContains(server.host, ":");
  return v6 ? absl::StrCat("[", server.host, "]:", server.port)
            : absl::StrCat(server.host, ":", server.port);
}

bool IsAddress(const std::string& host) {
  return absl::StrContains(host, ":") || std::all_of(host.begin(), host.end(), [](char c) {
           return c == '.' || (c >= '0' && c <= '9');
         });
}

void TellOfRequest(const Wire::Config& config, const Caller& caller,
                   const v1::ClientMessage& message, int64_t begun_us) {
  if (!config.on_request || !message.has_request()) return;
  config.on_request(caller.connection, message.id(), begun_us);
}

}  // namespace

// One chunk on its way to this node.
struct UsageCall {
  grpc::ClientContext context;
  grpc::Status status;
  v1::UsageChunk chunk;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::UsageChunk>> reader;
};

struct SnapshotCall {
  grpc::ClientContext context;
  grpc::Status status;
  v1::SnapshotChunk chunk;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::SnapshotChunk>> reader;
};

struct Wire::Impl {
  Impl(Config config_in, EventLoop* loop_in, Logger* logger_in)
      : config(std::move(config_in)),
        loop(loop_in),
        logger(logger_in),
        calls(&license, {[this] { return next_id++; },
                         [this](const Caller& caller, v1::ClientMessage message) {
                           TellOfRequest(config, caller, message, MonotonicUs());
                           node->OnClientMessage(caller, std::move(message));
                         },
                         [this](ConnectionId id) { OnClosed(id, /*cut_here=*/false); }}),
        peer(loop_in, config.tls != nullptr, config.read_files),
        admin(
            loop_in,
            AdminRights{config.admin_over_tcp, config.admin_by_certificate, config.reads_over_tcp},
            {config.read_files,
             [this](Slot from, const v1::FilesRequest& request) {
               return AskFiles(from, request);
             }},
            [this](const grpc::ServerContext& context) { return NameOf(context); }) {
    admin.set_disabled(config.disabled);
  }

  const Config config;
  EventLoop* const loop;
  Logger* const logger;
  Node* node = nullptr;

  std::atomic<uint64_t> next_id{1};
  std::atomic<int64_t> next_stranger_s{0};  // when a refused link is told of again
  AsyncLicense license;
  AsyncPeer peer_service;
  AsyncAdmin admin_service;
  StandardServices standard{kStandardCallsMax};
  LicenseCalls calls;
  PeerCalls peer;
  AdminCalls admin;
  // Those of the other nodes need not wait behind those of tools.
  CallWorkers peer_workers{kCallThreadsMax, kCallsWaitingMax};
  CallWorkers admin_workers{kCallThreadsMax, kCallsWaitingMax};
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  Listener listener;
  AdminSocket admin_socket;
  std::unique_ptr<QueueSleeper> sleeper;
  std::atomic<bool> stopping{false};
  // Streams with messages that wait for FlushPeers or Flush; the loop's.
  std::vector<std::shared_ptr<ClientStream>> clients_to_flush;
  std::vector<std::shared_ptr<DialledStream>> peers_to_flush;

  struct Peer {
    Node::Server server;
    std::shared_ptr<v1::PeerService::Stub> stub;  // another one after new certificates
    std::shared_ptr<DialledStream> stream;
    bool up = false;
    grpc::Alarm alarm;
  };
  absl::Mutex mutex;
  std::map<ConnectionId, std::shared_ptr<ClientStream>> clients ABSL_GUARDED_BY(mutex);
  std::set<ConnectionId> cut_off ABSL_GUARDED_BY(mutex);  // by this node, not closed yet
  std::map<LinkId, std::shared_ptr<PeerStream>> links ABSL_GUARDED_BY(mutex);
  std::map<Slot, Peer> peers ABSL_GUARDED_BY(mutex);
  int dialled ABSL_GUARDED_BY(mutex) = 0;  // streams that are not over
  std::set<std::shared_ptr<SnapshotCall>> fetches ABSL_GUARDED_BY(mutex);
  std::set<std::shared_ptr<UsageCall>> usage_fetches ABSL_GUARDED_BY(mutex);

  absl::Status Listen();
  absl::StatusOr<v1::FilesAnswer> AskFiles(Slot from, const v1::FilesRequest& request);
  std::string NameOf(const grpc::ServerContext& context) const;
  std::shared_ptr<v1::PeerService::Stub> MakeStub(const Node::Server& server) const;
  bool MayLink(const grpc::ServerContext& context, Slot* certified);
  void AcceptClient();
  void AcceptPeer();
  void Dial(Slot slot);
  void DialLater(Slot slot);
  bool TooManyClients();
  void CutOff(ConnectionId id);
  void CloseLink(LinkId link);
  void OnClosed(ConnectionId id, bool cut_here);
};

Wire::Wire(Config config, EventLoop* loop, Logger* logger)
    : impl_(std::make_unique<Impl>(std::move(config), loop, logger)) {
}

Wire::~Wire() {
  Stop();
}

void Wire::SetUsage(UsageReader* reader, LogControl* logs) {
  impl_->admin.set_usage(reader, logs);
  impl_->peer.set_usage_reader(reader);
}

absl::Status Wire::Impl::Listen() {
  grpc::ServerBuilder builder;
  const auto own = std::find_if(config.servers.begin(), config.servers.end(),
                                [this](const auto& server) { return server.slot == config.self; });
  const auto credentials =
      config.tls == nullptr ? grpc::InsecureServerCredentials() : config.tls->ForListener();
  acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleConnectionMs);
  builder.SetMaxReceiveMessageSize(kWireMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 << 10);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 500);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // Silence never breaks a connection before the time to live is over: a break would start the
  // short grace. The timeout is also the socket's TCP_USER_TIMEOUT.
  const int silence_ms =
      static_cast<int>(std::min<uint32_t>(config.session_ttl_ms, 12u * 3600 * 1000)) * 2;
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, silence_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, silence_ms);
  Listener::Options listen;
  // A host that is an address is bound as it is; a name binds all addresses.
  if (IsAddress(own->host)) listen.host = own->host;
  listen.port = own->port;
  listen.silence_ms = silence_ms;
  listen.descriptors_max = RaiseDescriptorLimit();
  listen.tell = [logger = logger](const std::string& line) {
    logger->Log(LogLevel::kWarning, line);
  };
  const absl::Status bound = listener.Listen(listen);
  if (!bound.ok()) return bound;
  builder.RegisterService(&license);
  builder.RegisterService(&peer_service);
  builder.RegisterService(&admin_service);
  builder.RegisterAsyncGenericService(standard.generic());
  queue = builder.AddCompletionQueue();
  server = builder.BuildAndStart();
  if (server == nullptr) return absl::UnavailableError("gRPC does not start");
  listener.Start([this](int from, int connection) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters taken;
    taken.listener_fd = from;
    taken.fd = connection;
    acceptor->HandleNewConnection(&taken);
  });
  if (config.admin_socket.empty()) return absl::OkStatus();
  const absl::Status listening = admin_socket.Listen(config.admin_socket);
  if (listening.ok()) admin_socket.Start(server.get());
  return listening;
}

// Another node's files, in a call of its own.
absl::StatusOr<v1::FilesAnswer> Wire::Impl::AskFiles(Slot from, const v1::FilesRequest& request) {
  std::shared_ptr<v1::PeerService::Stub> stub;
  {
    absl::MutexLock lock(&mutex);
    auto it = peers.find(from);
    if (it == peers.end()) return absl::InvalidArgumentError("there is no such node");
    stub = it->second.stub;
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(kFilesTimeoutMs));
  v1::FilesAnswer answer;
  const grpc::Status status = stub->FetchFiles(&context, request, &answer);
  if (status.ok()) return answer;
  return absl::FailedPreconditionError(
      absl::StrCat("node ", ToInt(from), " does not give its files (", status.error_message(),
                   "); nothing was changed"));
}

// Who speaks, for the record: by the socket's credentials or the certificate, else by the address
// alone.
std::string Wire::Impl::NameOf(const grpc::ServerContext& context) const {
  const auto own = std::find_if(config.servers.begin(), config.servers.end(),
                                [this](const auto& server) { return server.slot == config.self; });
  const std::string peer = context.peer();
  std::string name = admin_socket.NameOf(peer);
  if (name.empty()) {
    const license::Certified who = RoleOf(*context.auth_context());
    name = who.role == license::Role::kNone
               ? absl::StrCat("somebody at ", peer)
               : absl::StrCat(who.ToString(), " (certificate) at ", AddressOfPeer(peer));
  }
  return absl::StrCat(name, " on ", own->host);
}

// A channel that takes the certificate of the node that is meant, and no other.
std::shared_ptr<v1::PeerService::Stub> Wire::Impl::MakeStub(const Node::Server& server) const {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kDialBackoffMinMs);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
              config.tls == nullptr ? kDialBackoffMinMs * 2 : kDialTlsMs);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kDialBackoffMaxMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPeerKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPeerKeepaliveMs);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetMaxReceiveMessageSize(kWireMessageBytesMax);
  if (config.tls != nullptr) {
    args.SetSslTargetNameOverride(license::NodeName(static_cast<uint32_t>(server.slot)));
  }
  return v1::PeerService::NewStub(grpc::CreateCustomChannel(
      Target(server),
      config.tls == nullptr ? grpc::InsecureChannelCredentials() : config.tls->ForDialling(),
      args));
}

// Whether the other end of a link may be a node, and which one; kNone where there is no TLS.
bool Wire::Impl::MayLink(const grpc::ServerContext& context, Slot* certified) {
  if (config.tls == nullptr) return true;
  const license::Certified who = RoleOf(*context.auth_context());
  *certified = static_cast<Slot>(who.slot);
  if (who.role == license::Role::kNode && *certified != config.self) return true;
  const int64_t now_s = absl::ToUnixSeconds(absl::Now());
  if (now_s < next_stranger_s.load()) return false;
  next_stranger_s = now_s + kTellStrangersSeconds;
  logger->Log(
      LogLevel::kWarning,
      absl::StrCat("refused a link from ", AddressOfPeer(context.peer()),
                   ": its certificate is that of ", who.ToString(), ", not another node's"));
  return false;
}

absl::Status Wire::Start(Node* node) {
  impl_->node = node;
  impl_->peer.set_node(node);
  impl_->admin.set_node(node);
  const absl::Status listening = impl_->Listen();
  if (!listening.ok()) return listening;
  impl_->AcceptClient();
  impl_->AcceptPeer();
  grpc::ServerCompletionQueue* const queue = impl_->queue.get();
  impl_->calls.Serve(queue);
  impl_->peer.Serve({queue, &impl_->peer_workers}, &impl_->peer_service);
  impl_->admin.Serve({queue, &impl_->admin_workers}, &impl_->admin_service);
  impl_->standard.Serve(queue);
  impl_->sleeper = std::make_unique<QueueSleeper>(queue);
  impl_->loop->set_sleeper(impl_->sleeper.get());
  for (const Node::Server& server : impl_->config.servers) {
    if (server.slot == impl_->config.self) continue;
    absl::MutexLock lock(&impl_->mutex);
    Impl::Peer& peer = impl_->peers[server.slot];
    peer.server = server;
    peer.stub = impl_->MakeStub(server);
  }
  for (const Node::Server& server : impl_->config.servers) {
    if (server.slot != impl_->config.self) impl_->Dial(server.slot);
  }
  return absl::OkStatus();
}

// Streams that stand go on over the channel that they have; one that waits for it would wait with
// what is not good any more.
void Wire::UseNewCertificates() {
  absl::MutexLock lock(&impl_->mutex);
  if (impl_->stopping) return;
  for (auto& [slot, peer] : impl_->peers) {
    peer.stub = impl_->MakeStub(peer.server);
    if (!peer.up && peer.stream != nullptr) peer.stream->Cancel();
  }
}

std::vector<Node::Server> Wire::UseAddresses(const std::vector<Node::Server>& servers) {
  std::vector<Node::Server> changed;
  absl::MutexLock lock(&impl_->mutex);
  if (impl_->stopping) return changed;
  for (const Node::Server& server : servers) {
    const auto peer = impl_->peers.find(server.slot);
    if (peer == impl_->peers.end()) continue;
    if (peer->second.server.Address() == server.Address()) continue;
    peer->second.server = server;
    peer->second.stub = impl_->MakeStub(server);
    if (peer->second.stream != nullptr) peer->second.stream->Cancel();
    changed.push_back(server);
  }
  return changed;
}

void Wire::Impl::OnClosed(ConnectionId id, bool cut_here) {
  if (config.on_closed) config.on_closed(id);
  node->OnClientClosed(id, cut_here);
}

// Always one stream waiting to be taken up.
void Wire::Impl::AcceptClient() {
  const ConnectionId id = next_id++;
  auto address = std::make_shared<std::string>();
  ClientStream::Handler handler;
  handler.received = [this, id, address](v1::ClientBatch* batch,
                                         std::shared_ptr<ClientStream::Turn> turn) {
    if (batch->messages_size() > kClientBatchMessagesMax) return CutOff(id);
    auto messages = std::make_shared<v1::ClientBatch>();
    messages->Swap(batch);
    loop->Post([this, id, address, messages, begun_us = MonotonicUs(), turn = std::move(turn)] {
      const Caller caller{id, *address, /*unary=*/false};
      for (auto& message : *messages->mutable_messages()) {
        TellOfRequest(config, caller, message, begun_us);
        node->OnClientMessage(caller, std::move(message));
      }
    });
  };
  handler.closed = [this, id] {
    bool cut_here = false;
    {
      absl::MutexLock lock(&mutex);
      clients.erase(id);
      cut_here = cut_off.erase(id) > 0;
    }
    loop->Post([this, id, cut_here] { OnClosed(id, cut_here); });
  };
  auto stream = std::make_shared<ClientStream>(std::move(handler), kClientQueueMessagesMax,
                                               kWireMessageBytesMax / 2);
  auto* raw = stream.get();
  auto accepted = [this, id, address, stream](bool ok) {
    if (!ok) return;
    AcceptClient();
    *address = AddressOfPeer(stream->context.peer());
    {
      absl::MutexLock lock(&mutex);
      clients[id] = stream;
    }
    if (TooManyClients()) CutOff(id);
    loop->Post([this, id] { node->OnClientConnected(id); });
    stream->Open();
  };
  license.RequestConnect(&raw->context, &raw->stream, queue.get(), queue.get(),
                         static_cast<Operation*>(new OneTime(std::move(accepted))));
}

void Wire::Impl::AcceptPeer() {
  const LinkId id = next_id++;
  auto certified = std::make_shared<Slot>(Slot::kNone);
  PeerStream::Handler handler;
  handler.received = [this, id, certified](v1::PeerBatch* batch,
                                           std::shared_ptr<PeerStream::Turn> turn) {
    // What a link says after its Hello is taken for that node's word.
    for (const v1::PeerMessage& message : batch->messages()) {
      const bool other = config.tls != nullptr && message.has_hello() &&
                         message.hello().self().slot() != static_cast<uint32_t>(*certified);
      if (other) return CloseLink(id);
    }
    auto messages = std::make_shared<v1::PeerBatch>();
    messages->Swap(batch);
    loop->Post([this, id, messages, turn = std::move(turn)] {
      for (auto& message : *messages->mutable_messages()) node->OnIncoming(id, std::move(message));
    });
  };
  handler.closed = [this, id] {
    {
      absl::MutexLock lock(&mutex);
      links.erase(id);
    }
    loop->Post([this, id] { node->OnIncomingClosed(id); });
  };
  auto stream =
      std::make_shared<PeerStream>(std::move(handler), kPeerQueueMessagesMax, kPeerQueueBytesMax);
  auto* raw = stream.get();
  auto accepted = [this, id, certified, stream](bool ok) {
    if (!ok) return;
    AcceptPeer();
    if (!MayLink(stream->context, certified.get())) {
      stream->stream.Finish(
          {grpc::StatusCode::PERMISSION_DENIED, "this service is for the other nodes"},
          static_cast<Operation*>(new OneTime([stream](bool) {})));
      return;
    }
    {
      absl::MutexLock lock(&mutex);
      links[id] = stream;
    }
    stream->Open();
  };
  peer_service.RequestLink(&raw->context, &raw->stream, queue.get(), queue.get(),
                           static_cast<Operation*>(new OneTime(std::move(accepted))));
}

void Wire::Impl::Dial(Slot slot) {
  DialledStream::Handler handler;
  handler.received = [this, slot](v1::PeerBatch* batch, std::shared_ptr<DialledStream::Turn> turn) {
    auto messages = std::make_shared<v1::PeerBatch>();
    messages->Swap(batch);
    loop->Post([this, slot, messages, turn = std::move(turn)] {
      for (const auto& message : messages->messages()) node->OnOutgoing(slot, message);
    });
  };
  handler.closed = [this, slot] {
    {
      absl::MutexLock lock(&mutex);
      peers[slot].up = false;
    }
    loop->Post([this, slot] { node->OnOutgoingDown(slot); });
  };
  auto up = [this, slot] {
    {
      absl::MutexLock lock(&mutex);
      peers[slot].up = true;
    }
    loop->Post([this, slot] { node->OnOutgoingUp(slot); });
  };
  auto stream =
      std::make_shared<DialledStream>(std::move(handler), up, [this, slot] { DialLater(slot); });
  absl::MutexLock lock(&mutex);
  if (stopping) return;  // Stop() cancels only what it finds here
  peers[slot].stream = stream;
  ++dialled;
  stream->Dial(peers[slot].stub.get(), queue.get());
}

// A pause first, so that a peer that ends every stream at once is not dialled in a hot loop.
void Wire::Impl::DialLater(Slot slot) {
  auto again = [this, slot](bool) { Dial(slot); };
  absl::MutexLock lock(&mutex);
  --dialled;
  if (stopping) return;
  peers[slot].alarm.Set(queue.get(),
                        std::chrono::system_clock::now() + std::chrono::milliseconds(kRedialMs),
                        static_cast<Operation*>(new OneTime(std::move(again))));
}

bool Wire::Impl::TooManyClients() {
  absl::MutexLock lock(&mutex);
  return clients.size() > kConnectionsMax;
}

// Ends a client's connection for this node's own reasons.
void Wire::Impl::CutOff(ConnectionId id) {
  absl::MutexLock lock(&mutex);
  auto it = clients.find(id);
  if (it == clients.end()) return;
  cut_off.insert(id);
  it->second->Cancel();
}

void Wire::Stop() {
  if (impl_->server == nullptr) return;
  {
    absl::MutexLock lock(&impl_->mutex);
    if (impl_->stopping.exchange(true)) return;
    for (auto& [id, stream] : impl_->clients) stream->Cancel();
    for (auto& [id, stream] : impl_->links) stream->Cancel();
    for (const auto& call : impl_->fetches) call->context.TryCancel();
    for (const auto& call : impl_->usage_fetches) call->context.TryCancel();
    for (auto& [slot, peer] : impl_->peers) {
      if (peer.stream != nullptr) peer.stream->Cancel();
      peer.alarm.Cancel();
    }
  }
  impl_->listener.Stop();
  impl_->admin_socket.Stop();
  impl_->calls.EndAll();
  // The loop has ended, and what ends now must be handled all the same.
  std::thread rest([queue = impl_->queue.get()] {
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) static_cast<Operation*>(tag)->Done(ok);
  });
  impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  impl_->peer_workers.Stop();
  impl_->admin_workers.Stop();
  {
    // The server has waited for the streams that it took, not for those that were dialled.
    const Impl* const impl = impl_.get();
    const auto over = [impl]()
                          ABSL_EXCLUSIVE_LOCKS_REQUIRED(impl->mutex) { return impl->dialled == 0; };
    absl::MutexLock lock(&impl_->mutex);
    impl_->mutex.Await(absl::Condition(&over));
  }
  impl_->queue->Shutdown();
  rest.join();
}

void Wire::SetServing(bool alive, bool licenses) {
  impl_->standard.SetServing("", alive);
  impl_->standard.SetServing("triad.v1.LicenseService", licenses);
}

void Wire::Send(Slot to, v1::PeerMessage message) {
  std::shared_ptr<DialledStream> stream;
  {
    absl::MutexLock lock(&impl_->mutex);
    auto it = impl_->peers.find(to);
    if (it == impl_->peers.end() || !it->second.up) return;
    stream = it->second.stream;
  }
  // A full queue drops it, as a network would.
  if (stream->Gather(std::move(message)) == DialledStream::Taken::kFirst) {
    impl_->peers_to_flush.push_back(std::move(stream));
  }
}

void Wire::FlushPeers() {
  for (const auto& stream : impl_->peers_to_flush) stream->Flush();
  impl_->peers_to_flush.clear();
}

void Wire::Flush() {
  for (const auto& stream : impl_->clients_to_flush) stream->Flush();
  impl_->clients_to_flush.clear();
  FlushPeers();
}

void Wire::OnTick(int64_t now_ms) {
  impl_->calls.EndLate(now_ms);
}

void Wire::Answer(LinkId link, v1::PeerMessage message) {
  std::shared_ptr<PeerStream> stream;
  {
    absl::MutexLock lock(&impl_->mutex);
    auto it = impl_->links.find(link);
    if (it == impl_->links.end()) return;
    stream = it->second;
  }
  (void)stream->Gather(std::move(message));
  stream->Flush();
}

void Wire::FetchUsage(Slot from, v1::UsageRequest request) {
  auto call = std::make_shared<UsageCall>();
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::milliseconds(kUsageFetchTimeoutMs / 2));
  auto done = [impl = impl_.get(), from, call](bool) {
    {
      absl::MutexLock lock(&impl->mutex);
      impl->usage_fetches.erase(call);
    }
    impl->loop->Post([impl, from, call] {
      if (call->status.ok()) {
        impl->node->OnUsageChunk(from, call->chunk);
      } else {
        impl->node->OnUsageFailed(from);
      }
    });
  };
  absl::MutexLock lock(&impl_->mutex);
  auto it = impl_->peers.find(from);
  if (impl_->stopping || it == impl_->peers.end()) return;
  impl_->usage_fetches.insert(call);
  call->reader =
      it->second.stub->PrepareAsyncFetchUsage(&call->context, request, impl_->queue.get());
  call->reader->StartCall();
  call->reader->Finish(&call->chunk, &call->status,
                       static_cast<Operation*>(new OneTime(std::move(done))));
}

void Wire::Fetch(Slot from, v1::SnapshotRequest request) {
  auto call = std::make_shared<SnapshotCall>();
  call->context.set_deadline(std::chrono::system_clock::now() +
                             std::chrono::milliseconds(kSnapshotAnswerMs));
  auto done = [impl = impl_.get(), from, call](bool) {
    {
      absl::MutexLock lock(&impl->mutex);
      impl->fetches.erase(call);
    }
    impl->loop->Post([impl, from, call] {
      if (call->status.ok()) {
        impl->node->OnSnapshotChunk(from, std::move(call->chunk));
      } else {
        impl->node->OnSnapshotFailed(from);
      }
    });
  };
  absl::MutexLock lock(&impl_->mutex);
  auto it = impl_->peers.find(from);
  if (impl_->stopping || it == impl_->peers.end()) return;
  impl_->fetches.insert(call);
  call->reader =
      it->second.stub->PrepareAsyncFetchSnapshot(&call->context, request, impl_->queue.get());
  call->reader->StartCall();
  call->reader->Finish(&call->chunk, &call->status,
                       static_cast<Operation*>(new OneTime(std::move(done))));
}

void Wire::CloseLink(LinkId link) {
  impl_->CloseLink(link);
}

void Wire::Impl::CloseLink(LinkId link) {
  absl::MutexLock lock(&mutex);
  auto it = links.find(link);
  if (it != links.end()) it->second->Cancel();
}

void Wire::Send(ConnectionId connection, v1::ServerMessage message) {
  std::shared_ptr<ClientStream> stream;
  {
    absl::MutexLock lock(&impl_->mutex);
    auto it = impl_->clients.find(connection);
    if (it != impl_->clients.end()) stream = it->second;
  }
  if (stream == nullptr) {
    impl_->calls.Answer(connection, &message);
    return;
  }
  switch (stream->Gather(std::move(message))) {
    case ClientStream::Taken::kFirst:
      impl_->clients_to_flush.push_back(std::move(stream));
      break;
    case ClientStream::Taken::kMore:
      break;
    case ClientStream::Taken::kNot:
      // A reader slower than its queue is long is cut off; it resumes its sessions.
      impl_->CutOff(connection);
      break;
  }
}

}  // namespace triad::server
