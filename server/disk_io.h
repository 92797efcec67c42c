// The two threads that write: the log's, which syncs, and the ledger's, which does not.
//
// One sync covers all that gathered while the previous one ran; nothing waits for a timer. A failed
// write or sync ends the process with status 74: nothing that it covered was acknowledged, and a
// second try could not be believed (quorum-notes B.7).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "license/ledger_store.h"
#include "server/environment.h"
#include "storage/log.h"

namespace triad::server {

inline constexpr int kExitDiskFailed = 74;

class LogThread : public LogWriter {
 public:
  // `durable` is called on this thread with the id of the last write that the sync covered.
  LogThread(std::unique_ptr<storage::Log> log, Logger* logger,
            std::function<void(uint64_t)> durable);
  ~LogThread() override;

  void Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
             std::vector<quorum::Entry> entries) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Job {
    uint64_t id = 0;
    std::optional<quorum::HardState> hard_state;
    std::vector<quorum::Entry> entries;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteAll(std::deque<Job> jobs);
  void CheckDisk(const absl::Status& status);

  const std::unique_ptr<storage::Log> log_;
  Logger* const logger_;
  const std::function<void(uint64_t)> durable_;
  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class LedgerThread : public LedgerWriter {
 public:
  LedgerThread(std::unique_ptr<license::LedgerStore> store, Logger* logger,
               std::function<void()> written);
  // Writes what was handed over, makes it durable, ends.
  ~LedgerThread() override;

  void Write(std::vector<license::RowChange> changes, license::LogPosition applied) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Job {
    std::vector<license::RowChange> changes;
    license::LogPosition applied;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<license::LedgerStore> store_;
  Logger* const logger_;
  const std::function<void()> written_;
  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace triad::server
