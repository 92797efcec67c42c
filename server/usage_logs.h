// The debug log and the report logs of a running daemon: a thread that makes lines of usage records
// and puts them into files. Licensing never waits for it.
//
// What comes in is queued up to a size. What there is no room for, and what a snapshot passed over,
// is missing in the records' numbers, and one line says so. A file that cannot be written loses
// lines, which are counted; the journal hears of it at once, the file when it works again.
//
// Which files there are: the one of --debug-log, and what the options files of the license set in
// force ask for (DEBUGLOG, REPORTLOG). A vendor with a DEBUGLOG of its own has its lines there.
//
// OnRecords, OnLicenses, OnQuorum: from one thread. Rotate and Reopen: from any.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/debug_log.h"
#include "server/environment.h"
#include "server/log_control.h"
#include "server/log_file.h"

namespace triad::server {

class UsageLogs final : public UsageSink, public LogControl {
 public:
  struct Config {
    std::string debug_log;  // "+FILE" appends; "": none
    bool datestamp = false;
    DebugLog::Start start;
    std::string place_dir;  // where the logs' places are kept
  };

  UsageLogs(Config config, Clock* clock, Logger* logger);
  // Writes what was queued, and a last line.
  ~UsageLogs() override;

  void OnRecords(const std::vector<license::UsageRow>& rows) override;
  void OnLicenses(const license::Catalog& catalog) override;
  void OnQuorum(std::string line) override;
  absl::StatusOr<std::vector<std::string>> Rotate(v1::RotateLogsRequest::Which which,
                                                  const std::string& vendor,
                                                  const std::string& new_path,
                                                  const std::string& old_path) override;
  // After a SIGHUP: files are opened by their names again.
  void Reopen();

 private:
  using Job = std::function<void()>;
  // A file with what goes into it.
  struct Log {
    Log(bool is_report, std::set<std::string> only, LogFile::Config file)
        : report(is_report), vendors(std::move(only)), file(std::move(file)) {}
    const bool report;
    std::set<std::string> vendors;  // whose lines; empty: everyone's
    LogFile file;
    std::string text;     // of the present batch
    uint64_t number = 0;  // the last record of the batch
    int64_t stamped_day = 0;
    int64_t stamped_ms = 0;
    bool failing = false;
  };

  bool Add(Job job, size_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  LogTime Now() const;
  void Open(bool report, const std::string& vendor, const std::string& path, bool append,
            uint64_t rollover_bytes);
  void Adopt(const std::map<std::string, license::OptionSettings, std::less<>>& settings,
             const std::vector<std::string>& vendors);
  bool Wants(const Log& log, const std::string& vendor) const;
  void AddRecord(const license::UsageRow& row);
  void AddLines(const std::string& vendor, const std::string& text);
  void AddTimestamps();
  void AddEnd();
  void Flush();

  const Config config_;
  Clock* const clock_;
  Logger* const logger_;
  const DebugLog format_;
  // The caller's thread alone.
  bool serving_told_ = false;
  bool wanted_ = false;  // there is a log: without one, records cost nothing

  absl::Mutex mutex_;
  std::deque<std::pair<Job, size_t>> jobs_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t lost_jobs_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  // The thread's alone.
  std::map<std::pair<bool, std::string>, std::unique_ptr<Log>> logs_;  // (report, path)
  std::map<std::string, std::set<std::string>> no_log_;                // by vendor
  std::vector<std::string> vendors_;
  std::thread thread_;
};

}  // namespace triad::server
