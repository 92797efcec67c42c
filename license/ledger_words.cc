#include "license/ledger_words.h"

#include <utility>

namespace triad::license {

v1::Outcome Done() {
  v1::Outcome outcome;
  outcome.mutable_done();
  return outcome;
}

v1::Outcome Malformed(std::string reason) {
  return Refuse(v1::Refused::MALFORMED, std::move(reason));
}

v1::Outcome NotYet() {
  return Malformed("a command that this program cannot carry out yet");
}

LedgerEvent EventOf(LedgerEvent::Kind kind) {
  LedgerEvent event;
  event.kind = kind;
  return event;
}

LedgerEvent EventOf(LedgerEvent::Kind kind, const Session& session) {
  LedgerEvent event = EventOf(kind);
  event.session = session.id;
  event.node = session.node;
  event.identity = &session.identity;
  return event;
}

LedgerEvent DeniedOf(const Session& session, const v1::Denied& denied) {
  LedgerEvent event = EventOf(LedgerEvent::Kind::kDenied, session);
  event.feature = denied.feature();
  event.reason = denied.reason();
  event.code = denied.code();
  return event;
}

LedgerEvent EventOf(LedgerEvent::Kind kind, const Session& session, const Checkout& checkout) {
  LedgerEvent event = EventOf(kind, session);
  event.holding = HoldingOf(checkout);
  event.feature = event.holding.feature();
  return event;
}

LedgerEvent EventOf(LedgerEvent::Kind kind, const Checkout& checkout) {
  if (checkout.session != nullptr) return EventOf(kind, *checkout.session, checkout);
  LedgerEvent event = EventOf(kind);
  event.holding = HoldingOf(checkout);
  event.feature = event.holding.feature();
  event.identity = &IdentityOf(checkout);
  return event;
}

}  // namespace triad::license
