#include "tests/simulation/disk.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace triad::simulation {

using quorum::Entry;
using quorum::HardState;
using quorum::Index;
using quorum::Term;

constexpr int64_t kIdleAfterUs = 200 * kMs;  // as server/disk_io.cc
constexpr int64_t kLookAgainUs = 20 * kMs;   // a stuck disk may be mended early

std::optional<Term> LogMirror::TermAt(Index index) const {
  if (index == start) return start_term;
  const Entry* entry = At(index);
  return entry == nullptr ? std::nullopt : std::optional(entry->term);
}

const Entry* LogMirror::At(Index index) const {
  if (index <= start || index > last_index()) return nullptr;
  return &entries[index - start - 1];
}

void LogMirror::Append(const std::optional<HardState>& state, const std::vector<Entry>& added) {
  if (state) hard_state = *state;
  if (added.empty()) return;
  entries.resize(added.front().index - start - 1);
  entries.insert(entries.end(), added.begin(), added.end());
}

void LogMirror::SetStart(const quorum::LogStart& begin) {
  const bool known = TermAt(begin.index) == begin.term;
  if (known) {
    const auto drop = static_cast<int64_t>(begin.index - start);
    entries.erase(entries.begin(), entries.begin() + drop);
  } else {
    entries.clear();
  }
  start = begin.index;
  start_term = begin.term;
}

// --- Disk

void Disk::Start(std::unique_ptr<storage::Log> log, std::unique_ptr<license::LedgerStore> store,
                 license::Ledger::Limits limits, LogMirror found, Callbacks callbacks) {
  log_ = std::move(log);
  ledger_ = std::make_unique<server::LedgerDisk>(&home_, std::move(store), limits);
  callbacks_ = std::move(callbacks);
  if (log_ == nullptr) return;  // what is there stays as it is
  issued_ = found;
  durable_ = std::move(found);
  possible_.clear();
}

void Disk::Begin(std::unique_ptr<storage::Log> log, std::unique_ptr<license::LedgerStore> store) {
  log_ = std::move(log);
  ledger_->Begin(std::move(store));
  if (durable_.last_index() > Index(0)) lost_ = durable_;
  issued_ = LogMirror();
  durable_ = LogMirror();
  possible_.clear();
}

void Disk::Wipe() {
  auto names = files_.List("d");
  if (names.ok()) {
    for (const std::string& name : *names) files_.Damage(absl::StrCat("d/", name), std::nullopt);
  }
  home_.Wipe();
  if (durable_.last_index() > Index(0)) lost_ = durable_;
  durable_ = LogMirror();
  issued_ = LogMirror();
  possible_.clear();
}

// The threads' state is gone; what the write under way has done stays as the disk says.
void Disk::End(bool power_lost) {
  ++epoch_;
  // (Without a log nothing was written: what was possible before still is.)
  if (log_ != nullptr || possible_.empty()) possible_ = {durable_};
  if (log_ != nullptr && current_) {
    LogMirror after = durable_;
    if (current_->start) {
      after.Append(current_->hard_state, {});
      possible_.push_back(after);
      after.SetStart(*current_->start);
      possible_.push_back(after);
      after.Append(std::nullopt, current_->entries);
    } else {
      after.Append(current_->hard_state, current_->entries);
    }
    possible_.push_back(std::move(after));
    const uint64_t steps = world_->fault_rng.Below(6);
    if (steps < 5) {
      world_->counters.Count(Branch::kCrashInWrite);
      files_.StopAt(files_.operation_count() + steps);
      (void)server::Perform(*current_, log_.get());
    }
  }
  log_.reset();
  ledger_.reset();
  ledger_jobs_.clear();
  current_.reset();
  waiting_.clear();
  fail_next_ = false;
  if (power_lost) {
    LosePower();
  } else {
    files_.Restart();
    home_.Restart();
  }
}

void Disk::LosePower() {
  const uint64_t taste = world_->fault_rng.Below(4);
  Rng* rng = &world_->fault_rng;
  const auto choose = [rng, taste](uint32_t bound) -> uint32_t {
    if (taste == 0) return 0;          // nothing of it reached the disk
    if (taste == 1) return bound - 1;  // all of it did
    return static_cast<uint32_t>(rng->Below(bound));
  };
  files_.Crash(choose);
  home_.Crash(choose);
}

int64_t Disk::Latency() {
  return world_->rng.Skewed(plan_->sync_low_us, plan_->sync_high_us) * slow_;
}

void Disk::WriteLog(Write write) {
  issued_.Append(write.hard_state, {});
  if (write.start) issued_.SetStart(*write.start);
  issued_.Append(std::nullopt, write.entries);
  waiting_.push_back(std::move(write));
  if (!current_) StartWrite();
}

void Disk::StartWrite() {
  ++idle_generation_;
  current_ = server::TakeJoined(&waiting_);
  world_->After(Latency(), [this, epoch = epoch_] {
    if (epoch != epoch_) return;
    FinishWrite(*std::exchange(current_, std::nullopt));
  });
}

void Disk::FinishWrite(Write joined) {
  if (stuck_until_us_ > world_->now_us()) {
    current_ = std::move(joined);
    world_->At(std::min(stuck_until_us_, world_->now_us() + kLookAgainUs), [this, epoch = epoch_] {
      if (epoch == epoch_) FinishWrite(*std::exchange(current_, std::nullopt));
    });
    return;
  }
  if (std::exchange(fail_next_, false)) {
    const uint64_t steps = world_->fault_rng.Below(3);
    files_.FailAt(files_.operation_count() + steps, absl::UnavailableError("input/output error"));
  }
  const absl::Status status = server::Perform(joined, log_.get());
  if (!status.ok()) {
    // What of it is on the disk is not known: both are possible.
    current_ = std::move(joined);
    callbacks_.failed(status);
    return;
  }
  durable_.Append(joined.hard_state, {});
  if (joined.start) durable_.SetStart(*joined.start);
  durable_.Append(std::nullopt, joined.entries);
  callbacks_.durable(joined.id);
  if (!waiting_.empty()) {
    StartWrite();
    return;
  }
  world_->After(kIdleAfterUs, [this, epoch = epoch_, generation = ++idle_generation_] {
    if (epoch == epoch_) Idle(generation);
  });
}

void Disk::Idle(uint64_t generation) {
  if (generation != idle_generation_ || current_) return;
  const absl::Status status = log_->Idle();
  if (!status.ok()) callbacks_.failed(status);
}

void Disk::DoOnLedger(LedgerJob job) {
  ledger_jobs_.push_back(std::move(job));
  if (ledger_jobs_.size() == 1) StartLedgerJob();
}

void Disk::StartLedgerJob() {
  world_->After(Latency(), [this, epoch = epoch_] {
    if (epoch != epoch_) return;
    if (stuck_until_us_ > world_->now_us()) return StartLedgerJob();
    const absl::Status status = ledger_jobs_.front()(*ledger_);
    if (epoch != epoch_) return;
    if (!status.ok()) return callbacks_.failed(status);
    ledger_jobs_.pop_front();
    if (!ledger_jobs_.empty()) StartLedgerJob();
  });
}

}  // namespace triad::simulation
