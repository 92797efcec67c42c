// One session with one cluster: everything that the library decides. Which node to attach to, when
// to ask another, what an answer or its absence means, when a license counts as unconfirmed or
// lost.
//
// Exactly once (design 6): a request is (session, seq) and may be sent as often as need be, through
// any node. A request unanswered for 250 ms goes to another node too. What the application has
// given up waiting for goes on in the background until its answer is known; a grant that nobody
// waits for is given back.
//
// State, then events: an attach answers with all that the session holds and waits for, at one
// index. What we hold and the cluster does not is lost; then the library goes on asking for the
// same licenses, those of one checkout together: all of them or, as before, none.
//
// What it is not: it has no thread, socket or clock. It is handed an Environment; its results go to
// callbacks and the Observer, at the end of each input, when its own state is consistent: they may
// call back into it. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/confirmation.h"
#include "client/environment.h"
#include "client/grant_check.h"
#include "client/limits.h"
#include "client/links.h"
#include "license/protocol.h"
#include "license/signature.h"
#include "triad/client.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/license.pb.h"

namespace triad::client {

// The wait after the n-th sending of the same thing: 250, 250, 500, 1000, 2000, 2000, ... ms.
int64_t RetryInterval(int attempts);

Status MakeStatus(ErrorKind kind, int code, absl::string_view message);
v1::CountMode WireMode(CountMode mode);

struct Terms : CheckoutOptions {
  // Others can be asked: fails at once while no server of this cluster can be reached.
  bool hurry = false;
};

class Session final : public Driven {
 public:
  struct Config {
    std::vector<std::string> servers;  // "27000@lic1", for messages
    v1::Identity identity;
    license::VendorKeys vendor_keys;  // empty: grants are not checked
    UnconfirmedPolicy unconfirmed = UnconfirmedPolicy::kContinue;
    int64_t unconfirmed_grace_ms = 0;
    uint32_t protocol = license::kClientProtocol;  // another one in tests only
    // Where the numbers of licenses come from; null: 1, 2, 3, ...
    std::function<LicenseId()> next_license;
  };
  // How long Start's answer may take.
  struct Patience {
    int64_t timeout_ms = 5000;
    int64_t no_quorum_ms = kNoQuorumMs;    // when all that can be reached have no quorum
    int64_t unreachable_ms = kNoQuorumMs;  // when no server can be reached
    // Other clusters may serve: after a failure this one is tried again only now and then.
    bool others = false;
  };
  using Done = std::function<void(const Status&)>;
  using CheckoutDone = std::function<void(const Status&, const std::vector<LicenseId>&)>;
  // What a borrow brings: the holding, and the signed lines behind it.
  struct BorrowGrant {
    v1::Holding holding;
    v1::PoolDescription pool;
  };
  using BorrowDone = std::function<void(const Status&, const BorrowGrant&)>;

  Session(Config config, const Environment& environment);

  // Connects and opens the session. `done` hears of the first success, or of the failure; after a
  // failure the session still goes on trying until Close.
  void Start(const Patience& patience, Done done);
  // All or none of `requests`, which the caller has checked to be sensible. `done` is called once.
  // With terms.wait, `timeout_ms` is until it is granted, denied or queued.
  void StartCheckout(const std::vector<CheckoutRequest>& requests, int64_t timeout_ms,
                     CheckoutDone done, const Terms& terms = Terms());
  // All that wait, or may yet wait, in a queue end with kCancelled.
  void CancelWaits();
  // kUsage if there is no such license (any more).
  void StartCheckin(LicenseId license, int64_t timeout_ms, Done done);
  void StartResize(LicenseId license, uint64_t count, CountMode mode, int64_t timeout_ms,
                   Done done);
  // FALSE: there is no such license (any more).
  bool SetIdle(LicenseId license, bool idle);
  void SetIdleAll(bool idle);
  void StartBorrow(const CheckoutRequest& request, int64_t until_wall_ms, int64_t timeout_ms,
                   const BorrowDone& done);
  void StartReturnBorrowed(uint64_t handle, int64_t timeout_ms, Done done);
  // Gives everything back. `done` within kCloseMs; nothing happens afterwards.
  void StartClose(Done done);

