// What administrators do at run time.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_words.h"

namespace triad::license {
namespace {

// "": well-formed.
std::string Complaint(const v1::Reserve& reserve) {
  if (reserve.count() == 0 || reserve.count() > kLicensesPerLineMax) {
    return absl::StrCat("reserve: the count is 1 to ", kLicensesPerLineMax);
  }
  for (const std::string* field : {&reserve.feature(), &reserve.type(), &reserve.name()}) {
    if (field->empty() || field->size() > kNameBytesMax) {
      return absl::StrCat("reserve: feature, type and name have 1 to ", kNameBytesMax, " bytes");
    }
  }
  if (!FindSubjectType(reserve.type())) {
    return absl::StrCat("reserve: ", reserve.type(),
                        " is none of USER, HOST, DISPLAY, INTERNET, PROJECT, GROUP, HOST_GROUP");
  }
  return "";
}

// Licenses of the pool that those have out for whom `reserve` is, beyond other reservations.
uint64_t OutOfThose(const LedgerState& state, const Pool& pool, const v1::Reserve& reserve) {
  const PoolUse* use = state.FindUse(pool.id);
  if (use == nullptr) return 0;
  const PoolReservation wanted{.type = reserve.type(), .name = reserve.name()};
  uint64_t out = 0;
  for (uint64_t handle : use->handles) {
    const Checkout& checkout = *state.FindCheckout(handle);
    const Group* group = checkout.extra == nullptr ? nullptr : checkout.extra->group;
    if (group != nullptr && *group->handles.begin() != handle) continue;
    const Who who = WhoOf(checkout);
    if (!state.IsFor(*use, wanted, who, {})) continue;
    out += group == nullptr ? checkout.count : group->seats();
    if (group == nullptr) continue;
    for (const auto& [id, charged] : group->charges) out -= charged;
  }
  return out;
}

bool ReservedBySuite(const Pool* pool) {
  return pool->suite && pool->suite->reserved;
}

// By its handle, or by the names that lmstat shows.
bool IsMeant(const Checkout& checkout, const v1::RemoveCheckouts& remove) {
  if (checkout.extra != nullptr && checkout.extra->suite_of != 0) return false;
  if (!remove.feature().empty() && checkout.use->feature != remove.feature()) return false;
  if (remove.handle() != 0) return true;
  const v1::Identity& identity = IdentityOf(checkout);
  return UserOf(checkout) == remove.user() && identity.host() == remove.host() &&
         identity.display() == remove.display();
}

}  // namespace

// Sent again while leaders change, it is answered as before.
v1::Outcome Ledger::ApplyAdmin(const v1::AdminCommand& admin, Events& events) {
  auto& results = *state_.head().mutable_admin_results();
  for (const auto& result : results) {
    if (!admin.id().empty() && result.id() == admin.id()) return result.outcome();
  }
  v1::Outcome outcome = Act(admin, events);
  if (admin.id().empty() || admin.id().size() > kNameBytesMax) return outcome;
  while (results.size() >= kAdminResultsMax) results.erase(results.begin());
  auto* result = results.Add();
  result->set_id(admin.id());
  *result->mutable_outcome() = outcome;
  return outcome;
}

v1::Outcome Ledger::Act(const v1::AdminCommand& admin, Events& events) {
  switch (admin.act_case()) {
    case v1::AdminCommand::kReserve:
      return ApplyReserve(admin, events);
    case v1::AdminCommand::kUnreserve:
      return ApplyUnreserve(admin, events);
    case v1::AdminCommand::kRemove:
      return ApplyRemove(admin, events);
    case v1::AdminCommand::kUndoClock:
      return ApplyUndoClock(admin, events);
    case v1::AdminCommand::kNoted:
      return Done();
    case v1::AdminCommand::kStopVendor:
      return ApplyStopVendor(admin.stop_vendor());
    case v1::AdminCommand::kStartVendors:
      return ApplyStartVendors(admin.start_vendors());
    case v1::AdminCommand::ACT_NOT_SET:
      break;
  }
  return Malformed("an administrator's command without an act");
}

v1::Outcome Ledger::ApplyReserve(const v1::AdminCommand& admin, Events& events) {
  const v1::Reserve& reserve = admin.reserve();
  if (std::string complaint = Complaint(reserve); !complaint.empty()) return Malformed(complaint);
  if (state_.reservations().size() >= kReservationsMax) {
    return Malformed(absl::StrCat("there are ", kReservationsMax, " reservations, and no room"));
  }
  const std::vector<const Pool*>& pools = catalog().PoolsOf(reserve.feature());
  if (pools.empty()) {
    return Malformed(absl::StrCat("reserve ", reserve.feature(), ": no such feature"));
  }
  // As with RESERVE lines: such a suite keeps its components by itself.
  if (std::all_of(pools.begin(), pools.end(), ReservedBySuite)) {
    return Malformed(absl::StrCat("reserve ", reserve.feature(),
                                  ": its suite has OPTIONS=SUITE_RESERVED, which reserves by "
                                  "itself: reserve ",
                                  pools.front()->lines[0].package->name, " instead"));
  }
  uint64_t most = 0;
  for (const Pool* pool : pools) {
    if (pool->uncounted || !pool->ValidOn(today()) || ReservedBySuite(pool)) continue;
    const uint64_t free = FreeForAll(state_, *pool) + OutOfThose(state_, *pool, reserve);
    most = std::max(most, free);
    if (free < reserve.count()) continue;
    const uint64_t id = state_.TakeHandles(1);
    v1::ReservationRow row;
    *row.mutable_reserve() = reserve;
    row.set_pool(pool->id);
    row.set_ends_ms(reserve.for_ms() == 0 ? 0 : cluster_ms() + reserve.for_ms());
    row.set_who(admin.who());
    state_.AddReservation(id, std::move(row));
    LedgerEvent event = EventOf(LedgerEvent::Kind::kReserved);
    event.who = admin.who();
    event.feature = reserve.feature();
    event.reservation = id;
    event.count = reserve.count();
    event.reason = absl::StrCat(reserve.type(), " ", reserve.name());
    events.push_back(std::move(event));
    v1::Outcome outcome;
    outcome.mutable_reserved()->set_id(id);
    return outcome;
  }
  return Malformed(absl::StrCat("reserve ", reserve.count(), " of ", reserve.feature(), ": only ",
                                most, " are free or held by those it names, in one pool"));
}

v1::Outcome Ledger::ApplyUnreserve(const v1::AdminCommand& admin, Events& events) {
  const uint64_t id = admin.unreserve().id();
  if (!state_.reservations().contains(id)) {
    return Malformed(absl::StrCat("unreserve ", id, ": there is no such reservation"));
  }
  EndReservation(id, admin.who(), "taken back", events);
  return Done();
}

void Ledger::EndReservation(uint64_t id, absl::string_view who, absl::string_view reason,
                            Events& events) {
  const v1::Reserve& reserve = state_.reservations().find(id)->second.reserve();
  LedgerEvent event = EventOf(LedgerEvent::Kind::kUnreserved);
  event.who = std::string(who);
  event.feature = reserve.feature();
  event.reservation = id;
  event.count = reserve.count();
  event.reason = std::string(reason);
  events.push_back(std::move(event));
  state_.RemoveReservation(id);
}

v1::Outcome Ledger::ApplyRemove(const v1::AdminCommand& admin, Events& events) {
  const v1::RemoveCheckouts& remove = admin.remove();
  std::vector<uint64_t> handles;
  bool kept = false;  // one that lingers or is borrowed; see RemoveCheckouts.force
  const auto look = [&](const Checkout& checkout) {
    if (!IsMeant(checkout, remove)) return;
    if (checkout.lingers() || (checkout.borrowed() && !remove.force())) {
      kept = true;
    } else {
      handles.push_back(checkout.handle);
    }
  };
  if (remove.handle() != 0) {
    if (const Checkout* checkout = FindCheckout(remove.handle())) look(*checkout);
  } else {
    for (const auto& [pool, use] : state_.uses()) {
      if (use.feature != remove.feature()) continue;
      for (uint64_t handle : use.handles) look(*FindCheckout(handle));
    }
  }
  if (handles.empty() && !kept) {
    return Malformed(absl::StrCat("remove: no such checkout of ", remove.feature(), " is out"));
  }
  v1::Outcome outcome;
  if (handles.empty()) {
    outcome.mutable_denied()->set_code(ToNumber(DenialCode::kMayNotRemove));
    outcome.mutable_denied()->set_reason(std::string(DenialText(DenialCode::kMayNotRemove)));
    outcome.mutable_denied()->set_feature(remove.feature());
    return outcome;
  }
  for (uint64_t handle : handles) {
    LedgerEvent event = EventOf(LedgerEvent::Kind::kRemoved, *FindCheckout(handle));
    event.who = admin.who();
    Release(handle, "removed", After::kFree, events);
    event.identity = events.back().identity;
    events.push_back(std::move(event));
  }
  outcome.mutable_removed()->set_checkouts(handles.size());
  return outcome;
}

// The highest date seen goes back to this entry's: a clock had jumped forward and is right again.
v1::Outcome Ledger::ApplyUndoClock(const v1::AdminCommand& admin, Events& events) {
  v1::LedgerHead& head = state_.head();
  if (stamp_.wall_ms() >= head.wall_ms()) return Done();  // nothing to undo
  const Day before = today();
  head.set_wall_ms(stamp_.wall_ms());
  head.set_utc_offset_s(stamp_.utc_offset_s());
  LedgerEvent event = EventOf(LedgerEvent::Kind::kClockUndone);
  event.who = admin.who();
  events.push_back(std::move(event));
  if (today() != before) OnNewDay(events);
  return Done();
}

// ------------------------------------------------------------------------------------------
// Vendors that are not served for a while.

bool Ledger::IsStopped(absl::string_view vendor) const {
  const auto& stopped = state_.head().stopped_vendors();
  return std::any_of(stopped.begin(), stopped.end(),
                     [&](const auto& one) { return one.vendor() == vendor; });
}

std::vector<std::string> Ledger::stopped_vendors() const {
  std::vector<std::string> vendors;
  for (const auto& one : state_.head().stopped_vendors()) vendors.push_back(one.vendor());
  return vendors;
}

bool Ledger::StoppedThrough(uint32_t node) const {
  const auto& stopped = state_.head().stopped_vendors();
  return std::any_of(stopped.begin(), stopped.end(),
                     [&](const auto& one) { return one.node() == node; });
}

v1::Outcome Ledger::ApplyStopVendor(const v1::StopVendor& stop) {
  const std::vector<std::string>& vendors = catalog().vendors();
  if (std::find(vendors.begin(), vendors.end(), stop.vendor()) == vendors.end()) {
    return Malformed(absl::StrCat("stop ", stop.vendor(), ": no such vendor is served"));
  }
  if (IsStopped(stop.vendor())) return Done();
  auto& stopped = *state_.head().mutable_stopped_vendors();
  auto* added = stopped.Add();
  added->set_vendor(stop.vendor());
  added->set_node(stop.node());
  std::sort(stopped.begin(), stopped.end(),
            [](const auto& a, const auto& b) { return a.vendor() < b.vendor(); });
  return Done();
}

v1::Outcome Ledger::ApplyStartVendors(const v1::StartVendors& start) {
  auto& stopped = *state_.head().mutable_stopped_vendors();
  for (auto it = stopped.begin(); it != stopped.end();) {
    const bool meant = (start.vendor().empty() || it->vendor() == start.vendor()) &&
                       (start.node() == 0 || it->node() == start.node());
    it = meant ? stopped.erase(it) : it + 1;
  }
  for (const auto& [ticket, waiter] : state_.waiters()) {
    for (const uint64_t pool : waiter->pools) state_.NoteFreed(pool);
  }
  return Done();
}

std::optional<v1::Outcome> Ledger::StoppedObjection(const v1::Checkout& checkout) const {
  if (state_.head().stopped_vendors().empty()) return std::nullopt;
  for (const v1::Checkout::Item& item : checkout.items()) {
    for (const Pool* pool : catalog().PoolsOf(item.feature())) {
      if (!IsStopped(pool->vendor)) continue;
      v1::Outcome outcome;
      outcome.mutable_denied()->set_code(ToNumber(DenialCode::kVendorDown));
      outcome.mutable_denied()->set_reason(
          absl::StrCat("an administrator has stopped ", pool->vendor, " (lmreread starts it)"));
      outcome.mutable_denied()->set_feature(item.feature());
      return outcome;
    }
  }
  return std::nullopt;
}

}  // namespace triad::license
