// For tests of reports: a small site's day.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cli/report.h"

namespace triad::cli::testing {

inline constexpr int64_t kMidnightMs = 1'780'272'000'000;  // 2026-06-01 00:00 UTC
inline constexpr int64_t kHourMs = 3'600'000;

// Records, one after the other; `used` is kept by feature.
class Day {
 public:
  v1::UsageRecord Record(v1::UsageRecord::Kind kind, int64_t minute, const std::string& feature,
                         uint64_t used, const std::string& user, uint64_t licensed = 2) {
    v1::UsageRecord record;
    record.set_number(++number_);
    record.set_kind(kind);
    record.set_wall_ms(kMidnightMs + minute * 60'000);
    record.set_feature(feature);
    record.set_count(1);
    record.set_used(used);
    record.set_licensed(licensed);
    record.set_user(user);
    record.set_host("pc");
    if (kind == v1::UsageRecord::DENIED) {
      record.set_reason("all licenses in use");
      record.set_code(-4);
    }
    return record;
  }

 private:
  uint64_t number_ = 0;
};

inline SellableItem ItemOf(const std::string& name, uint64_t quantity,
                           std::vector<std::string> features) {
  SellableItem item;
  item.name = name;
  item.type = "Concurrent";
  item.unit = "seat";
  item.quantity = quantity;
  item.features = std::move(features);
  return item;
}

// 1 June 2026: two of two seats from 9 to 17, one user turned away, another who waited a minute.
inline Report DayAtASite() {
  using v1::UsageRecord;
  SellableItem seats = ItemOf("SIP <seats>", 1, {"sip_*"});
  seats.contact = "licensing@acme.example";
  ReportBuilder builder({seats, ItemOf("Never used", 7, {"x"})}, kMidnightMs,
                        kMidnightMs + 24 * kHourMs, 10 * 60'000);
  builder.AddFeature("sip_seat", 2, false);
  builder.AddFeature("x", 7, false);
  Day day;
  builder.Add(day.Record(UsageRecord::CHECKED_OUT, 540, "sip_seat", 1, "ann"));
  builder.Add(day.Record(UsageRecord::CHECKED_OUT, 540, "sip_seat", 2, "bob"));
  builder.Add(day.Record(UsageRecord::DENIED, 600, "sip_seat", 2, "eve"));
  builder.Add(day.Record(UsageRecord::DENIED, 601, "sip_seat", 2, "eve"));
  builder.Add(day.Record(UsageRecord::DENIED, 700, "sip_seat", 2, "kim"));
  builder.Add(day.Record(UsageRecord::CHECKED_IN, 701, "sip_seat", 1, "bob"));
  builder.Add(day.Record(UsageRecord::CHECKED_OUT, 701, "sip_seat", 2, "kim"));
  builder.Add(day.Record(UsageRecord::CHECKED_IN, 1020, "sip_seat", 1, "ann"));
  builder.Add(day.Record(UsageRecord::CHECKED_IN, 1020, "sip_seat", 0, "kim"));
  return builder.Finish(kMidnightMs + 48 * kHourMs);
}

}  // namespace triad::cli::testing
