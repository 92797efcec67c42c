#include <utility>

#include "client/session.h"
#include "client/session_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr auto kRequest = v1::ClientMessage::kRequest;

TEST(SessionCalls, ACheckoutIsGrantedAndReturned) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold(3);
  EXPECT_EQ(world.licenses[id].count, 3u);
  EXPECT_EQ(world.licenses[id].handle, 101u);
  EXPECT_EQ(world.licenses[id].node, 1u);
  auto back = world.Checkin(id);
  EXPECT_TRUE(back->status->ok());
  EXPECT_EQ(world.cluster.InUse(), 0u);
  EXPECT_EQ(world.licenses[id].state, LicenseState::kReturned);
  EXPECT_EQ(world.Checkin(id)->status->kind, ErrorKind::kUsage);
}

TEST(SessionCalls, SeveralFeaturesComeTogether) {
  World world;
  world.Attach();
  std::vector<LicenseId> ids;
  world.session->StartCheckout({{"a", "", 1}, {"b", "", 2}}, 5000,
                               [&](const Status&, const auto& got) { ids = got; });
  world.Pump();
  ASSERT_THAT(ids, SizeIs(2));
  EXPECT_EQ(world.licenses[ids[0]].feature, "a");
  EXPECT_EQ(world.licenses[ids[1]].count, 2u);
}

TEST(SessionCalls, ADenialIsAnAnswerWithItsNumber) {
  World world;
  world.Attach();
  auto call = world.Checkout(11);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kDenied);
  EXPECT_EQ(call->status->ToString(), "f: license denied: all licenses in use (-4)");
  EXPECT_TRUE(call->status->certain);
}

TEST(SessionCalls, ALostAnswerIsAskedForAgainThroughAnotherNodeAndCountsOnce) {
  World world;
  world.Attach();
  world.cluster.modes[0] = Mode::kMute;
  auto call = world.Checkout();
  EXPECT_FALSE(call->status.has_value());
  world.Pass(kRetryMs);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_TRUE(call->status->ok());
  EXPECT_THAT(world.Receivers(kRequest), ElementsAre(0, 1));
  EXPECT_EQ(world.cluster.executed, 1);
  EXPECT_EQ(world.cluster.InUse(), 1u);
}

TEST(SessionCalls, TheSameAnswerTwiceIsTheSameAsOnce) {
  World world;
  world.Attach();
  world.cluster.modes[0] = world.cluster.modes[1] = Mode::kSilent;
  auto call = world.Checkout();
  world.Pass(kRetryMs);
  std::vector<std::pair<size_t, v1::ServerMessage>> answers;
  for (auto& [server, message] : world.log) {
    if (message.has_request()) answers.emplace_back(server, *world.cluster.Handle(server, message));
  }
  ASSERT_THAT(answers, SizeIs(2));
  for (int i = 0; i < 3; ++i) {
    for (auto& [server, answer] : answers) world.Answer(server, answer);
  }
  EXPECT_TRUE(call->status->ok());
  EXPECT_THAT(call->licenses, SizeIs(1));
  EXPECT_EQ(world.cluster.InUse(), 1u);
  EXPECT_EQ(world.session->status().licenses, 1u);
}

TEST(SessionCalls, ABrokenConnectionSendsWhatIsPendingElsewhereAtOnce) {
  World world;
  world.Attach();
  world.cluster.modes[0] = Mode::kMute;
  auto call = world.Checkout();
  world.auto_up = false;
  world.Down(0, "Connection reset by peer");
  ASSERT_TRUE(call->status.has_value());
  EXPECT_TRUE(call->status->ok());
  EXPECT_EQ(world.cluster.executed, 1);
}

TEST(SessionCalls, TheTokenGoesWhereTheSessionIsNotAttached) {
  World world;
  world.Attach();
  world.Hold();  // the first request shows it: nothing has been executed in the session yet
  world.Hold();
  world.cluster.modes[0] = Mode::kSilent;
  world.Checkout();
  world.Pass(kRetryMs);
  std::vector<std::string> tokens;
  for (auto& [server, message] : world.log) {
    if (message.has_request()) tokens.push_back(message.request().token());
  }
  EXPECT_THAT(tokens, ElementsAre("token1", "", "", "token1"));
}

