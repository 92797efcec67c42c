#include "client/grpc_transport.h"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "client/limits.h"
#include "grpc/grpc.h"
#include "grpc/support/log.h"
#include "grpc/support/time.h"
#include "grpcpp/alarm.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace triad::client {
namespace {

// The tag of the alarm that wakes the thread.
int wake_tag;

// quorum-notes E.4: the defaults would dominate the time of a failover.
grpc::ChannelArguments MakeArguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kChannelBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kChannelConnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kChannelBackoffMsMax);
  // Not the process's pool: its back-off would be shared with whatever else the application does.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kChannelConnectMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
  return arguments;
}

// gRPC writes what it thinks of a failed handshake to the application's stderr. Not for us: why a
// connection failed is told in its error. Left alone where gRPC is in use before us, or was asked
// to speak: then its messages are the application's.
void QuietGrpc() {
  if (grpc_is_initialized() != 0 || std::getenv("GRPC_VERBOSITY") != nullptr) return;
  gpr_set_log_function([](gpr_log_func_args*) {});
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const Trust& trust) {
  if (!trust.tls()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = trust.contents.ca;
  options.pem_cert_chain = trust.contents.certificate;
  options.pem_private_key = trust.contents.key;
  return grpc::SslCredentials(options);
}

}  // namespace

std::string EndReason(const grpc::Status& status) {
  const std::string text = status.error_message();  // by value: nothing may point into it
  if (status.ok()) return "closed by the server";
  if (absl::StrContains(text, "certificate verify failed")) {
    return "its certificate has expired, or is not from the authority that is trusted here";
  }
  if (absl::StrContains(text, "Hostname Verification Check failed") ||
      absl::StrContains(text, "is not in peer certificate")) {
    return "its certificate is not a license server's";
  }
  for (absl::string_view known :
       {"Connection refused", "Connection reset by peer", "No route to host",
        "Network is unreachable", "Connection timed out", "Socket closed", "Domain name not found",
        "DNS resolution failed", "keepalive watchdog timeout"}) {
    if (absl::StrContains(text, known)) return std::string(known);
  }
  if (text.empty()) return absl::StrCat("gRPC status ", static_cast<int>(status.error_code()));
  return text.substr(0, 200);
}

struct GrpcTransport::Stream {
  GrpcTransport* transport = nullptr;
  size_t server = 0;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ClientBatch, v1::ServerBatch>> rpc;
  v1::ServerBatch incoming;
  v1::ClientBatch outgoing;
  grpc::Status status;
  std::deque<v1::ClientMessage> queue;
  bool started = false;
  bool heard = false;  // anything from the server
  bool writing = false;
  bool finishing = false;
  int operations = 0;  // tags that the completion queue still owes us
  Tag start_tag{this, Event::kStarted};
  Tag read_tag{this, Event::kRead};
  Tag write_tag{this, Event::kWritten};
  Tag finish_tag{this, Event::kFinished};
};

// The thread that all transports of a process share, and the completion queue that it waits at:
// thousands of clients in one process would otherwise be as many threads, each waking up several
// times a second and passing gRPC's poller on. It lives as long as a transport does.
class GrpcLoop {
 public:
  static std::shared_ptr<GrpcLoop> OfThisProcess();
  GrpcLoop() {
    thread_ = std::thread([this] { Run(); });
  }
  ~GrpcLoop();

  grpc::CompletionQueue* queue() { return &queue_; }
  void Add(GrpcTransport* transport);
  // FALSE: it was not added, or has ended.
  bool Post(GrpcTransport* transport, std::function<void()> task);
  // Blocks until it has ended.
  void Remove(GrpcTransport* transport);

 private:
  void Run();
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunTasks();
  void RunTimers();
  void Settle();
  int64_t WaitMs() const;
  void OnTag(void* tag, bool ok);

  // Of the thread alone.
  std::set<std::pair<int64_t, GrpcTransport*>> timers_;
  std::set<GrpcTransport*> touched_;  // something happened to them in this turn

  grpc::CompletionQueue queue_;
  std::thread thread_;
  absl::Mutex mutex_;
  std::vector<std::pair<GrpcTransport*, std::function<void()>>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::map<GrpcTransport*, size_t> live_ ABSL_GUARDED_BY(mutex_);  // with the tasks that wait
  std::unique_ptr<grpc::Alarm> wake_ ABSL_GUARDED_BY(mutex_);
  bool wake_pending_ ABSL_GUARDED_BY(mutex_) = false;
  bool quit_ ABSL_GUARDED_BY(mutex_) = false;
};

std::shared_ptr<GrpcLoop> GrpcLoop::OfThisProcess() {
  static absl::Mutex* const mutex = new absl::Mutex;
  static std::weak_ptr<GrpcLoop>* const known = new std::weak_ptr<GrpcLoop>;
  absl::MutexLock lock(mutex);
  std::shared_ptr<GrpcLoop> loop = known->lock();
  if (loop == nullptr) {
    QuietGrpc();
    loop = std::make_shared<GrpcLoop>();
    *known = loop;
  }
  return loop;
}

