// What time brings by itself.
#include <algorithm>
#include <string>
#include <utility>

#include "license/ledger_words.h"

namespace triad::license {
namespace {

// Of one entry: a thousand lingers that end at once do not hold the others up. What is left is due
// at once again.
constexpr size_t kDuesPerEntryMax = 1000;

}  // namespace

NextDue Ledger::NextDueAt() const {
  NextDue next;
  if (!state_.due().empty()) next.cluster_ms = state_.due().begin()->at_ms;
  if (!state_.waiters().empty() && no_grants_until_ms() > 0) {
    next.cluster_ms =
        std::min(next.cluster_ms.value_or(no_grants_until_ms()), no_grants_until_ms());
  }
  if (!state_.due_by_date().empty()) {
    next.wall_ms = static_cast<int64_t>(state_.due_by_date().begin()->at_ms);
  }
  if (!catalog().pools().empty()) {
    constexpr int64_t kMsPerDay = 24 * 3600 * 1000;
    const int64_t midnight_ms =
        (int64_t{today().days} + 1) * kMsPerDay - int64_t{utc_offset_s()} * 1000;
    next.wall_ms = std::min(next.wall_ms.value_or(midnight_ms), midnight_ms);
  }
  return next;
}

v1::Outcome Ledger::ApplyTimePasses(Events& events) {
  if (no_grants_until_ms() > 0 && cluster_ms() >= no_grants_until_ms()) {
    state_.head().set_no_grants_until_ms(0);
    Requeue(events);
  }
  for (size_t done = 0; done < kDuesPerEntryMax; ++done) {
    const auto& due = state_.due();
    const auto& by_date = state_.due_by_date();
    if (!due.empty() && due.begin()->at_ms <= cluster_ms()) {
      Happen(Due(*due.begin()), events);
    } else if (!by_date.empty() &&
               static_cast<int64_t>(by_date.begin()->at_ms) <= state_.head().wall_ms()) {
      Happen(Due(*by_date.begin()), events);
    } else {
      break;
    }
  }
  return Done();
}

// Takes `due` out of the table, by removing or changing what it names.
void Ledger::Happen(const Due& due, Events& events) {
  switch (due.what) {
    case Due::What::kLinger:
      EndLinger(due.number, "over", events);
      return;
    case Due::What::kTimeLimit:
      Reclaim(due.number, "time limit", events);
      return;
    case Due::What::kIdle:
      Reclaim(due.number, "idle", events);
      return;
    case Due::What::kWait:
      Dequeue(due.number, "waited as long as it was to", 0, events);
      return;
    case Due::What::kReservation:
      EndReservation(due.number, /*who=*/"", "over", events);
      return;
    case Due::What::kBorrow:
      Reclaim(due.number, "borrowing is over", events);
      return;
  }
}

// Its holder, if it has one, hears of it.
void Ledger::Reclaim(uint64_t handle, absl::string_view reason, Events& events) {
  LedgerEvent event = EventOf(LedgerEvent::Kind::kReclaimed, *FindCheckout(handle));
  event.reason = std::string(reason);
  Release(handle, reason, After::kFree, events);
  event.identity = events.back().identity;
  events.push_back(std::move(event));
}

}  // namespace triad::license
