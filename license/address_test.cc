#include "license/address.h"

#include <gtest/gtest.h>

namespace triad::license {
namespace {

TEST(Address, FourNumbersOrStars) {
  ASSERT_TRUE(ParseAddress("195.186.*.*"));
  EXPECT_FALSE(ParseAddress("195.186.*.*")->parts[3]);
  EXPECT_EQ(ParseAddress("10.0.0.1")->parts[3], 1u);
  EXPECT_FALSE(ParseAddress("10.0.0"));
  EXPECT_FALSE(ParseAddress("10.0.0.256"));
  EXPECT_FALSE(ParseAddress("lic1"));
}

TEST(Address, EightGroupsWithAGap) {
  ASSERT_TRUE(ParseAddress("fec0::1"));
  EXPECT_TRUE(ParseAddress("fec0::1")->v6);
  EXPECT_EQ(ParseAddress("fec0::1")->parts, ParseAddress("FEC0:0:0:0:0:0:0:1")->parts);
  EXPECT_FALSE(ParseAddress("fec0::1::2"));
}

TEST(Address, AnIpv4AddressInIpv6FormIsTheIpv4Address) {
  EXPECT_EQ(ParseAddress("::ffff:10.0.0.1")->parts, ParseAddress("10.0.0.1")->parts);
  EXPECT_FALSE(ParseAddress("::ffff:10.0.0.1")->v6);
}

TEST(Address, LiesInANetwork) {
  EXPECT_TRUE(InNetwork(*ParseAddress("127.0.0.3"), "127.0.0.0/8"));
  EXPECT_FALSE(InNetwork(*ParseAddress("128.0.0.3"), "127.0.0.0/8"));
  EXPECT_TRUE(InNetwork(*ParseAddress("195.186.*.*"), "195.186.4.5"));
}

}  // namespace
}  // namespace triad::license
