// A node and its disks: compaction, snapshots and the jump, a disk that hangs or is full, versions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "server/node.h"
#include "server/test_world.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;
using testing::World;

class NodeDiskTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kKeep = 10;

  void SetUp() override {
    Restart([](World::Host& host) { host.log_keep_entries = kKeep; });
    leader_ = world_.Leader();
    follower_ = world_.AFollower();
    other_ = 6 - leader_ - follower_;
  }
  void Restart(const std::function<void(World::Host&)>& change) {
    for (int k = 1; k <= 3; ++k) {
      if (world_.up(k)) world_.Kill(k);
      change(world_.host(k));
    }
    for (int k = 1; k <= 3; ++k) world_.Boot(k);
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
  }
  // Commands that grow the log.
  void Work(int k, int commands, const std::string& name = "worker") {
    if (world_.node(k).ledger().FindSession(license::testing::SessionNamed(name)) == nullptr) {
      token_ = world_.Open(k, 50, name);
      seq_ = 0;
    }
    for (int i = 0; i < commands; ++i) {
      const uint64_t id = world_.Checkout(k, 50, name, seq_ + 1, token_, seq_);
      ++seq_;
      ASSERT_TRUE(world_.Until([&] { return world_.Answer(k, 50, id) != nullptr; }));
    }
    world_.Advance(300);
  }
  bool IsAsFarAs(int k, int other) {
    return world_.node(k).ledger().applied() == world_.node(other).ledger().applied();
  }
  bool CatchesUp(int k) {
    return world_.Until([&] {
      const int leader = world_.Leader();
      return leader != 0 && IsAsFarAs(k, leader) &&
             world_.node(k).ledger().Digest() == world_.node(leader).ledger().Digest();
    });
  }
  static bool Said(const World::Host& host, absl::string_view text) {
    for (const std::string& line : host.lines) {
      if (absl::StrContains(line, text)) return true;
    }
    return false;
  }
  bool Jumped(int k) { return Said(world_.host(k), "a received ledger"); }

  World world_;
  int leader_ = 0;
  int follower_ = 0;
  int other_ = 0;
  std::string token_;
  uint64_t seq_ = 0;
};

TEST_F(NodeDiskTest, TheLogIsCompactedBehindATrailingWindow) {
  Work(leader_, 60);
  for (int k = 1; k <= 3; ++k) {
    const World::Host& host = world_.host(k);
    const uint64_t applied = world_.node(k).ledger().applied().index;
    EXPECT_GT(host.start.index.value(), 0u) << k;
    EXPECT_GE(applied - host.start.index.value(), kKeep) << k;
    EXPECT_LE(applied - host.start.index.value(), 2 * kKeep + 2) << k;
    EXPECT_EQ(host.log.size(), world_.node(k).Status().last() - host.start.index.value()) << k;
    EXPECT_EQ(world_.node(k).Status().log_start(), host.start.index.value());
  }
}

TEST_F(NodeDiskTest, NothingIsForgottenThatTheLedgerHasNotSynced) {
  World::Host& host = world_.host(leader_);
  const uint64_t before = host.start.index.value();
  host.ledger_stuck = true;
  Work(leader_, 60);
  EXPECT_EQ(host.start.index.value(), before);
  host.ledger_stuck = false;
  world_.Advance(500);
  EXPECT_GT(host.start.index.value(), before);
}

TEST_F(NodeDiskTest, ACompactedLogAndItsLedgerAreFoundAfterACrash) {
  Work(leader_, 60);
  const size_t checkouts = world_.CheckoutsAt(leader_);
  Restart([](World::Host&) {});
  for (int k = 1; k <= 3; ++k) {
    EXPECT_TRUE(CatchesUp(k));
    EXPECT_EQ(world_.CheckoutsAt(k), checkouts);
    EXPECT_FALSE(Jumped(k));
  }
}

