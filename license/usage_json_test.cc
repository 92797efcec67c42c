#include "license/usage_json.h"

#include <gtest/gtest.h>

#include "license/civil.h"

namespace triad::license {
namespace {

v1::UsageRecord Denial() {
  v1::UsageRecord record;
  record.set_number(7);
  record.set_index(12);
  record.set_wall_ms(1'781'524'800'123);
  record.set_utc_offset_s(-3600);
  record.set_kind(v1::UsageRecord::DENIED);
  record.set_feature("tserver");
  record.set_vendor("acme");
  record.set_version("8.0");
  record.set_count(3);
  record.set_user("an\"n");
  record.set_host("pc,1");
  record.set_process_id(42);
  record.set_reason("all licenses in use");
  record.set_code(-4);
  record.set_held_by("bob@pc2 (10)");
  record.set_node(2);
  record.set_used(10);
  record.set_licensed(10);
  record.set_previous(std::string("\x01\xff", 2));
  return record;
}

TEST(UsageJson, ADenialIsOneLineWithWhatIsKnown) {
  EXPECT_EQ(UsageJson(Denial(), std::string("\xab", 1)),
            R"j({"number":7,"time":"2026-06-15T12:00:00.123Z","utc_offset_s":-3600,)j"
            R"j("kind":"denied","feature":"tserver","vendor":"acme","version":"8.0",)j"
            R"j("user":"an\"n","host":"pc,1","reason":"all licenses in use",)j"
            R"j("held_by":"bob@pc2 (10)","code":-4,"index":12,"count":3,"process_id":42,)j"
            R"j("node":2,"used":10,"licensed":10,"previous":"01ff","hash":"ab"})j");
}

TEST(UsageJson, WhatIsWrittenIsReadAgain) {
  v1::UsageRecord record = Denial();
  record.set_start_wall_ms(1'781'524'700'001);
  record.set_user("a\tb\x01 \xc3\xa4");
  auto read = ParseUsageJson(UsageJson(record, ""));
  ASSERT_TRUE(read.ok()) << read.status();
  record.clear_previous();
  EXPECT_EQ(read->SerializeAsString(), record.SerializeAsString());
}

TEST(UsageJson, BytesThatAreNoTextDoNotBreakALine) {
  v1::UsageRecord record = Denial();
  record.set_user("\xff\n");
  EXPECT_NE(UsageJson(record, "").find("\"user\":\"\xef\xbf\xbd\\u000a\""), std::string::npos);
}

TEST(UsageJson, OtherLinesAreRefused) {
  for (const char* line : {"", "{", "{}", "[]", "{\"number\":\"x\"}", "{\"number\":1,}",
                           "{\"number\":1} x", "{\"number\":1,\"time\":\"now\"}",
                           "{\"number\":1,\"user\":\"\\u00\"}", "{\"number\":1,\"x\":{}}"}) {
    EXPECT_FALSE(ParseUsageJson(line).ok()) << line;
  }
  EXPECT_TRUE(ParseUsageJson("{\"number\":1,\"from a later program\":true}").ok());
}

TEST(UsageCsv, FieldsAreQuotedWhereTheyMustBe) {
  v1::UsageRecord record = Denial();
  record.set_application("=cmd()");
  EXPECT_EQ(UsageCsv(record),
            "7,2026-06-15T12:00:00.123Z,denied,tserver,acme,8.0,3,,\"an\"\"n\",\"pc,1\",,,42,,"
            "'=cmd(),,,all licenses in use,-4,bob@pc2 (10),,,10,10\r\n");
}

TEST(UsageCsv, TheHeadingHasAsManyFieldsAsARow) {
  const auto commas = [](const std::string& row) {
    return std::count(row.begin(), row.end(), ',');
  };
  v1::UsageRecord record;
  EXPECT_EQ(commas(UsageCsvHeading()), commas(UsageCsv(record)));
}

TEST(UsageJson, AHiddenUserIsNowhere) {
  v1::UsageRecord record = Denial();
  record.set_user("secret");
  record.set_display("secret:0");
  record.set_held_by("secret@pc");
  HideUser(record);
  EXPECT_EQ(UsageJson(record, "").find("secret"), std::string::npos);
  EXPECT_EQ(UsageCsv(record).find("secret"), std::string::npos);
}

TEST(Civil, DatesBeforeAndAfter1970AreRight) {
  const Civil leap = CivilOf(1'709'208'000'000, 0);  // 2024-02-29 12:00
  EXPECT_EQ(leap.year, 2024);
  EXPECT_EQ(leap.month, 2);
  EXPECT_EQ(leap.day, 29);
  EXPECT_EQ(leap.weekday, 4);
  const Civil before = CivilOf(-1, 0);
  EXPECT_EQ(before.year, 1969);
  EXPECT_EQ(before.day, 31);
  EXPECT_EQ(before.millisecond, 999);
  EXPECT_EQ(before.weekday, 3);
  EXPECT_EQ(CivilOf(0, 3600).hour, 1);
  for (int64_t day = -800'000; day < 800'000; day += 123) {
    const Civil civil = CivilOf(day * 86'400'000, 0);
    EXPECT_EQ(DaysOf(civil.year, civil.month, civil.day), day);
  }
}

}  // namespace
}  // namespace triad::license
