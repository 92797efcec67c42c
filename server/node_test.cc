#include "server/node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "server/limits.h"
#include "server/test_world.h"

namespace triad::server {
namespace {

using testing::World;

class NodeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
    leader_ = world_.Leader();
    follower_ = world_.AFollower();
    other_ = 6 - leader_ - follower_;
  }
  bool Answered(int k, ConnectionId connection, uint64_t id) {
    const auto* answer = world_.Answer(k, connection, id);
    return answer != nullptr && answer->has_outcome();
  }
  bool Granted(int k, ConnectionId connection, uint64_t id) {
    const auto* answer = world_.Answer(k, connection, id);
    return answer != nullptr && answer->outcome().has_granted();
  }

  World world_;
  int leader_ = 0;
  int follower_ = 0;
  int other_ = 0;
};

TEST_F(NodeTest, TheFirstLeaderInstallsItsFilesOnAllThreeAtOneIndex) {
  world_.Advance(200);
  for (int k = 1; k <= 3; ++k) {
    EXPECT_EQ(world_.node(k).ledger().license_set_number(), 1u);
    EXPECT_EQ(world_.node(k).ledger().Digest(), world_.node(1).ledger().Digest());
  }
}

TEST_F(NodeTest, AFollowerServesItsClientAndAllThreeKnowTheCheckout) {
  ASSERT_NE(world_.Open(follower_, 5, "app"), "");
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  EXPECT_TRUE(world_.Until([&] { return Granted(follower_, 5, id); }));
  world_.Advance(200);
  for (int k = 1; k <= 3; ++k) EXPECT_EQ(world_.CheckoutsAt(k), 1u);
}

TEST_F(NodeTest, TheSameRequestThroughTwoNodesCountsOnceAndHasOneAnswer) {
  const std::string token = world_.Open(follower_, 5, "app");
  const uint64_t first = world_.Checkout(follower_, 5, "app", 1);
  const uint64_t second = world_.Checkout(leader_, 6, "app", 1, token);
  ASSERT_TRUE(
      world_.Until([&] { return Granted(follower_, 5, first) && Granted(leader_, 6, second); }));
  EXPECT_EQ(world_.Answer(follower_, 5, first)->outcome().SerializeAsString(),
            world_.Answer(leader_, 6, second)->outcome().SerializeAsString());
  EXPECT_EQ(world_.CheckoutsAt(leader_), 1u);
}

// One batch to every disk at a time: what comes meanwhile is one batch too.
TEST_F(NodeTest, WhatComesInWhileARoundIsUnderWayGathersForTheNext) {
  world_.Open(leader_, 5, "app");
  world_.Open(follower_, 6, "far");
  world_.Advance(200);
  const quorum::Index before = world_.node(leader_).core()->last_index();
  world_.host(follower_).disk_stuck = world_.host(other_).disk_stuck = true;
  std::vector<uint64_t> ids;
  for (uint64_t seq = 1; seq <= 5; ++seq) {
    ids.push_back(world_.Checkout(leader_, 5, "app", seq));
    (void)world_.Checkout(follower_, 6, "far", seq);
  }
  EXPECT_EQ(world_.node(leader_).core()->last_index(), before + 1);
  world_.host(follower_).disk_stuck = world_.host(other_).disk_stuck = false;
  ASSERT_TRUE(world_.Until([&] { return Answered(leader_, 5, ids.back()); }));
  for (const uint64_t id : ids) EXPECT_TRUE(Answered(leader_, 5, id));
  world_.Advance(100);
  EXPECT_EQ(world_.node(leader_).core()->last_index(), before + 10) << "each once in the log";
}

// A round that an old leader could not finish does not hold up the next time that it leads.
TEST_F(NodeTest, ALeaderThatComesBackBeginsWithNoRoundUnderWay) {
  const std::string token = world_.Open(leader_, 5, "app");
  world_.Isolate(leader_);
  // A round of many entries: longer than what the others will have when it is back.
  constexpr uint64_t kMany = 20;
  const quorum::Index before = world_.node(leader_).core()->last_index();
  for (uint64_t seq = 1; seq <= kMany; ++seq) {
    v1::ClientMessage message;
    message.set_id(1'000 + seq);
    auto* request = message.mutable_request();
    request->set_session(license::testing::SessionNamed("app"));
    request->set_seq(seq);
    request->mutable_checkin()->set_handle(1);
    world_.node(leader_).OnClientMessage({5, "127.0.0.1:5", false}, std::move(message));
  }
  world_.Settle();
  ASSERT_EQ(world_.node(leader_).core()->last_index(), before + kMany);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0 && world_.Leader() != leader_; }));
  world_.Advance(2 * kNoQuorumHoldMs);  // it gives them up, and will not relay them
  world_.HealAll();
  const int old = leader_;
  ASSERT_TRUE(world_.Until([&] {
    const int now = world_.Leader();
    if (now != 0 && now != old) (void)world_.node(now).TransferLead(static_cast<quorum::Slot>(old));
    return now == old;
  }));
  ASSERT_LT(world_.node(old).core()->commit_index(), before + kMany);
  const uint64_t id = world_.Checkout(old, 7, "app", 1'000, token);
  EXPECT_TRUE(world_.Until([&] { return Answered(old, 7, id); }));
}

