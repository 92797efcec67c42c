#include "cli/json.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Json, QuotesBackslashesAndControlCharactersAreEscaped) {
  EXPECT_EQ(JsonString("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
  EXPECT_EQ(JsonString("1\n2\r3\t4"), "\"1\\n2\\r3\\t4\"");
  EXPECT_EQ(JsonString(std::string("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\\u007f\"");
}

TEST(Json, Utf8PassesAndOtherBytesAreReplaced) {
  EXPECT_EQ(JsonString("Z\xC3\xBCrich \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "\"Z\xC3\xBCrich \xE2\x82\xAC \xF0\x9F\x98\x80\"");
  EXPECT_EQ(JsonString("Z\xFCrich"), "\"Z\xEF\xBF\xBDrich\"");        // Latin-1
  EXPECT_EQ(JsonString("\xC3"), "\"\xEF\xBF\xBD\"");                  // cut off
  EXPECT_EQ(JsonString("\xC0\xAF"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");  // longer than need be
  EXPECT_EQ(JsonString("\xED\xA0\x80").size(), 2 + 3 * 3u);           // a surrogate
  EXPECT_EQ(JsonString("\xF4\x90\x80\x80").size(), 2 + 4 * 3u);       // beyond U+10FFFF
}

TEST(Json, MembersStandInTheOrderInWhichTheyWereAdded) {
  JsonObject object;
  object.String("s", "x").Number("n", -4).Bool("b", true).Null("z").Raw("a", JsonArray({"1", "2"}));
  object.Unsigned("u", UINT64_MAX).Raw("t", JsonStrings({"a\"", ""}));
  EXPECT_EQ(object.Text(),
            "{\"s\":\"x\",\"n\":-4,\"b\":true,\"z\":null,\"a\":[1,2],\"u\":18446744073709551615,"
            "\"t\":[\"a\\\"\",\"\"]}");
  EXPECT_EQ(JsonObject().Text(), "{}");
}

TEST(Json, TimesAreUtc) {
  EXPECT_EQ(Rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(Rfc3339(1'795'190'523'999), "2026-11-20T16:02:03Z");
}

}  // namespace
}  // namespace triad::cli