  void OnConnected(size_t server) override;
  void OnDisconnected(size_t server, absl::string_view reason) override;
  void OnMessage(size_t server, const v1::ServerMessage& message) override;
  void OnTimer() override;
  int64_t NextTimer() const override;

  bool closed() const { return closed_; }
  // A session was open once: this is a cluster of ours.
  bool ever_opened() const { return ever_opened_; }
  ClusterStatus status() const;

 private:
  // One request of the application, or of the library.
  struct Call {
    enum class Kind {
      kCheckout,
      kCheckin,
      kRegrant,
      kResize,
      kSetIdle,
      kCancelWait,
      kBorrow,
      kReturnBorrowed,
    };
    uint64_t key = 0;  // our own number, never reused
    Kind kind = Kind::kCheckout;
    uint64_t seq = 0;                     // in the session at hand; 0: not sent in it
    v1::Checkout checkout;                // kCheckout, kRegrant
    uint64_t handle = 0;                  // kCheckin
    std::vector<LicenseId> licenses;      // kRegrant, in the order of the items; kResize, kSetIdle
    v1::ClientRequest op;                 // what is sent, for all other kinds
    std::shared_ptr<BorrowGrant> borrow;  // kBorrow
    bool hurry = false;
    bool queued = false;  // kCheckout: it waits; what becomes of it is an event
    uint64_t ticket = 0;
    int64_t queued_ms = 0;
    uint64_t position = 0;
    int64_t started_ms = 0;
    int64_t deadline_ms = INT64_MAX;
    CheckoutDone done;       // null: nobody waits (any more)
    bool abandoned = false;  // give back what it brings
    bool uncertain = false;  // was sent somewhere from where no answer will come
    bool overloaded = false;
    std::string overload_reason;
    int attempts = 0;
    size_t last_server = 0;
    int64_t due_ms = INT64_MAX;                          // next sending
    int64_t look_ms = INT64_MAX;                         // next CheckCallTime
    std::map<size_t, std::pair<uint64_t, int64_t>> out;  // server -> message id, sent at
    std::optional<v1::Granted> granted;  // answered; the lines behind it are being checked
    uint32_t granted_node = 0;
  };
  // A license of the application.
  struct Held {
    LicenseView view;
    uint64_t pool = 0;
    // In the cluster's log at that time; one that was recovered begins again at an earlier index.
    uint64_t granted_index = 0;
    int64_t granted_ms = 0;  // when it was delivered
    uint64_t group = 0;      // the checkout that it came from: lost together, asked for together
    CheckoutRequest request;
    std::string user;
    int64_t time_limit_ms = 0;
    int64_t asked_ms = 0;   // when the checkout that granted it was first asked for
    std::string violation;  // as last told; "": none
    uint64_t resize_call = 0;
    int64_t resized_ms = INT64_MIN;  // when its count was last heard of
    bool idle = false;               // what the application said
    bool idle_told = false;          // what the cluster was told
    uint64_t idle_call = 0;
    bool told_unconfirmed = false;
    bool told_refused = false;
    int64_t since_ms = 0;  // unconfirmed or lost since
    // kLost:
    bool overuse_told = false;  // the cluster knows that it is used all the same
    bool asleep = false;        // idle when it was reclaimed: not asked for until it is used
    int64_t regrant_ms = INT64_MAX;
    int64_t regrant_interval_ms = kRegrantMsMin;
    uint64_t regrant_call = 0;
  };
  // An Open or Attach that is on its way.
  struct Attempt {
    size_t server = 0;
    uint64_t attachment = 0;
    bool open = false;
    int64_t sent_ms = 0;
    std::string token;  // that an attach has shown
  };
  struct PoolCheck {
    std::optional<absl::StatusOr<PoolProof>> proof;  // not set: asked for
    // Kept for the borrows that wait for it only; not set: not here yet, or not any more.
    std::optional<v1::PoolDescription> description;
    int64_t asked_ms = 0;  // when asking began
    int64_t due_ms = 0;
    int refusals = 0;
    size_t last_server = 0;
  };
  struct Sent {
    enum class Kind { kCall, kDescribe, kClose };
    Kind kind = Kind::kCall;
    size_t server = 0;
    uint64_t key = 0;  // of the call, of the pool
  };