TEST_F(NodeTest, AForgedSessionIsRefused) {
  world_.Open(follower_, 5, "app");
  const uint64_t none = world_.Checkout(leader_, 6, "app", 1);
  const uint64_t wrong = world_.Checkout(leader_, 6, "app", 1, "a guess at the token");
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(leader_, 6, wrong) != nullptr; }));
  EXPECT_EQ(world_.Answer(leader_, 6, none)->failure().why(), v1::Failure::BAD_TOKEN);
  EXPECT_EQ(world_.Answer(leader_, 6, wrong)->failure().why(), v1::Failure::BAD_TOKEN);
  EXPECT_EQ(world_.CheckoutsAt(leader_), 0u);
}

// A later open may have replaced the token since the session was attached here.
TEST_F(NodeTest, ATokenThatIsShownCountsAlsoWhereTheSessionIsAttached) {
  world_.Open(follower_, 5, "app");
  const uint64_t wrong = world_.Checkout(follower_, 5, "app", 1, "a token that was replaced");
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, wrong) != nullptr; }));
  EXPECT_EQ(world_.Answer(follower_, 5, wrong)->failure().why(), v1::Failure::BAD_TOKEN);
  EXPECT_EQ(world_.CheckoutsAt(leader_), 0u);
}

TEST_F(NodeTest, WhenTheLeaderDiesAClientOfASurvivorIsServedByTheNextOne) {
  world_.Open(follower_, 5, "app");
  world_.Kill(leader_);
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  const int64_t began = world_.now_ms();
  ASSERT_TRUE(world_.Until([&] { return Granted(follower_, 5, id); }));
  EXPECT_LT(world_.now_ms() - began, 1'000);
}

TEST_F(NodeTest, ACutOffLeaderGrantsNothingAndStepsDown) {
  const std::string token = world_.Open(leader_, 5, "app");
  world_.Isolate(leader_);
  const uint64_t id = world_.Checkout(leader_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(leader_, 5, id) != nullptr; }));
  const auto& failure = world_.Answer(leader_, 5, id)->failure();
  EXPECT_EQ(failure.why(), v1::Failure::NO_QUORUM);
  EXPECT_FALSE(failure.certain()) << "it stands in this node's log";
  // The same request elsewhere: done once, also after the old leader is back.
  const uint64_t again = world_.Checkout(follower_, 6, "app", 1, token);
  ASSERT_TRUE(world_.Until([&] { return Granted(follower_, 6, again); }));
  world_.HealAll();
  ASSERT_TRUE(world_.Until([&] { return world_.CheckoutsAt(leader_) == 1; }));
  world_.Advance(1'000);
  for (int k = 1; k <= 3; ++k) {
    EXPECT_EQ(world_.CheckoutsAt(k), 1u);
    EXPECT_EQ(world_.node(k).ledger().Digest(), world_.node(1).ledger().Digest());
  }
}

TEST_F(NodeTest, WithOneNodeUpEveryRequestIsRefusedNamingWhatIsMissing) {
  world_.Open(follower_, 5, "app");
  world_.Kill(leader_);
  world_.Kill(other_);
  const int64_t began = world_.now_ms();
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, id) != nullptr; }));
  EXPECT_LT(world_.now_ms() - began, 2'000);
  EXPECT_THAT(world_.Answer(follower_, 5, id)->failure().reason(),
              ::testing::AllOf(
                  ::testing::HasSubstr(absl::StrCat("node ", leader_, " (27000@127.0.0.", leader_)),
                  ::testing::HasSubstr(absl::StrCat("node ", other_, " (27000@127.0.0.", other_))));
  world_.Boot(other_);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; })) << "it comes back by itself";
}

