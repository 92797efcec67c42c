// The replicated state machine: who holds what. The same entries in the same order give the same
// ledger on every node.
//
// Not thread-safe. Pure: no clock, no disk, no chance; time comes stamped in the entries. Every
// decision (free licenses, expiry dates, exactly-once, who may) is made in Apply, never before the
// log. No iteration over unordered containers.
//
// What it is not: it proposes nothing (server/sessions decides when to propose an expiry) and it
// writes nothing (the caller takes the changed rows with TakeChanges and hands them to a
// LedgerStore).
//
// Exactly once (design §6): (session, seq) has one effect. Its outcome is kept and given again
// until the client acknowledges it; from then on the seq is refused. Not kept, because nothing was
// executed and nothing may have been: SESSION_UNKNOWN, BAD_TOKEN, ANSWERED_BEFORE, a seq outside
// the window (TOO_MANY_PENDING), acked >= seq (MALFORMED). Kept like any answer: denials, malformed
// operations, and a full checkout table (TOO_MANY_PENDING too; only a new seq asks anew).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "license/grant.h"
#include "license/host_id.h"
#include "license/ledger_state.h"
#include "license/ledger_store.h"
#include "license/limits.h"
#include "license/usage_record.h"
#include "triad/v1/command.pb.h"

namespace triad::license {

// The newest command that this program knows: 1 all of the first release, 2 a license set that
// replaces another, 3 queues, borrowing, reservations, what administrators do (and who changed the
// licenses) and what is due, 4 waivers that end, and a recovery that says where its data came from,
// 5 license sets that end waivers. A new command, or a new meaning of one, raises it (design 5.5).
inline constexpr uint32_t kCommandVersion = 5;
inline constexpr uint32_t kWaiverVersion = 4;
// From here on a waiver is over when the installed SERVER line names the machine it was given for.
inline constexpr uint32_t kRelicenseVersion = 5;
// What a program must know to apply `command` as it is meant.
uint32_t RequiredVersion(const v1::Command& command);

// What applying an entry caused beside its outcome, for those attached here and for the logs. A
// command that is answered again, refused or ignored causes none.
struct LedgerEvent {
  enum class Kind {
    kInstalled,   // a license set; reason is its first diagnostic, "" if there is none
    kOpened,      // session, node
    kAttached,    // session, node; also an open that moved an untouched session
    kDetached,    // session, node
    kEnded,       // session, node, reason "closed", "connection lost", "silent"; its holdings come
                  // first as kCheckedIn with the same reason
    kCheckedOut,  // session, holding
    kCheckedIn,   // session, holding, reason "" when the application asked
    kDenied,      // session, feature, reason, code
    kMembers,     // other nodes are in force; see members()
    kRecovered,   // one node went on alone: see no_grants_until_ms()
    kClusterVersion,
    // The queue. Its outcome, or an outcome of others, does not tell a waiter: these do.
    kQueued,    // session, ticket, feature
    kDequeued,  // session, ticket, feature, reason, code; without a grant. Code 0: its own wish,
                // its session's end, or its time was over
    kGranted,   // session, ticket, granted: came out of the queue; its kCheckedOut come first
    // Lingers: the holder has given back, the licenses stay out.
    kLingers,     // session (that had it), holding; its kCheckedIn comes first
    kLingerOver,  // holding; reason "over" or "taken up again"
    // Reservations at run time.
    kReserved,    // who, feature, reservation, count, reason "USER ann"
    kUnreserved,  // who, feature, reservation, count, reason "taken back" or "over"
    // Of a checkout that is out.
    kViolation,    // session (if held), holding, feature, reason
    kRestored,     // session (if held), holding, feature, reason: of the violation that is over
    kRemoved,      // who, session, holding: an administrator freed it; its kCheckedIn comes first
    kReclaimed,    // session, holding, reason "idle", "time limit", "borrowing is over"; its
                   // kCheckedIn comes first
    kBorrowed,     // session, holding
    kReturned,     // session, holding: a borrowed one, before its time
    kResized,      // session, holding as it is now, count: as it was
    kIdle,         // session, holding
    kActive,       // session, holding: works with it again
    kClockUndone,  // who: the highest date seen went back
  };
  Kind kind;
  std::string session;  // "": of none
  uint32_t node = 0;    // that session's
  v1::Holding holding;
  std::string feature;
  std::string reason;
  int32_t code = 0;
  // Of whom; until the next Apply, also when its session has ended. nullptr: of nobody.
  const v1::Identity* identity = nullptr;
  uint64_t ticket = 0;
  v1::Granted granted;
  std::string who;           // the administrator, as AdminCommand says
  uint64_t reservation = 0;  // its id
  uint64_t count = 0;
};

// When the leader should propose TimePasses, because something is due; unset: not at all.
struct NextDue {
  std::optional<uint64_t> cluster_ms;
  std::optional<int64_t> wall_ms;
};

// What each of a pool's licenses is on a day: exactly one of free, used, reserved (set aside and
// not out), lingering, borrowed. What is out beyond the licenses is overdrafted: by OVERDRAFT, or
// because there were more before.
struct PoolSeats {
  uint64_t licenses = 0;
  uint64_t overdraft = 0;  // so many more may go out
  uint64_t free = 0;
  uint64_t used = 0;
  uint64_t reserved = 0;
  uint64_t lingering = 0;
  uint64_t borrowed = 0;
  uint64_t overdrafted = 0;
};

class Ledger {
 public:
  struct Limits {
    size_t sessions_max = kSessionsMax;  // small in the simulator
    size_t checkouts_max = kCheckoutsMax;
    // Signatures that this program has verified already; see Know.
    std::shared_ptr<const VerifiedLines> known = nullptr;
  };
  using Session = license::Session;
  using Checkout = license::Checkout;

