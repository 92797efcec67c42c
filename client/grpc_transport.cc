#include "client/grpc_transport.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/limits.h"
#include "grpc/support/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
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

// gRPC's words, short enough for one line.
std::string Reason(const grpc::Status& status) {
  const absl::string_view text(status.error_message().data(), status.error_message().size());
  if (status.ok()) return "closed by the server";
  for (absl::string_view known :
       {"Connection refused", "Connection reset by peer", "No route to host",
        "Network is unreachable", "Connection timed out", "Socket closed", "Domain name not found",
        "DNS resolution failed", "keepalive watchdog timeout"}) {
    if (absl::StrContains(text, known)) return std::string(known);
  }
  if (text.empty()) return absl::StrCat("gRPC status ", static_cast<int>(status.error_code()));
  return std::string(text.substr(0, 200));
}

}  // namespace

struct GrpcTransport::Stream {
  size_t server = 0;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::ClientBatch, v1::ServerBatch>> rpc;
  v1::ServerBatch incoming;
  v1::ClientBatch outgoing;
  grpc::Status status;
  std::deque<v1::ClientMessage> queue;
  bool started = false;
  bool writing = false;
  bool finishing = false;
  int operations = 0;  // tags that the completion queue still owes us
  Tag start_tag{this, Event::kStarted};
  Tag read_tag{this, Event::kRead};
  Tag write_tag{this, Event::kWritten};
  Tag finish_tag{this, Event::kFinished};
};

GrpcTransport::GrpcTransport(const std::vector<Address>& servers, Clock* clock)
    : clock_(clock), current_(servers.size(), nullptr) {
  for (const Address& address : servers) {
    stubs_.push_back(v1::LicenseService::NewStub(grpc::CreateCustomChannel(
        DialTarget(address), grpc::InsecureChannelCredentials(), MakeArguments())));
  }
}

GrpcTransport::~GrpcTransport() {
  Stop();
  if (driven_ != nullptr) return;  // Run has shut the queue down
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void GrpcTransport::Start(Driven* driven) {
  driven_ = driven;
  thread_ = std::thread([this] { Run(); });
}

bool GrpcTransport::Post(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return false;
  tasks_.push_back(std::move(task));
  if (!wake_pending_) {
    wake_pending_ = true;
    wake_ = std::make_unique<grpc::Alarm>();
    wake_->Set(&queue_, gpr_time_0(GPR_CLOCK_MONOTONIC), &wake_tag);
  }
  return true;
}

void GrpcTransport::Stop() {
  if (!thread_.joinable()) return;
  Post([this] {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  });
  thread_.join();
}

void GrpcTransport::RunTasks() {
  std::vector<std::function<void()>> tasks;
  {
    absl::MutexLock lock(&mutex_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

void GrpcTransport::Run() {
  while (true) {
    RunTasks();
    if (!ending_ && driven_->NextTimer() <= clock_->NowMs()) driven_->OnTimer();
    Flush();
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_ && !ending_) {
        ending_ = true;
        for (Stream* stream : streams_) stream->context.TryCancel();
        std::fill(current_.begin(), current_.end(), nullptr);
      }
      if (stopping_ && streams_.empty() && tasks_.empty()) {
        stopped_ = true;
        break;
      }
    }
    // Capped, because the wait does not go on during suspend, and the time of licenses does.
    const int64_t now = clock_->NowMs();
    const int64_t wait_ms = std::clamp<int64_t>(driven_->NextTimer() - now, 1, kWakeMsMax);
    const gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(wait_ms, GPR_TIMESPAN));
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) continue;
    if (tag == &wake_tag) {
      absl::MutexLock lock(&mutex_);
      wake_pending_ = false;
    } else {
      OnEvent(*static_cast<Tag*>(tag), ok);
    }
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void GrpcTransport::Connect(size_t server) {
  if (ending_) return;
  auto* stream = new Stream;
  stream->server = server;
  streams_.insert(stream);
  current_[server] = stream;
  stream->rpc = stubs_[server]->PrepareAsyncConnect(&stream->context, &queue_);
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
  if (!IsCurrent(stream)) return;
  current_[stream->server] = nullptr;
  driven_->OnDisconnected(stream->server, Reason(stream->status));
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