TEST_F(NodeTest, AfterAllThreeStartAgainEveryCheckoutIsThere) {
  world_.Open(follower_, 5, "app");
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return Granted(follower_, 5, id); }));
  const auto before = world_.Answer(follower_, 5, id)->outcome().granted().holdings(0);
  for (int k = 1; k <= 3; ++k) world_.Kill(k);
  for (int k = 1; k <= 3; ++k) world_.Boot(k);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
  world_.Advance(200);
  for (int k = 1; k <= 3; ++k) {
    ASSERT_EQ(world_.CheckoutsAt(k), 1u);
    const auto& checkout = *world_.node(k).ledger().checkouts().begin()->second;
    EXPECT_EQ(license::HoldingOf(checkout).SerializeAsString(), before.SerializeAsString());
  }
}

TEST_F(NodeTest, AHeartbeatIsAcknowledgedByTheLeaderThroughAFollower) {
  world_.Open(follower_, 5, "app");
  world_.Beat(follower_, 5, "app", 1);
  EXPECT_TRUE(world_.Until([&] { return world_.Acked(follower_, 5) == 1; }, 2'000));
}

TEST_F(NodeTest, AFollowerThatIsCutOffConfirmsNothingAndSendsItsClientsAway) {
  world_.Open(follower_, 5, "app");
  world_.Isolate(follower_);
  for (uint64_t n = 1; n <= 4; ++n) {
    world_.Beat(follower_, 5, "app", n);
    world_.Advance(1'000);
  }
  EXPECT_EQ(world_.Acked(follower_, 5), 0u);
  bool moved = false;
  for (const auto& message : world_.host(follower_).told[5]) moved |= message.has_move_away();
  EXPECT_TRUE(moved) << "before half a time to live is over";
}

TEST_F(NodeTest, ACutOffLeaderConfirmsNoHeartbeat) {
  world_.Open(leader_, 5, "app");
  world_.Isolate(leader_);
  world_.Beat(leader_, 5, "app", 1);
  world_.Advance(3'000);
  EXPECT_EQ(world_.Acked(leader_, 5), 0u);
}

TEST_F(NodeTest, ASilentSessionEndsAfterItsTimeToLiveAndABeatingOneDoesNot) {
  world_.Open(follower_, 5, "quiet");
  world_.Open(follower_, 6, "lively");
  world_.Checkout(follower_, 5, "quiet", 1);
  world_.Checkout(follower_, 6, "lively", 1);
  for (uint64_t n = 1; n <= 8; ++n) {
    world_.Beat(follower_, 6, "lively", n);
    world_.Advance(1'000);
  }
  ASSERT_EQ(world_.CheckoutsAt(leader_), 1u);
  EXPECT_EQ(world_.node(leader_).ledger().FindSession(license::testing::SessionNamed("quiet")),
            nullptr);
}

TEST_F(NodeTest, AClosedConnectionFreesAfterTheGraceUnlessTheSessionIsAttachedAgain) {
  world_.Open(follower_, 5, "gone");
  const std::string token = world_.Open(follower_, 6, "back");
  world_.Checkout(follower_, 5, "gone", 1);
  world_.Checkout(follower_, 6, "back", 1);
  world_.Advance(100);
  world_.node(follower_).OnClientClosed(5);
  world_.node(follower_).OnClientClosed(6);
  world_.Advance(World::kGraceMs / 2);
  EXPECT_EQ(world_.CheckoutsAt(leader_), 2u);
  v1::ClientMessage message;
  message.set_id(900);
  message.mutable_attach()->set_session(license::testing::SessionNamed("back"));
  message.mutable_attach()->set_token(token);
  message.mutable_attach()->set_attachment(2);
  world_.Say(other_, 7, std::move(message));
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(other_, 7, 900) != nullptr; }));
  EXPECT_EQ(world_.Answer(other_, 7, 900)->opened().state().holdings_size(), 1);
  world_.Advance(World::kGraceMs);
  EXPECT_EQ(world_.CheckoutsAt(leader_), 1u);
  EXPECT_NE(world_.node(leader_).ledger().FindSession(license::testing::SessionNamed("back")),
            nullptr);
}

TEST_F(NodeTest, AConnectionThatTheNodeItselfCutsDoesNotStartTheShortGrace) {
  world_.Open(follower_, 5, "slow");
  world_.Open(follower_, 6, "gone");
  world_.node(follower_).OnClientClosed(5, /*cut_here=*/true);
  world_.node(follower_).OnClientClosed(6, /*cut_here=*/false);
  world_.Advance(World::kGraceMs + 1'000);
  const license::Ledger& ledger = world_.node(leader_).ledger();
  EXPECT_NE(ledger.FindSession(license::testing::SessionNamed("slow")), nullptr);
  EXPECT_EQ(ledger.FindSession(license::testing::SessionNamed("gone")), nullptr);
}

// Found by the simulator (seed 1223): the node could say nothing of the attach, and took the short
// grace for what an application asks for by going.
TEST_F(NodeTest, AnAttachUnderWayOnAConnectionThatTheNodeCutsDoesNotStartTheShortGraceEither) {
  const auto open = [this](ConnectionId connection, const std::string& name) {
    v1::ClientMessage message;
    message.set_id(1);
    message.mutable_open()->set_session(license::testing::SessionNamed(name));
    message.mutable_open()->set_attachment(1);
    world_.node(follower_).OnClientMessage({connection, "127.0.0.1:5", false}, std::move(message));
  };
  open(5, "slow");
  open(6, "gone");
  world_.node(follower_).OnClientClosed(5, /*cut_here=*/true);
  world_.node(follower_).OnClientClosed(6, /*cut_here=*/false);
  world_.Advance(World::kGraceMs + 1'000);
  const license::Ledger& ledger = world_.node(leader_).ledger();
  EXPECT_NE(ledger.FindSession(license::testing::SessionNamed("slow")), nullptr);
  EXPECT_EQ(ledger.FindSession(license::testing::SessionNamed("gone")), nullptr);
}

// It heard of nobody meanwhile, so it may not judge who was silent.
TEST_F(NodeTest, ALeaderThatStoodStillEndsNoSession) {
  world_.Open(follower_, 5, "app");
  world_.StandStill(leader_, World::kTtlMs + 1'000);
  world_.Advance(1'000);
  EXPECT_NE(world_.node(follower_).ledger().FindSession(license::testing::SessionNamed("app")),
            nullptr);
}

TEST_F(NodeTest, ANodeJudgesTheInstalledSetByItsOwnKeysNeverAndCountsAsTheOthersDo) {
  world_.Open(leader_, 5, "app");
  const uint64_t id = world_.Checkout(leader_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return Granted(leader_, 5, id); }));
  v1::InstallLicenses other = license::testing::SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
  other.mutable_vendor_keys(0)->mutable_public_key()->front() ^= 1;
  world_.host(follower_).own_files = other;
  world_.Kill(follower_);  // and applies everything anew
  world_.Boot(follower_);
  world_.Advance(3'000);
  EXPECT_EQ(world_.CheckoutsAt(follower_), 1u);
  EXPECT_EQ(world_.node(follower_).ledger().Digest(), world_.node(leader_).ledger().Digest());
}

TEST_F(NodeTest, ANewLeaderGivesEverySessionItsFullTimeToLive) {
  world_.Open(follower_, 5, "app");
  world_.Checkout(follower_, 5, "app", 1);
  world_.Advance(World::kTtlMs - 1'000);
  world_.Kill(leader_);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0 && world_.Leader() != leader_; }));
  const int next = world_.Leader();
  world_.Advance(World::kTtlMs - 1'000);
  EXPECT_EQ(world_.CheckoutsAt(next), 1u);
  world_.Advance(2'000);
  EXPECT_EQ(world_.CheckoutsAt(next), 0u);
}

TEST_F(NodeTest, NothingIsGrantedBeforeAMajorityHasItOnDisk) {
  world_.Open(leader_, 5, "app");
  world_.host(follower_).disk_stuck = true;
  world_.host(other_).disk_stuck = true;
  const uint64_t id = world_.Checkout(leader_, 5, "app", 1);
  world_.Settle();
  EXPECT_EQ(world_.Answer(leader_, 5, id), nullptr);
  world_.host(follower_).disk_stuck = false;
  EXPECT_TRUE(world_.Until([&] { return Granted(leader_, 5, id); }));
}

TEST_F(NodeTest, ALeaderWhoseDiskHangsGivesUpTheLead) {
  world_.Open(follower_, 5, "app");
  world_.host(leader_).disk_stuck = true;
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return Granted(follower_, 5, id); }));
  EXPECT_TRUE(world_.Until([&] { return world_.Leader() != 0 && world_.Leader() != leader_; }));
}

TEST_F(NodeTest, ALongElectionAmongNodesThatAreThereIsWaitedFor) {
  world_.Open(follower_, 5, "app");
  world_.Kill(leader_);
  // One asks for votes and the other's never come back: a majority is there, and elects nobody.
  world_.CutOneWay(follower_, other_);
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  world_.Advance(kElectionHoldMs - 500);
  EXPECT_EQ(world_.Answer(follower_, 5, id), nullptr);
  world_.HealAll();
  EXPECT_TRUE(world_.Until([&] { return Granted(follower_, 5, id); }));
}

TEST_F(NodeTest, AReadOnAFollowerIsAsNewAsTheMomentItWasAsked) {
  world_.Open(leader_, 5, "app");
  const uint64_t id = world_.Checkout(leader_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return Granted(leader_, 5, id); }));
  std::optional<absl::Status> status;
  size_t seen = 0;
  world_.node(follower_).Read([&](const absl::Status& read) {
    status = read;
    seen = world_.CheckoutsAt(follower_);
  });
  ASSERT_TRUE(world_.Until([&] { return status.has_value(); }));
  EXPECT_TRUE(status->ok());
  EXPECT_EQ(seen, 1u);
}

