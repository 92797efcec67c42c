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
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "license/ledger_rows.h"
#include "license/ledger_store.h"
#include "license/ledger_tables.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/ledger.pb.h"

namespace triad::license {

// A checkout about to be.
struct NewCheckout {
  const Pool* pool = nullptr;
  uint64_t handle = 0;  // 0: the next
  uint64_t count = 0;
  std::string version;
  std::string user;
  std::string checkout_data;
  std::string dup_mask;
  uint64_t ticket = 0;
  uint64_t ends_ms = 0;
  uint64_t overdraft = 0;
  uint64_t suite_of = 0;
};

// The catalog of a license set. A pure function; `known` as BuildHelp has it.
Catalog BuildCatalog(const v1::InstallLicenses& set,
                     std::vector<std::shared_ptr<const VerifiedLines>> known = {});

class LedgerState {
 public:
  using Sessions = absl::btree_map<SessionId, std::unique_ptr<Session>>;
  using Checkouts = absl::btree_map<uint64_t, std::unique_ptr<Checkout>>;
  using Waiters = absl::btree_map<uint64_t, std::unique_ptr<Waiter>>;
  using Reservations = absl::btree_map<uint64_t, v1::ReservationRow>;

  LedgerState();

  // Applied position, times, counters: written with every batch of rows, so free to change.
  v1::LedgerHead& head() { return head_; }
  const v1::LedgerHead& head() const { return head_; }
  Day today() const { return DayAt(head_.wall_ms(), head_.utc_offset_s()); }

  const Catalog& catalog() const { return catalog_; }
  // Signatures that need not be verified again when a set is installed or read.
  void SetKnown(std::shared_ptr<const VerifiedLines> known) { known_ = std::move(known); }
  const std::shared_ptr<const VerifiedLines>& known() const { return known_; }
  const v1::InstallLicenses* installed() const { return installed_ ? &*installed_ : nullptr; }
  const v1::Members& members() const { return members_; }
  const Sessions& sessions() const { return sessions_; }
  const Checkouts& checkouts() const { return checkouts_; }
  const Waiters& waiters() const { return waiters_; }
  const Reservations& reservations() const { return reservations_; }
  const std::map<uint64_t, PoolUse>& uses() const { return uses_; }
  Session* FindSession(absl::string_view id) const;     // nullptr: unknown
  const Checkout* FindCheckout(uint64_t handle) const;  // nullptr: not out
  const PoolUse* FindUse(uint64_t pool) const;          // nullptr: nothing out, waiting, set aside
  const Waiter* FindWaiter(uint64_t ticket) const;      // nullptr: does not wait
  v1::SessionState SessionStateOf(const Session& session) const;
  v1::Waiting WaitingOf(const Waiter& waiter) const;
  // 1: the next, in the longest of its queues.
  uint64_t PositionOf(const Waiter& waiter) const;
  // The same of one that came last.
  uint64_t LastPositionOf(const Waiter& waiter) const;

  // Whom the reservation is for; `subjects` are SubjectsOf(use, who).
  bool IsFor(const PoolUse& use, const PoolReservation& reservation, const Who& who,
             const Subjects& subjects) const;
  Subjects SubjectsOf(const PoolUse& use, const Who& who) const;
  // How many licenses linger in the pool for `seat` (SeatKeyOf), of those that share with none.
  uint64_t LingeringOf(const PoolUse& use, const std::string& seat) const;
  // How many licenses count against this MAX.
  uint64_t UsedOfLimit(const MaxLimit::Key& key) const;
  // The options file's reservations, as they stand today; call when the day has changed.
  void RefreshReservations() { RebuildReservations(std::nullopt); }

  // Takes the license set and counts it. Checkouts stay as they are.
  void Install(const v1::InstallLicenses& set);
  void SetMembers(const v1::Members& members);
  // `session` has a new id of 16 bytes.
  Session& AddSession(Session session);
  // Call for every change of a session's own fields.
  Session& Edit(Session& session);
  // It must hold nothing any more. Its identity stays where it is until ForgetRemoved.
  void RemoveSession(Session& session);
  void ForgetRemoved() {
    removed_.clear();
    removed_owners_.clear();
  }
  void SetResult(Session& session, uint64_t seq, const v1::Outcome& outcome);
  std::optional<v1::Outcome> FindResult(const Session& session, uint64_t seq) const;
  // Raises acked, if higher, and drops the results up to it.
  void Acknowledge(Session& session, uint64_t acked);
  // Handles that no checkout had or will have: the first of `count` in a row.
  uint64_t TakeHandles(uint64_t count);
  // `session` holds these licenses from now on.
  const Checkout& AddCheckout(Session& session, NewCheckout added);
  void RemoveCheckout(uint64_t handle);
  // Changes a checkout that is out: every change goes through here, and all indexes follow.
  // `change` is called with it; it may not touch handle, use and group.
  template <typename F>
  void ChangeCheckout(uint64_t handle, F&& change) {
    Checkout& checkout = BeginChange(handle);
    change(checkout);
    EndChange(checkout);
  }
  // No session holds it any more; it stays out, whose it was stays known. For lingers and borrows.
  void Unhold(uint64_t handle);

