// Carries out what was decided: licenses go out, come back, linger.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "license/ledger_words.h"

namespace triad::license {
namespace {

constexpr uint64_t kMsPerSecond = 1'000;

}  // namespace

namespace {

// Of what shares, the member that has it, then the one who borrowed it, then the one for whom it
// lingers.
struct Shared {
  uint64_t held = 0;
  uint64_t borrowed = 0;
  uint64_t all = 0;
};

void Add(const Checkout& checkout, Shared* shared) {
  shared->all = std::max(shared->all, checkout.count);
  if (checkout.borrowed()) {
    shared->borrowed = std::max(shared->borrowed, checkout.count);
  } else if (!checkout.lingers()) {
    shared->held = std::max(shared->held, checkout.count);
  }
}

// Handles out of the pool that no session works with: all others are used.
absl::btree_set<uint64_t> Apart(const PoolUse& use) {
  absl::btree_set<uint64_t> handles = use.borrows;
  for (const auto& [seat, lingering] : use.lingers) {
    handles.insert(lingering.begin(), lingering.end());
  }
  return handles;
}

}  // namespace

PoolSeats Ledger::SeatsOf(const Pool& pool) const {
  PoolSeats seats;
  seats.licenses = pool.LicensesOn(today());
  seats.overdraft = LicensesAndOverdraft(state_, pool) - seats.licenses;
  const PoolUse* use = state_.FindUse(pool.id);
  if (use == nullptr) {
    seats.free = seats.licenses;
    return seats;
  }
  std::map<std::string, const Group*> groups;
  for (const uint64_t handle : Apart(*use)) {
    const Checkout& checkout = *FindCheckout(handle);
    if (const Group* group = checkout.extra->group; group != nullptr) {
      groups[group->key] = group;
    } else {
      (checkout.borrowed() ? seats.borrowed : seats.lingering) += checkout.count;
    }
  }
  for (const auto& [key, group] : groups) {
    Shared shared;
    for (const uint64_t handle : group->handles) Add(*FindCheckout(handle), &shared);
    const uint64_t kept = std::max(shared.held, shared.borrowed);
    seats.borrowed += kept - shared.held;
    seats.lingering += shared.all - kept;
  }
  seats.used = use->used - seats.borrowed - seats.lingering;
  seats.overdrafted = use->used > seats.licenses ? use->used - seats.licenses : 0;
  uint64_t over = seats.overdrafted;
  for (uint64_t* part : {&seats.used, &seats.lingering, &seats.borrowed}) {
    const uint64_t taken = std::min(*part, over);
    *part -= taken;
    over -= taken;
  }
  uint64_t unused = 0;
  for (const PoolReservation& each : use->reservations) unused += each.count - each.used;
  const uint64_t left = seats.licenses - (use->used - seats.overdrafted);
  seats.reserved = std::min(unused, left);
  seats.free = left - seats.reserved;
  return seats;
}

v1::Granted Ledger::Give(Session& session, const v1::Checkout& checkout,
                         const std::vector<Grant>& grants, uint64_t ticket, Events& events) {
  v1::Granted granted;
  granted.set_ticket(ticket);
  const uint64_t ends_ms =
      checkout.time_limit_ms() == 0 ? 0 : cluster_ms() + checkout.time_limit_ms();
  for (size_t i = 0; i < grants.size(); ++i) {
    const Grant& grant = grants[i];
    const v1::Checkout::Item& item = checkout.items(static_cast<int>(i));
    TakeUpLingers(session, checkout.user(), item.checkout_data(), grant, events);
    const Checkout& given = state_.AddCheckout(session, {.pool = grant.pool,
                                                         .handle = ticket == 0 ? 0 : ticket + i,
                                                         .count = grant.count,
                                                         .version = item.version(),
                                                         .user = checkout.user(),
                                                         .checkout_data = item.checkout_data(),
                                                         .dup_mask = grant.dup_mask,
                                                         .ticket = ticket,
                                                         .ends_ms = ends_ms,
                                                         .overdraft = grant.overdraft});
    if (!grant.dup_mask.empty()) state_.NoteFreed(grant.pool->id);  // others may share it now
    if (grant.suite != nullptr) {
      state_.AddCheckout(session, {.pool = grant.suite,
                                   .count = 1,
                                   .user = checkout.user(),
                                   .dup_mask = grant.suite_mask,
                                   .suite_of = given.handle});
    }
    *granted.add_holdings() = HoldingOf(given);
    events.push_back(EventOf(LedgerEvent::Kind::kCheckedOut, session, given));
  }
  return granted;
}

// What lingers for the same user, host and display is taken up first, the oldest before the others;
// of what is shared only that of the same group.
void Ledger::TakeUpLingers(const Session& session, const std::string& user, absl::string_view data,
                           const Grant& grant, Events& events) {
  const PoolUse* use = state_.FindUse(grant.pool->id);
  if (use == nullptr || use->lingers.empty()) return;
  const std::string& whose = user.empty() ? session.identity.user() : user;
  auto its = use->lingers.find(SeatKeyOf(session.identity, whose));
  if (its == use->lingers.end()) return;
  const std::vector<uint64_t> handles(its->second.begin(), its->second.end());
  const std::string group = GroupKeyOf(grant.dup_mask, session.identity, whose, data);
  uint64_t wanted = grant.count;
  for (uint64_t handle : handles) {
    const Checkout& lingering = *FindCheckout(handle);
    if (lingering.extra->suite_of != 0 || GroupKeyOf(lingering) != group) continue;
    if (wanted == 0 && grant.dup_mask.empty()) break;
    const uint64_t taken = std::min(wanted, lingering.count);
    wanted -= taken;
    // What is shared anyway, or taken up whole, ends; else the rest lingers on.
    if (!grant.dup_mask.empty() || taken == lingering.count) {
      EndLinger(handle, "taken up again", events);
    } else {
      state_.ChangeCheckout(handle, [taken](Checkout& checkout) { checkout.count -= taken; });
    }
  }
}

uint64_t Ledger::LingerMs(const Checkout& checkout) const {
  const Pool* pool = catalog().FindPool(checkout.use->pool);
  if (pool == nullptr || pool->uncounted || !pool->ValidOn(today())) return 0;
  return kMsPerSecond *
         std::max(pool->On(today()).linger_s, catalog().policy().LingerSeconds(*pool));
}

void Ledger::Release(uint64_t handle, absl::string_view reason, After after, Events& events) {
  const Checkout& checkout = *FindCheckout(handle);
  if (checkout.borrowed() && after == After::kLinger) {
    if (checkout.extra->suite != 0) state_.Unhold(checkout.extra->suite);
    state_.Unhold(handle);  // it stays out, whatever becomes of the session
    return;
  }
  LedgerEvent event = EventOf(LedgerEvent::Kind::kCheckedIn, checkout);
  event.reason = std::string(reason);
  events.push_back(std::move(event));
  const uint64_t suite = checkout.extra == nullptr ? 0 : checkout.extra->suite;
  const uint64_t linger_ms =
      after == After::kFree || checkout.session == nullptr ? 0 : LingerMs(checkout);
  if (linger_ms == 0) {
    if (suite != 0) state_.RemoveCheckout(suite);
    state_.RemoveCheckout(handle);
    return;
  }
  event = EventOf(LedgerEvent::Kind::kLingers, checkout);
  if (suite != 0) state_.Unhold(suite);
  state_.Unhold(handle);
  state_.ChangeCheckout(handle, [&](Checkout& lingering) {
    lingering.extra->linger_ms = linger_ms;
    lingering.extra->lingers_until_ms = cluster_ms() + linger_ms;
    lingering.extra->ends_ms = 0;
    lingering.extra->idle_since_ms = 0;
    lingering.extra->reclaims_ms = 0;
  });
  event.holding = HoldingOf(checkout);
  events.push_back(std::move(event));
}

void Ledger::EndLinger(uint64_t handle, absl::string_view reason, Events& events) {
  const Checkout& checkout = *FindCheckout(handle);
  LedgerEvent event = EventOf(LedgerEvent::Kind::kLingerOver, checkout);
  event.reason = std::string(reason);
  events.push_back(std::move(event));
  const uint64_t suite = checkout.extra->suite;
  if (suite != 0) state_.RemoveCheckout(suite);
  state_.RemoveCheckout(handle);
}

// Time itself ends them only with the next TimePasses; a checkout that would be denied does not
// wait for that.
bool Ledger::EndLingersOver(Events& events) {
  std::vector<uint64_t> over;
  for (const Due& due : state_.due()) {
    if (due.at_ms > cluster_ms()) break;
    if (due.what == Due::What::kLinger) over.push_back(due.number);
  }
  for (uint64_t handle : over) EndLinger(handle, "over", events);
  return !over.empty();
}

}  // namespace triad::license
