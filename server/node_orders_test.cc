// What administrators do to nodes: stop, drain, hand over; and what is recorded of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "server/node.h"
#include "server/test_world.h"

namespace triad::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using testing::World;

class NodeOrdersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
    ASSERT_TRUE(world_.Until(
        [&] { return world_.node(1).ledger().cluster_version() == license::kCommandVersion; }));
  }
  v1::StopResponse Stop(int k, bool all, bool force = false) {
    std::optional<v1::StopResponse> told;
    world_.node(k).Stop(all, force, "root", [&](const v1::StopResponse& r) { told = r; });
    EXPECT_TRUE(world_.Until([&] { return told.has_value(); }));
    return told.value_or(v1::StopResponse());
  }
  absl::Status Drain(int at, int k, bool undo = false) {
    std::optional<absl::Status> told;
    world_.node(at).Drain(static_cast<quorum::Slot>(k), undo, "root",
                          [&](const absl::Status& status) { told = status; });
    EXPECT_TRUE(world_.Until([&] { return told.has_value(); }));
    return told.value_or(absl::UnknownError("no answer"));
  }
  absl::StatusOr<v1::Outcome> Act(int k, const v1::AdminCommand& act) {
    std::optional<absl::StatusOr<v1::Outcome>> told;
    world_.node(k).ProposeAdmin(act, [&](const absl::StatusOr<v1::Outcome>& o) { told = o; });
    EXPECT_TRUE(world_.Until([&] { return told.has_value(); }));
    return told.value_or(absl::UnknownError("no answer"));
  }

  World world_;
};

TEST_F(NodeOrdersTest, TheJournalNamesEachRequestWhoAskedAndWhatCameOfIt) {
  v1::AdminCommand act;
  act.set_who("root (uid 0) on lic1");
  act.set_id("\x0a\x0b\x0c\x0d 12 bytes of it");
  act.mutable_remove()->set_feature("f");
  act.mutable_remove()->set_handle(4711);
  act.mutable_id()->resize(16);
  EXPECT_FALSE(Act(1, act).ok());
  EXPECT_THAT(
      world_.host(1).lines,
      Contains("request 0a0b0c0d: remove f handle 4711, asked for by root (uid 0) on lic1"));
  EXPECT_THAT(world_.host(1).lines, Contains("request 0a0b0c0d: refused: remove: no such checkout "
                                             "of f is out"));
}

TEST_F(NodeOrdersTest, ANodeThatTheOthersCanSpareStopsAndSaysSoBefore) {
  const int follower = world_.AFollower();
  const v1::StopResponse told = Stop(follower, /*all=*/false);
  EXPECT_EQ(told.refusal(), "");
  ASSERT_EQ(told.nodes_size(), 1);
  EXPECT_EQ(told.nodes(0), static_cast<uint32_t>(follower));
  EXPECT_TRUE(world_.node(follower).wants_to_stop());
  EXPECT_FALSE(world_.node(world_.Leader()).wants_to_stop());
}

TEST_F(NodeOrdersTest, AllStopWhenOneIsAskedTo) {
  const v1::StopResponse told = Stop(2, /*all=*/true);
  EXPECT_EQ(told.nodes_size(), 3);
  EXPECT_TRUE(world_.Until([&] {
    return world_.node(1).wants_to_stop() && world_.node(2).wants_to_stop() &&
           world_.node(3).wants_to_stop();
  }));
}

TEST_F(NodeOrdersTest, ADrainedNodeLeadsNoMoreUntilThatIsUndone) {
  const int leader = world_.Leader();
  const int other = leader == 1 ? 2 : 1;
  ASSERT_TRUE(Drain(other, leader).ok());
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0 && world_.Leader() != leader; }));
  const v1::NodeStatus status = world_.node(leader).Status();
  EXPECT_TRUE(status.draining());
  EXPECT_THAT(std::vector<std::string>(status.warnings().begin(), status.warnings().end()),
              Contains(HasSubstr("is drained")));
  ASSERT_TRUE(Drain(leader, leader, /*undo=*/true).ok());
  EXPECT_FALSE(world_.node(leader).Status().draining());
}

TEST_F(NodeOrdersTest, AVendorIsStoppedOnAllNodesUntilItIsStarted) {
  v1::AdminCommand stop;
  stop.mutable_stop_vendor()->set_vendor("acme");
  stop.mutable_stop_vendor()->set_node(1);
  ASSERT_TRUE(Act(1, stop).ok());
  EXPECT_TRUE(world_.Until([&] { return world_.node(3).ledger().IsStopped("acme"); }));
  world_.Open(2, 5, "app");
  const uint64_t id = world_.Checkout(2, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(2, 5, id) != nullptr; }));
  EXPECT_EQ(world_.Answer(2, 5, id)->outcome().denied().code(), -97);
  v1::AdminCommand start;
  start.mutable_start_vendors()->set_vendor("");
  ASSERT_TRUE(Act(2, start).ok());
  const uint64_t again = world_.Checkout(2, 5, "app", 2);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(2, 5, again) != nullptr; }));
  EXPECT_TRUE(world_.Answer(2, 5, again)->outcome().has_granted());
}

TEST_F(NodeOrdersTest, WhatWasStoppedThroughANodeIsServedAgainWhenItHasRestarted) {
  std::optional<absl::StatusOr<v1::Outcome>> told;
  v1::StopRequest stop;
  stop.set_vendor("acme");
  world_.node(2).StopVendor(stop, "root", [&](const absl::StatusOr<v1::Outcome>& o) { told = o; });
  ASSERT_TRUE(world_.Until([&] { return told.has_value(); }));
  world_.Advance(2'000);
  EXPECT_TRUE(world_.node(1).ledger().IsStopped("acme")) << "it has not restarted";
  world_.Kill(2);
  world_.Advance(1'000);
  EXPECT_TRUE(world_.node(1).ledger().IsStopped("acme"));
  world_.Boot(2);
  EXPECT_TRUE(world_.Until([&] { return !world_.node(1).ledger().IsStopped("acme"); }));
}

TEST_F(NodeOrdersTest, UnderOneIdACommandIsDoneOnceThroughWhicheverNode) {
  v1::AdminCommand reserve;
  reserve.set_id("0123456789abcdef");
  reserve.mutable_reserve()->set_feature("f");
  reserve.mutable_reserve()->set_count(1);
  reserve.mutable_reserve()->set_type("USER");
  reserve.mutable_reserve()->set_name("ann");
  const auto first = Act(1, reserve);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Act(3, reserve);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->reserved().id(), first->reserved().id());
  EXPECT_EQ(world_.node(3).ledger().reservations().size(), 1u);
}

}  // namespace
}  // namespace triad::server