  Ledger() : Ledger(Limits()) {}
  explicit Ledger(Limits limits) : limits_(std::move(limits)) { Know(limits_.known); }

  // Signatures that were verified elsewhere, of the files that are likely to be installed: Apply
  // is not held up by verifying them again. Changes no answer.
  void Know(std::shared_ptr<const VerifiedLines> lines) { state_.SetKnown(std::move(lines)); }
  const std::shared_ptr<const VerifiedLines>& known() const { return state_.known(); }

  // Applies the entry at `position`; positions come in order without gaps. `record` is null for an
  // entry without a command (a no-op). Never fails: what is wrong with a command is its outcome.
  // `events` may be null.
  v1::Outcome Apply(LogPosition position, const v1::LogRecord* record,
                    std::vector<LedgerEvent>* events);

  LogPosition applied() const;
  const Catalog& catalog() const { return state_.catalog(); }
  uint64_t license_set_number() const;  // 0: none installed yet
  const v1::InstallLicenses* installed() const { return state_.installed(); }
  uint64_t cluster_ms() const { return state_.head().cluster_ms(); }
  // The highest stamp seen, with the offset it came with.
  int64_t wall_ms() const { return state_.head().wall_ms(); }
  int32_t utc_offset_s() const { return state_.head().utc_offset_s(); }
  Day today() const { return state_.today(); }
  // Commands up to this version may be used: every voter's program knows them. At least 1.
  uint32_t cluster_version() const;
  // The nodes last applied; empty as long as those of the birth are in force.
  const v1::Members& members() const { return state_.members(); }
  // A set whose SERVER line of `slot` names `host_id` in place of the machine licensed so far may
  // be installed: that node runs on a waiver for this very host id, which then ends.
  bool MayRelicense(uint32_t slot, const HostId& host_id) const;
  // No licenses that are counted are granted before this cluster time (`triadd recover`).
  uint64_t no_grants_until_ms() const { return state_.head().no_grants_until_ms(); }

  // Pointers and references hold until the next Apply or Restore. nullptr: no such one.
  const Session* FindSession(absl::string_view id) const { return state_.FindSession(id); }
  const Checkout* FindCheckout(uint64_t handle) const { return state_.FindCheckout(handle); }
  // In order of id; of handle.
  const LedgerState::Sessions& sessions() const { return state_.sessions(); }
  const LedgerState::Checkouts& checkouts() const { return state_.checkouts(); }
  uint64_t UsedOf(uint64_t pool) const;
  // Walks what lingers and is borrowed of the pool. Not of an uncounted one.
  PoolSeats SeatsOf(const Pool& pool) const;
  // Handles out of a pool, in order.
  std::vector<uint64_t> HandlesOf(uint64_t pool) const;
  // What a session holds at applied().index.
  v1::SessionState StateOf(const Session& session) const { return state_.SessionStateOf(session); }

