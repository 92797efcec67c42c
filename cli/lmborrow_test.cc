#include "cli/lmborrow.h"

#include <gtest/gtest.h>

#include "absl/time/time.h"

namespace triad::cli {
namespace {

int64_t Local(int year, int month, int day, int hour, int minute) {
  return absl::ToUnixMillis(
      absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, 0), absl::LocalTimeZone()));
}

TEST(Lmborrow, ADateEndsAMinuteBeforeMidnight) {
  EXPECT_EQ(*ParseBorrowEnd("20-aug-2027", ""), Local(2027, 8, 20, 23, 59));
  EXPECT_EQ(*ParseBorrowEnd("1-AUG-2027", ""), Local(2027, 8, 1, 23, 59));
  EXPECT_EQ(*ParseBorrowEnd("20-aug-2027:13:05", ""), Local(2027, 8, 20, 13, 5));
  EXPECT_EQ(*ParseBorrowEnd("20-aug-2027", "13:05"), Local(2027, 8, 20, 13, 5));
}

TEST(Lmborrow, WhatIsNoDateIsRefused) {
  for (const char* text : {"", "20-aug", "31-feb-2027", "x-aug-2027", "20-august-2027",
                           "20-aug-2027:25:00", "20-aug-2027:13", "20-aug-27", "0-aug-2027"}) {
    EXPECT_FALSE(ParseBorrowEnd(text, "").ok()) << text;
  }
}

TEST(Lmborrow, StatusIsATable) {
  BorrowedLicense license;
  license.vendor = "genesys.d";
  license.feature = "f1";
  license.until_ms = Local(2027, 8, 20, 13, 0);
  EXPECT_EQ(BorrowTable({license}),
            "Vendor          Feature                 Expiration\n"
            "______          ________                __________\n"
            "genesys.d       f1                      20-Aug-2027 13:00\n");
}

}  // namespace
}  // namespace triad::cli
