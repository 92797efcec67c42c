// The end of a Session: everything is given back with one message, and its answer waited for a
// little.
#include <utility>

#include "client/session.h"

namespace triad::client {

void Session::StartClose(Done done) {
  if (closing_ || closed_) {
    Status status;
    status.kind = ErrorKind::kUsage;
    status.code = -42;
    status.message = "the client is closed";
    done(status);
    return;
  }
  closing_ = true;
  close_done_ = std::move(done);
  close_deadline_ms_ = Now() + kCloseMs;
  close_due_ms_ = Now();
  close_server_ = last_attached_;
  Status over;
  over.kind = ErrorKind::kUsage;
  over.code = -42;
  over.message = "the client was closed";
  if (start_done_) {
    later_.push_back([start = std::move(start_done_), over] { start(over); });
    start_done_ = nullptr;
  }
  for (auto& [key, call] : calls_) {
    // A check-in is done by the close that follows.
    Status status = call.kind == Call::Kind::kCheckin ? Status() : over;
    if (call.checkout.wait()) {
      status.kind = ErrorKind::kCancelled;
      status.code = -35;
    }
    status.feature = Name(call);
    TellDone(call, status);
  }
  for (auto& [id, held] : held_) {
    held.view.state = LicenseState::kReturned;
    held.view.usable = false;
    TellLicense(id, held);
  }
  held_.clear();
  if (token_.empty() || !started_) {
    FinishClose(Status());
    return;
  }
  Step();
}

void Session::SendClose() {
  const int64_t now = Now();
  if (now >= close_deadline_ms_ || links_.AllFailed()) {
    Status status;
    status.kind = ErrorKind::kTimedOut;
    status.message = "no answer to the end of the session: its licenses come back by themselves";
    status.certain = false;
    FinishClose(status);
    return;
  }
  if (now < close_due_ms_) return;
  const std::optional<size_t> server =
      attached_.has_value() ? attached_ : links_.Pick(close_server_, [](size_t) { return true; });
  close_due_ms_ = now + kRetryMs;
  if (!server.has_value()) return;
  v1::ClientMessage message;
  message.set_id(next_id_++);
  message.mutable_close()->set_session(session_);
  message.mutable_close()->set_token(token_);
  sent_[message.id()] = {Sent::Kind::kClose, *server, 0};
  close_server_ = *server;
  attached_.reset();  // the next attempt goes to another node, if there is one
  links_.Send(*server, std::move(message));
}

void Session::FinishClose(const Status& status) {
  closed_ = true;
  links_.Stop();
  calls_.clear();
  due_.clear();
  looks_.clear();
  sent_.clear();
  attempts_.clear();
  attached_.reset();
  if (close_done_) {
    later_.push_back([done = std::move(close_done_), status] { done(status); });
    close_done_ = nullptr;
  }
  if (!stepping_) Step();
}

}  // namespace triad::client