TEST(SessionCalls, AckedGrowsOnlyOverAnswersWithoutAGap) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  auto first = world.Checkout();  // seq 1 has no answer yet
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Hold();
  world.Hold();
  EXPECT_EQ(world.log.back().second.request().seq(), 3u);
  EXPECT_EQ(world.log.back().second.request().acked(), 0u);
  world.Pass(kRetryMs);
  EXPECT_TRUE(first->status->ok());
  world.Hold();
  EXPECT_EQ(world.log.back().second.request().acked(), 3u);
  EXPECT_EQ(world.cluster.only().results.size(), 1u);
}

TEST(SessionCalls, ASilentNodeIsLeftWhenOthersAnswer) {
  World world;
  world.Attach();
  world.cluster.modes[0] = Mode::kSilent;  // SIGSTOP: its connection stands
  for (int i = 0; i < 6; ++i) {
    auto call = world.Checkout();
    world.Pass(kRetryMs);
    EXPECT_TRUE(call->status->ok());
  }
  EXPECT_NE(world.session->status().node, 1u);
  EXPECT_TRUE(world.Checkout()->status.has_value()) << "no more waiting";
}

// --- no quorum, no answer ---

TEST(SessionCalls, NoQuorumAnywhereIsSaidWithinTwoSecondsNamingWhatIsMissing) {
  World world;
  world.Attach();
  world.auto_up = false;
  world.Down(1);
  world.Down(2);
  world.cluster.modes[0] = Mode::kNoQuorum;
  auto call = world.Checkout();
  world.Pass(2000);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kNoQuorum);
  EXPECT_THAT(call->status->ToString(), HasSubstr("f: no quorum: waiting for node 2 or 3"));
  EXPECT_TRUE(call->status->certain);
  EXPECT_LT(world.Receivers(kRequest).size(), 20u);
}

TEST(SessionCalls, ASilentNodeBesideOneWithoutQuorumDoesNotDelayThat) {
  World world;
  world.Attach();
  world.auto_up = false;
  world.Down(2);
  world.cluster.modes = {Mode::kNoQuorum, Mode::kSilent, Mode::kSilent};
  auto call = world.Checkout();
  world.Pass(2000);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kNoQuorum);
}

TEST(SessionCalls, OneNodeWithoutQuorumIsPassedOver) {
  World world;
  world.Attach();
  world.cluster.modes[0] = Mode::kNoQuorum;
  auto call = world.Checkout();
  EXPECT_TRUE(call->status.has_value() && call->status->ok());
}

TEST(SessionCalls, AQuorumThatComesBackInTimeServes) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kNoQuorum);
  auto call = world.Checkout();
  world.Pass(1000);
  EXPECT_FALSE(call->status.has_value());
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(300);
  EXPECT_TRUE(call->status.has_value() && call->status->ok());
}

// The simulator, seed 4857.
TEST(SessionCalls, OneNodesRefusalSaysNothingOfTheCopyThatAnotherHas) {
  World world;
  world.Attach();
  world.cluster.modes = {Mode::kMute, Mode::kTooOld, Mode::kTooOld};
  auto call = world.Checkout();
  world.Pass(1000);
  EXPECT_FALSE(call->status.has_value()) << call->status->ToString();
  EXPECT_EQ(world.cluster.executed, 1);
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(3000);
  EXPECT_TRUE(call->status.has_value() && call->status->ok());
  EXPECT_EQ(world.cluster.executed, 1);
}

TEST(SessionCalls, ANodeThatWasAskedAgainIsWaitedFor) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kNoQuorum);
  auto call = world.Checkout();
  world.Pass(1200);
  // The election is over at last; the first answer takes a little.
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  world.Pass(800);
  EXPECT_FALSE(call->status.has_value()) << call->status->ToString();
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(2900);
  EXPECT_TRUE(call->status.has_value() && call->status->ok());
}

TEST(SessionCalls, AfterTheTimeoutItMayHaveHappenedAndALateGrantIsGivenBack) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kMute);
  auto call = world.Checkout();
  world.Pass(5000);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kTimedOut);
  EXPECT_FALSE(call->status->certain);
  EXPECT_EQ(world.cluster.InUse(), 1u);
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(10'000);
  EXPECT_EQ(world.cluster.InUse(), 0u);
  EXPECT_EQ(world.session->status().licenses, 0u);
  EXPECT_EQ(world.cluster.executed, 2);
}

