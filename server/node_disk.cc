// What stands on this node's disks: the log's writes and their delay, the free space, the ledger's
// rows written behind, the log's compaction, and the jump to a snapshot.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/node.h"

namespace triad::server {
namespace {

using quorum::Index;
using quorum::Slot;

// Fine enough for a target in bytes, coarse enough to cost nothing.
constexpr uint64_t kLogMarkBytes = 64u << 10;
// What an entry takes beside its payload, in memory and in the file.
constexpr uint64_t kEntryOverheadBytes = 64;
constexpr int64_t kSpaceAskMs = 1'000;

}  // namespace

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
  if (adopt_after_ && *adopt_after_ <= durable_write_) {
    adopt_after_.reset();
    ++ledger_writes_under_way_;
    env_.ledger_writer->AdoptStaged();
  }
}

// A disk that hangs costs a leader its lead: it could commit, but never restart. And nobody whose
// disk hangs stands for election. (Alone there is nobody to give the lead to.)
void Node::WatchDisk(int64_t passed_ms) {
  running_ms_ += std::min(passed_ms, config_.election_timeout_ms);
  const int64_t waiting_ms =
      writes_under_way_.empty() ? 0 : running_ms_ - writes_under_way_.front().second;
  const bool stuck = waiting_ms > config_.election_timeout_ms && config_.servers.size() > 1;
  if (stuck != disk_stuck_) {
    disk_stuck_ = stuck;
    Log(LogLevel::kWarning,
        stuck
            ? "the disk has not finished a write for an election timeout: not leading until it does"
            : "the disk answers again");
    core_->SetDiskStuck(stuck);
  }
  if (waiting_ms > kDiskHangFatalMs) {
    disk_failed_ = true;
    fatal_ = absl::StrCat("the disk has not finished a write for ", waiting_ms,
                          " ms, stopping (nothing unsynced was acknowledged)");
  }
}

void Node::AskSpace(int64_t now_ms) {
  if (env_.disk_space == nullptr || now_ms - space_asked_ms_ < kSpaceAskMs) return;
  space_asked_ms_ = now_ms;
  const int64_t free = env_.disk_space->FreeBytes();
  // A little above the floor before it counts as well again: not to and fro.
  const int64_t floor = config_.disk_floor_bytes + (low_space_ ? config_.disk_floor_bytes / 4 : 0);
  const bool low = free >= 0 && free < floor;
  if (low == low_space_) return;
  low_space_ = low;
  Log(LogLevel::kWarning, low ? absl::StrCat("only ", free >> 20,
                                             " MB of disk space are left: free some before nothing "
                                             "can be checked out any more")
                              : "there is enough disk space again");
}

// ------------------------------------------------------------------------------------------
// The ledger's rows

void Node::OnLedgerWritten() {
  --ledger_writes_under_way_;
  while (!awaiting_written_.empty() && awaiting_written_.front().first <= ledger_written_index_) {
    const auto done = std::move(awaiting_written_.front().second);
    awaiting_written_.pop_front();
    done();
  }
}

void Node::AwaitWritten(std::function<void()> done) {
  const uint64_t applied = ledger_->applied().index;
  if (ledger_writes_under_way_ == 0 && ledger_written_index_ >= applied) return done();
  awaiting_written_.emplace_back(applied, std::move(done));
}

void Node::WriteLedger(int64_t now_ms) {
  if (ledger_writes_under_way_ > 0 || jumped_ || adopt_after_) return;
  // Somebody waits for it, or too much does: then at once.
  if (now_ms - ledger_written_ms_ < kLedgerWriteIntervalMs && awaiting_written_.empty() &&
      usage_bytes_ < config_.usage_hold_bytes) {
    return;
  }
  ledger_written_ms_ = now_ms;
  auto changes = ledger_->TakeChanges();
  if (changes.empty() && !std::exchange(usage_jumped_, false)) return;
  ++ledger_writes_under_way_;
  ledger_written_index_ = ledger_->applied().index;
  usage_.first = ledger_->usage_chain().first();
  usage_.next = ledger_->usage_chain().count() + 1;
  env_.ledger_writer->AddUsage(std::exchange(usage_, {}));
  usage_bytes_ = 0;
  env_.ledger_writer->Write(std::move(changes), ledger_->applied());
}

