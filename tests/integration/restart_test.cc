// All three nodes are killed at once and started again: nothing that was granted is forgotten. And
// they are replaced by another release's, one after the other, forth and back.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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

// --- Two programs ---

// The release after this one; `by` two: the one after that.
std::vector<std::string> NextProgram(int64_t finalise_after_ms, int by = 1) {
  return {"/usr/bin/env", absl::StrCat("TRIAD_NEXT=", by),
          absl::StrCat("TRIAD_NEXT_FINALISE_MS=", finalise_after_ms), TRIAD_TRIADD_NEXT};
}

class RollingUpgrade : public ::testing::Test {
 protected:
  static constexpr int kApplications = 12;
  static constexpr uint64_t kGrantsBetween = 60;
  static constexpr int64_t kLongMs = 3'600'000;
  static Cluster::Options Options() {
    Cluster::Options options;
    options.features = kFleetFeatures;
    return options;
  }
  uint32_t VersionOf(int node) {
    const auto status = cluster_.Status(node);
    return status ? status->cluster_version() : 0;
  }
  bool AllThere() {
    return WaitFor([&] {
      const int leader = cluster_.Leader();
      const auto status = leader == 0 ? std::nullopt : cluster_.Status(leader);
      if (!status || !status->quorum()) return false;
      for (const auto& node : status->nodes()) {
        const auto own = cluster_.Status(static_cast<int>(node.slot()));
        if (!node.connected() || !own || own->leader() != static_cast<uint32_t>(leader) ||
            own->applied() + 1'000 < own->last()) {
          return false;
        }
      }
      return true;
    });
  }
  // As a package's upgrade does it: stopped, replaced, started, whole before the next one's turn.
  void RunEverywhere(const std::vector<std::string>& program, Fleet* fleet) {
    for (int node : {1, 2, 3}) {
      cluster_.Signal(node, SIGTERM);
      ASSERT_EQ(cluster_.process(node).WaitForExit(), 0) << node;
      cluster_.UseProgram(node, program);
      cluster_.StartNode(node);
      ASSERT_TRUE(AllThere()) << node;
      ASSERT_TRUE(fleet->WaitForGrants(kGrantsBetween));
    }
  }

  Cluster cluster_{Options()};
};

TEST_F(RollingUpgrade, CanBeTakenBackUntilItIsFinalAndNoApplicationNoticesAnything) {
  ASSERT_TRUE(cluster_.Start());
  ASSERT_TRUE(WaitFor([&] { return VersionOf(1) > 1; })) << "a new cluster begins with its own";
  const uint32_t old = VersionOf(1);
  Fleet fleet(&cluster_, {cluster_.path()}, kApplications);
  ASSERT_TRUE(fleet.Open());
  fleet.Work();
  ASSERT_TRUE(fleet.WaitForGrants(kGrantsBetween));

  ASSERT_NO_FATAL_FAILURE(RunEverywhere(NextProgram(kLongMs), &fleet));
  EXPECT_TRUE(WaitFor([&] {
    return absl::StrContains(cluster_.Log(cluster_.WaitForLeader()),
                             "any node may go back to the program before");
  }));
  EXPECT_EQ(VersionOf(1), old);
  ASSERT_NO_FATAL_FAILURE(RunEverywhere({}, &fleet)) << "the way back";
  ASSERT_NO_FATAL_FAILURE(RunEverywhere(NextProgram(0), &fleet));
  for (int node : {1, 2, 3}) {
    EXPECT_TRUE(WaitFor([&] { return VersionOf(node) == old + 1; })) << node;
  }
  ASSERT_TRUE(fleet.WaitForGrants(kGrantsBetween));

  // Too late: it says so in one line, and leaves everything as it is.
  cluster_.Signal(2, SIGTERM);
  ASSERT_EQ(cluster_.process(2).WaitForExit(), 0);
  cluster_.UseProgram(2, {});
  cluster_.StartNode(2);
  EXPECT_GT(cluster_.process(2).WaitForExit().value_or(0), 0);
  EXPECT_TRUE(absl::StrContains(
      cluster_.Log(2),
      absl::StrCat("this program is too old: it knows commands up to version ", old,
                   ", the cluster uses ", old + 1, ": upgrade triadd on this host")));
  cluster_.UseProgram(2, NextProgram(0));
  cluster_.StartNode(2);
  ASSERT_TRUE(AllThere());
  ASSERT_TRUE(fleet.WaitForGrants(kGrantsBetween));
  fleet.StopAndCheck();
  EXPECT_TRUE(cluster_.WaitForAgreement());
}

TEST_F(RollingUpgrade, TwoReleasesApartSayTooOld) {
  for (int node : {1, 2, 3}) cluster_.UseProgram(node, NextProgram(0, /*by=*/2));
  ASSERT_TRUE(cluster_.Start());
  const auto client = Client::Open(OptionsFor(cluster_.path(), "old"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.status().code, -83) << client.status().ToString();
  // Nor do nodes: this one's release is two before the others'.
  cluster_.Kill(3);
  cluster_.UseProgram(3, {});
  cluster_.StartNode(3);
  EXPECT_GT(cluster_.process(3).WaitForExit().value_or(0), 0);
  EXPECT_TRUE(absl::StrContains(cluster_.Log(3), "upgrade triadd on this host"));
}

}  // namespace
}  // namespace triad::integration