TEST_F(NodeTest, AReadWithoutAQuorumFailsAndSaysWhy) {
  world_.Isolate(leader_);
  std::optional<absl::Status> status;
  world_.node(leader_).Read([&](const absl::Status& read) { status = read; });
  ASSERT_TRUE(world_.Until([&] { return status.has_value(); }));
  EXPECT_FALSE(status->ok());
}

TEST_F(NodeTest, ANodeThatStopsHandsTheLeadOverFirstAndSendsItsClientsAway) {
  world_.Open(leader_, 5, "app");
  world_.node(leader_).BeginStop();
  ASSERT_TRUE(world_.Until([&] { return world_.node(leader_).MayStop(); }, 500));
  bool moved = false;
  for (const auto& message : world_.host(leader_).told[5]) moved |= message.has_move_away();
  EXPECT_TRUE(moved);
  world_.node(leader_).OnClientClosed(5);  // the node closes it, not the application
  world_.Advance(World::kGraceMs + 500);
  EXPECT_NE(world_.node(follower_).ledger().FindSession(license::testing::SessionNamed("app")),
            nullptr);
}

TEST(Node, BeforeTheClusterIsFormedARequestIsRefusedNamingWhoIsMissing) {
  World world;
  world.Kill(3);
  World::Host& host = world.host(1);
  world.Say(1, 5, [] {
    v1::ClientMessage message;
    message.set_id(1);
    message.mutable_open()->set_session(std::string(16, 'x'));
    return message;
  }());
  ASSERT_FALSE(host.told[5].empty());
  EXPECT_THAT(host.told[5][0].failure().reason(), ::testing::HasSubstr("node 3 (27000@127.0.0.3)"));
}

