// One SERVER line: the same program and log, a quorum of one.
#include <gtest/gtest.h>
#include <signal.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/app_process.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

Cluster::Options One() {
  Cluster::Options options;
  options.nodes = 1;
  options.flags = {"--reset-grace=1s"};
  return options;
}

TEST(ClusterOfOne, GrantsAndDeniesLikeThree) {
  Cluster cluster(One());
  ASSERT_TRUE(cluster.Start());
  const auto status = cluster.Status(1);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->role(), "leader");
  auto client = Client::Open(OptionsFor(cluster.path()));
  ASSERT_TRUE(client) << client.status().ToString();
  auto license = client->Checkout(Want("tserver_sdn", 10));
  ASSERT_TRUE(license) << license.status().ToString();
  auto denied = client->Checkout(Want("tserver_sdn"));
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.status().code, -4) << denied.status().ToString();
  EXPECT_TRUE(license->CheckIn().ok());
  EXPECT_EQ(cluster.Used("tserver_sdn"), 0u);
}

TEST(ClusterOfOne, KeepsItsCheckoutsOverARestart) {
  Cluster cluster(One());
  ASSERT_TRUE(cluster.Start());
  auto client = Client::Open(OptionsFor(cluster.path()));
  ASSERT_TRUE(client) << client.status().ToString();
  auto license = client->Checkout(Want("tserver_sdn", 7));
  ASSERT_TRUE(license) << license.status().ToString();
  const uint64_t handle = license->handle();
  const std::string before = Holdings(cluster.UsageOfAny());
  // Killed, and stopped as asked.
  for (int signal : {SIGKILL, SIGTERM}) {
    cluster.process(1).Signal(signal);
    EXPECT_EQ(cluster.process(1).WaitForExit(), signal == SIGTERM ? 0 : 128 + SIGKILL);
    cluster.StartNode(1);
    EXPECT_EQ(Holdings(cluster.UsageOfAny()), before);
    EXPECT_TRUE(WaitFor([&] { return client->status().attached; }));
    EXPECT_EQ(license->handle(), handle);
  }
  EXPECT_TRUE(license->CheckIn().ok());
  EXPECT_EQ(cluster.Used("tserver_sdn"), 0u);
}

// The list of who holds what is made in steps of kUsageUsesAtOnceMax.
TEST(ClusterOfOne, TellsOfMoreCheckoutsThanFitIntoOneStep) {
  constexpr int kTogether = 64;
  constexpr int kTimes = 70;  // two steps and a part
  Cluster::Options options = One();
  options.features = "FEATURE f genesys.d 8.0 permanent 9999\n";
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  auto client = Client::Open(OptionsFor(cluster.path()));
  ASSERT_TRUE(client) << client.status().ToString();
  std::set<uint64_t> handles;
  std::vector<License> licenses;
  for (int i = 0; i < kTimes; ++i) {
    auto some = client->CheckoutTogether(std::vector<CheckoutRequest>(kTogether, Want("f")));
    ASSERT_TRUE(some) << some.status().ToString();
    for (License& license : *some) {
      handles.insert(license.handle());
      licenses.push_back(std::move(license));
    }
  }
  const v1::Usage usage = cluster.UsageOfAny();
  ASSERT_EQ(usage.features_size(), 1);
  EXPECT_EQ(usage.features(0).used(), handles.size());
  std::set<uint64_t> told;
  for (const v1::Use& use : usage.features(0).pools(0).uses()) {
    told.insert(use.holding().handle());
  }
  EXPECT_EQ(told, handles);
}

TEST(ClusterOfOne, FreesTheLicensesOfAKilledApplication) {
  Cluster cluster(One());
  ASSERT_TRUE(cluster.Start());
  AppProcess application(cluster.path(), "doomed");
  ASSERT_NE(application.Checkout("tserver_sdn", 10), 0u);
  application.process().Kill();
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("tserver_sdn") == 0; }, 15'000));
}

}  // namespace
}  // namespace triad::integration
