#include "client/links.h"

#include "client/session_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct LinksTest : ::testing::Test {
  LinksTest() : links({"a", "b", "c"}, Environment{&world, &world, &world, &world}) {}
  void UpAll() {
    links.Start();
    for (size_t i : {0, 1, 2}) {
      world.up.insert(i);
      links.OnConnected(i);
    }
  }
  static bool Any(size_t) { return true; }
  static bool Nobody(size_t) { return false; }

  World world;
  Links links;
};

TEST_F(LinksTest, ReconnectsWithPausesThatDoubleUpToASecond) {
  links.Start();
  std::vector<int64_t> pauses;
  for (int i = 0; i < 7; ++i) {
    links.OnDisconnected(0, "refused");
    pauses.push_back(links.NextTimer() - world.now);
    world.now = links.NextTimer();
    links.Tick();
  }
  EXPECT_THAT(pauses, ElementsAre(50, 100, 200, 400, 800, 1000, 1000));
}

TEST_F(LinksTest, WithASpareTheThirdIsNotUrgentUntilItBreaksToo) {
  UpAll();
  int64_t pause = 0;
  for (int i = 0; i < 10; ++i) {
    links.OnDisconnected(0, "refused");
    pause = links.NextTimer() - world.now;
    world.now = links.NextTimer();
    links.Tick();
  }
  EXPECT_EQ(pause, kSpareReconnectMsMax);
  links.OnDisconnected(0, "refused");
  links.OnDisconnected(1, "reset");
  world.now += kReconnectMsMax;
  const int connects = world.connects;
  links.Tick();
  EXPECT_EQ(world.connects - connects, 2);
}

TEST_F(LinksTest, AConnectionThatStoodBeginsWithShortPausesAgain) {
  links.Start();
  for (int i = 0; i < 6; ++i) {
    links.OnDisconnected(0, "refused");
    world.now = links.NextTimer();
    links.Tick();
  }
  links.OnConnected(0);
  world.now += 5000;
  links.OnDisconnected(0, "reset");
  EXPECT_EQ(links.NextTimer() - world.now, 50);
}

TEST_F(LinksTest, PicksInTurnAndPassesOverThoseThatPromiseNothing) {
  UpAll();
  EXPECT_EQ(links.Pick(0, Any), 1u);
  EXPECT_EQ(links.Pick(2, Any), 0u);
  links.OnNoQuorum(1, "no quorum");
  EXPECT_EQ(links.Pick(0, Any), 2u);
  links.OnMoveAway(2);
  EXPECT_EQ(links.Pick(0, Any), 0u);
  EXPECT_EQ(links.Pick(0, [](size_t i) { return i != 0; }), 2u);
  world.now += kNoQuorumRetryMs;
  EXPECT_EQ(links.Pick(0, [](size_t i) { return i != 0; }), 1u);
  EXPECT_EQ(links.Pick(0, [](size_t) { return false; }), std::nullopt);
}

TEST_F(LinksTest, SilenceBeginsWhenSomethingWasSentAndEndsWithAnAnswer) {
  UpAll();
  world.now += 10'000;
  EXPECT_FALSE(links.SilentFor(0, 1000));
  links.Send(0, v1::ClientMessage());
  world.now += 1000;
  EXPECT_TRUE(links.SilentFor(0, 1000));
  links.OnHeard(0);
  EXPECT_FALSE(links.SilentFor(0, 0));
}

TEST_F(LinksTest, WhenAllAreSilentOneIsTakenForDeadAndMadeAnew) {
  UpAll();
  const auto not_first = [](size_t i) { return i != 0; };
  for (size_t i : {0, 1, 2}) links.Send(i, v1::ClientMessage());
  EXPECT_EQ(links.NextTimer() - world.now, kAllSilentMs);
  world.now += kAllSilentMs - 1;
  EXPECT_EQ(links.RenewSilent(not_first), std::nullopt);
  world.now += 1;
  EXPECT_EQ(links.RenewSilent(Nobody), std::nullopt);
  world.now = links.NextTimer();
  EXPECT_EQ(links.RenewSilent(not_first), 1u);
  EXPECT_FALSE(links.connected(1));
  EXPECT_TRUE(world.connecting.count(1));
  EXPECT_EQ(links.RenewSilent(not_first), std::nullopt) << "one at a time";
  EXPECT_FALSE(links.AllFailed());
}

TEST_F(LinksTest, OneThatAnswersOrIsAskedNothingKeepsTheOthers) {
  UpAll();
  for (size_t i : {0, 1}) links.Send(i, v1::ClientMessage());
  world.now += 10 * kAllSilentMs;
  EXPECT_EQ(links.RenewSilent(Any), std::nullopt) << "2 was asked nothing";
  links.Send(2, v1::ClientMessage());
  world.now += kAllSilentMs;
  links.OnHeard(2);
  EXPECT_EQ(links.RenewSilent(Any), std::nullopt);
}

TEST_F(LinksTest, SilenceThatGoesOnMakesConnectionsAnewEverMoreSeldom) {
  UpAll();
  std::vector<int64_t> pauses;
  int64_t last = world.now;
  for (int i = 0; i < 6; ++i) {
    for (size_t server : {0, 1, 2}) links.Send(server, v1::ClientMessage());
    world.now = links.NextTimer();
    const auto server = links.RenewSilent(Any);
    ASSERT_TRUE(server.has_value()) << i;
    pauses.push_back(world.now - last);
    last = world.now;
    world.up.insert(*server);
    links.OnConnected(*server);
  }
  EXPECT_THAT(pauses, ElementsAre(2000, 4000, 8000, 16'000, 16'000, 16'000));
}

TEST_F(LinksTest, NoQuorumNeedsAllThatCanBeReached) {
  UpAll();
  const int64_t since = world.now;
  links.OnNoQuorum(0, "waiting for b");
  EXPECT_FALSE(links.AllSayNoQuorum(since, Nobody));
  links.OnDisconnected(1, "refused");
  links.OnNoQuorum(2, "waiting for b");
  EXPECT_TRUE(links.AllSayNoQuorum(since, Nobody));
  EXPECT_EQ(links.NoQuorumReason(since), "waiting for b");
  EXPECT_FALSE(links.AllSayNoQuorum(since + 1, Nobody));
  // What one said before it was asked again is old.
  EXPECT_FALSE(links.AllSayNoQuorum(since, [](size_t server) { return server == 2; }));
  links.OnServes(2);
  EXPECT_FALSE(links.AllSayNoQuorum(since, Nobody));
}

TEST_F(LinksTest, SaysOfEachServerHowItIs) {
  links.Start();
  links.OnConnected(0);
  links.OnDisconnected(1, "Connection refused");
  EXPECT_EQ(links.Describe(), "a: connected; b: Connection refused; c: no answer yet");
}

TEST_F(LinksTest, AfterStopNothingIsConnected) {
  UpAll();
  links.Stop();
  EXPECT_TRUE(world.up.empty());
  EXPECT_EQ(links.NextTimer(), INT64_MAX);
  EXPECT_EQ(links.Pick(0, Any), std::nullopt);
}

}  // namespace
}  // namespace triad::client