TEST_F(NodeDiskTest, AFollowerThatWasAwayCatchesUpByASnapshot) {
  world_.Kill(follower_);
  Work(leader_, 60);
  world_.Boot(follower_);
  EXPECT_TRUE(CatchesUp(follower_));
  EXPECT_TRUE(Jumped(follower_));
  EXPECT_GT(world_.host(follower_).chunks_asked, 1);
  // And it is worth as much as the others: the leader may go.
  world_.Kill(leader_);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0 && world_.Leader() != leader_; }));
  Work(other_, 5, "second");
  EXPECT_TRUE(CatchesUp(follower_));
}

TEST_F(NodeDiskTest, AFollowerThatIsNotFarBehindNeedsNoSnapshot) {
  world_.Kill(follower_);
  Work(leader_, 3);
  world_.Boot(follower_);
  EXPECT_TRUE(CatchesUp(follower_));
  EXPECT_FALSE(Jumped(follower_));
}

TEST_F(NodeDiskTest, AfterACrashAtAnyPointOfTheFetchTheNodeCatchesUp) {
  Work(leader_, 5);
  world_.Kill(follower_);
  Work(leader_, 40);
  int jumps = 0;
  for (int point = 0; point < 120; ++point) {
    World::Host& host = world_.host(follower_);
    host.lines.clear();
    world_.Boot(follower_);
    // A disk of its own that is slow makes the points between log and ledger reachable.
    host.ledger_stuck = point % 3 == 1;
    host.disk_stuck = point % 3 == 2;
    world_.Advance(point / 6 * kTickMs);
    host.ledger_stuck = host.disk_stuck = false;
    if (point % 2 == 0) world_.Advance(kTickMs);
    host.ledger_stuck = true;
    if (point % 4 == 0) world_.Advance(kTickMs);
    world_.Kill(follower_);
    host.ledger_stuck = false;
    world_.Boot(follower_);
    ASSERT_TRUE(CatchesUp(follower_)) << "point " << point;
    ASSERT_TRUE(world_.node(follower_).ledger().CheckInvariants().ok());
    jumps += Jumped(follower_);
    world_.Kill(follower_);
    Work(leader_, 25);
  }
  EXPECT_GT(jumps, 50);
}

TEST_F(NodeDiskTest, ADamagedLedgerIsFetchedWhenTheLogIsTooShortToMakeItAnew) {
  Work(leader_, 60);
  world_.Kill(follower_);
  ASSERT_GT(world_.host(follower_).start.index.value(), 0u);
  world_.host(follower_).home.Damage();
  world_.Boot(follower_);
  EXPECT_TRUE(CatchesUp(follower_));
  EXPECT_TRUE(Jumped(follower_));
}

// The leader is gone for good; of the two that are left one has lost its ledger, and so does not
// stand, and the other's log lacks an entry, so that the first does not vote for it. It may not
// even know what is committed: the start of the other's log says so.
TEST_F(NodeDiskTest, ALedgerIsFetchedWhileNobodyCanLead) {
  World::Host& without = world_.host(follower_);
  World::Host& shorter = world_.host(other_);
  shorter.ledger_stuck = true;
  Work(leader_, 60);
  for (int k = 1; k <= 3; ++k) world_.Kill(k);
  shorter.ledger_stuck = false;
  ASSERT_EQ(shorter.start.index.value(), 0u) << "with nothing applied it knows nothing committed";
  ASSERT_GT(without.start.index.value(), 0u);
  without.home.Damage();
  quorum::Entry next = without.log.back();
  next.index = next.index + 1;
  without.log.push_back(next);  // the leader's last, and nobody else's
  world_.Boot(follower_);
  world_.Boot(other_);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }))
      << absl::StrJoin(without.lines, "\n") << "\n--\n"
      << absl::StrJoin(shorter.lines, "\n");
  EXPECT_TRUE(Jumped(follower_));
  EXPECT_TRUE(IsAsFarAs(follower_, other_));
}

