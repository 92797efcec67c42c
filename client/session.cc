#include "client/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace triad::client {
namespace {

constexpr size_t kSessionIdBytes = 16;

}  // namespace

int64_t RetryInterval(int attempts) {
  int64_t interval = kRetryMs;
  for (int i = 2; i < attempts && interval < kRetryMsMax; ++i) interval *= 2;
  return std::min(interval, kRetryMsMax);
}

Session::Session(Config config, const Environment& environment)
    : config_(std::move(config)), env_(environment), links_(config_.servers, environment) {
  NewSession();
}

// --- inputs ---

void Session::Start(const Patience& patience, Done done) {
  started_ = true;
  patience_ = patience;
  start_ms_ = Now();
  start_done_ = std::move(done);
  links_.Start();
  Step();
}

// While something counts as confirmed, or is about to.
bool Session::MustStayAwake() const {
  return confirmation_.valid() && (confirmation_.until_ms() > awake_ms_ || !attempts_.empty());
}

// Called first by every input. Standing still shows as an input that comes later than NextTimer()
// asked for.
void Session::NoteAwake() {
  const int64_t now = Now();
  if (MustStayAwake() && now - awake_ms_ > confirmation_.stood_still_ms()) {
    Note(2, absl::StrCat("stood still for ", now - awake_ms_, " ms"));
    confirmation_.OnStoodStill(awake_ms_, now);
    heartbeat_ms_ = now;
  }
  awake_ms_ = now;
}

void Session::OnConnected(size_t server) {
  if (closed_) return;
  NoteAwake();
  links_.OnConnected(server);
  // An attempt that is under way elsewhere keeps its 250 ms.
  if (attempts_.empty()) attempt_ms_ = std::min(attempt_ms_, Now());
  AllCallsDue();
  Step();
}

void Session::OnDisconnected(size_t server, absl::string_view reason) {
  if (closed_) return;
  NoteAwake();
  links_.OnDisconnected(server, reason);
  // Also while we are attaching elsewhere, it was the last one to have us.
  bool may_be_attached = attachment_ > 0 && last_attached_ == server;
  for (auto it = attempts_.begin(); it != attempts_.end();) {
    if (it->second.server != server) {
      ++it;
      continue;
    }
    // It may have been executed; then this disconnection has started the short grace.
    may_be_attached = true;
    it = attempts_.erase(it);
  }
  if (may_be_attached) {
    confirmation_.OnBroken(Now());
    Reattach(absl::StrCat("connection to ", links_.name(server), " broke"), true);
  }
  ForgetServer(server);
  no_quorum_news_ = true;
  Step();
}

void Session::OnTimer() {
  if (closed_) return;
  NoteAwake();
  Step();
}

void Session::OnMessage(size_t server, const v1::ServerMessage& message) {
  if (closed_) return;
  NoteAwake();
  links_.OnHeard(server);
  const auto attempt = attempts_.find(message.id());
  const auto sent = sent_.find(message.id());
  if (message.has_heartbeat()) {
    OnHeartbeatAnswer(server, message.heartbeat());
  } else if (message.has_move_away()) {
    Note(2, absl::StrCat(links_.name(server), " asks to be left: ", message.move_away().reason()));
    links_.OnMoveAway(server);
    if (attached_ == server) {
      move_ = true;
      attempt_count_ = 0;
      attempt_ms_ = Now();
    }
  } else if (message.has_event()) {
    OnSessionEvent(message.event());
  } else if (attempt != attempts_.end() && attempt->second.server == server) {
    const Attempt was = attempt->second;
    attempts_.erase(attempt);
    if (message.has_opened()) OnOpened(server, was, message.opened());
    if (message.has_failure()) OnAttemptFailed(was, message.failure());
  } else if (sent != sent_.end() && sent->second.server == server) {
    const Sent was = sent->second;
    sent_.erase(sent);
    if (message.has_failure() && (message.failure().why() == v1::Failure::NO_QUORUM ||
                                  message.failure().why() == v1::Failure::NOT_READY)) {
      links_.OnNoQuorum(server, message.failure().reason());
      no_quorum_news_ = true;
    } else if (message.has_outcome()) {
      OnServes(server);
    }
    if (was.kind == Sent::Kind::kCall) {
      auto call = calls_.find(was.key);
      if (call != calls_.end()) {
        call->second.out.erase(server);
        if (message.has_outcome()) OnCallOutcome(server, call->second, message.outcome());
        if (message.has_failure()) OnCallFailure(server, call->second, message.failure());
      }
    } else if (was.kind == Sent::Kind::kDescribe) {
      if (message.has_pool()) {
        auto pool = pools_.find(was.key);
        // One that comes late, when another node has answered, is not waited for any more.
        if (pool != pools_.end() && !pool->second.proof.has_value()) {
          pool->second.description = message.pool();
        }
        OnPool(was.key, ProvePool(message.pool(), config_.vendor_keys));
      } else if (message.failure().why() == v1::Failure::REFUSED) {
        OnPoolRefused(was.key, message.failure().reason());
      }
    } else if (closing_ &&
               (message.has_outcome() || message.failure().why() == v1::Failure::SESSION_UNKNOWN)) {
      FinishClose(Status());
      return;
    }
  }
  Step();
}

