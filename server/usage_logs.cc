#include "server/usage_logs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "license/civil.h"
#include "license/digest.h"
#include "license/usage_json.h"
#include "license/usage_record.h"
#include "server/limits.h"
#include "triad/v1/usage.pb.h"

namespace triad::server {
namespace {

constexpr absl::Duration kLookAtClock = absl::Minutes(1);
constexpr absl::Duration kRotateTimeout = absl::Seconds(5);
constexpr size_t kPlaceNameDigits = 16;
constexpr absl::string_view kLost = " lines are not in this log: it could not be written";

int64_t DayOf(LogTime time) {
  return license::FloorDiv(time.wall_ms + int64_t{time.utc_offset_s} * 1'000, 86'400'000);
}

// "20260615120000"
std::string StampText(LogTime time) {
  const license::Civil civil = license::CivilOf(time.wall_ms, time.utc_offset_s);
  return absl::StrFormat("%04d%02d%02d%02d%02d%02d", civil.year, civil.month, civil.day, civil.hour,
                         civil.minute, civil.second);
}

// In a report log, where numbers are not without gaps: other vendors' records have the others.
std::string ReportGap(uint64_t from, uint64_t to) {
  return absl::StrCat("{\"missing_from\":", from, ",\"missing_to\":", to, "}\n");
}

}  // namespace

UsageLogs::UsageLogs(Config config, Clock* clock, Logger* logger)
    : config_(std::move(config)), clock_(clock), logger_(logger), format_(config_.datestamp) {
  wanted_ = !config_.debug_log.empty();
  if (wanted_) {
    absl::string_view path = config_.debug_log;
    const bool append = absl::ConsumePrefix(&path, "+");
    Open(/*report=*/false, "", std::string(path), append, 0);
    AddLines("", format_.Banner(Now(), config_.start));
  }
  thread_ = std::thread([this] { Run(); });
}

UsageLogs::~UsageLogs() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  thread_.join();
}

LogTime UsageLogs::Now() const {
  return {clock_->WallMs(), clock_->UtcOffsetSeconds()};
}

// ------------------------------------------------------------------------------------------
// From others' threads

bool UsageLogs::Add(Job job, size_t bytes) {
  absl::MutexLock lock(&mutex_);
  if (queued_bytes_ + bytes > kLogQueueBytesMax) {
    ++lost_jobs_;
    return false;
  }
  queued_bytes_ += bytes;
  jobs_.emplace_back(std::move(job), bytes);
  return true;
}

void UsageLogs::OnRecords(const std::vector<license::UsageRow>& rows) {
  if (!wanted_) return;
  size_t bytes = 0;
  for (const license::UsageRow& row : rows) bytes += row.bytes.size() + sizeof(row);
  (void)Add(
      [this, rows] {
        for (const license::UsageRow& row : rows) AddRecord(row);
      },
      bytes);
}

void UsageLogs::OnLicenses(const license::Catalog& catalog) {
  wanted_ = !config_.debug_log.empty();
  for (const auto& [vendor, options] : catalog.policy().settings()) {
    wanted_ = wanted_ || options.debug_log || options.report_log;
  }
  std::string serving;
  if (!std::exchange(serving_told_, true)) {
    const LogTime now = Now();
    serving =
        format_.Serving(now, config_.start, catalog, license::DayAt(now.wall_ms, now.utc_offset_s));
  }
  (void)Add(
      [this, serving, settings = catalog.policy().settings(), vendors = catalog.vendors()] {
        Adopt(settings, vendors);
        AddLines("", serving);
      },
      serving.size());
}

void UsageLogs::OnQuorum(std::string line) {
  const std::string text = format_.Line(Now(), "lmgrd", line);
  (void)Add([this, text] { AddLines("", text); }, text.size());
}

void UsageLogs::Reopen() {
  (void)Add(
      [this] {
        for (auto& [key, log] : logs_) log->file.Reopen();
      },
      0);
}

absl::StatusOr<std::vector<std::string>> UsageLogs::Rotate(v1::RotateLogsRequest::Which which,
                                                           const std::string& vendor,
                                                           const std::string& new_path,
                                                           const std::string& old_path) {
  struct Answer {
    absl::Notification done;
    absl::Status status;
    std::vector<std::string> paths;
  };
  auto answer = std::make_shared<Answer>();
  const bool report = which == v1::RotateLogsRequest::REPORT_LOG;
  const bool added = Add(
      [this, answer, report, vendor, new_path, old_path] {
        Flush();
        for (auto& [key, log] : logs_) {
          if (log->report != report || !(vendor.empty() || log->vendors.contains(vendor))) continue;
          const std::string old =
              old_path.empty() ? absl::StrCat(log->file.path(), ".", StampText(Now())) : old_path;
          auto path = new_path.empty() ? log->file.Rotate(old) : log->file.Switch(new_path);
          if (path.ok()) {
            answer->paths.push_back(*path);
          } else {
            answer->status = path.status();
          }
        }
        if (answer->status.ok() && answer->paths.empty()) {
          answer->status = absl::NotFoundError(absl::StrCat(
              "this node writes no ", report ? "report log" : "debug log",
              vendor.empty() ? "" : absl::StrCat(" for ", vendor), ": ",
              report ? "give REPORTLOG in the options file" : "give --debug-log or DEBUGLOG"));
        }
        answer->done.Notify();
      },
      0);
  if (!added || !answer->done.WaitForNotificationWithTimeout(kRotateTimeout)) {
    return absl::UnavailableError("the log files' disk does not answer");
  }
  if (!answer->status.ok()) return answer->status;
  return answer->paths;
}

// ------------------------------------------------------------------------------------------
// The thread

void UsageLogs::Run() {
  for (bool stopping = false; !stopping;) {
    std::deque<std::pair<Job, size_t>> jobs;
    uint64_t lost = 0;
    {
      absl::MutexLock lock(&mutex_);
      const auto wake = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stop_ || !jobs_.empty();
      };
      mutex_.AwaitWithTimeout(absl::Condition(&wake), kLookAtClock);
      jobs.swap(jobs_);
      lost = std::exchange(lost_jobs_, 0);
      stopping = stop_;
    }
    size_t bytes = 0;
    for (const auto& [job, job_bytes] : jobs) {
      job();
      bytes += job_bytes;
    }
    {
      absl::MutexLock lock(&mutex_);
      queued_bytes_ -= bytes;
    }
    if (lost > 0) {
      logger_->Log(LogLevel::kWarning,
                   absl::StrCat("the log files' disk is too slow: ", lost,
                                " batches of events are not in the debug and report logs"));
    }
    AddTimestamps();
    if (stopping) AddEnd();
    Flush();
  }
}

