#include "license/utf8.h"

#include <gtest/gtest.h>

namespace triad::license {
namespace {

TEST(Utf8, WhatIsUtf8StaysAndTheRestIsLatin1) {
  EXPECT_EQ(ToUtf8(""), "");
  EXPECT_EQ(ToUtf8("plain"), "plain");
  EXPECT_EQ(ToUtf8("J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80"),
            "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(ToUtf8("J\xfcrgen"), "J\xc3\xbcrgen");
  EXPECT_EQ(ToUtf8("\xc3"), "\xc3\x83") << "cut off";
  EXPECT_EQ(ToUtf8("\xc0\x80"), "\xc3\x80\xc2\x80") << "overlong";
  EXPECT_EQ(ToUtf8("\xed\xa0\x80"), "\xc3\xad\xc2\xa0\xc2\x80") << "a surrogate";
  EXPECT_EQ(ToUtf8("\xf5\x80\x80\x80"), "\xc3\xb5\xc2\x80\xc2\x80\xc2\x80") << "above U+10FFFF";
}

}  // namespace
}  // namespace triad::license
