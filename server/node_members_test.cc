// A node that comes back under a new incarnation, whatever fails on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/test_world.h"

namespace triad::server {
namespace {

using quorum::Slot;
using ::testing::HasSubstr;
using testing::World;

std::string RoleOf(World& world, int k) {
  return world.node(k).Status().role();
}

// All three vote, and all have come to the same.
bool IsWhole(World& world) {
  const int leader = world.Leader();
  if (leader == 0) return false;
  for (int k = 1; k <= 3; ++k) {
    if (!world.up(k) || world.node(k).core() == nullptr) return false;
    const quorum::Core& core = *world.node(k).core();
    if (core.members().voters() != 3 || !core.members_committed()) return false;
    if (world.node(k).ledger().Digest() != world.node(leader).ledger().Digest()) return false;
  }
  return true;
}

void ExpectGrants(World& world, int k, const std::string& name, uint64_t seq,
                  const std::string& token) {
  const uint64_t id = world.Checkout(k, 1, name, seq, token);
  EXPECT_TRUE(world.Until([&] { return world.Answer(k, 1, id) != nullptr; }));
  ASSERT_NE(world.Answer(k, 1, id), nullptr);
  EXPECT_TRUE(world.Answer(k, 1, id)->outcome().has_granted());
}

class Coming : public ::testing::Test {
 protected:
  // A cluster that node 1 or 2 leads, so that node 3 may be lost.
  static void Form(World& world) {
    ASSERT_TRUE(world.Until([&] { return world.Leader() != 0; }));
    if (world.Leader() != 3) return;
    ASSERT_TRUE(world.node(3).TransferLead(Slot::k1).ok());
    ASSERT_TRUE(world.Until([&] { return world.Leader() == 1; }));
  }
};

TEST_F(Coming, AWipedNodeLearnsThenVotesAndTheClusterSurvivesTheNextLoss) {
  World world;
  Form(world);
  const int leader = world.Leader();
  const std::string token = world.Open(leader, 1, "ann");
  ExpectGrants(world, leader, "ann", 1, token);
  const std::string old = world.host(3).identity.incarnation;
  world.Rejoin(3);
  EXPECT_EQ(RoleOf(world, 3), "rejoining");
  bool learned = false;
  EXPECT_TRUE(world.Until([&] {
    learned = learned || RoleOf(world, 3) == "learner";
    return IsWhole(world);
  }));
  EXPECT_TRUE(learned);
  EXPECT_EQ(RoleOf(world, 3), "follower");
  EXPECT_EQ(world.host(3).begun, 1);
  EXPECT_NE(world.host(3).identity.incarnation, old);
  EXPECT_EQ(world.host(3).identity.cluster_id, world.host(1).identity.cluster_id);
  EXPECT_EQ(world.CheckoutsAt(3), 1u);
  world.Kill(leader);
  EXPECT_TRUE(world.Until([&] { return world.Leader() != 0; })) << "two of three serve";
}

TEST_F(Coming, ANewcomerIsGivenTheLedgerWhenTheLogBeginsLater) {
  World world;
  for (int k = 1; k <= 3; ++k) {
    world.Kill(k);
    world.host(k).log_keep_entries = 4;
    world.Boot(k);
  }
  Form(world);
  const int leader = world.Leader();
  for (int i = 0; i < 40; ++i) world.Open(leader, 1, absl::StrCat("s", i));
  ASSERT_TRUE(world.Until([&] { return world.host(leader).start.index > quorum::Index(10); }));
  world.Rejoin(3);
  EXPECT_TRUE(world.Until([&] { return IsWhole(world); }));
  EXPECT_GT(world.host(3).chunks_asked, 0);
  world.Kill(3);
  world.Boot(3);
  EXPECT_TRUE(world.Until([&] { return IsWhole(world); })) << "and again after a restart";
}

TEST_F(Coming, TheOldIncarnationIsNotHeardAnyMore) {
  World world;
  Form(world);
  world.Kill(3);
  World::Host& host = world.host(3);
  const auto identity = host.identity;
  const auto hard_state = host.hard_state;
  const auto log = host.log;
  world.Rejoin(3);
  ASSERT_TRUE(world.Until([&] { return IsWhole(world); }));
  world.Kill(3);
  // The old disk is found again.
  host.LoseDisk();
  host.identity = identity;
  host.hard_state = hard_state;
  host.log = log;
  world.Boot(3);
  world.Advance(2'000);
  EXPECT_THAT(world.host(3).lines, ::testing::Contains(HasSubstr("run triadd rejoin")));
  EXPECT_THAT(world.node(3).Status().waiting_for(), HasSubstr("run triadd rejoin"));
  // It is no second node of any majority.
  const int leader = world.Leader();
  world.Kill(leader == 1 ? 2 : 1);
  world.Advance(10'000);
  EXPECT_EQ(world.Leader(), 0);
}

TEST_F(Coming, NobodyIsReplacedWhileItIsConnected) {
  World world;
  Form(world);
  const int leader = world.Leader();
  Membership::Config config;
  config.identity.slot = 3;
  config.identity.incarnation = std::string(16, 'x');
  config.identity.server_set = world.host(3).identity.server_set;
  config.identity.rejoining = true;
  config.slots = {Slot::k1, Slot::k2, Slot::k3};
  config.server_set = config.identity.server_set;
  const Membership newcomer(config);
  const auto ask = [&] {
    v1::PeerMessage message;
    *message.mutable_hello() = newcomer.MakeHello(static_cast<Slot>(leader));
    world.node(leader).OnIncoming(99, message);
    world.Advance(400);
  };
  for (int i = 0; i < 5; ++i) ask();
  EXPECT_EQ(world.node(leader).core()->members().voters(), 3u);
  world.Kill(3);
  ask();
  EXPECT_EQ(world.node(leader).core()->members().voters(), 2u);
  // A stream that is silent for long is not connected, though nobody has closed it.
}

TEST_F(Coming, AnyNodeMayStopAtAnyMoment) {
  for (int who = 1; who <= 3; ++who) {
    for (int64_t after_ms = 0; after_ms <= 1'600; after_ms += 40) {
      SCOPED_TRACE(absl::StrCat("node ", who, " stops after ", after_ms, " ms"));
      World world;
      Form(world);
      world.Open(world.Leader(), 1, "ann");
      world.Rejoin(3);
      world.Advance(after_ms);
      world.Kill(who);
      world.Advance(100);
      world.Boot(who);
      ASSERT_TRUE(world.Until([&] { return IsWhole(world); }));
      ASSERT_EQ(world.node(3).ledger().sessions().size(), 1u);
    }
  }
}

TEST_F(Coming, ANewcomerThatDrawsAgainOnTheWayIsLetInAllTheSame) {
  for (int64_t after_ms = 0; after_ms <= 1'600; after_ms += 80) {
    SCOPED_TRACE(absl::StrCat("after ", after_ms, " ms"));
    World world;
    Form(world);
    world.Rejoin(3);
    world.Advance(after_ms);
    world.Rejoin(3);
    ASSERT_TRUE(world.Until([&] { return IsWhole(world); }));
  }
}

TEST_F(Coming, ADamagedLogIsRepairedByItselfWhenTheOthersHaveAgreed) {
  World world;
  Form(world);
  world.Open(world.Leader(), 1, "ann");
  world.Kill(3);
  const auto identity = world.host(3).identity;
  const int other = world.Leader() == 1 ? 2 : 1;
  world.Kill(other);
  world.host(3).log_damaged = true;
  world.Boot(3);
  world.Advance(5'000);
  EXPECT_EQ(RoleOf(world, 3), "quarantined");
  EXPECT_EQ(world.node(3).Status().cluster_id(), identity.cluster_id);
  EXPECT_EQ(world.host(3).identity, identity) << "its disk is as it was";
  EXPECT_EQ(world.Leader(), 0) << "it does not vote";
  world.Kill(3);
  world.Boot(3);  // another incarnation, drawn again
  world.Boot(other);
  EXPECT_TRUE(world.Until([&] { return IsWhole(world); }));
  EXPECT_EQ(world.host(3).begun, 1);
  EXPECT_EQ(world.host(3).identity.members, identity.members);
  EXPECT_EQ(world.node(3).ledger().sessions().size(), 1u);
}

TEST_F(Coming, ClientsOfANodeThatIsNotLetInAreSentAway) {
  World world;
  Form(world);
  world.Isolate(3);
  world.Rejoin(3);
  v1::ClientMessage message;
  message.set_id(7);
  message.mutable_open()->set_session(license::testing::SessionNamed("ben"));
  message.mutable_open()->set_attachment(1);
  world.Say(3, 1, message);
  ASSERT_TRUE(world.Until([&] { return world.Answer(3, 1, 7) != nullptr; }));
  EXPECT_TRUE(world.Answer(3, 1, 7)->has_failure());
  EXPECT_THAT(world.Answer(3, 1, 7)->failure().reason(), HasSubstr("not let in again yet"));
}

}  // namespace
}  // namespace triad::server