TEST(SessionCalls, WhatWasNeverSentCertainlyDidNotHappen) {
  World world;
  world.Attach();
  world.auto_up = false;
  for (size_t i : {0, 1, 2}) world.Down(i);
  auto call = world.Checkout();
  world.Pass(5000);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kUnreachable);
  EXPECT_TRUE(call->status->certain);
  world.auto_up = true;
  world.UpAll();
  world.Pass(10'000);
  EXPECT_EQ(world.cluster.executed, 0);
}

TEST(SessionCalls, ARestartOfAllNodesIsSurvivedByARequestThatWaits) {
  World world;
  world.Attach();
  world.auto_up = false;
  for (size_t i : {0, 1, 2}) world.Down(i);
  auto call = world.Checkout();
  world.Pass(3000);
  world.auto_up = true;
  world.Pass(1000);
  EXPECT_TRUE(call->status.has_value() && call->status->ok());
}

TEST(SessionCalls, AnOverloadedNodeIsAskedAgainWhenItSays) {
  World world;
  world.Attach();
  world.cluster.overloaded = 1;
  auto call = world.Checkout();
  EXPECT_FALSE(call->status.has_value());
  world.Pass(150);
  EXPECT_THAT(world.Receivers(kRequest), SizeIs(1));
  world.Pass(300);
  EXPECT_TRUE(call->status.has_value() && call->status->ok());
  // A refusal may be kept as the answer of its seq: only a new one asks anew.
  EXPECT_EQ(world.log.back().second.request().seq(), 2u);
}

TEST(SessionCalls, OverloadedToTheEndIsSaid) {
  World world;
  world.Attach();
  world.cluster.overloaded = 1'000'000;
  auto call = world.Checkout();
  world.Pass(5000);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kOverloaded);
  EXPECT_TRUE(call->status->certain);
}

TEST(SessionCalls, ARefusedRequestIsTheCallersMistake) {
  World world;
  world.Attach();
  world.cluster.modes[0] = Mode::kSilent;
  auto call = world.Checkout();
  v1::ServerMessage refused;
  refused.set_id(world.log.back().second.id());
  refused.mutable_failure()->set_why(v1::Failure::MALFORMED);
  refused.mutable_failure()->set_reason("no");
  refused.mutable_failure()->set_certain(true);
  world.Answer(0, refused);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kUsage);
  EXPECT_EQ(call->status->message, "no");
}

TEST(SessionCalls, TooManyWaitingRequestsAreRefusedAtOnce) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  for (size_t i = 0; i < kRequestsMax; ++i) EXPECT_FALSE(world.Checkout()->status.has_value());
  EXPECT_EQ(world.Checkout()->status->kind, ErrorKind::kOverloaded);
}

TEST(SessionCalls, ARequestStuckForLongHoldsTheWindowButLosesNothing) {
  World world;
  world.cluster.licenses = 5000;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  auto stuck = world.Checkout(1, 600'000);
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  std::vector<std::shared_ptr<World::Call>> calls;
  for (uint64_t i = 0; i < kSeqWindow + 50; ++i) calls.push_back(world.Checkout());
  EXPECT_FALSE(calls.back()->status.has_value());
  world.Pass(kRetryMs);
  EXPECT_TRUE(stuck->status->ok());
  EXPECT_TRUE(calls.back()->status.has_value() && calls.back()->status->ok());
  EXPECT_EQ(world.cluster.InUse(), kSeqWindow + 51);
}

TEST(SessionCalls, ACheckinGoesOnAfterItsTimeout) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold();
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  auto back = world.Checkin(id);
  world.Pass(5000);
  EXPECT_FALSE(back->status->certain);
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(10'000);
  EXPECT_EQ(world.cluster.InUse(), 0u);
}

TEST(SessionCalls, ACallFromACallbackIsDone) {
  World world;
  world.Attach();
  std::optional<Status> second;
  world.session->StartCheckout(
      {{"f"}}, 5000, [&](const Status&, const std::vector<LicenseId>& ids) {
        world.session->StartCheckin(ids[0], 5000, [&](const Status& status) { second = status; });
      });
  world.Pump();
  EXPECT_TRUE(second.has_value() && second->ok());
}

}  // namespace
}  // namespace triad::client
