// Nodes that come back under a new incarnation: a new disk, a damaged log, and the other two after
// `triadd recover` on the last one.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw_client.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Of a log's file; behind header and watermarks, where the first entries are (storage/FORMAT.md).
constexpr std::streamoff kFirstRecords = 12'288 + 200;

// Every node votes, by the word of each.
bool AllVote(const Cluster& cluster) {
  for (int node : {1, 2, 3}) {
    const auto status = cluster.Status(node);
    if (!status || (status->role() != "leader" && status->role() != "follower")) return false;
    for (const auto& other : status->nodes()) {
      if (other.member() != "voter" || !other.connected()) return false;
    }
  }
  return true;
}

std::string RoleOf(const Cluster& cluster, int node) {
  const auto status = cluster.Status(node);
  return status ? status->role() : "";
}

std::vector<std::filesystem::path> LogFiles(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (absl::StartsWith(entry.path().filename().string(), "log-")) files.push_back(entry.path());
  }
  return files;
}

void FlipAByte(const std::string& directory) {
  const auto files = LogFiles(directory);
  ASSERT_FALSE(files.empty());
  const auto first = *std::min_element(files.begin(), files.end());
  std::fstream file(first, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(kFirstRecords);
  const char byte = static_cast<char>(file.get());
  file.seekp(kFirstRecords);
  file.put(static_cast<char>(byte ^ 0x10));
  ASSERT_TRUE(file.good());
}

// A client that holds some licenses, and a follower to do something to.
class Rejoin : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> flags = {}) {
    Cluster::Options options;
    options.flags = std::move(flags);
    cluster_.emplace(options);
    ASSERT_TRUE(cluster_->Start());
    auto client = Client::Open(OptionsFor(cluster_->path(), "holder"));
    ASSERT_TRUE(client) << client.status().ToString();
    client_ = *std::move(client);
    auto license = client_->Checkout(Want("tserver_sdn", 3));
    ASSERT_TRUE(license) << license.status().ToString();
    held_ = *std::move(license);
    follower_ = cluster_->Others(cluster_->WaitForLeader())[0];
  }
  void ExpectServesWithoutItsLeader() {
    ASSERT_TRUE(cluster_->WaitForAgreement());
    cluster_->Kill(cluster_->WaitForLeader());
    auto more = client_->Checkout(Want("tserver_sdn", 1));
    ASSERT_TRUE(more) << more.status().ToString();
    EXPECT_EQ(cluster_->Used("tserver_sdn"), 4u);
    EXPECT_TRUE(WaitFor([&] { return held_.state() == LicenseState::kHeld; }));
  }

  std::optional<Cluster> cluster_;
  std::optional<Client> client_;
  License held_;
  int follower_ = 0;
};

TEST_F(Rejoin, ANodeWithANewDiskLearnsThenVotes) {
  Start();
  cluster_->Kill(follower_);
  std::filesystem::remove_all(cluster_->Directory(follower_));
  const RunResult rejoin = cluster_->Run("rejoin", follower_);
  EXPECT_EQ(rejoin.exit_status, 0) << rejoin.output;
  EXPECT_THAT(rejoin.output, HasSubstr("has a new incarnation"));
  const RunResult again = cluster_->Run("rejoin", follower_);
  EXPECT_EQ(again.exit_status, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("waits to be let in already"));
  cluster_->StartNode(follower_);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  EXPECT_TRUE(cluster_->WaitForLog(follower_, "it learns"));
  // It is a member like any other, also after a restart.
  cluster_->Kill(follower_);
  cluster_->StartNode(follower_);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  ExpectServesWithoutItsLeader();
}

TEST_F(Rejoin, WhatWasThereIsKeptAndNeverHeardAgain) {
  Start();
  const std::string directory = cluster_->Directory(follower_);
  const RunResult running = cluster_->Run("rejoin", follower_);
  EXPECT_EQ(running.exit_status, 1);
  EXPECT_THAT(running.output, HasSubstr("another triadd runs on"));
  cluster_->Kill(follower_);
  ASSERT_EQ(cluster_->Run("rejoin", follower_).exit_status, 0);
  std::string old;
  for (const auto& entry : std::filesystem::directory_iterator(cluster_->directory())) {
    if (absl::StartsWith(entry.path().string(), directory + ".old-")) old = entry.path().string();
  }
  ASSERT_NE(old, "");
  EXPECT_FALSE(LogFiles(old).empty());
  cluster_->StartNode(follower_);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  cluster_->Kill(follower_);
  std::filesystem::remove_all(directory);
  std::filesystem::rename(old, directory);
  cluster_->StartNode(follower_);
  EXPECT_TRUE(cluster_->WaitForLog(
      follower_, absl::StrCat("slot ", follower_, " is known: run triadd rejoin")));
  const auto status = cluster_->Status(cluster_->WaitForLeader());
  ASSERT_TRUE(status.has_value());
  for (const auto& node : status->nodes()) {
    EXPECT_EQ(node.connected(), node.slot() != static_cast<uint32_t>(follower_));
  }
}

