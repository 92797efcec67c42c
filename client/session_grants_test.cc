#include <memory>
#include <string>

#include "client/session.h"
#include "client/session_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "license/license_file.h"
#include "license/signature.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kDescribe = v1::ClientMessage::kDescribe;

// --- lost and got again ---

TEST(SessionGrants, ALostSessionLosesItsLicensesAndGetsThemAgain) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold(3);
  world.cluster.sessions.clear();
  world.cluster.next_handle = 500;
  world.Pass(15'000);
  EXPECT_THAT(world.names, ElementsAre("lost 101", "reconnected 500"));
  EXPECT_EQ(world.licenses[id].handle, 500u);
  EXPECT_EQ(world.licenses[id].count, 3u);
  EXPECT_EQ(world.licenses[id].state, LicenseState::kHeld);
  EXPECT_EQ(world.cluster.InUse(), 3u);
  EXPECT_EQ(world.sessions_drawn, 2);
}

TEST(SessionGrants, LostIsSaidOnlyByTheClusterNeverByTime) {
  World world;
  world.Attach();
  world.Hold();
  world.auto_up = false;
  for (size_t i : {0, 1, 2}) world.Down(i);
  world.Pass(24 * 3'600'000);
  EXPECT_THAT(world.names, ElementsAre("unconfirmed 101"));
}

TEST(SessionGrants, WhatIsGoneFromTheStateIsLostTheRestIsNot) {
  World world;
  world.Attach();
  world.Hold();
  world.Hold();
  world.cluster.only().holdings.erase(101);
  world.cluster.licenses = 1;
  world.Down(0);
  EXPECT_THAT(world.names, ElementsAre("lost 101"));
  world.Pass(5000);
  EXPECT_THAT(world.names, SizeIs(1));
  world.cluster.licenses = 2;
  world.Pass(kRegrantMsMax);
  EXPECT_THAT(world.names, ElementsAre("lost 101", "reconnected 103"));
}

TEST(SessionGrants, RemovalThatIsPushedIsToldWithItsReason) {
  World world;
  world.Attach();
  world.Hold();
  v1::ServerMessage message;
  message.mutable_event()->set_session(world.cluster.sessions.begin()->first);
  message.mutable_event()->set_kind(v1::SessionEvent::REMOVED);
  message.mutable_event()->set_reason("removed by an administrator");
  world.cluster.sessions.clear();
  world.Answer(0, message);
  world.Pump();
  ASSERT_THAT(world.events, SizeIs(1));
  EXPECT_EQ(world.events[0].kind, Event::Kind::kLost);
  EXPECT_EQ(world.events[0].reason, "removed by an administrator");
}

TEST(SessionGrants, AGrantNewerThanTheStateIsNotLost) {
  World world;
  world.Attach();
  world.auto_up = false;
  world.cluster.modes[1] = world.cluster.modes[2] = Mode::kSilent;
  world.Down(0);  // an Attach is on its way to 1
  world.Pass(0);
  const auto [server, attach] = world.log.back();
  ASSERT_TRUE(attach.has_attach());
  auto state = *world.cluster.Handle(server, attach);  // written down, not delivered yet
  world.cluster.modes[2] = Mode::kServes;
  auto call = world.Checkout();
  world.Pass(kRetryMs);
  ASSERT_TRUE(call->status.has_value() && call->status->ok());
  world.Answer(server, state);
  EXPECT_THAT(world.names, IsEmpty());
  EXPECT_EQ(world.session->status().licenses, 1u);
}

// Found by the simulator, seed 4454: after `triadd recover --accept-loss` the log begins again at
// an earlier index, and a grant that it has forgotten seemed to be newer than the state.
TEST(SessionGrants, AGrantThatARecoveredClusterHasForgottenIsLost) {
  World world;
  world.cluster.index = 100;
  world.Attach();
  world.Hold();
  world.cluster.index = 40;
  world.cluster.only().holdings.clear();
  world.Pass(10);
  world.Down(0);
  world.Pass(kRetryMs);
  ASSERT_FALSE(world.names.empty());
  EXPECT_EQ(world.names[0], "lost 101");
}

TEST(SessionGrants, PendingRequestsOfALostSessionGoToTheNewOne) {
  World world;
  world.Attach();
  world.cluster.modes = std::vector<Mode>(3, Mode::kSilent);
  auto call = world.Checkout();
  world.cluster.sessions.clear();
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(1000);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_TRUE(call->status->ok());
  EXPECT_EQ(world.cluster.InUse(), 1u);
}

