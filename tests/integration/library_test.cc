// The library against real daemons: what it promises an application while they die.
#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kOfOneClient = 9999;

Result<License> Take(Client& client, const std::string& feature, uint64_t count,
                     const CheckoutOptions& terms = {}) {
  CheckoutRequest request;
  request.feature = feature;
  request.count = count;
  return client.Checkout(request, terms);
}

int64_t WallNowMs() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

Cluster::Options With(const std::string& features) {
  Cluster::Options options;
  options.features = features;
  return options;
}

#ifdef TRIAD_LIBRARY
TEST(Library, FromPythonThroughItsCInterface) {
  Cluster cluster(With("FEATURE f genesys.d 8.0 permanent 10\n"));
  ASSERT_TRUE(cluster.Start());
  const RunResult run =
      RunToEnd({"/usr/bin/env", "python3", "-B", "tests/integration/ctypes_app.py", TRIAD_LIBRARY,
                cluster.path(), "f"});
  EXPECT_EQ(run.exit_status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("all as it should be"));
  EXPECT_EQ(cluster.Used("f"), 0u);
}
#endif

TEST(Library, NineThousandNineHundredNinetyNineAreKeptThroughEveryFailover) {
  Cluster cluster(With("FEATURE f genesys.d 8.0 permanent 20000\n"));
  ASSERT_TRUE(cluster.Start());
  auto client = Client::Open(OptionsFor(cluster.path(), "large"));
  ASSERT_TRUE(client) << client.status().ToString();
  auto license = Take(*client, "f", kOfOneClient);
  ASSERT_TRUE(license) << license.status().ToString();
  const uint64_t handle = license->handle();
  const Status beyond = Take(*client, "f", 1).status();
  EXPECT_EQ(beyond.code, -87) << beyond.ToString();
  EXPECT_THAT(beyond.message, HasSubstr("9999"));
  // The leader dies; then all three do.
  const int leader = cluster.WaitForLeader();
  cluster.Kill(leader);
  EXPECT_TRUE(WaitFor([&] { return Take(*client, "f", 1).status().code == -87; }));
  EXPECT_EQ(cluster.Used("f"), kOfOneClient);
  cluster.StartNode(leader);
  for (int node : {1, 2, 3}) cluster.Kill(node);
  for (int node : {1, 2, 3}) cluster.StartNode(node);
  EXPECT_TRUE(WaitFor([&] { return Take(*client, "f", 1).status().code == -87; }));
  EXPECT_EQ(cluster.Used("f"), kOfOneClient);
  EXPECT_EQ(license->count(), kOfOneClient);
  EXPECT_EQ(license->handle(), handle);
  EXPECT_TRUE(license->CheckIn().ok());
  EXPECT_EQ(cluster.Used("f"), 0u);
}

// An application that waits in the queue for one license.
class Waiter {
 public:
  Waiter(const Cluster& cluster, const std::string& name) {
    ClientOptions options = OptionsFor(cluster.path(), name);
    options.on_event = [this](const Event& event) {
      const std::lock_guard lock(mutex_);
      if (event.kind == Event::Kind::kQueued) place_ = event.count;
    };
    auto client = Client::Open(options);
    EXPECT_TRUE(client) << client.status().ToString();
    if (!client) return;
    client_.emplace(*std::move(client));
    CheckoutOptions terms;
    terms.wait = true;
    client_->CheckoutAsync({"f"}, terms, [this](Result<License> result) {
      const std::lock_guard lock(mutex_);
      result_.emplace(std::move(result));
    });
  }
  uint64_t place() const {
    const std::lock_guard lock(mutex_);
    return place_;
  }
  bool ended() const {
    const std::lock_guard lock(mutex_);
    return result_.has_value();
  }
  uint64_t held() const {
    const std::lock_guard lock(mutex_);
    return result_.has_value() && result_->ok() ? (*result_)->count() : 0;
  }
  bool attached() const { return client_->status().attached; }

 private:
  mutable std::mutex mutex_;
  uint64_t place_ = 0;
  std::optional<Result<License>> result_;
  std::optional<Client> client_;
};

TEST(Library, TheQueueOutlivesTheLeaderAndEverybodyKeepsTheirPlace) {
  Cluster cluster(With("FEATURE f genesys.d 8.0 permanent 2\n"));
  ASSERT_TRUE(cluster.Start());
  auto holder = Client::Open(OptionsFor(cluster.path(), "holder"));
  ASSERT_TRUE(holder) << holder.status().ToString();
  auto one = Take(*holder, "f", 1);
  auto two = Take(*holder, "f", 1);
  ASSERT_TRUE(one && two);
  Waiter first(cluster, "first");
  ASSERT_TRUE(WaitFor([&] { return first.place() == 1; }));
  Waiter second(cluster, "second");
  ASSERT_TRUE(WaitFor([&] { return second.place() == 2; }));
  Waiter third(cluster, "third");
  ASSERT_TRUE(WaitFor([&] { return third.place() == 3; }));
  cluster.Kill(cluster.WaitForLeader());
  EXPECT_TRUE(WaitFor([&] { return Take(*holder, "f", 1).status().kind == ErrorKind::kDenied; }));
  EXPECT_FALSE(first.ended() || second.ended() || third.ended());
  EXPECT_TRUE(one->CheckIn().ok());
  EXPECT_TRUE(WaitFor([&] { return first.held() == 1; }));
  EXPECT_FALSE(second.ended() || third.ended());
  EXPECT_TRUE(two->CheckIn().ok());
  EXPECT_TRUE(WaitFor([&] { return second.held() == 1; }));
  EXPECT_FALSE(third.ended());
  EXPECT_EQ(cluster.Used("f"), 2u);
}