// Everything that is due, in an order in which each step sees what the ones before it decided.
void Session::Step() {
  if (stepping_) {  // a callback called in: the outer Step goes on
    again_ = true;
    return;
  }
  stepping_ = true;
  do {
    again_ = false;
    if (!closed_ && started_) {
      links_.Tick();
      RenewSilent();
      if (closing_) {
        SendClose();
      } else {
        CheckStart();
        MaybeAttach();
        MaybeHeartbeat();
        CheckConfirmation();
        GiveStrangersBack();
        StepCalls();
      }
    }
    RunLater();
  } while (again_ || !later_.empty());
  stepping_ = false;
}

// Not where the session is attached, or may be: a server that is only slow would see that
// connection's end, and start the short grace.
void Session::RenewSilent() {
  const auto may = [this](size_t server) {
    return (attachment_ == 0 || last_attached_ != server) &&
           std::none_of(attempts_.begin(), attempts_.end(),
                        [server](const auto& entry) { return entry.second.server == server; });
  };
  const std::optional<size_t> server = links_.RenewSilent(may);
  if (server.has_value()) ForgetServer(*server);
}

void Session::RunLater() {
  std::deque<std::function<void()>> now;
  now.swap(later_);
  for (auto& callback : now) callback();
}

int64_t Session::NextTimer() const {
  if (closed_ || !started_) return INT64_MAX;
  int64_t next = links_.NextTimer();
  if (closing_) return std::min({next, close_deadline_ms_, close_due_ms_});
  const int64_t now = Now();
  if (MustStayAwake()) next = std::min(next, awake_ms_ + confirmation_.wake_interval_ms());
  if (start_done_) {
    next = std::min(next, start_ms_ + patience_.timeout_ms);
    for (int64_t limit : {patience_.no_quorum_ms, patience_.unreachable_ms}) {
      if (start_ms_ + limit > now) next = std::min(next, start_ms_ + limit);
    }
  }
  if (!attached_.has_value() || move_) {
    for (size_t i = 0; i < links_.size(); ++i) {
      if (links_.connected(i) && MayAttempt(i)) next = std::min(next, attempt_ms_);
    }
    for (const auto& [id, attempt] : attempts_) {
      const int64_t again_ms = attempt.sent_ms + kRetryMsMax;  // its server may be asked again
      if (again_ms > now) next = std::min(next, again_ms);
    }
  }
  if (attached_.has_value()) {
    next = std::min(next, heartbeat_ms_);
    if (!move_) next = std::min(next, confirmation_.stalled_ms());
  }
  for (const auto& [id, held] : held_) {
    if (!held.told_unconfirmed && held.view.state != LicenseState::kLost) {
      next = std::min(next, confirmation_.until_ms());
    }
    if (config_.unconfirmed == UnconfirmedPolicy::kRefuse && !held.told_refused &&
        held.view.state != LicenseState::kHeld) {
      next = std::min(next, held.since_ms + config_.unconfirmed_grace_ms);
    }
  }
  return std::min(next, NextCallTimer());
}