  // --- session.cc: connections, attaching, heartbeats, confirmation, the end ---
  void NoteAwake();
  bool MustStayAwake() const;
  void Step();
  void RenewSilent();
  void RunLater();
  int64_t Now() const { return env_.clock->NowMs(); }
  void Note(int level, const std::string& line) { env_.observer->OnNote(level, line); }
  void NewSession();
  void CheckStart();
  void MaybeAttach();
  void SendAttempt(size_t server);
  bool MayAttempt(size_t server) const;
  bool AttemptIsOut(size_t server) const;
  void Reattach(absl::string_view why, bool now);
  void OnOtherVersion(size_t server, const std::string& reason);
  void OnOpened(size_t server, const Attempt& attempt, const v1::Opened& opened);
  void OnAttemptFailed(const Attempt& attempt, const v1::Failure& failure);
  void Reconcile(const v1::SessionState& state, int64_t asked_ms);
  void ReconcileHolding(LicenseId id, Held& held, const v1::Holding& holding, int64_t asked_ms);
  void GiveStrangersBack();
  void LoseSession(absl::string_view reason);
  void MaybeHeartbeat();
  void OnHeartbeatAnswer(size_t server, const v1::HeartbeatAnswer& answer);
  void OnServes(size_t server);
  void OnSessionEvent(const v1::SessionEvent& event);
  void CheckConfirmation();
  void SendClose();
  void FinishClose(const Status& status);
  void Emit(Event::Kind kind, LicenseId id, const Held& held, absl::string_view reason,
            absl::string_view cause = "");
  void Emit(Event event);
  void OnViolationNews(const v1::SessionEvent& pushed);
  void TellViolation(LicenseId id, Held& held, const std::string& violation);
  // The license of a handle that the cluster knows; held_.end(): none.
  std::map<LicenseId, Held>::iterator FindHandle(uint64_t handle);
  void TellLicense(LicenseId id, const Held& held);

  // --- session_calls.cc: requests and licenses ---
  void StepCalls();
  int64_t NextCallTimer() const;
  Call& NewCall(Call::Kind kind);
  void SetDue(Call& call, int64_t due_ms);
  void SetLook(Call& call, int64_t look_ms);
  void AllCallsDue();
  bool SendCall(Call& call);
  std::optional<size_t> PickFor(const Call& call) const;
  int64_t NextTry(const Call& call) const;
  v1::ClientMessage MakeMessage(const Call& call, size_t server);
  void CheckCallTime(Call& call);
  Status NoAnswer(const Call& call) const;
  bool IsGrant(const Call& call) const;  // what it brings must not be forgotten
  void Fail(Call& call, Status status);
  void Finish(Call& call);  // the call is over: forgets it
  void MarkAnswered(uint64_t seq);
  void OnCallOutcome(size_t server, Call& call, const v1::Outcome& outcome);
  void OnCallFailure(size_t server, Call& call, const v1::Failure& failure);
  void OnOverloaded(Call& call, const v1::Failure& failure);
  void OnDenied(Call& call, Status status);
  void OnGranted(Call& call);
  bool GrantIsProven(Call& call, absl::Status* verdict);
  void DeliverGrant(Call& call);
  void DeliverRegrant(Call& call);
  void GiveBack(const v1::Granted& granted);
  void CheckinHandle(uint64_t handle, int64_t deadline_ms, CheckoutDone done);
  void GiveBack(const Call& call);
  void DeliverBorrow(Call& call);
  Held& NewHeld(const Call& call, int item, const v1::Holding& holding, LicenseId* id);
  // The cluster has freed it: ended, or lost.
  void OnFreed(LicenseId id, absl::string_view reason, int64_t first_ms, bool alone);
  void LoseLicense(LicenseId id, Held& held, absl::string_view reason, int64_t first_ms);
  void LeaveRegrant(LicenseId id, const Held& held);
  void StartRegrants();
  void StartRegrant(uint64_t group);
  void ScheduleRegrant(Held& held);
  void SendDescribes();
  void OnPool(uint64_t pool, absl::StatusOr<PoolProof> proof);
  void OnPoolRefused(uint64_t pool, absl::string_view reason);
  // --- session_changes.cc: queues, resizing, idling ---
  void OnQueued(Call& call, const v1::Queued& queued);
  void OnQueueEvent(const v1::SessionEvent& event);
  void ReconcileQueues(const v1::SessionState& state, int64_t asked_ms);
  void ExpectAnswer(Call& call, int64_t timeout_ms, CheckoutDone done);
  void ReturnBorrowedHandle(uint64_t handle, int64_t timeout_ms, Done done);
  Call* FindTicket(uint64_t ticket);
  void TellQueued(Call& call, uint64_t position);
  void OnGrantedFromQueue(Call& call, const v1::Granted& granted);
  void Dequeue(Call& call, int32_t code, absl::string_view reason);
  void SendCancelWait(uint64_t ticket);
  void OnResized(Call& call, const v1::Outcome& outcome);
  void TellIdle(LicenseId id, Held& held);
  void OnIdleTold(Call& call);

