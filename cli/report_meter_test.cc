#include "cli/report_meter.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

constexpr int64_t kMidnightMs = 1'780'272'000'000;  // 2026-06-01 00:00 UTC
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;

TEST(Meter, PeakAndAverageAreWeighedByTime) {
  Meter meter;
  meter.Set(kMidnightMs, 0, 0, 10);
  meter.Set(kMidnightMs + 6 * kHourMs, 0, 4, 10);
  meter.Set(kMidnightMs + 12 * kHourMs, 0, 0, 10);
  meter.Finish(kMidnightMs + kDayMs);
  EXPECT_EQ(meter.total().peak, 4u);
  EXPECT_DOUBLE_EQ(meter.total().average(), 1.0);
  EXPECT_EQ(meter.peak_ms(), kMidnightMs + 6 * kHourMs);
  EXPECT_EQ(meter.total().at_limit_ms, 0);
}

TEST(Meter, APeakThatIsOverAtOnceCounts) {
  Meter meter;
  meter.Set(kMidnightMs, 0, 9, 10);
  meter.Set(kMidnightMs, 0, 1, 10);
  meter.Finish(kMidnightMs + kHourMs);
  EXPECT_EQ(meter.total().peak, 9u);
  EXPECT_DOUBLE_EQ(meter.total().average(), 1.0);
}

TEST(Meter, TimeAtAndAboveTheLimitIsCounted) {
  Meter meter;
  meter.Set(kMidnightMs, 0, 2, 2);
  meter.Set(kMidnightMs + kHourMs, 0, 3, 2);
  meter.Set(kMidnightMs + 3 * kHourMs, 0, 0, 2);
  meter.Finish(kMidnightMs + kDayMs);
  EXPECT_EQ(meter.total().at_limit_ms, 3 * kHourMs);
  EXPECT_EQ(meter.total().above_ms, 2 * kHourMs);
  EXPECT_EQ(meter.first_above_ms(), kMidnightMs + kHourMs);
}

TEST(Meter, DaysMonthsAndHoursAreThoseOfTheLocalClock) {
  Meter meter(/*keep_hours=*/true);
  const int32_t offset_s = 2 * 3600;
  const int64_t start_ms = kMidnightMs - 3 * kHourMs;  // 23:00 of 31 May there
  meter.Set(start_ms, offset_s, 5, 10);
  meter.Set(start_ms + 2 * kHourMs, offset_s, 1, 10);
  meter.Finish(start_ms + 2 * kHourMs + kDayMs);
  ASSERT_EQ(meter.days().size(), 3u);
  EXPECT_EQ(meter.days()[0].covered_ms, kHourMs);
  EXPECT_EQ(meter.days()[1].start_ms, kMidnightMs - 2 * kHourMs);
  EXPECT_EQ(meter.days()[1].peak, 5u);
  EXPECT_EQ(meter.days()[2].peak, 1u);
  ASSERT_EQ(meter.months().size(), 2u);
  EXPECT_EQ(meter.hours().size(), 26u);
  EXPECT_EQ(meter.hours_of_day()[23].peak, 5u);
  EXPECT_EQ(meter.hours_of_day()[12].peak, 1u);
}

TEST(Meter, AnHourThatTheClockShowsTwiceIsOne) {
  Meter meter(/*keep_hours=*/true);
  meter.Set(kMidnightMs, 3600, 1, 2);
  meter.Set(kMidnightMs + kHourMs, 0, 1, 2);
  meter.Finish(kMidnightMs + 2 * kHourMs);
  ASSERT_EQ(meter.hours().size(), 1u);
  EXPECT_EQ(meter.hours()[0].covered_ms, 2 * kHourMs);
}

TEST(Meter, AQuietYearCostsDaysNotHours) {
  Meter meter;
  meter.Set(kMidnightMs, 0, 1, 2);
  meter.Finish(kMidnightMs + 365 * kDayMs);
  EXPECT_EQ(meter.days().size(), 365u);
  EXPECT_TRUE(meter.hours().empty());
  EXPECT_EQ(meter.months().size(), 12u);
}

}  // namespace
}  // namespace triad::cli
