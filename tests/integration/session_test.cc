// What becomes of licenses when applications die, connections break and cables are cut.
#include <gtest/gtest.h>

#include <signal.h>

#include <algorithm>
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/integration/app_process.h"
#include "tests/integration/cluster.h"
#include "tests/integration/fleet.h"
#include "tests/integration/raw_client.h"

namespace triad::integration {
namespace {

// Of one client, as it is told.
class Events {
 public:
  std::function<void(const Event&)> Listener() {
    return [this](const Event& event) {
      const std::lock_guard lock(mutex_);
      kinds_.emplace_back(EventName(event.kind));
    };
  }
  int Count(const std::string& kind) const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(std::count(kinds_.begin(), kinds_.end(), kind));
  }
  std::string All() const {
    const std::lock_guard lock(mutex_);
    return absl::StrJoin(kinds_, " ");
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> kinds_;
};

// The default of --reset-grace.
constexpr int64_t kGraceMs = 10'000;

void ExpectFreedWithin(Cluster& cluster, int64_t limit_ms, const std::string& what) {
  AppProcess application(cluster.path(), "doomed");
  ASSERT_NE(application.Checkout("tserver_sdn", 6), 0u);
  ASSERT_NE(application.Checkout("tserver_sdn", 4), 0u);
  ASSERT_EQ(cluster.Used("tserver_sdn"), 10u);
  auto waiting = Client::Open(OptionsFor(cluster.path(), "waiting"));
  ASSERT_TRUE(waiting) << waiting.status().ToString();
  const uint64_t term = cluster.Status(cluster.WaitForLeader())->term();
  const int64_t killed_ms = NowMs();
  application.process().Kill();
  Status denied;
  EXPECT_TRUE(WaitFor([&] {
    auto license = waiting->Checkout(Want("tserver_sdn", 10));
    if (!license) denied = license.status();
    return license.ok();
  })) << denied.ToString();
  const int64_t took_ms = NowMs() - killed_ms;
  std::cout << "[freed] " << what << ": " << took_ms << " ms\n";
  // A new leader counts the grace anew; a busy machine may have had an election.
  if (cluster.Status(cluster.WaitForLeader())->term() != term) {
    std::cout << "[note] the lead has changed meanwhile\n";
    limit_ms += kGraceMs;
  }
  EXPECT_LE(took_ms, limit_ms);
}

TEST(Sessions, TheLicensesOfAKilledApplicationAreFreeWithinFifteenSeconds) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  ExpectFreedWithin(cluster, 15'000, "application SIGKILL, default grace");
}

TEST(Sessions, TheGraceAfterAResetIsWhatTheFlagSays) {
  Cluster::Options options;
  options.flags = {"--reset-grace=500ms"};
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  ExpectFreedWithin(cluster, 5'000, "application SIGKILL, grace 500 ms");
}

TEST(Sessions, AnApplicationThatSaysGoodbyeFreesItsLicensesAtOnce) {
  Cluster::Options options;
  options.flags = {"--reset-grace=1h", "--session-ttl=1h"};
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  {
    AppProcess application(cluster.path(), "polite");
    ASSERT_NE(application.Checkout("tserver_sdn", 10), 0u);
    application.process().WriteLine("quit");
    EXPECT_EQ(application.process().WaitForExit(), 0);
  }
  EXPECT_EQ(cluster.Used("tserver_sdn"), 0u);
}

TEST(Sessions, TheLicensesOfASilentApplicationAreFreeAfterItsTimeToLive) {
  Cluster::Options options;
  options.flags = {"--session-ttl=3s", "--reset-grace=1h"};
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  AppProcess application(cluster.path(), "silent");
  ASSERT_NE(application.Checkout("tserver_sdn", 10), 0u);
  application.process().Signal(SIGSTOP);
  const int64_t stopped_ms = NowMs();
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("tserver_sdn") == 0; }));
  // Not before the time to live, counted from its last heartbeat.
  EXPECT_GE(NowMs() - stopped_ms, 1'000);
  EXPECT_LE(NowMs() - stopped_ms, 15'000);
  // It comes back to life: it is told, and gets the same again.
  application.process().Signal(SIGCONT);
  EXPECT_TRUE(application.WaitForEvent("lost"));
  EXPECT_TRUE(application.WaitForEvent("reconnected"));
  EXPECT_EQ(cluster.Used("tserver_sdn"), 10u);
}

TEST(Sessions, FiftyApplicationsKeepTheirLicensesWhenConnectionsAreResetAndDownForFiveSeconds) {
  Cluster::Options options;
  options.features = kFleetFeatures;
  options.cuttable = true;
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  Fleet fleet(&cluster, {cluster.path()});
  ASSERT_TRUE(fleet.Open());
  const std::string before = Holdings(cluster.UsageOfAny());
  for (int node : {1, 2, 3}) cluster.proxy().SetReset(cluster.clients().route[node], true);
  // The outage itself is what is tested: five seconds of the default grace of ten.
  Pause(5'000);
  EXPECT_EQ(Holdings(cluster.UsageOfAny()), before) << "freed while the grace lasts";
  for (int node : {1, 2, 3}) cluster.proxy().SetReset(cluster.clients().route[node], false);
  EXPECT_TRUE(WaitFor([&] {
    return fleet.AttachedTo(1) + fleet.AttachedTo(2) + fleet.AttachedTo(3) == kFleetSize;
  })) << "not all have come back";
  // The grace that began with the reset is over: those that are attached anew are not touched.
  const int64_t back_ms = NowMs();
  EXPECT_TRUE(WaitFor([&] { return NowMs() - back_ms > 6'000; }));
  EXPECT_EQ(Holdings(cluster.UsageOfAny()), before);
  fleet.StopAndCheck();
}

class Cut : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    holder_net_ = cluster_.MakeClientNet();
    auto options = OptionsFor(holder_net_.path, "holder");
    options.on_event = events_.Listener();
    auto client = Client::Open(options);
    ASSERT_TRUE(client) << client.status().ToString();
    holder_ = *std::move(client);
    auto license = holder_->Checkout(Want("single"));
    ASSERT_TRUE(license) << license.status().ToString();
    license_ = *std::move(license);
    handle_ = license_->handle();
    auto other = Client::Open(OptionsFor(cluster_.path(), "other"));
    ASSERT_TRUE(other) << other.status().ToString();
    other_ = *std::move(other);
  }
  void CutHolder(bool cut) {
    for (int node : {1, 2, 3}) {
      cluster_.proxy().SetForward(holder_net_.route[node], !cut, !cut);
    }
  }
  std::string Records() const {
#ifdef TRIAD_TOOL
    return RunToEnd({TRIAD_TOOL, "-c", cluster_.path(), "usage", "--json"}).output;
#else
    return "usage level exceeded";
#endif
  }
  static Cluster::Options MakeOptions() {
    Cluster::Options options;
    options.features = "FEATURE single genesys.d 8.0 permanent 1\n";
    options.flags = {"--session-ttl=4s", "--reset-grace=1h"};
    options.cuttable = true;
    return options;
  }

  Cluster cluster_{MakeOptions()};
  Cluster::ClientNet holder_net_;
  Events events_;
  std::optional<Client> holder_;
  std::optional<License> license_;
  uint64_t handle_ = 0;
  std::optional<Client> other_;
};

TEST_F(Cut, ShorterThanTheTimeToLiveLeavesExactlyOneLicense) {
  CutHolder(true);
  // Somebody else asks all the time.
  const int64_t cut_ms = NowMs();
  while (NowMs() - cut_ms < 1'500) {
    auto denied = other_->Checkout(Want("single"));
    ASSERT_FALSE(denied) << "granted to another while the first holds it";
    EXPECT_EQ(denied.status().code, -4) << denied.status().ToString();
    Pause(50);
  }
  CutHolder(false);
  EXPECT_TRUE(WaitFor(
      [&] { return holder_->status().attached && license_->state() == LicenseState::kHeld; }));
  EXPECT_EQ(license_->handle(), handle_);
  EXPECT_EQ(cluster_.Used("single"), 1u);
  EXPECT_EQ(events_.Count("lost"), 0) << events_.All();
  const auto status = cluster_.Status(1);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->sessions(), 2u) << "one for each application";
  EXPECT_TRUE(license_->CheckIn().ok());
  EXPECT_EQ(cluster_.Used("single"), 0u);
}

TEST_F(Cut, LongerAndGrantedToAnotherMeansThatTheFirstIsTold) {
  CutHolder(true);
  std::optional<License> others;
  EXPECT_TRUE(WaitFor([&] {
    auto license = other_->Checkout(Want("single"));
    if (license) others = *std::move(license);
    return others.has_value();
  }));
  ASSERT_TRUE(others);
  // By then the first has told its application that it cannot be sure.
  EXPECT_EQ(events_.Count("unconfirmed"), 1) << events_.All();
  EXPECT_EQ(events_.Count("lost"), 0) << "only the cluster says lost: " << events_.All();
  CutHolder(false);
  EXPECT_TRUE(WaitFor([&] { return events_.Count("lost") == 1; })) << events_.All();
  EXPECT_EQ(static_cast<int>(license_->state()), static_cast<int>(LicenseState::kLost));
  EXPECT_EQ(cluster_.Used("single"), 1u);
  EXPECT_EQ(static_cast<int>(others->state()), static_cast<int>(LicenseState::kHeld));
  // It goes on using what it lost: once in the records, and the administrator's tools show it.
  EXPECT_EQ(events_.Count("violation"), 0)
      << "to the application that is the loss: " << events_.All();
  EXPECT_TRUE(WaitFor([&] { return Records().find("usage level exceeded") != std::string::npos; }))
      << Records();
  // When the other gives it back, the first has it again, under a new handle.
  EXPECT_TRUE(others->CheckIn().ok());
  EXPECT_TRUE(WaitFor([&] { return license_->state() == LicenseState::kHeld; })) << events_.All();
  EXPECT_NE(license_->handle(), handle_);
  EXPECT_EQ(events_.Count("reconnected"), 1) << events_.All();
  EXPECT_EQ(cluster_.Used("single"), 1u);
}

TEST_F(Cut, LongerAndNotGrantedToAnotherEndsWithTheLicenseHeldAgain) {
  CutHolder(true);
  EXPECT_TRUE(WaitFor([&] { return cluster_.Used("single") == 0; })) << "freed by its time to live";
  CutHolder(false);
  EXPECT_TRUE(WaitFor([&] { return license_->state() == LicenseState::kHeld; })) << events_.All();
  EXPECT_EQ(cluster_.Used("single"), 1u);
}

}  // namespace
}  // namespace triad::integration