ClusterStatus Session::status() const {
  ClusterStatus status;
  status.attached = attached_.has_value();
  status.node = node_;
  if (attachment_ > 0) status.address = links_.name(last_attached_);
  if (!token_.empty()) status.session = absl::BytesToHexString(session_);
  status.servers = static_cast<int>(links_.size());
  status.connected = links_.connected_count();
  status.confirmed_ms = std::max<int64_t>(0, confirmation_.until_ms() - Now());
  for (const auto& [id, held] : held_) status.licenses += held.view.state != LicenseState::kLost;
  return status;
}

// --- opening and attaching ---

void Session::NewSession() {
  session_ = env_.random->Bytes(kSessionIdBytes);
  token_.clear();
  touched_ = false;
  last_attachment_ = 0;
  attachment_ = 0;
  attached_.reset();
  move_ = false;
  attempts_.clear();
  attempt_count_ = 0;
  attempt_ms_ = Now();
  removed_reason_.clear();
  confirmation_.Reset();
  next_seq_ = 1;
  acked_ = 0;
  answered_.clear();
  sent_.clear();
  early_.clear();
  strangers_ = {};
}

void Session::CheckStart() {
  if (!start_done_) return;
  const int64_t now = Now();
  Status status;
  status.certain = true;
  if (!token_.empty()) {
    // success
  } else if (now >= start_ms_ + patience_.no_quorum_ms &&
             links_.AllSayNoQuorum(start_ms_, [this](size_t i) { return AttemptIsOut(i); })) {
    status.kind = ErrorKind::kNoQuorum;
    status.message = links_.NoQuorumReason(start_ms_);
    if (other_version_ms_ >= start_ms_) {
      status.kind = ErrorKind::kUnreachable;
      status.code = license::kOtherVersionCode;
    }
  } else if (now >= start_ms_ + patience_.unreachable_ms && links_.AllFailed()) {
    status.kind = ErrorKind::kUnreachable;
    status.code = -15;
    status.message = absl::StrCat("cannot connect to license server: ", links_.Describe());
  } else if (now >= start_ms_ + patience_.timeout_ms) {
    const std::string reason = links_.NoQuorumReason(start_ms_);
    status.kind = reason.empty() ? ErrorKind::kUnreachable : ErrorKind::kNoQuorum;
    status.code = reason.empty() ? -96 : 0;
    status.message = reason.empty() ? absl::StrCat("license server is down or does not answer: ",
                                                   links_.Describe())
                                    : reason;
  } else {
    return;
  }
  if (!status.ok() && patience_.others) links_.SetReconnectMax(kStrangerReconnectMsMax);
  later_.push_back([done = std::move(start_done_), status] { done(status); });
  start_done_ = nullptr;
}

// To a server that has not been silent for so long that no answer need be waited for.
bool Session::AttemptIsOut(size_t server) const {
  return std::any_of(attempts_.begin(), attempts_.end(), [&](const auto& entry) {
    return entry.second.server == server && Now() - entry.second.sent_ms < kSilentMs;
  });
}

bool Session::MayAttempt(size_t server) const {
  if (move_ && attached_ == server) return false;
  return std::none_of(attempts_.begin(), attempts_.end(), [&](const auto& entry) {
    return entry.second.server == server && Now() - entry.second.sent_ms < kRetryMsMax;
  });
}

void Session::MaybeAttach() {
  // Nothing confirmed for half a time to live: this node is cut off, or as good as.
  if (attached_.has_value() && !move_ && Now() >= confirmation_.stalled_ms()) {
    Reattach("heartbeats are not confirmed", true);
  }
  if (attached_.has_value() && !move_) return;
  if (Now() < attempt_ms_) return;
  const std::optional<size_t> server =
      links_.Pick(last_attempt_server_, [this](size_t i) { return MayAttempt(i); });
  if (server.has_value()) SendAttempt(*server);
}

