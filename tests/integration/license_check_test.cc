// The license check of the guide: file or `port@host,port@host,port@host` leads to the server; it
// answers `license granted`, or `license denied` with the reason and FlexNet's number.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

class LicenseCheck : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new Cluster(Cluster::Options{});
    started_ = cluster_->Start();
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }
  void SetUp() override {
    ASSERT_TRUE(started_);
    ASSERT_TRUE(WaitFor([] { return cluster_->Used("tserver_sdn") == 0; }));
  }
  static std::vector<std::string> Paths() {
    return {cluster_->LicenseFile(1), cluster_->LicenseFile(3), cluster_->path(),
            // A dead entry before it, as people have them.
            absl::StrCat("/nowhere/license.dat:", FreePort(), "@127.0.0.1:", cluster_->path())};
  }
  static Cluster* cluster_;
  static bool started_;
};

Cluster* LicenseCheck::cluster_ = nullptr;
bool LicenseCheck::started_ = false;

TEST_F(LicenseCheck, ALicenseFileOrAListOfAddressesLeadsToTheServer) {
  for (const std::string& path : Paths()) {
    SCOPED_TRACE(path);
    auto client = Client::Open(OptionsFor(path));
    ASSERT_TRUE(client) << client.status().ToString();
    EXPECT_EQ(client->status().servers, 3);
    auto license = client->Checkout(Want("tserver_sdn", 3));
    ASSERT_TRUE(license) << license.status().ToString();
    EXPECT_EQ(license->count(), 3u);
    EXPECT_TRUE(license->CheckIn().ok());
  }
}

TEST_F(LicenseCheck, NoneFreeIsDeniedWithMinusFour) {
  auto holder = Client::Open(OptionsFor(cluster_->path()));
  ASSERT_TRUE(holder) << holder.status().ToString();
  auto all = holder->Checkout(Want("tserver_sdn", 10));
  ASSERT_TRUE(all) << all.status().ToString();
  auto client = Client::Open(OptionsFor(cluster_->path()));
  ASSERT_TRUE(client) << client.status().ToString();
  auto denied = client->Checkout(Want("tserver_sdn"));
  ASSERT_FALSE(denied);
  EXPECT_EQ(static_cast<int>(denied.status().kind), static_cast<int>(ErrorKind::kDenied));
  EXPECT_EQ(denied.status().ToString(), "tserver_sdn: license denied: all licenses in use (-4)");
  EXPECT_TRUE(denied.status().certain);
}

TEST_F(LicenseCheck, AnUnknownFeatureIsDeniedWithMinusFive) {
  auto client = Client::Open(OptionsFor(cluster_->path()));
  ASSERT_TRUE(client) << client.status().ToString();
  auto denied = client->Checkout(Want("no_such_feature"));
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.status().code, -5) << denied.status().ToString();
}

#ifdef TRIAD_TOOL
std::vector<std::string> Tool(const std::string& path, const std::vector<std::string>& more) {
  std::vector<std::string> argv = {TRIAD_TOOL, "-c", path};
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

TEST_F(LicenseCheck, TheToolIsGrantedALicense) {
  for (const std::string& path : Paths()) {
    SCOPED_TRACE(path);
    const RunResult result =
        RunToEnd(Tool(path, {"checkout", "-f", "tserver_sdn", "-n", "3", "--hold=0"}));
    EXPECT_EQ(result.exit_status, 0) << result.output;
    EXPECT_TRUE(absl::StrContains(result.output, "triad: tserver_sdn: license granted: 3, handle "))
        << result.output;
  }
}

TEST_F(LicenseCheck, TheToolFindsTheServerThroughTheEnvironment) {
  const RunResult result = RunToEnd({TRIAD_TOOL, "checkout", "-f", "tserver_sdn", "--hold=0"},
                                    {"LM_LICENSE_FILE=" + cluster_->path()});
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_TRUE(absl::StrContains(result.output, "license granted")) << result.output;
}

TEST_F(LicenseCheck, TheToolHoldsUntilASignalAndReturnsTheLicense) {
  Process tool({Tool(cluster_->path(), {"checkout", "-f", "tserver_sdn:10"}),
                {},
                cluster_->directory() + "/tool",
                false});
  EXPECT_TRUE(WaitFor([&] {
    return absl::StrContains(ReadFileOrEmpty(cluster_->directory() + "/tool"), "license granted");
  }));
  EXPECT_EQ(cluster_->Used("tserver_sdn"), 10u);
  // None is free: denied, with the text, the number and exit status 1.
  const RunResult denied =
      RunToEnd(Tool(cluster_->path(), {"checkout", "-f", "tserver_sdn", "--hold=0"}));
  EXPECT_EQ(denied.exit_status, 1);
  EXPECT_EQ(denied.output, "triad: tserver_sdn: license denied: all licenses in use (-4)\n");
  tool.Signal(SIGTERM);
  EXPECT_TRUE(tool.WaitForExit().has_value());
  EXPECT_TRUE(WaitFor([&] { return cluster_->Used("tserver_sdn") == 0; }, 5'000))
      << "returned at once, not after the grace";
}
#endif

}  // namespace
}  // namespace triad::integration
