// The debug log's lines, laid out byte by byte as flexnet-facts 4 says, because monitors read them.
//
// Lines about licenses are made of usage records alone, with the records' own date and time, so
// that every node writes the same ones. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "triad/v1/usage.pb.h"

namespace triad::server {

// A moment as this log's lines show it.
struct LogTime {
  int64_t wall_ms = 0;
  int32_t utc_offset_s = 0;
};

class DebugLog {
 public:
  struct Start {
    std::string host;
    std::string version;
    int64_t pid = 0;
    std::string license_files;  // joined by ':'
    int port = 0;
    std::string servers;  // "27000@a,27000@b,27000@c"; "" when there is one
  };

  // `datestamp`: date and offset in each line, as lmgrd's -datestamp.
  explicit DebugLog(bool datestamp) : datestamp_(datestamp) {}

  // "14:01:02 (lmgrd) LINE\n". What cannot stand in a line is a '?'.
  std::string Line(LogTime time, absl::string_view daemon, absl::string_view line) const;
  // The lines that a start begins with.
  std::string Banner(LogTime time, const Start& start) const;
  // What each vendor's daemon says when it serves: the features, and those whose lines are over.
  std::string Serving(LogTime time, const Start& start, const license::Catalog& catalog,
                      license::Day today) const;
  // The lines of one record; "" when there is nothing to say, or its vendor's NOLOG forbids it.
  std::string Record(const v1::UsageRecord& record, const std::set<std::string>& no_log) const;
  // "TIMESTAMP 6/15/2026" of the manager and these vendors.
  std::string Timestamp(LogTime time, const std::vector<std::string>& vendors) const;
  // Records [from, to] are not in this log.
  std::string Gap(LogTime time, uint64_t from, uint64_t to) const;

 private:
  const bool datestamp_;
};

}  // namespace triad::server
