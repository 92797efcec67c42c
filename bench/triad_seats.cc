#include "bench/triad_seats.h"

#include <algorithm>
#include <iostream>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/grpcpp.h"

namespace triad::bench {
namespace {

constexpr int kBatchMessagesMax = 256;  // as libtriad
// In one message: the server takes 64 KiB.
constexpr int kBeatsMax = 1'000;
constexpr int32_t kAllInUse = -4;  // FlexNet's number
constexpr int64_t kOpenMs = 60'000;
constexpr int64_t kRetryNs = 50'000'000;
constexpr int64_t kBackMs = 120'000;
constexpr int64_t kBeatMs = 5'000;
constexpr int kBeatsAgainMax = 12;

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
                       std::string feature, int streams)
    : loop_(loop),
      addresses_(addresses),
      feature_(std::move(feature)),
      sessions_(static_cast<size_t>(sessions)),
      detached_(sessions) {
  if (streams == 0) streams = sessions;
  for (int i = 0; i < streams; ++i) {
    at_.push_back(static_cast<size_t>(i) % addresses_.size());
    streams_.push_back(NewStream(i));
  }
  for (int i = 0; i < sessions; ++i) {
    Session& session = sessions_[static_cast<size_t>(i)];
    session.id = RandomId();
    session.stream = i % streams;
    by_id_[session.id] = i;
  }
}

std::unique_ptr<ClientStream> TriadSeats::NewStream(int stream) {
  return std::make_unique<ClientStream>(
      loop_, addresses_[at_[static_cast<size_t>(stream)]],
      [this](const v1::ServerMessage& message) { OnMessage(message); },
      [this, stream] { OnBroken(stream); });
}

TriadSeats::~TriadSeats() {
  reattach_ = false;
  for (int i = 0; i < sessions(); ++i) {
    Session& session = sessions_[static_cast<size_t>(i)];
    if (streams_[static_cast<size_t>(session.stream)]->broken() || session.token.empty()) continue;
    v1::ClientMessage message;
    message.set_id(next_id_++);
    message.mutable_close()->set_session(session.id);
    message.mutable_close()->set_token(session.token);
    SetOpened(session, false);
    opening_[message.id()] = i;
    SendOn(i, std::move(message));
  }
  loop_.Until(
      [this] {
        return std::all_of(sessions_.begin(), sessions_.end(), [this](const Session& session) {
          return session.opened || session.token.empty() ||
                 streams_[static_cast<size_t>(session.stream)]->broken();
        });
      },
      kOpenMs);
}

void TriadSeats::SendOn(int session, v1::ClientMessage message) {
  const int stream = sessions_[static_cast<size_t>(session)].stream;
  streams_[static_cast<size_t>(stream)]->Send(std::move(message));
}

bool TriadSeats::Open() {
  for (int i = 0; i < sessions(); ++i) OpenOne(i);
  return AwaitAttached(kOpenMs);
}

void TriadSeats::OpenOne(int session) {
  v1::ClientMessage message;
  message.set_id(next_id_++);
  v1::Open& open = *message.mutable_open();
  open.set_session(sessions_[static_cast<size_t>(session)].id);
  open.set_attachment(1);
  open.mutable_identity()->set_user(absl::StrCat("user", session));
  open.mutable_identity()->set_host("bench");
  open.mutable_identity()->set_display("/dev/tty");
  opening_[message.id()] = session;
  SendOn(session, std::move(message));
}

void TriadSeats::SetOpened(Session& session, bool opened) {
  if (session.opened != opened) detached_ += opened ? -1 : 1;
  session.opened = opened;
}

void TriadSeats::Beat() {
  std::vector<v1::ClientMessage> beats(streams_.size());
  const auto send = [&](size_t stream) {
    if (!beats[stream].has_heartbeat()) return;
    beats[stream].set_id(next_id_++);
    streams_[stream]->Send(std::exchange(beats[stream], {}));
  };
  for (Session& session : sessions_) {
    const auto stream = static_cast<size_t>(session.stream);
    v1::Heartbeat::Beat& beat = *beats[stream].mutable_heartbeat()->add_beats();
    beat.set_session(session.id);
    beat.set_number(++session.beat);
    if (beats[stream].heartbeat().beats_size() >= kBeatsMax) send(stream);
  }
  for (size_t i = 0; i < beats.size(); ++i) send(i);
}

bool TriadSeats::beaten() const {
  return std::all_of(sessions_.begin(), sessions_.end(),
                     [](const Session& session) { return session.beat_acked >= session.beat; });
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
  if (call.checkout && !call.keep) {
    history_.AskedOut(NowNs(), message.id(), session);
  } else if (!call.checkout) {
    history_.AskedIn(NowNs(), message.id(), session, request.checkin().handle());
  }
  calls_.emplace(message.id(), std::move(call));
  SendOn(session, std::move(message));
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

void TriadSeats::OnMessage(const v1::ServerMessage& message) {
  if (message.has_heartbeat()) return OnHeartbeat(message.heartbeat());
  if (auto opening = opening_.find(message.id()); opening != opening_.end()) {
    const int session = opening->second;
    opening_.erase(opening);
    return OnOpened(session, message);
  }
  auto found = calls_.find(message.id());
  if (found == calls_.end()) return;
  Call call = std::move(found->second);
  calls_.erase(found);
  if (message.has_outcome()) {
    Note(message);
    Answered(sessions_[static_cast<size_t>(call.session)], call.seq);
    OnOutcome(std::move(call), message.outcome());
  } else {
    call.done(false);
  }
}

void TriadSeats::Note(const v1::ServerMessage& message) {
  const v1::Outcome& outcome = message.outcome();
  if (outcome.granted().holdings_size() == 1) {
    history_.Granted(NowNs(), message.id(), outcome.granted().holdings(0).handle());
  } else if (outcome.has_denied()) {
    history_.DeniedInUse(NowNs(), message.id());
  } else if (outcome.has_done()) {
    history_.Done(NowNs(), message.id());
  }
}

const std::string& TriadSeats::wrong() const {
  if (wrong_.empty()) wrong_ = history_.Contradiction(seats_);
  return wrong_;
}

// To an open, an attach or a close.
void TriadSeats::OnOpened(int session, const v1::ServerMessage& message) {
  Session& from = sessions_[static_cast<size_t>(session)];
  if (message.has_failure()) {
    refused_.push_back(session);
    return;
  }
  if (!message.opened().token().empty()) from.token = message.opened().token();
  SetOpened(from, true);
}

void TriadSeats::OnHeartbeat(const v1::HeartbeatAnswer& answer) {
  for (const auto& ack : answer.acks()) {
    auto found = by_id_.find(ack.session());
    if (found == by_id_.end()) continue;
    Session& session = sessions_[static_cast<size_t>(found->second)];
    session.beat_acked = std::max(session.beat_acked, ack.number());
  }
}

bool TriadSeats::AwaitAttached(int64_t timeout_ms) {
  int64_t next_ns = 0;
  return loop_.Until(
      [&] {
        if (NowNs() >= next_ns) {
          Retry();
          next_ns = NowNs() + kRetryNs;
        }
        return detached() == 0;
      },
      timeout_ms);
}

bool TriadSeats::AwaitBack() {
  // A heartbeat on a stream of which it was not heard yet that it broke is sent again.
  for (int times = 0; times < kBeatsAgainMax; ++times) {
    if (!AwaitAttached(kBackMs)) return false;
    Beat();
    if (loop_.Until([this] { return beaten(); }, kBeatMs)) return true;
  }
  return false;
}

void TriadSeats::Retry() {
  for (const int session : std::exchange(refused_, {})) {
    if (sessions_[static_cast<size_t>(session)].token.empty()) {
      OpenOne(session);
    } else {
      Attach(session);
    }
  }
}

void TriadSeats::Attach(int session) {
  Session& from = sessions_[static_cast<size_t>(session)];
  v1::ClientMessage message;
  message.set_id(next_id_++);
  v1::Attach& attach = *message.mutable_attach();
  attach.set_session(from.id);
  attach.set_token(from.token);
  attach.set_attachment(++from.attachment);
  SetOpened(from, false);
  opening_[message.id()] = session;
  SendOn(session, std::move(message));
}

void TriadSeats::OnOutcome(Call call, const v1::Outcome& outcome) {
  if (!call.checkout) {
    if (!outcome.has_done()) Wrong(absl::StrCat("a check-in: ", outcome.ShortDebugString()));
    return call.done(outcome.has_done());
  }
  if (seats_ != 0 && outcome.denied().code() == kAllInUse) return call.done(false);
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

void TriadSeats::OnBroken(int stream) {
  std::vector<Call> lost;
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (sessions_[static_cast<size_t>(it->second.session)].stream == stream) {
      lost.push_back(std::move(it->second));
      it = calls_.erase(it);
    } else {
      ++it;
    }
  }
  if (reattach_) {
    const auto at = static_cast<size_t>(stream);
    at_[at] = (at_[at] + 1) % addresses_.size();
    broken_.push_back(std::move(streams_[at]));
    streams_[at] = NewStream(stream);
    const auto all = static_cast<int>(streams_.size());
    for (int i = stream; i < sessions(); i += all) Attach(i);
  }
  for (Call& call : lost) call.done(false);
}

void TriadSeats::Wrong(const std::string& what) {
  if (wrong_.empty()) wrong_ = what;
}

bool IsRight(const TriadSeats& seats) {
  if (!seats.wrong().empty()) std::cerr << "bench: wrong answers: " << seats.wrong() << "\n";
  return seats.wrong().empty();
}

}  // namespace triad::bench
