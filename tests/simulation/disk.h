// A node's disk and the two threads that write to it (server/disk_io.h), in simulated time.
//
// The log is storage::Log over a file system of sectors that forgets what was not synced; the
// ledger's disk is server::LedgerDisk over stores in memory. As in the daemon: all writes that
// gathered while one sync ran are joined into the next; an error ends the process.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "license/ledger_store.h"
#include "quorum/members.h"
#include "quorum/types.h"
#include "server/ledger_disk.h"
#include "server/log_write.h"
#include "storage/log.h"
#include "storage/memory_ledger.h"
#include "storage/test_file_system.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/world.h"

namespace triad::simulation {

// What a log holds, as far as is known: for comparing.
struct LogMirror {
  quorum::HardState hard_state;
  quorum::Index start;
  quorum::Term start_term;
  std::vector<quorum::Entry> entries;  // start + 1, ...

  quorum::Index last_index() const { return start + entries.size(); }
  // Term at `index`; nullopt: not there (any more).
  std::optional<quorum::Term> TermAt(quorum::Index index) const;
  const quorum::Entry* At(quorum::Index index) const;
  void Append(const std::optional<quorum::HardState>& state,
              const std::vector<quorum::Entry>& added);
  // The log begins behind `begin`; what follows it stays, if the log has it.
  void SetStart(const quorum::LogStart& begin);
};

class Disk {
 public:
  using Write = server::LogWrite;
  struct Callbacks {
    std::function<void(uint64_t)> durable;            // of the log, up to this write
    std::function<void(const absl::Status&)> failed;  // the process must end
  };
  using LedgerJob = std::function<absl::Status(server::LedgerDisk&)>;

  Disk(World* world, const Plan* plan) : world_(world), plan_(plan) {}

  storage::TestFileSystem& files() { return files_; }
  storage::MemoryLedgerHome& home() { return home_; }

  // A process begins (a null log: it may not write yet, see Begin) or ends. What was being written
  // when it ended is done in part.
  void Start(std::unique_ptr<storage::Log> log, std::unique_ptr<license::LedgerStore> store,
             license::Ledger::Limits limits, LogMirror found, Callbacks callbacks);
  // Another log and store, empty ones.
  void Begin(std::unique_ptr<storage::Log> log, std::unique_ptr<license::LedgerStore> store);
  void End(bool power_lost);

  void WriteLog(Write write);
  // On the ledger's thread, in order.
  void DoOnLedger(LedgerJob job);

  // Everything on it is gone; no process runs.
  void Wipe();
  // What was not synced is lost, in part or whole.
  void LosePower();
  // What was lost here belongs to a cluster that is no more.
  void ForgetLost() { lost_ = LogMirror(); }

  // Faults.
  void Stick(int64_t until_us) { stuck_until_us_ = std::max(stuck_until_us_, until_us); }
  void Mend() {
    stuck_until_us_ = 0;
    fail_next_ = false;
    slow_ = 1;
  }
  void FailNext() { fail_next_ = true; }
  void set_slow(int64_t factor) { slow_ = factor; }

  // What was handed over, and what is certainly on the disk.
  const LogMirror& issued() const { return issued_; }
  const LogMirror& durable() const { return durable_; }
  // What was certainly on the disk before it was wiped or put away.
  const LogMirror& lost() const { return lost_; }
  // The states that a process which starts now may find, oldest first.
  const std::vector<LogMirror>& possible() const { return possible_; }
  void set_possible(std::vector<LogMirror> possible) { possible_ = std::move(possible); }

 private:
  int64_t Latency();
  void StartWrite();
  void FinishWrite(Write joined);
  void StartLedgerJob();
  void Idle(uint64_t generation);

  World* const world_;
  const Plan* const plan_;
  storage::TestFileSystem files_;
  storage::MemoryLedgerHome home_;
  std::unique_ptr<server::LedgerDisk> ledger_;
  std::deque<LedgerJob> ledger_jobs_;
  std::unique_ptr<storage::Log> log_;
  Callbacks callbacks_;
  uint64_t epoch_ = 0;
  std::deque<Write> waiting_;
  std::optional<Write> current_;
  uint64_t idle_generation_ = 0;
  int64_t stuck_until_us_ = 0;
  bool fail_next_ = false;
  int64_t slow_ = 1;
  LogMirror issued_;
  LogMirror durable_;
  LogMirror lost_;
  std::vector<LogMirror> possible_;
};

}  // namespace triad::simulation
