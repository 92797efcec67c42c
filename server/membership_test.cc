#include "server/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace triad::server {
namespace {

using quorum::Slot;

Membership::Config ConfigOf(int slot, char incarnation, std::string license_hash = "same") {
  Membership::Config config;
  config.identity.slot = slot;
  config.identity.incarnation = std::string(16, incarnation);
  config.identity.server_set = std::string(32, 's');
  config.slots = {Slot::k1, Slot::k2, Slot::k3};
  config.license_hash = std::move(license_hash);
  config.server_set = config.identity.server_set;
  return config;
}

// `caller` says hello to `host`; both take in what they hear.
bool Meet(Membership& caller, Membership& host) {
  Slot from = Slot::kNone;
  const auto to = static_cast<Slot>(host.identity().slot);
  v1::HelloAnswer answer = host.OnHello(caller.MakeHello(to), &from);
  const auto back = static_cast<Slot>(caller.identity().slot);
  *answer.mutable_hello() = host.MakeHello(back);
  return caller.OnHelloAnswer(to, answer) && from != Slot::kNone;
}

TEST(Membership, AClusterIsBornWhenAllThreeHaveMet) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  EXPECT_TRUE(Meet(a, b));
  EXPECT_FALSE(a.born());
  EXPECT_FALSE(b.born());
  EXPECT_EQ(a.unmet(), std::vector<Slot>{Slot::k3});
  EXPECT_TRUE(Meet(a, c));
  EXPECT_TRUE(a.born());
  EXPECT_TRUE(Meet(b, c));
  EXPECT_TRUE(Meet(c, b));
  ASSERT_TRUE(b.born() && c.born());
  EXPECT_EQ(a.identity().cluster_id, b.identity().cluster_id);
  EXPECT_EQ(a.identity().members, c.identity().members);
  EXPECT_TRUE(a.TakeNewIdentity().has_value());
  EXPECT_FALSE(a.TakeNewIdentity().has_value()) << "it is stored once";
}

TEST(Membership, ANodeThatHearsOfItsOwnClustersBirthAdoptsIt) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  Meet(a, b);
  Meet(a, c);  // a and c are born; b has met a only
  ASSERT_TRUE(a.born());
  ASSERT_FALSE(b.born());
  EXPECT_TRUE(Meet(b, a));
  EXPECT_EQ(b.identity().cluster_id, a.identity().cluster_id);
}

TEST(Membership, ASlotThatWasInitialisedAgainIsToldToRejoinOnBothSides) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  Meet(a, b);
  Meet(a, c);
  Meet(b, a);
  Membership wiped(ConfigOf(3, 'x'));
  EXPECT_FALSE(Meet(wiped, a));
  EXPECT_EQ(a.refusals().at(Slot::k3), "slot 3 is known: run triadd rejoin");
  EXPECT_EQ(wiped.fatal(), "slot 3 is known: run triadd rejoin");
  EXPECT_FALSE(wiped.born());
}

TEST(Membership, ABornNodeRefusesAForeignCluster) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  Meet(a, b);
  Meet(a, c);
  Membership d(ConfigOf(1, 'd')), e(ConfigOf(2, 'e')), f(ConfigOf(3, 'f'));
  Meet(e, d);
  Meet(e, f);
  EXPECT_FALSE(Meet(e, a));
  EXPECT_THAT(a.refusals().at(Slot::k2), ::testing::HasSubstr("different clusters"));
}

TEST(Membership, NodesInitialisedWithDifferentLicenseFilesDoNotFormACluster) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b', "other"));
  EXPECT_FALSE(Meet(a, b));
  EXPECT_THAT(b.refusals().at(Slot::k1), ::testing::HasSubstr("different license files"));
}

TEST(Membership, AfterBirthADifferentLicenseFileIsNoObstacle) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b')), c(ConfigOf(3, 'c'));
  Meet(a, b);
  Meet(a, c);
  Meet(b, a);
  Membership::Config stale = ConfigOf(2, 'b', "older");
  stale.identity = b.identity();
  Membership restarted(stale);
  EXPECT_TRUE(Meet(restarted, a));
}

TEST(Membership, ACallerWithThisNodesOwnSlotIsRefused) {
  Membership a(ConfigOf(1, 'a')), twin(ConfigOf(1, 'b'));
  Slot from = Slot::kNone;
  EXPECT_FALSE(a.OnHello(twin.MakeHello(Slot::k1), &from).accepted());
  EXPECT_EQ(from, Slot::kNone);
}

TEST(Membership, ARecordThatIsNotTheHashOfItsMembersIsNotAdopted) {
  Membership a(ConfigOf(1, 'a')), b(ConfigOf(2, 'b'));
  v1::Hello forged = b.MakeHello(Slot::k1);
  forged.set_cluster_id(std::string(32, 'f'));
  for (auto [slot, incarnation] : {std::pair{1, 'a'}, {2, 'b'}, {3, 'c'}}) {
    auto* member = forged.add_members();
    member->set_slot(static_cast<uint32_t>(slot));
    member->set_incarnation(std::string(16, incarnation));
  }
  Slot from = Slot::kNone;
  EXPECT_FALSE(a.OnHello(forged, &from).accepted());
  EXPECT_FALSE(a.born());
}

TEST(Membership, AClusterOfOneIsBornAtOnce) {
  Membership::Config config = ConfigOf(1, 'a');
  config.slots = {Slot::k1};
  Membership one(config);
  EXPECT_TRUE(one.born());
  EXPECT_TRUE(one.TakeNewIdentity().has_value());
}

}  // namespace
}  // namespace triad::server