TEST_F(NodeDiskTest, TheFetchGoesOnWhenChunksAreSpoiltAndWhenTheLeaderDies) {
  world_.Kill(follower_);
  Work(leader_, 60);
  int spoilt = 0;
  world_.host(follower_).spoil_chunk = [&](v1::SnapshotChunk* chunk) {
    if (chunk->rows_size() > 0 && ++spoilt % 2 == 1) chunk->mutable_rows(0)->set_value("spoilt");
  };
  world_.Boot(follower_);
  ASSERT_TRUE(world_.Until([&] { return world_.host(follower_).chunks_asked > 2; }));
  world_.Kill(leader_);
  world_.Advance(2'000);
  world_.Boot(leader_);
  EXPECT_TRUE(CatchesUp(follower_));
  EXPECT_TRUE(Jumped(follower_));
  EXPECT_GT(spoilt, 3);
}

TEST_F(NodeDiskTest, ANodeThatIsNotOfTheClusterGetsNoSnapshot) {
  v1::SnapshotRequest request;
  request.mutable_hello()->set_protocol(kPeerProtocol);
  request.mutable_hello()->mutable_self()->set_slot(static_cast<uint32_t>(follower_));
  request.mutable_hello()->mutable_self()->set_incarnation(std::string(16, 'z'));
  v1::SnapshotChunk answer;
  world_.node(leader_).OnSnapshotRequest(request, [&](v1::SnapshotChunk chunk) { answer = chunk; });
  EXPECT_NE(answer.refusal(), "");
}

TEST_F(NodeDiskTest, ClientsLearnInAJumpWhatHasBecomeOfTheirSessions) {
  world_.Open(follower_, 5, "gone");
  const std::string token = world_.Open(follower_, 6, "moved");
  world_.Isolate(follower_);
  v1::ClientMessage attach;
  attach.set_id(900);
  attach.mutable_attach()->set_session(license::testing::SessionNamed("moved"));
  attach.mutable_attach()->set_token(token);
  attach.mutable_attach()->set_attachment(2);
  world_.Say(leader_, 9, std::move(attach));
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(leader_, 9, 900) != nullptr; }));
  for (uint64_t n = 1; n <= 7; ++n) {  // nobody beats for the two others
    world_.Beat(leader_, 9, "moved", n);
    world_.Advance(1'000);
  }
  Work(leader_, 60);
  world_.HealAll();
  for (int k = 1; k <= 3; ++k) {
    for (int other = 1; other <= 3; ++other) {
      if (k != other) world_.node(k).OnOutgoingUp(static_cast<quorum::Slot>(other));
    }
  }
  ASSERT_TRUE(CatchesUp(follower_));
  ASSERT_TRUE(Jumped(follower_));
  const auto removed = [&](ConnectionId connection) {
    for (const auto& message : world_.host(follower_).told[connection]) {
      if (message.event().kind() == v1::SessionEvent::REMOVED) return true;
    }
    return false;
  };
  EXPECT_TRUE(removed(5));
  EXPECT_FALSE(removed(6)) << "it lives, on another node";
  world_.host(follower_).told[6].clear();
  world_.Beat(follower_, 6, "moved", 9);
  ASSERT_FALSE(world_.host(follower_).told[6].empty());
  EXPECT_TRUE(world_.host(follower_).told[6].back().heartbeat().acks(0).unknown());
}

TEST_F(NodeDiskTest, ACommandWhoseOutcomeWasJumpedOverIsAnsweredOnceAndForAll) {
  const std::string token = world_.Open(follower_, 5, "app");
  // Its relay comes through, the log does not come back.
  world_.CutOneWay(leader_, follower_);
  world_.CutOneWay(other_, follower_);
  const uint64_t id = world_.Checkout(follower_, 5, "app", 1);
  Work(leader_, 60);
  EXPECT_EQ(world_.node(leader_)
                .ledger()
                .FindSession(license::testing::SessionNamed("app"))
                ->handles.size(),
            1u);
  EXPECT_EQ(world_.Answer(follower_, 5, id), nullptr);
  world_.HealAll();
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, id) != nullptr; }));
  EXPECT_TRUE(Jumped(follower_));
  EXPECT_TRUE(world_.Answer(follower_, 5, id)->outcome().has_granted());
  EXPECT_EQ(world_.node(leader_)
                .ledger()
                .FindSession(license::testing::SessionNamed("app"))
                ->handles.size(),
            1u);
}

