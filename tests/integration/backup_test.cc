// `triad backup` of a cluster at work, all three data directories lost, `triad restore`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

using ::testing::HasSubstr;

class Backup : public ::testing::Test {
 protected:
  static Cluster::Options OptionsOf() {
    Cluster::Options options;
    options.flags = {"--session-ttl=4s"};
    return options;
  }
  std::string File(const std::string& name = "b") const {
    return absl::StrCat(cluster_.directory(), "/", name);
  }
  RunResult Take(int node, const std::string& file) {
    return RunToEnd({TRIAD_TOOL, "backup", file, "-c", cluster_.path(),
                     absl::StrCat("--admin-socket=", cluster_.Socket(node))});
  }
  RunResult RestoreNode(int node, const std::string& file) {
    return RunToEnd({TRIAD_TOOL, "restore", file, "--session-ttl=4s",
                     absl::StrCat("--data-dir=", cluster_.Directory(node)),
                     absl::StrCat("--node=", node)});
  }
  void LoseAll() {
    for (int node : {1, 2, 3}) {
      cluster_.Kill(node);
      std::filesystem::remove_all(cluster_.Directory(node));
    }
  }
  bool AllVote() {
    return WaitFor([&] {
      for (int node : {1, 2, 3}) {
        const auto status = cluster_.Status(node);
        if (!status || status->nodes_size() != 3) return false;
        for (const auto& other : status->nodes()) {
          if (other.member() != "voter" || !other.connected()) return false;
        }
      }
      return true;
    });
  }

  Cluster cluster_{OptionsOf()};
};

// One line of error, whatever the file is; and nothing is made.
void ExpectRefused(const RunResult& result, const std::string& directory, const std::string& why) {
  EXPECT_EQ(result.exit_status, 1) << result.output;
  EXPECT_THAT(result.output, HasSubstr(why));
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST_F(Backup, UnderLoadAndRestoredWhenAllIsLost) {
  ASSERT_TRUE(cluster_.Start());
  auto opened = Client::Open(OptionsFor(cluster_.path(), "holder"));
  ASSERT_TRUE(opened) << opened.status().ToString();
  auto client = *std::move(opened);
  auto held = client.Checkout(Want("tserver_sdn", 3));
  ASSERT_TRUE(held) << held.status().ToString();
  std::atomic<bool> stop = false;
  std::atomic<int> done = 0;
  std::atomic<int> errors = 0;
  std::thread worker([&] {
    auto busy = Client::Open(OptionsFor(cluster_.path(), "busy"));
    while (busy && !stop) {
      auto license = busy->Checkout(Want("tserver_sdn"));
      if (!license || !license->CheckIn().ok()) ++errors;
      ++done;
    }
  });
  ASSERT_TRUE(WaitFor([&] { return done > 20; }));
  const int follower = cluster_.Others(cluster_.WaitForLeader())[0];
  const RunResult taken = Take(follower, File());
  EXPECT_EQ(taken.exit_status, 0) << taken.output;
  stop = true;
  worker.join();
  EXPECT_EQ(errors, 0);
  EXPECT_THAT(taken.output, HasSubstr(absl::StrCat("by node ", follower)));
  struct stat info = {};
  ASSERT_EQ(stat(File().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(Take(follower, File()).exit_status, 1) << "a file that is there is never overwritten";

  ExpectRefused(RestoreNode(1, cluster_.LicenseFile(1)), cluster_.Directory(1) + "x", "no backup");
  LoseAll();
  const std::string bytes = ReadFileOrEmpty(File());
  WriteFileOrDie(File("short"), bytes.substr(0, bytes.size() - 7));
  ExpectRefused(RestoreNode(1, File("short")), cluster_.Directory(1), "cut off");
  std::string damaged = bytes;
  damaged[damaged.size() / 2] ^= 4;
  WriteFileOrDie(File("damaged"), damaged);
  ExpectRefused(RestoreNode(1, File("damaged")), cluster_.Directory(1), "damaged");

  const RunResult restored = RestoreNode(1, File());
  ASSERT_EQ(restored.exit_status, 0) << restored.output;
  EXPECT_THAT(restored.output, HasSubstr("entry "));
  EXPECT_THAT(RestoreNode(1, File()).output, HasSubstr("holds something already"));
  cluster_.StartNode(1);
  for (int node : {2, 3}) {
    const RunResult rejoined = cluster_.Run("rejoin", node);
    ASSERT_EQ(rejoined.exit_status, 0) << rejoined.output;
    cluster_.StartNode(node);
  }
  ASSERT_TRUE(AllVote());
  ASSERT_TRUE(cluster_.WaitForAgreement());
  // The application's session was in it: it goes on, with what it held.
  EXPECT_GE(cluster_.Used("tserver_sdn"), 3u);
  EXPECT_TRUE(WaitFor([&] { return held->state() == LicenseState::kHeld; }));
  // What the busy one had out at that moment stays out until its session is silent for too long.
  EXPECT_TRUE(WaitFor([&] { return cluster_.Used("tserver_sdn") == 3; }));
  EXPECT_TRUE(held->CheckIn().ok());
  // When those who are not known have had their time, it serves as ever.
  EXPECT_TRUE(WaitFor([&] {
    auto license = client.Checkout(Want("tserver_sdn", 10));
    return license && license->CheckIn().ok();
  }));
  const RunResult verified = RunToEnd({TRIAD_TOOL, "usage", "--verify", "-c", cluster_.path()});
  EXPECT_EQ(verified.exit_status, 0) << verified.output;
  const RunResult usage = RunToEnd({TRIAD_TOOL, "usage", "-c", cluster_.path(), "--json"});
  EXPECT_NE(usage.output.find("a backup of "), std::string::npos) << "who reads it is told";
}

TEST_F(Backup, IsForAdministratorsAndNeedsAQuorum) {
  ASSERT_TRUE(cluster_.Start());
  const int leader = cluster_.WaitForLeader();
  const auto [one, two] = cluster_.Others(leader);
  cluster_.Kill(one);
  cluster_.Kill(two);
  const RunResult refused = Take(leader, File());
  EXPECT_EQ(refused.exit_status, 3) << refused.output;
  EXPECT_FALSE(std::filesystem::exists(File()));
}

}  // namespace
}  // namespace triad::integration