  NextDue NextDueAt() const;
  const LedgerState::Waiters& waiters() const { return state_.waiters(); }
  const LedgerState::Reservations& reservations() const { return state_.reservations(); }
  const PoolUse* FindUse(uint64_t pool) const { return state_.FindUse(pool); }
  // By pool; also of pools that no license line makes any more.
  const std::map<uint64_t, PoolUse>& uses() const { return state_.uses(); }
  uint64_t PositionOf(const Waiter& waiter) const { return state_.PositionOf(waiter); }
  // Of this vendor nothing is checked out: an administrator has stopped it.
  bool IsStopped(absl::string_view vendor) const;
  std::vector<std::string> stopped_vendors() const;  // sorted
  // Some vendor was stopped through this node.
  bool StoppedThrough(uint32_t node) const;

  // Rows changed since the last call, net, in key order; includes the head row whenever anything
  // was applied.
  std::vector<RowChange> TakeChanges() { return state_.TakeChanges(); }
  // Usage records made since the last call, to be stored with the rows of the same entries.
  UsageChanges TakeUsage();
  const v1::UsageChain& usage_chain() const { return state_.head().usage(); }
  // Rebuilds the ledger from rows. DATA_LOSS with the key when they do not fit together; the ledger
  // is then as it was.
  absl::Status Restore(LedgerStore& store);

  // Equal on every node at the same index: a hash over all rows.
  uint64_t Digest() const { return state_.Digest(); }
  // Recounts everything from the checkouts and compares: INTERNAL with the first difference. For
  // tests and the simulator.
  absl::Status CheckInvariants() const { return state_.CheckInvariants(); }

 private:
  using Events = std::vector<LedgerEvent>;

  v1::Outcome ApplyCommand(const v1::Command& command, Events& events);
  v1::Outcome ApplyOpen(const v1::OpenSession& open, Events& events);
  v1::Outcome ApplyReopen(Session& session, const v1::OpenSession& open, Events& events);
  v1::Outcome ApplyAttach(const v1::AttachSession& attach, Events& events);
  v1::Outcome ApplyDetach(const v1::DetachSession& detach, Events& events);
  v1::Outcome ApplyClose(const v1::CloseSession& close, Events& events);
  v1::Outcome ApplyExpire(const v1::ExpireSession& expire, Events& events);
  v1::Outcome ApplyMembers(const v1::Members& members, Events& events);
  v1::Outcome ApplyRecovered(const v1::Recovered& recovered, Events& events);
  v1::Outcome ApplyPruneUsage(const v1::PruneUsage& prune);
  v1::Outcome ApplyClusterVersion(const v1::SetClusterVersion& set, Events& events);
  v1::Outcome ApplyRequest(const v1::Request& request, Events& events);
  v1::Outcome ApplyOperation(Session& session, const v1::Request& request, Events& events);
  v1::Outcome ApplyCheckout(Session& session, const v1::Checkout& checkout, Events& events);
  v1::Outcome ApplyCheckin(Session& session, const v1::Checkin& checkin, Events& events);
  std::variant<std::vector<Grant>, v1::Outcome> Decide(const Asker& asker,
                                                       const v1::Checkout& checkout) const;
  std::optional<v1::Outcome> HoldBack(const std::vector<Grant>& grants) const;
  // ledger_time.cc: what speaks against the client's clock, or the servers'.
  std::optional<v1::Outcome> ClockObjection(const Session& session,
                                            const std::vector<Grant>& grants) const;
  void NoteClock(Session& session, int64_t client_wall_ms);
  void Touch(Session& session);
  void End(Session& session, absl::string_view reason, Events& events);

  // ledger_waiver.cc
  void JudgeWaivers(Events& events);
  bool IsLicensed(const v1::Members::Node& node) const;
  std::optional<int64_t> NextWaiverEnd() const;
  std::optional<v1::Outcome> WaiverObjection(const std::vector<Grant>& grants) const;