v1::PeerMessage HelloOf(uint32_t slot, char incarnation) {
  v1::PeerMessage message;
  auto* hello = message.mutable_hello();
  hello->set_protocol(kPeerProtocol);
  hello->set_to_slot(1);
  hello->mutable_self()->set_slot(slot);
  hello->mutable_self()->set_incarnation(std::string(16, incarnation));
  hello->set_server_set(license::Sha256(testing::kServerHostIds));
  hello->set_license_hash("h");
  return message;
}

TEST(Node, AStreamThatWasLetInBeforeTheBirthDoesNotSpeakForASlotThatIsAnothers) {
  World world;
  constexpr LinkId kStranger = 77;
  world.node(1).OnIncoming(kStranger, HelloOf(3, 'z'));  // runs as slot 3 too, and came first
  world.node(1).OnIncoming(3, HelloOf(3, 'd'));          // the one that is in the record
  ASSERT_TRUE(world.Until([&] { return world.Leader() != 0; }));
  v1::PeerMessage vote;
  vote.mutable_quorum()->set_term(1'000);
  vote.mutable_quorum()->mutable_vote_request()->set_leadership_transfer(true);
  world.node(1).OnIncoming(kStranger, std::move(vote));
  world.Advance(100);
  EXPECT_LT(world.node(1).Status().term(), 1'000u);
}

TEST(Node, AClusterOfOneServesAlone) {
  World world(1);
  ASSERT_TRUE(world.Until([&] { return world.Leader() == 1; }));
  world.Open(1, 5, "app");
  const uint64_t id = world.Checkout(1, 5, "app", 1);
  EXPECT_TRUE(world.Until([&] { return world.Answer(1, 5, id) != nullptr; }));
  EXPECT_TRUE(world.Answer(1, 5, id)->outcome().has_granted());
}

}  // namespace
}  // namespace triad::server
