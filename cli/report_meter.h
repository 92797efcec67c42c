// How much was in use over time: peak and average by hour, day and month, and how long the limit
// was reached or passed. Time only goes forward; memory grows with the days of the span, not with
// what happens in them.
//
// Pure. Not thread-safe. Times are milliseconds since 1970 UTC; days and hours those of a clock
// with the offset that is given.
#pragma once

#include <cstdint>
#include <vector>

namespace triad::cli {

struct MeterBucket {
  int64_t key = -1;  // the hour, day or month, counted by the local calendar
  int64_t start_ms = 0;
  int64_t covered_ms = 0;  // how much of it is known
  uint64_t peak = 0;
  double licensed_ms = 0;   // licenses times milliseconds
  uint64_t limit = 0;       // the highest within it
  int64_t at_limit_ms = 0;  // as many out as there are, or more
  int64_t above_ms = 0;     // more out than there are
  double average() const;
};

class Meter {
 public:
  // Hours are kept one by one if `keep_hours`; for a span of a month, not of a year.
  explicit Meter(bool keep_hours = false) : keep_hours_(keep_hours) {}

  // From `wall_ms` on `level` is out of `limit`. Earlier than the call before: taken as that.
  void Set(int64_t wall_ms, int32_t utc_offset_s, uint64_t level, uint64_t limit);
  // The span ends here.
  void Finish(int64_t wall_ms);
  bool begun() const { return begun_; }
  uint64_t level() const { return level_; }
  int64_t now_ms() const { return at_ms_; }

  const MeterBucket& total() const { return total_; }
  int64_t peak_ms() const { return peak_ms_; }
  int64_t first_above_ms() const { return first_above_ms_; }  // 0: never
  const std::vector<MeterBucket>& hours() const { return hours_; }
  const std::vector<MeterBucket>& days() const { return days_; }
  const std::vector<MeterBucket>& months() const { return months_; }
  // By the hour of the day, all days together: 24 of them.
  const std::vector<MeterBucket>& hours_of_day() const { return hours_of_day_; }

 private:
  void Advance(int64_t to_ms);
  void Cover(int64_t from_ms, int64_t to_ms);
  void Note(MeterBucket& bucket, int64_t ms) const;

  const bool keep_hours_;
  bool begun_ = false;
  int64_t at_ms_ = 0;
  int64_t offset_ms_ = 0;
  uint64_t level_ = 0;
  uint64_t limit_ = 0;
  int64_t peak_ms_ = 0;
  int64_t first_above_ms_ = 0;
  MeterBucket total_;
  std::vector<MeterBucket> hours_;
  std::vector<MeterBucket> days_;
  std::vector<MeterBucket> months_;
  std::vector<MeterBucket> hours_of_day_ = std::vector<MeterBucket>(24);
};

}  // namespace triad::cli
