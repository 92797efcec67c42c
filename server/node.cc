#include "server/node.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/catalog.h"
#include "license/scratch.h"

namespace triad::server {
namespace {

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
      proposals_(this, env_.peers, DrawId(env_.random)),
      attachments_(DrawId(env_.random)),
      expiry_(config_.desk.reset_grace_ms),
      desk_(config_.desk, &env_, ledger_.get(), &proposals_, &attachments_),
      reads_(DrawId(env_.random)),
      fetch_(env_.snapshots, env_.ledger_writer,
             [this](Slot to) { return MakeSnapshotRequest(to); }),
      source_(env_.ledger_writer),
      usage_fetch_(env_.snapshots, env_.ledger_writer, [this](Slot to) { return MakeHello(to); }) {
  timer_ms_ = env_.clock->NowMs();
  leaderless_since_ms_ = timer_ms_;
  own_files_ = config_.own_files;
  own_license_hash_ = config_.own_license_hash;
  fatal_ = TooOld(ledger_->cluster_version());
  ledger_written_index_ = ledger_->applied().index;
  if (env_.usage_sink != nullptr && ledger_->license_set_number() > 0) {
    env_.usage_sink->OnLicenses(ledger_->catalog());
  }
  if (ledger_->license_set_number() > 0) WarnAboutOwnFiles();
  AfterHello();
}

std::optional<std::string> Node::TooOld(uint32_t needed) const {
  if (needed <= config_.version) return std::nullopt;
  return absl::StrCat("this program is too old: it knows commands up to version ", config_.version,
                      ", the cluster uses ", needed, ": upgrade triadd on this host");
}

// In force where this ledger stands: its own, or those of the birth. Empty: not known here.
quorum::Members Node::MembersAt(const license::Ledger& ledger) const {
  if (ledger.members().nodes_size() == 0) {
    // A newcomer may be sent a ledger from before the change that let it in: rows are written
    // behind.
    return ledger.applied().index > 0 ? RecordedMembers(membership_.identity())
                                      : BirthMembers(membership_.identity());
  }
  quorum::Members members;
  for (const auto& node : ledger.members().nodes()) {
    members.list.push_back({static_cast<Slot>(node.slot()), node.incarnation(), node.voter()});
  }
  return members;
}

void Node::StartCore() {
  quorum::Config config;
  config.self = config_.self;
  config.incarnation = membership_.identity().incarnation;
  for (const Server& server : config_.servers) config.slots.push_back(server.slot);
  config.heartbeat_ticks = Ticks(config_.heartbeat_ms);
  config.election_min_ticks = Ticks(config_.election_timeout_ms);
  config.election_spread_ticks = config.election_min_ticks;
  config.random = [random = env_.random](uint32_t bound) { return random->Below(bound); };
  // Without a ledger nobody knows who was in force where the log begins.
  if (!recovered_.ledger_missing) recovered_.members = MembersAt(*ledger_);
  for (const quorum::Entry& entry : recovered_.entries) {
    if (entry.index <= recovered_.applied) NoteInLog(entry.index, entry.bytes());
  }
  core_.emplace(std::move(config), std::move(recovered_));
  recovered_ = {};
  KeepServerSet();
  WatchMembers(/*applied=*/true);
}

// ------------------------------------------------------------------------------------------
// Clients

void Node::OnClientMessage(const Caller& caller, v1::ClientMessage message) {
  if (!core_) desk_.set_not_ready(NotReady());
  desk_.OnMessage(caller, std::move(message));
}

// ------------------------------------------------------------------------------------------
// Time

void Node::OnTimer() {
  const int64_t now = env_.clock->NowMs();
  if (now - hello_ms_ >= kHelloAgainMs) {
    hello_ms_ = now;
    for (const auto& [peer, link] : outgoing_) {
      if (!link.accepted) OnOutgoingUp(peer);
    }
  }
  const int64_t passed = now - timer_ms_;
  if (passed < kTickMs) return;
  timer_ms_ = now - passed % kTickMs;
  if (!core_ || fatal()) return;
  if (passed > config_.election_timeout_ms) {
    Log(LogLevel::kWarning, absl::StrCat("this node stood still for ", passed,
                                         " ms: behaving like one that has just started"));
    core_->StoodStill();
  } else {
    for (int64_t i = 0; i < std::min(passed / kTickMs, kCatchUpTicksMax); ++i) core_->Tick();
  }
  WatchDisk(passed);
  WatchLead();
  AskSpace(now);
  ProposeExpiries(now);
  ProposeTimePasses(now);
  TendClocks(now);
  TendVersion();
  TendMembers(now);
  TendDraining(now);
  TendVendors();
  ReportHeartbeats(now);
  const auto no_quorum = NoQuorumReason();
  proposals_.Expire(now, no_quorum ? &*no_quorum : nullptr);
  for (WaitingRead& read : reads_.TakeTimedOut(now, kReadTimeoutMs)) {
    if (read.kind != WaitingRead::Kind::kLocal) continue;
    read.done(
        absl::UnavailableError(no_quorum ? *no_quorum : "the leader has not answered in time"));
  }
  WriteLedger(now);
  TendLog();
  TendFetch(now);
  TendUsage(now);
  source_.Tick(now);
}

absl::Status Node::TransferLead(Slot to) {
  if (!core_) return absl::FailedPreconditionError("the cluster is not formed yet");
  return core_->TransferLeadership(to);
}

void Node::BeginStop() {
  stopping_ = true;
  desk_.Stop("this node stops");
  if (Leads() && core_->members().voters() > 1) (void)core_->TransferLeadership(Slot::kNone);
}

bool Node::MayStop() const {
  return !Leads() || core_->members().voters() == 1;
}

// ------------------------------------------------------------------------------------------
// Effects, in their order:
//   1. what was asked since the last time is appended (leader, when a round may begin) or relayed
//   (follower);
//   2. messages that may leave at once; the log's write is started; messages that wait for it are
//   held;
//   3. committed entries are applied: ledger, then who is attached here, then the answers; so many
//   in one turn that elections and the other nodes need not wait, the rest in the next;
//   4. when nothing is left of that, a staged snapshot takes the ledger's place;
//   5. reads whose index is applied are answered.
// Held messages leave in OnLogDurable. Ledger rows are written behind, in OnTimer.

void Node::Propose() {
  ProposeFirstInstall();
  if (Leads() && !ReadyToPropose()) return;
  if (Leads() && !MayBeginRound()) return;
  const quorum::Index before = core_->last_index();
  AppendRelays();
  Proposals::Route route;
  route.leads = Leads();
  route.leader = core_->leader();
  route.leader_reachable = IsReachable(route.leader);
  route.objection = [this](const v1::Command& command) { return Objection(command); };
  if (proposals_.has_queued() || !route.leads) {
    proposals_.Send(route, &*core_, NewStamp(), env_.clock->NowMs());
  }
  if (Leads() && core_->last_index() > before) round_ = core_->last_index();
}

// What comes in while a round (one batch to every disk) is under way gathers for the next one:
// without that each message would be a round of its own, with its own sync on three disks. A second
// round beside it would gain the network's time and make each half as large, which costs more than
// it gains. A lone request never waits. And a leader that is far behind with applying what is
// committed takes nothing new: nobody would have an answer sooner.
bool Node::MayBeginRound() const {
  return round_ <= core_->commit_index() &&
         to_apply_.size() < kApplyBehindMax * config_.apply_at_once;
}

void Node::Flush() {
  if (!core_ || fatal()) return;
  WatchLead();
  Propose();
  AskReads();
  apply_left_ = config_.apply_at_once;
  do {
    while (core_->HasReady() && !fatal()) {
      Act(core_->TakeReady());
      WatchLead();
      Propose();
    }
    ApplyCommitted();  // what the last turn has left
  } while (!fatal() && Jump());
  FinishReads();
}

void Node::Act(quorum::Ready ready) {
  SendQuorum(ready.send_now);
  // A round begins: their disks work in parallel with this one's. Mere notes (what is committed)
  // can wait until those who asked have their answers.
  if (!ready.entries.empty()) env_.peers->FlushPeers();
  if (ready.write_id != 0) {
    last_write_ = ready.write_id;
    writes_under_way_.emplace_back(ready.write_id, running_ms_);
    if (jumped_ && ready.start) {
      jumped_ = false;
      adopt_after_ = ready.write_id;
    }
    env_.log_writer->Write(ready.write_id, ready.hard_state, ready.start, std::move(ready.entries));
  }
  if (!ready.send_after_write.empty()) {
    if (durable_write_ >= last_write_) {
      SendQuorum(ready.send_after_write);
    } else {
      held_.emplace_back(last_write_, std::move(ready.send_after_write));
    }
  }
  std::move(ready.committed.begin(), ready.committed.end(), std::back_inserter(to_apply_));
  ApplyCommitted();
  if (fatal()) return;
  for (const quorum::ReadState& state : ready.reads) OnReadState(state);
}

// An entry counts as one, and each usage record that it makes: the end of a session that holds
// thousands of licenses makes thousands.
void Node::ApplyCommitted() {
  while (!to_apply_.empty() && apply_left_ > 0 && !fatal() && !UsageMustWait()) {
    const quorum::Entry entry = std::move(to_apply_.front());
    to_apply_.pop_front();
    apply_left_ -= std::min(apply_left_, 1 + Apply(entry));
  }
}

// Returns how many usage records it made.
size_t Node::Apply(const quorum::Entry& entry) {
  const license::LogPosition position{entry.index.value(), entry.term.value()};
  std::vector<license::LedgerEvent> events;
  license::Scratch scratch;
  auto& record = scratch.New<v1::LogRecord>();
  const bool has_record = entry.kind != quorum::EntryKind::kNoop;
  if (has_record && !record.ParseFromString(*entry.payload)) record.Clear();
  // Never skipped: the ledger would be another one than the others' from here on.
  fatal_ = TooOld(record.version());
  if (fatal_) return 0;
  const v1::Outcome outcome = ledger_->Apply(position, has_record ? &record : nullptr, &events);
  NoteInLog(entry.index, entry.bytes());
  const size_t records = TakeUsage();
  Applied(entry, record, events);
  proposals_.OnApplied(entry.index, entry.term, outcome);
  return records;
}

void Node::Applied(const quorum::Entry& entry, const v1::LogRecord& record,
                   const std::vector<license::LedgerEvent>& events) {
  const int64_t now = env_.clock->NowMs();
  if (Leads() && entry.term == core_->term() && !expiry_.leading()) {
    stamper_.Raise(ledger_->cluster_ms(), now);
    expiry_.Lead(*ledger_, core_->term().value(), now);
  }
  using Kind = license::LedgerEvent::Kind;
  for (const license::LedgerEvent& event : events) {
    switch (event.kind) {
      case Kind::kMembers:
        WatchMembers(/*applied=*/true);
        for (const auto& node : ledger_->members().nodes()) {
          if (node.waiver()) Log(LogLevel::kWarning, WaiverWarning(node));
        }
        break;
      case Kind::kInstalled:
        if (env_.usage_sink != nullptr) env_.usage_sink->OnLicenses(ledger_->catalog());
        WarnAboutOwnFiles();
        KeepServerSet();
        break;
      case Kind::kDetached:
        expiry_.OnDetached(event.session, record.command().detach().grace_ms(), now);
        break;
      case Kind::kEnded:
        expiry_.OnEnded(event.session);
        break;
      case Kind::kClusterVersion:
        version_proposed_ = false;
        fatal_ = TooOld(ledger_->cluster_version());
        Log(LogLevel::kNotice, absl::StrCat("commands up to version ", ledger_->cluster_version(),
                                            " may be used now"));
        break;
      case Kind::kRecovered:
        Log(LogLevel::kWarning,
            absl::StrCat("recovered with a possible loss: nothing counted is granted for ",
                         (ledger_->no_grants_until_ms() - ledger_->cluster_ms()) / 1'000, " s"));
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
  if (command.has_time_passes() && entry.term == core_->term()) time_proposed_ = false;
  if (command.has_expire()) {
    expiry_.OnNotExpired(command.expire().session(), command.expire().term());
  }
}

}  // namespace triad::server