TEST_F(Rejoin, ADamagedLogIsRepairedByItself) {
  Start();
  const std::string directory = cluster_->Directory(follower_);
  cluster_->Kill(follower_);
  FlipAByte(directory);
  cluster_->StartNode(follower_);
  EXPECT_TRUE(cluster_->WaitForLog(follower_, "the log is damaged"));
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  EXPECT_FALSE(LogFiles(directory + "/damaged-1").empty()) << "it is kept";
  ExpectServesWithoutItsLeader();
}

TEST_F(Rejoin, ALogThatIsGoneIsDamageAndWithoutTheOthersNothingIsTouched) {
  Start();
  const std::string directory = cluster_->Directory(follower_);
  for (int node : {1, 2, 3}) cluster_->Kill(node);
  for (const auto& file : LogFiles(directory)) std::filesystem::remove(file);
  const std::string identity = ReadFileOrEmpty(directory + "/identity");
  cluster_->StartNode(follower_);
  const auto others = cluster_->Others(follower_);
  cluster_->StartNode(others[0]);
  ASSERT_TRUE(WaitFor([&] { return RoleOf(*cluster_, follower_) == "quarantined"; }));
  EXPECT_TRUE(WaitFor([&] { return RoleOf(*cluster_, others[0]) == "candidate"; }));
  EXPECT_EQ(ReadFileOrEmpty(directory + "/identity"), identity);
  cluster_->StartNode(others[1]);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  EXPECT_NE(ReadFileOrEmpty(directory + "/identity"), identity);
  ExpectServesWithoutItsLeader();
}

TEST_F(Rejoin, TheLastNodeGoesOnAloneAndTheOthersComeBackToIt) {
  Start({"--session-ttl=6s"});
  const int last = follower_;
  const auto others = cluster_->Others(last);
  ASSERT_TRUE(cluster_->WaitForAgreement());
  for (int node : {1, 2, 3}) cluster_->Kill(node);
  const std::string identity = ReadFileOrEmpty(cluster_->Directory(last) + "/identity");
  const RunResult look = cluster_->Run("recover", last);
  EXPECT_EQ(look.exit_status, 1);
  EXPECT_THAT(look.output, HasSubstr("1 sessions that hold 1 checkouts"));
  EXPECT_THAT(look.output, HasSubstr("is lost"));
  EXPECT_THAT(look.output, HasSubstr("triadd recover --accept-loss"));
  EXPECT_EQ(ReadFileOrEmpty(cluster_->Directory(last) + "/identity"), identity);
  const RunResult recover = cluster_->Run("recover", last, {"--accept-loss"});
  ASSERT_EQ(recover.exit_status, 0) << recover.output;

  cluster_->StartNode(last);
  ASSERT_TRUE(WaitFor([&] { return RoleOf(*cluster_, last) == "leader"; }));
  // What is held goes on; nothing new is granted for a while, and then it is.
  EXPECT_TRUE(WaitFor([&] { return client_->status().attached; }));
  EXPECT_TRUE(WaitFor([&] { return held_.state() == LicenseState::kHeld; }));
  const auto held_back = client_->Checkout(Want("tserver_sdn", 1));
  EXPECT_FALSE(held_back);
  EXPECT_THAT(held_back.status().ToString(), HasSubstr("recover"));
  EXPECT_TRUE(WaitFor([&] {
    auto more = client_->Checkout(Want("tserver_sdn", 1));
    return more && more->CheckIn().ok();
  }));
  EXPECT_EQ(cluster_->Used("tserver_sdn"), 3u);

  // The others are of another cluster, until they rejoin; one after the other or both at once.
  cluster_->StartNode(others[0]);
  EXPECT_TRUE(cluster_->WaitForLog(others[0], "belong to different clusters"));
  cluster_->Kill(others[0]);
  for (int node : others) {
    const RunResult rejoin = cluster_->Run("rejoin", node);
    EXPECT_EQ(rejoin.exit_status, 0) << rejoin.output;
    cluster_->StartNode(node);
  }
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  ExpectServesWithoutItsLeader();
}

// --- Another machine, which is this one under another name

constexpr char kAnotherMachine[] =
    "echo triad-other-machine > /proc/sys/kernel/hostname && exec \"$@\"";

// nullopt: this user may not.
std::optional<std::vector<std::string>> OnAnotherMachine() {
  const RunResult may =
      RunToEnd({"/usr/bin/unshare", "--uts", "/bin/sh", "-c", kAnotherMachine, "sh", "/bin/true"});
  if (may.exit_status != 0) return std::nullopt;
  return std::vector<std::string>{"/usr/bin/unshare", "--uts", "/bin/sh",   "-c",
                                  kAnotherMachine,    "sh",    TRIAD_TRIADD};
}