GrpcLoop::~GrpcLoop() {
  {
    absl::MutexLock lock(&mutex_);
    quit_ = true;
    Wake();
  }
  thread_.join();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void GrpcLoop::Add(GrpcTransport* transport) {
  absl::MutexLock lock(&mutex_);
  live_[transport] = 0;
}

bool GrpcLoop::Post(GrpcTransport* transport, std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  const auto it = live_.find(transport);
  if (it == live_.end()) return false;
  ++it->second;
  tasks_.emplace_back(transport, std::move(task));
  Wake();
  return true;
}

void GrpcLoop::Remove(GrpcTransport* transport) {
  if (!Post(transport, [transport] { transport->BeginToEnd(); })) return;
  absl::MutexLock lock(&mutex_);
  const auto gone = [this, transport]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return live_.count(transport) == 0;
  };
  mutex_.Await(absl::Condition(&gone));
}

void GrpcLoop::Wake() {
  if (wake_pending_) return;
  wake_pending_ = true;
  wake_ = std::make_unique<grpc::Alarm>();
  wake_->Set(&queue_, gpr_time_0(GPR_CLOCK_MONOTONIC), &wake_tag);
}

void GrpcLoop::RunTasks() {
  std::vector<std::pair<GrpcTransport*, std::function<void()>>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(tasks_);
    for (const auto& [transport, task] : tasks) --live_[transport];
  }
  for (auto& [transport, task] : tasks) {
    task();
    touched_.insert(transport);
  }
}

void GrpcLoop::RunTimers() {
  while (!timers_.empty()) {
    const auto [due_ms, transport] = *timers_.begin();
    if (due_ms > transport->clock_->NowMs()) return;
    timers_.erase(timers_.begin());
    transport->due_ms_ = INT64_MAX;
    if (transport->ending_) continue;
    transport->driven_->OnTimer();
    touched_.insert(transport);
  }
}

// What follows from this turn for those to whom something happened in it.
void GrpcLoop::Settle() {
  for (GrpcTransport* transport : std::exchange(touched_, {})) {
    transport->Flush();
    const int64_t due_ms = transport->ending_ ? INT64_MAX : transport->driven_->NextTimer();
    if (due_ms != transport->due_ms_) {
      timers_.erase({transport->due_ms_, transport});
      if (due_ms != INT64_MAX) timers_.insert({due_ms, transport});
      transport->due_ms_ = due_ms;
    }
    if (!transport->ending_ || !transport->streams_.empty()) continue;
    absl::MutexLock lock(&mutex_);
    const auto it = live_.find(transport);
    // From here on its owner may destroy it.
    if (it != live_.end() && it->second == 0) live_.erase(it);
  }
}

// Capped, because the wait does not go on during suspend, and the time of licenses does.
int64_t GrpcLoop::WaitMs() const {
  if (timers_.empty()) return kWakeMsMax;
  const auto& [due_ms, transport] = *timers_.begin();
  return std::clamp<int64_t>(due_ms - transport->clock_->NowMs(), 1, kWakeMsMax);
}

void GrpcLoop::OnTag(void* tag, bool ok) {
  if (tag == &wake_tag) {
    absl::MutexLock lock(&mutex_);
    wake_pending_ = false;
    return;
  }
  const auto& event = *static_cast<GrpcTransport::Tag*>(tag);
  GrpcTransport* const transport = event.stream->transport;
  transport->OnEvent(event, ok);
  touched_.insert(transport);
}

void GrpcLoop::Run() {
  while (true) {
    RunTasks();
    RunTimers();
    Settle();
    {
      absl::MutexLock lock(&mutex_);
      if (quit_) return;
    }
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(WaitMs(), GPR_TIMESPAN));
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) OnTag(tag, ok);
  }
}

GrpcTransport::GrpcTransport(const std::vector<Address>& servers, Clock* clock, TrustSource trust)
    : servers_(servers),
      clock_(clock),
      trust_source_(std::move(trust)),
      current_(servers.size(), nullptr),
      loop_(GrpcLoop::OfThisProcess()) {
  if (trust_source_) trust_ = trust_source_();
  MakeStubs();
}

std::unique_ptr<v1::LicenseService::Stub> GrpcTransport::MakeStub(const Address& address) const {
  grpc::ChannelArguments arguments = MakeArguments();
  if (trust_.tls()) arguments.SetSslTargetNameOverride(license::kNodeName);
  return v1::LicenseService::NewStub(
      grpc::CreateCustomChannel(DialTarget(address), CredentialsOf(trust_), arguments));
}

// Streams that stand keep the channel that they are on.
void GrpcTransport::MakeStubs() {
  stubs_.clear();
  for (const Address& address : servers_) stubs_.push_back(MakeStub(address));
}

void GrpcTransport::LookForNewTrust() {
  const int64_t now_ms = clock_->NowMs();
  if (!trust_.tls() || !failed_ || now_ms < look_again_ms_) return;
  look_again_ms_ = now_ms + kLookForTrustMs;
  failed_ = false;
  Trust now = trust_source_();
  if (now.contents == trust_.contents) return;
  trust_ = std::move(now);
  MakeStubs();
}

