// What the ledger's tables hold: sessions, checkouts, the use of pools, waiting checkouts,
// reservations, and what is due when. Plain data; LedgerState keeps it and its indexes together.
//
// Not thread-safe. Times named _ms are cluster time; _wall_ms are milliseconds since 1970 UTC.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/strings/string_view.h"
#include "license/policy.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/ledger.pb.h"

namespace triad::license {

struct Checkout;
struct PoolUse;

// Checkouts of one pool that share licenses (flexnet-facts 5): as many are out as the member with
// most has. Also a single checkout that shares with none, when it uses reserved licenses.
struct Group {
  std::string key;
  absl::btree_set<uint64_t> handles;
  absl::btree_map<uint64_t, uint32_t> counts;  // a member's count -> how many members have it
  // Reservation -> how many of seats() are taken from it.
  absl::btree_map<uint64_t, uint64_t> charges;

  uint64_t seats() const { return counts.empty() ? 0 : counts.rbegin()->first; }
};

// Licenses of one pool set aside, by the options file or at run time, and how many of them those
// have out for whom they are.
struct PoolReservation {
  uint64_t id = 0;  // of the options file: kFileReservation + its place in the pool's list
  uint64_t count = 0;
  uint64_t used = 0;
  std::string type;  // USER, HOST, ...
  std::string name;
  uint32_t subject = 0;  // of the options file: see Policy
  // Groups for whom it is that have out more than they take from reservations.
  absl::btree_set<std::string> open;
};
inline constexpr uint64_t kFileReservation = uint64_t{1} << 62;

// What is out of one pool, waits for it or is set aside in it. Lives as long as there is something
// of these, also when the pool itself is gone from the licenses.
struct PoolUse {
  uint64_t pool = 0;
  std::string feature;
  uint64_t used = 0;  // licenses out: held, lingering and borrowed; a group counts once
  absl::btree_set<uint64_t> handles;
  std::map<std::string, Group, std::less<>> groups;  // by key; checkouts point at them
  // Lingering: user, host and display -> handles.
  absl::btree_map<std::string, absl::btree_set<uint64_t>> lingers;
  absl::btree_set<uint64_t> borrows;  // handles of those that are borrowed
  // Of a suite's own pool: a component's pool -> the groups that have it out -> how often.
  std::map<uint64_t, std::map<std::string, uint32_t, std::less<>>> suite_users;
  absl::btree_set<uint64_t> queue;  // tickets of those who wait for it
  std::vector<PoolReservation> reservations;
  std::unique_ptr<v1::ViolationRow> violation;  // nullptr: none

  bool Idle() const {
    return handles.empty() && queue.empty() && reservations.empty() && violation == nullptr;
  }
};

// One application process.
struct Session {
  std::string id;  // 16 bytes
  std::string token_hash;
  v1::Identity identity;
  uint64_t attachment = 0;
  uint32_t node = 0;
  uint32_t ttl_ms = 0;
  uint64_t last_seen_index = 0;  // of the last command of, or about, this session
  bool detached = false;
  bool untouched = true;  // nothing but opens so far
  uint64_t acked = 0;
  uint64_t opened_index = 0;
  int64_t clock_ahead_ms = 0;         // the client's before the servers', when it last said
  absl::btree_set<uint64_t> handles;  // of its checkouts, without the suites' licenses
  absl::btree_set<uint64_t> waiting;  // tickets
  // Feature -> licenses, all its checkouts together.
  absl::btree_map<std::string, uint64_t, std::less<>> held;
  // seq > acked -> its outcome as a ResultRow's bytes: kept by the thousand, read almost never.
  absl::btree_map<uint64_t, std::string> results;
};

// What few checkouts have.
struct CheckoutExtra {
  std::string user;  // on whose behalf; "": the session's user
  std::string checkout_data;
  std::string dup_mask;    // see CheckoutRow
  Group* group = nullptr;  // an index; see Group
  uint64_t ticket = 0;
  int64_t borrowed_until_wall_ms = 0;
  uint64_t idle_since_ms = 0;  // 0: not idle
  uint64_t reclaims_ms = 0;    // when TIMEOUT takes it back; 0: it does not
  uint64_t lingers_until_ms = 0;
  uint64_t linger_ms = 0;
  uint64_t ends_ms = 0;  // its time limit
  uint64_t overdraft = 0;
  uint64_t suite_of = 0;                // the component that this suite's license goes with
  uint64_t suite = 0;                   // an index: the suite's license that goes with this
  std::unique_ptr<v1::Identity> owner;  // whose it was; set when there is no session
};

// Licenses of one pool held by one session; or given back by it, and lingering; or borrowed. Plain,
// because there may be millions: about 104 bytes, and 40 more for its places in the indexes.
struct Checkout {
  uint64_t handle = 0;
  Session* session = nullptr;  // nullptr: no session holds it, see extra->owner
  PoolUse* use = nullptr;
  uint64_t count = 0;
  int64_t start_wall_ms = 0;
  uint64_t granted_index = 0;
  int32_t start_utc_offset_s = 0;
  std::string version;                   // as asked for; at most 10 bytes, so never on the heap
  std::unique_ptr<CheckoutExtra> extra;  // nullptr: nothing of that

  bool lingers() const { return extra != nullptr && extra->lingers_until_ms != 0; }
  bool borrowed() const { return extra != nullptr && extra->borrowed_until_wall_ms != 0; }
};

// The checkout as its holder and an administrator see it.
v1::Holding HoldingOf(const Checkout& checkout);
// Who has it: the session's identity, or that of the session that had it.
const v1::Identity& IdentityOf(const Checkout& checkout);
// On whose behalf: counted and filtered as that user's.
const std::string& UserOf(const Checkout& checkout);

// By what checkouts share: letters of UHDV in this order, "SITE", or "" for not at all.
inline constexpr absl::string_view kDupSite = "SITE";
// As a line or a client writes it: "NONE", "HU", ...
std::string DupMaskOf(absl::string_view text);
// Checkouts of one pool with the same key share licenses; "": it shares with none.
std::string GroupKeyOf(absl::string_view mask, const v1::Identity& identity, absl::string_view user,
                       absl::string_view data);
std::string GroupKeyOf(const Checkout& checkout);
// User, host and display: who may take lingering licenses up again.
std::string SeatKeyOf(const v1::Identity& identity, absl::string_view user);

// As the options files are asked; it points into the checkout.
Who WhoOf(const Checkout& checkout);
Who WhoOf(const v1::Identity& identity, absl::string_view on_behalf);

// A checkout in the queue.
struct Waiter {
  uint64_t ticket = 0;
  Session* session = nullptr;
  v1::Checkout checkout;
  uint64_t since_ms = 0;
  int64_t since_wall_ms = 0;
  int32_t since_utc_offset_s = 0;
  uint64_t ends_ms = 0;         // 0: with its session
  std::vector<uint64_t> pools;  // in whose queues it stands, ascending
};

// Something that TimePasses does when its time has come.
struct Due {
  enum class What : uint8_t {
    kLinger,       // checkout: its lingering is over
    kTimeLimit,    // checkout
    kIdle,         // checkout: TIMEOUT is over
    kWait,         // waiter
    kReservation,  // reservation
    kBorrow,       // checkout; the only one by date and time
  };
  uint64_t at_ms = 0;
  What what = What::kLinger;
  uint64_t number = 0;  // handle, ticket or id
  auto operator<=>(const Due&) const = default;
};

}  // namespace triad::license