// --- The disk itself

TEST_F(NodeDiskTest, WhatIsCommittedIsAppliedInSharesSoThatTheLoopComesRound) {
  Restart([](World::Host& host) {
    host.log_keep_entries = kLogKeepEntries;
    host.apply_at_once = 3;
  });
  leader_ = world_.Leader();
  follower_ = world_.AFollower();
  world_.Kill(follower_);
  Work(leader_, 40);
  world_.host(follower_).most_applied = 0;
  world_.Boot(follower_);
  ASSERT_TRUE(CatchesUp(follower_));
  EXPECT_FALSE(Jumped(follower_)) << "nothing was applied";
  EXPECT_GE(world_.host(follower_).most_applied, 1u);
  EXPECT_LE(world_.host(follower_).most_applied, 3u);
}

TEST_F(NodeDiskTest, ApplyingWaitsForTheLedgersDiskSoThatNoUsageRecordIsLost) {
  Restart([](World::Host& host) {
    host.log_keep_entries = kLogKeepEntries;
    host.usage_hold_bytes = 500;
  });
  leader_ = world_.Leader();
  follower_ = world_.AFollower();
  ASSERT_TRUE(world_.Until([&] {  // from then on records are made
    return world_.node(follower_).ledger().cluster_version() == license::kCommandVersion;
  }));
  world_.host(follower_).ledger_stuck = true;
  Work(leader_, 20);
  EXPECT_FALSE(IsAsFarAs(follower_, leader_)) << "it went on making records";
  world_.host(follower_).ledger_stuck = false;
  EXPECT_TRUE(CatchesUp(follower_));

  // One that hangs stops no licensing: for a while it waits, then it goes on.
  world_.host(follower_).ledger_stuck = true;
  Work(leader_, 20);
  EXPECT_FALSE(IsAsFarAs(follower_, leader_));
  world_.Advance(kUsageHoldMs);
  EXPECT_TRUE(IsAsFarAs(follower_, leader_));
}

TEST_F(NodeDiskTest, ALeaderThatIsBehindWithApplyingTakesNothingNew) {
  Restart([](World::Host& host) {
    host.apply_at_once = 1;
    host.usage_hold_bytes = 500;
  });
  leader_ = world_.Leader();
  ASSERT_TRUE(world_.Until(
      [&] { return world_.node(leader_).ledger().cluster_version() == license::kCommandVersion; }));
  token_ = world_.Open(leader_, 50, "worker");
  world_.host(leader_).ledger_stuck = true;
  constexpr uint64_t kAsked = 40;
  for (uint64_t seq = 1; seq <= kAsked; ++seq) {
    world_.Checkout(leader_, 50, "worker", seq, token_);
    world_.Advance(kTickMs);
  }
  const auto status = world_.node(leader_).Status();
  EXPECT_GT(status.last(), status.applied()) << "it waits for its disk";
  EXPECT_LE(status.last() - status.applied(), kApplyBehindMax + 1);
  world_.host(leader_).ledger_stuck = false;
  EXPECT_TRUE(world_.Until([&] {
    return world_.node(leader_).Status().last() >= status.last() + kAsked / 2 &&
           IsAsFarAs(follower_, leader_);
  }));
}

TEST_F(NodeDiskTest, ADiskThatHangsForGoodEndsTheProcess) {
  world_.host(leader_).disk_stuck = true;
  world_.Checkout(leader_, 5, "nobody", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.node(leader_).fatal().has_value(); }));
  EXPECT_TRUE(world_.node(leader_).disk_failed());
  EXPECT_THAT(*world_.node(leader_).fatal(), HasSubstr("has not finished a write"));
  EXPECT_FALSE(world_.node(follower_).fatal().has_value());
}

