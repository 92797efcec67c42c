#include "tests/simulation/checks.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/membership.h"
#include "tests/simulation/cluster.h"

namespace triad::simulation {
namespace {

using quorum::Entry;
using quorum::Index;
using quorum::Slot;
using quorum::Term;
using Kind = license::LedgerEvent::Kind;

// A digest is taken at every such index: often enough to name the place, seldom enough to be fast.
constexpr uint64_t kDigestEvery = 4;

constexpr uint64_t kJudgeStatesMax = 300'000;  // a fraction of a second

license::Ledger::Limits LimitsOf(const Plan& plan) {
  license::Ledger::Limits limits;
  limits.sessions_max = plan.sessions_max;
  return limits;
}

}  // namespace

Checks::Checks(Cluster* cluster) : cluster_(cluster), ledger_(LimitsOf(cluster->plan())) {
  for (const auto& [feature, total] : cluster->totals()) model_.SetTotal(feature, total);
  recorder_.Begin(cluster->totals());
  if (cluster->plan().queues) recorder_.Stop();
}

void Checks::Fail(std::string what) {
  cluster_->world().Fail(std::move(what));
}

// --- Nodes

// What is found is what was synced, or that and the whole of what was being written.
void Checks::OnRecovered(Host& host, const LogMirror& found) {
  ++checked_;
  const std::vector<LogMirror>& possible = host.disk().possible();
  if (possible.empty()) return;  // the first start
  const bool fits = std::any_of(possible.begin(), possible.end(), [&](const LogMirror& mirror) {
    return mirror.last_index() == found.last_index() &&
           mirror.TermAt(mirror.last_index()) == found.TermAt(found.last_index()) &&
           mirror.hard_state == found.hard_state;
  });
  if (possible.size() > 1 && found.last_index() < possible.back().last_index()) {
    cluster_->world().counters.Count(Branch::kUnsyncedLost);
  }
  if (!fits) {
    Fail(absl::StrCat("rule 5: node ", host.slot(), " finds a log up to ",
                      found.last_index().value(), " in term ", found.hard_state.term.value(),
                      "; up to ", possible.front().last_index().value(), " in term ",
                      possible.front().hard_state.term.value(), " was synced"));
  }
}

void Checks::OnNewCluster(Host& host, const LogMirror& found) {
  constexpr uint64_t kOwnEntries = 2;  // the members, and the hold; again after each interruption
  ++checked_;
  const uint64_t last = found.last_index().value();
  const std::vector<LogMirror>& possible = host.disk().possible();
  const bool fits = std::any_of(possible.begin(), possible.end(), [&](const LogMirror& mirror) {
    const Index end = mirror.last_index();
    return end.value() + kOwnEntries <= last && (last - end.value()) % kOwnEntries == 0 &&
           mirror.TermAt(end) == found.TermAt(end);
  });
  if (!fits) {
    Fail(absl::StrCat("rule 5: node ", host.slot(), " goes on alone with a log up to ", last,
                      ", and what it had ended elsewhere"));
  }
  if (found.start.value() > committed_.size()) {
    return Fail(absl::StrCat("rule 4: the log of node ", host.slot(), " begins behind ",
                             found.start.value(), ", which is not committed"));
  }
  JudgeHistory();
  recorder_.Stop();
  uint64_t kept = found.start.value();
  // (By its content: the recovery's own entries may be in a term that the others have led in.)
  for (const Entry* entry = nullptr; kept < committed_.size(); ++kept) {
    entry = found.At(Index(kept + 1));
    if (entry == nullptr || entry->term != committed_[kept].term ||
        *entry->payload != *committed_[kept].payload) {
      break;
    }
  }
  cluster_->world().counters.Count(Branch::kCommittedLost, committed_.size() - kept);
  Forget(kept);
  new_cluster_from_ = found.last_index().value();
}

// The nodes, the ledger and the model as they were at that entry; nothing behind it was ever.
void Checks::Forget(uint64_t committed) {
  committed_.resize(committed);
  seen_ = {};
  leaders_.clear();
  freed_.clear();
  written_us_.clear();
  digests_.erase(digests_.upper_bound(committed), digests_.end());
  for (int slot = 1; slot <= cluster_->plan().nodes; ++slot)
    cluster_->host(slot).disk().ForgetLost();
  ledger_ = license::Ledger(LimitsOf(cluster_->plan()));
  model_ = LicenseModel();
  for (const auto& [feature, total] : cluster_->totals()) model_.SetTotal(feature, total);
  for (uint64_t index = 1; index <= committed; ++index) {
    const Committed& entry = committed_[index - 1];
    v1::LogRecord record;
    const bool is_command = entry.kind != quorum::EntryKind::kNoop;
    if (is_command && !record.ParseFromString(*entry.payload)) record.Clear();
    std::vector<license::LedgerEvent> events;
    const v1::Outcome outcome =
        ledger_.Apply({index, entry.term.value()}, is_command ? &record : nullptr, &events);
    if (!is_command) continue;
    if (record.command().has_install()) SetTotals();
    if (auto wrong = model_.Apply(record.command(), outcome, events)) Fail(*std::move(wrong));
  }
  for (App* app : cluster_->apps()) {
    for (const auto& [id, license] : app->licenses()) {
      if (license.state == LicenseState::kReturned || model_.IsOut(license.handle)) continue;
      cluster_->world().counters.Count(Branch::kLicenseForgotten);
      forgotten_.push_back({app, app->process(), license.handle});
    }
  }
}

// Nobody who holds what the new cluster has forgotten still believes in it when it grants anew. (It
// may have been granted in the log's last entries, which nobody knew to be agreed: they count.)
void Checks::OnGranted(uint64_t index) {
  if (new_cluster_from_ == 0 || index <= new_cluster_from_) return;
  cluster_->world().counters.Count(Branch::kGrantAfterLoss);
  for (const Forgotten& license : forgotten_) {
    if (license.app->process() != license.process) continue;
    if (!license.app->CountsAsConfirmed(license.handle)) continue;
    // Asked for again, and granted again under the same number.
    if (model_.SessionOf(license.handle) == license.app->session()) continue;
    Fail(absl::StrCat("rule 10: entry ", index, " grants anew, and app ", license.app->number(),
                      " counts license ", license.handle, ", which was lost, as confirmed"));
  }
}

void Checks::OnBoot(Host& host) {
  Seen& seen = seen_[static_cast<size_t>(host.slot())];
  const Term durable = host.disk().durable().hard_state.term;
  if (durable < seen.durable_term) {
    Fail(absl::StrCat("rule 3: the term on the disk of node ", host.slot(), " went back"));
  }
  const license::Ledger& ledger = host.node()->ledger();
  if (ledger.applied().index > committed_.size()) {
    Fail(absl::StrCat("node ", host.slot(), " starts with a ledger ahead of what was committed"));
  }
  seen = Seen();
  seen.durable_term = durable;
  seen.applied = ledger.applied();
  seen.cluster_ms = ledger.cluster_ms();
  CompareDigest(host);
}

void Checks::OnRefusal(Host& host) {
  if (host.ever_damaged()) {
    return;  // as it must
  }
  Fail(absl::StrCat("node ", host.slot(), " refuses to start: ", host.refusal()));
}

void Checks::OnDamage(Host& host, const std::string& damage) {
  cluster_->world().counters.Count(Branch::kQuarantine);
  if (!host.ever_damaged()) {
    Fail(absl::StrCat("node ", host.slot(), " finds damage where there is none: ", damage));
  }
}

void Checks::OnWiped(Host& host) {
  seen_[static_cast<size_t>(host.slot())] = Seen();
}

void Checks::OnFatal(Host& host, const std::string& reason) {
  if (host.node()->disk_failed()) {
    cluster_->world().counters.Count(Branch::kDiskHungFatal);
    return;
  }
  if (host.ever_damaged()) return;  // wiped, and refused by the others
  Fail(absl::StrCat("node ", host.slot(), " ends: ", reason));
}

void Checks::OnProcessEnd(Host& host) {
  Seen& seen = seen_[static_cast<size_t>(host.slot())];
  seen.durable_term = std::max(seen.durable_term, host.disk().durable().hard_state.term);
}

void Checks::OnTurn(Host& host) {
  const quorum::Core* core = host.node()->core();
  if (core == nullptr) return;
  ++checked_;
  World& world = cluster_->world();
  Seen& seen = seen_[static_cast<size_t>(host.slot())];
  const Term term = core->term();
  const bool leads = core->role() == quorum::Role::kLeader;
  if (term < seen.term) Fail(absl::StrCat("rule 3: the term of node ", host.slot(), " went back"));
  if (core->commit_index() < seen.commit) {
    Fail(absl::StrCat("rule 3: commit of node ", host.slot(), " went back"));
  }
  if (leads && (!seen.leads || term != seen.term)) {
    const auto [it, first] = leaders_.emplace(term.value(), host.slot());
    world.Note("leads", host.slot(), static_cast<int64_t>(term.value()));
    if (first) world.counters.Count(Branch::kElection);
    if (it->second != host.slot()) {
      Fail(absl::StrCat("rule 1: nodes ", it->second, " and ", host.slot(), " lead in term ",
                        term.value()));
    }
  }
  if (seen.leads && !leads) world.counters.Count(Branch::kLeadLost);
  seen.leads = leads;
  seen.term = term;
  seen.commit = core->commit_index();

  const license::Ledger& ledger = host.node()->ledger();
  const license::LogPosition applied = ledger.applied();
  if (applied.index == seen.applied.index) return;
  if (applied.index < seen.applied.index || applied.term < seen.applied.term) {
    Fail(absl::StrCat("rule 3: node ", host.slot(), " applied ", applied.index, " after ",
                      seen.applied.index));
    return;
  }
  if (ledger.cluster_ms() < seen.cluster_ms) {
    Fail(absl::StrCat("rule 3: cluster time went back on node ", host.slot()));
  }
  for (uint64_t index = seen.applied.index + 1; index <= applied.index && !world.failed();
       ++index) {
    OnApplied(host, index);
  }
  seen.applied = applied;
  seen.cluster_ms = ledger.cluster_ms();
  CompareDigest(host);
}

void Checks::OnApplied(Host& host, uint64_t index) {
  const LogMirror& log = host.disk().issued();
  if (Index(index) <= log.start) {  // jumped over
    if (index > committed_.size()) {
      Fail(absl::StrCat("rule 4: node ", host.slot(), " jumped to ", log.start.value(),
                        ", and only ", committed_.size(), " entries were committed"));
    }
    return;
  }
  const Entry* entry = log.At(Index(index));
  if (entry == nullptr) {
    Fail(absl::StrCat("node ", host.slot(), " applied ", index, ", which its log has not got"));
    return;
  }
  if (index == committed_.size() + 1) {
    Commit(host, *entry);
    return;
  }
  const Committed& known = committed_[index - 1];
  if (known.term != entry->term || known.kind != entry->kind || *known.payload != *entry->payload) {
    Fail(absl::StrCat("rule 4: node ", host.slot(), " applied another entry at ", index,
                      " than was applied elsewhere"));
  }
}

// Rules 5 and 9: it is on the disks of a majority of those who vote, under the incarnation that
// does. By the members in force now, or by those before: it may have been committed just before the
// change was proposed.
void Checks::CountHolders(Host& host, const Entry& entry) {
  const quorum::Members& now = host.node()->core()->members();
  size_t holders = Holders(now, entry);
  if (holders >= now.Majority()) return;
  const quorum::Members before = server::MembersOf(ledger_.members());
  if (host.node()->core()->members_index() > entry.index && before.voters() > 0) {
    holders = Holders(before, entry);
    if (holders >= before.Majority()) return;
  }
  Fail(absl::StrCat("rules 5, 9: entry ", entry.index.value(), " is applied on node ", host.slot(),
                    ", and ", holders, " disks of voters hold it"));
}

size_t Checks::Holders(const quorum::Members& members, const Entry& entry) const {
  size_t holders = 0;
  for (const quorum::Member& member : members.list) {
    if (!member.voter) continue;
    Host& holder = cluster_->host(quorum::ToInt(member.slot));
    const Disk& disk = holder.disk();
    const bool holds =
        holder.incarnation_id() == member.incarnation &&
        (entry.index <= disk.durable().start || disk.durable().TermAt(entry.index) == entry.term);
    // What was on a disk when it acknowledged may be lost since.
    if (holds || disk.lost().TermAt(entry.index) == entry.term) ++holders;
  }
  return holders;
}

// A node that was damaged and votes again is whole.
void Checks::OnMembers() {
  for (const auto& member : ledger_.members().nodes()) {
    Host& host = cluster_->host(static_cast<int>(member.slot()));
    if (!member.voter() || member.incarnation() != host.incarnation_id()) continue;
    if (host.damaged()) cluster_->world().counters.Count(Branch::kPromoted);
    host.set_whole();
  }
}

void Checks::Commit(Host& host, const Entry& entry) {
  World& world = cluster_->world();
  world.Note("commit", host.slot(), static_cast<int64_t>(entry.index.value()),
             static_cast<int64_t>(entry.term.value()));
  CountHolders(host, entry);
  if (entry.kind != quorum::EntryKind::kNoop &&
      entry.term < seen_[static_cast<size_t>(host.slot())].term) {
    world.counters.Count(Branch::kCommittedFromOldTerm);
  }
  committed_.push_back({entry.term, entry.kind, entry.payload});
  v1::LogRecord record;
  const bool is_command = entry.kind != quorum::EntryKind::kNoop;
  if (is_command && !record.ParseFromString(*entry.payload)) record.Clear();
  std::vector<license::LedgerEvent> events;
  const v1::Outcome outcome = ledger_.Apply({entry.index.value(), entry.term.value()},
                                            is_command ? &record : nullptr, &events);
  if (is_command) {
    ++commands_;
    if (record.command().has_install()) SetTotals();  // it may serve those who wait
    if (auto wrong = model_.Apply(record.command(), outcome, events)) Fail(*std::move(wrong));
    const auto written = written_us_.find({entry.index.value(), entry.term.value()});
    OnEvents(written == written_us_.end() ? 0 : written->second, record.command(), outcome, events);
    CheckQueues();
  }
  written_us_.erase(written_us_.begin(),
                    written_us_.upper_bound({entry.index.value(), UINT64_MAX}));
  if (entry.index.value() % kDigestEvery == 0) digests_[entry.index.value()] = ledger_.Digest();
}

void Checks::CheckQueues() {
  if (ledger_.no_grants_until_ms() > 0) return;  // the entry that ends it serves them
  if (auto wrong = model_.Starving()) Fail(*std::move(wrong));
}

void Checks::OnEvents(int64_t written_us, const v1::Command& command, const v1::Outcome& outcome,
                      const std::vector<license::LedgerEvent>& events) {
  Counters& counters = cluster_->world().counters;
  for (const license::LedgerEvent& event : events) {
    switch (event.kind) {
      case Kind::kInstalled:
        OnInstalled(written_us);
        break;
      case Kind::kCheckedOut:
        counters.Count(Branch::kGranted);
        OnGranted(ledger_.applied().index);
        break;
      case Kind::kDenied:
        counters.Count(Branch::kDenied);
        break;
      case Kind::kQueued:
        counters.Count(Branch::kQueued);
        break;
      case Kind::kGranted:
        counters.Count(Branch::kServedFromQueue);
        break;
      case Kind::kDequeued:
        counters.Count(Branch::kDequeued);
        break;
      case Kind::kResized:
        counters.Count(Branch::kResized);
        break;
      case Kind::kAttached:
        counters.Count(command.has_open() ? Branch::kSessionOpenedTwice : Branch::kSessionMoved);
        break;
      case Kind::kEnded:
        recorder_.OnEnded(written_us, cluster_->world().now_us(), event.session);
        if (event.reason == "silent") counters.Count(Branch::kExpiredSilent);
        if (event.reason == "connection lost") counters.Count(Branch::kExpiredReset);
        break;
      case Kind::kCheckedIn:
        if (event.reason.empty()) counters.Count(Branch::kCheckedIn);
        if (event.reason.empty() || event.reason == "closed") break;
        freed_[event.holding.handle()] = event.reason;
        for (App* app : cluster_->apps()) {
          if (!app->CountsAsConfirmed(event.holding.handle())) continue;
          Fail(absl::StrCat("rule 10: app ", app->number(), " counts license ",
                            event.holding.handle(),
                            " as confirmed, and it was freed: ", event.reason));
        }
        break;
      default:
        break;
    }
  }
  if (command.has_members()) OnMembers();
  if (command.has_set_cluster_version()) counters.Count(Branch::kVersionRaised);
  if (command.has_expire() && events.empty()) counters.Count(Branch::kExpiryIgnored);
  if (model_.last_was_duplicate()) {
    counters.Count(outcome.has_refused() ? Branch::kDuplicateRefused : Branch::kDuplicateAnswered);
  }
  if (outcome.has_refused() && outcome.refused().why() == v1::Refused::SESSION_TABLE_FULL) {
    counters.Count(Branch::kSessionTableFull);
  }
}

// The totals change with the entry; who holds more keeps it.
void Checks::OnInstalled(int64_t written_us) {
  const int64_t now = cluster_->world().now_us();
  for (const auto& [feature, total] : cluster_->totals()) {
    const uint64_t licenses = model_.TotalOf(feature);
    // The first set is what the history begins with, but where a node's own keys are wrong.
    if (ledger_.license_set_number() == 1 && licenses == total) continue;
    recorder_.OnTotal(written_us, now, feature, licenses);
  }
}

void Checks::SetTotals() {
  for (const auto& [feature, total] : cluster_->totals()) {
    uint64_t licenses = 0;
    for (const license::Pool* pool : ledger_.catalog().PoolsOf(feature)) {
      licenses += pool->LicensesOn(ledger_.today());
    }
    model_.SetTotal(feature, licenses);
  }
}

void Checks::CompareDigest(Host& host) {
  const license::Ledger& ledger = host.node()->ledger();
  const auto known = digests_.find(ledger.applied().index);
  if (known == digests_.end() || known->second == ledger.Digest()) return;
  Fail(absl::StrCat("rule 8: node ", host.slot(), " differs from the others at index ",
                    ledger.applied().index));
}

void Checks::OnLogWrite(Host& host, const std::optional<quorum::LogStart>& start,
                        const std::vector<Entry>& entries) {
  Counters& counters = cluster_->world().counters;
  if (start) {
    const bool known = host.disk().issued().TermAt(start->index) == start->term;
    counters.Count(known ? Branch::kCompaction : Branch::kJump);
    if (!known && host.has_clients()) counters.Count(Branch::kJumpWithClients);
    if (start->index.value() > committed_.size()) {
      Fail(absl::StrCat("rule 4: the log of node ", host.slot(), " begins behind ",
                        start->index.value(), ", which is not committed"));
    }
  }
  if (entries.empty()) return;
  for (const Entry& entry : entries) {
    if (entry.index.value() <= committed_.size()) continue;
    written_us_.try_emplace({entry.index.value(), entry.term.value()}, cluster_->world().now_us());
  }
  if (entries.front().index <= host.disk().issued().last_index()) {
    cluster_->world().counters.Count(Branch::kConflictTruncation);
    if (entries.front().index.value() <= seen_[static_cast<size_t>(host.slot())].applied.index) {
      Fail(absl::StrCat("rule 4: node ", host.slot(), " cuts off what it has applied"));
    }
  }
}

// --- Messages between nodes

void Checks::OnPeerSend(Host& host, int to, const v1::PeerMessage& message) {
  if (message.has_quorum()) OnQuorumSend(host, to, message.quorum());
}

void Checks::OnVote(Host& host, uint64_t term, int voted_for) {
  const quorum::HardState& durable = host.disk().durable().hard_state;
  if (durable.term.value() < term ||
      (durable.term.value() == term && quorum::ToInt(durable.voted_for) != voted_for)) {
    Fail(absl::StrCat("rule 5: node ", host.slot(), " votes in term ", term,
                      " before it is on its disk"));
  }
  const auto [it, first] =
      votes_.emplace(std::tuple{host.slot(), host.incarnation(), term}, voted_for);
  if (!first && it->second != voted_for) {
    Fail(absl::StrCat("rule 2: node ", host.slot(), " votes for ", it->second, " and ", voted_for,
                      " in term ", term));
  }
}

void Checks::OnQuorumSend(Host& host, int to, const v1::QuorumMessage& message) {
  ++checked_;
  World& world = cluster_->world();
  const LogMirror& durable = host.disk().durable();
  const uint64_t term = message.term();
  if (message.has_vote_request()) {
    if (message.vote_request().pre_vote()) return;
    if (votes_.contains({host.slot(), host.incarnation(), term - 1}) &&
        !leaders_.contains(term - 1)) {
      world.counters.Count(Branch::kSplitVote);
    }
    OnVote(host, term, host.slot());
    return;
  }
  if (message.has_vote_response()) {
    const v1::VoteResponse& response = message.vote_response();
    if (response.pre_vote() && !response.granted()) world.counters.Count(Branch::kPreVoteRefused);
    if (!response.pre_vote() && response.granted()) OnVote(host, term, to);
    return;
  }
  if (durable.hard_state.term.value() < term) {
    Fail(absl::StrCat("rule 5: node ", host.slot(), " speaks in term ", term,
                      ", which its disk does not know"));
  }
  if (message.has_append_response() && message.append_response().accepted() &&
      durable.hard_state.term.value() == term &&
      durable.last_index().value() < message.append_response().match()) {
    Fail(absl::StrCat("rule 5: node ", host.slot(), " acknowledges ",
                      message.append_response().match(), ", its disk ends at ",
                      durable.last_index().value()));
  }
}

// --- Applications

void Checks::OnAnswered(App& app, uint64_t number, const Status& status,
                        const std::vector<client::LicenseView>& licenses) {
  ++checked_;
  if (!status.ok()) return;
  for (const client::LicenseView& license : licenses) {
    const std::string owner = model_.SessionOf(license.handle);
    if (license.state == LicenseState::kHeld && !owner.empty() && owner != app.session()) {
      Fail(absl::StrCat("rule 7: app ", app.number(), " is told in request ", number,
                        " of licenses that are another's: ", license.handle));
    }
    if (license.state != LicenseState::kHeld || !model_.IsOut(license.handle) ||
        model_.CountOf(license.handle) == license.count) {
      continue;
    }
    Fail(absl::StrCat("rule 7: app ", app.number(), " is told of ", license.count,
                      " licenses in request ", number, ", and it has ",
                      model_.CountOf(license.handle)));
  }
}

void Checks::OnResumed(App& app) {
  ++checked_;
  for (const auto& [id, license] : app.licenses()) {
    const auto freed = freed_.find(license.handle);
    if (freed == freed_.end() || !app.CountsAsConfirmed(license.handle)) continue;
    Fail(absl::StrCat("rule 10: app ", app.number(), " stood still and still counts license ",
                      license.handle, " as confirmed, and it was freed: ", freed->second));
  }
}

void Checks::OnRead(Host& host, uint64_t committed) {
  ++checked_;
  cluster_->world().counters.Count(Branch::kRead);
  const uint64_t applied = host.node()->ledger().applied().index;
  if (applied >= committed) return;
  Fail(absl::StrCat("stale read: node ", host.slot(), " answers from entry ", applied, ", and ",
                    committed, " was applied before it was asked"));
}

void Checks::JudgeHistory() {
  if (recorder_.stopped()) return;  // judged
  const Judgement judgement = Judge(recorder_.history(), kJudgeStatesMax);
  Counters& counters = cluster_->world().counters;
  counters.Count(judgement.verdict == Verdict::kGaveUp ? Branch::kHistoryUndecided
                                                       : Branch::kHistoryJudged);
  if (judgement.verdict != Verdict::kIllegal) return;
  Fail(absl::StrCat("clients' history is not linearizable: ", judgement.why));
}

void Checks::OnEnd() {
  CheckQueues();
  for (int slot = 1; slot <= cluster_->plan().nodes; ++slot) {
    Host& host = cluster_->host(slot);
    if (!host.running()) continue;
    const license::Ledger& ledger = host.node()->ledger();
    if (ledger.applied().index != committed_.size()) {
      Fail(absl::StrCat("rule 8: node ", slot, " has applied ", ledger.applied().index, " of ",
                        committed_.size()));
      return;
    }
    if (ledger.Digest() != ledger_.Digest()) {
      Fail(absl::StrCat("rule 8: node ", slot, " differs from the others in the end"));
      return;
    }
    const absl::Status status = ledger.CheckInvariants();
    if (!status.ok()) Fail(std::string(status.message()));
  }
  for (App* app : cluster_->apps()) {
    if (!app->running()) continue;
    for (const auto& [id, license] : app->licenses()) {
      if (license.state != LicenseState::kHeld) continue;
      const uint64_t out = model_.CountOf(license.handle);
      if (out == license.count) continue;
      if (out > 0 && app->was_uncertain()) continue;  // of a resize
      if (out > 0) {
        Fail(absl::StrCat("app ", app->number(), " counts ", license.count, " of license ",
                          license.handle, ", and it has ", out));
      }
      Fail(absl::StrCat("app ", app->number(), " believes in license ", license.handle,
                        ", which is not out"));
    }
    CheckKnown(*app);
  }
}

// Nothing is held that its application was told it has not got.
void Checks::CheckKnown(const App& app) {
  if (app.was_uncertain() || app.closing() || new_cluster_from_ > 0) return;
  for (const auto& [handle, checkout] : ledger_.checkouts()) {
    if (app.session().empty() || model_.SessionOf(handle) != app.session()) continue;
    bool known = false;
    for (const auto& [id, license] : app.licenses()) known = known || license.handle == handle;
    if (known) continue;
    Fail(absl::StrCat("app ", app.number(), " holds license ", handle,
                      " and was never told of it, nor that it may"));
  }
}

}  // namespace triad::simulation