  // The places of a checkout in the queues of `pools`.
  const Waiter& AddWaiter(Waiter added);
  void MoveWaiter(uint64_t ticket, std::vector<uint64_t> pools);
  void RemoveWaiter(uint64_t ticket);
  // Pools that someone waits for and where something came free since the last call, ascending.
  absl::btree_set<uint64_t> TakeFreed() { return std::exchange(freed_, {}); }
  bool AnyFreed() const { return !freed_.empty(); }
  // Those who wait for the pool are to be looked at again, as if something had come free.
  void NoteFreed(uint64_t pool);

  void AddReservation(uint64_t id, v1::ReservationRow reservation);
  void RemoveReservation(uint64_t id);

  // More of the pool is out than is licensed; `row` replaces what was said before.
  void SetViolation(uint64_t pool, absl::string_view feature, const v1::ViolationRow& row);
  void ClearViolation(uint64_t pool);
  // The pools with one.
  const absl::btree_set<uint64_t>& violated() const { return violated_; }

  // What TimePasses has to do, the next first: by cluster time, and by date and time.
  const absl::btree_set<Due>& due() const { return due_; }
  const absl::btree_set<Due>& due_by_date() const { return due_by_date_; }

  // See Ledger.
  std::vector<RowChange> TakeChanges();
  // Into a new state only: rows in key order, then Loaded().
  absl::Status LoadRow(absl::string_view key, absl::string_view value);
  absl::Status Loaded(LogPosition applied);
  uint64_t Digest() const;
  absl::Status CheckInvariants() const;

 private:
  absl::Status CheckMembers() const;
  absl::Status CheckCheckout(const Checkout& checkout) const;
  absl::Status CheckWaiters() const;
  absl::Status CheckDues() const;
  PoolUse& UseOf(uint64_t pool, absl::string_view feature);
  void DropIfIdle(PoolUse& use);
  // Takes a checkout that is new or was read.
  const Checkout& Insert(std::unique_ptr<Checkout> checkout, PoolUse& use);
  Checkout& BeginChange(uint64_t handle);
  void EndChange(Checkout& checkout);
  // Into and out of all indexes.
  void Index(Checkout& checkout);
  void Unindex(Checkout& checkout);
  void IndexExtra(Checkout& checkout);
  void UnindexExtra(Checkout& checkout);
  void LinkSuite(const Checkout& suite, bool add);
  void JoinGroup(Checkout& checkout, const std::string& key);
  void LeaveGroup(Checkout& checkout);
  void Settle(PoolUse& use, Group& group);
  void Unsettle(PoolUse& use, const Group& group);
  void PassOn(PoolUse& use);
  void ReopenReservations();
  bool NamedInReservation(const Checkout& checkout) const;
  void CountLimits(const Checkout& checkout, uint64_t count, bool add);
  void CountLimits(const Group& group, bool add);
  void RecountLimits();
  // Of one pool, or of all, and what is taken from them.
  void RebuildReservations(std::optional<uint64_t> only);
  std::map<uint64_t, std::vector<PoolReservation>> ReservationLists() const;
  void LoadedReservations();
  void IndexDues(const Checkout& checkout, bool add);
  void IndexWaiter(const Waiter& waiter, bool add);
  std::optional<std::string> ValueOf(const RowKey& row) const;  // nullopt: no such row
  std::vector<RowKey> AllRows() const;                          // in key order
  absl::Status LoadHead(absl::string_view value);
  absl::Status LoadLicenseSet(absl::string_view value);
  absl::Status LoadMembers(absl::string_view value);
  absl::Status LoadSession(const RowKey& row, absl::string_view value);
  absl::Status LoadResult(const RowKey& row, absl::string_view value);
  absl::Status LoadCheckout(const RowKey& row, absl::string_view value);
  absl::Status LoadReservation(const RowKey& row, absl::string_view value);
  absl::Status LoadViolation(const RowKey& row, absl::string_view value);
  absl::Status LoadWaiting(const RowKey& row, absl::string_view value);

  v1::LedgerHead head_;
  std::optional<v1::InstallLicenses> installed_;
  v1::Members members_;  // empty: no row
  Catalog catalog_;
  std::shared_ptr<const VerifiedLines> known_;  // no part of the state: it changes no answer
  Sessions sessions_;
  std::vector<std::unique_ptr<Session>> removed_;  // by the present entry
  std::vector<std::unique_ptr<v1::Identity>> removed_owners_;
  Checkouts checkouts_;
  std::map<uint64_t, PoolUse> uses_;  // by pool; an entry never moves, checkouts point at it
  Waiters waiters_;
  Reservations reservations_;
  absl::btree_set<Due> due_;
  absl::btree_set<Due> due_by_date_;
  absl::btree_set<uint64_t> freed_;
  std::map<MaxLimit::Key, uint64_t> limits_used_;
  absl::btree_set<uint64_t> violated_;
  ChangedRows changed_;
  bool loading_ = false;              // a row is being read: what it says stands, nothing is noted
  bool reservations_listed_ = false;  // since the rows are being read
  uint64_t taken_index_ = 0;          // applied index at the last TakeChanges
};

}  // namespace triad::license
