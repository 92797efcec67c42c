// A moment as a calendar and a clock show it. Pure: the offset from UTC comes with the moment.
#pragma once

#include <cstdint>

namespace triad::license {

struct Civil {
  int64_t year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  int millisecond = 0;
  int weekday = 4;  // 0 is Sunday
};

constexpr int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Days since 1970-01-01 of a Gregorian date (Hinnant, "chrono-compatible low-level date
// algorithms").
constexpr int64_t DaysOf(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = FloorDiv(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

// Of milliseconds since 1970 UTC, where clocks are `utc_offset_s` ahead.
constexpr Civil CivilOf(int64_t wall_ms, int32_t utc_offset_s) {
  const int64_t local_ms = wall_ms + int64_t{utc_offset_s} * 1'000;
  const int64_t days = FloorDiv(local_ms, 86'400'000);
  const int64_t ms = local_ms - days * 86'400'000;
  const int64_t from_era = days + 719'468;
  const int64_t era = FloorDiv(from_era, 146'097);
  const int64_t day_of_era = from_era - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  Civil civil;
  civil.month =
      static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  civil.day = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
  civil.hour = static_cast<int>(ms / 3'600'000);
  civil.minute = static_cast<int>(ms / 60'000 % 60);
  civil.second = static_cast<int>(ms / 1'000 % 60);
  civil.millisecond = static_cast<int>(ms % 1'000);
  civil.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  return civil;
}

}  // namespace triad::license