TEST_F(NodeDiskTest, ANodeThatStoodStillDoesNotTakeThatForASlowDisk) {
  world_.host(leader_).disk_stuck = true;
  world_.Checkout(leader_, 5, "nobody", 1);
  world_.StandStill(leader_, kDiskHangFatalMs * 2);
  world_.host(leader_).disk_stuck = false;
  world_.Advance(1'000);
  EXPECT_FALSE(world_.node(leader_).fatal().has_value());
}

TEST_F(NodeDiskTest, AFollowerWhoseDiskHangsDoesNotStandForElection) {
  world_.host(follower_).disk_stuck = true;
  Work(leader_, 1);
  world_.Advance(1'000);
  const uint64_t term = world_.node(leader_).Status().term();
  world_.Advance(3'000);
  EXPECT_EQ(world_.node(leader_).Status().term(), term);
}

TEST_F(NodeDiskTest, OneNodeShortOfSpaceIsToldOfTwoStopCheckoutsOnly) {
  world_.Open(follower_, 5, "app");
  const uint64_t first = world_.Checkout(follower_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, first) != nullptr; }));
  const uint64_t handle =
      world_.Answer(follower_, 5, first)->outcome().granted().holdings(0).handle();
  world_.host(follower_).free_bytes = kDiskFloorBytes - 1;
  world_.Advance(2'000);
  EXPECT_THAT(world_.node(follower_).Status().warnings(),
              ::testing::Contains(HasSubstr("too little disk space")));
  const uint64_t second = world_.Checkout(follower_, 5, "app", 2);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, second) != nullptr; }));
  EXPECT_TRUE(world_.Answer(follower_, 5, second)->has_outcome());
  world_.host(leader_).free_bytes = kDiskFloorBytes - 1;
  world_.Advance(2'000);
  for (const int k : {follower_, leader_}) {
    const std::string token = k == leader_ ? world_.Open(leader_, 6, "new") : "";
    const std::string name = k == leader_ ? "new" : "app";
    const ConnectionId connection = k == leader_ ? 6 : 5;
    const uint64_t id = world_.Checkout(k, connection, name, 3);
    ASSERT_TRUE(world_.Until([&] { return world_.Answer(k, connection, id) != nullptr; }));
    const v1::Failure& failure = world_.Answer(k, connection, id)->failure();
    EXPECT_EQ(failure.why(), v1::Failure::DISK_LOW) << k;
    EXPECT_TRUE(failure.certain()) << k;
    EXPECT_THAT(failure.reason(), HasSubstr(absl::StrCat("nodes ", std::min(leader_, follower_),
                                                         " and ", std::max(leader_, follower_))));
  }
  // What was granted before is answered again, as it was.
  const uint64_t asked_again = world_.Checkout(follower_, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, asked_again) != nullptr; }));
  EXPECT_TRUE(world_.Answer(follower_, 5, asked_again)->outcome().has_granted());
  v1::ClientMessage checkin;
  checkin.set_id(950);
  auto* request = checkin.mutable_request();
  request->set_session(license::testing::SessionNamed("app"));
  request->set_seq(4);
  request->mutable_checkin()->set_handle(handle);
  world_.Say(follower_, 5, std::move(checkin));
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, 950) != nullptr; }));
  EXPECT_TRUE(world_.Answer(follower_, 5, 950)->outcome().has_done());
  world_.Beat(follower_, 5, "app", 1);
  EXPECT_TRUE(world_.Until([&] { return world_.Acked(follower_, 5) == 1; }, 2'000));
  world_.host(leader_).free_bytes = kDiskFloorBytes * 2;
  world_.Advance(2'000);
  const uint64_t again = world_.Checkout(follower_, 5, "app", 5);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(follower_, 5, again) != nullptr; }));
  EXPECT_TRUE(world_.Answer(follower_, 5, again)->outcome().has_granted());
}

// --- Versions

