// The daemon under FlexNet's name and command line, and who may do what to it.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"

#ifdef TRIAD_TOOL

namespace triad::integration {
namespace {

std::string Beside(const std::string& program, const std::string& name) {
  return absl::StrCat(program.substr(0, program.rfind('/')), "/", name);
}

class LmgrdTest : public ::testing::Test {
 protected:
  static Cluster::Options One() {
    Cluster::Options options;
    options.nodes = 1;
    return options;
  }
  LmgrdTest() : cluster_(One()) {}
  ~LmgrdTest() override {
    if (pid_ > 0) kill(pid_, SIGKILL);
  }
  std::vector<std::string> Environment() const {
    return {absl::StrCat("TRIAD_DATA_DIR=", cluster_.Directory(1)),
            absl::StrCat("TRIAD_ADMIN_SOCKET=", cluster_.Socket(1)),
            absl::StrCat("TRIAD_VENDOR_KEYS=", cluster_.Keys())};
  }
  RunResult Lmgrd(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {Beside(TRIAD_TRIADD, "lmgrd")});
    return RunToEnd(arguments, Environment());
  }
  RunResult Tool(const std::string& name, std::vector<std::string> arguments, bool socket) const {
    arguments.insert(arguments.begin(), Beside(TRIAD_TOOL, name));
    arguments.insert(arguments.end(), {"-c", cluster_.Address(1)});
    return RunToEnd(arguments, {absl::StrCat("TRIAD_ADMIN_SOCKET=",
                                             socket ? cluster_.Socket(1) : std::string())});
  }
  bool Serves() {
    return WaitFor([this] {
      const auto status = cluster_.Status(1);
      return status && status->quorum() && status->cluster_version() >= 3;
    });
  }

