// Where a client can reach matters little: one node, any node, is enough; and a client of a
// survivor notices nothing when another node dies.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

TEST(Reach, AClientThatReachesOnlyAFollowerWorks) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  const int leader = cluster.WaitForLeader();
  for (int node : cluster.Others(leader)) {
    SCOPED_TRACE(absl::StrCat("node ", node));
    auto client = Client::Open(OptionsFor(cluster.clients().node[node], "far"));
    ASSERT_TRUE(client) << client.status().ToString();
    EXPECT_EQ(client->status().servers, 1);
    auto license = client->Checkout(Want("tserver_sdn", 10));
    ASSERT_TRUE(license) << license.status().ToString();
    EXPECT_EQ(license->count(), 10u);
    EXPECT_EQ(license->node(), static_cast<uint32_t>(node));
    EXPECT_EQ(client->status().node, static_cast<uint32_t>(node));
    EXPECT_EQ(cluster.Used("tserver_sdn"), 10u);
    auto denied = client->Checkout(Want("tserver_sdn"));
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.status().code, -4) << denied.status().ToString();
    const Status returned = license->CheckIn();
    EXPECT_TRUE(returned.ok()) << returned.ToString();
    EXPECT_EQ(cluster.Used("tserver_sdn"), 0u);
  }
}

// What it checked out and asks for afterwards, all through the one node that it knows.
TEST(Reach, AClientOfOneFollowerWorksWhileTheLeadMoves) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  const int leader = cluster.WaitForLeader();
  const int follower = cluster.Others(leader)[0];
  auto client = Client::Open(OptionsFor(cluster.clients().node[follower], "far"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto before = client->Checkout(Want("tserver_sdn"));
  ASSERT_TRUE(before) << before.status().ToString();
  cluster.Kill(leader);
  auto after = client->Checkout(Want("tserver_sdn"));
  ASSERT_TRUE(after) << after.status().ToString();
  EXPECT_TRUE(before->CheckIn().ok());
  EXPECT_EQ(cluster.Used("tserver_sdn"), 1u);
}

TEST(Reach, ClientsOfASurvivorSeeNoDisconnectWhenTheLeaderDies) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  const int leader = cluster.WaitForLeader();
  std::atomic<int> events{0};
  std::vector<Client> clients;
  std::vector<License> licenses;
  std::vector<int> attached_to;
  for (int i = 0; i < 10; ++i) {
    const int node = cluster.Others(leader)[i % 2];
    auto options = OptionsFor(cluster.clients().node[node], absl::StrCat("app", i));
    options.on_event = [&](const Event&) { ++events; };
    auto client = Client::Open(options);
    ASSERT_TRUE(client) << client.status().ToString();
    auto license = client->Checkout(Want("tserver_sdn"));
    ASSERT_TRUE(license) << license.status().ToString();
    clients.push_back(*std::move(client));
    licenses.push_back(*std::move(license));
    attached_to.push_back(node);
  }
  const std::string before = Holdings(cluster.UsageOfAny(), /*with_node=*/true);
  cluster.Kill(leader);
  // Through the election, looked at all the time.
  EXPECT_TRUE(WaitFor([&] {
    for (size_t i = 0; i < clients.size(); ++i) {
      const ClientStatus status = clients[i].status();
      EXPECT_TRUE(status.attached) << "app" << i;
      EXPECT_EQ(status.node, static_cast<uint32_t>(attached_to[i])) << "app" << i;
    }
    const int next = cluster.Leader();
    return (next != 0 && next != leader) || ::testing::Test::HasFailure();
  }));
  EXPECT_EQ(Holdings(cluster.UsageOfAny(), /*with_node=*/true), before);
  for (License& each : licenses) {
    EXPECT_EQ(static_cast<int>(each.state()), static_cast<int>(LicenseState::kHeld));
    const Status returned = each.CheckIn();
    EXPECT_TRUE(returned.ok()) << returned.ToString();
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_EQ(clients[i].status().node, static_cast<uint32_t>(attached_to[i]));
    for (const std::string& line : clients[i].Diagnostics()) {
      EXPECT_EQ(line.find("lost"), std::string::npos) << line;
    }
  }
  EXPECT_EQ(events, 0);
}

}  // namespace
}  // namespace triad::integration
