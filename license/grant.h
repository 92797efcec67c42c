// Which pool a checkout is granted from, or the most telling reason why it is not.
//
// Pure: reads the ledger's state and changes nothing; the caller carries the grants out.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "license/catalog.h"
#include "license/ledger_state.h"
#include "triad/v1/command.pb.h"

namespace triad::license {

// One item's licenses, all out of one pool.
struct Grant {
  const Pool* pool = nullptr;  // in the state's catalog
  uint64_t count = 0;
};

// Decides all items of `checkout` for `session`, all or none: one grant per item in their order, or
// the outcome that says no.
//
// Of an item's pools, in grant order (flexnet-facts 1.6), those count that have the version or a
// later one, are valid today and are not locked to other hosts. EXACT takes the first with enough
// free. UP_TO and ALL take the first that has all that is wanted, else the one with most free.
//
// The most telling reason, first that holds:
//   -77  the version is none                  -5  no such feature
//   -87  above kLicensesPerSessionMax with what the session has of the feature
//   -26  pools would do, but none has that many licenses at all        -4  they are in use
//   -25  a pool's version is too low    -10  expired    -31  not started    -9  another host
//
// `checkouts_max`: how many checkouts there may be in all. Too many, there or in the session, is
// TOO_MANY_PENDING: no licensing answer, so no denial.
std::variant<std::vector<Grant>, v1::Outcome> DecideCheckout(const LedgerState& state,
                                                             const Session& session,
                                                             const v1::Checkout& checkout,
                                                             size_t checkouts_max);

// Shared with ledger.cc.
v1::Outcome Refuse(v1::Refused::Why why, std::string reason);

}  // namespace triad::license