// Records are made faster than the ledger's disk takes them, on all nodes at once: when a thousand
// sessions end that hold a thousand licenses each. Then applying waits for the disk, so that none
// is lost; but not for one that hangs, which must not stop licensing.
bool Node::UsageMustWait() {
  if (usage_bytes_ < config_.usage_hold_bytes) {
    usage_full_ms_.reset();
    return false;
  }
  const int64_t now = env_.clock->NowMs();
  if (!usage_full_ms_) usage_full_ms_ = now;
  return now - *usage_full_ms_ < kUsageHoldMs;
}

// Records of the entry just applied; how many. When the ledger's disk hangs, those beyond what
// memory may hold are left out: the store notices that they are missing.
size_t Node::TakeUsage() {
  license::UsageChanges made = ledger_->TakeUsage();
  const size_t count = made.rows.size();
  if (count == 0) return 0;
  if (env_.usage_sink != nullptr) env_.usage_sink->OnRecords(made.rows);
  for (license::UsageRow& row : made.rows) {
    if (usage_bytes_ + row.bytes.size() > kUsagePendingBytesMax) {
      if (usage_dropped_++ == 0) {
        Log(LogLevel::kWarning,
            "the ledger's disk is too slow for usage records: some are fetched later");
      }
      continue;
    }
    usage_bytes_ += row.bytes.size() + sizeof(row);
    usage_.rows.push_back(std::move(row));
  }
  return count;
}

void Node::OnUsageGap(const UsageGap& gap) {
  usage_fetch_.OnGap(gap, ledger_->usage_chain(), env_.clock->NowMs());
}

void Node::OnUsageChunk(Slot from, const v1::UsageChunk& chunk) {
  usage_fetch_.OnChunk(from, chunk, env_.clock->NowMs());
}

bool Node::MayGiveUsage(const v1::Hello& hello, std::string* refusal) {
  Slot from = Slot::kNone;
  const v1::HelloAnswer judged = membership_.OnHello(hello, &from);
  if (from == Slot::kNone) *refusal = judged.reason();
  return from != Slot::kNone;
}

// The leader alone asks what is beyond the limits: what is pruned is pruned on all nodes.
void Node::TendUsage(int64_t now_ms) {
  if (env_.snapshots != nullptr && !jumped_ && !adopt_after_) {
    // One after the other, so that one that lacks them too, or was tampered with, stops nothing.
    std::vector<Slot> others;
    for (const Server& server : config_.servers) {
      if (server.slot != config_.self && IsReachable(server.slot)) others.push_back(server.slot);
    }
    const Slot next =
        others.empty() ? Slot::kNone : others[usage_fetch_.failures() % others.size()];
    usage_fetch_.Tick(next, now_ms);
  }
  if (usage_fetch_.complaint() != told_usage_complaint_) {
    told_usage_complaint_ = usage_fetch_.complaint();
    if (!told_usage_complaint_.empty()) Log(LogLevel::kWarning, told_usage_complaint_);
  }
  if (!ReadyToPropose() || now_ms - prune_asked_ms_ < kUsagePruneIntervalMs) return;
  prune_asked_ms_ = now_ms;
  UsageKeep keep;
  if (config_.usage_keep_ms > 0) keep.oldest_ms = ledger_->wall_ms() - config_.usage_keep_ms;
  keep.bytes_max = config_.usage_keep_bytes;
  if (keep.oldest_ms > 0 || keep.bytes_max > 0) env_.ledger_writer->PlanPrune(keep);
}

void Node::OnPrunePlan(const v1::PruneUsage& prune) {
  if (!core_ || !ReadyToPropose()) return;
  v1::Command command;
  *command.mutable_prune_usage() = prune;
  if (license::RequiredVersion(command) > ledger_->cluster_version()) return;
  Log(LogLevel::kNotice, absl::StrCat("usage records before ", prune.before(), " are ",
                                      prune.reason(), ": pruning them"));
  (void)core_->Propose({{MakePayload(NewStamp(), &command)}});
}

