// Those who wait for licenses.
#include "license/ledger_words.h"

namespace triad::license {

v1::Outcome Ledger::ApplyCancelWait(Session& /*session*/, const v1::CancelWait& /*cancel*/,
                                    Events& /*events*/) {
  return NotYet();
}

void Ledger::ServeQueues(Events& /*events*/) {
  state_.TakeFreed();
}

}  // namespace triad::license