void Session::SendAttempt(size_t server) {
  Attempt attempt;
  attempt.server = server;
  attempt.attachment = ++last_attachment_;
  attempt.open = token_.empty();
  attempt.sent_ms = Now();
  attempt.token = token_;
  v1::ClientMessage message;
  message.set_id(next_id_++);
  if (attempt.open) {
    message.mutable_open()->set_session(session_);
    *message.mutable_open()->mutable_identity() = config_.identity;
    message.mutable_open()->set_attachment(attempt.attachment);
    message.mutable_open()->set_wall_ms(env_.clock->WallMs());
    message.mutable_open()->set_protocol(config_.protocol);
  } else {
    message.mutable_attach()->set_session(session_);
    message.mutable_attach()->set_token(token_);
    message.mutable_attach()->set_attachment(attempt.attachment);
    message.mutable_attach()->set_wall_ms(env_.clock->WallMs());
    message.mutable_attach()->set_protocol(config_.protocol);
  }
  Note(2, absl::StrCat(attempt.open ? "opening a session" : "attaching", " through ",
                       links_.name(server), ", attachment ", attempt.attachment));
  attempts_.emplace(message.id(), attempt);
  last_attempt_server_ = server;
  ++attempt_count_;
  attempt_ms_ = attempt.sent_ms + Jittered(*env_.random, RetryInterval(attempt_count_));
  links_.Send(server, std::move(message));
}

// Whether and where the session is attached is not known any more, or about to be wrong.
void Session::Reattach(absl::string_view why, bool now) {
  if (attached_.has_value()) {
    Note(2, absl::StrCat("no longer attached to ", links_.name(*attached_), ": ", why));
  }
  attached_.reset();
  move_ = false;
  attempt_count_ = 0;
  if (now) attempt_ms_ = Now();
}

// Another node may be of a version that is nearer: nodes are upgraded one after the other.
void Session::OnOtherVersion(size_t server, const std::string& reason) {
  other_version_ms_ = Now();
  links_.OnNoQuorum(server, reason);
  no_quorum_news_ = true;
}

void Session::OnOpened(size_t server, const Attempt& attempt, const v1::Opened& opened) {
  if (!license::SpeakTogether(opened.protocol(), config_.protocol)) {
    const uint32_t theirs = std::max(1u, opened.protocol());
    return OnOtherVersion(
        server,
        absl::StrCat(
            "the license server speaks version ", theirs, " of the protocol and this ",
            "application version ", config_.protocol, ", more than one apart: upgrade ",
            theirs < config_.protocol ? "the license servers" : "the application's libtriad"));
  }
  links_.OnServes(server);
  const v1::SessionState& state = opened.state();
  if (state.session() != session_) return;
  // The answer to an attempt that another, with a higher number, has overtaken.
  if (state.attachment() != attempt.attachment || attempt.attachment < attachment_) return;
  if (!opened.token().empty()) token_ = opened.token();
  ever_opened_ = true;
  links_.SetReconnectMax(kReconnectMsMax);
  attachment_ = attempt.attachment;
  attached_ = server;
  last_attached_ = server;
  node_ = opened.node();
  nodes_[server] = node_;
  move_ = false;
  attempt_count_ = 0;
  const int64_t ttl_ms = std::max<int64_t>(state.ttl_ms(), 1);
  confirmation_.OnAttached(attempt.sent_ms, ttl_ms, opened.reset_grace_ms());
  heartbeat_ms_ = Now() + confirmation_.heartbeat_interval_ms();
  // A later attempt may yet move the session; then this node's answer tells us soon.
  if (!attempts_.empty()) heartbeat_ms_ = std::min(heartbeat_ms_, Now() + kRetryMs);
  Note(2, absl::StrCat("attached to ", links_.name(server), ", node ", node_, ", session ",
                       absl::BytesToHexString(session_)));
  Reconcile(state, attempt.sent_ms);
  AllCallsDue();
}

