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
  if (const auto ends_ms = NextWaiverEnd()) {
    next.wall_ms = std::min(next.wall_ms.value_or(*ends_ms), *ends_ms);
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

// The client's clock beside the servers', as both were when it last said.
void Ledger::NoteClock(Session& session, int64_t client_wall_ms) {
  if (client_wall_ms != 0) session.clock_ahead_ms = client_wall_ms - stamp_.wall_ms();
}

// A day apart, one of the two is wrong (-34). A leader whose own clock is a day behind the highest
// date seen was set back, which gains nothing (-88): licenses with dates are not granted until it
// is right, or an administrator has undone a jump forward.
std::optional<v1::Outcome> Ledger::ClockObjection(const Session& session,
                                                  const std::vector<Grant>& grants) const {
  constexpr int64_t kDayMs = 24 * 3600 * 1000;
  const bool set_back = stamp_.wall_ms() + kDayMs < wall_ms();
  const bool apart = session.clock_ahead_ms > kDayMs || session.clock_ahead_ms < -kDayMs;
  if (!set_back && !apart) return std::nullopt;
  for (const Grant& grant : grants) {
    const auto& lines = grant.pool->lines;
    const bool dated = std::any_of(lines.begin(), lines.end(), [](const Pool::Line& line) {
      return line.line.expiry.has_value();
    });
    if (!apart && !dated) continue;
    const DenialCode code = apart ? DenialCode::kClockSkew : DenialCode::kClockSetBack;
    v1::Outcome outcome;
    outcome.mutable_denied()->set_code(ToNumber(code));
    outcome.mutable_denied()->set_reason(std::string(DenialText(code)));
    outcome.mutable_denied()->set_feature(grant.pool->feature);
    return outcome;
  }
  return std::nullopt;
}

}  // namespace triad::license