  Cluster cluster_;
  pid_t pid_ = 0;
};

TEST_F(LmgrdTest, WithoutAnIdentityItTellsTheOneCommand) {
  const RunResult result = Lmgrd({"-c", cluster_.LicenseFile(1)});
  EXPECT_EQ(result.exit_status, 1);
  EXPECT_TRUE(absl::StrContains(
      result.output, absl::StrCat("run once: triadd init --license=", cluster_.LicenseFile(1),
                                  " --data-dir=", cluster_.Directory(1))))
      << result.output;
  EXPECT_EQ(Lmgrd({"--data-dir=x"}).exit_status, 2);
  EXPECT_TRUE(absl::StartsWith(Lmgrd({"-v"}).output, "lmgrd v"));
}

TEST_F(LmgrdTest, ItGoesIntoTheBackgroundWhenItListensAndLmdownStopsIt) {
  ASSERT_EQ(cluster_.Init(1).exit_status, 0);
  const std::string log = cluster_.directory() + "/debug.log";
  const RunResult result =
      Lmgrd({"-c", cluster_.LicenseFile(1), "-l", "+" + log, "-t", "10", "-2", "-p", "-local"});
  const size_t at = result.output.rfind("pid ");
  if (at != std::string::npos) {
    const std::string rest = result.output.substr(at + 4);
    (void)absl::SimpleAtoi(rest.substr(0, rest.find_first_not_of("0123456789")), &pid_);
  }
  EXPECT_EQ(result.exit_status, 0) << result.output;
  EXPECT_TRUE(absl::StrContains(result.output, "without meaning here: -t 10, -2, -p"));
  ASSERT_GT(pid_, 1) << result.output;
  ASSERT_TRUE(Serves());
  // -local: over the network nobody is an administrator.
  for (const char* tool : {"lmreread", "lmdown"}) {
    std::vector<std::string> arguments;
    if (std::string(tool) == "lmdown") arguments = {"-q"};
    const RunResult refused = Tool(tool, arguments, /*socket=*/false);
    EXPECT_EQ(refused.exit_status, 193) << refused.output;  // -63
    EXPECT_TRUE(absl::StrContains(refused.output, "(-63)")) << refused.output;
  }
  EXPECT_EQ(Tool("lmreread", {}, true).exit_status, 0);
  // A vendor is stopped, and served again by lmreread.
  EXPECT_EQ(Tool("lmdown", {"-q", "-vendor", kVendor}, true).exit_status, 0);
  EXPECT_TRUE(absl::StrContains(Tool("lmstat", {"-a"}, true).output, "vendor daemon is down"));
  EXPECT_EQ(Tool("lmreread", {"-vendor", kVendor}, true).exit_status, 0);
  EXPECT_TRUE(absl::StrContains(Tool("lmstat", {"-a"}, true).output, "Users of tserver_sdn:"));
  const RunResult down = Tool("lmdown", {"-q"}, true);
  EXPECT_EQ(down.exit_status, 0) << down.output;
  EXPECT_FALSE(cluster_.Status(1).has_value());
  EXPECT_TRUE(WaitFor([&] { return !ReadFileOrEmpty(log).empty(); }));
}

TEST_F(LmgrdTest, WhatIsSwitchedOffIsRefusedToAll) {
  ASSERT_EQ(cluster_.Init(1).exit_status, 0);
  Process::Options options;
  options.argv = {Beside(TRIAD_TRIADD, "lmgrd"), "-z", "-x", "lmdown", "-c",
                  cluster_.LicenseFile(1)};
  options.environment = Environment();
  options.output = cluster_.directory() + "/lmgrd.log";
  Process lmgrd(options);
  ASSERT_TRUE(Serves());
  const RunResult refused = Tool("lmdown", {"-q"}, true);
  EXPECT_EQ(refused.exit_status, 193) << refused.output;
  EXPECT_TRUE(lmgrd.running());
  EXPECT_EQ(Tool("lmreread", {}, true).exit_status, 0);
}

TEST_F(LmgrdTest, ReadingCanBeSwitchedOff) {
  ASSERT_EQ(cluster_.Init(1).exit_status, 0);
  cluster_.StartNode(1, {"--open-reading=false"});
  ASSERT_TRUE(Serves());
  const RunResult refused = Tool("lmstat", {"-a"}, false);
  EXPECT_EQ(refused.exit_status, 193) << refused.output;
  EXPECT_TRUE(absl::StrContains(refused.output, "(-63)")) << refused.output;
  const RunResult told = Tool("lmstat", {"-a"}, true);
  EXPECT_EQ(told.exit_status, 0) << told.output;
  EXPECT_TRUE(absl::StrContains(told.output, "Users of tserver_sdn:")) << told.output;
}

class LmdownTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    ASSERT_TRUE(WaitFor([this] {
      const auto status = cluster_.Status(1);
      return status && status->cluster_version() >= 3;  // all nodes have met
    }));
  }
  RunResult Lmdown(int node, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(),
                     {Beside(TRIAD_TOOL, "lmdown"), "-q", "-c", cluster_.Address(node)});
    return RunToEnd(arguments, {absl::StrCat("TRIAD_ADMIN_SOCKET=", cluster_.Socket(node))});
  }
  Cluster cluster_{Cluster::Options{}};
};

TEST_F(LmdownTest, OneWithoutWhichThereIsNoQuorumNeedsForce) {
  EXPECT_EQ(Lmdown(3, {}).exit_status, 0);
  EXPECT_EQ(cluster_.process(3).WaitForExit(), 0);
  cluster_.WaitForLeader();
  ASSERT_TRUE(WaitFor([this] {
    const auto status = cluster_.Status(2);
    return status && status->quorum() && !status->nodes(2).connected();
  }));
  const RunResult refused = Lmdown(2, {});
  EXPECT_EQ(refused.exit_status, 214) << refused.output;  // -42
  EXPECT_TRUE(absl::StrContains(refused.output, "no quorum")) << refused.output;
  EXPECT_TRUE(cluster_.process(2).running());
  EXPECT_EQ(Lmdown(2, {"-force"}).exit_status, 0);
  EXPECT_EQ(cluster_.process(2).WaitForExit(), 0);
  EXPECT_TRUE(cluster_.process(1).running());
}

TEST_F(LmdownTest, AllStopsAllThree) {
  const RunResult down = Lmdown(2, {"-all"});
  EXPECT_EQ(down.exit_status, 0) << down.output;
  for (const int node : {1, 2, 3}) EXPECT_EQ(cluster_.process(node).WaitForExit(), 0);
}

}  // namespace
}  // namespace triad::integration

#endif  // TRIAD_TOOL
