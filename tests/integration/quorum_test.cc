// Two of three nodes are enough, one is not; and a node needs no license file of its own.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

constexpr int64_t kRefusalMs = 2'000;

// A checkout that must be granted, by whichever way; it is given back.
void ExpectGrant(const std::string& path) {
  auto client = Client::Open(OptionsFor(path, "visitor"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto license = client->Checkout(Want("tserver_sdn"));
  EXPECT_TRUE(license) << license.status().ToString();
}

bool AllServe(const Cluster& cluster, const std::vector<int>& nodes) {
  return WaitFor([&] {
    for (int node : nodes) {
      const auto status = cluster.Status(node);
      if (!status || !status->quorum()) return false;
    }
    return true;
  });
}

// The refusal names every dead node.
void ExpectRefusal(const Status& status, int64_t took_ms, const Cluster& cluster,
                   const std::vector<int>& dead) {
  EXPECT_EQ(static_cast<int>(status.kind), static_cast<int>(ErrorKind::kNoQuorum))
      << status.ToString();
  EXPECT_LE(took_ms, kRefusalMs) << status.ToString();
  for (int node : dead) {
    EXPECT_TRUE(absl::StrContains(status.ToString(), cluster.Address(node)))
        << "it does not name node " << node << ": " << status.ToString();
  }
}

TEST(Quorum, LicensesAreGrantedWhileAnyOneNodeIsDown) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  auto holder = Client::Open(OptionsFor(cluster.path(), "holder"));
  ASSERT_TRUE(holder) << holder.status().ToString();
  auto held = holder->Checkout(Want("tserver_sdn", 2));
  ASSERT_TRUE(held) << held.status().ToString();
  for (int down : {1, 2, 3}) {
    SCOPED_TRACE(absl::StrCat("node ", down, " is down"));
    cluster.Kill(down);
    const auto [left, right] = cluster.Others(down);
    ExpectGrant(cluster.path());
    ASSERT_TRUE(AllServe(cluster, {left, right}));
    ExpectGrant(cluster.clients().node[left]);
    ExpectGrant(cluster.clients().node[right]);
    auto more = holder->Checkout(Want("tserver_sdn"));
    EXPECT_TRUE(more) << more.status().ToString();
    cluster.StartNode(down);
    ASSERT_TRUE(AllServe(cluster, {1, 2, 3}));
    ExpectGrant(cluster.clients().node[down]);
  }
  EXPECT_EQ(static_cast<int>(held->state()), static_cast<int>(LicenseState::kHeld));
  EXPECT_TRUE(held->CheckIn().ok());
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("tserver_sdn") == 0; }));
}

TEST(Quorum, WithOneNodeUpEveryRequestIsRefusedWithinTwoSecondsNamingTheMissing) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  for (int alive : {1, 2, 3}) {
    SCOPED_TRACE(absl::StrCat("only node ", alive, " is up"));
    auto client = Client::Open(OptionsFor(cluster.path(), "holder"));
    ASSERT_TRUE(client) << client.status().ToString();
    auto held = client->Checkout(Want("tserver_sdn"));
    ASSERT_TRUE(held) << held.status().ToString();
    const uint64_t handle = held->handle();
    const auto [first, second] = cluster.Others(alive);
    cluster.Kill(first);
    cluster.Kill(second);

    // At once, while the node that is left may not have noticed yet; and when it has.
    for (int round = 0; round < 2; ++round) {
      int64_t begin_ms = NowMs();
      auto refused = client->Checkout(Want("tserver_sdn"));
      ASSERT_FALSE(refused);
      ExpectRefusal(refused.status(), NowMs() - begin_ms, cluster, {first, second});
      begin_ms = NowMs();
      auto newcomer = Client::Open(OptionsFor(cluster.path(), "newcomer"));
      ASSERT_FALSE(newcomer);
      ExpectRefusal(newcomer.status(), NowMs() - begin_ms, cluster, {first, second});
    }
    const auto status = cluster.Status(alive);
    ASSERT_TRUE(status);
    EXPECT_FALSE(status->quorum());
    for (int node : {first, second}) {
      EXPECT_TRUE(absl::StrContains(status->waiting_for(), cluster.Address(node)))
          << status->waiting_for();
    }
    // Service comes back by itself with the second node.
    cluster.StartNode(first);
    EXPECT_TRUE(WaitFor([&] { return client->Checkout(Want("tserver_sdn")).ok(); }));
    EXPECT_EQ(held->handle(), handle);
    EXPECT_TRUE(WaitFor([&] { return held->state() == LicenseState::kHeld; }));
    const Status returned = held->CheckIn();
    EXPECT_TRUE(returned.ok()) << returned.ToString();
    cluster.StartNode(second);
    ASSERT_TRUE(AllServe(cluster, {1, 2, 3}));
  }
  // What was refused did not happen.
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("tserver_sdn") == 0; }));
  EXPECT_TRUE(cluster.WaitForAgreement());
}

