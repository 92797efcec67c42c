#include "cli/report_render.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "cli/report_testing.h"

namespace triad::cli {
namespace {

using ::absl::StrContains;

TEST(ReportText, SaysWhatWasBoughtUsedAndWhoMustAct) {
  EXPECT_EQ(
      ReportText(testing::DayAtASite()),
      "Use of licenses from 2026-06-01 00:00 to 2026-06-02 00:00, 9 records\n"
      "\n"
      "Sellable items\n"
      "item         type        unit  entitled  used  peak at           average  above for  true "
      "denials  users\n"
      "SIP <seats>  Concurrent  seat         1     2  2026-06-01 09:00      0.7  8 h 0 min         "
      "  "
      "  1      3\n"
      "Never used   Concurrent  seat         7     0                        0.0                    "
      "  "
      "  0      0\n"
      "\n"
      "Above entitlement\n"
      "SIP <seats>: 2 of 1 seat, first on 2026-06-01 09:00, for 8 h 0 min: licensing@acme.example "
      "must act: report it and order 1 more, or use less\n"
      "\n"
      "Unused items\n"
      "Never used\n"
      "\n"
      "Features\n"
      "feature   licensed  peak  peak at           average  at limit for  checkouts  denials  true "
      "denials  users\n"
      "sip_seat         2     2  2026-06-01 09:00      0.7  8 h 0 min             3        3       "
      " "
      "     1      3\n"
      "x                7     0                        0.0                        0        0       "
      " "
      "     0      0\n"
      "\n"
      "By hour of the day\n"
      "feature   busiest hour    average  peak\n"
      "sip_seat  09:00 to 10:00      2.0     2\n"
      "\n"
      "By day or month\n"
      "             day or month  peak  average  limit  at limit for\n"
      "SIP <seats>  2026-06-01       2      0.7      1  8 h 0 min\n"
      "sip_seat     2026-06-01       2      0.7      2  8 h 0 min\n"
      "\n"
      "A denial is a true one if the same user was not granted the feature within 10 min.\n");
}

TEST(ReportCsv, HasARowForEachPeriodWithAsManyFieldsAsTheHeading) {
  const std::string csv = ReportCsv(testing::DayAtASite());
  EXPECT_TRUE(
      StrContains(csv, "item,SIP <seats>,total,2026-06-01 00:00,2,0.7,1,28800,28800,,,1,3\r\n"))
      << csv;
  EXPECT_TRUE(
      StrContains(csv, "feature,sip_seat,total,2026-06-01 00:00,2,0.7,2,28800,0,3,3,1,3\r\n"))
      << csv;
  EXPECT_TRUE(StrContains(csv, "feature,sip_seat,hour,2026-06-01 09:00,2,2.0,2,3600,0,,,,\r\n"))
      << csv;
  EXPECT_TRUE(StrContains(csv, "feature,sip_seat,month,2026-06,2,0.7,2,28800,0,,,,\r\n")) << csv;
  size_t begin = 0;
  for (size_t end; (end = csv.find("\r\n", begin)) != std::string::npos; begin = end + 2) {
    const std::string row = csv.substr(begin, end - begin);
    EXPECT_EQ(std::count(row.begin(), row.end(), ','), 12) << row;
  }
}

TEST(ReportJson, SaysTheSame) {
  const std::string json = ReportJson(testing::DayAtASite());
  for (const char* member :
       {"\"from\":\"2026-06-01T00:00:00Z\"", "\"records\":9", "\"window_s\":600",
        "\"name\":\"SIP <seats>\"", "\"quantity\":1,\"used\":2,\"above\":true", "\"unused\":true",
        "\"denied_because\":{\"all licenses in use\":3}", "\"true_denials\":1",
        "\"peak_at\":\"2026-06-01T09:00:00Z\"",
        "{\"start\":\"09:00\",\"peak\":2,\"average\":2.0,\"limit\":2,\"at_limit_s\":3600,"
        "\"above_s\":0}"}) {
    EXPECT_TRUE(StrContains(json, member)) << member << "\n" << json;
  }
}

TEST(ReportHtml, IsOnePageThatNeedsNothingElse) {
  const std::string html = ReportHtml(testing::DayAtASite());
  EXPECT_TRUE(StrContains(html, "<svg "));
  EXPECT_TRUE(StrContains(html, "SIP &lt;seats&gt;: 2 of 1 seat"));
  EXPECT_TRUE(StrContains(html, "Unused: Never used"));
  for (const char* outside : {"http", "<script", "@import", "url(", "SIP <seats>"}) {
    EXPECT_FALSE(StrContains(html, outside)) << outside;
  }
}

TEST(ReportHtml, SaysSoWhenAllIsWell) {
  ReportBuilder builder({testing::ItemOf("a", 5, {"a"})}, testing::kMidnightMs, 0, 0);
  EXPECT_TRUE(StrContains(ReportHtml(builder.Finish(testing::kMidnightMs + testing::kHourMs)),
                          "Nothing was used above what was bought."));
}

TEST(ReportDuration, IsReadAtAGlance) {
  EXPECT_EQ(ReportDuration(12'000), "12 s");
  EXPECT_EQ(ReportDuration(35 * 60'000), "35 min");
  EXPECT_EQ(ReportDuration(3 * 3'600'000 + 60'000), "3 h 1 min");
  EXPECT_EQ(ReportDuration(50 * 3'600'000), "2 d 2 h");
}

}  // namespace
}  // namespace triad::cli
