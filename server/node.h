// One node: the quorum log, the ledger and the clients' requests put together, as one deterministic
// object.
//
// Events go in (On...), effects go out through the Environment, in the order that Flush()
// documents. It has no thread, socket, file or clock of its own: the daemon runs it on one thread,
// the simulator runs three of them on one. What it is not: it decides nothing about licenses
// (license::Ledger) or about the log (quorum::Core).
//
// Its files, by subject: node.cc (start, time, effects in their order), node_peers.cc (links and
// messages of the others), node_reads.cc (reads, heartbeat reports), node_lead.cc (what a leader
// proposes of its own), node_disk.cc (what is written, compacted, fetched and jumped to),
// node_status.cc (what is told to people), node_admin.cc (what administrators ask), node_orders.cc
// (what they do to nodes: stop, drain).
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

#include "absl/status/status.h"
#include "license/catalog.h"
#include "license/ledger.h"
#include "quorum/core.h"
#include "server/attachments.h"
#include "server/client_desk.h"
#include "server/environment.h"
#include "server/expiry.h"
#include "server/limits.h"
#include "server/membership.h"
#include "server/proposals.h"
#include "server/reads.h"
#include "server/replacement.h"
#include "server/snapshots.h"
#include "server/stamp.h"
#include "server/usage_fetch.h"
#include "triad/v1/admin.pb.h"

namespace triad::server {

class Node : private Proposals::Sink {
 public:
  struct Server {
    quorum::Slot slot = quorum::Slot::kNone;
    std::string host;
    int port = 0;
    std::string Address() const;  // "27000@host", an IPv6 address in brackets
  };
  struct Config {
    quorum::Slot self = quorum::Slot::kNone;
    std::vector<Server> servers;  // one or three, in slot order
    int64_t heartbeat_ms = 50;
    int64_t election_timeout_ms = 300;
    ClientDesk::Config desk;
    v1::InstallLicenses own_files;  // proposed by the first leader
    std::string own_license_hash;   // of the catalog made of them
    std::vector<std::string> warnings;
    // The newest command that this program knows; older in tests of upgrades.
    uint32_t version = license::kCommandVersion;
    // After an upgrade new commands are used, and records written in their new form, when all nodes
    // have run the new program for so long; until then any may go back to the old one.
    int64_t finalise_after_ms = 0;
    // How much of the log is kept behind what is applied, for followers that were away.
    uint64_t log_keep_entries = kLogKeepEntries;
    uint64_t log_keep_bytes = kLogKeepBytes;
    int64_t disk_floor_bytes = kDiskFloorBytes;
    // How long usage records are kept; 0: for ever.
    int64_t usage_keep_ms = 0;
    uint64_t usage_keep_bytes = 0;
    // What is applied in one turn of the loop, and how many bytes of usage records may wait for the
    // ledger's disk before applying waits too. Small in the simulator.
    size_t apply_at_once = kApplyAtOnceMax;
    size_t usage_hold_bytes = kUsageHoldBytes;
  };

  Node(Config config, Environment env, Membership membership, quorum::Recovered recovered,
       std::unique_ptr<license::Ledger> ledger);

  // Call at least every kTickMs.
  void OnTimer();
  // After each batch of events, OnTimer among them: makes their effects happen.
  void Flush();

  // Peer streams. Incoming ones are known by link until their Hello is accepted.
  void OnIncoming(LinkId link, v1::PeerMessage message);
  void OnIncomingClosed(LinkId link);
  void OnOutgoingUp(quorum::Slot peer);
  void OnOutgoing(quorum::Slot peer, const v1::PeerMessage& message);
  void OnOutgoingDown(quorum::Slot peer);

  void OnClientConnected(ConnectionId connection) { desk_.OnConnected(connection); }
  void OnClientMessage(const Caller& caller, v1::ClientMessage message);
  // `cut_here`: by this node, because the client did not read or sent what cannot be.
  void OnClientClosed(ConnectionId connection, bool cut_here = false) {
    desk_.OnClosed(connection, cut_here);
  }

  // The write of that id, and all before it, is durable.
  void OnLogDurable(uint64_t write_id);
  // What LedgerWriter's calls have come to.
  void OnLedgerWritten();
  void OnLedgerSynced(license::LogPosition position);
  void OnSnapshotRead(SnapshotRows rows);
  void OnPrunePlan(const v1::PruneUsage& prune);
  void OnUsageGap(const UsageGap& gap);
  void OnUsageFilled() { usage_fetch_.OnFilled(env_.clock->NowMs()); }
  void OnUsageChunk(quorum::Slot from, const v1::UsageChunk& chunk);
  void OnUsageFailed(quorum::Slot from) { usage_fetch_.OnFailed(from, env_.clock->NowMs()); }
  // Whether the caller of this Hello may be given usage records; else why not.
  bool MayGiveUsage(const v1::Hello& hello, std::string* refusal);
  void OnStaged(std::unique_ptr<license::Ledger> ledger);

