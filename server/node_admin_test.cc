// What administrators ask of a node, and what nodes say of each other's clocks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "server/node.h"
#include "server/test_world.h"
#include "server/usage.h"

namespace triad::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::World;

constexpr int64_t kMinuteMs = 60'000;

class NodeAdminTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
    world_.Advance(1'000);
  }
  using Told = std::optional<absl::StatusOr<v1::RereadResponse>>;

  // `lines` are what node `k` has on its disk now; "": an empty file.
  void Ask(int k, absl::string_view lines, bool dry_run, Told* told) {
    auto files = std::make_shared<Node::ReadFiles>();
    if (lines.empty()) {
      files->files.add_license_files()->set_name("empty.dat");
    } else {
      files->files = license::testing::SetOf(lines, 0);
    }
    files->catalog = license::Catalog::Build(SourcesOf(files->files));
    files->from = static_cast<uint32_t>(k);
    files->own = true;
    world_.node(k).Reread(files, dry_run,
                          [told](const absl::StatusOr<v1::RereadResponse>& r) { *told = r; });
  }
  absl::StatusOr<v1::RereadResponse> Reread(int k, absl::string_view lines, bool dry_run = false) {
    Told told;
    Ask(k, lines, dry_run, &told);
    world_.Until([&] { return told.has_value(); });
    return told.value_or(absl::UnknownError("no answer"));
  }
  uint64_t SetNumber(int k) { return world_.node(k).ledger().license_set_number(); }
  std::vector<std::string> WarningsOf(int k) {
    const v1::NodeStatus status = world_.node(k).Status();
    return {status.warnings().begin(), status.warnings().end()};
  }

  World world_;
};

TEST_F(NodeAdminTest, ARereadTellsWhatChangesAndInstallsItOnAllNodes) {
  const int follower = world_.AFollower();
  const auto told = Reread(follower, "FEATURE f acme 1.0 permanent 5\n");
  ASSERT_TRUE(told.ok()) << told.status();
  ASSERT_EQ(told->changes_size(), 1);
  EXPECT_EQ(told->changes(0).licenses_before(), 2u);
  EXPECT_EQ(told->changes(0).licenses_after(), 5u);
  EXPECT_EQ(told->license_set_number(), 2u);
  EXPECT_EQ(told->from(), static_cast<uint32_t>(follower));
  EXPECT_TRUE(
      world_.Until([&] { return SetNumber(1) == 2 && SetNumber(2) == 2 && SetNumber(3) == 2; }));
}

constexpr char kLicensed[] = "FEATURE f acme 1.0 permanent 2\n";

// The SERVER line names any machine at first; node 1 comes back on one that it does not name.
class NodeRelicenseTest : public NodeAdminTest {
 protected:
  void SetUp() override {
    NodeAdminTest::SetUp();
    ASSERT_TRUE(world_.Until([&] { return AllHave(license::kRelicenseVersion); }));
    world_.host(1).other_host_id = "0000000000bb";
    world_.Rejoin(1);
    ASSERT_TRUE(world_.Until([&] { return Waived(1) && Voters() == 3; }));
  }
  bool AllHave(uint32_t version) {
    for (int k = 1; k <= 3; ++k) {
      if (world_.node(k).ledger().cluster_version() < version) return false;
    }
    return true;
  }
  bool Waived(int seen_by) {
    for (const auto& node : world_.node(seen_by).ledger().members().nodes()) {
      if (node.waiver()) return true;
    }
    return false;
  }
  size_t Voters() {
    const auto* core = world_.node(2).core();
    return core == nullptr ? 0 : core->members().voters();
  }
  absl::StatusOr<v1::RereadResponse> RereadOn(int k, const std::string& host_id) {
    auto files = std::make_shared<Node::ReadFiles>();
    files->files = license::testing::SetOn("SERVER lic1 " + host_id + " 27000\n", kLicensed, 0);
    files->catalog = license::Catalog::Build(SourcesOf(files->files));
    set_ = absl::HexStringToBytes(files->catalog.server_set());
    files->own = true;
    Told told;
    world_.node(k).Reread(files, /*dry_run=*/false, "",
                          [&told](const absl::StatusOr<v1::RereadResponse>& r) { told = r; });
    world_.Until([&] { return told.has_value(); });
    return told.value_or(absl::UnknownError("no answer"));
  }

  bool RoleIs(int k, const std::string& role) { return world_.node(k).Status().role() == role; }

  std::string set_;  // of the last reread
};

TEST_F(NodeRelicenseTest, TheReissuedFileEndsTheWaiverOnAllNodes) {
  EXPECT_FALSE(RereadOn(2, "0000000000bc").ok());
  EXPECT_TRUE(Waived(2));
  const auto told = RereadOn(2, "0000000000bb");
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_TRUE(world_.Until([&] {
    return !Waived(1) && !Waived(2) && !Waived(3) && world_.host(1).identity.server_set == set_ &&
           world_.host(2).identity.server_set == set_ && world_.host(3).identity.server_set == set_;
  }));
  EXPECT_THAT(WarningsOf(1), Not(Contains(HasSubstr("waiver"))));
}