void Node::Note(std::string line) const {
  if (env_.usage_sink != nullptr) env_.usage_sink->OnQuorum(std::move(line));
}

std::string Node::HostOf(Slot slot) const {
  for (const Server& server : config_.servers) {
    if (server.slot == slot) return server.host;
  }
  return "";
}

// ------------------------------------------------------------------------------------------
// Compaction: when the log has grown to twice what is kept, the ledger's rows are synced, and then
// what lies behind both them and the kept part is forgotten.

void Node::NoteInLog(Index index, size_t bytes) {
  if (log_marks_.empty() || log_marks_.back().bytes >= kLogMarkBytes) log_marks_.emplace_back();
  log_marks_.back().last = index.value();
  log_marks_.back().bytes += bytes + kEntryOverheadBytes;
  log_bytes_ += bytes + kEntryOverheadBytes;
}

// The index up to which entries need not be kept: by their number, or by their bytes.
uint64_t Node::CompactTo() const {
  const uint64_t applied = ledger_->applied().index;
  uint64_t target = applied - std::min(applied, config_.log_keep_entries);
  uint64_t bytes = log_bytes_;
  for (const LogMark& mark : log_marks_) {
    if (bytes - mark.bytes < config_.log_keep_bytes) break;
    bytes -= mark.bytes;
    target = std::max(target, mark.last);
  }
  return std::min(target, applied);
}

void Node::TendLog() {
  if (ledger_sync_under_way_ || jumped_ || adopt_after_ || ledger_->applied().index == 0) return;
  const uint64_t kept = ledger_->applied().index - core_->snapshot_index().value();
  if (kept <= 2 * config_.log_keep_entries && log_bytes_ <= 2 * config_.log_keep_bytes) return;
  ledger_sync_under_way_ = true;
  env_.ledger_writer->Sync();
}

void Node::OnLedgerSynced(license::LogPosition position) {
  ledger_sync_under_way_ = false;
  // What was synced is not in force any more, or not yet.
  if (!core_ || jumped_ || adopt_after_) return;
  const uint64_t upto = std::min(position.index, CompactTo());
  if (upto <= core_->snapshot_index().value()) return;
  core_->Compact(Index(upto));
  ForgetMarks(upto);
}

void Node::ForgetMarks(uint64_t upto) {
  while (!log_marks_.empty() && log_marks_.front().last <= upto) {
    log_bytes_ -= log_marks_.front().bytes;
    log_marks_.pop_front();
  }
}

// ------------------------------------------------------------------------------------------
// Snapshots

void Node::OnSnapshotRequest(const v1::SnapshotRequest& request, SnapshotSource::Answer answer) {
  Slot from = Slot::kNone;
  const v1::HelloAnswer judged = membership_.OnHello(request.hello(), &from);
  if (from == Slot::kNone) return answer(RefusedChunk(judged.reason()));
  if (!core_) return answer(RefusedChunk("this node has no ledger to give"));
  const uint64_t least = request.least_index();
  if (ledger_->applied().index < least) {
    // It may have the entries, and nobody leads who could say that they are committed.
    core_->LearnCommitted(Index(least), quorum::Term(request.least_term()));
    return answer(RefusedChunk(absl::StrCat("its ledger does not reach entry ", least, " yet")));
  }
  if (ledger_->applied().index == 0) {
    return answer(RefusedChunk("this node has no ledger to give"));
  }
  source_.OnRequest(from, request, std::move(answer), env_.clock->NowMs());
}

void Node::OnBackupRequest(const v1::SnapshotRequest& request, SnapshotSource::Answer answer) {
  if (!core_ || core_->ledger_missing() || ledger_->license_set_number() == 0) {
    return answer(RefusedChunk("this node has no ledger to give: ask another"));
  }
  source_.OnRequest(Slot::kNone, request, std::move(answer), env_.clock->NowMs());
}

v1::SnapshotRequest Node::MakeSnapshotRequest(Slot to) const {
  v1::SnapshotRequest request;
  *request.mutable_hello() = MakeHello(to);
  if (core_->ledger_missing()) {
    request.set_least_index(core_->snapshot_index().value());
    request.set_least_term(core_->snapshot_term().value());
  }
  return request;
}

