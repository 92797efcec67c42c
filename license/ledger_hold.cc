// What becomes of a checkout while it is held: another count, idle or not.
#include "license/ledger_words.h"

namespace triad::license {

v1::Outcome Ledger::ApplyResize(Session& /*session*/, const v1::Resize& /*resize*/,
                                Events& /*events*/) {
  return NotYet();
}

v1::Outcome Ledger::ApplySetIdle(Session& /*session*/, const v1::SetIdle& /*set*/,
                                 Events& /*events*/) {
  return NotYet();
}

}  // namespace triad::license
