// One node: the quorum log, the ledger and the clients' requests put together, as one deterministic
// object.
//
// Events go in (On...), effects go out through the Environment, in the order that Flush()
// documents. It has no thread, socket, file or clock of its own: the daemon runs it on one thread,
// the simulator runs three of them on one. What it is not: it decides nothing about licenses
// (license::Ledger) or about the log (quorum::Core).
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
#include "license/ledger.h"
#include "quorum/core.h"
#include "server/attachments.h"
#include "server/client_desk.h"
#include "server/environment.h"
#include "server/expiry.h"
#include "server/membership.h"
#include "server/proposals.h"
#include "server/reads.h"
#include "server/stamp.h"
#include "triad/v1/admin.pb.h"

namespace triad::server {

class Node {
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
  void OnLedgerWritten() { ledger_write_under_way_ = false; }

  // Calls `done` when this node's ledger is at least as new as this moment, or with the reason why
  // not.
  void Read(std::function<void(const absl::Status&)> done);
  absl::Status TransferLead(quorum::Slot to);
  v1::NodeStatus Status() const;
  const license::Ledger& ledger() const { return *ledger_; }
  quorum::Slot leader() const { return core_ ? core_->leader() : quorum::Slot::kNone; }

  // For those who watch: nullptr before the cluster's birth.
  const quorum::Core* core() const { return core_ ? &*core_ : nullptr; }

  // Stopping on purpose: clients are sent away and the lead is handed over first.
  void BeginStop();
  bool MayStop() const;

  // Set when this node can never serve: one line; the daemon ends.
  const std::optional<std::string>& fatal() const { return membership_.fatal(); }

 private:
  bool Leads() const { return core_ && core_->role() == quorum::Role::kLeader; }
  bool ReadyToPropose() const;
  void StartCore();
  void AfterHello();
  void OnPeerMessage(quorum::Slot from, v1::PeerMessage message);
  void OnSessionReport(quorum::Slot from, const v1::SessionReport& report);
  void OnReadRequest(quorum::Slot from, uint64_t id);
  void OnReadAnswer(const v1::ReadAnswer& answer);

  void WatchLead();
  void Propose();
  void ProposeExpiries(int64_t now_ms);
  void Act(quorum::Ready ready);
  void SendQuorum(const std::vector<quorum::Message>& messages);
  void Apply(const quorum::Entry& entry);
  void FinishReads();
  void FinishReport(const WaitingRead& read);
  void AskReads();
  void ReportHeartbeats(int64_t now_ms);
  void WriteLedger(int64_t now_ms);
  void WarnAboutOwnFiles();
  std::optional<std::string> NoQuorumReason() const;
  std::string Missing() const;
  v1::Stamp NewStamp();
  void Log(LogLevel level, absl::string_view line) { env_.logger->Log(level, line); }

  const Config config_;
  const Environment env_;
  Membership membership_;
  quorum::Recovered recovered_;  // until the core starts
  std::unique_ptr<license::Ledger> ledger_;
  std::optional<quorum::Core> core_;

  Proposals proposals_;
  Attachments attachments_;
  Expiry expiry_;
  ClientDesk desk_;
  Reads reads_;
  Stamper stamper_;

  // Messages that must not leave before a write is durable: the id of the write, the messages.
  std::deque<std::pair<uint64_t, std::vector<quorum::Message>>> held_;
  uint64_t last_write_ = 0;
  uint64_t durable_write_ = 0;
  std::deque<std::pair<uint64_t, int64_t>> writes_under_way_;  // id, since when
  bool ledger_write_under_way_ = false;
  int64_t ledger_written_ms_ = 0;

  std::map<LinkId, quorum::Slot> incoming_;
  std::map<quorum::Slot, bool> outgoing_;  // up; true: our Hello was accepted
  int64_t hello_ms_ = 0;

  // As seen at the last WatchLead.
  quorum::Slot seen_leader_ = quorum::Slot::kNone;
  quorum::Term seen_term_;
  bool seen_leading_ = false;
  bool install_proposed_ = false;
  std::optional<int64_t> leaderless_since_ms_;
  bool moved_clients_away_ = false;

  int64_t timer_ms_ = 0;
  int64_t report_ms_ = 0;
  bool stopping_ = false;
  std::map<quorum::Slot, std::string> told_refusals_;
  std::vector<std::string> set_warnings_;
};

}  // namespace triad::server