TEST(SessionGrants, ALostLicenseThatIsReturnedIsNotAskedForAgain) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold();
  world.cluster.sessions.clear();
  world.cluster.licenses = 0;
  world.Pass(15'000);
  EXPECT_THAT(world.names, ElementsAre("lost 101"));
  EXPECT_TRUE(world.Checkin(id)->status->ok());
  world.cluster.licenses = 10;
  world.Pass(60'000);
  EXPECT_EQ(world.cluster.InUse(), 0u);
  EXPECT_THAT(world.names, SizeIs(1));
}

TEST(SessionGrants, ALicenseReturnedWhileItIsAskedForAgainGoesBack) {
  World world;
  world.Attach();
  const LicenseId id = world.Hold();
  world.cluster.sessions.clear();
  while (world.names.empty()) world.Pass(100);
  world.cluster.modes = std::vector<Mode>(3, Mode::kMute);
  while (world.cluster.InUse() == 0) world.Pass(100);
  world.Checkin(id);
  world.cluster.modes = std::vector<Mode>(3, Mode::kServes);
  world.Pass(10'000);
  EXPECT_EQ(world.cluster.InUse(), 0u);
}

TEST(SessionGrants, AHoldingNobodyKnowsIsGivenBack) {
  World world;
  world.Attach();
  v1::Holding orphan;
  orphan.set_handle(77);
  orphan.set_count(1);
  world.cluster.only().holdings[77] = orphan;
  world.Down(0);
  world.Pass(100);
  EXPECT_EQ(world.cluster.InUse(), 0u);
}

// Found by a drill: a busy application held on to what it had given back after a backup was made.
TEST(SessionGrants, AHoldingNobodyKnowsIsGivenBackAlsoByWhoIsAskingForMore) {
  World world;
  world.Attach();
  world.Hold();
  v1::Holding orphan;
  orphan.set_handle(77);
  orphan.set_count(1);
  world.cluster.only().holdings[77] = orphan;
  world.cluster.modes[0] = Mode::kMute;
  auto busy = world.Checkout();
  world.cluster.overloaded = 3;  // whoever is asked next says: later
  world.auto_up = false;
  world.Down(0);
  world.Pass(100);
  EXPECT_FALSE(busy->status.has_value());
  EXPECT_EQ(world.cluster.only().holdings.count(77), 1u) << "it may be what the request brought";
  world.Pass(3000);
  ASSERT_TRUE(busy->status.has_value() && busy->status->ok());
  EXPECT_EQ(world.cluster.InUse(), 2u) << "what is held, and no more";
  EXPECT_EQ(world.cluster.only().holdings.count(77), 0u);
}

// --- signed lines ---

struct SignedWorld {
  SignedWorld() {
    keys = *license::GenerateKeyPair();
    const std::string text = *license::SignText(
        "l", "SERVER h ANY 1\nVENDOR v\nINCREMENT f v 1.0 permanent 5 \n", {"v", keys});
    Session::Config config;
    config.vendor_keys.emplace("v", keys.public_key);
    world = std::make_unique<World>(3, std::move(config));
    license::LicenseFile file = license::ReadLicenseFile("l", text);
    auto* line = world->cluster.pool.add_lines();
    line->set_canonical(license::CanonicalForm(file.features[0], file.servers));
    line->set_signature(license::ParseSign(file.features[0].sign)->signature);
    world->cluster.pool.set_pool(7);
    world->Attach();
  }
  license::KeyPair keys;
  std::unique_ptr<World> world;
};

TEST(SessionGrants, AGrantFromSignedLinesIsDeliveredAndThePoolAskedAboutOnce) {
  SignedWorld signed_world;
  World& world = *signed_world.world;
  EXPECT_NE(world.Hold(), 0u);
  EXPECT_NE(world.Hold(), 0u);
  EXPECT_THAT(world.Receivers(kDescribe), SizeIs(1));
}

TEST(SessionGrants, AGrantWithoutTheVendorsSignatureIsRefusedAndGivenBack) {
  SignedWorld signed_world;
  World& world = *signed_world.world;
  world.cluster.pool.mutable_lines(0)->mutable_signature()->at(5) ^= 1;
  auto call = world.Checkout();
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->kind, ErrorKind::kUnverified);
  EXPECT_EQ(call->status->code, -8);
  EXPECT_EQ(world.cluster.InUse(), 0u);
  EXPECT_EQ(world.session->status().licenses, 0u);
}

TEST(SessionGrants, MoreThanTheSignedLinesSayIsRefused) {
  SignedWorld signed_world;
  World& world = *signed_world.world;
  EXPECT_NE(world.Hold(5), 0u);
  world.Checkin(1);
  auto call = world.Checkout(6);
  ASSERT_TRUE(call->status.has_value());
  EXPECT_EQ(call->status->code, -8);
}

TEST(SessionGrants, ALostDescriptionIsAskedForAgain) {
  SignedWorld signed_world;
  World& world = *signed_world.world;
  auto call = world.Checkout();
  EXPECT_TRUE(call->status->ok());
  world.session->StartClose([](const Status&) {});

  SignedWorld other;
  World& slow = *other.world;
  slow.session->StartCheckout({{"f"}}, 5000, [](const Status&, const auto&) {});
  auto request = slow.outbox.front().second;
  slow.outbox.clear();
  slow.Answer(0, *slow.cluster.Handle(0, request));
  EXPECT_TRUE(slow.outbox.front().second.has_describe());
  slow.outbox.clear();  // lost
  slow.Pass(kRetryMs);
  EXPECT_EQ(slow.session->status().licenses, 1u);
}

}  // namespace
}  // namespace triad::client
