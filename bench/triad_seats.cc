#include "bench/triad_seats.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"

namespace triad::bench {
namespace {

constexpr int kBatchMessagesMax = 256;  // as libtriad
constexpr int64_t kOpenMs = 60'000;

std::string RandomId() {
  static std::mt19937_64 draw{std::random_device{}()};
  std::string id(16, '\0');
  std::generate(id.begin(), id.end(), [] { return static_cast<char>(draw()); });
  return id;
}

}  // namespace

ClientStream::ClientStream(Loop& loop, const std::string& address, OnMessage on_message,
                           std::function<void()> on_broken)
    : loop_(loop), on_message_(std::move(on_message)), on_broken_(std::move(on_broken)) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  stub_ = v1::LicenseService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  ++on_queue_;
  stream_ = stub_->AsyncConnect(&context_, loop_.queue(), &started_);
}

ClientStream::~ClientStream() {
  finishing_ = true;
  context_.TryCancel();
  loop_.Until([this] { return on_queue_ == 0; }, 10'000);
}

void ClientStream::Send(v1::ClientMessage message) {
  if (broken_) return;
  *waiting_.add_messages() = std::move(message);
  if (up_ && !writing_) Write();
}

void ClientStream::OnStarted(bool ok) {
  --on_queue_;
  if (!ok) return Break();
  up_ = true;
  Read();
  if (waiting_.messages_size() > 0) Write();
}

void ClientStream::Read() {
  ++on_queue_;
  stream_->Read(&incoming_, &read_);
}

void ClientStream::OnRead(bool ok) {
  --on_queue_;
  if (!ok) return Break();
  for (const v1::ServerMessage& message : incoming_.messages()) on_message_(message);
  if (!broken_) Read();
}

void ClientStream::Write() {
  outgoing_.Clear();
  if (waiting_.messages_size() <= kBatchMessagesMax) {
    outgoing_.Swap(&waiting_);
  } else {
    v1::ClientBatch rest;
    for (int i = 0; i < waiting_.messages_size(); ++i) {
      (i < kBatchMessagesMax ? outgoing_ : rest).add_messages()->Swap(waiting_.mutable_messages(i));
    }
    waiting_.Swap(&rest);
  }
  writing_ = true;
  ++on_queue_;
  stream_->Write(outgoing_, &written_);
}

void ClientStream::OnWritten(bool ok) {
  --on_queue_;
  writing_ = false;
  if (!ok) return Break();
  if (waiting_.messages_size() > 0) Write();
}

void ClientStream::Break() {
  if (broken_) return;
  broken_ = true;
  ++on_queue_;
  stream_->Finish(&status_, &finished_);
  if (!finishing_ && on_broken_) on_broken_();
}

void ClientStream::OnFinished(bool) {
  --on_queue_;
}

TriadSeats::TriadSeats(Loop& loop, const std::vector<std::string>& addresses, int sessions,
                       std::string feature)
    : loop_(loop), feature_(std::move(feature)), sessions_(static_cast<size_t>(sessions)) {
  for (int i = 0; i < sessions; ++i) {
    sessions_[i].id = RandomId();
    sessions_[i].stream = std::make_unique<ClientStream>(
        loop, addresses[static_cast<size_t>(i) % addresses.size()],
        [this, i](const v1::ServerMessage& message) { OnMessage(i, message); },
        [this, i] { OnBroken(i); });
  }
}

TriadSeats::~TriadSeats() {
  for (Session& session : sessions_) {
    if (session.stream->broken()) continue;
    v1::ClientMessage message;
    message.set_id(next_id_++);
    message.mutable_close()->set_session(session.id);
    message.mutable_close()->set_token(session.token);
    session.opened = false;
    session.stream->Send(std::move(message));
  }
  const auto closed = [this] {
    return std::all_of(sessions_.begin(), sessions_.end(), [](const Session& session) {
      return session.opened || session.stream->broken();
    });
  };
  loop_.Until(closed, 5'000);
}

bool TriadSeats::Open() {
  for (Session& session : sessions_) {
    v1::ClientMessage message;
    message.set_id(next_id_++);
    v1::Open& open = *message.mutable_open();
    open.set_session(session.id);
    open.set_attachment(1);
    open.mutable_identity()->set_user("bench");
    open.mutable_identity()->set_host("bench");
    open.mutable_identity()->set_display("/dev/tty");
    session.stream->Send(std::move(message));
  }
  return loop_.Until(
      [this] {
        return std::all_of(sessions_.begin(), sessions_.end(),
                           [](const Session& session) { return session.opened; });
      },
      kOpenMs);
}

void TriadSeats::Answered(Session& session, uint64_t seq) {
  session.answered.insert(seq);
  while (session.answered.erase(session.acked + 1) > 0) ++session.acked;
}

void TriadSeats::Send(int session, Call call, const std::function<void(v1::ClientRequest&)>& fill) {
  Session& to = sessions_[static_cast<size_t>(session)];
  v1::ClientMessage message;
  message.set_id(next_id_++);
  v1::ClientRequest& request = *message.mutable_request();
  request.set_session(to.id);
  request.set_seq(call.seq = to.next_seq++);
  request.set_acked(to.acked);
  fill(request);
  calls_.emplace(message.id(), std::move(call));
  to.stream->Send(std::move(message));
}

void TriadSeats::Operate(int session, Done done) {
  Call call{session, 0, true, false, std::move(done)};
  Send(session, std::move(call), [this](v1::ClientRequest& request) {
    v1::Checkout::Item& item = *request.mutable_checkout()->add_items();
    item.set_feature(feature_);
    item.set_count(1);
  });
}

void TriadSeats::Take(int session, uint64_t count, Done done) {
  Call call{session, 0, true, true, std::move(done)};
  Send(session, std::move(call), [this, count](v1::ClientRequest& request) {
    v1::Checkout::Item& item = *request.mutable_checkout()->add_items();
    item.set_feature(feature_);
    item.set_count(count);
  });
}

void TriadSeats::OnMessage(int session, const v1::ServerMessage& message) {
  Session& from = sessions_[static_cast<size_t>(session)];
  if (message.has_opened()) {
    from.token = message.opened().token();
    from.opened = true;
    return;
  }
  auto found = calls_.find(message.id());
  if (found == calls_.end()) {
    if (message.has_outcome() || message.has_failure()) from.opened = true;  // to our Close
    return;
  }
  Call call = std::move(found->second);
  calls_.erase(found);
  if (message.has_outcome()) {
    Answered(from, call.seq);
    OnOutcome(std::move(call), message.outcome());
  } else {
    call.done(false);
  }
}

void TriadSeats::OnOutcome(Call call, const v1::Outcome& outcome) {
  if (!call.checkout) {
    if (!outcome.has_done()) Wrong(absl::StrCat("a check-in: ", outcome.ShortDebugString()));
    return call.done(outcome.has_done());
  }
  if (outcome.granted().holdings_size() != 1) {
    Wrong(absl::StrCat("a checkout: ", outcome.ShortDebugString()));
    return call.done(false);
  }
  const uint64_t handle = outcome.granted().holdings(0).handle();
  if (!out_.insert(handle).second) Wrong(absl::StrCat("handle ", handle, " was granted twice"));
  if (call.keep) return call.done(true);
  Call back{call.session, 0, false, false, std::move(call.done)};
  const int session = back.session;
  out_.erase(handle);
  Send(session, std::move(back),
       [handle](v1::ClientRequest& request) { request.mutable_checkin()->set_handle(handle); });
}

void TriadSeats::OnBroken(int session) {
  std::vector<Call> lost;
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (it->second.session == session) {
      lost.push_back(std::move(it->second));
      it = calls_.erase(it);
    } else {
      ++it;
    }
  }
  for (Call& call : lost) call.done(false);
}

void TriadSeats::Wrong(const std::string& what) {
  if (wrong_.empty()) wrong_ = what;
}

}  // namespace triad::bench