TEST(Library, WhatIsBorrowedIsUsedWithoutAnyServerByItsBorrowerOnItsMachineOnly) {
  Cluster cluster(With("FEATURE f genesys.d 8.0 permanent 5 BORROW\n"));
  ASSERT_TRUE(cluster.Start());
  ClientOptions options = OptionsFor(cluster.path(), "traveller");
  options.borrow_directory = cluster.directory() + "/borrowed";
  const int64_t hour_ms = 3'600'000;
  BorrowedLicense early;
  {
    auto client = Client::Open(options);
    ASSERT_TRUE(client) << client.status().ToString();
    CheckoutRequest three = Want("f", 3);
    auto borrowed = client->Borrow(three, WallNowMs() + 2 * hour_ms);
    ASSERT_TRUE(borrowed) << borrowed.status().ToString();
    auto again = client->Borrow(Want("f", 1), WallNowMs() + 2 * hour_ms);
    ASSERT_TRUE(again) << again.status().ToString();
    early = *again;
  }
  EXPECT_EQ(cluster.Used("f"), 4u) << "they stay out when their application ends";
  cluster.Kill(cluster.WaitForLeader());
  {
    auto client = Client::Open(options);
    ASSERT_TRUE(client) << client.status().ToString();
    Status returned;
    EXPECT_TRUE(WaitFor([&] { return (returned = client->ReturnBorrowed(early)).ok(); }))
        << returned.ToString();
  }
  EXPECT_EQ(cluster.Used("f"), 3u);
  for (int node : {1, 2, 3}) cluster.Kill(node);
  {
    auto client = Client::Open(options);
    ASSERT_TRUE(client) << client.status().ToString();
    auto license = Take(*client, "f", 3);
    ASSERT_TRUE(license) << license.status().ToString();
    EXPECT_TRUE(license->borrowed() && license->usable());
  }
  // A copy is of no use to another user, nor on another host.
  ClientOptions elsewhere = options;
  elsewhere.borrow_directory = cluster.directory() + "/copied";
  std::filesystem::copy(options.borrow_directory, elsewhere.borrow_directory);
  elsewhere.user = "mallory";
  EXPECT_FALSE(Client::Open(elsewhere)) << "nothing is borrowed, and no server answers";
  elsewhere.user = options.user;
  EXPECT_TRUE(Client::Open(elsewhere)) << "the copy itself is good";
  elsewhere.host = "another-host";
  EXPECT_FALSE(Client::Open(elsewhere));
}

TEST(Library, AResizeIsAllOrNothingAndKeepsTheHandle) {
  Cluster cluster(With("FEATURE f genesys.d 8.0 permanent 10\n"));
  ASSERT_TRUE(cluster.Start());
  auto client = Client::Open(OptionsFor(cluster.path(), "resizing"));
  ASSERT_TRUE(client);
  auto license = Take(*client, "f", 4);
  ASSERT_TRUE(license);
  const uint64_t handle = license->handle();
  Status resized = license->Resize(9);
  EXPECT_TRUE(resized.ok()) << resized.ToString();
  EXPECT_EQ(cluster.Used("f"), 9u);
  EXPECT_FALSE(license->Resize(11).ok());
  EXPECT_EQ(license->count(), 9u);
  cluster.Kill(cluster.WaitForLeader());
  resized = license->Resize(2);
  EXPECT_TRUE(resized.ok()) << resized.ToString();
  EXPECT_EQ(license->handle(), handle);
  EXPECT_EQ(cluster.Used("f"), 2u);
}

#ifdef TRIAD_TOOL
// COMMAND ends when its parent does, so that nothing is left behind.
Process RunUnder(const Cluster& cluster, const std::string& output) {
  Process::Options options;
  options.argv = {TRIAD_TOOL,     "-c",
                  cluster.path(), "run",
                  "-f",           "f:3",
                  "--",           "sh",
                  "-c",           "parent=$PPID; while kill -0 $parent 2>&-; do sleep 0.1; done"};
  options.output = output;
  return Process(options);
}

TEST(Library, LicensesComeBackWhenTriadRunEndsHoweverItEnds) {
  Cluster::Options options = With("FEATURE f genesys.d 8.0 permanent 10\n");
  options.flags = {"--reset-grace=500ms"};
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  {
    Process run = RunUnder(cluster, cluster.directory() + "/run1.log");
    EXPECT_TRUE(WaitFor([&] { return cluster.Used("f") == 3; }));
    run.Signal(SIGTERM);
    EXPECT_EQ(run.WaitForExit().value_or(-1), 128 + SIGTERM) << "COMMAND's status";
    EXPECT_EQ(cluster.Used("f"), 0u);
  }
  Process run = RunUnder(cluster, cluster.directory() + "/run2.log");
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("f") == 3; }));
  run.Kill();
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("f") == 0; }));
}
#endif

}  // namespace
}  // namespace triad::integration
