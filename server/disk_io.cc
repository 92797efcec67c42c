#include "server/disk_io.h"

#include <unistd.h>

#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace triad::server {
namespace {

// After this long without a write the log notes how far it is synced.
constexpr absl::Duration kIdleAfter = absl::Milliseconds(200);

[[noreturn]] void EndForDisk(Logger* logger, const absl::Status& status) {
  logger->Log(LogLevel::kError,
              absl::StrCat("the disk failed, stopping (nothing unsynced was acknowledged): ",
                           std::string(status.message())));
  _exit(kExitDiskFailed);
}

}  // namespace

LogThread::LogThread(std::unique_ptr<storage::Log> log, Logger* logger,
                     std::function<void(uint64_t)> durable)
    : log_(std::move(log)), logger_(logger), durable_(std::move(durable)) {
  thread_ = std::thread([this] { Run(); });
}

LogThread::~LogThread() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void LogThread::Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
                      std::vector<quorum::Entry> entries) {
  absl::MutexLock lock(&mutex_);
  jobs_.push_back(Job{write_id, hard_state, std::move(entries)});
}

void LogThread::CheckDisk(const absl::Status& status) {
  if (!status.ok()) EndForDisk(logger_, status);
}

void LogThread::Run() {
  bool noted = true;
  for (;;) {
    std::deque<Job> jobs;
    {
      absl::MutexLock lock(&mutex_);
      const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || !jobs_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&wake), noted ? absl::Hours(1) : kIdleAfter);
      jobs.swap(jobs_);
      if (jobs.empty() && stop_) break;
    }
    if (jobs.empty()) {
      if (!noted) CheckDisk(log_->Idle());
      noted = true;
      continue;
    }
    WriteAll(std::move(jobs));
    noted = false;
  }
  if (!noted) CheckDisk(log_->Idle());
}

// Joins what fits together into one write with one sync; a batch that cuts the log back begins a
// new one.
void LogThread::WriteAll(std::deque<Job> jobs) {
  while (!jobs.empty()) {
    Job joined = std::move(jobs.front());
    jobs.pop_front();
    while (!jobs.empty()) {
      Job& next = jobs.front();
      const bool follows = next.entries.empty() || joined.entries.empty() ||
                           next.entries.front().index == joined.entries.back().index + 1;
      // Term and vote stand before the entries of their batch: a newer one may join only an older
      // one's place.
      const bool state_fits = !next.hard_state || joined.entries.empty();
      if (!follows || !state_fits) break;
      joined.id = next.id;
      if (next.hard_state) joined.hard_state = next.hard_state;
      joined.entries.insert(joined.entries.end(), std::make_move_iterator(next.entries.begin()),
                            std::make_move_iterator(next.entries.end()));
      jobs.pop_front();
    }
    CheckDisk(log_->Append(joined.hard_state, joined.entries));
    durable_(joined.id);
  }
}

LedgerThread::LedgerThread(std::unique_ptr<license::LedgerStore> store, Logger* logger,
                           std::function<void()> written)
    : store_(std::move(store)), logger_(logger), written_(std::move(written)) {
  thread_ = std::thread([this] { Run(); });
}

LedgerThread::~LedgerThread() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

void LedgerThread::Write(std::vector<license::RowChange> changes, license::LogPosition applied) {
  absl::MutexLock lock(&mutex_);
  jobs_.push_back(Job{std::move(changes), applied});
}

void LedgerThread::Run() {
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
      const absl::Status status = store_->Write(job.changes, job.applied);
      if (!status.ok()) EndForDisk(logger_, status);
      written_();
    }
  }
  const absl::Status status = store_->Sync();
  if (!status.ok()) EndForDisk(logger_, status);
}

}  // namespace triad::server