TEST_F(NodeRelicenseTest, ANodeThatWasAwayHearsOfItWhenItIsBack) {
  const std::string before = world_.host(3).identity.server_set;
  world_.Kill(3);
  ASSERT_TRUE(RereadOn(2, "0000000000bb").ok());
  ASSERT_TRUE(world_.Until([&] { return world_.host(2).identity.server_set == set_; }));
  EXPECT_EQ(world_.host(3).identity.server_set, before);
  world_.Boot(3);
  EXPECT_TRUE(world_.Until([&] { return world_.host(3).identity.server_set == set_; }));
  EXPECT_FALSE(Waived(3));
}

TEST_F(NodeRelicenseTest, WhoLosesItsDiskAfterwardsComesBackWithTheNewFileOnly) {
  const std::string before = world_.host(1).identity.server_set;
  ASSERT_TRUE(RereadOn(2, "0000000000bb").ok());
  ASSERT_TRUE(world_.Until([&] { return world_.host(1).identity.server_set == set_; }));
  world_.Kill(1);
  world_.host(1).identity.server_set = before;  // it was given the old file
  world_.Rejoin(1);
  EXPECT_FALSE(world_.Until([&] { return Voters() == 3 && RoleIs(1, "follower"); }));
  world_.Kill(1);
  world_.host(1).identity.server_set = set_;
  world_.host(1).other_host_id.clear();
  world_.Rejoin(1);
  EXPECT_TRUE(world_.Until([&] { return Voters() == 3 && RoleIs(1, "follower"); }));
  EXPECT_FALSE(Waived(2));
}

// The machine that was licensed before, with its old data and its old file: it is no licensed one
// any more, whatever it makes of that file.
TEST_F(NodeRelicenseTest, TheOldMachineComesBackOnAWaiverOnly) {
  ASSERT_TRUE(RereadOn(2, "0000000000bb").ok());
  ASSERT_TRUE(world_.Until([&] { return !Waived(2); }));
  world_.Kill(1);
  world_.host(1).other_host_id = "0000000000aa";
  world_.host(1).believes_licensed = true;
  world_.host(1).log_damaged = true;
  world_.Boot(1);
  EXPECT_TRUE(world_.Until([&] { return Voters() == 3 && RoleIs(1, "follower"); }));
  EXPECT_TRUE(Waived(2));
}

// The others know of the newcomer's waiver before the leader does, whose ledger's disk is slow.
TEST_F(NodeAdminTest, ALeaderThatIsBehindMakesNoVoterOfAWaiverThatItDoesNotKnow) {
  ASSERT_TRUE(world_.Until(
      [&] { return world_.node(1).ledger().cluster_version() == license::kCommandVersion; }));
  for (int k = 1; k <= 3; ++k) {
    world_.Kill(k);
    world_.host(k).usage_hold_bytes = 200;
  }
  for (int k = 1; k <= 3; ++k) world_.Boot(k);
  ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
  const int leader = world_.Leader();
  const int other = leader == 3 ? 2 : 3;
  world_.host(leader).ledger_stuck = true;
  const std::string token = world_.Open(leader, 50, "app");
  world_.host(other).other_host_id = "0000000000bb";
  world_.Rejoin(other);
  for (uint64_t seq = 1; seq <= 4; ++seq) world_.Checkout(leader, 50, "app", seq, token);
  world_.Advance(2 * kUsageHoldMs);
  world_.host(leader).ledger_stuck = false;
  ASSERT_TRUE(world_.Until([&] {
    const auto* core = world_.node(leader).core();
    return core != nullptr && core->members().voters() == 3;
  }));
  world_.Advance(1'000);
  for (int k = 1; k <= 3; ++k) {
    int waivers = 0;
    for (const auto& node : world_.node(k).ledger().members().nodes()) waivers += node.waiver();
    EXPECT_EQ(waivers, 1) << k;
  }
}

TEST_F(NodeAdminTest, ADryRunInstallsNothing) {
  const auto told = Reread(1, "FEATURE f acme 1.0 permanent 5\n", /*dry_run=*/true);
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->changes_size(), 1);
  EXPECT_EQ(told->license_set_number(), 0u);
  world_.Advance(1'000);
  EXPECT_EQ(SetNumber(1), 1u);
}

TEST_F(NodeAdminTest, WhoHoldsMoreThanIsLeftIsNamed) {
  world_.Open(1, 5, "app");
  const uint64_t id = world_.Checkout(1, 5, "app", 1);
  world_.Checkout(1, 5, "app", 2);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(1, 5, id) != nullptr; }));
  const auto told = Reread(1, "FEATURE f acme 1.0 permanent 1\n", /*dry_run=*/true);
  ASSERT_TRUE(told.ok()) << told.status();
  ASSERT_EQ(told->changes_size(), 1);
  EXPECT_EQ(told->changes(0).in_use(), 2u);
  EXPECT_EQ(told->changes(0).affected_size(), 2);
}