  // Snapshots between nodes: another node asks this one, another has answered.
  void OnSnapshotRequest(const v1::SnapshotRequest& request, SnapshotSource::Answer answer);
  void OnSnapshotChunk(quorum::Slot from, v1::SnapshotChunk chunk);
  // The same for an administrator's backup; one is under way at a time, a new one ends it.
  void OnBackupRequest(const v1::SnapshotRequest& request, SnapshotSource::Answer answer);
  void OnSnapshotFailed(quorum::Slot from);

  // Calls `done` when this node's ledger is at least as new as this moment, or with the reason why
  // not.
  void Read(std::function<void(const absl::Status&)> done);
  // Calls `done` when all that is applied now is with the ledger's store, usage records among it.
  void AwaitWritten(std::function<void()> done);
  absl::Status TransferLead(quorum::Slot to);
  // Installs a license set in place of the present one; `done` says what came of it: OK,
  // FAILED_PRECONDITION (it did not: another came first, a node is too old for it, no quorum),
  // UNAVAILABLE (perhaps).
  void ProposeInstall(v1::InstallLicenses install, std::function<void(const absl::Status&)> done);
  // Reserve, unreserve, remove, undo the clock; errors as above. `who` is filled in. Under an id
  // that was used already it is not done again, and answered as before; "": one is drawn.
  void ProposeAdmin(v1::AdminCommand act,
                    std::function<void(const absl::StatusOr<v1::Outcome>&)> done);
  // Files as they stand on a node's disk, and what they say.
  struct ReadFiles {
    v1::InstallLicenses files;
    license::Catalog catalog;           // made of them
    std::vector<std::string> problems;  // files that could not be read
    uint32_t from = 0;                  // whose they are
    bool own = false;                   // this node's, read just now
  };
  // Tells what `files` would change, and installs them unless `dry_run`; errors as above.
  void Reread(std::shared_ptr<const ReadFiles> files, bool dry_run,
              std::function<void(const absl::StatusOr<v1::RereadResponse>&)> done) {
    Reread(std::move(files), dry_run, "", std::move(done));
  }
  void Reread(std::shared_ptr<const ReadFiles> files, bool dry_run, const std::string& who,
              std::function<void(const absl::StatusOr<v1::RereadResponse>&)> done);
  // Records what `who` does to nodes, as far as it can be, then calls `then`.
  void NoteAct(const std::string& who, const std::string& what, std::function<void()> then);
  // lmdown: this node, or all. Answered before it happens; a refusal has its reason.
  void Stop(bool all, bool force, const std::string& who,
            std::function<void(const v1::StopResponse&)> done);
  void StopVendor(const v1::StopRequest& request, const std::string& who,
                  std::function<void(const absl::StatusOr<v1::Outcome>&)> done);
  // kNone: this node.
  void Drain(quorum::Slot node, bool undo, const std::string& who,
             std::function<void(const absl::Status&)> done);
  // An administrator wants this node to end: the daemon stops it as on SIGTERM.
  bool wants_to_stop() const { return stop_at_ms_ && env_.clock->NowMs() >= *stop_at_ms_; }
  void SetOwnFiles(const ReadFiles& files);
  // Whether the caller is a node of this cluster.
  bool MayGiveFiles(const v1::FilesRequest& request, std::string* refusal);
  v1::Hello MakeHello(quorum::Slot to) const;
  v1::NodeStatus Status() const;
  const license::Ledger& ledger() const { return *ledger_; }
  quorum::Slot self() const { return config_.self; }
  quorum::Slot leader() const { return core_ ? core_->leader() : quorum::Slot::kNone; }

  // For those who watch: nullptr before the cluster's birth.
  const quorum::Core* core() const { return core_ ? &*core_ : nullptr; }

  // Stopping on purpose: clients are sent away and the lead is handed over first.
  void BeginStop();
  bool MayStop() const;

  // Set when this node can never serve: one line; the daemon ends.
  const std::optional<std::string>& fatal() const { return fatal_ ? fatal_ : membership_.fatal(); }
  // The reason is its disk, which does not answer: nothing can be waited for.
  bool disk_failed() const { return disk_failed_; }

 private:
  // Who speaks on a link, as its Hello said.
  struct Peer {
    quorum::Slot slot = quorum::Slot::kNone;
    std::string incarnation;
  };
  struct Dialled {
    bool accepted = false;  // our Hello was
    std::string incarnation;
    uint32_t version = 0;  // the newest command that the peer's program knows
  };
  // Entries of the log up to `last`, since the mark before.
  struct LogMark {
    uint64_t last = 0;
    uint64_t bytes = 0;
  };
  // An administrator's command, proposed here and not answered.
  struct Asked {
    std::optional<v1::InstallLicenses> install;
    std::function<void(const absl::StatusOr<v1::Outcome>&)> done;
  };
  // Another node's date and time, as it said.
  struct ClockReading {
    int64_t ahead_ms = 0;  // of this node's
    int32_t utc_offset_s = 0;
    int64_t heard_ms = 0;
  };

