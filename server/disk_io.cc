#include "server/disk_io.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/system.h"

namespace triad::server {
namespace {

// After this long without a write the log notes how far it is synced.
constexpr absl::Duration kIdleAfter = absl::Milliseconds(200);

}  // namespace

void EndForDisk(Logger* logger, const absl::Status& status) {
  logger->Log(LogLevel::kError,
              absl::StrCat("the disk failed, stopping (nothing unsynced was acknowledged): ",
                           std::string(status.message())));
  _exit(kExitDiskFailed);
}

LogThread::LogThread(std::unique_ptr<storage::Log> log, Logger* logger,
                     std::function<void(uint64_t)> durable)
    : logger_(logger), durable_(std::move(durable)), log_(std::move(log)) {
  thread_ = std::thread([this] { Run(); });
}

LogThread::~LogThread() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void LogThread::Begin(std::unique_ptr<storage::Log> log) {
  absl::MutexLock lock(&mutex_);
  log_ = std::move(log);
}

void LogThread::Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
                      std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) {
  absl::MutexLock lock(&mutex_);
  jobs_.push_back({write_id, hard_state, start, std::move(entries)});
}

void LogThread::Probe(std::function<void()> probe) {
  absl::MutexLock lock(&mutex_);
  probes_.push_back(std::move(probe));
}

void LogThread::CheckDisk(const absl::Status& status) {
  if (!status.ok()) EndForDisk(logger_, status);
}

void LogThread::Run() {
  NameThread("log");
  bool noted = true;
  storage::Log* log = nullptr;
  for (;;) {
    std::deque<LogWrite> jobs;
    std::deque<std::function<void()>> probes;
    {
      absl::MutexLock lock(&mutex_);
      const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || !jobs_.empty() || !probes_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&wake), noted ? absl::Hours(1) : kIdleAfter);
      jobs.swap(jobs_);
      probes.swap(probes_);
      log = log_.get();
      if (jobs.empty() && probes.empty() && stop_) break;
    }
    if (!jobs.empty()) {
      WriteAll(log, std::move(jobs));
      noted = false;
    } else if (probes.empty()) {
      if (!noted) CheckDisk(log->Idle());
      noted = true;
    }
    for (const auto& probe : probes) probe();
  }
  if (!noted) CheckDisk(log->Idle());
}

void LogThread::WriteAll(storage::Log* log, std::deque<LogWrite> waiting) {
  while (!waiting.empty()) {
    const LogWrite joined = TakeJoined(&waiting);
    CheckDisk(Perform(joined, log));
    durable_(joined.id);
  }
}

LedgerThread::LedgerThread(LedgerDisk disk, Logger* logger, LedgerResults results)
    : disk_(std::move(disk)), logger_(logger), results_(std::move(results)) {
  thread_ = std::thread([this] { Run(); });
}

LedgerThread::~LedgerThread() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void LedgerThread::Add(Job job) {
  absl::MutexLock lock(&mutex_);
  jobs_.push_back(std::move(job));
}

void LedgerThread::Begin(std::unique_ptr<license::LedgerStore> store) {
  // std::function wants what it holds to be copyable.
  auto shared = std::make_shared<std::unique_ptr<license::LedgerStore>>(std::move(store));
  Add([this, shared] {
    disk_.Begin(std::move(*shared));
    return absl::OkStatus();
  });
}

void LedgerThread::Write(std::vector<license::RowChange> changes, license::LogPosition applied) {
  Add([this, changes = std::move(changes), applied] {
    const absl::Status status = disk_.Write(changes, applied);
    if (status.ok()) results_.written();
    return status;
  });
}

void LedgerThread::AddUsage(license::UsageChanges usage) {
  Add([this, usage = std::move(usage)] {
    disk_.AddUsage(usage);
    return absl::OkStatus();
  });
}

void LedgerThread::ReadUsage(UsageQuery query, std::function<void(UsageRead)> done) {
  Add([this, query, done = std::move(done)] {
    if (!disk_.has_store()) {
      done(UsageRead());
      return absl::OkStatus();
    }
    auto read = disk_.ReadUsage(query);
    if (read.ok()) done(std::move(*read));
    return read.status();
  });
}

bool LedgerThread::FindUsageGap() {
  Add([this] {
    auto gap = disk_.FindUsageGap();
    if (gap.ok()) results_.gap(*gap);
    return gap.status();
  });
  return true;
}

void LedgerThread::FillUsage(std::vector<license::UsageRow> rows) {
  Add([this, rows = std::move(rows)] {
    const absl::Status status = disk_.FillUsage(rows);
    if (status.ok()) results_.filled();
    return status;
  });
}

void LedgerThread::PlanPrune(UsageKeep keep) {
  Add([this, keep] {
    auto plan = disk_.PlanPrune(keep);
    if (plan.ok() && plan->has_value()) results_.prune(**plan);
    return plan.status();
  });
}

void LedgerThread::Sync() {
  Add([this] {
    const auto position = disk_.Sync();
    if (position.ok()) results_.synced(*position);
    return position.status();
  });
}

void LedgerThread::Probe(std::function<void()> probe) {
  Add([probe = std::move(probe)] {
    probe();
    return absl::OkStatus();
  });
}

void LedgerThread::ReadSnapshot(uint64_t view, std::string after, size_t bytes_max) {
  Add([this, view, after = std::move(after), bytes_max] {
    auto rows = disk_.ReadSnapshot(view, after, bytes_max);
    if (rows.ok()) results_.read(std::move(*rows));
    return rows.status();
  });
}

void LedgerThread::CloseSnapshot(uint64_t view) {
  Add([this, view] {
    disk_.CloseSnapshot(view);
    return absl::OkStatus();
  });
}

void LedgerThread::StageRows(bool first, std::vector<license::RowChange> rows,
                             std::optional<license::LogPosition> complete) {
  Add([this, first, rows = std::move(rows), complete] {
    auto ledger = disk_.StageRows(first, rows, complete);
    if (ledger.ok()) results_.staged(std::move(*ledger));
    return ledger.status();
  });
}

void LedgerThread::AdoptStaged() {
  Add([this] {
    const absl::Status status = disk_.AdoptStaged();
    if (status.ok()) results_.written();
    return status;
  });
}

void LedgerThread::Run() {
  NameThread("ledger");
  for (;;) {
    std::deque<Job> jobs;
    {
      absl::MutexLock lock(&mutex_);
      const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || !jobs_.empty();
      };
      mutex_.Await(absl::Condition(&wake));
      jobs.swap(jobs_);
      if (jobs.empty() && stop_) break;
    }
    for (const Job& job : jobs) {
      if (const absl::Status status = job(); !status.ok()) EndForDisk(logger_, status);
    }
  }
  if (!disk_.has_store()) return;
  if (const auto position = disk_.Sync(); !position.ok()) {
    EndForDisk(logger_, position.status());
  }
}

}  // namespace triad::server