TEST_F(NodeAdminTest, ASetWithoutALineToServeIsRefusedAndADryRunSaysSo) {
  const auto refused = Reread(1, "");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("nothing was changed"));
  EXPECT_EQ(SetNumber(1), 1u);
  const auto dry = Reread(1, "", /*dry_run=*/true);
  ASSERT_TRUE(dry.ok());
  EXPECT_THAT(dry->refusal(), HasSubstr("no license line"));
}

TEST_F(NodeAdminTest, WithoutQuorumARereadCertainlyDidNothing) {
  const int leader = world_.Leader();
  for (int k = 1; k <= 3; ++k) {
    if (k != leader) world_.Kill(k);
  }
  const auto told = Reread(leader, "FEATURE f acme 1.0 permanent 5\n");
  EXPECT_EQ(told.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(NodeAdminTest, ARereadInTheMiddleOfAFailoverTakesEffectOnceOrSaysThatItDidNot) {
  for (int round = 0; round < 8; ++round) {
    const int leader = world_.Leader();
    const int follower = world_.AFollower();
    const uint64_t before = SetNumber(follower);
    Told told;
    Ask(follower, absl::StrCat("FEATURE f acme 1.0 permanent ", 10 + round, "\n"), false, &told);
    for (int step = 0; step < round; ++step) world_.node(follower).Flush();
    if (round % 2 == 0) world_.Advance(round * 5);
    world_.Kill(leader);
    ASSERT_TRUE(world_.Until([&] { return told.has_value() && world_.Leader() != 0; }));
    world_.Boot(leader);
    world_.Advance(2'000);
    const uint64_t after = SetNumber(world_.Leader());
    if (told->ok()) {
      EXPECT_EQ(after, before + 1) << "round " << round;
    } else if (told->status().code() == absl::StatusCode::kFailedPrecondition) {
      EXPECT_EQ(after, before) << "round " << round << " " << told->status();
    } else {
      EXPECT_LE(after, before + 1) << "round " << round;
    }
  }
}

TEST_F(NodeAdminTest, FilesThatDifferAreWarnedAboutUntilTheyAreReread) {
  ASSERT_TRUE(Reread(1, "FEATURE f acme 1.0 permanent 5\n").ok());
  world_.Advance(100);
  EXPECT_THAT(WarningsOf(1), IsEmpty());
  EXPECT_THAT(WarningsOf(2), Contains(HasSubstr("differ from the installed set, first at")));
  const auto told = Reread(2, "FEATURE f acme 1.0 permanent 5\n");
  ASSERT_TRUE(told.ok());
  EXPECT_THAT(WarningsOf(2), Not(Contains(HasSubstr("differ"))));
}

TEST_F(NodeAdminTest, ANodeWithAnotherClockOrZoneIsWarnedAboutByTheLeader) {
  const int follower = world_.AFollower();
  world_.host(follower).wall_ahead_ms = -7'000;
  world_.host(follower).utc_offset_s = -12'600;
  world_.Advance(3'000);
  const auto warnings = WarningsOf(world_.Leader());
  EXPECT_THAT(warnings,
              Contains(HasSubstr(absl::StrCat("clock of node ", follower, " is 7 s behind"))));
  EXPECT_THAT(warnings, Contains(HasSubstr("UTC-3:30")));
  world_.host(follower).wall_ahead_ms = -3'000;
  world_.host(follower).utc_offset_s = 0;
  world_.Advance(3'000);
  EXPECT_THAT(WarningsOf(world_.Leader()), IsEmpty());
}

TEST_F(NodeAdminTest, ALeaderWhoseClockIsMinutesOffTheTwoOthersHandsOver) {
  const int leader = world_.Leader();
  world_.host(leader).wall_ahead_ms = 5 * kMinuteMs;
  EXPECT_TRUE(world_.Until([&] { return world_.Leader() != leader && world_.Leader() != 0; }));
  const int next = world_.Leader();
  world_.Advance(30'000);
  EXPECT_EQ(world_.Leader(), next) << "it stays there";
}

TEST_F(NodeAdminTest, OthersThatDoNotAgreeTakeNoLeadAway) {
  const int leader = world_.Leader();
  const int follower = world_.AFollower();
  world_.host(leader).wall_ahead_ms = 5 * kMinuteMs;
  world_.host(follower).wall_ahead_ms = 10 * kMinuteMs;
  world_.Advance(30'000);
  EXPECT_EQ(world_.Leader(), leader);
}

}  // namespace
}  // namespace triad::server
