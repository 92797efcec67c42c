#include "tests/integration/raw_client.h"

#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace triad::integration {
namespace {

// "27000@127.0.0.1" -> "127.0.0.1:27000".
std::string Target(const std::string& address) {
  const size_t at = address.find('@');
  return absl::StrCat("ipv4:", address.substr(at + 1), ":", address.substr(0, at));
}

}  // namespace

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(Target(address), grpc::InsecureChannelCredentials(), arguments);
}

RawStream::RawStream(const std::string& address)
    : stub_(v1::LicenseService::NewStub(ChannelTo(address))) {
  context_.set_wait_for_ready(true);
  stream_ = stub_->Connect(&context_);
  reader_ = std::thread([this] { ReadAll(); });
}

RawStream::~RawStream() {
  Break();
  reader_.join();
  (void)stream_->Finish();
}

void RawStream::Break() {
  context_.TryCancel();
}

void RawStream::ReadAll() {
  v1::ServerBatch batch;
  while (stream_->Read(&batch)) {
    const std::lock_guard lock(mutex_);
    for (v1::ServerMessage& message : *batch.mutable_messages()) {
      answers_[message.id()] = std::move(message);
    }
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  broken_ = true;
  changed_.notify_all();
}

bool RawStream::broken() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}

bool RawStream::Send(v1::ClientMessage message) {
  v1::ClientBatch batch;
  *batch.add_messages() = std::move(message);
  return stream_->Write(batch);
}

std::optional<v1::ServerMessage> RawStream::WaitForAnswer(uint64_t id, int timeout_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return broken_ || answers_.count(id) > 0; });
  const auto it = answers_.find(id);
  if (it == answers_.end()) return std::nullopt;
  return it->second;
}

std::optional<v1::ServerMessage> RawStream::Ask(v1::ClientMessage message, int timeout_ms) {
  uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = next_id_++;
  }
  message.set_id(id);
  if (!Send(std::move(message))) return std::nullopt;
  return WaitForAnswer(id, timeout_ms);
}

RawAnswer RawCall(const std::string& address, const v1::ClientMessage& message, int timeout_ms) {
  const auto stub = v1::LicenseService::NewStub(ChannelTo(address));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  RawAnswer answer;
  answer.status = stub->Call(&context, message, &answer.message);
  v1::Failure failure;
  const std::string details = answer.status.error_details();
  if (!details.empty() && failure.ParseFromString(details)) answer.failure = failure;
  return answer;
}

std::string NewSessionId() {
  static std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    const uint32_t word = random();
    id.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  return id;
}

v1::ClientMessage OpenMessage(const std::string& session, uint64_t attachment,
                              const std::string& user) {
  v1::ClientMessage message;
  auto* open = message.mutable_open();
  open->set_session(session);
  open->set_attachment(attachment);
  open->mutable_identity()->set_user(user);
  open->mutable_identity()->set_host("test");
  open->mutable_identity()->set_process_id(4711);
  open->mutable_identity()->set_application("raw");
  return message;
}

v1::ClientMessage AttachMessage(const std::string& session, const std::string& token,
                                uint64_t attachment) {
  v1::ClientMessage message;
  message.mutable_attach()->set_session(session);
  message.mutable_attach()->set_token(token);
  message.mutable_attach()->set_attachment(attachment);
  return message;
}

v1::ClientMessage CheckoutMessage(const std::string& session, uint64_t seq, uint64_t acked,
                                  const std::string& feature, uint64_t count,
                                  const std::string& token) {
  v1::ClientMessage message;
  auto* request = message.mutable_request();
  request->set_session(session);
  request->set_token(token);
  request->set_seq(seq);
  request->set_acked(acked);
  auto* item = request->mutable_checkout()->add_items();
  item->set_feature(feature);
  item->set_count(count);
  return message;
}

v1::ClientMessage CheckinMessage(const std::string& session, uint64_t seq, uint64_t acked,
                                 uint64_t handle, const std::string& token) {
  v1::ClientMessage message;
  auto* request = message.mutable_request();
  request->set_session(session);
  request->set_token(token);
  request->set_seq(seq);
  request->set_acked(acked);
  request->mutable_checkin()->set_handle(handle);
  return message;
}

std::string Essence(const std::optional<v1::ServerMessage>& answer) {
  if (!answer) return "no answer";
  v1::ServerMessage copy = *answer;
  copy.set_id(0);
  return copy.ShortDebugString();
}

std::string Describe(const std::optional<v1::ServerMessage>& answer) {
  if (!answer) return "no answer";
  if (answer->has_failure()) {
    return absl::StrCat("failure ", v1::Failure::Why_Name(answer->failure().why()), ": ",
                        answer->failure().reason());
  }
  if (answer->outcome().has_granted()) {
    return absl::StrCat("granted ", answer->outcome().granted().holdings(0).handle());
  }
  if (answer->outcome().has_denied()) {
    return absl::StrCat("denied ", answer->outcome().denied().code());
  }
  if (answer->outcome().has_done()) return "done";
  return answer->ShortDebugString();
}

}  // namespace triad::integration