class Relicense : public Rejoin {
 protected:
  // Whose host id is `third` on the third SERVER line, for all nodes.
  std::string License(const std::string& third) const {
    std::string text;
    for (int node = 1; node <= 3; ++node) {
      absl::StrAppend(&text, "SERVER ", cluster_->Host(node), " ", node == 3 ? third : "ANY", " ",
                      cluster_->port(node), "\n");
    }
    absl::StrAppend(&text, "VENDOR ", kVendor, "\nUSE_SERVER\nFEATURE tserver_sdn ", kVendor,
                    " 8.0 permanent 10\n");
    return Signed(text);
  }
  void Write(const std::string& license) {
    for (int node : {1, 2, 3}) std::ofstream(cluster_->LicenseFile(node)) << license;
  }
  // What node `node` says of node 3; "": no waiver.
  std::string WaiverSeenBy(int node) {
    const auto status = cluster_->Status(node);
    return status && status->nodes(2).waiver() ? status->nodes(2).host_id() : "";
  }
  grpc::Status Reread(int node) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
    v1::RereadResponse response;
    return v1::AdminService::NewStub(ChannelTo(cluster_->Address(node)))
        ->Reread(&context, v1::RereadRequest(), &response);
  }
};

TEST_F(Relicense, TheVendorsNewFileEndsAWaiverWhileALeaderIsLost) {
  const auto another = OnAnotherMachine();
  if (!another) GTEST_SKIP() << "needs root, for a host name of its own";
  std::array<char, 256> name{};
  ASSERT_EQ(gethostname(name.data(), name.size() - 1), 0);
  cluster_.emplace(Cluster::Options());
  const std::string licensed = License(absl::StrCat("HOSTNAME=", name.data()));
  Write(licensed);
  ASSERT_TRUE(cluster_->Start());
  ASSERT_TRUE(WaitFor([&] {
    const auto status = cluster_->Status(1);
    return status && status->cluster_version() >= 5;
  }));
  client_ = *Client::Open(OptionsFor(cluster_->path(), "holder"));
  held_ = *client_->Checkout(Want("tserver_sdn", 3));

  // The third machine is lost; what takes its place is not licensed.
  cluster_->Kill(3);
  std::filesystem::remove_all(cluster_->Directory(3));
  ASSERT_EQ(cluster_->Run("rejoin", 3).exit_status, 0);
  cluster_->UseProgram(3, *another);
  cluster_->StartNode(3);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_) && !WaiverSeenBy(1).empty(); }));
  const std::string host_id = WaiverSeenBy(1);

  Write(License("0000000000bb"));  // not the one that the waiver is for
  const grpc::Status other = Reread(1);
  EXPECT_THAT(other.error_message(), HasSubstr("and the waiver of node 3 is for " + host_id));
  const std::string reissued = License(host_id);
  Write(reissued);
  // In the middle of a failover it is done or not, and asked again it is done.
  const int leader = cluster_->WaitForLeader();
  const int asked = cluster_->Others(leader)[0];
  grpc::Status first;
  std::thread asks([&] { first = Reread(asked); });
  cluster_->Kill(leader);
  asks.join();
  ASSERT_NE(cluster_->WaitForLeader(), 0);
  ASSERT_TRUE(WaitFor([&] { return Reread(asked).ok(); })) << first.error_message();
  EXPECT_TRUE(WaitFor([&] {
    const auto status = cluster_->Status(asked);
    return status && status->license_set_number() == 2;
  }));

  // With the new file each node starts, with the old one it says what differs; nothing is lost.
  cluster_->StartNode(leader);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  for (int node : {1, 2, 3}) {
    EXPECT_TRUE(WaitFor([&] { return WaiverSeenBy(node).empty(); })) << node;
  }
  const auto third = cluster_->Status(3, /*timeout_ms=*/10'000);
  ASSERT_TRUE(third.has_value());
  for (const std::string& warning : third->warnings()) {
    EXPECT_THAT(warning, Not(HasSubstr("waiver")));
  }
  std::ofstream(cluster_->LicenseFile(3)) << licensed;
  cluster_->Kill(3);
  cluster_->StartNode(3);
  EXPECT_TRUE(
      cluster_->WaitForLog(3, absl::StrCat("SERVER line 3 has host id HOSTNAME=", name.data(),
                                           ", and ", host_id, " in the set in force")));
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  std::ofstream(cluster_->LicenseFile(3)) << reissued;
  cluster_->Kill(3);
  cluster_->StartNode(3);
  ASSERT_TRUE(WaitFor([&] { return AllVote(*cluster_); }));
  EXPECT_TRUE(WaiverSeenBy(3).empty());
  ExpectServesWithoutItsLeader();
}

}  // namespace
}  // namespace triad::integration
