#include "cli/report_meter.h"

#include <algorithm>

#include "license/civil.h"

namespace triad::cli {
namespace {

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;

MeterBucket& At(int64_t key, int64_t start_ms, std::vector<MeterBucket>& buckets) {
  // A clock that is put back gives an hour again: it is the same one.
  if (buckets.empty() || buckets.back().key < key) {
    buckets.emplace_back();
    buckets.back().key = key;
    buckets.back().start_ms = start_ms;
  }
  return buckets.back();
}

}  // namespace

double MeterBucket::average() const {
  return covered_ms == 0 ? 0 : licensed_ms / static_cast<double>(covered_ms);
}

void Meter::Note(MeterBucket& bucket, int64_t ms) const {
  bucket.covered_ms += ms;
  bucket.peak = std::max(bucket.peak, level_);
  bucket.limit = std::max(bucket.limit, limit_);
  bucket.licensed_ms += static_cast<double>(level_) * static_cast<double>(ms);
  if (level_ > 0 && level_ >= limit_) bucket.at_limit_ms += ms;
  if (level_ > limit_) bucket.above_ms += ms;
}

// A stretch within one local hour; without length, a peak that came and went at once.
void Meter::Cover(int64_t from_ms, int64_t to_ms) {
  const int64_t ms = to_ms - from_ms;
  const int64_t local_ms = from_ms + offset_ms_;
  const int64_t hour = license::FloorDiv(local_ms, kHourMs);
  const int64_t day = license::FloorDiv(local_ms, kDayMs);
  if (days_.empty() || days_.back().key < day) {
    const license::Civil civil = license::CivilOf(local_ms, 0);
    const int64_t first = license::DaysOf(civil.year, civil.month, 1);
    At(first, first * kDayMs - offset_ms_, months_);
  }
  Note(months_.back(), ms);
  Note(At(day, day * kDayMs - offset_ms_, days_), ms);
  Note(hours_of_day_[static_cast<size_t>(hour - day * 24)], ms);
  if (keep_hours_) Note(At(hour, hour * kHourMs - offset_ms_, hours_), ms);
  if (level_ > total_.peak) peak_ms_ = from_ms;
  if (level_ > limit_ && first_above_ms_ == 0) first_above_ms_ = from_ms;
  Note(total_, ms);
}

void Meter::Advance(int64_t to_ms) {
  if (to_ms <= at_ms_) Cover(at_ms_, at_ms_);
  while (at_ms_ < to_ms) {
    const int64_t hour_end =
        (license::FloorDiv(at_ms_ + offset_ms_, kHourMs) + 1) * kHourMs - offset_ms_;
    const int64_t end = std::min(hour_end, to_ms);
    Cover(at_ms_, end);
    at_ms_ = end;
  }
}

void Meter::Set(int64_t wall_ms, int32_t utc_offset_s, uint64_t level, uint64_t limit) {
  if (begun_) {
    Advance(wall_ms);
  } else {
    begun_ = true;
    at_ms_ = wall_ms;
    total_.start_ms = wall_ms;
  }
  // Days begin anew where the clocks are changed: a day may be 23 hours long.
  offset_ms_ = int64_t{utc_offset_s} * 1'000;
  level_ = level;
  limit_ = limit;
}

void Meter::Finish(int64_t wall_ms) {
  if (begun_) Advance(wall_ms);
}

}  // namespace triad::cli
