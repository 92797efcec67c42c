#include "server/debug_log.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "license/civil.h"
#include "license/denial.h"

namespace triad::server {
namespace {

using license::Civil;
using v1::UsageRecord;

constexpr absl::string_view kManager = "lmgrd";
// FlexNet prints so many features in a line.
constexpr size_t kFeaturesPerLine = 3;

std::string Safe(absl::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t') c = '?';
  }
  return out;
}

Civil CivilOf(LogTime time) {
  return license::CivilOf(time.wall_ms, time.utc_offset_s);
}

// "6/15/2026"
std::string DateText(LogTime time) {
  const Civil civil = CivilOf(time);
  return absl::StrCat(civil.month, "/", civil.day, "/", civil.year);
}

// "+02:00"
std::string OffsetText(int32_t offset_s) {
  const int32_t minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
  return absl::StrFormat("%c%02d:%02d", offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

// "Thu Jun 08 2017 09:49:41 +02:00"
std::string SystemTime(LogTime time) {
  constexpr absl::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr absl::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const Civil civil = CivilOf(time);
  return absl::StrFormat(
      "%s %s %02d %d %02d:%02d:%02d %s", kDays.substr(static_cast<size_t>(civil.weekday) * 3, 3),
      kMonths.substr(static_cast<size_t>(civil.month - 1) * 3, 3), civil.day, civil.year,
      civil.hour, civil.minute, civil.second, OffsetText(time.utc_offset_s));
}

// FlexNet's own words and minor numbers where they are known (flexnet-facts 4.2, 5).
std::string DenialWords(const UsageRecord& record) {
  struct Words {
    int32_t code;
    int minor;
    absl::string_view text;
  };
  static constexpr Words kWords[] = {
      {-4, 342, "Licensed number of users already reached"},
      {-5, 222, "No such feature exists"},
      {-10, 32, "Feature has expired"},
      {-18, 327, "License server system does not support this feature"},
      {-24, 332, "Users are queued for this feature"},
      {-38, 348, "User/host on EXCLUDE list for feature"},
      {-39, 349, "User/host not on INCLUDE list for feature"},
      {-87, 398, "Checkout exceeds MAX specified in options file"},
  };
  for (const Words& words : kWords) {
    if (words.code == record.code()) {
      return absl::StrCat("(", words.text, ". (", words.code, ",", words.minor, "))");
    }
  }
  std::string reason = Safe(record.reason());
  if (!reason.empty()) reason[0] = absl::ascii_toupper(static_cast<unsigned char>(reason[0]));
  return absl::StrCat("(", reason, ". (", record.code(), ",0))");
}

// `"feature" user@host  [data] (3 licenses) `
std::string Subject(const UsageRecord& record) {
  std::string text =
      absl::StrCat("\"", record.feature(), "\" ", record.user(), "@", record.host(), "  ");
  if (!record.checkout_data().empty()) absl::StrAppend(&text, "[", record.checkout_data(), "] ");
  if (record.count() > 1) absl::StrAppend(&text, "(", record.count(), " licenses) ");
  return text;
}

// What is said of a license that its holder did not give back himself.
absl::string_view CheckinReason(absl::string_view reason) {
  if (reason.empty() || reason == "closed") return "";
  if (reason == "silent" || reason == "connection lost") return "(SHUTDOWN)";
  if (reason == "idle") return "(INACTIVE)";
  if (reason == "removed") return "(USER_REMOVED)";
  return "(SERVER CHECKIN)";
}

// The event as NOLOG names it, and the line.
std::pair<absl::string_view, std::string> EventLine(const UsageRecord& record) {
  switch (record.kind()) {
    case UsageRecord::CHECKED_OUT:
    case UsageRecord::BORROWED:
      return {"OUT", absl::StrCat("OUT: ", Subject(record))};
    case UsageRecord::CHECKED_IN:
    case UsageRecord::RETURNED:
      return {"IN", absl::StrCat("IN: ", Subject(record), CheckinReason(record.reason()))};
    case UsageRecord::DENIED:
      if (record.code() == license::ToNumber(license::DenialCode::kNoSuchFeature)) {
        UsageRecord unsupported = record;
        unsupported.set_code(-18);
        return {"UNSUPPORTED",
                absl::StrCat("UNSUPPORTED: \"", record.feature(), "\" (PORT_AT_HOST_PLUS   ) ",
                             record.user(), "@", record.host(), "  ", DenialWords(unsupported))};
      }
      return {"DENIED", absl::StrCat("DENIED: ", Subject(record), DenialWords(record))};
    case UsageRecord::QUEUED:
      return {"QUEUED", absl::StrCat("QUEUED: ", Subject(record))};
    case UsageRecord::DEQUEUED:
      return {"DEQUEUED", absl::StrCat("DEQUEUED: ", Subject(record))};
    case UsageRecord::RESIZED:
      return {"UPGRADE", absl::StrCat("UPGRADE: \"", record.feature(), "\" ", record.user(), "@",
                                      record.host(), " (", record.count_before(), "->",
                                      record.count(), " licenses)")};
    case UsageRecord::VIOLATION:
      if (record.reason() == "expired") return {"", absl::StrCat("EXPIRED: ", record.feature())};
      return {"", absl::StrCat("VIOLATION: \"", record.feature(), "\" (", record.reason(), ")")};
    case UsageRecord::RESTORED:
      return {"", absl::StrCat("RESTORED: \"", record.feature(), "\"")};
    case UsageRecord::RESERVED:
      return {"", absl::StrCat("RESERVE ", record.feature(), " for ", record.reason())};
    case UsageRecord::UNRESERVED:
      return {"", absl::StrCat("UNRESERVE ", record.feature(), " for ", record.reason())};
    default:
      return {"", ""};
  }
}

// What the manager says, not a vendor's daemon.
std::vector<std::string> ManagerLines(const UsageRecord& record) {
  switch (record.kind()) {
    case UsageRecord::LICENSES_CHANGED:
      if (record.count() <= 1) return {};
      return {
          "REREAD", "Rereading license file",
          absl::StrCat("Done rereading: license set ", record.count(), " of node ", record.node())};
    case UsageRecord::ADMIN:
      return {absl::StrCat(record.code() == 0 ? "ADMIN: " : "ADMIN (refused): ", record.reason(),
                           " by ", record.who())};
    case UsageRecord::NODES_CHANGED:
      return {absl::StrCat("License server hosts: ", record.reason())};
    case UsageRecord::RECOVERED:
      return {"Recovered on one host: licenses granted shortly before may be lost"};
    default:
      return {};
  }
}

}  // namespace

std::string DebugLog::Line(LogTime time, absl::string_view daemon, absl::string_view line) const {
  const Civil civil = CivilOf(time);
  const std::string stamp =
      datestamp_
          ? absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d%s", civil.year, civil.month, civil.day,
                            civil.hour, civil.minute, civil.second, OffsetText(time.utc_offset_s))
          : absl::StrFormat("%2d:%02d:%02d", civil.hour, civil.minute, civil.second);
  return absl::StrCat(stamp, " (", Safe(daemon), ") ", Safe(line), "\n");
}

std::string DebugLog::Banner(LogTime time, const Start& start) const {
  std::string text;
  const auto say = [&](absl::string_view line) {
    absl::StrAppend(&text, Line(time, kManager, line));
  };
  say("-----------------------------------------------");
  say("  Please Note:");
  say("");
  say("  This log is written by every license server host, in the same order.");
  say("-----------------------------------------------");
  say("");
  say(absl::StrCat("Server's System Date and Time: ", SystemTime(time)));
  say(absl::StrCat("pid ", start.pid));
  say(absl::StrCat("Triad Licensing (v", start.version, " x64_lsb) started on ", start.host,
                   " (linux) (", DateText(time), ")"));
  say(absl::StrCat("License file(s): ", start.license_files));
  say(absl::StrCat("lmgrd tcp-port ", start.port));
  // The lines that FlexNet marks as its summary of itself.
  const auto summary = [&](absl::string_view line) { say(absl::StrCat("(@lmgrd-SLOG@) ", line)); };
  summary("===============================================");
  summary("=== LMGRD ===");
  summary(absl::StrCat("Start-Date: ", SystemTime(time)));
  summary(absl::StrCat("PID: ", start.pid));
  summary(absl::StrCat("LMGRD Version: v", start.version, " x64_lsb"));
  summary("=== Network Info ===");
  summary(absl::StrCat("Listening port: ", start.port));
  summary("=== Startup Info ===");
  summary(start.servers.empty()
              ? "Server Configuration: Single Server"
              : absl::StrCat("Server Configuration: Three Servers ", start.servers));
  summary(absl::StrCat("License file(s) used: ", start.license_files));
  summary("===============================================");
  return text;
}

std::string DebugLog::Serving(LogTime time, const Start& start, const license::Catalog& catalog,
                              license::Day today) const {
  std::string text = Line(time, kManager, "Starting vendor daemons ... ");
  for (const std::string& vendor : catalog.vendors()) {
    absl::StrAppend(&text, Line(time, kManager,
                                absl::StrCat("Started ", vendor, " (internet tcp_port ", start.port,
                                             " pid ", start.pid, ")")));
    const auto say = [&](absl::string_view line) {
      absl::StrAppend(&text, Line(time, vendor, line));
    };
    say(absl::StrCat("Triad Licensing version v", start.version, " started on ", start.host,
                     " (linux) (", DateText(time), ")"));
    std::vector<std::string> features;
    std::set<std::string> seen;
    for (const license::Pool& pool : catalog.pools()) {
      if (pool.vendor != vendor || !seen.insert(pool.feature).second) continue;
      bool valid = false;
      for (const license::Pool* same : catalog.PoolsOf(pool.feature)) {
        valid = valid || (same->vendor == vendor && same->ValidOn(today));
      }
      if (valid) {
        features.push_back(pool.feature);
      } else {
        say(absl::StrCat("EXPIRED: ", pool.feature));
      }
    }
    std::string line = absl::StrCat("Server started on ", start.host, " for:\t");
    size_t in_line = kFeaturesPerLine - 1;  // the first line has room for one
    for (const std::string& feature : features) {
      if (in_line == kFeaturesPerLine) {
        say(line);
        line.clear();
        in_line = 0;
      }
      absl::StrAppend(&line, feature, "\t\t");
      ++in_line;
    }
    say(line);
    say("EXTERNAL FILTERS are OFF");
    absl::StrAppend(&text,
                    Line(time, kManager, absl::StrCat(vendor, " using TCP-port ", start.port)));
  }
  return text;
}

std::string DebugLog::Record(const UsageRecord& record, const std::set<std::string>& no_log) const {
  const LogTime time{record.wall_ms(), record.utc_offset_s()};
  std::string text;
  for (const std::string& line : ManagerLines(record)) {
    absl::StrAppend(&text, Line(time, kManager, line));
  }
  const auto [event, line] = EventLine(record);
  if (line.empty() || no_log.contains(std::string(event))) return text;
  return absl::StrCat(text, Line(time, record.vendor().empty() ? kManager : record.vendor(), line));
}

std::string DebugLog::Timestamp(LogTime time, const std::vector<std::string>& vendors) const {
  const std::string line = absl::StrCat("TIMESTAMP ", DateText(time));
  std::string text = Line(time, kManager, line);
  for (const std::string& vendor : vendors) absl::StrAppend(&text, Line(time, vendor, line));
  return text;
}

std::string DebugLog::Gap(LogTime time, uint64_t from, uint64_t to) const {
  return Line(time, kManager,
              absl::StrCat("Events ", from, " to ", to,
                           " are not in this log: they are in the usage records and in the logs of "
                           "the other hosts"));
}

}  // namespace triad::server
