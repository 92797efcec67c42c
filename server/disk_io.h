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
#include "server/ledger_disk.h"
#include "server/log_write.h"
#include "storage/log.h"

namespace triad::server {

inline constexpr int kExitDiskFailed = 74;

// One line to the log, and the end of the process.
[[noreturn]] void EndForDisk(Logger* logger, const absl::Status& status);

class LogThread : public LogWriter {
 public:
  // `durable` is called on this thread with the id of the last write that the sync covered. `log`
  // may be null until Begin().
  LogThread(std::unique_ptr<storage::Log> log, Logger* logger,
            std::function<void(uint64_t)> durable);
  ~LogThread() override;

  // Writes go into `log` from now on; those before had none to go to, so there must have been none.
  void Begin(std::unique_ptr<storage::Log> log) ABSL_LOCKS_EXCLUDED(mutex_);
  void Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
             std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `probe` is called on this thread when all writes handed over before are durable; the thread
  // does nothing else meanwhile.
  void Probe(std::function<void()> probe) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteAll(storage::Log* log, std::deque<LogWrite> waiting);
  void CheckDisk(const absl::Status& status);

  Logger* const logger_;
  const std::function<void(uint64_t)> durable_;
  absl::Mutex mutex_;
  std::unique_ptr<storage::Log> log_ ABSL_GUARDED_BY(mutex_);  // what it does is the thread's alone
  std::deque<LogWrite> jobs_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::function<void()>> probes_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// The results, each called on the ledger's thread: to be posted to the loop.
struct LedgerResults {
  std::function<void()> written;
  std::function<void(license::LogPosition)> synced;
  std::function<void(SnapshotRows)> read;
  std::function<void(std::unique_ptr<license::Ledger>)> staged;
  std::function<void(v1::PruneUsage)> prune;
  std::function<void(UsageGap)> gap;
  std::function<void()> filled;
};

// Reads usage records; called from any thread.
class UsageReader {
 public:
  virtual ~UsageReader() = default;
  // `done` is called on the ledger's thread.
  virtual void ReadUsage(UsageQuery query, std::function<void(UsageRead)> done) = 0;
};

class LedgerThread : public LedgerWriter, public UsageReader {
 public:
  LedgerThread(LedgerDisk disk, Logger* logger, LedgerResults results);
  // Does what was handed over, makes it durable, ends.
  ~LedgerThread() override;

  // Another store from now on (LedgerDisk::Begin).
  void Begin(std::unique_ptr<license::LedgerStore> store);
  void Write(std::vector<license::RowChange> changes, license::LogPosition applied) override;
  void AddUsage(license::UsageChanges usage) override;
  void ReadUsage(UsageQuery query, std::function<void(UsageRead)> done) override;
  void PlanPrune(UsageKeep keep) override;
  bool FindUsageGap() override;
  void FillUsage(std::vector<license::UsageRow> rows) override;
  void Sync() override;
  // `probe` is called on the ledger's thread, in its turn.
  void Probe(std::function<void()> probe);
  void ReadSnapshot(uint64_t view, std::string after, size_t bytes_max) override;
  void CloseSnapshot(uint64_t view) override;
  void StageRows(bool first, std::vector<license::RowChange> rows,
                 std::optional<license::LogPosition> complete) override;
  void AdoptStaged() override;

 private:
  using Job = std::function<absl::Status()>;

  void Add(Job job) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);

  LedgerDisk disk_;  // the thread's alone
  Logger* const logger_;
  const LedgerResults results_;
  absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace triad::server
