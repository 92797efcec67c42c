// Licenses taken home, and brought back.
#include "license/ledger_words.h"

namespace triad::license {

v1::Outcome Ledger::ApplyBorrow(Session& /*session*/, const v1::Borrow& /*borrow*/,
                                Events& /*events*/) {
  return NotYet();
}

v1::Outcome Ledger::ApplyReturn(Session& /*session*/, const v1::ReturnBorrowed& /*returned*/,
                                Events& /*events*/) {
  return NotYet();
}

}  // namespace triad::license
