// A node fails under fifty applications at work: none of them notices.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "tests/integration/cluster.h"
#include "tests/integration/fleet.h"

namespace triad::integration {
namespace {

constexpr uint64_t kWarmUp = 150;
constexpr uint64_t kAfterwards = 400;

Cluster::Options FleetOptions(bool cuttable = false, std::vector<std::string> flags = {}) {
  Cluster::Options options;
  options.features = kFleetFeatures;
  options.cuttable = cuttable;
  options.flags = std::move(flags);
  return options;
}

bool CaughtUp(const Cluster& cluster, int node) {
  return WaitFor([&] {
    const auto status = cluster.Status(node);
    return status && status->quorum() && status->role() == "follower" &&
           status->applied() + 1'000 > status->last() && status->leader() != 0;
  });
}

TEST(Failover, FiftyApplicationsNoticeNothingWhenTheLeaderIsKilled) {
  Cluster cluster(FleetOptions());
  ASSERT_TRUE(cluster.Start());
  Fleet fleet(&cluster, {cluster.path()});
  ASSERT_TRUE(fleet.Open());
  fleet.Work();
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  const int leader = cluster.WaitForLeader();
  const int64_t fault_ms = NowMs();
  cluster.Kill(leader);
  ASSERT_TRUE(fleet.WaitForGrants(kAfterwards));
  fleet.PrintGap("leader SIGKILL", fault_ms);
  EXPECT_NE(cluster.WaitForLeader(), leader);
  cluster.StartNode(leader);
  EXPECT_TRUE(CaughtUp(cluster, leader));
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  fleet.StopAndCheck();
  EXPECT_TRUE(cluster.WaitForAgreement());
}

TEST(Failover, FiftyApplicationsNoticeNothingWhenTheLeaderStandsStill) {
  Cluster cluster(FleetOptions());
  ASSERT_TRUE(cluster.Start());
  Fleet fleet(&cluster, {cluster.path()});
  ASSERT_TRUE(fleet.Open());
  fleet.Work();
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  const int leader = cluster.WaitForLeader();
  const int64_t fault_ms = NowMs();
  cluster.Signal(leader, SIGSTOP);
  ASSERT_TRUE(fleet.WaitForGrants(kAfterwards));
  fleet.PrintGap("leader SIGSTOP", fault_ms);
  const int64_t back_ms = NowMs();
  cluster.Signal(leader, SIGCONT);
  EXPECT_TRUE(CaughtUp(cluster, leader));
  ASSERT_TRUE(fleet.WaitForGrants(kAfterwards));
  fleet.PrintGap("leader SIGCONT", back_ms);
  fleet.StopAndCheck();
  EXPECT_TRUE(cluster.WaitForAgreement());
}

// Asks one node alone for licenses, again and again, until it is destroyed; counts the grants.
class Asker {
 public:
  explicit Asker(Client* client)
      : thread_([this, client] {
          while (!stop_) {
            auto license = client->Checkout(Want("asked"));
            if (license) {
              ++grants_;
            } else {
              ++refusals_;
              if (license.status().kind == ErrorKind::kNoQuorum) ++no_quorum_;
            }
          }
        }) {}
  ~Asker() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int grants() const { return grants_; }
  int refusals() const { return refusals_; }
  int no_quorum() const { return no_quorum_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> grants_{0};
  std::atomic<int> refusals_{0};
  std::atomic<int> no_quorum_{0};
  std::thread thread_;
};

TEST(Failover, ALeaderThatIsCutOffGrantsNothingAndItsApplicationsGoElsewhere) {
  Cluster::Options options = FleetOptions(/*cuttable=*/true, {"--session-ttl=6s"});
  options.features += "FEATURE asked genesys.d 8.0 permanent 1000\n";
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  Fleet fleet(&cluster, {cluster.path()});
  ASSERT_TRUE(fleet.Open());
  fleet.Work();
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  const int leader = cluster.WaitForLeader();
  auto only = Client::Open(OptionsFor(cluster.clients().node[leader], "only"));
  ASSERT_TRUE(only) << only.status().ToString();
  ASSERT_TRUE(only->Checkout(Want("asked")));

  const int64_t fault_ms = NowMs();
  cluster.CutOff(leader);
  {
    Asker asker(&*only);
    ASSERT_TRUE(fleet.WaitForGrants(kAfterwards));
    ASSERT_TRUE(WaitFor([&] { return asker.refusals() >= 2; }));
    EXPECT_EQ(asker.grants(), 0) << "a leader without a majority has granted";
    EXPECT_TRUE(WaitFor([&] { return fleet.AttachedTo(leader) == 0; }, 6'000))
        << fleet.AttachedTo(leader) << " applications stay with a leader that is cut off";
    fleet.PrintGap("leader cut off", fault_ms);
    const auto status = cluster.Status(leader);
    ASSERT_TRUE(status);
    EXPECT_NE(status->role(), "leader");
    EXPECT_FALSE(status->quorum());
    EXPECT_NE(status->waiting_for(), "");
    EXPECT_EQ(asker.grants(), 0);
    asker.Stop();
    EXPECT_EQ(asker.grants(), 0);
  }
  cluster.Heal();
  EXPECT_TRUE(CaughtUp(cluster, leader));
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  EXPECT_TRUE(WaitFor([&] { return only->Checkout(Want("asked")).ok(); })) << "it serves again";
  fleet.StopAndCheck();
  EXPECT_TRUE(cluster.WaitForAgreement());
}

TEST(Failover, AFollowerThatIsCutOffGrantsNothingAndItsApplicationsMoveBeforeTheirTimeIsOver) {
  Cluster::Options options = FleetOptions(/*cuttable=*/true, {"--session-ttl=6s"});
  options.features += "FEATURE asked genesys.d 8.0 permanent 1000\n";
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  Fleet fleet(&cluster, {cluster.path()});
  ASSERT_TRUE(fleet.Open());
  const int leader = cluster.WaitForLeader();
  const int follower = cluster.Others(leader)[0];
  // Idle ones must move too: nothing but heartbeats tells them.
  auto idle_options = OptionsFor(cluster.clients().node[follower], "idle");
  std::atomic<int> events{0};
  idle_options.on_event = [&](const Event&) { ++events; };
  const auto path = cluster.clients().node[follower] + "," +
                    cluster.clients().node[cluster.Others(leader)[1]] + "," +
                    cluster.clients().node[leader];
  idle_options.license_path = path;
  std::vector<Client> idle;
  std::vector<License> idle_licenses;
  int idle_at_follower = 0;
  // Each begins with one of the three at random.
  for (int i = 0; i < 100 && idle_at_follower < 2; ++i) {
    auto client = Client::Open(idle_options);
    ASSERT_TRUE(client) << client.status().ToString();
    auto license = client->Checkout(Want("asked"));
    ASSERT_TRUE(license) << license.status().ToString();
    if (client->status().node == static_cast<uint32_t>(follower)) ++idle_at_follower;
    idle.push_back(*std::move(client));
    idle_licenses.push_back(*std::move(license));
  }
  EXPECT_GT(idle_at_follower, 0) << "of so many clients none has begun with the follower";
  fleet.Work();
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  auto only = Client::Open(OptionsFor(cluster.clients().node[follower], "only"));
  ASSERT_TRUE(only) << only.status().ToString();

  const int64_t fault_ms = NowMs();
  cluster.CutOff(follower);
  {
    Asker asker(&*only);
    ASSERT_TRUE(fleet.WaitForGrants(kAfterwards));
    ASSERT_TRUE(WaitFor([&] {
      int there = fleet.AttachedTo(follower);
      for (const Client& each : idle) {
        there += each.status().node == static_cast<uint32_t>(follower) ? 1 : 0;
      }
      return there == 0;
    })) << "clients stay with a follower that is cut off";
    EXPECT_LT(NowMs() - fault_ms, 6'000) << "they moved after their time to live";
    ASSERT_TRUE(WaitFor([&] { return asker.refusals() >= 1; }));
    EXPECT_EQ(asker.grants(), 0) << "a follower without a majority has granted";
  }
  fleet.PrintGap("follower cut off", fault_ms);
  EXPECT_EQ(events, 0) << "idle applications noticed";
  cluster.Heal();
  EXPECT_TRUE(CaughtUp(cluster, follower));
  ASSERT_TRUE(fleet.WaitForGrants(kWarmUp));
  fleet.StopAndCheck();
  for (const License& each : idle_licenses) {
    EXPECT_EQ(static_cast<int>(each.state()), static_cast<int>(LicenseState::kHeld));
  }
  EXPECT_TRUE(cluster.WaitForAgreement());
}

}  // namespace
}  // namespace triad::integration