TEST_F(NodeDiskTest, ANewCommandWaitsUntilAllNodesKnowItAndNamesTheOneThatDoesNot) {
  Restart([&](World::Host& host) { host.version = host.slot == 2 ? 1 : 2; });
  world_.Advance(1'000);
  std::optional<absl::Status> status;
  const auto install = [&](int k) {
    status.reset();
    world_.node(k).ProposeInstall(license::testing::SetOf("FEATURE f acme 1.0 permanent 9\n", 0),
                                  [&](const absl::Status& done) { status = done; });
    return world_.Until([&] { return status.has_value(); });
  };
  for (const int k : {1, 3}) {
    ASSERT_TRUE(install(k));
    EXPECT_EQ(status->code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status->message()), HasSubstr("node 2 has too old a program"));
  }
  Restart([](World::Host& host) { host.version = 2; });
  ASSERT_TRUE(world_.Until([&] { return world_.node(1).ledger().cluster_version() == 2; }, 5'000));
  for (const int k : {1, 2, 3}) {
    ASSERT_TRUE(install(k));
    EXPECT_TRUE(status->ok()) << *status;
  }
  world_.Advance(500);
  for (int k = 1; k <= 3; ++k) EXPECT_EQ(world_.node(k).ledger().license_set_number(), 4u);
}

// Two releases, the second of which knows version 3: one node after the other, back again, and
// forward for good; licenses are granted all the while.
class RollingUpgradeTest : public NodeDiskTest {
 protected:
  static constexpr int64_t kFinaliseMs = 5'000;
  void SetUp() override {
    Restart([](World::Host& host) {
      host.version = 2;
      host.finalise_after_ms = kFinaliseMs;
    });
  }
};

TEST_F(RollingUpgradeTest, CanGoBackUntilItIsFinalised) {
  const auto version_is = [&](uint32_t version) {
    return world_.Until(
        [&] {
          const int leader = world_.Leader();
          return leader != 0 && world_.node(leader).ledger().cluster_version() == version;
        },
        5'000);
  };
  ASSERT_TRUE(version_is(2)) << "a new cluster has nothing to go back to";
  int runs = 0;
  const auto run = [&](int k, uint32_t version) {
    world_.Kill(k);
    world_.host(k).version = version;
    world_.Boot(k);
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0 && CatchesUp(k); }));
    Work(world_.Leader(), 2, absl::StrCat("worker ", ++runs));
  };
  for (int k = 1; k <= 3; ++k) run(k, 3);
  world_.Advance(kFinaliseMs / 2);
  ASSERT_TRUE(version_is(2)) << "not for long enough";
  // The way back, and forward again.
  for (int k : {2, 3, 1}) run(k, 2);
  world_.Advance(2 * kFinaliseMs);
  ASSERT_TRUE(version_is(2));
  for (int k : {3, 1, 2}) run(k, 3);
  ASSERT_TRUE(version_is(2)) << "the time begins anew";
  world_.Advance(2 * kFinaliseMs);
  ASSERT_TRUE(version_is(3));
  for (int k = 1; k <= 3; ++k) EXPECT_FALSE(world_.node(k).fatal().has_value());
  // Now it is too late, and the old program says so.
  world_.Kill(2);
  world_.host(2).version = 2;
  world_.Boot(2);
  ASSERT_TRUE(world_.Until([&] { return world_.node(2).fatal().has_value(); }));
  EXPECT_THAT(*world_.node(2).fatal(), HasSubstr("this program is too old"));
}

TEST_F(NodeDiskTest, AProgramThatIsTooOldStopsAndSkipsNothing) {
  ASSERT_TRUE(world_.Until(
      [&] { return world_.node(leader_).ledger().cluster_version() == license::kCommandVersion; },
      5'000));
  world_.Kill(follower_);
  world_.host(follower_).version = 1;
  world_.Boot(follower_);
  ASSERT_TRUE(world_.Until([&] { return world_.node(follower_).fatal().has_value(); }));
  EXPECT_THAT(*world_.node(follower_).fatal(), HasSubstr("this program is too old"));
  EXPECT_FALSE(world_.node(follower_).disk_failed());
}

}  // namespace
}  // namespace triad::server
