#include "server/client_desk.h"

#include <openssl/crypto.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/digest.h"
#include "server/limits.h"

namespace triad::server {
namespace {

constexpr size_t kSessionIdBytes = 16;
constexpr size_t kTokenBytes = 16;
// The command version from which sessions say what time their clients have.
constexpr uint32_t kClocksVersion = 3;

v1::Failure::Why FailureOf(v1::Refused::Why why) {
  switch (why) {
    case v1::Refused::SESSION_UNKNOWN:
      return v1::Failure::SESSION_UNKNOWN;
    case v1::Refused::BAD_TOKEN:
      return v1::Failure::BAD_TOKEN;
    case v1::Refused::STALE_ATTACHMENT:
      return v1::Failure::STALE_ATTACHMENT;
    case v1::Refused::TOO_MANY_PENDING:
    case v1::Refused::SESSION_TABLE_FULL:
      return v1::Failure::OVERLOADED;
    case v1::Refused::MALFORMED:
      return v1::Failure::MALFORMED;
    default:
      return v1::Failure::REFUSED;
  }
}

constexpr absl::string_view kWhileBehind = "ended while this node was behind the others";

// UNSPECIFIED: nothing that a session is told by itself.
v1::SessionEvent::Kind SessionEventOf(license::LedgerEvent::Kind kind) {
  using Kind = license::LedgerEvent::Kind;
  switch (kind) {
    case Kind::kViolation:
      return v1::SessionEvent::VIOLATION;
    case Kind::kRestored:
      return v1::SessionEvent::RESTORED;
    case Kind::kGranted:
      return v1::SessionEvent::GRANTED;
    case Kind::kDequeued:
      return v1::SessionEvent::DEQUEUED;
    case Kind::kRemoved:
    case Kind::kReclaimed:
      return v1::SessionEvent::RECLAIMED;
    default:
      return v1::SessionEvent::UNSPECIFIED;
  }
}

// What the client wants done, as the log carries it.
void MoveOperation(v1::ClientRequest& from, v1::Request& to) {
  switch (from.op_case()) {
    case v1::ClientRequest::kCheckout:
      to.mutable_checkout()->Swap(from.mutable_checkout());
      return;
    case v1::ClientRequest::kCheckin:
      to.mutable_checkin()->Swap(from.mutable_checkin());
      return;
    case v1::ClientRequest::kResize:
      to.mutable_resize()->Swap(from.mutable_resize());
      return;
    case v1::ClientRequest::kSetIdle:
      to.mutable_set_idle()->Swap(from.mutable_set_idle());
      return;
    case v1::ClientRequest::kCancelWait:
      to.mutable_cancel_wait()->Swap(from.mutable_cancel_wait());
      return;
    case v1::ClientRequest::kBorrow:
      to.mutable_borrow()->Swap(from.mutable_borrow());
      return;
    case v1::ClientRequest::kReturnBorrowed:
      to.mutable_return_borrowed()->Swap(from.mutable_return_borrowed());
      return;
    case v1::ClientRequest::OP_NOT_SET:
      return;
  }
}

}  // namespace

std::string HashToken(absl::string_view token) {
  return license::Sha256(token);
}

ClientDesk::ClientDesk(Config config, const Environment* env, const license::Ledger* ledger,
                       Proposals* proposals, Attachments* attachments)
    : config_(config),
      env_(env),
      ledger_(ledger),
      proposals_(proposals),
      attachments_(attachments) {
}

void ClientDesk::OnMessage(const Caller& caller, v1::ClientMessage message) {
  open_.insert(caller.connection);
  if (caller.unary) unary_.insert(caller.connection);
  const uint64_t id = message.id();
  if (message.ByteSizeLong() > kClientMessageBytesMax) {
    Fail(caller.connection, id, v1::Failure::MALFORMED,
         absl::StrCat("message above ", kClientMessageBytesMax,
                      " bytes: ask for fewer features at once"));
    return;
  }
  if (stopping_ || !not_ready_.empty()) {
    Fail(caller.connection, id, stopping_ ? v1::Failure::NOT_READY : v1::Failure::NO_QUORUM,
         stopping_ ? "this node stops: ask another" : not_ready_);
    return;
  }
  switch (message.body_case()) {
    case v1::ClientMessage::kOpen:
      return OnOpen(caller, id, std::move(*message.mutable_open()));
    case v1::ClientMessage::kAttach:
      return OnAttach(caller, id, message.attach());
    case v1::ClientMessage::kRequest:
      return OnRequest(caller, id, std::move(*message.mutable_request()));
    case v1::ClientMessage::kHeartbeat:
      return OnHeartbeat(caller, id, message.heartbeat());
    case v1::ClientMessage::kClose:
      return OnClose(caller, id, message.close());
    case v1::ClientMessage::kDescribe:
      return OnDescribe(caller, id, message.describe());
    case v1::ClientMessage::BODY_NOT_SET:
      break;
  }
  Fail(caller.connection, id, v1::Failure::MALFORMED,
       "message of an unknown kind: upgrade this node");
}

Origin ClientDesk::MakeOrigin(Origin::Kind kind, const Caller& caller, uint64_t id,
                              const std::string& session) const {
  Origin origin;
  origin.kind = kind;
  origin.connection = caller.connection;
  origin.message_id = id;
  origin.session = session;
  return origin;
}

// An older program does not know that field.
bool ClientDesk::MayStateClocks() const {
  return ledger_->cluster_version() >= kClocksVersion;
}

bool ClientDesk::CheckProtocol(const Caller& caller, uint64_t id, uint32_t protocol) {
  if (license::SpeakTogether(protocol, config_.protocol)) return true;
  const uint32_t theirs = std::max(1u, protocol);
  Fail(
      caller.connection, id, v1::Failure::OTHER_VERSION,
      absl::StrCat("the application speaks version ", theirs, " of the protocol and this license ",
                   "server version ", config_.protocol, ", more than one apart: upgrade ",
                   theirs < config_.protocol ? "the application's libtriad" : "the license servers",
                   " (", license::kOtherVersionCode, ")"));
  return false;
}

void ClientDesk::OnOpen(const Caller& caller, uint64_t id, v1::Open open) {
  if (!CheckProtocol(caller, id, open.protocol())) return;
  if (open.session().size() != kSessionIdBytes) {
    return Fail(caller.connection, id, v1::Failure::MALFORMED,
                "open: the session id must have 16 bytes");
  }
  Origin origin = MakeOrigin(Origin::Kind::kOpen, caller, id, open.session());
  origin.attachment = open.attachment();
  origin.token = env_->random->Bytes(kTokenBytes);
  v1::Command command;
  auto* body = command.mutable_open();
  body->set_session(open.session());
  body->set_token_hash(HashToken(origin.token));
  *body->mutable_identity() = std::move(*open.mutable_identity());
  body->mutable_identity()->set_peer_address(caller.address);
  body->set_attachment(open.attachment());
  body->set_node(config_.slot);
  body->set_ttl_ms(config_.session_ttl_ms);
  if (MayStateClocks()) body->set_client_wall_ms(open.wall_ms());
  proposals_->Submit(std::move(command), std::move(origin), env_->clock->NowMs());
}

void ClientDesk::OnAttach(const Caller& caller, uint64_t id, const v1::Attach& attach) {
  if (!CheckProtocol(caller, id, attach.protocol())) return;
  if (attach.session().size() != kSessionIdBytes) {
    return Fail(caller.connection, id, v1::Failure::MALFORMED,
                "attach: the session id must have 16 bytes");
  }
  Origin origin = MakeOrigin(Origin::Kind::kAttach, caller, id, attach.session());
  origin.attachment = attach.attachment();
  v1::Command command;
  auto* body = command.mutable_attach();
  body->set_session(attach.session());
  body->set_token_hash(HashToken(attach.token()));
  body->set_attachment(attach.attachment());
  body->set_node(config_.slot);
  body->set_peer_address(caller.address);
  if (MayStateClocks()) body->set_client_wall_ms(attach.wall_ms());
  proposals_->Submit(std::move(command), std::move(origin), env_->clock->NowMs());
}

void ClientDesk::OnRequest(const Caller& caller, uint64_t id, v1::ClientRequest request) {
  if (request.session().size() != kSessionIdBytes || request.seq() == 0 ||
      request.op_case() == v1::ClientRequest::OP_NOT_SET) {
    return Fail(caller.connection, id, v1::Failure::MALFORMED,
                "request: needs a session id of 16 bytes, a seq above 0 and something to do");
  }
  v1::Command command;
  auto* body = command.mutable_request();
  // A token that is given counts, attached or not: since it was attached here, a later open may
  // have replaced it (ApplyReopen).
  if (!request.token().empty()) {
    body->set_token_hash(HashToken(request.token()));
  } else if (!attachments_->IsBound(caller.connection, request.session())) {
    return Fail(
        caller.connection, id, v1::Failure::BAD_TOKEN,
        "request: the session is not attached through this connection and no token is given");
  }
  body->set_session(request.session());
  body->set_seq(request.seq());
  body->set_acked(request.acked());
  MoveOperation(request, *body);
  proposals_->Submit(std::move(command),
                     MakeOrigin(Origin::Kind::kRequest, caller, id, request.session()),
                     env_->clock->NowMs());
}

bool ClientDesk::KnowsToken(absl::string_view session, absl::string_view token) const {
  const auto* known = ledger_->FindSession(session);
  if (known == nullptr) return false;
  const std::string hash = HashToken(token);
  return hash.size() == known->token_hash.size() &&
         CRYPTO_memcmp(hash.data(), known->token_hash.data(), hash.size()) == 0;
}

void ClientDesk::OnHeartbeat(const Caller& caller, uint64_t id, const v1::Heartbeat& heartbeat) {
  v1::ServerMessage message;
  message.set_id(id);
  auto* answer = message.mutable_heartbeat();
  const ConnectionId connection = caller.unary ? 0 : caller.connection;
  for (const auto& beat : heartbeat.beats()) {
    if (caller.unary && KnowsToken(beat.session(), beat.token())) {
      const auto* session = ledger_->FindSession(beat.session());
      if (session->node == config_.slot && !attachments_->ConnectionOf(beat.session())) {
        attachments_->Bind(0, beat.session(), session->attachment);
      }
    }
    const bool here =
        attachments_->OnBeat(connection, beat.session(), beat.number(), env_->clock->NowMs());
    if (here && !caller.unary) continue;  // answered when the leader has acknowledged it
    auto* ack = answer->add_acks();
    ack->set_session(beat.session());
    ack->set_number(here ? attachments_->Confirmed(beat.session()) : 0);
    ack->set_unknown(!here);
  }
  if (caller.unary || answer->acks_size() > 0) {
    env_->clients->Send(caller.connection, std::move(message));
  }
}

void ClientDesk::OnClose(const Caller& caller, uint64_t id, const v1::Close& close) {
  if (close.session().size() != kSessionIdBytes) {
    return Fail(caller.connection, id, v1::Failure::MALFORMED,
                "close: the session id must have 16 bytes");
  }
  v1::Command command;
  auto* body = command.mutable_close();
  body->set_session(close.session());
  if (!attachments_->IsBound(caller.connection, close.session())) {
    if (close.token().empty()) {
      return Fail(
          caller.connection, id, v1::Failure::BAD_TOKEN,
          "close: the session is not attached through this connection and no token is given");
    }
    body->set_token_hash(HashToken(close.token()));
  }
  proposals_->Submit(std::move(command),
                     MakeOrigin(Origin::Kind::kClose, caller, id, close.session()),
                     env_->clock->NowMs());
}

void ClientDesk::OnDescribe(const Caller& caller, uint64_t id, const v1::Describe& describe) {
  const license::Pool* pool = ledger_->catalog().FindPool(describe.pool());
  if (pool == nullptr) {
    return Fail(caller.connection, id, v1::Failure::REFUSED,
                "describe: there is no such pool in the license set now");
  }
  v1::ServerMessage message;
  message.set_id(id);
  auto* answer = message.mutable_pool();
  answer->set_pool(pool->id);
  answer->set_vendor(pool->vendor);
  auto add = [answer](const std::string& canonical, const license::ParsedSign& sign) {
    auto* wire = answer->add_lines();
    wire->set_canonical(canonical);
    wire->set_signature(sign.signature);
    wire->set_key_id(sign.key_id);
  };
  const license::Pool::Package* package = nullptr;  // its lines follow one another
  for (const auto& line : pool->lines) {
    add(line.canonical, line.sign);
    if (line.package == nullptr || line.package.get() == package) continue;
    package = line.package.get();
    add(package->canonical, package->sign);
  }
  env_->clients->Send(caller.connection, std::move(message));
}

void ClientDesk::SubmitDetach(const std::string& session, uint64_t attachment) {
  v1::Command command;
  command.mutable_detach()->set_session(session);
  command.mutable_detach()->set_attachment(attachment);
  command.mutable_detach()->set_grace_ms(config_.reset_grace_ms);
  Origin origin;
  origin.kind = Origin::Kind::kDetach;
  origin.session = session;
  proposals_->Submit(std::move(command), std::move(origin), env_->clock->NowMs());
}

void ClientDesk::OnClosed(ConnectionId connection, bool cut_here) {
  open_.erase(connection);
  if (!stopping_ && !cut_here) {
    hung_up_.insert(connection);
    if (hung_up_.size() > kHungUpConnectionsMax) hung_up_.erase(hung_up_.begin());
  }
  if (unary_.erase(connection) > 0) return;
  const auto lost = attachments_->Close(connection);
  // This node closed it, not the application: that says nothing about the application, which may
  // not even know yet.
  if (stopping_ || cut_here) return;
  for (const auto& [session, attachment] : lost) SubmitDetach(session, attachment);
}

void ClientDesk::MoveAway(absl::string_view reason) {
  for (ConnectionId connection : attachments_->connections()) {
    v1::ServerMessage message;
    message.mutable_move_away()->set_reason(std::string(reason));
    env_->clients->Send(connection, std::move(message));
  }
}

void ClientDesk::Stop(absl::string_view reason) {
  MoveAway(reason);
  stopping_ = true;
}

void ClientDesk::OnLedgerEvent(const license::LedgerEvent& event) {
  using Kind = license::LedgerEvent::Kind;
  if (event.kind == Kind::kAttached) {
    // It has moved: to another node, or to another connection here, which OnOutcome binds.
    attachments_->Unbind(event.session);
    return;
  }
  if (event.kind == Kind::kEnded) {
    if (event.reason == "closed") {
      attachments_->Unbind(event.session);
    } else {
      TellEnded(event.session, event.reason);
    }
    return;
  }
  const auto kind = SessionEventOf(event.kind);
  if (kind == v1::SessionEvent::UNSPECIFIED || event.session.empty()) return;
  v1::SessionEvent told;
  told.set_kind(kind);
  told.set_handle(event.holding.handle());
  told.set_feature(event.feature);
  told.set_reason(event.kind == Kind::kRemoved ? "removed by an administrator" : event.reason);
  told.set_ticket(event.ticket);
  told.set_code(event.code);
  if (kind == v1::SessionEvent::GRANTED) *told.mutable_granted() = event.granted;
  Tell(event.session, std::move(told));
}

// Through its connection here, if it has one.
void ClientDesk::Tell(const std::string& session, v1::SessionEvent event) {
  const auto connection = attachments_->ConnectionOf(session);
  if (!connection || *connection == 0) return;
  v1::ServerMessage message;
  event.set_session(session);
  *message.mutable_event() = std::move(event);
  env_->clients->Send(*connection, std::move(message));
}

// What the events between two states of a session would have said.
void ClientDesk::TellDifferences(const v1::SessionState& before, const v1::SessionState& now) {
  std::map<uint64_t, const v1::Holding*> held;
  for (const v1::Holding& holding : before.holdings()) held[holding.handle()] = &holding;
  std::map<uint64_t, v1::Granted> granted;
  for (const v1::Holding& holding : now.holdings()) {
    const auto old = held.find(holding.handle());
    if (old == held.end() && holding.ticket() != 0) {
      *granted[holding.ticket()].add_holdings() = holding;
    }
    const std::string was = old == held.end() ? "" : old->second->violation();
    if (old != held.end()) held.erase(old);
    if (holding.violation() == was) continue;
    v1::SessionEvent event;
    const bool restored = holding.violation().empty();
    event.set_kind(restored ? v1::SessionEvent::RESTORED : v1::SessionEvent::VIOLATION);
    event.set_handle(holding.handle());
    event.set_feature(holding.feature());
    event.set_reason(restored ? was : holding.violation());
    Tell(now.session(), std::move(event));
  }
  for (auto& [ticket, holdings] : granted) {
    holdings.set_ticket(ticket);
    v1::SessionEvent event;
    event.set_kind(v1::SessionEvent::GRANTED);
    event.set_ticket(ticket);
    *event.mutable_granted() = holdings;
    Tell(now.session(), std::move(event));
  }
  std::set<uint64_t> waiting;
  for (const v1::Waiting& waiter : now.waiting()) waiting.insert(waiter.ticket());
  for (const v1::Waiting& waiter : before.waiting()) {
    if (waiting.contains(waiter.ticket()) || granted.contains(waiter.ticket())) continue;
    v1::SessionEvent event;
    event.set_kind(v1::SessionEvent::DEQUEUED);
    event.set_ticket(waiter.ticket());
    event.set_reason(std::string(kWhileBehind));
    Tell(now.session(), std::move(event));
  }
  for (const auto& [handle, holding] : held) {
    v1::SessionEvent event;
    event.set_kind(v1::SessionEvent::RECLAIMED);
    event.set_handle(handle);
    event.set_feature(holding->feature());
    event.set_reason(std::string(kWhileBehind));
    Tell(now.session(), std::move(event));
  }
}

void ClientDesk::TellEnded(const std::string& session, absl::string_view reason) {
  const auto connection = attachments_->ConnectionOf(session);
  attachments_->Unbind(session);
  if (!connection || *connection == 0) return;
  v1::ServerMessage message;
  auto* told = message.mutable_event();
  told->set_session(session);
  told->set_kind(v1::SessionEvent::REMOVED);
  told->set_reason(std::string(reason));
  env_->clients->Send(*connection, std::move(message));
}

void ClientDesk::OnJump(const license::Ledger& before) {
  const std::set<std::string> closing = proposals_->Closing();
  for (const auto& [session, attachment] : attachments_->sessions()) {
    const auto* known = ledger_->FindSession(session);
    if (known == nullptr && !closing.contains(session)) {
      TellEnded(session, kWhileBehind);
    } else if (known == nullptr || known->attachment != attachment || known->node != config_.slot) {
      attachments_->Unbind(session);
    } else if (const auto* old = before.FindSession(session); old != nullptr) {
      TellDifferences(before.StateOf(*old), ledger_->StateOf(*known));
    }
  }
}

void ClientDesk::OnReportAnswer(const v1::SessionReportAnswer& answer) {
  for (auto& [connection, acks] : attachments_->OnReportAnswer(answer, env_->clock->NowMs())) {
    if (connection == 0) continue;
    v1::ServerMessage message;
    *message.mutable_heartbeat() = std::move(acks);
    env_->clients->Send(connection, std::move(message));
  }
}

void ClientDesk::AnswerSession(const Origin& origin, const v1::SessionState& state) {
  if (!open_.contains(origin.connection)) {
    // The connection broke before its answer: the application is not attached through it. One that
    // this node closed says nothing about the application (see OnClosed): its silence will.
    if (hung_up_.contains(origin.connection)) SubmitDetach(origin.session, origin.attachment);
    return;
  }
  if (state.attachment() == origin.attachment && !unary_.contains(origin.connection) &&
      !attachments_->Bind(origin.connection, origin.session, origin.attachment)) {
    SubmitDetach(origin.session, origin.attachment);
    v1::Failure failure;
    failure.set_why(v1::Failure::OVERLOADED);
    failure.set_reason("too many sessions on one connection: open another");
    failure.set_certain(false);  // it is attached, and about to be detached
    failure.set_retry_after_ms(kRetryAfterMs);
    return OnFailure(origin, failure);
  }
  v1::ServerMessage message;
  message.set_id(origin.message_id);
  auto* opened = message.mutable_opened();
  *opened->mutable_state() = state;
  opened->set_token(origin.token);
  opened->set_node(config_.slot);
  opened->set_reset_grace_ms(config_.reset_grace_ms);
  opened->set_protocol(config_.protocol);
  env_->clients->Send(origin.connection, std::move(message));
}

void ClientDesk::OnOutcome(const Origin& origin, const v1::Outcome& outcome) {
  if (origin.kind > Origin::Kind::kClose) return;
  if (outcome.has_refused()) {
    Fail(origin.connection, origin.message_id, FailureOf(outcome.refused().why()),
         outcome.refused().reason());
    return;
  }
  if (outcome.has_session()) {
    AnswerSession(origin, outcome.session());
    return;
  }
  v1::ServerMessage message;
  message.set_id(origin.message_id);
  *message.mutable_outcome() = outcome;
  env_->clients->Send(origin.connection, std::move(message));
}

void ClientDesk::OnFailure(const Origin& origin, const v1::Failure& failure) {
  if (origin.kind > Origin::Kind::kClose) return;
  v1::ServerMessage message;
  message.set_id(origin.message_id);
  *message.mutable_failure() = failure;
  env_->clients->Send(origin.connection, std::move(message));
}

void ClientDesk::Fail(ConnectionId connection, uint64_t id, v1::Failure::Why why,
                      absl::string_view reason) {
  v1::ServerMessage message;
  message.set_id(id);
  auto* failure = message.mutable_failure();
  failure->set_why(why);
  failure->set_reason(std::string(reason));
  failure->set_certain(true);
  failure->set_retry_after_ms(kRetryAfterMs);
  env_->clients->Send(connection, std::move(message));
}

}  // namespace triad::server
