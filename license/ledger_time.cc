// What time brings by itself.
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
  if (!state_.due_by_date().empty()) {
    next.wall_ms = static_cast<int64_t>(state_.due_by_date().begin()->at_ms);
  }
  return next;
}

v1::Outcome Ledger::ApplyTimePasses(Events& events) {
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

// Must take `due` out of the table: removes or changes what it names.
void Ledger::Happen(const Due& due, Events& /*events*/) {
  switch (due.what) {
    case Due::What::kLinger:
    case Due::What::kTimeLimit:
    case Due::What::kIdle:
    case Due::What::kWait:
    case Due::What::kReservation:
    case Due::What::kBorrow:
      break;
  }
}

}  // namespace triad::license
