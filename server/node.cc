#include "server/node.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/catalog.h"
#include "server/limits.h"
#include "server/peer_codec.h"
#include "server/usage.h"

namespace triad::server {
namespace {

using quorum::Role;
using quorum::Slot;

// Where this run of the process begins to count; far from where it could wrap.
uint64_t DrawId(Random* random) {
  uint64_t id = 0;
  for (const char byte : random->Bytes(6)) id = id << 8 | static_cast<uint8_t>(byte);
  return id + 1;
}

uint32_t Ticks(int64_t ms) {
  return static_cast<uint32_t>(std::max<int64_t>(1, ms / kTickMs));
}

// Serving goes on for this part of a session's time to live without the leader's confirmation, then
// clients are sent on.
int64_t MoveAwayAfterMs(uint32_t ttl_ms) {
  return ttl_ms / 2;
}

}  // namespace

std::string Node::Server::Address() const {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat(port, "@[", host, "]") : absl::StrCat(port, "@", host);
}

Node::Node(Config config, Environment env, Membership membership, quorum::Recovered recovered,
           std::unique_ptr<license::Ledger> ledger)
    : config_(std::move(config)),
      env_(env),
      membership_(std::move(membership)),
      recovered_(std::move(recovered)),
      ledger_(std::move(ledger)),
      proposals_(&desk_, env_.peers, DrawId(env_.random)),
      attachments_(DrawId(env_.random)),
      expiry_(config_.desk.reset_grace_ms),
      desk_(config_.desk, &env_, ledger_.get(), &proposals_, &attachments_),
      reads_(DrawId(env_.random)) {
  timer_ms_ = env_.clock->NowMs();
  leaderless_since_ms_ = timer_ms_;
  if (ledger_->license_set_number() > 0) WarnAboutOwnFiles();
  AfterHello();
}

// ------------------------------------------------------------------------------------------
// Peers

// The identity may have changed: a birth is stored, told to the others, and the core begins.
void Node::AfterHello() {
  if (auto identity = membership_.TakeNewIdentity()) {
    env_.identity_writer->Store(*identity);
    Log(LogLevel::kNotice, absl::StrCat("the cluster is formed, with ", config_.servers.size(),
                                        config_.servers.size() == 1 ? " node" : " nodes"));
    // Whoever was met before the birth must be judged by the record: all say hello again.
    incoming_.clear();
    for (auto& [peer, accepted] : outgoing_) OnOutgoingUp(peer);
  }
  if (membership_.born() && !core_) StartCore();
  if (membership_.TakeHelloAgain()) {
    for (auto& [peer, accepted] : outgoing_) OnOutgoingUp(peer);
  }
  for (const auto& [slot, reason] : membership_.refusals()) {
    if (told_refusals_[slot] != reason && !membership_.fatal()) Log(LogLevel::kError, reason);
  }
  told_refusals_ = membership_.refusals();
  desk_.set_not_ready(core_ ? "" : absl::StrCat("the cluster is not formed yet: ", Missing()));
}

void Node::StartCore() {
  quorum::Config config;
  config.self = config_.self;
  config.incarnation = membership_.identity().incarnation;
  for (const Server& server : config_.servers) config.slots.push_back(server.slot);
  // Until the log names others the members are those of the birth.
  if (recovered_.members.list.empty() && !recovered_.ledger_missing) {
    recovered_.members = BirthMembers(membership_.identity());
  }
  config.heartbeat_ticks = Ticks(config_.heartbeat_ms);
  config.election_min_ticks = Ticks(config_.election_timeout_ms);
  config.election_spread_ticks = config.election_min_ticks;
  config.random = [random = env_.random](uint32_t bound) { return random->Below(bound); };
  core_.emplace(std::move(config), std::move(recovered_));
  recovered_ = {};
}

void Node::OnIncoming(LinkId link, v1::PeerMessage message) {
  if (message.has_hello()) {
    Slot from = Slot::kNone;
    v1::PeerMessage answer;
    *answer.mutable_hello_answer() = membership_.OnHello(message.hello(), &from);
    AfterHello();
    // After a birth that this very Hello brought about, the answer says so.
    *answer.mutable_hello_answer()->mutable_hello() =
        membership_.MakeHello(static_cast<Slot>(message.hello().self().slot()));
    // A link that was let in before the birth may be one that is not of the cluster.
    incoming_.erase(link);
    if (from != Slot::kNone) incoming_[link] = from;
    env_.peers->Answer(link, std::move(answer));
    return;
  }
  auto it = incoming_.find(link);
  if (it != incoming_.end()) OnPeerMessage(it->second, std::move(message));
}

void Node::OnIncomingClosed(LinkId link) {
  auto it = incoming_.find(link);
  if (it == incoming_.end()) return;
  const Slot peer = it->second;
  incoming_.erase(it);
  for (const auto& [other, slot] : incoming_) {
    if (slot == peer) return;  // it has dialled again already
  }
  if (core_) core_->LinkDown(peer);
}

void Node::OnOutgoingUp(Slot peer) {
  outgoing_[peer] = false;
  v1::PeerMessage message;
  *message.mutable_hello() = membership_.MakeHello(peer);
  env_.peers->Send(peer, std::move(message));
}

void Node::OnOutgoing(Slot peer, const v1::PeerMessage& message) {
  if (!message.has_hello_answer()) return;
  outgoing_[peer] = membership_.OnHelloAnswer(peer, message.hello_answer());
  AfterHello();
}

void Node::OnOutgoingDown(Slot peer) {
  outgoing_.erase(peer);
  if (!core_) return;
  // The lease hangs on the stream that the leader dialled; a leader's own window hangs on this one.
  if (Leads()) core_->LinkDown(peer);
  if (peer == seen_leader_) {
    proposals_.OnLeaderChanged();
    reads_.ForgetLeader();
  }
}

void Node::OnPeerMessage(Slot from, v1::PeerMessage message) {
  if (!core_) return;
  switch (message.body_case()) {
    case v1::PeerMessage::kQuorum: {
      auto decoded = Decode(from, config_.self, std::move(*message.mutable_quorum()));
      if (decoded.ok()) {
        core_->Step(*std::move(decoded));
      } else {
        Log(LogLevel::kWarning,
            absl::StrCat("from node ", ToInt(from), ": ", std::string(decoded.status().message())));
      }
      return;
    }
    case v1::PeerMessage::kRelay:
      if (ReadyToPropose()) {
        proposals_.AppendRelayed(from, std::move(*message.mutable_relay()), &*core_, NewStamp());
      } else {
        v1::PeerMessage answer;
        answer.mutable_relay_answer()->set_first_id(message.relay().first_id());
        answer.mutable_relay_answer()->set_refusal("not the leader");
        env_.peers->Send(from, std::move(answer));
      }
      return;
    case v1::PeerMessage::kRelayAnswer:
      return proposals_.OnRelayAnswer(from, message.relay_answer(),
                                      quorum::Index(ledger_->applied().index), env_.clock->NowMs());
    case v1::PeerMessage::kReport:
      return OnSessionReport(from, message.report());
    case v1::PeerMessage::kReportAnswer:
      return desk_.OnReportAnswer(message.report_answer());
    case v1::PeerMessage::kRead:
      return OnReadRequest(from, message.read().id());
    case v1::PeerMessage::kReadAnswer:
      return OnReadAnswer(message.read_answer());
    default:
      return;
  }
}

// ------------------------------------------------------------------------------------------
// Clients, reads, reports

void Node::OnClientMessage(const Caller& caller, v1::ClientMessage message) {
  if (!core_) {
    desk_.set_not_ready(absl::StrCat("the cluster is not formed yet: ", Missing()));
  }
  desk_.OnMessage(caller, std::move(message));
}

void Node::Read(std::function<void(const absl::Status&)> done) {
  if (!core_) {
    return done(absl::UnavailableError(absl::StrCat("the cluster is not formed yet: ", Missing())));
  }
  if (reads_.size() >= kReadsMax) {
    return done(absl::ResourceExhaustedError("too many reads are waiting: try again shortly"));
  }
  WaitingRead read;
  read.done = std::move(done);
  read.asked_ms = env_.clock->NowMs();
  reads_.Add(std::move(read));
}

void Node::OnReadRequest(Slot from, uint64_t id) {
  if (reads_.size() >= kReadsMax) return;  // the caller asks again
  WaitingRead read;
  read.kind = WaitingRead::Kind::kPeer;
  read.from = from;
  read.peer_id = id;
  read.asked_ms = env_.clock->NowMs();
  const uint64_t own_id = reads_.Add(std::move(read));
  if (core_->RequestRead(own_id).ok()) return;
  reads_.Erase(own_id);
  v1::PeerMessage answer;
  answer.mutable_read_answer()->set_id(id);
  env_.peers->Send(from, std::move(answer));
}

void Node::OnReadAnswer(const v1::ReadAnswer& answer) {
  WaitingRead* read = reads_.Find(answer.id());
  if (read == nullptr || read->confirmed) return;
  if (answer.index() == 0) {
    read->asked = false;
    return;
  }
  read->confirmed = true;
  read->index = quorum::Index(answer.index());
}

// The lead is confirmed before a heartbeat is: a leader that was cut off, or stood still, confirms
// nothing.
void Node::OnSessionReport(Slot from, const v1::SessionReport& report) {
  if (!Leads() || reads_.size() >= kReadsAndReportsMax) return;
  WaitingRead read;
  read.kind = WaitingRead::Kind::kReport;
  read.from = from;
  read.report = report;
  read.asked_ms = env_.clock->NowMs();
  const uint64_t id = reads_.Add(std::move(read));
  if (!core_->RequestRead(id).ok()) reads_.Erase(id);
}

void Node::FinishReport(const WaitingRead& read) {
  if (!expiry_.leading()) return;
  v1::PeerMessage message;
  auto* answer = message.mutable_report_answer();
  answer->set_id(read.report.id());
  answer->set_term(core_->term().value());
  for (int i = 0; i < read.report.seen_size(); ++i) {
    const auto& seen = read.report.seen(i);
    if (expiry_.Accepts(*ledger_, seen.session(), seen.attachment())) {
      expiry_.OnSeen(seen.session(), ledger_->FindSession(seen.session())->ttl_ms, read.asked_ms);
    } else {
      answer->add_rejected(static_cast<uint32_t>(i));
    }
  }
  if (read.from == config_.self) {
    desk_.OnReportAnswer(message.report_answer());
  } else {
    env_.peers->Send(read.from, std::move(message));
  }
}

void Node::FinishReads() {
  for (WaitingRead& read : reads_.TakeReady(quorum::Index(ledger_->applied().index))) {
    switch (read.kind) {
      case WaitingRead::Kind::kLocal:
        read.done(absl::OkStatus());
        break;
      case WaitingRead::Kind::kReport:
        FinishReport(read);
        break;
      case WaitingRead::Kind::kPeer:
        break;  // answered when it was confirmed
    }
  }
}

// Asks the core, or the leader, about reads that nobody has been asked about.
void Node::AskReads() {
  if (!core_) return;
  for (uint64_t id : reads_.Unasked()) {
    WaitingRead* read = reads_.Find(id);
    if (Leads()) {
      read->asked = core_->RequestRead(id).ok();
    } else if (auto it = outgoing_.find(core_->leader()); it != outgoing_.end() && it->second) {
      v1::PeerMessage message;
      message.mutable_read()->set_id(id);
      env_.peers->Send(core_->leader(), std::move(message));
      read->asked = true;
    }
  }
}

void Node::ReportHeartbeats(int64_t now_ms) {
  if (now_ms - report_ms_ < kReportIntervalMs) return;
  report_ms_ = now_ms;
  const int64_t unacknowledged_ms = attachments_.UnacknowledgedForMs(now_ms);
  if (unacknowledged_ms < MoveAwayAfterMs(config_.desk.session_ttl_ms)) {
    moved_clients_away_ = false;
  } else if (!moved_clients_away_) {
    moved_clients_away_ = true;
    Log(LogLevel::kWarning, absl::StrCat("no leader has acknowledged heartbeats for ",
                                         unacknowledged_ms, " ms: sending clients to other nodes"));
    desk_.MoveAway("this node cannot reach the leader");
  }
  const Slot leader = core_->leader();
  const bool reachable = Leads() || (outgoing_.contains(leader) && outgoing_[leader]);
  if (!reachable) return;
  auto report = attachments_.TakeReport(now_ms);
  if (!report) return;
  if (Leads()) return OnSessionReport(config_.self, *report);
  v1::PeerMessage message;
  *message.mutable_report() = *std::move(report);
  env_.peers->Send(leader, std::move(message));
}

// ------------------------------------------------------------------------------------------
// Time

void Node::OnTimer() {
  const int64_t now = env_.clock->NowMs();
  if (now - hello_ms_ >= kHelloAgainMs) {
    hello_ms_ = now;
    for (const auto& [peer, accepted] : outgoing_) {
      if (!accepted) OnOutgoingUp(peer);
    }
  }
  const int64_t passed = now - timer_ms_;
  if (passed < kTickMs) return;
  timer_ms_ = now - passed % kTickMs;
  if (!core_) return;
  if (passed > config_.election_timeout_ms) {
    Log(LogLevel::kWarning, absl::StrCat("this node stood still for ", passed,
                                         " ms: behaving like one that has just started"));
    core_->StoodStill();
  } else {
    for (int64_t i = 0; i < std::min(passed / kTickMs, kCatchUpTicksMax); ++i) core_->Tick();
  }
  // A disk that hangs costs a leader its lead: it could commit, but never restart.
  // (A cluster of one has nobody to give it to.)
  if (Leads() && config_.servers.size() > 1 && !writes_under_way_.empty() &&
      now - writes_under_way_.front().second > config_.election_timeout_ms) {
    Log(LogLevel::kWarning,
        "the disk has not finished a write for an election timeout: giving up the lead");
    core_->StoodStill();
  }
  WatchLead();
  ProposeExpiries(now);
  ReportHeartbeats(now);
  const auto no_quorum = NoQuorumReason();
  proposals_.Expire(now, no_quorum ? &*no_quorum : nullptr);
  for (WaitingRead& read : reads_.TakeTimedOut(now, kReadTimeoutMs)) {
    if (read.kind != WaitingRead::Kind::kLocal) continue;
    read.done(
        absl::UnavailableError(no_quorum ? *no_quorum : "the leader has not answered in time"));
  }
  WriteLedger(now);
}

void Node::ProposeExpiries(int64_t now_ms) {
  if (!Leads()) return;
  for (v1::ExpireSession& expire : expiry_.Due(*ledger_, now_ms)) {
    Origin origin;
    origin.kind = Origin::Kind::kExpire;
    origin.session = expire.session();
    v1::Command command;
    *command.mutable_expire() = std::move(expire);
    proposals_.Submit(std::move(command), std::move(origin), now_ms);
  }
}

void Node::WriteLedger(int64_t now_ms) {
  if (ledger_write_under_way_ || now_ms - ledger_written_ms_ < kLedgerWriteIntervalMs) return;
  ledger_written_ms_ = now_ms;
  auto changes = ledger_->TakeChanges();
  if (changes.empty()) return;
  ledger_write_under_way_ = true;
  env_.ledger_writer->Write(std::move(changes), ledger_->applied());
}

// ------------------------------------------------------------------------------------------
// The lead

void Node::WatchLead() {
  if (!core_) return;
  const Slot leader = core_->leader();
  const bool leads = Leads();
  if (leader == seen_leader_ && core_->term() == seen_term_ && leads == seen_leading_) return;
  const int64_t now = env_.clock->NowMs();
  if (leader != seen_leader_ || (leader != Slot::kNone && core_->term() != seen_term_)) {
    Log(LogLevel::kInfo, leader == Slot::kNone
                             ? absl::StrCat("no leader in term ", core_->term().value())
                             : absl::StrCat("node ", ToInt(leader), leads ? " (this one)" : "",
                                            " leads in term ", core_->term().value()));
  }
  const bool new_lead = leads && (!seen_leading_ || core_->term() != seen_term_);
  if (new_lead || !leads) {
    expiry_.StopLeading();
    proposals_.DropExpiries();
    install_proposed_ = false;
  }
  if (new_lead) stamper_.Lead(ledger_->cluster_ms(), now);
  seen_leader_ = leader;
  seen_term_ = core_->term();
  seen_leading_ = leads;
  if (leader == Slot::kNone) {
    if (!leaderless_since_ms_) leaderless_since_ms_ = now;
  } else {
    leaderless_since_ms_.reset();
  }
  proposals_.OnLeaderChanged();
  reads_.ForgetLeader();
}

// A new leader first applies everything of earlier terms; it then knows the licenses and the
// highest stamp.
bool Node::ReadyToPropose() const {
  return Leads() && expiry_.leading() && (install_proposed_ || ledger_->license_set_number() > 0);
}

v1::Stamp Node::NewStamp() {
  return stamper_.Stamp(env_.clock->NowMs(), env_.clock->WallMs(), env_.clock->UtcOffsetSeconds());
}

std::string Node::Missing() const {
  std::vector<std::string> missing;
  for (const Server& server : config_.servers) {
    if (server.slot == config_.self) continue;
    const auto refusal = membership_.refusals().find(server.slot);
    if (refusal != membership_.refusals().end()) {
      missing.push_back(refusal->second);
    } else if (auto it = outgoing_.find(server.slot); it == outgoing_.end() || !it->second) {
      missing.push_back(
          absl::StrCat("node ", ToInt(server.slot), " (", server.Address(), ") does not answer"));
    }
  }
  if (missing.empty()) return "an election is under way";
  return absl::StrJoin(missing, ", ");
}

std::optional<std::string> Node::NoQuorumReason() const {
  if (!core_) return absl::StrCat("no quorum: the cluster is not formed yet: ", Missing());
  if (!leaderless_since_ms_ || env_.clock->NowMs() - *leaderless_since_ms_ < kNoQuorumHoldMs) {
    return std::nullopt;
  }
  return absl::StrCat("no quorum: ", Missing());
}

absl::Status Node::TransferLead(Slot to) {
  if (!core_) return absl::FailedPreconditionError("the cluster is not formed yet");
  return core_->TransferLeadership(to);
}

void Node::BeginStop() {
  stopping_ = true;
  desk_.Stop("this node stops");
  if (Leads() && config_.servers.size() > 1) (void)core_->TransferLeadership(Slot::kNone);
}

bool Node::MayStop() const {
  return config_.servers.size() == 1 || !Leads();
}

// ------------------------------------------------------------------------------------------
// Effects, in their order:
//   1. what was asked since the last time is appended (leader) or relayed (follower);
//   2. messages that may leave at once; the log's write is started; messages that wait for it are
//   held;
//   3. committed entries are applied: ledger, then who is attached here, then the answers;
//   4. reads whose index is applied are answered.
// Held messages leave in OnLogDurable. Ledger rows are written behind, in OnTimer.

void Node::Propose() {
  if (!core_) return;
  if (Leads() && expiry_.leading() && !install_proposed_ && ledger_->license_set_number() == 0) {
    v1::Command command;
    *command.mutable_install() = config_.own_files;
    install_proposed_ = core_->Propose({{MakePayload(NewStamp(), &command)}}).ok();
  }
  if (Leads() && !ReadyToPropose()) return;
  Proposals::Route route;
  route.leads = Leads();
  route.leader = core_->leader();
  auto it = outgoing_.find(route.leader);
  route.leader_reachable = it != outgoing_.end() && it->second;
  if (proposals_.has_queued() || !route.leads) {
    proposals_.Send(route, &*core_, NewStamp(), env_.clock->NowMs());
  }
}

void Node::Flush() {
  if (!core_) return;
  WatchLead();
  Propose();
  AskReads();
  while (core_->HasReady()) {
    Act(core_->TakeReady());
    WatchLead();
    Propose();
  }
  FinishReads();
}

// Only to those who let this node in: before that they could not know who is speaking.
void Node::SendQuorum(const std::vector<quorum::Message>& messages) {
  for (const quorum::Message& message : messages) {
    const auto it = outgoing_.find(message.to);
    if (it != outgoing_.end() && it->second) env_.peers->Send(message.to, Encode(message));
  }
}

void Node::Act(quorum::Ready ready) {
  SendQuorum(ready.send_now);
  if (ready.write_id != 0) {
    last_write_ = ready.write_id;
    writes_under_way_.emplace_back(ready.write_id, env_.clock->NowMs());
    env_.log_writer->Write(ready.write_id, ready.hard_state, std::nullopt,
                           std::move(ready.entries));
  }
  if (!ready.send_after_write.empty()) {
    if (durable_write_ >= last_write_) {
      SendQuorum(ready.send_after_write);
    } else {
      held_.emplace_back(last_write_, std::move(ready.send_after_write));
    }
  }
  for (const quorum::Entry& entry : ready.committed) Apply(entry);
  for (const quorum::ReadState& state : ready.reads) {
    WaitingRead* read = reads_.Find(state.id);
    if (read == nullptr) continue;
    if (!state.confirmed) {
      read->asked = false;
      if (read->kind != WaitingRead::Kind::kLocal) reads_.Erase(state.id);
      continue;
    }
    read->confirmed = true;
    read->index = state.index;
    if (read->kind != WaitingRead::Kind::kPeer) continue;
    v1::PeerMessage answer;
    answer.mutable_read_answer()->set_id(read->peer_id);
    answer.mutable_read_answer()->set_index(state.index.value());
    env_.peers->Send(read->from, std::move(answer));
    reads_.Erase(state.id);
  }
}

void Node::OnLogDurable(uint64_t write_id) {
  durable_write_ = std::max(durable_write_, write_id);
  while (!writes_under_way_.empty() && writes_under_way_.front().first <= write_id) {
    writes_under_way_.pop_front();
  }
  core_->Advance(write_id);
  while (!held_.empty() && held_.front().first <= write_id) {
    SendQuorum(held_.front().second);
    held_.pop_front();
  }
}

void Node::Apply(const quorum::Entry& entry) {
  const int64_t now = env_.clock->NowMs();
  const license::LogPosition position{entry.index.value(), entry.term.value()};
  std::vector<license::LedgerEvent> events;
  v1::LogRecord record;
  const bool is_command = entry.kind == quorum::EntryKind::kCommand;
  if (is_command && !record.ParseFromString(*entry.payload)) record.Clear();
  const v1::Outcome outcome = ledger_->Apply(position, is_command ? &record : nullptr, &events);

  if (Leads() && entry.term == core_->term() && !expiry_.leading()) {
    stamper_.Raise(ledger_->cluster_ms(), now);
    expiry_.Lead(*ledger_, core_->term().value(), now);
  }
  using Kind = license::LedgerEvent::Kind;
  for (const license::LedgerEvent& event : events) {
    switch (event.kind) {
      case Kind::kInstalled:
        WarnAboutOwnFiles();
        break;
      case Kind::kDetached:
        expiry_.OnDetached(event.session, record.command().detach().grace_ms(), now);
        break;
      case Kind::kEnded:
        expiry_.OnEnded(event.session);
        break;
      default:
        break;
    }
    desk_.OnLedgerEvent(event);
  }
  const v1::Command& command = record.command();
  const std::string* session = command.has_open()      ? &command.open().session()
                               : command.has_attach()  ? &command.attach().session()
                               : command.has_request() ? &command.request().session()
                                                       : nullptr;
  if (session != nullptr && expiry_.leading()) {
    const auto* known = ledger_->FindSession(*session);
    if (known != nullptr && !known->detached) expiry_.OnSeen(*session, known->ttl_ms, now);
  }
  if (command.has_expire()) {
    expiry_.OnNotExpired(command.expire().session(), command.expire().term());
  }
  proposals_.OnApplied(entry.index, entry.term, outcome);
}

// A node whose files differ serves the installed set all the same, and says with which line they
// begin to differ.
void Node::WarnAboutOwnFiles() {
  set_warnings_.clear();
  if (config_.own_license_hash != ledger_->catalog().license_hash()) {
    set_warnings_ = DifferencesFromInstalled(config_.own_files, *ledger_);
  }
  for (const std::string& warning : set_warnings_) Log(LogLevel::kWarning, warning);
  if (!set_warnings_.empty()) {  // the daemon has told what is wrong with its own files
    for (const auto& diagnostic : ledger_->catalog().diagnostics()) {
      Log(LogLevel::kWarning, diagnostic.ToString());
    }
  }
  for (const std::string& expired : ExpiredLines(*ledger_)) Log(LogLevel::kWarning, expired);
}

v1::NodeStatus Node::Status() const {
  v1::NodeStatus status;
  status.set_slot(static_cast<uint32_t>(config_.self));
  status.set_version(TRIAD_VERSION);
  for (const Server& server : config_.servers) {
    auto* node = status.add_nodes();
    node->set_slot(static_cast<uint32_t>(server.slot));
    node->set_address(server.Address());
    node->set_host(server.host);
    const auto it = outgoing_.find(server.slot);
    node->set_connected(server.slot == config_.self || (it != outgoing_.end() && it->second));
  }
  for (const std::string& warning : config_.warnings) status.add_warnings(warning);
  for (const std::string& warning : set_warnings_) status.add_warnings(warning);
  for (const auto& file : config_.own_files.license_files()) status.add_license_files(file.name());
  status.set_applied(ledger_->applied().index);
  status.set_license_set_number(ledger_->license_set_number());
  status.set_sessions(ledger_->sessions().size());
  for (const std::string& vendor : ledger_->catalog().vendors()) status.add_vendors(vendor);
  status.set_cluster_id(membership_.identity().cluster_id);
  if (!core_) {
    status.set_role("forming");
    status.set_waiting_for(Missing());
    return status;
  }
  status.set_role(Leads() ? "leader" : core_->role() == Role::kFollower ? "follower" : "candidate");
  status.set_term(core_->term().value());
  status.set_leader(static_cast<uint32_t>(core_->leader()));
  status.set_commit(core_->commit_index().value());
  status.set_last(core_->last_index().value());
  status.set_quorum(core_->leader() != Slot::kNone);
  if (!status.quorum()) status.set_waiting_for(Missing());
  return status;
}

}  // namespace triad::server
