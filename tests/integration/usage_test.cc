// Usage records and debug logs of three daemons: the same on every node, whatever happened to one
// of them in between.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
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
    for (int node : {1, 2, 3}) {
      std::filesystem::create_directory(LogDirectory(node));
      StartNode(node);
    }
    ASSERT_TRUE(WaitFor([this] {
      for (int node : {1, 2, 3}) {
        const auto status = cluster_.Status(node);
        // From this version on usage is recorded.
        if (!status || !status->quorum() || status->cluster_version() < 3) return false;
      }
      return true;
    }));
  }
  std::string LogDirectory(int node) const {
    return absl::StrCat(cluster_.directory(), "/logs", node);
  }
  std::string DebugLog(int node) const { return absl::StrCat(LogDirectory(node), "/debug.log"); }
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
  // The lines of which a node's debug log says that they are missing.
  uint64_t LostLines(int node) const {
    uint64_t lost = 0;
    const std::string text = ReadFileOrEmpty(DebugLog(node));
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (!absl::StrContains(line, " lines are not in this log: ")) continue;
      const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipWhitespace());
      uint64_t lines = 0;
      if (words.size() > 2 && absl::SimpleAtoi(words[2], &lines)) lost += lines;
    }
    return lost;
  }
  // How often a node's journal says this.
  size_t TimesTold(int node, const std::string& text) const {
    const std::vector<std::string> pieces = absl::StrSplit(cluster_.Log(node), text);
    return pieces.size() - 1;
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

TEST_F(UsageTest, ALogThatIsMovedFindsNoRoomOrLosesItsDirectoryStopsNothing) {
  constexpr size_t kOfOneRound = 4;  // out, denied, unsupported, in
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return Events(1).size() == kOfOneRound; }));
  std::filesystem::rename(DebugLog(1), DebugLog(1) + ".old");
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return Events(1).size() == kOfOneRound; }));
  std::filesystem::rename(DebugLog(1), DebugLog(1) + ".older");
  cluster_.Signal(1, SIGHUP);
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return Events(1).size() == kOfOneRound; }));

  // All that was asked for is in the log, or said to be missing there.
  const auto all_of_two_rounds = [this] { return Events(1).size() + LostLines(1) >= 8; };
  std::filesystem::rename(LogDirectory(1), LogDirectory(1) + ".away");
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return TimesTold(1, "licensing goes on") == 1; }));
  std::filesystem::create_directory(LogDirectory(1));
  Work(1);
  ASSERT_TRUE(WaitFor(all_of_two_rounds)) << ReadFileOrEmpty(DebugLog(1));
  EXPECT_EQ(Events(1).size() + LostLines(1), 2 * kOfOneRound) << ReadFileOrEmpty(DebugLog(1));
  EXPECT_GT(LostLines(1), 0u);

  std::filesystem::remove(DebugLog(1));
  std::filesystem::create_symlink("/dev/full", DebugLog(1));
  Work(1);
  ASSERT_TRUE(WaitFor([this] { return TimesTold(1, "No space left on device") == 1; }));
  std::filesystem::remove(DebugLog(1));
  Work(1);
  ASSERT_TRUE(WaitFor(all_of_two_rounds)) << ReadFileOrEmpty(DebugLog(1));
  EXPECT_EQ(Events(1).size() + LostLines(1), 2 * kOfOneRound) << ReadFileOrEmpty(DebugLog(1));

  ASSERT_TRUE(cluster_.WaitForAgreement());
  ASSERT_TRUE(WaitFor([this] { return Events(2).size() == 7 * kOfOneRound; }));
  EXPECT_EQ(Tool(1, {"usage", "--json"}).output, Tool(2, {"usage", "--json"}).output);
}

TEST_F(UsageTest, NamesAreLeftOutOfAnExportWhereThatIsWanted) {
  ClientOptions options = OptionsFor(cluster_.path(), "phone");
  options.user = "annabel";
  options.display = "annabels-desk:0";
  auto client = Client::Open(options);
  ASSERT_TRUE(client) << client.status().ToString();
  const auto held = client->Checkout(Want("tserver_sdn", 3));
  ASSERT_TRUE(held) << held.status().ToString();
  EXPECT_FALSE(client->Checkout(Want("tserver_sdn")));  // the record says who has them
  for (const char* form : {"--json", "--csv"}) {
    const std::string open = Tool(1, {"usage", form}).output;
    EXPECT_TRUE(absl::StrContains(open, "annabel@")) << open;
    const RunResult hidden = Tool(2, {"usage", form, "--hide-users"});
    EXPECT_EQ(hidden.exit_status, 0) << hidden.output;
    EXPECT_FALSE(absl::StrContains(hidden.output, "annabel")) << hidden.output;
    EXPECT_TRUE(absl::StrContains(hidden.output, "tserver_sdn")) << hidden.output;
  }
}

}  // namespace
}  // namespace triad::integration

#endif
