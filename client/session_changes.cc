// The part of Session that is about what changes without a checkout or a check-in: waiting in
// queues, resizing, idling, borrowing.
//
// A checkout that waits has its answer (a ticket); what becomes of it is a pushed event, or stands
// in the state that the next attach answers with. Both are heard, in any order.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/session.h"

namespace triad::client {
namespace {

// Beyond the limit of a wait, by our clock: the cluster's stands still while it has no leader.
constexpr int64_t kWaitSlackMs = 5'000;
// Tickets that were pushed before the answer that names them; more than can be on their way.
constexpr size_t kEarlyMax = kRequestsMax;

Status Cancelled(absl::string_view feature) {
  Status status = MakeStatus(ErrorKind::kCancelled, -35, "no longer waiting in the queue");
  status.feature = std::string(feature);
  return status;
}

}  // namespace

// --- queues ---

Session::Call* Session::FindTicket(uint64_t ticket) {
  for (auto& [key, call] : calls_) {
    if (call.queued && call.ticket == ticket) return &call;
  }
  return nullptr;
}

void Session::OnQueued(Call& call, const v1::Queued& queued) {
  for (const auto& [server, sent] : call.out) sent_.erase(sent.first);
  call.out.clear();
  SetDue(call, INT64_MAX);
  if (call.abandoned || !call.done) {
    SendCancelWait(queued.ticket());
    return Finish(call);
  }
  call.queued = true;
  call.ticket = queued.ticket();
  call.queued_ms = Now();
  call.deadline_ms = INT64_MAX;
  const int64_t limit_ms = call.checkout.wait_ms();
  SetLook(call, limit_ms > 0 ? Now() + limit_ms + kWaitSlackMs : INT64_MAX);
  auto early = early_.find(call.ticket);
  if (early == early_.end()) {
    // An answer to one of several copies may be older than what has become of the ticket since, and
    // the news of that may have gone to a connection that is no more.
    if (call.attempts > 1) Reattach("the queue is to be looked at again", true);
    return TellQueued(call, queued.position());
  }
  const v1::SessionEvent event = std::move(early->second);
  early_.erase(early);
  OnQueueEvent(event);
}

void Session::TellQueued(Call& call, uint64_t position) {
  if (call.position == position) return;
  call.position = position;
  Event event;
  event.kind = Event::Kind::kQueued;
  event.feature = Name(call);
  event.count = position;
  event.reason = absl::StrCat("waiting, place ", position, " in the queue");
  Emit(std::move(event));
}

void Session::OnQueueEvent(const v1::SessionEvent& event) {
  Call* call = FindTicket(event.ticket());
  if (call == nullptr) {
    // Those of others' making (a grant that was heard of before) stay: the oldest make room.
    if (early_.size() == kEarlyMax) early_.erase(early_.begin());
    early_[event.ticket()] = event;
  } else if (event.kind() == v1::SessionEvent::GRANTED) {
    OnGrantedFromQueue(*call, event.granted());
  } else {
    Dequeue(*call, event.code() == 0 ? -4 : event.code(), event.reason());
  }
}

void Session::OnGrantedFromQueue(Call& call, const v1::Granted& granted) {
  call.queued = false;
  call.granted = granted;
  call.granted_node = node_;
  OnGranted(call);
}

void Session::Dequeue(Call& call, int32_t code, absl::string_view reason) {
  call.queued = false;
  OnDenied(call, MakeStatus(ErrorKind::kDenied, code, reason));
}

void Session::ReconcileQueues(const v1::SessionState& state, int64_t asked_ms) {
  std::map<uint64_t, std::map<uint64_t, const v1::Holding*>> granted;  // by ticket, handle
  for (const v1::Holding& holding : state.holdings()) {
    if (holding.ticket() != 0) granted[holding.ticket()][holding.handle()] = &holding;
  }
  std::map<uint64_t, uint64_t> waiting;  // ticket, position
  for (const v1::Waiting& row : state.waiting()) waiting[row.ticket()] = row.position();
  std::vector<uint64_t> queued;
  for (const auto& [key, call] : calls_) {
    if (call.queued) queued.push_back(key);
  }
  for (uint64_t key : queued) {
    auto it = calls_.find(key);
    if (it == calls_.end()) continue;
    Call& call = it->second;
    auto grant = granted.find(call.ticket);
    auto place = waiting.find(call.ticket);
    if (grant != granted.end()) {
      v1::Granted holdings;
      for (const auto& [handle, holding] : grant->second) *holdings.add_holdings() = *holding;
      OnGrantedFromQueue(call, holdings);
    } else if (place != waiting.end()) {
      TellQueued(call, place->second);
    } else if (call.queued_ms < asked_ms) {
      Dequeue(call, -4, "left the queue without a license while the connection was away");
    } else {
      // This state may be from before it queued: ask again.
      Reattach("the queue is to be looked at again", true);
    }
  }
}

void Session::CancelWaits() {
  NoteAwake();
  std::vector<uint64_t> waiting;
  for (const auto& [key, call] : calls_) {
    const bool waits = call.kind == Call::Kind::kCheckout && call.checkout.wait();
    if (waits && call.done && !call.granted.has_value()) waiting.push_back(key);
  }
  for (uint64_t key : waiting) {
    Call& call = calls_.at(key);
    TellDone(call, Cancelled(Name(call)));
    if (call.queued) {
      SendCancelWait(call.ticket);
      Finish(call);
    } else if (call.seq == 0) {
      Finish(call);
    } else {
      call.abandoned = true;
    }
  }
  Step();
}

// If the grant came first, this gives it back.
void Session::SendCancelWait(uint64_t ticket) {
  Call& call = NewCall(Call::Kind::kCancelWait);
  call.op.mutable_cancel_wait()->set_ticket(ticket);
  SetDue(call, call.started_ms);
}

// --- resizing ---

void Session::StartResize(LicenseId license, uint64_t count, CountMode mode, int64_t timeout_ms,
                          Done done) {
  NoteAwake();
  auto it = held_.find(license);
  Status refused;
  if (it == held_.end() || closing_ || closed_) {
    refused = MakeStatus(ErrorKind::kUsage, -42, "this license was returned before");
  } else if (it->second.view.state == LicenseState::kLost) {
    refused = MakeStatus(ErrorKind::kLost, -41, "the cluster has freed this license");
  } else if (waiting_ >= kRequestsMax) {
    refused = MakeStatus(ErrorKind::kOverloaded, 0, "too many requests wait for their answers");
  }
  if (!refused.ok()) {
    if (it != held_.end()) refused.feature = it->second.view.feature;
    if (done) later_.push_back([done = std::move(done), refused] { done(refused); });
    return Step();
  }
  Call& call = NewCall(Call::Kind::kResize);
  call.licenses = {license};
  call.op.mutable_resize()->set_handle(it->second.view.handle);
  call.op.mutable_resize()->set_count(count);
  call.op.mutable_resize()->set_mode(WireMode(mode));
  ExpectAnswer(call, timeout_ms, [done = std::move(done)](const Status& status, const auto&) {
    if (done) done(status);
  });
  Step();
}

// Somebody waits for the end of `call`.
void Session::ExpectAnswer(Call& call, int64_t timeout_ms, CheckoutDone done) {
  call.done = std::move(done);
  ++waiting_;
  call.deadline_ms = call.started_ms + timeout_ms;
  SetLook(call, std::min(call.deadline_ms, call.started_ms + (call.hurry ? 0 : kNoQuorumMs)));
  SetDue(call, call.started_ms);
}

void Session::OnResized(Call& call, const v1::Outcome& outcome) {
  Status status;
  auto it = held_.find(call.licenses[0]);
  if (outcome.has_denied()) {
    status = MakeStatus(ErrorKind::kDenied, outcome.denied().code(), outcome.denied().reason());
    status.feature = Name(call);
    Note(1, status.ToString());
  } else if (it != held_.end() && it->second.view.handle == call.op.resize().handle()) {
    Held& held = it->second;
    held.resized_ms = Now();
    held.view.count = call.op.resize().count();
    if (outcome.granted().holdings_size() > 0) {
      held.view.count = outcome.granted().holdings(0).count();
    }
    TellLicense(it->first, held);
  }
  TellDone(call, status);
  Finish(call);
}

// --- idling ---

bool Session::SetIdle(LicenseId license, bool idle) {
  NoteAwake();
  auto it = held_.find(license);
  if (it == held_.end() || closing_ || closed_) return false;
  Held& held = it->second;
  held.idle = idle;
  if (held.asleep && !idle) {  // used again: asked for again
    held.asleep = false;
    held.regrant_ms = Now();
  }
  TellIdle(license, held);
  Step();
  return true;
}

void Session::SetIdleAll(bool idle) {
  std::vector<LicenseId> all;
  for (const auto& [id, held] : held_) all.push_back(id);
  for (LicenseId id : all) (void)SetIdle(id, idle);
}

// One at a time, so that the last word is the cluster's as well.
void Session::TellIdle(LicenseId id, Held& held) {
  const bool lost = held.view.state == LicenseState::kLost;
  if (lost || held.idle_call != 0 || held.idle == held.idle_told) return;
  Call& call = NewCall(Call::Kind::kSetIdle);
  call.licenses = {id};
  call.op.mutable_set_idle()->set_handle(held.view.handle);
  call.op.mutable_set_idle()->set_idle(held.idle);
  held.idle_call = call.key;
  SetDue(call, call.started_ms);
}

void Session::OnIdleTold(Call& call) {
  const LicenseId id = call.licenses[0];
  const bool idle = call.op.set_idle().idle();
  const uint64_t handle = call.op.set_idle().handle();
  Finish(call);
  auto it = held_.find(id);
  if (it == held_.end() || it->second.view.handle != handle) return;
  it->second.idle_told = idle;
  TellIdle(id, it->second);
}

// --- borrowing ---

void Session::StartBorrow(const CheckoutRequest& request, int64_t until_wall_ms, int64_t timeout_ms,
                          const BorrowDone& done) {
  NoteAwake();
  if (closing_ || closed_ || waiting_ >= kRequestsMax) {
    Status status = MakeStatus(ErrorKind::kUsage, -42, "the client is closed");
    if (!closing_ && !closed_) status = MakeStatus(ErrorKind::kOverloaded, 0, "too many requests");
    status.feature = request.feature;
    later_.push_back([done, status] { done(status, {}); });
    return Step();
  }
  Call& call = NewCall(Call::Kind::kBorrow);
  auto* item = call.op.mutable_borrow()->mutable_item();
  item->set_feature(request.feature);
  item->set_version(request.version);
  item->set_count(request.count);
  item->set_checkout_data(request.checkout_data);
  call.op.mutable_borrow()->set_until_wall_ms(until_wall_ms);
  call.borrow = std::make_shared<BorrowGrant>();
  ExpectAnswer(call, timeout_ms, [grant = call.borrow, done](const Status& status, const auto&) {
    done(status, *grant);
  });
  Step();
}

void Session::StartReturnBorrowed(uint64_t handle, int64_t timeout_ms, Done done) {
  NoteAwake();
  if (closing_ || closed_) {
    const Status status = MakeStatus(ErrorKind::kUsage, -42, "the client is closed");
    if (done) later_.push_back([done = std::move(done), status] { done(status); });
    return Step();
  }
  ReturnBorrowedHandle(handle, timeout_ms, std::move(done));
  Step();
}

void Session::ReturnBorrowedHandle(uint64_t handle, int64_t timeout_ms, Done done) {
  Call& call = NewCall(Call::Kind::kReturnBorrowed);
  call.op.mutable_return_borrowed()->set_handle(handle);
  if (!done) return SetDue(call, call.started_ms);
  ExpectAnswer(call, timeout_ms,
               [done = std::move(done)](const Status& status, const auto&) { done(status); });
}

}  // namespace triad::client