void Session::OnAttemptFailed(const Attempt& attempt, const v1::Failure& failure) {
  Note(1, absl::StrCat(links_.name(attempt.server), ": ", failure.reason()));
  switch (failure.why()) {
    case v1::Failure::SESSION_UNKNOWN:
      if (!attempt.open && failure.certain()) {
        LoseSession(removed_reason_.empty() ? failure.reason() : removed_reason_);
      }
      return;
    case v1::Failure::BAD_TOKEN:
      // An open that overtook the one whose token we have may have replaced it: open again with a
      // higher number. A session in which something was executed is not opened again by anybody.
      if (attempt.open != token_.empty() || attached_.has_value()) return;
      // Shown before a later open's answer brought the one that counts.
      if (attempt.token != token_) break;
      if (attempt.open || touched_) {
        LoseSession(failure.reason());
      } else {
        token_.clear();
        attempt_ms_ = Now();
      }
      return;
    case v1::Failure::STALE_ATTACHMENT:
      // Overtaken by a later attempt. If none is on its way, the next goes out with a higher
      // number.
      break;
    case v1::Failure::MALFORMED:
    case v1::Failure::REFUSED:
      if (start_done_) {
        Status status;
        status.kind = ErrorKind::kUsage;
        status.code = -42;
        status.message = failure.reason();
        later_.push_back([done = std::move(start_done_), status] { done(status); });
        start_done_ = nullptr;
      }
      break;
    case v1::Failure::OTHER_VERSION:
      return OnOtherVersion(attempt.server, failure.reason());
    case v1::Failure::OVERLOADED:
      attempt_ms_ = Now() + std::max(kRetryMs, Jittered(*env_.random, failure.retry_after_ms()));
      links_.OnNoQuorum(attempt.server, failure.reason());
      no_quorum_news_ = true;
      return;
    default:
      links_.OnNoQuorum(attempt.server, failure.reason());
      no_quorum_news_ = true;
      break;
  }
  if (attempts_.empty()) {
    attempt_ms_ = std::min(attempt_ms_, Now() + Jittered(*env_.random, kNoQuorumRetryMs));
  }
}

// The session is gone, with all that it held. Begins a new one.
void Session::LoseSession(absl::string_view reason) {
  Note(1, absl::StrCat("session ", absl::BytesToHexString(session_), " is gone: ", reason));
  const std::string why(reason);
  NewSession();
  std::vector<LicenseId> freed;
  for (auto& [id, held] : held_) {
    held.idle_told = false;
    held.idle_call = held.resize_call = 0;
    held.violation.clear();
    if (held.view.state != LicenseState::kLost) freed.push_back(id);
  }
  for (LicenseId id : freed) OnFreed(id, why, kRegrantMsMin, false);
  ResetCalls();
}

// Compares what we hold with what the cluster says, at one index. `asked_ms`: when it was asked.
void Session::Reconcile(const v1::SessionState& state, int64_t asked_ms) {
  std::map<uint64_t, const v1::Holding*> theirs;
  for (const v1::Holding& holding : state.holdings()) theirs[holding.handle()] = &holding;
  std::vector<LicenseId> freed;
  for (auto& [id, held] : held_) {
    if (held.view.state == LicenseState::kLost) continue;
    auto holding = theirs.find(held.view.handle);
    if (holding != theirs.end()) {
      ReconcileHolding(id, held, *holding->second, asked_ms);
    } else if (held.granted_ms < asked_ms || held.granted_index <= state.index()) {
      freed.push_back(id);  // not granted after this was written down
    }
  }
  const bool taken = !removed_reason_.empty();
  for (LicenseId id : freed) {
    OnFreed(id, taken ? removed_reason_ : "the cluster has freed it",
            taken ? kTakenMs : kRegrantMsMin, true);
  }
  removed_reason_.clear();
  ReconcileQueues(state, asked_ms);
  strangers_ = {};
  for (const auto& [key, call] : calls_) {
    if (IsGrant(call) && call.seq != 0 && !call.queued) strangers_.calls.insert(key);
  }
  for (const auto& [handle, holding] : theirs) {
    // What lingers was given back, and what is borrowed stays out whoever asks.
    const bool out = holding->borrowed_until_wall_ms() != 0 || holding->lingers_until_ms() != 0;
    if (!out) strangers_.tickets[handle] = holding->ticket();
  }
}

