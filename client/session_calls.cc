// The part of Session that is about requests: numbering, sending again, what answers mean. Being
// attached is in session.cc, what becomes of a grant in session_grants.cc.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/session.h"

namespace triad::client {
namespace {

// How far seq may run ahead for a check-in; the ledger's window has room for these on top.
constexpr uint64_t kCheckinReserve = 20;
// A second look for "no quorum", when nodes that do not answer at all have become silent.
constexpr int64_t kSecondLookMs = 1'900;

v1::Failure FailureOf(const v1::Refused& refused) {
  v1::Failure failure;
  failure.set_reason(refused.reason());
  failure.set_certain(true);
  switch (refused.why()) {
    case v1::Refused::SESSION_UNKNOWN:
      failure.set_why(v1::Failure::SESSION_UNKNOWN);
      break;
    case v1::Refused::BAD_TOKEN:
      failure.set_why(v1::Failure::BAD_TOKEN);
      break;
    case v1::Refused::STALE_ATTACHMENT:
      failure.set_why(v1::Failure::STALE_ATTACHMENT);
      break;
    case v1::Refused::TOO_MANY_PENDING:
    case v1::Refused::SESSION_TABLE_FULL:
      failure.set_why(v1::Failure::OVERLOADED);
      break;
    default:
      failure.set_why(v1::Failure::REFUSED);
      break;
  }
  return failure;
}

}  // namespace

v1::CountMode WireMode(CountMode mode) {
  switch (mode) {
    case CountMode::kExact:
      return v1::EXACT;
    case CountMode::kUpTo:
      return v1::UP_TO;
    case CountMode::kAll:
      return v1::ALL;
  }
  return v1::EXACT;
}

Status MakeStatus(ErrorKind kind, int code, absl::string_view message) {
  Status status;
  status.kind = kind;
  status.code = code;
  status.message = std::string(message);
  return status;
}

// --- inputs ---

void Session::StartCheckout(const std::vector<CheckoutRequest>& requests, int64_t timeout_ms,
                            CheckoutDone done, const Terms& terms) {
  NoteAwake();
  Status refused;
  if (closing_ || closed_) refused = MakeStatus(ErrorKind::kUsage, -42, "the client is closed");
  if (waiting_ >= kRequestsMax) {
    refused = MakeStatus(ErrorKind::kOverloaded, 0,
                         absl::StrCat("more than ", kRequestsMax,
                                      " requests of this application wait for their answers"));
  }
  if (!refused.ok()) {
    if (!requests.empty()) refused.feature = requests[0].feature;
    later_.push_back([done = std::move(done), refused] { done(refused, {}); });
    return Step();
  }
  Call& call = NewCall(Call::Kind::kCheckout);
  for (const CheckoutRequest& request : requests) {
    auto* item = call.checkout.add_items();
    item->set_feature(request.feature);
    item->set_version(request.version);
    item->set_count(std::max<uint64_t>(request.count, 1));
    item->set_mode(WireMode(request.mode));
    item->set_checkout_data(request.checkout_data);
    item->set_dup_mask(request.dup_group);
  }
  call.checkout.set_wait(terms.wait);
  call.checkout.set_wait_ms(static_cast<uint32_t>(
      std::clamp<int64_t>(terms.wait_limit_ms, 0, std::numeric_limits<uint32_t>::max())));
  call.checkout.set_user(terms.user);
  call.checkout.set_time_limit_ms(static_cast<uint64_t>(std::max<int64_t>(terms.time_limit_ms, 0)));
  call.hurry = terms.hurry;
  ExpectAnswer(call, timeout_ms, std::move(done));
  Step();
}

void Session::StartCheckin(LicenseId license, int64_t timeout_ms, Done done) {
  NoteAwake();
  auto it = held_.find(license);
  if (it == held_.end() || closing_ || closed_) {
    Status status = MakeStatus(ErrorKind::kUsage, -42, "this license was returned before");
    if (done) later_.push_back([done = std::move(done), status] { done(status); });
    return Step();
  }
  Held held = std::move(it->second);
  held_.erase(it);
  const bool lost = held.view.state == LicenseState::kLost;
  held.view.state = LicenseState::kReturned;
  held.view.usable = false;
  TellLicense(license, held);
  CheckoutDone told;
  if (done) {
    told = [done = std::move(done)](const Status& status, const std::vector<LicenseId>&) {
      done(status);
    };
  }
  if (!lost) {
    CheckinHandle(held.view.handle, Now() + timeout_ms, std::move(told));
    return Step();
  }
  LeaveRegrant(license, held);
  if (told) later_.push_back([told = std::move(told)] { told(Status(), {}); });
  Step();
}

void Session::CheckinHandle(uint64_t handle, int64_t deadline_ms, CheckoutDone done) {
  Call& call = NewCall(Call::Kind::kCheckin);
  call.handle = handle;
  if (!done) return SetDue(call, call.started_ms);
  ExpectAnswer(call, deadline_ms - call.started_ms, std::move(done));
}

// --- the table of calls ---

Session::Call& Session::NewCall(Call::Kind kind) {
  const uint64_t key = next_key_++;
  Call& call = calls_[key];
  call.key = key;
  call.kind = kind;
  call.started_ms = Now();
  return call;
}

void Session::SetDue(Call& call, int64_t due_ms) {
  if (call.due_ms != INT64_MAX) due_.erase({call.due_ms, call.key});
  call.due_ms = due_ms;
  if (due_ms != INT64_MAX) due_.insert({due_ms, call.key});
}

void Session::SetLook(Call& call, int64_t look_ms) {
  if (call.look_ms != INT64_MAX) looks_.erase({call.look_ms, call.key});
  call.look_ms = look_ms;
  if (look_ms != INT64_MAX) looks_.insert({look_ms, call.key});
}

// There is a new way to send: those that are on no way take it.
void Session::AllCallsDue() {
  for (auto& [key, call] : calls_) {
    const bool nowhere = std::all_of(call.out.begin(), call.out.end(), [this](const auto& out) {
      return links_.SilentFor(out.first, kSilentMs);
    });
    if (nowhere && !call.granted.has_value() && !call.queued) SetDue(call, Now());
  }
}

void Session::TellDone(Call& call, const Status& status, std::vector<LicenseId> licenses) {
  if (!call.done) return;
  later_.push_back([done = std::move(call.done), status, licenses = std::move(licenses)] {
    done(status, licenses);
  });
  call.done = nullptr;
  --waiting_;
  SetLook(call, INT64_MAX);
}

void Session::Finish(Call& call) {
  SetDue(call, INT64_MAX);
  SetLook(call, INT64_MAX);
  for (const auto& [server, sent] : call.out) sent_.erase(sent.first);
  if (call.kind == Call::Kind::kResize || call.kind == Call::Kind::kSetIdle) {
    auto held = held_.find(call.licenses[0]);
    if (held != held_.end() && held->second.idle_call == call.key) held->second.idle_call = 0;
    if (held != held_.end() && held->second.resize_call == call.key) {
      held->second.resize_call = 0;
      AllCallsDue();  // the next one may go
      SetDue(call, INT64_MAX);
    }
  }
  calls_.erase(call.key);
}

bool Session::IsGrant(const Call& call) const {
  return call.kind == Call::Kind::kCheckout || call.kind == Call::Kind::kRegrant ||
         call.kind == Call::Kind::kBorrow;
}

void Session::Fail(Call& call, Status status) {
  status.certain = !call.uncertain && call.out.empty() && !call.granted.has_value();
  if (status.feature.empty()) status.feature = Name(call);
  Note(1, status.ToString());
  TellDone(call, status);
  const bool kept = !IsGrant(call) && call.kind != Call::Kind::kResize;
  if (kept) return;  // goes on until it is answered
  if (call.granted.has_value()) {
    GiveBack(call);
    Finish(call);
  } else if (status.certain) {
    if (call.seq != 0) MarkAnswered(call.seq);
    Finish(call);
  } else {
    call.abandoned = true;
  }
}

void Session::MarkAnswered(uint64_t seq) {
  if (seq <= acked_) return;
  answered_.insert(seq);
  while (!answered_.empty() && *answered_.begin() == acked_ + 1) {
    answered_.erase(answered_.begin());
    ++acked_;
  }
  if (!window_full_) return;
  window_full_ = false;
  AllCallsDue();
}

void Session::ForgetServer(size_t server) {
  for (auto it = sent_.begin(); it != sent_.end();) {
    it = it->second.server == server ? sent_.erase(it) : std::next(it);
  }
  for (auto& [key, call] : calls_) {
    if (call.out.erase(server) == 0) continue;
    call.uncertain = true;
    if (!call.granted.has_value()) SetDue(call, Now());
  }
  for (auto& [id, pool] : pools_) {
    if (!pool.proof.has_value() && pool.last_server == server) pool.due_ms = Now();
  }
}

// The session is gone, and with it every effect that its requests have had.
void Session::ResetCalls() {
  for (auto it = calls_.begin(); it != calls_.end();) {
    Call& call = it->second;
    ++it;
    call.out.clear();
    call.granted.reset();
    switch (call.kind) {
      case Call::Kind::kCheckin:
      case Call::Kind::kSetIdle:
      case Call::Kind::kCancelWait:
        TellDone(call, Status());
        Finish(call);
        continue;
      case Call::Kind::kResize: {
        Status lost = MakeStatus(ErrorKind::kLost, -41, "the cluster has freed this license");
        lost.feature = Name(call);
        TellDone(call, lost);
        Finish(call);
        continue;
      }
      case Call::Kind::kBorrow: {
        // What it brought outlives the session, and nobody can tell whether it brought anything.
        Status lost = MakeStatus(ErrorKind::kLost, 0, "the session ended while it was asked for");
        lost.certain = call.seq == 0;
        lost.feature = Name(call);
        TellDone(call, lost);
        Finish(call);
        continue;
      }
      default:
        break;
    }
    if (call.abandoned) {
      Finish(call);
      continue;
    }
    if (call.queued && call.checkout.wait_ms() > 0) {  // waits again, for what is left
      const int64_t left = call.queued_ms + call.checkout.wait_ms() - Now();
      call.checkout.set_wait_ms(static_cast<uint32_t>(std::max<int64_t>(left, 1)));
    }
    call.queued = false;
    call.ticket = 0;
    call.seq = 0;
    call.attempts = 0;
    call.uncertain = false;
    SetDue(call, Now());
  }
}

std::string Session::Name(const Call& call) const {
  if (call.checkout.items_size() > 0) return call.checkout.items(0).feature();
  if (call.op.has_borrow()) return call.op.borrow().item().feature();
  if (call.kind != Call::Kind::kResize) return "";
  auto held = held_.find(call.licenses[0]);
  return held == held_.end() ? "" : held->second.view.feature;
}

// --- sending ---

void Session::StepCalls() {
  const int64_t now = Now();
  StartRegrants();
  while (!looks_.empty() && looks_.begin()->first <= now) {
    CheckCallTime(calls_.at(looks_.begin()->second));
  }
  if (no_quorum_news_) {
    no_quorum_news_ = false;
    std::vector<uint64_t> waiting;
    for (const auto& [key, call] : calls_) {
      const bool old = call.hurry || now >= call.started_ms + kNoQuorumMs;
      if (call.done && old && !call.queued) waiting.push_back(key);
    }
    for (uint64_t key : waiting) CheckCallTime(calls_.at(key));
  }
  SendDescribes();
  while (!due_.empty() && due_.begin()->first <= now) {
    Call& call = calls_.at(due_.begin()->second);
    if (!SendCall(call)) SetDue(call, NextTry(call));
  }
}

int64_t Session::NextCallTimer() const {
  int64_t next = INT64_MAX;
  if (!due_.empty()) next = std::min(next, due_.begin()->first);
  if (!looks_.empty()) next = std::min(next, looks_.begin()->first);
  if (!token_.empty()) {
    for (const auto& [id, held] : held_) next = std::min(next, held.regrant_ms);
  }
  if (links_.connected_count() > 0) {
    for (const auto& [id, pool] : pools_) {
      if (!pool.proof.has_value()) next = std::min(next, pool.due_ms);
    }
  }
  return next;
}

// To the node we are attached to first, unless it wants to be left; then to the others in turn. Not
// to one that has it already, nor to one that has just said that it has no quorum.
std::optional<size_t> Session::PickFor(const Call& call) const {
  const int64_t now = Now();
  auto may = [&](size_t server) {
    auto out = call.out.find(server);
    return (out == call.out.end() || now - out->second.second >= kRetryMsMax) &&
           !links_.SaidNoQuorumSince(server, now - kNoQuorumRetryMs + 1);
  };
  if (call.attempts == 0 && attached_.has_value() && !move_ && may(*attached_) &&
      !links_.SilentFor(*attached_, 2 * kRetryMs)) {
    return attached_;
  }
  return links_.Pick(call.last_server, may);
}

// When to look again for somebody to send it to; INT64_MAX: a connection must come first.
int64_t Session::NextTry(const Call& call) const {
  if (token_.empty() || links_.connected_count() == 0) return INT64_MAX;
  if (window_full_ && call.seq == 0) return INT64_MAX;
  const int64_t pause = call.done ? kNoQuorumRetryMs : kRetryMsMax;
  return Now() + Jittered(*env_.random, pause);
}

bool Session::SendCall(Call& call) {
  if (token_.empty()) return false;        // OnOpened makes it due
  if (call.kind == Call::Kind::kResize) {  // one after the other
    auto held = held_.find(call.licenses[0]);
    if (held != held_.end()) {
      if (held->second.resize_call == 0) held->second.resize_call = call.key;
      if (held->second.resize_call != call.key) return false;
    }
  }
  if (call.seq == 0) {
    const uint64_t window = kSeqWindow + (call.kind == Call::Kind::kCheckin ? kCheckinReserve : 0);
    if (next_seq_ > acked_ + window) {
      window_full_ = true;
      return false;
    }
  }
  const std::optional<size_t> server = PickFor(call);
  if (!server.has_value()) return false;
  if (call.seq == 0) call.seq = next_seq_++;
  v1::ClientMessage message = MakeMessage(call, *server);
  auto earlier = call.out.find(*server);
  if (earlier != call.out.end()) {
    sent_.erase(earlier->second.first);
    call.uncertain = true;
  }
  call.out[*server] = {message.id(), Now()};
  sent_[message.id()] = {Sent::Kind::kCall, *server, call.key};
  call.last_server = *server;
  ++call.attempts;
  SetDue(call, Now() + Jittered(*env_.random, RetryInterval(call.attempts)));
  Note(3, absl::StrCat("request ", call.seq, " to ", links_.name(*server), ", attempt ",
                       call.attempts));
  links_.Send(*server, std::move(message));
  return true;
}

v1::ClientMessage Session::MakeMessage(const Call& call, size_t server) {
  v1::ClientMessage message;
  message.set_id(next_id_++);
  auto* request = message.mutable_request();
  *request = call.op;
  request->set_session(session_);
  // While an attempt is under way, the session may already be attached elsewhere. And while nothing
  // has been executed in it, an open whose answer was lost may have replaced the token: a request
  // must not be what seals the session under one that we do not have.
  if (attached_ != server || !attempts_.empty() || !touched_) request->set_token(token_);
  request->set_seq(call.seq);
  request->set_acked(acked_);
  if (call.kind == Call::Kind::kCheckin) {
    request->mutable_checkin()->set_handle(call.handle);
  } else if (call.kind == Call::Kind::kCheckout || call.kind == Call::Kind::kRegrant) {
    *request->mutable_checkout() = call.checkout;
  }
  return message;
}

void Session::CheckCallTime(Call& call) {
  const int64_t now = Now();
  if (call.queued) {  // the cluster should have said so
    SendCancelWait(call.ticket);
    return Dequeue(call, -4, "no license came free in time");
  }
  auto is_out = [&](size_t server) {
    auto out = call.out.find(server);
    return out != call.out.end() && now - out->second.second < kSilentMs;
  };
  const bool no_quorum =
      now >= call.started_ms + kNoQuorumMs && links_.AllSayNoQuorum(call.started_ms, is_out);
  const bool nobody = call.hurry && !attached_.has_value() && links_.AllFailed();
  if (now >= call.deadline_ms || no_quorum || nobody) return Fail(call, NoAnswer(call));
  int64_t look_ms = call.deadline_ms;
  if (now < call.started_ms + kSecondLookMs) {
    look_ms = std::min(look_ms, call.started_ms + kSecondLookMs);
  }
  SetLook(call, look_ms);
}

Status Session::NoAnswer(const Call& call) const {
  const int64_t waited_ms = Now() - call.started_ms;
  if (links_.connected_count() == 0) {
    return MakeStatus(ErrorKind::kUnreachable, -15,
                      absl::StrCat("cannot connect to license server: ", links_.Describe()));
  }
  const std::string no_quorum = links_.NoQuorumReason(call.started_ms);
  if (!no_quorum.empty()) return MakeStatus(ErrorKind::kNoQuorum, 0, no_quorum);
  if (call.overloaded) return MakeStatus(ErrorKind::kOverloaded, 0, call.overload_reason);
  return MakeStatus(ErrorKind::kTimedOut, 0,
                    absl::StrCat("no answer within ", waited_ms, " ms: ", links_.Describe()));
}

// --- answers ---

void Session::OnCallOutcome(size_t server, Call& call, const v1::Outcome& outcome) {
  if (call.granted.has_value()) return;  // answered before, through another node
  if (outcome.has_refused()) return OnCallFailure(server, call, FailureOf(outcome.refused()));
  touched_ = true;
  MarkAnswered(call.seq);
  if (call.kind == Call::Kind::kResize) return OnResized(call, outcome);
  if (call.kind == Call::Kind::kSetIdle) return OnIdleTold(call);
  if (outcome.has_queued() && call.kind == Call::Kind::kCheckout) {
    OnQueued(call, outcome.queued());
  } else if (outcome.has_granted() && IsGrant(call)) {
    call.granted = outcome.granted();
    auto node = nodes_.find(server);
    call.granted_node = node == nodes_.end() ? static_cast<uint32_t>(server + 1) : node->second;
    for (const auto& [other, sent] : call.out) sent_.erase(sent.first);
    call.out.clear();
    SetDue(call, INT64_MAX);
    OnGranted(call);
  } else if (outcome.has_denied()) {
    Status status =
        MakeStatus(ErrorKind::kDenied, outcome.denied().code(), outcome.denied().reason());
    status.feature = outcome.denied().feature();
    OnDenied(call, std::move(status));
  } else {
    TellDone(call, Status());
    Finish(call);
  }
}

void Session::OnDenied(Call& call, Status status) {
  if (status.feature.empty()) status.feature = Name(call);
  Note(call.kind == Call::Kind::kRegrant ? 2 : 1, status.ToString());
  for (LicenseId id : call.licenses) {
    auto held = held_.find(id);
    const bool asking = held != held_.end() && held->second.regrant_call == call.key;
    if (!asking) continue;
    held->second.overuse_told = true;
    ScheduleRegrant(held->second);
  }
  TellDone(call, status);
  Finish(call);
}

void Session::OnCallFailure(size_t server, Call& call, const v1::Failure& failure) {
  if (call.granted.has_value()) return;
  if (!failure.certain()) call.uncertain = true;
  Note(2, absl::StrCat(links_.name(server), ": request ", call.seq, ": ", failure.reason()));
  switch (failure.why()) {
    case v1::Failure::OVERLOADED:
      return OnOverloaded(call, failure);
    case v1::Failure::DISK_LOW:
      if (call.done) return Fail(call, MakeStatus(ErrorKind::kOverloaded, 0, failure.reason()));
      return SetDue(call, Now() + Jittered(*env_.random, kRetryMsMax));
    case v1::Failure::REFUSED:
      // One node's word (not all know the command yet, as far as it knows): it says nothing of a
      // copy that another has, or may have executed.
      if (!failure.certain() || call.uncertain || !call.out.empty()) {
        return SetDue(call, Now() + Jittered(*env_.random, kNoQuorumRetryMs));
      }
      [[fallthrough]];
    case v1::Failure::MALFORMED:
      // Asked again, it would be refused again.
      MarkAnswered(call.seq);
      return OnDenied(call, MakeStatus(ErrorKind::kUsage, -42, failure.reason()));
    case v1::Failure::SESSION_UNKNOWN:
    case v1::Failure::BAD_TOKEN:
    case v1::Failure::STALE_ATTACHMENT:
      // Attaching finds out what has become of the session; then it is sent again.
      if (attempts_.empty()) Reattach(failure.reason(), true);
      return SetDue(call, Now() + Jittered(*env_.random, kRetryMsMax));
    default:  // no quorum, not ready, no outcome in time: another node may do better
      return SetDue(call, Now());
  }
}

void Session::OnOverloaded(Call& call, const v1::Failure& failure) {
  call.overloaded = true;
  call.overload_reason = failure.reason();
  // A full table's refusal is kept as the answer of this seq: only a new one asks anew. But not
  // while the old one may yet be executed.
  if (failure.certain() && !call.uncertain && call.out.empty()) {
    MarkAnswered(call.seq);
    call.seq = 0;
  }
  const int64_t pause = std::max<int64_t>(failure.retry_after_ms(), kNoQuorumRetryMs);
  SetDue(call, Now() + Jittered(*env_.random, pause));
}

}  // namespace triad::client
