// All three nodes are killed at once and started again: nothing that was granted is forgotten.
#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "tests/integration/cluster.h"
#include "tests/integration/fleet.h"

namespace triad::integration {
namespace {

TEST(Restart, EveryCheckoutIsThereAfterAllThreeWereKilled) {
  Cluster::Options options;
  options.features =
      "FEATURE tserver_sdn genesys.d 8.0 permanent 100\n"
      "FEATURE router_seats genesys.d 8.0 permanent 1000\n";
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  std::mutex mutex;
  std::vector<std::string> events;
  auto client_options = OptionsFor(cluster.path(), "holder");
  client_options.on_event = [&](const Event& event) {
    const std::lock_guard lock(mutex);
    if (event.kind == Event::Kind::kUnconfirmed || event.kind == Event::Kind::kReconnected) return;
    events.emplace_back(EventName(event.kind) + (": " + event.reason));
  };
  std::vector<Client> clients;
  std::vector<License> licenses;
  std::vector<uint64_t> handles;
  for (int i = 0; i < 20; ++i) {
    auto client = Client::Open(client_options);
    ASSERT_TRUE(client) << client.status().ToString();
    for (const CheckoutRequest& request :
         {CheckoutRequest{"tserver_sdn", "", 3}, CheckoutRequest{"router_seats", "8.0", 7}}) {
      auto license = client->Checkout(request);
      ASSERT_TRUE(license) << license.status().ToString();
      handles.push_back(license->handle());
      licenses.push_back(*std::move(license));
    }
    clients.push_back(*std::move(client));
  }
  const std::string before = Holdings(cluster.UsageOfAny());

  for (int node : {1, 2, 3}) cluster.process(node).Signal(9);
  for (int node : {1, 2, 3}) cluster.Kill(node);
  for (int node : {1, 2, 3}) cluster.StartNode(node);
  EXPECT_EQ(Holdings(cluster.UsageOfAny()), before);
  EXPECT_TRUE(WaitFor([&] {
    for (const Client& each : clients) {
      if (!each.status().attached) return false;
    }
    return true;
  })) << "not all applications have come back";
  for (size_t i = 0; i < licenses.size(); ++i) {
    EXPECT_TRUE(WaitFor([&] { return licenses[i].state() == LicenseState::kHeld; }))
        << "handle " << handles[i];
    EXPECT_EQ(licenses[i].handle(), handles[i]);
  }
  // With the same start times, handles and counts, after everybody is attached again.
  EXPECT_EQ(Holdings(cluster.UsageOfAny()), before);
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(absl::StrJoin(events, "\n"), "");
  }
  // They go on: what they hold can be given back, and asked for again.
  for (License& each : licenses) {
    const Status status = each.CheckIn();
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  EXPECT_EQ(cluster.Used("tserver_sdn"), 0u);
  EXPECT_TRUE(clients[0].Checkout(Want("tserver_sdn", 100)));
  EXPECT_TRUE(cluster.WaitForAgreement());
}

TEST(Restart, FiftyApplicationsAtWorkGoOnAfterAllThreeWereKilled) {
  Cluster::Options options;
  options.features = kFleetFeatures;
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  Fleet fleet(&cluster, {cluster.path()});
  ASSERT_TRUE(fleet.Open());
  fleet.Work();
  ASSERT_TRUE(fleet.WaitForGrants(150));
  const int64_t fault_ms = NowMs();
  for (int node : {1, 2, 3}) cluster.process(node).Signal(9);
  for (int node : {1, 2, 3}) cluster.Kill(node);
  for (int node : {1, 2, 3}) cluster.StartNode(node);
  ASSERT_TRUE(fleet.WaitForGrants(300));
  fleet.PrintGap("all three SIGKILL and started again", fault_ms);
  fleet.StopAndCheck();
  EXPECT_TRUE(cluster.WaitForAgreement());
}

}  // namespace
}  // namespace triad::integration