// The leader where there is one. A node that has no ledger at all asks everybody in turn as long as
// there is none: it may be the one without whom nobody can lead.
Slot Node::LedgerSource() const {
  const Slot leader = core_->snapshot_source();
  if (leader != Slot::kNone || !core_->ledger_missing()) return leader;
  const size_t count = config_.servers.size();
  const auto last = std::find_if(config_.servers.begin(), config_.servers.end(),
                                 [this](const Server& s) { return s.slot == fetch_.from(); });
  const auto start = static_cast<size_t>(last - config_.servers.begin());
  for (size_t i = 1; i <= count; ++i) {
    const Slot slot = config_.servers[(start + i) % count].slot;
    if (IsReachable(slot)) return slot;
  }
  return Slot::kNone;
}

void Node::OnSnapshotRead(SnapshotRows rows) {
  source_.OnRead(std::move(rows), env_.clock->NowMs());
}

void Node::TendFetch(int64_t now_ms) {
  if (env_.snapshots == nullptr) return;
  // The staged one is still needed where it stands.
  if (staged_ != nullptr || jumped_ || adopt_after_) return;
  const bool was = fetch_.under_way();
  fetch_.Tick(LedgerSource(), now_ms);
  if (fetch_.under_way() && !was && fetch_.complaint().empty()) {  // not with every new try
    Log(LogLevel::kNotice,
        core_->ledger_missing()
            ? absl::StrCat("no ledger goes with the log here: fetching that of node ",
                           ToInt(fetch_.from()))
            : absl::StrCat("the log of node ", ToInt(fetch_.from()),
                           " begins behind what this node has: fetching its ledger"));
  }
  if (fetch_.complaint() != told_complaint_) {
    told_complaint_ = fetch_.complaint();
    if (!told_complaint_.empty()) {
      Log(LogLevel::kWarning, absl::StrCat("fetching the ledger from node ", ToInt(fetch_.from()),
                                           ": ", told_complaint_));
    }
  }
}

void Node::OnSnapshotChunk(Slot from, v1::SnapshotChunk chunk) {
  fetch_.OnChunk(from, std::move(chunk), env_.clock->NowMs());
}

void Node::OnSnapshotFailed(Slot from) {
  fetch_.OnFailed(from, env_.clock->NowMs());
}

void Node::OnStaged(std::unique_ptr<license::Ledger> ledger) {
  auto whole = fetch_.OnStaged(std::move(ledger), env_.clock->NowMs());
  if (whole != nullptr) staged_ = std::move(whole);
}

// A staged snapshot takes the ledger's place, in one step for everybody who looks: the log, the
// clients that are attached here, the commands that wait. From the log's new start on it is what a
// restart finds. FALSE: there was none, or the log has come further meanwhile.
bool Node::Jump() {
  if (staged_ == nullptr || !to_apply_.empty()) return false;
  const auto staged = std::exchange(staged_, nullptr);
  const license::LogPosition to = staged->applied();
  const bool missing = ledger_->applied().index < core_->snapshot_index().value();
  const Index has = missing ? core_->snapshot_index() : core_->applied_index();
  if (missing ? Index(to.index) < has : Index(to.index) <= has) return false;
  fatal_ = TooOld(staged->cluster_version());
  if (fatal_) return false;
  core_->InstallSnapshot(Index(to.index), quorum::Term(to.term), MembersAt(*staged));
  jumped_ = true;
  const license::Ledger before = std::exchange(*ledger_, std::move(*staged));
  log_marks_.clear();
  log_bytes_ = 0;
  usage_ = {};
  usage_bytes_ = 0;
  ledger_written_index_ = to.index;
  usage_jumped_ = true;
  usage_fetch_.Forget();
  if (env_.usage_sink != nullptr) env_.usage_sink->OnLicenses(ledger_->catalog());
  Log(LogLevel::kNotice, absl::StrCat("going on with a received ledger from entry ", to.index));
  if (ledger_->license_set_number() > 0) WarnAboutOwnFiles();
  KeepServerSet();
  desk_.OnJump(before);
  proposals_.OnJump(Index(to.index));
  WatchMembers(/*applied=*/true);
  return true;
}

}  // namespace triad::server