  bool Leads() const { return core_ && core_->role() == quorum::Role::kLeader; }
  bool IsReachable(quorum::Slot peer) const;

  // --- node.cc
  void StartCore();
  std::optional<std::string> TooOld(uint32_t needed) const;
  quorum::Members MembersAt(const license::Ledger& ledger) const;
  void Propose();
  bool MayBeginRound() const;
  void Act(quorum::Ready ready);
  void ApplyCommitted();
  size_t Apply(const quorum::Entry& entry);
  void Applied(const quorum::Entry& entry, const v1::LogRecord& record,
               const std::vector<license::LedgerEvent>& events);
  void OnOutcome(const Origin& origin, const v1::Outcome& outcome) override;
  void OnFailure(const Origin& origin, const v1::Failure& failure) override;

  // --- node_admin.cc
  absl::Status MayAsk() const;
  void Ask(v1::Command command, Origin::Kind kind, Asked asked);

  // --- node_orders.cc
  bool QuorumWithout(quorum::Slot without) const;
  v1::StopResponse ObjectionToStop(bool all, bool force) const;
  bool Order(quorum::Slot to, v1::NodeOrder::What what, const std::string& who);
  void OnOrder(quorum::Slot from, const v1::NodeOrder& order);
  void SetDraining(bool draining, const std::string& who);
  void TendDraining(int64_t now_ms);
  void TendVendors();

  // --- node_peers.cc
  void AfterHello();
  void TellRefusals();
  void OnPeerMessage(quorum::Slot from, v1::PeerMessage message);
  void OnRelay(quorum::Slot from, v1::Relay relay);
  void RefuseRelay(quorum::Slot to, const v1::Relay& relay, const char* why);
  void AppendRelays();
  void SendQuorum(const std::vector<quorum::Message>& messages);

  // --- node_members.cc
  void BeginAsLearner(const storage::Identity& identity);
  void OnAsk(const v1::Hello& hello, v1::HelloAnswer* answer);
  bool IsMachineOf(quorum::Slot slot, const std::string& host_id) const;
  bool IsConnected(quorum::Slot slot) const;
  Replacement::View ViewOfMembers() const;
  void TendMembers(int64_t now_ms);
  // `applied`: the ledger's members may have changed too.
  void WatchMembers(bool applied = false);
  void KeepServerSet();

  // --- node_reads.cc
  void OnSessionReport(quorum::Slot from, const v1::SessionReport& report);
  void OnReadRequest(quorum::Slot from, uint64_t id);
  void OnReadAnswer(const v1::ReadAnswer& answer);
  void OnReadState(const quorum::ReadState& state);
  void FinishReads();
  void FinishReport(const WaitingRead& read);
  void AskReads();
  void ReportHeartbeats(int64_t now_ms);

  // --- node_lead.cc
  void WatchLead();
  bool ReadyToPropose() const;
  v1::Stamp NewStamp();
  void ProposeExpiries(int64_t now_ms);
  void TendClocks(int64_t now_ms);
  bool IsFresh(const ClockReading& reading) const;
  std::vector<std::string> ClockWarnings() const;
  void ProposeFirstInstall();
  void ProposeTimePasses(int64_t now_ms);
  void TendVersion();
  std::optional<v1::Failure> Objection(const v1::Command& command) const;
  std::string TooOldFor(uint32_t version) const;
  std::string LackingSpace() const;

  // --- node_disk.cc
  void WatchDisk(int64_t passed_ms);
  void AskSpace(int64_t now_ms);
  void WriteLedger(int64_t now_ms);
  size_t TakeUsage();
  bool UsageMustWait();
  void TendUsage(int64_t now_ms);
  void Note(std::string line) const;
  std::string HostOf(quorum::Slot slot) const;
  void NoteInLog(quorum::Index index, size_t bytes);
  void TendLog();
  uint64_t CompactTo() const;
  void ForgetMarks(uint64_t upto);
  void TendFetch(int64_t now_ms);
  quorum::Slot LedgerSource() const;
  v1::SnapshotRequest MakeSnapshotRequest(quorum::Slot to) const;
  bool Jump();

  // --- node_status.cc
  void WarnAboutOwnFiles();
  bool MajorityIsHeard() const;
  std::optional<std::string> NoQuorumReason() const;
  static std::string WaiverWarning(const v1::Members::Node& node);
  // The newest version that all nodes' programs know, as they say now; 0: not all say.
  uint32_t KnownByAll() const;
  std::string Missing() const;
  std::string NotReady() const;
  std::string Role() const;
  void Log(LogLevel level, absl::string_view line) { env_.logger->Log(level, line); }

