// The ledger's tables and the indexes over them, kept equal to each other, and the rows they are
// stored as.
//
// Every change goes through the few functions below, and each notes which rows it touched. What it
// is not: it decides nothing (ledger.cc and grant.cc do).
//
// Not thread-safe. A step costs O(log n); nothing but rows, digest and recount walks a whole table.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "license/ledger_rows.h"
#include "license/ledger_store.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/ledger.pb.h"

namespace triad::license {

// What is out of one pool. Lives as long as something is, also when the pool itself is gone from
// the licenses.
struct PoolUse {
  uint64_t pool = 0;
  std::string feature;
  uint64_t used = 0;
  absl::btree_set<uint64_t> handles;
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
  absl::btree_set<uint64_t> handles;  // of its checkouts
  // Feature -> licenses, all its checkouts together.
  absl::btree_map<std::string, uint64_t, std::less<>> held;
  // seq > acked -> its outcome as a ResultRow's bytes: kept by the thousand, read almost never.
  absl::btree_map<uint64_t, std::string> results;
};

// Licenses of one pool held by one session. Plain, because there may be millions: about 96 bytes,
// and 40 more for its places in the indexes.
struct Checkout {
  uint64_t handle = 0;
  Session* session = nullptr;
  PoolUse* use = nullptr;
  uint64_t count = 0;
  int64_t start_wall_ms = 0;
  uint64_t granted_index = 0;
  int32_t start_utc_offset_s = 0;
  std::string version;  // as asked for; at most 10 bytes, so never on the heap
};

// The checkout as its holder and an administrator see it.
v1::Holding HoldingOf(const Checkout& checkout);

class LedgerState {
 public:
  using Sessions = absl::btree_map<SessionId, std::unique_ptr<Session>>;
  using Checkouts = absl::btree_map<uint64_t, std::unique_ptr<Checkout>>;

  LedgerState();

  // Applied position, times, counters: written with every batch of rows, so free to change.
  v1::LedgerHead& head() { return head_; }
  const v1::LedgerHead& head() const { return head_; }
  Day today() const { return DayAt(head_.wall_ms(), head_.utc_offset_s()); }

  const Catalog& catalog() const { return catalog_; }
  const v1::InstallLicenses* installed() const { return installed_ ? &*installed_ : nullptr; }
  const v1::Members& members() const { return members_; }
  const Sessions& sessions() const { return sessions_; }
  const Checkouts& checkouts() const { return checkouts_; }
  Session* FindSession(absl::string_view id) const;     // nullptr: unknown
  const Checkout* FindCheckout(uint64_t handle) const;  // nullptr: not out
  const PoolUse* FindUse(uint64_t pool) const;          // nullptr: nothing out
  v1::SessionState SessionStateOf(const Session& session) const;

  // Takes the license set and counts it. Checkouts stay as they are.
  void Install(const v1::InstallLicenses& set);
  void SetMembers(const v1::Members& members);
  // `session` has a new id of 16 bytes.
  Session& AddSession(Session session);
  // Call for every change of a session's own fields.
  Session& Edit(Session& session);
  // It must hold nothing any more. Its identity stays where it is until ForgetRemoved.
  void RemoveSession(Session& session);
  void ForgetRemoved() { removed_.clear(); }
  void SetResult(Session& session, uint64_t seq, const v1::Outcome& outcome);
  std::optional<v1::Outcome> FindResult(const Session& session, uint64_t seq) const;
  // Raises acked, if higher, and drops the results up to it.
  void Acknowledge(Session& session, uint64_t acked);
  // A new handle for `count` licenses out of `pool`, starting now.
  const Checkout& AddCheckout(Session& session, const Pool& pool, uint64_t count,
                              absl::string_view version);
  void RemoveCheckout(uint64_t handle);

  // See Ledger.
  std::vector<RowChange> TakeChanges();
  // Into a new state only: rows in key order, then Loaded().
  absl::Status LoadRow(absl::string_view key, absl::string_view value);
  absl::Status Loaded(LogPosition applied) const;
  uint64_t Digest() const;
  absl::Status CheckInvariants() const;

 private:
  absl::Status CheckMembers() const;
  // Indexes a checkout that is new or was read.
  const Checkout& Insert(std::unique_ptr<Checkout> checkout, uint64_t pool,
                         absl::string_view feature);
  std::optional<std::string> ValueOf(const RowKey& row) const;  // nullopt: no such row
  std::vector<RowKey> AllRows() const;                          // in key order
  absl::Status LoadHead(absl::string_view value);
  absl::Status LoadLicenseSet(absl::string_view value);
  absl::Status LoadMembers(absl::string_view value);
  absl::Status LoadSession(const RowKey& row, absl::string_view value);
  absl::Status LoadResult(const RowKey& row, absl::string_view value);
  absl::Status LoadCheckout(const RowKey& row, absl::string_view value);

  v1::LedgerHead head_;
  std::optional<v1::InstallLicenses> installed_;
  v1::Members members_;  // empty: no row
  Catalog catalog_;
  Sessions sessions_;
  std::vector<std::unique_ptr<Session>> removed_;  // by the present entry
  Checkouts checkouts_;
  std::map<uint64_t, PoolUse> uses_;  // by pool; an entry never moves, checkouts point at it
  ChangedRows changed_;
  uint64_t taken_index_ = 0;  // applied index at the last TakeChanges
};

}  // namespace triad::license