void UsageLogs::Open(bool report, const std::string& vendor, const std::string& path, bool append,
                     uint64_t rollover_bytes) {
  std::unique_ptr<Log>& log = logs_[{report, path}];
  if (log == nullptr) {
    LogFile::Config file;
    file.path = path;
    file.append = append;
    file.rollover_bytes = rollover_bytes;
    if (!config_.place_dir.empty()) {
      const std::string name = absl::StrCat(report ? "report " : "debug ", path);
      file.position_path = absl::StrCat(config_.place_dir, "/log-place-",
                                        license::Sha256Hex(name).substr(0, kPlaceNameDigits));
    }
    log = std::make_unique<Log>(report, std::set<std::string>(), std::move(file));
    log->number = log->file.number();
  }
  if (!vendor.empty()) log->vendors.insert(vendor);
}

// The files that the options ask for from now on; others of earlier options are closed.
void UsageLogs::Adopt(const std::map<std::string, license::OptionSettings, std::less<>>& settings,
                      const std::vector<std::string>& vendors) {
  constexpr uint64_t kMegabyte = 1u << 20;
  Flush();
  vendors_ = vendors;
  no_log_.clear();
  std::set<std::pair<bool, std::string>> wanted;
  for (const auto& [vendor, options] : settings) {
    no_log_[vendor] = std::set<std::string>(options.no_log.begin(), options.no_log.end());
    for (const bool report : {false, true}) {
      const auto& log = report ? options.report_log : options.debug_log;
      if (!log) continue;
      if (!report && logs_.contains({false, log->path}) &&
          logs_.at({false, log->path})->vendors.empty()) {
        continue;  // the common one, which has everything
      }
      wanted.insert({report, log->path});
      Open(report, vendor, log->path, log->append, log->rollover_mb * kMegabyte);
    }
  }
  for (auto it = logs_.begin(); it != logs_.end();) {
    const bool own = !it->first.first && it->second->vendors.empty();
    it = own || wanted.contains(it->first) ? std::next(it) : logs_.erase(it);
  }
}

