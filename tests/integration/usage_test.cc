// Usage records and debug logs of three daemons: the same on every node, whatever happened to one
// of them in between.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/integration/cluster.h"

#ifdef TRIAD_TOOL

namespace triad::integration {
namespace {

class UsageTest : public ::testing::Test {
 protected:
  static Cluster::Options TheOptions() {
    Cluster::Options options;
    options.features = "FEATURE tserver_sdn genesys.d 8.0 permanent 3\n";
    return options;
  }
  UsageTest() : cluster_(TheOptions()) {}

  void SetUp() override {
    cluster_.InitAll();
    for (int node : {1, 2, 3}) StartNode(node);
    ASSERT_TRUE(WaitFor([this] {
      for (int node : {1, 2, 3}) {
        const auto status = cluster_.Status(node);
        // From this version on usage is recorded.
        if (!status || !status->quorum() || status->cluster_version() < 3) return false;
      }
      return true;
    }));
  }
  std::string DebugLog(int node) const {
    return absl::StrCat(cluster_.directory(), "/debug", node, ".log");
  }
  void StartNode(int node) {
    cluster_.StartNode(node,
                       {absl::StrCat("--debug-log=+", DebugLog(node)), "--log-keep-entries=30"});
  }
  // Checks out and in, and is denied.
  void Work(int rounds) {
    auto client = Client::Open(OptionsFor(cluster_.path(), "worker"));
    ASSERT_TRUE(client) << client.status().ToString();
    for (int i = 0; i < rounds; ++i) {
      auto one = client->Checkout(Want("tserver_sdn", 2));
      EXPECT_TRUE(one) << one.status().ToString();
      EXPECT_FALSE(client->Checkout(Want("tserver_sdn", 2)));
      EXPECT_FALSE(client->Checkout(Want("no_such_feature")));
      EXPECT_TRUE(one->CheckIn().ok());
    }
  }
  RunResult Tool(int node, std::vector<std::string> arguments) const {
    std::vector<std::string> argv = {TRIAD_TOOL, "-c", cluster_.Address(node)};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return RunToEnd(argv);
  }
  // The events of one node's debug log, without what is its own.
  std::vector<std::string> Events(int node) const {
    std::vector<std::string> events;
    const std::string text = ReadFileOrEmpty(DebugLog(node));
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      for (const char* word : {" OUT: ", " IN: ", " DENIED: ", " UNSUPPORTED: ", "Events "}) {
        if (absl::StrContains(line, word)) events.emplace_back(line);
      }
    }
    return events;
  }

  Cluster cluster_;
};

TEST_F(UsageTest, AllThreeHoldTheSameChainAndLogAlsoAfterOneWasKilledAtWork) {
  Work(5);
  cluster_.Kill(2);
  Work(5);
  StartNode(2);
  ASSERT_TRUE(cluster_.WaitForAgreement());
  const std::string of_one = Tool(1, {"usage", "--json"}).output;
  EXPECT_TRUE(absl::StrContains(of_one, "\"kind\":\"licenses_changed\"")) << of_one;
  EXPECT_TRUE(absl::StrContains(of_one, "\"reason\":\"all licenses in use\"")) << of_one;
  EXPECT_TRUE(absl::StrContains(of_one, "\"address\":\"127.0.0.")) << of_one;
  for (int node : {2, 3}) EXPECT_EQ(Tool(node, {"usage", "--json"}).output, of_one) << node;
  for (int node : {1, 2, 3}) {
    const RunResult verified = Tool(node, {"usage", "--verify"});
    EXPECT_EQ(verified.exit_status, 0) << verified.output;
    EXPECT_TRUE(absl::StrContains(verified.output, "the chain is whole")) << verified.output;
  }
  // 10 rounds: out, denied, unsupported, in. Files are written behind.
  ASSERT_TRUE(WaitFor([this] {
    for (int node : {1, 2, 3}) {
      if (Events(node).size() < 40) return false;
    }
    return true;
  }));
  EXPECT_EQ(Events(1).size(), 40u);
  for (int node : {2, 3}) {
    EXPECT_EQ(absl::StrJoin(Events(node), "\n"), absl::StrJoin(Events(1), "\n")) << node;
  }
}

TEST_F(UsageTest, ANodeThatWasAwayForLongFetchesTheRecordsItLacksAndItsLogNamesThem) {
  Work(2);
  ASSERT_TRUE(cluster_.WaitForAgreement());
  cluster_.Kill(2);
  Work(30);  // far more than the others keep of the log
  StartNode(2);
  ASSERT_TRUE(cluster_.WaitForAgreement());
  ASSERT_TRUE(WaitFor([this] {
    return Tool(2, {"usage", "--json"}).output == Tool(1, {"usage", "--json"}).output;
  })) << Tool(2, {"usage", "--verify"}).output
      << cluster_.Log(2);
  const RunResult verified = Tool(2, {"usage", "--verify"});
  EXPECT_EQ(verified.exit_status, 0) << verified.output;
  Work(1);
  ASSERT_TRUE(WaitFor([this] {
    const auto events = Events(2);
    return !events.empty() && events.back() == Events(1).back();
  }));
  int gaps = 0;
  for (const std::string& line : Events(2)) {
    if (absl::StrContains(line, "Events ") && absl::StrContains(line, "not in this log")) ++gaps;
  }
  EXPECT_EQ(gaps, 1);
}

TEST_F(UsageTest, RecordsAndLinesOutliveTheRestartOfAllThree) {
  Work(3);
  ASSERT_TRUE(cluster_.WaitForAgreement());
  const std::string before = Tool(1, {"usage", "--csv"}).output;
  for (int node : {1, 2, 3}) cluster_.Kill(node);
  for (int node : {1, 2, 3}) StartNode(node);
  ASSERT_TRUE(WaitFor([this] { return cluster_.Leader() != 0; }));
  Work(1);
  ASSERT_TRUE(cluster_.WaitForAgreement());
  const std::string after = Tool(2, {"usage", "--csv"}).output;
  EXPECT_TRUE(absl::StartsWith(after, before)) << before << "---\n" << after;
  EXPECT_EQ(Tool(3, {"usage", "--verify"}).exit_status, 0);
  ASSERT_TRUE(WaitFor([this] {
    return Events(1).size() == 16 && Events(2).size() == 16 && Events(3).size() == 16;
  })) << absl::StrJoin(Events(1), "\n");
  EXPECT_EQ(Events(2), Events(1));
}

TEST_F(UsageTest, ALogThatSomebodyMovesAwayOrTakesItsDirectoryFromStopsNothing) {
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return Events(1).size() == 4; }));
  EXPECT_EQ(rename(DebugLog(1).c_str(), (DebugLog(1) + ".old").c_str()), 0);
  cluster_.Signal(1, SIGHUP);
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return Events(1).size() == 4; }));
  const auto status = cluster_.Status(1);
  ASSERT_TRUE(status.has_value());
  EXPECT_TRUE(status->quorum());
}

}  // namespace
}  // namespace triad::integration

#endif
