#include "server/service_notices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/limits.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Worker = ServiceNotices::Worker;

constexpr int64_t kWatchdogMs = 30'000;
constexpr int64_t kRoundMs = kWatchdogMs / kWatchdogRounds;

v1::NodeStatus Follower() {
  v1::NodeStatus status;
  status.set_slot(1);
  status.set_role("follower");
  status.set_term(7);
  status.set_leader(2);
  status.set_quorum(true);
  status.set_commit(120);
  status.set_applied(117);
  for (uint32_t slot = 1; slot <= 3; ++slot) {
    auto* node = status.add_nodes();
    node->set_slot(slot);
    node->set_connected(true);
    node->set_member("voter");
  }
  return status;
}

v1::NodeStatus WithoutQuorum() {
  v1::NodeStatus status = Follower();
  status.set_role("candidate");
  status.set_quorum(false);
  status.set_waiting_for("node 2 (27000@b) does not answer");
  return status;
}

TEST(ServiceNotices, TheLineTellsRoleTermQuorumLagAndUse) {
  v1::NodeStatus status = Follower();
  EXPECT_EQ(ServiceStatusLine(status, 1),
            "node 1: follower, term 7, leader is node 2, quorum: can lose 1, lag 3, 1 license in "
            "use");
  status.mutable_nodes(2)->set_connected(false);
  status.set_role("leader");
  status.set_leader(1);
  status.set_draining(true);
  EXPECT_EQ(ServiceStatusLine(status, 60),
            "node 1: leader, term 7, quorum: cannot lose any, drained, lag 3, 60 licenses in use");
  EXPECT_EQ(ServiceStatusLine(WithoutQuorum(), 2),
            "node 1: candidate, term 7, no quorum: node 2 (27000@b) does not answer, lag 3, 2 "
            "licenses in use");
}

TEST(ServiceNotices, IsReadyOnceItServesItsRole) {
  ServiceNotices notices(0, 1'000);
  EXPECT_THAT(notices.Tell(WithoutQuorum(), 0, 1'100), Not(HasSubstr("READY=1")));
  EXPECT_THAT(notices.Tell(Follower(), 0, 1'200), HasSubstr("READY=1\n"));
  EXPECT_THAT(notices.Tell(WithoutQuorum(), 0, 1'300), Not(HasSubstr("READY=1")));
  EXPECT_THAT(notices.Tell(Follower(), 0, 1'400), Not(HasSubstr("READY=1")));
}

TEST(ServiceNotices, TheFirstHostOfThreeCountsAsStartedAfterAWhile) {
  ServiceNotices notices(0, 1'000);
  const int64_t end = 1'000 + kReadyWithoutQuorumMs;
  EXPECT_THAT(notices.Tell(WithoutQuorum(), 0, end - 1), Not(HasSubstr("READY=1")));
  EXPECT_THAT(notices.Tell(WithoutQuorum(), 0, end), HasSubstr("READY=1"));
}

TEST(ServiceNotices, AChangeOfTheRoleIsToldAtOnceCountsOnceASecond) {
  ServiceNotices notices(0, 0);
  EXPECT_THAT(notices.Tell(Follower(), 1, 10), HasSubstr("1 license in use"));
  EXPECT_EQ(notices.Tell(Follower(), 2, 11), "");
  EXPECT_THAT(notices.Tell(WithoutQuorum(), 2, 12), HasSubstr("no quorum"));
  EXPECT_EQ(notices.Tell(WithoutQuorum(), 3, 12 + kServiceStatusMs - 1), "");
  EXPECT_THAT(notices.Tell(WithoutQuorum(), 3, 12 + kServiceStatusMs), HasSubstr("3 licenses"));
  EXPECT_EQ(notices.Tell(WithoutQuorum(), 3, 12 + 2 * kServiceStatusMs), "");
}

TEST(ServiceNotices, BothWorkersMustHaveDoneTheirProbeForASignOfLife) {
  ServiceNotices notices(kWatchdogMs, 0);
  EXPECT_FALSE(notices.WantsProbes(kRoundMs - 1));
  EXPECT_TRUE(notices.WantsProbes(kRoundMs));
  EXPECT_THAT(notices.Tell(Follower(), 0, kRoundMs), Not(HasSubstr("WATCHDOG")));
  notices.OnProbeDone(Worker::kLedger);
  EXPECT_THAT(notices.Tell(Follower(), 0, kRoundMs + 1), Not(HasSubstr("WATCHDOG")));
  notices.OnProbeDone(Worker::kLog);
  EXPECT_THAT(notices.Tell(Follower(), 0, kRoundMs + 2), HasSubstr("WATCHDOG=1\n"));
  EXPECT_THAT(notices.Tell(Follower(), 0, kRoundMs + 3), Not(HasSubstr("WATCHDOG")));
}

TEST(ServiceNotices, WhatHangsEndsTheSignsOfLifeHoweverTimeGoesOn) {
  for (const Worker hangs : {Worker::kLog, Worker::kLedger}) {
    const Worker other = hangs == Worker::kLog ? Worker::kLedger : Worker::kLog;
    ServiceNotices notices(kWatchdogMs, 0);
    ASSERT_TRUE(notices.WantsProbes(kRoundMs));
    notices.OnProbeDone(other);
    for (int64_t now = kRoundMs; now < 10 * kWatchdogMs; now += 50) {
      EXPECT_FALSE(notices.WantsProbes(now)) << "the first round is not over";
      EXPECT_THAT(notices.Tell(Follower(), 0, now), Not(HasSubstr("WATCHDOG")));
    }
    notices.OnProbeDone(hangs);
    EXPECT_THAT(notices.Tell(Follower(), 0, 10 * kWatchdogMs), HasSubstr("WATCHDOG=1"));
    EXPECT_TRUE(notices.WantsProbes(10 * kWatchdogMs));
  }
}

TEST(ServiceNotices, WhereNobodyWatchesThereAreNoProbes) {
  ServiceNotices notices(0, 0);
  EXPECT_FALSE(notices.WantsProbes(1'000'000));
}

}  // namespace
}  // namespace triad::server