  // ledger_give.cc: carries out what was decided
  // `ticket`: of a checkout that waited; 0: it did not.
  v1::Granted Give(Session& session, const v1::Checkout& checkout, const std::vector<Grant>& grants,
                   uint64_t ticket, Events& events);
  void TakeUpLingers(const Session& session, const std::string& user, absl::string_view data,
                     const Grant& grant, Events& events);
  // Its holder has it no longer: it is free, or lingers if it may.
  enum class After { kFree, kLinger };
  void Release(uint64_t handle, absl::string_view reason, After after, Events& events);
  uint64_t LingerMs(const Checkout& checkout) const;
  void EndLinger(uint64_t handle, absl::string_view reason, Events& events);
  // Those that are over by now but still out; true: there were some.
  bool EndLingersOver(Events& events);

  // ledger_change.cc: another license set, another day
  v1::Outcome ApplyInstall(const v1::InstallLicenses& install, Events& events);
  // Who is in violation, and who no longer, after a change of licenses, of the day or of what is
  // out.
  void JudgeViolations(Events& events);
  void Judge(uint64_t pool, Events& events);
  std::string ViolationOf(const PoolUse& use) const;
  void OnNewDay(Events& events);

  // ledger_admin.cc
  v1::Outcome ApplyAdmin(const v1::AdminCommand& admin, Events& events);
  v1::Outcome Act(const v1::AdminCommand& admin, Events& events);
  v1::Outcome ApplyReserve(const v1::AdminCommand& admin, Events& events);
  v1::Outcome ApplyUnreserve(const v1::AdminCommand& admin, Events& events);
  void EndReservation(uint64_t id, absl::string_view who, absl::string_view reason, Events& events);
  v1::Outcome ApplyRemove(const v1::AdminCommand& admin, Events& events);
  v1::Outcome ApplyUndoClock(const v1::AdminCommand& admin, Events& events);
  v1::Outcome ApplyStopVendor(const v1::StopVendor& stop);
  v1::Outcome ApplyStartVendors(const v1::StartVendors& start);
  // Why `checkout` gets nothing: it asks for what a stopped vendor has; nullopt: it does not.
  std::optional<v1::Outcome> StoppedObjection(const v1::Checkout& checkout) const;

  // ledger_time.cc
  v1::Outcome ApplyTimePasses(Events& events);
  void Happen(const Due& due, Events& events);
  void Reclaim(uint64_t handle, absl::string_view reason, Events& events);

  // ledger_queue.cc
  v1::Outcome Enqueue(Session& session, const v1::Checkout& checkout, v1::Outcome no,
                      Events& events);
  void Dequeue(uint64_t ticket, absl::string_view reason, int32_t code, Events& events);
  void ServePool(uint64_t pool, Events& events);
  enum class Served { kGone, kStays };
  Served Serve(const Waiter& waiter, Events& events);
  // After a change of licenses or of the day: who can never be served leaves, the others stand in
  // the queues of the pools that would do now.
  void Requeue(Events& events);
  v1::Outcome ApplyCancelWait(Session& session, const v1::CancelWait& cancel, Events& events);
  // Grants to those who wait what has come free, in their order; called at the end of each entry.
  void ServeQueues(Events& events);

  // ledger_borrow.cc
  std::optional<v1::Outcome> BorrowObjection(const Session& session, const Pool& pool,
                                             const v1::Borrow& borrow) const;
  v1::Outcome ApplyBorrow(Session& session, const v1::Borrow& borrow, Events& events);
  v1::Outcome ApplyReturn(Session& session, const v1::ReturnBorrowed& returned, Events& events);

  // ledger_hold.cc: what becomes of a checkout while it is held
  std::variant<Grant, v1::Outcome> DecideMore(Session& session, const Checkout& checkout,
                                              const v1::Resize& resize, Events& events);
  v1::Outcome ApplyResize(Session& session, const v1::Resize& resize, Events& events);
  v1::Outcome ApplySetIdle(Session& session, const v1::SetIdle& set, Events& events);

  Limits limits_;
  v1::Stamp stamp_;  // of the entry that is being applied
  LedgerState state_;
  std::vector<UsageRow> usage_;
};

}  // namespace triad::license
