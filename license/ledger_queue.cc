// Those who wait for licenses: strictly in their order, pool by pool.
//
// A place in the queue is a ticket, and is kept in a row until the checkout is granted, given up,
// or can never be granted. Whoever waits stands in the queues of all pools that would do, and is
// served when it may take from them: when nobody before it waits for them (grant.h says what it may
// have all the same).
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/ledger_words.h"

namespace triad::license {

v1::Outcome Ledger::Enqueue(Session& session, const v1::Checkout& checkout, v1::Outcome no,
                            Events& events) {
  if (session.waiting.size() >= kWaitingPerSessionMax) {
    return Refuse(v1::Refused::TOO_MANY_PENDING, absl::StrCat("a session waits for at most ",
                                                              kWaitingPerSessionMax, " checkouts"));
  }
  if (state_.waiters().size() >= kWaitingMax) {
    return Refuse(v1::Refused::TOO_MANY_PENDING,
                  absl::StrCat("at most ", kWaitingMax, " checkouts wait"));
  }
  if (auto never = Hopeless(state_, session, checkout)) return *std::move(never);
  Waiter waiter;
  waiter.pools = PoolsToWaitFor(state_, session, checkout);
  if (waiter.pools.empty()) return no;
  waiter.ticket = state_.TakeHandles(static_cast<uint64_t>(checkout.items_size()));
  waiter.session = &session;
  waiter.checkout = checkout;
  waiter.since_ms = cluster_ms();
  waiter.since_wall_ms = wall_ms();
  waiter.since_utc_offset_s = utc_offset_s();
  waiter.ends_ms = checkout.wait_ms() == 0 ? 0 : cluster_ms() + checkout.wait_ms();
  const Waiter& queued = state_.AddWaiter(std::move(waiter));
  LedgerEvent event = EventOf(LedgerEvent::Kind::kQueued, session);
  event.ticket = queued.ticket;
  event.feature = no.has_denied() ? no.denied().feature() : checkout.items(0).feature();
  events.push_back(std::move(event));
  v1::Outcome outcome;
  outcome.mutable_queued()->set_ticket(queued.ticket);
  outcome.mutable_queued()->set_position(state_.LastPositionOf(queued));
  return outcome;
}

void Ledger::Dequeue(uint64_t ticket, absl::string_view reason, int32_t code, Events& events) {
  const Waiter& waiter = *state_.FindWaiter(ticket);
  LedgerEvent event = EventOf(LedgerEvent::Kind::kDequeued, *waiter.session);
  event.ticket = ticket;
  event.feature = waiter.checkout.items(0).feature();
  event.reason = std::string(reason);
  event.code = code;
  events.push_back(std::move(event));
  state_.RemoveWaiter(ticket);
}

v1::Outcome Ledger::ApplyCancelWait(Session& session, const v1::CancelWait& cancel,
                                    Events& events) {
  const uint64_t ticket = cancel.ticket();
  if (session.waiting.contains(ticket)) {
    Dequeue(ticket, "cancelled", 0, events);
    return Done();
  }
  // The grant came first: what it gave goes back.
  bool any = false;
  for (uint64_t handle = ticket; handle < ticket + kItemsPerCheckoutMax; ++handle) {
    if (!session.handles.contains(handle)) continue;
    const Checkout& checkout = *FindCheckout(handle);
    if (checkout.extra == nullptr || checkout.extra->ticket != ticket) continue;
    Release(handle, "", After::kLinger, events);
    any = true;
  }
  if (any) return Done();
  return Malformed(absl::StrCat("ticket ", ticket, " does not wait and holds nothing"));
}

void Ledger::ServeQueues(Events& events) {
  while (state_.AnyFreed()) {
    for (uint64_t pool : state_.TakeFreed()) ServePool(pool, events);
  }
}

// Whoever cannot be served holds up all behind; only what is set aside for them, lingers for them
// or is shared by them already they may have before.
void Ledger::ServePool(uint64_t pool, Events& events) {
  uint64_t next = 0;
  while (const PoolUse* use = state_.FindUse(pool)) {
    auto place = use->queue.lower_bound(next);
    if (place == use->queue.end()) return;
    next = *place + 1;
    if (Serve(*state_.FindWaiter(*place), events) == Served::kGone) continue;
    use = state_.FindUse(pool);
    if (use == nullptr) return;
    if (use->reservations.empty() && use->lingers.empty() && use->groups.empty()) return;
  }
}

Ledger::Served Ledger::Serve(const Waiter& waiter, Events& events) {
  Session& session = *waiter.session;
  const uint64_t ticket = waiter.ticket;
  auto decision = Decide({.session = &session, .ticket = ticket}, waiter.checkout);
  if (const auto* no = std::get_if<v1::Outcome>(&decision)) {
    if (MayWait(*no) || cluster_ms() < no_grants_until_ms()) return Served::kStays;
    if (no->denied().code() == ToNumber(DenialCode::kVendorDown)) return Served::kStays;
    const bool denied = no->has_denied();
    Dequeue(ticket, denied ? no->denied().reason() : no->refused().reason(),
            denied ? no->denied().code() : 0, events);
    return Served::kGone;
  }
  const v1::Checkout checkout = waiter.checkout;
  state_.RemoveWaiter(ticket);
  LedgerEvent event = EventOf(LedgerEvent::Kind::kGranted, session);
  event.ticket = ticket;
  event.granted = Give(session, checkout, std::get<std::vector<Grant>>(decision), ticket, events);
  event.feature = event.granted.holdings(0).feature();
  events.push_back(std::move(event));
  return Served::kGone;
}

void Ledger::Requeue(Events& events) {
  std::vector<uint64_t> tickets;
  for (const auto& [ticket, waiter] : state_.waiters()) tickets.push_back(ticket);
  for (uint64_t ticket : tickets) {
    const Waiter& waiter = *state_.FindWaiter(ticket);
    std::vector<uint64_t> pools = PoolsToWaitFor(state_, *waiter.session, waiter.checkout);
    if (const auto never = Hopeless(state_, *waiter.session, waiter.checkout)) {
      Dequeue(ticket, never->denied().reason(), never->denied().code(), events);
      continue;
    }
    if (!pools.empty()) state_.MoveWaiter(ticket, pools);
    for (uint64_t pool : waiter.pools) state_.NoteFreed(pool);
  }
}

}  // namespace triad::license