  const Config config_;
  const Environment env_;
  Membership membership_;
  quorum::Recovered recovered_;  // until the core starts
  std::unique_ptr<license::Ledger> ledger_;
  std::optional<quorum::Core> core_;
  std::optional<std::string> fatal_;

  Proposals proposals_;
  Attachments attachments_;
  Expiry expiry_;
  ClientDesk desk_;
  Reads reads_;
  Stamper stamper_;
  std::map<uint64_t, Asked> asked_;
  uint64_t next_asked_ = 1;
  v1::InstallLicenses own_files_;  // as last read from this node's disk
  std::string own_license_hash_;

  // Messages that must not leave before a write is durable: the id of the write, the messages.
  std::deque<std::pair<uint64_t, std::vector<quorum::Message>>> held_;
  uint64_t last_write_ = 0;
  uint64_t durable_write_ = 0;
  std::deque<std::pair<uint64_t, int64_t>> writes_under_way_;  // id, since when (running_ms_)
  int64_t running_ms_ = 0;  // time in which this process ran, so that a pause is no slow disk
  bool disk_stuck_ = false;
  bool disk_failed_ = false;

  std::vector<std::pair<quorum::Slot, v1::Relay>> relays_;  // of followers, for the next round
  std::deque<quorum::Entry> to_apply_;                      // committed
  size_t apply_left_ = 0;                                   // in this turn
  quorum::Index round_;  // its last entry; when that is committed, none is under way
  int ledger_writes_under_way_ = 0;
  int64_t ledger_written_ms_ = 0;
  bool ledger_sync_under_way_ = false;
  uint64_t ledger_written_index_ = 0;  // of the write that was begun last
  std::deque<std::pair<uint64_t, std::function<void()>>> awaiting_written_;  // index, whom to tell
  license::UsageChanges usage_;  // made, not handed to the ledger's disk
  size_t usage_bytes_ = 0;
  uint64_t usage_dropped_ = 0;
  std::optional<int64_t> usage_full_ms_;  // applying waits for the ledger's disk since then
  int64_t prune_asked_ms_ = 0;
  std::string told_usage_complaint_;
  bool usage_jumped_ = false;      // the store in force does not know yet what it lacks
  std::deque<LogMark> log_marks_;  // of what is applied and still in the log
  uint64_t log_bytes_ = 0;

  SnapshotFetch fetch_;
  SnapshotSource source_;
  UsageFetch usage_fetch_;
  std::unique_ptr<license::Ledger> staged_;  // whole and durable, to jump to
  bool jumped_ = false;                      // the log's new start is not handed to the disk yet
  std::optional<uint64_t> adopt_after_;      // the write that carries it
  std::string told_complaint_;

  int64_t space_asked_ms_ = 0;
  bool low_space_ = false;
  std::map<quorum::Slot, int64_t> low_space_ms_;  // as the others have told a leader: when last

  Replacement replacement_;
  quorum::Members seen_members_;  // as of the last WatchMembers
  std::map<LinkId, Peer> incoming_;
  std::map<quorum::Slot, Dialled> outgoing_;  // up
  std::map<quorum::Slot, int64_t> heard_ms_;  // each other node, last
  int64_t hello_ms_ = 0;

  // As seen at the last WatchLead.
  quorum::Slot seen_leader_ = quorum::Slot::kNone;
  quorum::Term seen_term_;
  bool seen_leading_ = false;
  bool install_proposed_ = false;
  bool version_proposed_ = false;
  // All nodes know newer commands than are used: which, and since when.
  uint32_t newer_version_ = 0;
  int64_t newer_since_ms_ = 0;
  bool time_proposed_ = false;  // a TimePasses of this term is in the log and not applied
  std::map<quorum::Slot, ClockReading> clocks_;  // of the others, as they tell a leader
  std::vector<std::string> told_clocks_;
  int64_t handed_over_ms_ = 0;  // when the lead was last offered because of this node's clock
  int64_t clock_report_ms_ = 0;
  std::optional<int64_t> leaderless_since_ms_;
  bool moved_clients_away_ = false;

  int64_t timer_ms_ = 0;
  int64_t report_ms_ = 0;
  bool stopping_ = false;
  std::optional<int64_t> stop_at_ms_;
  bool draining_ = false;
  int64_t drained_ms_ = 0;            // when it was last seen to
  bool starting_vendors_ = false;     // asked for, and not answered
  bool vendor_stopped_here_ = false;  // since the start
  std::map<quorum::Slot, std::string> told_refusals_;
  std::vector<std::string> set_warnings_;
};

}  // namespace triad::server
