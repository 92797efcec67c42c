// What administrators do at run time.
#include "license/ledger_words.h"

namespace triad::license {

v1::Outcome Ledger::ApplyAdmin(const v1::AdminCommand& admin, Events& events) {
  switch (admin.act_case()) {
    case v1::AdminCommand::kReserve:
      return ApplyReserve(admin, events);
    case v1::AdminCommand::kUnreserve:
      return ApplyUnreserve(admin, events);
    case v1::AdminCommand::kRemove:
      return ApplyRemove(admin, events);
    case v1::AdminCommand::kUndoClock:
      return ApplyUndoClock(admin, events);
    case v1::AdminCommand::ACT_NOT_SET:
      break;
  }
  return Malformed("an administrator's command without an act");
}

v1::Outcome Ledger::ApplyReserve(const v1::AdminCommand& /*admin*/, Events& /*events*/) {
  return NotYet();
}

v1::Outcome Ledger::ApplyUnreserve(const v1::AdminCommand& /*admin*/, Events& /*events*/) {
  return NotYet();
}

v1::Outcome Ledger::ApplyRemove(const v1::AdminCommand& /*admin*/, Events& /*events*/) {
  return NotYet();
}

v1::Outcome Ledger::ApplyUndoClock(const v1::AdminCommand& /*admin*/, Events& /*events*/) {
  return NotYet();
}

}  // namespace triad::license