bool Warns(const Cluster& cluster, int node, const std::string& text) {
  return WaitFor([&] {
    const auto status = cluster.Status(node);
    if (!status) return false;
    for (const std::string& warning : status->warnings()) {
      if (absl::StrContains(warning, text)) return true;
    }
    return false;
  });
}

std::string IssuedBy(const Cluster& cluster, int node, const std::string& feature) {
  std::string issued = "none";
  EXPECT_TRUE(WaitFor([&] {
    const auto usage = cluster.Usage(node);
    if (!usage) return false;
    for (const auto& each : usage->features()) {
      if (each.name() == feature) issued = absl::StrCat(each.issued());
    }
    return true;
  }));
  return issued;
}

TEST(Quorum, ANodeWithAStaleLicenseFileServesTheReplicatedSetAndWarns) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  for (int node : {1, 2, 3}) {
    SCOPED_TRACE(absl::StrCat("node ", node));
    const std::string original = ReadFileOrEmpty(cluster.LicenseFile(node));
    const size_t lines = original.find("FEATURE");
    cluster.Kill(node);
    WriteFileOrDie(
        cluster.LicenseFile(node),
        Signed(original.substr(0, lines) + "FEATURE tserver_sdn genesys.d 7.5 permanent 4\n"
                                           "FEATURE only_here genesys.d 7.5 permanent 4\n"));
    cluster.StartNode(node);
    ASSERT_TRUE(AllServe(cluster, {node}));
    EXPECT_EQ(IssuedBy(cluster, node, "tserver_sdn"), "10");
    EXPECT_EQ(IssuedBy(cluster, node, "only_here"), "none");
    // It names the file and the first line that differs.
    EXPECT_TRUE(Warns(cluster, node, cluster.LicenseFile(node) + ":6")) << cluster.Log(node);
    EXPECT_TRUE(absl::StrContains(cluster.Log(node), cluster.LicenseFile(node) + ":6"));
    ExpectGrant(cluster.clients().node[node]);
    WriteFileOrDie(cluster.LicenseFile(node), original);
  }
}

TEST(Quorum, ANodeWithoutALicenseFileServesTheReplicatedSetAndWarns) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  for (int node : {1, 2, 3}) {
    SCOPED_TRACE(absl::StrCat("node ", node));
    const std::string original = ReadFileOrEmpty(cluster.LicenseFile(node));
    cluster.Kill(node);
    std::filesystem::remove(cluster.LicenseFile(node));
    cluster.StartNode(node);
    ASSERT_TRUE(AllServe(cluster, {node})) << cluster.Log(node);
    EXPECT_EQ(IssuedBy(cluster, node, "tserver_sdn"), "10");
    EXPECT_TRUE(Warns(cluster, node, cluster.LicenseFile(node))) << cluster.Log(node);
    ExpectGrant(cluster.clients().node[node]);
    WriteFileOrDie(cluster.LicenseFile(node), original);
  }
  // All three without: they still serve what they have agreed on.
  for (int node : {1, 2, 3}) cluster.Kill(node);
  for (int node : {1, 2, 3}) std::filesystem::remove(cluster.LicenseFile(node));
  for (int node : {1, 2, 3}) cluster.StartNode(node);
  ASSERT_TRUE(AllServe(cluster, {1, 2, 3}));
  ExpectGrant(cluster.path());
}

// It is made again from the log, the license set included.
TEST(Quorum, ANodeThatLostItsLedgerDatabaseAndItsLicenseFileServesAllTheSame) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  auto holder = Client::Open(OptionsFor(cluster.path(), "holder"));
  ASSERT_TRUE(holder) << holder.status().ToString();
  auto held = holder->Checkout(Want("tserver_sdn", 2));
  ASSERT_TRUE(held) << held.status().ToString();
  const std::string before = Holdings(cluster.UsageOfAny());
  cluster.Kill(3);
  std::filesystem::remove(cluster.LicenseFile(3));
  EXPECT_GT(std::filesystem::remove_all(cluster.Directory(3) + "/ledger"), 0u);
  cluster.StartNode(3);
  ASSERT_TRUE(AllServe(cluster, {3})) << cluster.Log(3);
  EXPECT_TRUE(cluster.WaitForAgreement());
  const auto usage = cluster.Usage(3);
  ASSERT_TRUE(usage);
  EXPECT_EQ(Holdings(*usage), before);
}

}  // namespace
}  // namespace triad::integration
