// What administrators ask for while the leader dies: it takes effect once, or it is said that it
// did not.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/app_process.h"
#include "tests/integration/cluster.h"

#ifdef TRIAD_TOOL

namespace triad::integration {
namespace {

int Count(const std::string& text, const std::string& part) {
  const std::vector<std::string> pieces = absl::StrSplit(text, part);
  return static_cast<int>(pieces.size()) - 1;
}

class AdminFailover : public ::testing::Test {
 protected:
  static Cluster::Options TheOptions() {
    Cluster::Options options;
    options.cuttable = true;
    // So long the asked node does not notice that it hears nothing.
    options.flags = {"--heartbeat=200ms", "--election-timeout=3s"};
    return options;
  }
  AdminFailover() : cluster_(TheOptions()) {}
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    ASSERT_TRUE(WaitFor([this] {
      const auto status = cluster_.Status(1);
      return status && status->cluster_version() >= 3;  // all nodes have met
    }));
    leader_ = cluster_.WaitForLeader();
    asked_ = cluster_.Others(leader_)[0];
  }
  // A tool that is at work, at the admin socket of the node `asked_`.
  Process Begin(const std::string& tool, const std::vector<std::string>& arguments) {
    output_ = absl::StrCat(cluster_.directory(), "/", tool, ++tools_, ".out");
    Process::Options options;
    options.argv = {TRIAD_TOOL, tool, "-c", cluster_.path()};
    options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
    options.environment = {absl::StrCat("TRIAD_ADMIN_SOCKET=", cluster_.Socket(asked_))};
    options.output = output_;
    return Process(options);
  }
  // The asked node hears no more of the leader, which does not know: what the asked one passes on
  // is agreed on with the third node, and it cannot learn of it.
  void DeafenTheAsked() { cluster_.Cut(leader_, asked_); }
  void KillTheLeader() {
    cluster_.Kill(leader_);
    cluster_.Heal();
  }
  std::string Records() const {
    const RunResult told = RunToEnd({TRIAD_TOOL, "-c", cluster_.path(), "usage", "--json"});
    EXPECT_EQ(told.exit_status, 0) << told.output;
    return told.output;
  }
  uint64_t SetNumber(int node) const {
    const auto status = cluster_.Status(node);
    return status ? status->license_set_number() : 0;
  }

  // `times`: so often the records say that it was done.
  static void ExpectOnceOrSaid(Process& tool, const std::string& told, int times) {
    if (tool.exit_status() == 0) {
      EXPECT_EQ(times, 1) << told;
    } else if (absl::StrContains(told, "may still take effect")) {
      EXPECT_LE(times, 1) << told;
    } else {
      EXPECT_EQ(times, 0) << told;
      EXPECT_TRUE(absl::StrContains(told, "nothing was changed") || absl::StrContains(told, " (-"))
          << told;
    }
  }

  Cluster cluster_;
  int leader_ = 0;
  int asked_ = 0;
  int tools_ = 0;
  std::string output_;
};

TEST_F(AdminFailover, LmremoveAndLmdownOfAVendorHappenOnceOrSayThatTheyDidNot) {
  AppProcess ann(cluster_.path(), "ann", "pc1", ":0");
  AppProcess bob(cluster_.path(), "bob", "pc2", ":0");
  ASSERT_NE(ann.Checkout("tserver_sdn", 3), 0u);
  ASSERT_NE(ann.Checkout("tserver_sdn", 2), 0u);
  ASSERT_NE(bob.Checkout("tserver_sdn", 1), 0u);
  DeafenTheAsked();
  Process remove = Begin("lmremove", {"tserver_sdn", "ann", "pc1", ":0"});
  const std::string removed = output_;
  Process stop = Begin("lmdown", {"-q", "-vendor", "genesys.d"});
  const std::string stopped = output_;
  // The leader has done both, and who asked has not heard of it.
  ASSERT_TRUE(WaitFor([&] {
    const auto usage = cluster_.Usage(leader_, /*stale=*/true);
    const auto status = cluster_.Status(leader_);
    const bool done = usage && usage->features_size() == 1 && usage->features(0).used() == 1 &&
                      status && status->stopped_vendors_size() == 1;
    return done || !remove.running() || !stop.running();
  }));
  KillTheLeader();
  ASSERT_TRUE(remove.WaitForExit().has_value());
  ASSERT_TRUE(stop.WaitForExit().has_value());
  ASSERT_NE(cluster_.WaitForLeader(), 0);
  const std::string records = Records();
  ExpectOnceOrSaid(remove, ReadFileOrEmpty(removed),
                   Count(records, "remove tserver_sdn ann pc1 :0"));
  ExpectOnceOrSaid(stop, ReadFileOrEmpty(stopped), Count(records, "stop vendor genesys.d"));
  if (remove.exit_status() == 0) {
    EXPECT_TRUE(absl::StrContains(ReadFileOrEmpty(removed), "2 checkouts of tserver_sdn removed"))
        << ReadFileOrEmpty(removed);
    EXPECT_EQ(Count(records, "\"reason\":\"removed\""), 2) << records;
    EXPECT_EQ(cluster_.Used("tserver_sdn"), 1u) << "bob's";
    EXPECT_TRUE(ann.WaitForEvent("lost"));
  }
}

TEST_F(AdminFailover, LmdownStopsAServerOrSaysThatItIsNeededNow) {
  DeafenTheAsked();
  const auto before = cluster_.Status(leader_);
  ASSERT_TRUE(before.has_value());
  Process down = Begin("lmdown", {"-q"});
  // That it is to stop is recorded, and it does not know.
  ASSERT_TRUE(WaitFor([&] {
    const auto status = cluster_.Status(leader_);
    return (status && status->applied() > before->applied()) || !down.running();
  }));
  KillTheLeader();
  const auto exit_status = down.WaitForExit();
  ASSERT_TRUE(exit_status.has_value());
  const std::string told = ReadFileOrEmpty(output_);
  if (*exit_status == 0) {
    EXPECT_EQ(cluster_.process(asked_).WaitForExit(), 0) << told;
    return;
  }
  EXPECT_TRUE(absl::StrContains(told, "there is no quorum and no license is served")) << told;
  EXPECT_TRUE(cluster_.process(asked_).running());
  EXPECT_NE(cluster_.WaitForLeader(), 0) << "two of three serve";
}

TEST_F(AdminFailover, LmrereadHappensOnceOrSaysThatItDidNot) {
  for (const bool applied : {false, true}) {
    const uint64_t before = SetNumber(asked_);
    cluster_.WriteLicense(asked_, absl::StrCat("FEATURE tserver_sdn genesys.d 8.0 permanent ",
                                               applied ? 30 : 20, "\n"));
    Process reread = Begin("lmreread", {});
    if (applied) {
      ASSERT_TRUE(WaitFor([&] { return SetNumber(leader_) > before || !reread.running(); }));
    }
    KillTheLeader();
    const auto exit_status = reread.WaitForExit();
    ASSERT_TRUE(exit_status.has_value());
    const std::string told = ReadFileOrEmpty(output_);
    ASSERT_NE(cluster_.WaitForLeader(), 0);
    const int changes = Count(Records(), "\"kind\":\"licenses_changed\"");
    ExpectOnceOrSaid(reread, told, changes - static_cast<int>(before));
    cluster_.StartNode(leader_);
    ASSERT_TRUE(cluster_.WaitForAgreement());
    leader_ = cluster_.WaitForLeader();
    asked_ = cluster_.Others(leader_)[0];
  }
}

}  // namespace
}  // namespace triad::integration

#endif  // TRIAD_TOOL