// A report log has what concerns its vendor, or no vendor. A vendor's own debug log has its lines,
// and the common one has all others.
bool UsageLogs::Wants(const Log& log, const std::string& vendor) const {
  if (log.report) return vendor.empty() || log.vendors.contains(vendor);
  if (!log.vendors.empty()) return log.vendors.contains(vendor);
  for (const auto& [key, other] : logs_) {
    if (!other->report && !vendor.empty() && other->vendors.contains(vendor)) return false;
  }
  return true;
}

void UsageLogs::AddRecord(const license::UsageRow& row) {
  v1::UsageRecord record;
  if (!record.ParseFromString(row.bytes)) return;
  const LogTime time{record.wall_ms(), record.utc_offset_s()};
  std::string line;
  for (auto& [key, log] : logs_) {
    if (row.number <= log->number) continue;
    if (log->number != 0 && row.number > log->number + 1) {
      absl::StrAppend(&log->text, log->report ? ReportGap(log->number + 1, row.number - 1)
                                              : format_.Gap(time, log->number + 1, row.number - 1));
    }
    log->number = row.number;
    if (!Wants(*log, record.vendor())) continue;
    if (log->report) {
      absl::StrAppend(&log->text, license::UsageJson(record, license::UsageHash(row.bytes)), "\n");
      continue;
    }
    if (line.empty()) line = format_.Record(record, no_log_[record.vendor()]);
    if (line.empty()) continue;
    if (DayOf(time) != log->stamped_day) {
      log->stamped_day = DayOf(time);
      log->stamped_ms = clock_->WallMs();
      absl::StrAppend(&log->text, format_.Timestamp(time, vendors_));
    }
    absl::StrAppend(&log->text, line);
  }
}

// Of this node alone: into the debug logs that have such lines.
void UsageLogs::AddLines(const std::string& vendor, const std::string& text) {
  for (auto& [key, log] : logs_) {
    if (!log->report && Wants(*log, vendor)) log->text += text;
  }
}

// On a quiet day too.
void UsageLogs::AddTimestamps() {
  const LogTime now = Now();
  for (auto& [key, log] : logs_) {
    if (log->report || now.wall_ms - log->stamped_ms < kTimestampIntervalMs) continue;
    log->stamped_ms = now.wall_ms;
    log->stamped_day = DayOf(now);
    log->text += format_.Timestamp(now, vendors_);
  }
}

// The words that monitors look for at the end of a log.
void UsageLogs::AddEnd() {
  constexpr absl::string_view kEnd = "daemon shutdown requested - shutting down";
  AddLines("", format_.Line(Now(), "lmgrd", kEnd));
  for (const std::string& vendor : vendors_) {
    AddLines(vendor, absl::StrCat(format_.Line(Now(), vendor, kEnd),
                                  format_.Line(Now(), vendor, "EXITING DUE TO SIGNAL 15")));
  }
}

void UsageLogs::Flush() {
  for (auto& [key, log] : logs_) {
    const std::string text = std::exchange(log->text, "");
    const uint64_t lost = log->file.TakeLost();
    std::string before;
    if (!text.empty() && lost > 0) {
      before = log->report ? absl::StrCat("{\"lost_lines\":", lost, "}\n")
                           : format_.Line(Now(), "lmgrd", absl::StrCat(lost, kLost));
    }
    const absl::Status status =
        log->file.Write(absl::StrCat(before, text), log->number, StampText(Now()));
    if (text.empty()) {
      log->file.AddLost(lost);
      continue;
    }
    if (!status.ok() && lost > 0) log->file.AddLost(lost - 1);
    if (!status.ok() && !log->failing) {
      logger_->Log(
          LogLevel::kWarning,
          absl::StrCat(log->report ? "report log: " : "debug log: ", std::string(status.message()),
                       ": licensing goes on, and the lines that are lost are counted"));
    }
    if (status.ok() && log->failing) {
      logger_->Log(LogLevel::kNotice,
                   absl::StrCat(log->file.path(), " is written again: ", lost, " lines are lost"));
    }
    log->failing = !status.ok();
  }
}

}  // namespace triad::server
