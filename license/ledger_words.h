// Outcomes and events in a word. For ledger*.cc alone.
#pragma once

#include <string>

#include "license/ledger.h"

namespace triad::license {

v1::Outcome Done();
v1::Outcome Malformed(std::string reason);
// For what stands in the proto and is not carried out yet.
v1::Outcome NotYet();

LedgerEvent EventOf(LedgerEvent::Kind kind);
// A kDenied.
LedgerEvent DeniedOf(const Session& session, const v1::Denied& denied);
LedgerEvent EventOf(LedgerEvent::Kind kind, const Session& session);
LedgerEvent EventOf(LedgerEvent::Kind kind, const Session& session, const Checkout& checkout);
// Also of a checkout that no session holds any more.
LedgerEvent EventOf(LedgerEvent::Kind kind, const Checkout& checkout);

}  // namespace triad::license
