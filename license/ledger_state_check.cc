// Everything counted again, for tests and the simulator.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/ledger_keys.h"
#include "license/ledger_state.h"
#include "license/limits.h"

namespace triad::license {

absl::Status LedgerState::CheckMembers() const {
  uint32_t slot = 0;
  size_t voters = 0;
  for (const auto& node : members_.nodes()) {
    if (node.slot() <= slot) return absl::InternalError("members are not in the order of slots");
    slot = node.slot();
    if (node.voter()) ++voters;
  }
  if (members_.nodes_size() > 0 && voters == 0) return absl::InternalError("nobody may vote");
  return absl::OkStatus();
}

namespace {

template <typename... What>
absl::Status Differs(const What&... what) {
  return absl::InternalError(absl::StrCat(what...));
}

// What is out of one pool, reckoned from its checkouts alone.
struct Recount {
  std::vector<uint64_t> handles;
  std::map<std::string, uint64_t> group_seats;
  std::map<std::string, std::set<uint64_t>> lingers;
  absl::btree_set<uint64_t> borrows;
  uint64_t alone = 0;

  uint64_t used() const {
    uint64_t sum = alone;
    for (const auto& [key, seats] : group_seats) sum += seats;
    return sum;
  }
};

absl::Status CheckGroup(const Group& group, const PoolUse& use) {
  uint64_t charged = 0;
  for (const auto& [id, count] : group.charges) charged += count;
  if (charged > group.seats()) {
    return Differs("pool ", use.pool, ": a group takes more from reservations than it has out");
  }
  return absl::OkStatus();
}

absl::Status CheckReservations(const PoolUse& use) {
  std::map<uint64_t, uint64_t> taken;
  for (const auto& [key, group] : use.groups) {
    if (absl::Status status = CheckGroup(group, use); !status.ok()) return status;
    for (const auto& [id, count] : group.charges) taken[id] += count;
  }
  for (const PoolReservation& reservation : use.reservations) {
    if (reservation.used > reservation.count || reservation.used != taken[reservation.id]) {
      return Differs("pool ", use.pool, ": reservation ", reservation.id, " has ", reservation.used,
                     " taken, of ", reservation.count, ", and ", taken[reservation.id], " counted");
    }
    if (reservation.used < reservation.count && !reservation.open.empty()) {
      return Differs("pool ", use.pool, ": reservation ", reservation.id,
                     " is unused while those it names have others out");
    }
    taken.erase(reservation.id);
  }
  for (const auto& [id, count] : taken) {
    if (count > 0) return Differs("pool ", use.pool, ": reservation ", id, " is none");
  }
  return absl::OkStatus();
}

absl::Status CheckUse(const PoolUse& use, const Recount& recount) {
  const uint64_t pool = use.pool;
  if (use.used != recount.used()) {
    return Differs("pool ", pool, ": ", recount.used(), " out, ", use.used, " counted");
  }
  if (!std::equal(use.handles.begin(), use.handles.end(), recount.handles.begin(),
                  recount.handles.end())) {
    return Differs("pool ", pool, ": its handles are not those out");
  }
  if (use.Idle()) return Differs("pool ", pool, " is kept for nothing");
  if (use.borrows != recount.borrows) {
    return Differs("pool ", pool, ": what is borrowed of it is filed wrongly");
  }
  if (use.lingers.size() != recount.lingers.size()) {
    return Differs("pool ", pool, ": those who linger are counted wrongly");
  }
  for (const auto& [key, handles] : use.lingers) {
    auto its = recount.lingers.find(key);
    if (its == recount.lingers.end() ||
        !std::equal(handles.begin(), handles.end(), its->second.begin(), its->second.end())) {
      return Differs("pool ", pool, ": those who linger are filed wrongly");
    }
  }
  return CheckReservations(use);
}

}  // namespace

absl::Status LedgerState::CheckCheckout(const Checkout& checkout) const {
  const uint64_t handle = checkout.handle;
  if (handle < kFirstHandle || handle >= head_.next_handle()) {
    return Differs("handle ", handle, " was never given out");
  }
  if (checkout.count == 0) return Differs("handle ", handle, " holds nothing");
  const Session* session = checkout.session;
  if (session != nullptr) {
    if (FindSession(session->id) != session) return Differs("handle ", handle, " has no session");
    if (checkout.lingers()) return Differs("handle ", handle, " is held and lingers");
  } else if (checkout.extra == nullptr || checkout.extra->owner == nullptr) {
    return Differs("handle ", handle, " is nobody's");
  } else if (!checkout.lingers() && !checkout.borrowed() && checkout.extra->suite_of == 0) {
    return Differs("handle ", handle, " is out without a reason");
  }
  if (FindWaiter(handle) != nullptr) return Differs("handle ", handle, " is out and waits");
  if (checkout.extra == nullptr) return absl::OkStatus();
  if (const uint64_t component = checkout.extra->suite_of; component != 0) {
    const Checkout* found = FindCheckout(component);
    if (found == nullptr || found->extra == nullptr || found->extra->suite != handle) {
      return Differs("handle ", handle, " is a suite's license without its component");
    }
  }
  const std::string key = GroupKeyOf(checkout);
  const Group* group = checkout.extra->group;
  if (!key.empty() && (group == nullptr || group->key != key)) {
    return Differs("handle ", handle, " is in the wrong group");
  }
  if (group != nullptr && !group->handles.contains(handle)) {
    return Differs("handle ", handle, " is not among its group");
  }
  return absl::OkStatus();
}

absl::Status LedgerState::CheckWaiters() const {
  std::map<uint64_t, std::set<uint64_t>> queues;
  std::map<const Session*, std::set<uint64_t>> waiting;
  for (const auto& [ticket, waiter] : waiters_) {
    if (ticket != waiter->ticket || ticket >= head_.next_handle()) {
      return Differs("ticket ", ticket, " was never given out");
    }
    if (FindSession(waiter->session->id) != waiter->session) {
      return Differs("ticket ", ticket, " has no session");
    }
    for (uint64_t pool : waiter->pools) queues[pool].insert(ticket);
    waiting[waiter->session].insert(ticket);
  }
  for (const auto& [pool, use] : uses_) {
    const std::set<uint64_t>& its = queues[pool];
    if (!std::equal(use.queue.begin(), use.queue.end(), its.begin(), its.end())) {
      return Differs("pool ", pool, ": its queue is not of those who wait");
    }
    queues.erase(pool);
  }
  if (!queues.empty()) return Differs("pool ", queues.begin()->first, " has lost its queue");
  for (const auto& [id, session] : sessions_) {
    const std::set<uint64_t>& its = waiting[session.get()];
    if (!std::equal(session->waiting.begin(), session->waiting.end(), its.begin(), its.end())) {
      return Differs("session ", absl::BytesToHexString(session->id), " waits wrongly");
    }
  }
  return absl::OkStatus();
}

absl::Status LedgerState::CheckDues() const {
  absl::btree_set<Due> due;
  absl::btree_set<Due> by_date;
  const auto note = [](absl::btree_set<Due>& table, uint64_t at, Due::What what, uint64_t number) {
    if (at != 0) table.insert({at, what, number});
  };
  for (const auto& [handle, checkout] : checkouts_) {
    if (checkout->extra == nullptr) continue;
    const CheckoutExtra& extra = *checkout->extra;
    note(due, extra.lingers_until_ms, Due::What::kLinger, handle);
    note(due, extra.ends_ms, Due::What::kTimeLimit, handle);
    note(due, extra.reclaims_ms, Due::What::kIdle, handle);
    note(by_date, static_cast<uint64_t>(extra.borrowed_until_wall_ms), Due::What::kBorrow, handle);
  }
  for (const auto& [ticket, waiter] : waiters_) {
    note(due, waiter->ends_ms, Due::What::kWait, ticket);
  }
  for (const auto& [id, row] : reservations_) {
    note(due, row.ends_ms(), Due::What::kReservation, id);
  }
  if (due != due_ || by_date != due_by_date_) return Differs("what is due is filed wrongly");
  return absl::OkStatus();
}

absl::Status LedgerState::CheckInvariants() const {
  if (absl::Status status = CheckMembers(); !status.ok()) return status;
  if (absl::Status status = CheckWaiters(); !status.ok()) return status;
  if (absl::Status status = CheckDues(); !status.ok()) return status;
  std::map<uint64_t, Recount> recounts;
  std::map<std::string, std::vector<uint64_t>> handles;
  std::map<std::string, std::map<std::string, uint64_t>> held;
  for (const auto& [handle, checkout] : checkouts_) {
    if (handle != checkout->handle) return Differs("handle ", handle, " is filed wrongly");
    if (absl::Status status = CheckCheckout(*checkout); !status.ok()) return status;
    Recount& recount = recounts[checkout->use->pool];
    recount.handles.push_back(handle);
    if (const std::string key = GroupKeyOf(*checkout); key.empty()) {
      recount.alone += checkout->count;
    } else {
      recount.group_seats[key] = std::max(recount.group_seats[key], checkout->count);
    }
    if (checkout->lingers()) {
      recount.lingers[SeatKeyOf(IdentityOf(*checkout), UserOf(*checkout))].insert(handle);
    }
    if (checkout->borrowed()) recount.borrows.insert(handle);
    const Session* session = checkout->session;
    if (session == nullptr || (checkout->extra != nullptr && checkout->extra->suite_of != 0)) {
      continue;
    }
    handles[session->id].push_back(handle);
    held[session->id][checkout->use->feature] += checkout->count;
  }
  for (const auto& [pool, use] : uses_) {
    if (use.pool != pool) return Differs("pool ", pool, " is filed wrongly");
    if (absl::Status status = CheckUse(use, recounts[pool]); !status.ok()) return status;
  }
  if (recounts.size() != uses_.size()) return Differs("pools in use are counted wrongly");
  for (const auto& [id, session] : sessions_) {
    const std::string name = absl::BytesToHexString(session->id);
    const std::vector<uint64_t>& its = handles[session->id];
    if (IdOf(*session) != id) return Differs("session ", name, " is filed wrongly");
    if (!std::equal(session->handles.begin(), session->handles.end(), its.begin(), its.end())) {
      return Differs("session ", name, ": its handles are not those out");
    }
    const std::map<std::string, uint64_t>& sums = held[session->id];
    if (!std::equal(session->held.begin(), session->held.end(), sums.begin(), sums.end())) {
      return Differs("session ", name, ": its licenses are summed wrongly");
    }
    for (const auto& [feature, count] : sums) {
      if (count > kLicensesPerSessionMax) return Differs("session ", name, " holds ", count);
    }
    if (!session->results.empty() && session->results.begin()->first <= session->acked) {
      return Differs("session ", name, " keeps an acknowledged result");
    }
    if (session->results.size() > kPendingPerSessionMax) {
      return Differs("session ", name, " keeps too many results");
    }
    if (session->last_seen_index > head_.applied_index()) {
      return Differs("session ", name, " was seen in the future");
    }
  }
  return absl::OkStatus();
}

}  // namespace triad::license
