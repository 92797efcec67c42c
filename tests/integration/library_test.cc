// The library against real daemons: what it promises an application while they die.
#include <gtest/gtest.h>

#include <signal.h>

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

TEST(Library, AResizeIsAllOrNothingAndKeepsTheHandle) {
  Cluster cluster(With("FEATURE f genesys.d 8.0 permanent 10\n"));
  ASSERT_TRUE(cluster.Start());
  auto client = Client::Open(OptionsFor(cluster.path(), "resizing"));
  ASSERT_TRUE(client);
  auto license = Take(*client, "f", 4);
  ASSERT_TRUE(license);
  const uint64_t handle = license->handle();
  Status resized = license->Resize(9);
  if (resized.kind == ErrorKind::kUsage) GTEST_SKIP() << "not served yet: " << resized.ToString();
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
