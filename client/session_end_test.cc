#include "client/session.h"
#include "client/session_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr auto kClose = v1::ClientMessage::kClose;

TEST(SessionEnd, CloseGivesEverythingBackAndWaitsForTheAnswer) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold(3);
  auto closed = world.Close();
  ASSERT_TRUE(closed->status.has_value());
  EXPECT_TRUE(closed->status->ok());
  EXPECT_EQ(world.cluster.InUse(), 0u);
  EXPECT_EQ(world.licenses[id].state, LicenseState::kReturned);
  EXPECT_THAT(world.up, IsEmpty());
  EXPECT_EQ(world.session->NextTimer(), INT64_MAX);
}

TEST(SessionEnd, CloseGoesToAnotherNodeWhenTheFirstIsSilent) {
  World world;
  world.Attach();
  world.Hold();
  world.cluster.modes[0] = Mode::kSilent;
  auto closed = world.Close();
  world.Pass(kRetryMs);
  EXPECT_THAT(world.Receivers(kClose), ElementsAre(0, 1));
  ASSERT_TRUE(closed->status.has_value());
  EXPECT_TRUE(closed->status->ok());
}

TEST(SessionEnd, CloseWithoutAnAnswerEndsAfterASecond) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  auto closed = world.Close();
  world.Pass(999);
  EXPECT_FALSE(closed->status.has_value());
  world.Pass(1);
  ASSERT_TRUE(closed->status.has_value());
  EXPECT_FALSE(closed->status->certain);
}

TEST(SessionEnd, CloseBeforeAnythingWasReachedEndsAtOnce) {
  World world;
  world.session->Start({}, [&](const Status& status) { world.started = status; });
  auto call = world.Checkout();
  auto closed = world.Close();
  EXPECT_TRUE(closed->status.has_value());
  EXPECT_EQ(world.started->kind, ErrorKind::kUsage);
  EXPECT_EQ(call->status->kind, ErrorKind::kUsage);
}

TEST(SessionEnd, AfterCloseEverythingIsAnError) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold();
  world.Close();
  EXPECT_EQ(world.Checkout()->status->kind, ErrorKind::kUsage);
  EXPECT_EQ(world.Checkin(id)->status->kind, ErrorKind::kUsage);
  EXPECT_EQ(world.Close()->status->kind, ErrorKind::kUsage);
  world.session->OnTimer();
  world.session->OnMessage(0, v1::ServerMessage());
}

}  // namespace
}  // namespace triad::client
