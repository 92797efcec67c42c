// Nodes that were away too long, or have lost a part of what they knew, are brought back by the
// others.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

constexpr int kKeptEntries = 20;

class Repair : public ::testing::Test {
 protected:
  static Cluster::Options OptionsOf() {
    Cluster::Options options;
    options.flags = {absl::StrCat("--log-keep-entries=", kKeptEntries)};
    return options;
  }
  // More entries than any log keeps.
  void Work() {
    auto client = Client::Open(OptionsFor(cluster_.path(), "worker"));
    ASSERT_TRUE(client) << client.status().ToString();
    for (int i = 0; i < 2 * kKeptEntries; ++i) {
      auto license = client->Checkout(Want("tserver_sdn"));
      ASSERT_TRUE(license) << license.status().ToString();
      ASSERT_TRUE(license->CheckIn().ok());
    }
  }
  bool Compacted(int node, uint64_t above) {
    return WaitFor([&] {
      const auto status = cluster_.Status(node);
      return status && status->log_start() > above;
    });
  }
  uint64_t Applied(int node) {
    const auto status = cluster_.Status(node);
    return status ? status->applied() : 0;
  }

  Cluster cluster_{OptionsOf()};
};

TEST_F(Repair, AFollowerThatWasAwayLongEnoughCatchesUpByASnapshotAndIsWorthAsMuchAsTheOthers) {
  ASSERT_TRUE(cluster_.Start());
  auto client = Client::Open(OptionsFor(cluster_.path(), "holder"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto held = client->Checkout(Want("tserver_sdn", 3));
  ASSERT_TRUE(held) << held.status().ToString();
  const int leader = cluster_.WaitForLeader();
  const auto [away, other] = cluster_.Others(leader);
  const uint64_t before = Applied(away);
  cluster_.Kill(away);
  Work();
  ASSERT_TRUE(Compacted(leader, before));
  cluster_.StartNode(away);
  ASSERT_TRUE(cluster_.WaitForLog(away, "going on with a received ledger"));
  ASSERT_TRUE(cluster_.WaitForAgreement());
  cluster_.Kill(leader);
  ASSERT_NE(cluster_.WaitForLeader(), 0);
  EXPECT_TRUE(held->CheckIn().ok());
  cluster_.StartNode(leader);
  cluster_.Kill(away);
  cluster_.StartNode(away);
  EXPECT_TRUE(cluster_.WaitForAgreement());
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 0u);
}

TEST_F(Repair, ALostLedgerIsFetchedFromTheOthersWhenTheLogIsTooShortToMakeItAnew) {
  ASSERT_TRUE(cluster_.Start());
  auto client = Client::Open(OptionsFor(cluster_.path(), "holder"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto held = client->Checkout(Want("tserver_sdn", 3));
  ASSERT_TRUE(held) << held.status().ToString();
  Work();
  const int leader = cluster_.WaitForLeader();
  const auto [node, other] = cluster_.Others(leader);
  ASSERT_TRUE(Compacted(node, 0));
  cluster_.Kill(node);
  std::filesystem::remove_all(cluster_.Directory(node) + "/ledger");
  cluster_.StartNode(node);
  ASSERT_TRUE(cluster_.WaitForLog(node, "going on with a received ledger"));
  EXPECT_TRUE(cluster_.WaitForAgreement());
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 3u);
}

// --- Under a new incarnation

class Return : public Repair {
 protected:
  RunResult RunVerb(int node, const std::string& verb, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {TRIAD_TRIADD, verb};
    for (const std::string& flag : cluster_.Flags(node)) command.push_back(flag);
    command.insert(command.end(), more.begin(), more.end());
    return RunToEnd(command);
  }
  bool IsVoter(int node) {
    return WaitFor([&] {
      const auto status = cluster_.Status(node);
      return status && (status->role() == "leader" || status->role() == "follower") &&
             status->nodes(node - 1).member() == "voter";
    });
  }
};

TEST_F(Return, AWipedNodeRejoinsAndTheClusterAgainSurvivesTheLossOfAnother) {
  ASSERT_TRUE(cluster_.Start());
  auto client = Client::Open(OptionsFor(cluster_.path(), "holder"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto held = client->Checkout(Want("tserver_sdn", 3));
  ASSERT_TRUE(held) << held.status().ToString();
  const int leader = cluster_.WaitForLeader();
  const auto [wiped, other] = cluster_.Others(leader);
  cluster_.Kill(wiped);
  std::filesystem::remove_all(cluster_.Directory(wiped));
  // An init instead is no second birth.
  ASSERT_EQ(cluster_.Init(wiped).exit_status, 0);
  cluster_.StartNode(wiped);
  ASSERT_TRUE(cluster_.WaitForLog(wiped, "run triadd rejoin"));
  cluster_.Kill(wiped);
  const RunResult rejoined = RunVerb(wiped, "rejoin");
  ASSERT_EQ(rejoined.exit_status, 0) << rejoined.output;
  cluster_.StartNode(wiped);
  ASSERT_TRUE(IsVoter(wiped));
  ASSERT_TRUE(cluster_.WaitForAgreement());
  cluster_.Kill(leader);
  ASSERT_NE(cluster_.WaitForLeader(), 0);
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 3u);
  EXPECT_TRUE(held->CheckIn().ok());
}

}  // namespace
}  // namespace triad::integration