GrpcTransport::~GrpcTransport() {
  Stop();
}

void GrpcTransport::Start(Driven* driven) {
  driven_ = driven;
  loop_->Add(this);
}

bool GrpcTransport::Post(std::function<void()> task) {
  return loop_->Post(this, std::move(task));
}

void GrpcTransport::Stop() {
  loop_->Remove(this);
}

void GrpcTransport::BeginToEnd() {
  ending_ = true;
  for (Stream* stream : streams_) stream->context.TryCancel();
  std::fill(current_.begin(), current_.end(), nullptr);
}

void GrpcTransport::Connect(size_t server) {
  if (ending_) return;
  LookForNewTrust();
  auto* stream = new Stream;
  stream->transport = this;
  stream->server = server;
  streams_.insert(stream);
  current_[server] = stream;
  stream->rpc = stubs_[server]->PrepareAsyncConnect(&stream->context, loop_->queue());
  ++stream->operations;
  stream->rpc->StartCall(&stream->start_tag);
}

void GrpcTransport::Send(size_t server, v1::ClientMessage message) {
  Stream* stream = current_[server];
  if (stream == nullptr) return;  // broken; the Session hears of it
  if (stream->queue.size() >= kSendQueueMax) {
    // A server that reads nothing for so long is as good as gone.
    stream->context.TryCancel();
    return;
  }
  stream->queue.push_back(std::move(message));
}

void GrpcTransport::Disconnect(size_t server) {
  Stream* stream = current_[server];
  if (stream == nullptr) return;
  current_[server] = nullptr;
  stream->context.TryCancel();
}

// A new channel has a connection of its own: nothing is shared (MakeArguments).
void GrpcTransport::Abandon(size_t server) {
  Disconnect(server);
  stubs_[server] = MakeStub(servers_[server]);
}

bool GrpcTransport::IsCurrent(const Stream* stream) const {
  return current_[stream->server] == stream;
}

void GrpcTransport::OnEvent(const Tag& tag, bool ok) {
  Stream* stream = tag.stream;
  --stream->operations;
  switch (tag.event) {
    case Event::kStarted:
      if (!ok) {
        StartFinish(stream);
        break;
      }
      stream->started = true;
      ++stream->operations;
      stream->rpc->Read(&stream->incoming, &stream->read_tag);
      if (IsCurrent(stream)) driven_->OnConnected(stream->server);
      break;
    case Event::kRead:
      if (ok) {
        OnRead(stream);
      } else {
        StartFinish(stream);
      }
      break;
    case Event::kWritten:
      stream->writing = false;  // a failed write shows as a failed read, too
      break;
    case Event::kFinished:
      OnFinished(stream);
      break;
  }
  DeleteIfIdle(stream);
}

void GrpcTransport::OnRead(Stream* stream) {
  stream->heard = true;
  for (const v1::ServerMessage& message : stream->incoming.messages()) {
    if (!IsCurrent(stream)) break;
    driven_->OnMessage(stream->server, message);
  }
  stream->incoming.Clear();
  ++stream->operations;
  stream->rpc->Read(&stream->incoming, &stream->read_tag);
}

void GrpcTransport::StartFinish(Stream* stream) {
  if (stream->finishing) return;
  stream->finishing = true;
  ++stream->operations;
  stream->rpc->Finish(&stream->status, &stream->finish_tag);
}

void GrpcTransport::OnFinished(Stream* stream) {
  failed_ = true;
  if (!IsCurrent(stream)) return;
  current_[stream->server] = nullptr;
  std::string reason = EndReason(stream->status);
  // A server with TLS hangs up on plaintext, and on a certificate that it does not take.
  if (!stream->heard && (reason == "Socket closed" || reason == "Connection reset by peer")) {
    if (!trust_.tls()) {
      absl::StrAppend(&reason, " (if TLS is spoken there: no authority's ca.crt is here)");
    } else if (!trust_.paths.certificate.empty()) {
      absl::StrAppend(&reason, " (perhaps it does not take ", trust_.paths.certificate, ")");
    }
  }
  driven_->OnDisconnected(stream->server, reason);
}

void GrpcTransport::DeleteIfIdle(Stream* stream) {
  if (!stream->finishing || stream->operations > 0) return;
  streams_.erase(stream);
  delete stream;
}

void GrpcTransport::Flush() {
  for (Stream* stream : current_) {
    if (stream != nullptr) FlushStream(stream);
  }
}

void GrpcTransport::FlushStream(Stream* stream) {
  if (!stream->started || stream->writing || stream->finishing || stream->queue.empty()) return;
  stream->outgoing.Clear();
  while (!stream->queue.empty() && stream->outgoing.messages_size() < kBatchMessagesMax) {
    *stream->outgoing.add_messages() = std::move(stream->queue.front());
    stream->queue.pop_front();
  }
  stream->writing = true;
  ++stream->operations;
  stream->rpc->Write(stream->outgoing, &stream->write_tag);
}

}  // namespace triad::client