  void ForgetServer(size_t server);
  void ResetCalls();
  void TellDone(Call& call, const Status& status, std::vector<LicenseId> licenses = {});
  std::string Name(const Call& call) const;

  const Config config_;
  const Environment env_;
  Links links_;
  Confirmation confirmation_;

  bool started_ = false;
  bool ever_opened_ = false;
  bool closed_ = false;
  bool stepping_ = false;
  bool again_ = false;  // something was called from a callback
  std::deque<std::function<void()>> later_;

  // Start
  Patience patience_;
  int64_t start_ms_ = 0;
  Done start_done_;

  // The session. token_ is empty until it is opened.
  std::string session_;
  std::string token_;
  bool touched_ = false;          // a request has been executed in it
  uint64_t last_attachment_ = 0;  // highest number used
  uint64_t attachment_ = 0;       // the one accepted
  std::optional<size_t> attached_;
  uint32_t node_ = 0;
  std::map<size_t, uint32_t> nodes_;  // of the servers, as they say
  size_t last_attached_ = 0;
  bool move_ = false;                     // attached, but to be attached elsewhere
  std::map<uint64_t, Attempt> attempts_;  // by message id
  size_t last_attempt_server_ = 0;
  int attempt_count_ = 0;  // since last attached
  int64_t attempt_ms_ = 0;
  int64_t heartbeat_ms_ = 0;
  std::string removed_reason_;
  int64_t awake_ms_ = INT64_MIN;  // the latest input

  // Requests
  uint64_t next_id_ = 1;
  uint64_t next_key_ = 1;
  uint64_t next_seq_ = 1;
  uint64_t acked_ = 0;
  std::set<uint64_t> answered_;  // above acked_
  std::map<uint64_t, Call> calls_;
  std::set<std::pair<int64_t, uint64_t>> due_;    // (due_ms, key)
  std::set<std::pair<int64_t, uint64_t>> looks_;  // (look_ms, key)
  std::map<uint64_t, Sent> sent_;                 // by message id
  std::map<uint64_t, PoolCheck> pools_;
  size_t waiting_ = 0;                    // calls with done
  bool window_full_ = false;              // calls wait for acked_ to move
  int64_t other_version_ms_ = INT64_MIN;  // when a server last was more than a version apart
  bool no_quorum_news_ = false;           // what links_ says of quorums has changed

  // What became of tickets that no answer has named yet.
  std::map<uint64_t, v1::SessionEvent> early_;

  // Holdings in the last state that may be none of ours.
  struct Strangers {
    std::map<uint64_t, uint64_t> tickets;  // by handle
    std::set<uint64_t> calls;              // under way then: one of them may have brought them
  };
  Strangers strangers_;

  std::map<LicenseId, Held> held_;
  LicenseId next_license_ = 1;

  // Close
  bool closing_ = false;
  int64_t close_deadline_ms_ = 0;
  int64_t close_due_ms_ = 0;
  size_t close_server_ = 0;
  Done close_done_;
};

}  // namespace triad::client
