#include "client/confirmation.h"

#include "gtest/gtest.h"

namespace triad::client {
namespace {

TEST(Confirmation, CountsFromWhenTheAcknowledgedHeartbeatWasSent) {
  Confirmation confirmation;
  confirmation.OnAttached(1000, 60'000, 10'000);
  EXPECT_EQ(confirmation.until_ms(), 1000 + 54'000);
  EXPECT_EQ(confirmation.OnHeartbeat(11'000), 1u);
  EXPECT_EQ(confirmation.OnHeartbeat(21'000), 2u);
  confirmation.OnAck(1);
  EXPECT_EQ(confirmation.until_ms(), 11'000 + 54'000);
  EXPECT_EQ(confirmation.stalled_ms(), 11'000 + 30'000);
  confirmation.OnAck(1);
  EXPECT_EQ(confirmation.until_ms(), 11'000 + 54'000);
  confirmation.OnAck(9);  // more than was sent
  EXPECT_EQ(confirmation.until_ms(), 21'000 + 54'000);
}

TEST(Confirmation, ABrokenConnectionShortensItUntilAttachedAgain) {
  Confirmation confirmation;
  confirmation.OnAttached(0, 60'000, 10'000);
  confirmation.OnHeartbeat(1000);
  confirmation.OnBroken(20'000);
  EXPECT_EQ(confirmation.until_ms(), 29'000);
  confirmation.OnBroken(25'000);
  EXPECT_EQ(confirmation.until_ms(), 29'000);
  confirmation.OnAck(1);  // late, of the broken connection
  EXPECT_EQ(confirmation.until_ms(), 29'000);
  confirmation.OnAttached(26'000, 60'000, 10'000);
  EXPECT_EQ(confirmation.until_ms(), 26'000 + 54'000);
}

// Found by the simulator (seeds 999, 1133): a process that stood still took the reset that it found
// when it went on for one of this moment, and counted the short grace from then.
TEST(Confirmation, StandingStillCountsAsABreakFromItsBeginning) {
  Confirmation confirmation;
  confirmation.OnAttached(0, 60'000, 10'000);
  EXPECT_EQ(confirmation.OnHeartbeat(10'000), 1u);
  confirmation.OnStoodStill(12'000, 32'000);
  EXPECT_EQ(confirmation.until_ms(), 12'000 + 9'000);
  confirmation.OnAck(1);  // sent before: the connection may have been closed since
  EXPECT_EQ(confirmation.until_ms(), 21'000);
  EXPECT_EQ(confirmation.OnHeartbeat(32'000), 2u);
  confirmation.OnAck(2);
  EXPECT_EQ(confirmation.until_ms(), 32'000 + 54'000);
}

TEST(Confirmation, WhatWasSentBeforeStandingStillConfirmsNoMoreThanTheShortGrace) {
  Confirmation confirmation;
  confirmation.OnAttached(0, 60'000, 10'000);
  confirmation.OnStoodStill(2'000, 5'000);
  confirmation.OnStoodStill(7'000, 9'000);  // nothing was confirmed in between
  EXPECT_EQ(confirmation.until_ms(), 2'000 + 9'000);
  confirmation.OnAttached(8'000, 60'000, 10'000);  // asked before, answered now
  EXPECT_EQ(confirmation.until_ms(), 11'000);
  confirmation.OnAttached(9'500, 60'000, 10'000);
  EXPECT_EQ(confirmation.until_ms(), 9'500 + 54'000);
}

TEST(Confirmation, ABreakLateInTheTimeToLiveDoesNotLengthenIt) {
  Confirmation confirmation;
  confirmation.OnAttached(0, 60'000, 10'000);
  confirmation.OnBroken(50'000);
  EXPECT_EQ(confirmation.until_ms(), 54'000);
}

TEST(Confirmation, TheMarginIsATenthButNeverMuchOfAShortTime) {
  EXPECT_EQ(Margin(60'000), 6000);
  EXPECT_EQ(Margin(3000), 500);
  EXPECT_EQ(Margin(1000), 250);
}

TEST(Confirmation, HeartbeatsFitSeveralTimes) {
  for (int64_t ttl_ms : {1000, 2000, 5000, 60'000, 3'600'000}) {
    Confirmation confirmation;
    confirmation.OnAttached(0, ttl_ms, 1000);
    EXPECT_LE(confirmation.heartbeat_interval_ms() * 4, ttl_ms);
    EXPECT_GE(confirmation.heartbeat_interval_ms(), 250);
  }
}

}  // namespace
}  // namespace triad::client