// Holdings that the last state had and that are none of ours, once the requests are answered that
// may have brought them: a grant whose answer was lost, or one that a recovered cluster remembers
// and we have given back since.
void Session::GiveStrangersBack() {
  if (strangers_.tickets.empty()) return;
  std::erase_if(strangers_.calls, [this](uint64_t key) {
    const auto call = calls_.find(key);
    return call == calls_.end() || call->second.queued;
  });
  if (!strangers_.calls.empty()) return;
  std::set<uint64_t> ours;
  std::set<uint64_t> tickets;
  for (const auto& [id, held] : held_) ours.insert(held.view.handle);
  for (const auto& [key, call] : calls_) {
    if (call.kind == Call::Kind::kCheckin) ours.insert(call.handle);
    if (call.queued) tickets.insert(call.ticket);
  }
  for (const auto& [handle, ticket] : std::exchange(strangers_, {}).tickets) {
    if (ours.count(handle) == 0 && tickets.count(ticket) == 0) {
      CheckinHandle(handle, INT64_MAX, nullptr);
    }
  }
}

void Session::ReconcileHolding(LicenseId id, Held& held, const v1::Holding& holding,
                               int64_t asked_ms) {
  TellViolation(id, held, holding.violation());
  // A resize that was answered after this was asked, or is yet to be, knows better.
  if (held.resize_call != 0 || held.resized_ms >= asked_ms) return;
  if (held.view.count == holding.count()) return;
  held.view.count = holding.count();
  TellLicense(id, held);
}

// --- heartbeats and confirmation ---

void Session::MaybeHeartbeat() {
  if (!attached_.has_value() || Now() < heartbeat_ms_) return;
  v1::ClientMessage message;
  message.set_id(next_id_++);
  auto* beat = message.mutable_heartbeat()->add_beats();
  beat->set_session(session_);
  beat->set_number(confirmation_.OnHeartbeat(Now()));
  heartbeat_ms_ = Now() + confirmation_.heartbeat_interval_ms();
  links_.Send(*attached_, std::move(message));
}

void Session::OnHeartbeatAnswer(size_t server, const v1::HeartbeatAnswer& answer) {
  if (attached_ != server) return;
  for (const auto& ack : answer.acks()) {
    if (ack.session() != session_) continue;
    if (ack.unknown()) {
      // Gone, or attached elsewhere by an attempt of ours: attaching finds out which. One that is
      // on its way gets the time to answer.
      Reattach("this node does not know the session", attempts_.empty());
      return;
    }
    confirmation_.OnAck(ack.number());
  }
}

// A node that answers while the one we are attached to is silent is the better one to be attached
// to.
void Session::OnServes(size_t server) {
  links_.OnServes(server);
  if (!attached_.has_value() || *attached_ == server || move_ || closing_) return;
  if (!links_.SilentFor(*attached_, kSilentMs)) return;
  Note(2, absl::StrCat(links_.name(*attached_), " is silent while others answer"));
  links_.OnMoveAway(*attached_);
  move_ = true;
  attempt_count_ = 0;
  attempt_ms_ = Now();
}

void Session::OnSessionEvent(const v1::SessionEvent& event) {
  if (event.session() != session_) return;
  switch (event.kind()) {
    case v1::SessionEvent::REMOVED:
      // Only the faster way to the state: attaching asks what the session still holds.
      removed_reason_ = event.reason();
      Reattach("licenses were removed", true);
      break;
    case v1::SessionEvent::VIOLATION:
    case v1::SessionEvent::RESTORED:
      OnViolationNews(event);
      break;
    case v1::SessionEvent::GRANTED:
    case v1::SessionEvent::DEQUEUED:
      OnQueueEvent(event);
      break;
    case v1::SessionEvent::RECLAIMED: {
      auto held = FindHandle(event.handle());
      if (held != held_.end()) OnFreed(held->first, event.reason(), kTakenMs, true);
      break;
    }
    default:
      break;
  }
}

