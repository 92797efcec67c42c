#include "cli/report.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "cli/report_testing.h"

namespace triad::cli {
namespace {

using testing::Day;
using testing::ItemOf;
using testing::kHourMs;
using testing::kMidnightMs;
using v1::UsageRecord;

TEST(Report, ADayAtASite) {
  const Report report = testing::DayAtASite();
  EXPECT_EQ(report.records, 9u);
  ASSERT_EQ(report.features.size(), 2u);
  const FeatureReport& seat = report.features[0];
  EXPECT_EQ(seat.name, "sip_seat");
  EXPECT_EQ(seat.meter.total().peak, 2u);
  EXPECT_NEAR(seat.meter.total().average(), 2.0 * 8 / 24, 0.01);
  EXPECT_EQ(seat.meter.total().at_limit_ms, 8 * kHourMs);
  EXPECT_EQ(seat.checkouts, 3u);
  EXPECT_EQ(seat.denials, 3u);
  EXPECT_EQ(seat.users.hashes.size(), 3u);
  EXPECT_TRUE(report.by_hour);
  EXPECT_EQ(seat.meter.hours().size(), 24u);
}

TEST(Report, ADenialIsATrueOneUnlessTheSameUserWasGrantedSoon) {
  const Report report = testing::DayAtASite();
  // Eve asked twice and got nothing; Kim got one a minute later.
  EXPECT_EQ(report.features[0].true_denials, 1u);
  EXPECT_EQ(report.items[0].true_denials, 1u);
}

TEST(Report, WhatIsUsedAboveEntitlementAndWhatNotAtAll) {
  const Report report = testing::DayAtASite();
  ASSERT_EQ(report.items.size(), 2u);
  EXPECT_TRUE(report.items[0].IsAbove());
  EXPECT_EQ(report.items[0].Used(), 2u);
  EXPECT_EQ(report.items[0].meter.first_above_ms(), kMidnightMs + 9 * kHourMs);
  EXPECT_EQ(report.items[0].meter.total().above_ms, 8 * kHourMs);
  EXPECT_FALSE(report.items[0].unused());
  EXPECT_FALSE(report.items[1].IsAbove());
  EXPECT_TRUE(report.items[1].unused());
}

TEST(Report, ASeatTakesOneOfEachOfItsFeatures) {
  SellableItem most = ItemOf("most", 9, {"a", "b"});
  SellableItem sum = ItemOf("sum", 9, {"a", "b"});
  sum.measure = Measure::kSum;
  ReportBuilder builder({most, sum}, kMidnightMs, kMidnightMs + kHourMs, 0);
  Day day;
  builder.Add(day.Record(UsageRecord::CHECKED_OUT, 1, "a", 1, "ann"));
  builder.Add(day.Record(UsageRecord::CHECKED_OUT, 1, "b", 2, "ann"));
  const Report report = builder.Finish(kMidnightMs + kHourMs);
  EXPECT_EQ(report.items[0].Used(), 2u);
  EXPECT_EQ(report.items[1].Used(), 3u);
}

TEST(Report, NamedUsersAreCountedOnce) {
  SellableItem users = ItemOf("users", 1, {"a"});
  users.measure = Measure::kUsers;
  ReportBuilder builder({users}, kMidnightMs, kMidnightMs + kHourMs, 0);
  Day day;
  for (const char* user : {"ann", "bob", "ann"}) {
    builder.Add(day.Record(UsageRecord::CHECKED_OUT, 1, "a", 1, user));
  }
  const Report report = builder.Finish(kMidnightMs + kHourMs);
  EXPECT_EQ(report.items[0].Used(), 2u);
  EXPECT_TRUE(report.items[0].IsAbove());
}

TEST(Report, UseOutsideOfThePeriodIsAboveEntitlement) {
  SellableItem item = ItemOf("a", 5, {"a"});
  item.to_ms = kMidnightMs + 2 * kHourMs;
  ReportBuilder builder({item}, kMidnightMs, kMidnightMs + 5 * kHourMs, 0);
  Day day;
  builder.Add(day.Record(UsageRecord::CHECKED_OUT, 60, "a", 1, "ann"));
  builder.Add(day.Record(UsageRecord::CHECKED_IN, 240, "a", 0, "ann"));
  const Report report = builder.Finish(kMidnightMs + 5 * kHourMs);
  EXPECT_TRUE(report.items[0].IsAbove());
  EXPECT_EQ(report.items[0].meter.first_above_ms(), item.to_ms);
  EXPECT_EQ(report.items[0].meter.total().above_ms, 2 * kHourMs);
}

TEST(Report, WhatWasOutWhenTheSpanBeginsCountsFromItsBeginning) {
  ReportBuilder builder({}, kMidnightMs, kMidnightMs + 2 * kHourMs, 0);
  Day day;
  builder.Add(day.Record(UsageRecord::CHECKED_IN, 60, "a", 0, "ann"));
  const Report report = builder.Finish(kMidnightMs + 2 * kHourMs);
  EXPECT_EQ(report.features[0].meter.total().peak, 1u);
  EXPECT_DOUBLE_EQ(report.features[0].meter.total().average(), 0.5);
}

TEST(Report, MemoryIsBoundedByDaysAndUsersNotByRecords) {
  ReportBuilder builder({}, kMidnightMs, 0, 60'000);
  Day day;
  for (int i = 0; i < 200'000; ++i) {
    builder.Add(day.Record(UsageRecord::DENIED, i / 10, "a", 2, absl::StrCat("u", i % 1000)));
  }
  const Report report = builder.Finish(0);
  const FeatureReport& feature = report.features[0];
  EXPECT_EQ(feature.denials, 200'000u);
  EXPECT_EQ(feature.true_denials, 200'000u) << "each asked again after more than the window";
  EXPECT_EQ(feature.meter.days().size(), 14u);
  EXPECT_TRUE(feature.meter.hours().empty());
}

TEST(Report, ManyUsersAreCountedUpToALimit) {
  UsersSeen users;
  for (size_t i = 0; i < kReportUsersMax + 10; ++i) users.Add(absl::StrCat("u", i));
  EXPECT_EQ(users.hashes.size(), kReportUsersMax);
  EXPECT_TRUE(users.more);
}

}  // namespace
}  // namespace triad::cli
