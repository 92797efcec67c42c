// How the ledger's parts name rows. For ledger_state*.cc alone.
#pragma once

#include "license/ledger_rows.h"
#include "license/ledger_tables.h"

namespace triad::license {

inline SessionId IdOf(const Session& session) {
  return *ToSessionId(session.id);
}
inline RowKey RowOf(const Session& session) {
  return {RowKey::Kind::kSession, IdOf(session)};
}
inline RowKey ResultRowOf(const Session& session, uint64_t seq) {
  return {RowKey::Kind::kResult, IdOf(session), seq};
}
inline RowKey CheckoutRowOf(uint64_t handle) {
  return {RowKey::Kind::kCheckout, {}, handle};
}
inline RowKey WaitingRowOf(uint64_t ticket) {
  return {RowKey::Kind::kWaiting, {}, ticket};
}
inline RowKey ReservationRowOf(uint64_t id) {
  return {RowKey::Kind::kReservation, {}, id};
}
inline RowKey ViolationRowOf(uint64_t pool) {
  return {RowKey::Kind::kViolation, {}, pool};
}

}  // namespace triad::license