void Session::CheckConfirmation() {
  const int64_t now = Now();
  const bool confirmed = confirmation_.valid() && now < confirmation_.until_ms();
  for (auto& [id, held] : held_) {
    const bool lost = held.view.state == LicenseState::kLost;
    if (!lost && !confirmed && !held.told_unconfirmed) {
      held.told_unconfirmed = true;
      held.since_ms = now;
      held.view.state = LicenseState::kUnconfirmed;
      TellLicense(id, held);
      Emit(Event::Kind::kUnconfirmed, id, held,
           absl::StrCat("no confirmation for ", now - confirmation_.confirmed_sent_ms(),
                        " ms: ", links_.Describe()));
    } else if (!lost && confirmed && held.told_unconfirmed) {
      held.told_unconfirmed = false;
      held.told_refused = false;
      held.view.state = LicenseState::kHeld;
      held.view.usable = true;
      TellLicense(id, held);
      Emit(Event::Kind::kReconnected, id, held, "confirmed again");
    }
    if (config_.unconfirmed == UnconfirmedPolicy::kRefuse && !held.told_refused &&
        held.view.state != LicenseState::kHeld &&
        now >= held.since_ms + config_.unconfirmed_grace_ms) {
      held.told_refused = true;
      held.view.usable = false;
      TellLicense(id, held);
      Emit(Event::Kind::kRefused, id, held,
           absl::StrCat("not confirmed for a grace of ", config_.unconfirmed_grace_ms, " ms"));
    }
  }
}

void Session::Emit(Event::Kind kind, LicenseId id, const Held& held, absl::string_view reason,
                   absl::string_view cause) {
  Event event;
  event.kind = kind;
  event.feature = held.view.feature;
  event.handle = held.view.handle;
  event.id = id;
  event.count = held.view.count;
  event.reason = std::string(reason);
  event.cause = std::string(cause);
  Emit(std::move(event));
}

void Session::Emit(Event event) {
  if (!event.cause.empty()) {
    const bool bad = event.kind == Event::Kind::kViolation || event.kind == Event::Kind::kLost;
    event.number = bad ? kViolationNumber : kRestoredNumber;
  }
  Note(1, absl::StrCat(event.feature, ": ", EventName(event.kind), ": ", event.reason));
  later_.push_back([this, event = std::move(event)] { env_.observer->OnEvent(event); });
}

std::map<LicenseId, Session::Held>::iterator Session::FindHandle(uint64_t handle) {
  return std::find_if(held_.begin(), held_.end(), [handle](const auto& entry) {
    return entry.second.view.handle == handle && entry.second.view.state != LicenseState::kLost;
  });
}

void Session::OnViolationNews(const v1::SessionEvent& pushed) {
  const bool over = pushed.kind() == v1::SessionEvent::RESTORED;
  // Also of one that is lost and used all the same.
  auto held = std::find_if(held_.begin(), held_.end(), [&pushed](const auto& entry) {
    return pushed.handle() != 0 && entry.second.view.handle == pushed.handle();
  });
  if (held != held_.end()) {
    TellViolation(held->first, held->second, over ? "" : pushed.reason());
    return;
  }
  if (pushed.handle() != 0) return;  // given back meanwhile
  Event event;
  event.kind = over ? Event::Kind::kRestored : Event::Kind::kViolation;
  event.feature = pushed.feature();
  event.reason = event.cause = pushed.reason();
  Emit(std::move(event));
}

// Pushed or read from the state: what has been told is not told again.
void Session::TellViolation(LicenseId id, Held& held, const std::string& violation) {
  if (violation == held.violation) return;
  const std::string before = std::exchange(held.violation, violation);
  if (violation.empty()) {
    Emit(Event::Kind::kRestored, id, held, before, before);
  } else {
    Emit(Event::Kind::kViolation, id, held, violation, violation);
  }
}

void Session::TellLicense(LicenseId id, const Held& held) {
  later_.push_back([this, id, view = held.view] { env_.observer->OnLicense(id, view); });
}

}  // namespace triad::client
