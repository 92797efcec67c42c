// Which pool a checkout is granted from, or the most telling reason why it is not.
//
// Pure: reads the ledger's state and changes nothing; the caller carries the grants out.
#pragma once

#include <cstdint>
#include <optional>
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
  std::string dup_mask;         // by what it shares; see DupMaskOf
  uint64_t overdraft = 0;       // how many of `count` are beyond the licenses
  const Pool* suite = nullptr;  // one license of this pool goes with it
  std::string suite_mask;
};

// Who asks: a session, on its own behalf or on a user's; in the queue under `ticket`, or now (0).
struct Asker {
  const Session* session = nullptr;
  uint64_t ticket = 0;
  // Not 0: out of this pool alone, by one who has of it or borrows; MINIMUM is not asked for again.
  uint64_t pool = 0;
};

// Decides all items of `checkout`, all or none: one grant per item in their order, or the outcome
// that says no.
//
// Of an item's pools, in grant order (flexnet-facts 1.6), those count that have the version or a
// later one, are valid today, are not locked to other hosts and are open to the asker by the
// options file. EXACT takes the first with enough free. UP_TO and ALL take the first that has all
// that is wanted, else the one with most free. A count below the pool's MINIMUM is raised to it.
//
// Free for an asker is what is neither out, nor set aside for others by a reservation, nor kept for
// others by SUITE_RESERVED, up to licenses plus overdraft. To that comes what it need not take
// anew: what its group has out already, and what of its own still lingers. While others wait for a
// pool, only that, and what reservations keep for it and for none who waits before, may be had.
//
// The most telling reason, first that holds:
//   -77  the version is none                  -5  no such feature
//   -87  above kLicensesPerSessionMax with what the session has of the feature
//   when pools would do:
//   -26  none has that many licenses at all   -87  MAX of the options file
//   -93  enough are free, but in no pool alone
//   -101 enough are free, but set aside       -24  enough are free, but others wait
//   -4   they are in use
//   else, of what speaks against the pools:
//   -38 excluded  -39 not included  -84 nobody is named  -25 version too low  -10 expired
//   -31 not started  -9 another host  -89 another platform
//
// `checkouts_max`: how many checkouts there may be in all. Too many, there or in the session, is
// TOO_MANY_PENDING: no licensing answer, so no denial.
std::variant<std::vector<Grant>, v1::Outcome> DecideCheckout(const LedgerState& state,
                                                             const Asker& asker,
                                                             const v1::Checkout& checkout,
                                                             size_t checkouts_max);

// Whether waiting can help: what is asked for exists, and is in use, set aside or waited for.
bool MayWait(const v1::Outcome& no);
// An item that no waiting helps, looked at alone: its denial. nullopt: all may come free.
std::optional<v1::Outcome> Hopeless(const LedgerState& state, const Session& session,
                                    const v1::Checkout& checkout);
// The pools in whose queues the checkout waits: for each item those that would do and have that
// many licenses at all; ascending.
std::vector<uint64_t> PoolsToWaitFor(const LedgerState& state, const Session& session,
                                     const v1::Checkout& checkout);

// Licenses of a pool today, with its overdraft as far as the options file lets it.
uint64_t LicensesAndOverdraft(const LedgerState& state, const Pool& pool);
// What nobody has and nothing sets aside, of the licenses without overdraft.
uint64_t FreeForAll(const LedgerState& state, const Pool& pool);

// Shared with ledger.cc.
v1::Outcome Refuse(v1::Refused::Why why, std::string reason);

}  // namespace triad::license
