#include "client/search_path.h"

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kTriadFile[] =
    "SERVER lic1 0019d1aabb01 7260\n"
    "SERVER lic2 0019d1aabb02 7260\n"
    "SERVER lic3 0019d1aabb03 7260\n"
    "VENDOR genesys.d\n";

std::vector<std::string> Servers(const Cluster& cluster) {
  std::vector<std::string> servers;
  for (const Address& address : cluster.servers) servers.push_back(FormatAddress(address));
  return servers;
}

struct FakeMachine {
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> files;

  Machine Get() const {
    Machine machine;
    machine.environment = [this](const std::string& name) -> std::optional<std::string> {
      auto it = environment.find(name);
      if (it == environment.end()) return std::nullopt;
      return it->second;
    };
    machine.read_file = [this](const std::string& path) -> absl::StatusOr<std::string> {
      auto it = files.find(path);
      if (it == files.end()) return absl::NotFoundError("no such file");
      return it->second;
    };
    machine.list_directory =
        [this](const std::string& path) -> absl::StatusOr<std::vector<std::string>> {
      std::vector<std::string> found;
      bool directory = false;
      for (const auto& [name, bytes] : files) {
        if (!absl::StartsWith(name, absl::StrCat(path, "/"))) continue;
        directory = true;
        if (absl::EndsWith(name, ".lic")) found.push_back(name);
      }
      if (!directory) return absl::NotFoundError("not a directory");
      return found;
    };
    return machine;
  }
};

TEST(SearchPath, PortAtHostIsAClusterOfOne) {
  SearchPath path = ParseSearchPath("27000@lic1.example.com");
  ASSERT_THAT(path.entries, SizeIs(1));
  ASSERT_THAT(path.entries[0].clusters, SizeIs(1));
  EXPECT_THAT(Servers(path.entries[0].clusters[0]), ElementsAre("27000@lic1.example.com"));
}

TEST(SearchPath, ThreeServersWithCommasAreOneCluster) {
  SearchPath path = ParseSearchPath("7260@a,7260@b,7261@c");
  ASSERT_THAT(path.entries, SizeIs(1));
  ASSERT_THAT(path.entries[0].clusters, SizeIs(1));
  EXPECT_THAT(Servers(path.entries[0].clusters[0]), ElementsAre("7260@a", "7260@b", "7261@c"));
}

TEST(SearchPath, ColonsSeparateEntriesButNotInBrackets) {
  SearchPath path = ParseSearchPath(
      "/etc/a.lic:27000@[fd00::1],27000@[fd00::2],27000@10.0.0.3:27001@h:/opt/licenses");
  EXPECT_THAT(path.problems, IsEmpty());
  ASSERT_THAT(path.entries, SizeIs(4));
  EXPECT_EQ(path.entries[0].path, "/etc/a.lic");
  EXPECT_THAT(Servers(path.entries[1].clusters[0]),
              ElementsAre("27000@[fd00::1]", "27000@[fd00::2]", "27000@10.0.0.3"));
  EXPECT_EQ(path.entries[1].clusters[0].servers[0].host, "fd00::1");
  EXPECT_THAT(Servers(path.entries[2].clusters[0]), ElementsAre("27001@h"));
  EXPECT_EQ(path.entries[3].path, "/opt/licenses");
}

TEST(SearchPath, AHostWithoutAPortStandsForTheTenDefaultPorts) {
  SearchPath path = ParseSearchPath("@lic1");
  ASSERT_THAT(path.entries, SizeIs(1));
  ASSERT_THAT(path.entries[0].clusters, SizeIs(10));
  EXPECT_THAT(Servers(path.entries[0].clusters[0]), ElementsAre("27000@lic1"));
  EXPECT_THAT(Servers(path.entries[0].clusters[9]), ElementsAre("27009@lic1"));
}

TEST(SearchPath, NonsenseIsNamedAndTheRestIsUsed) {
  for (const char* bad :
       {"x@lic1", "0@lic1", "65536@lic1", "-1@lic1", "27000@", "1@a,2@b", "1@a,2@b,3@c,4@d",
        "1@a,2@b,@c", "1@a,1@a,2@b", "27000@a b", "1@a,b,2@c", "27000@a@b"}) {
    SearchPath path = ParseSearchPath(absl::StrCat(bad, ":27000@good"));
    EXPECT_THAT(path.problems, ElementsAre(HasSubstr("search path: '"))) << bad;
    ASSERT_THAT(path.entries, SizeIs(1)) << bad;
    EXPECT_EQ(path.entries[0].text, "27000@good") << bad;
  }
}

TEST(SearchPath, AnOpenBracketIsNamed) {
  SearchPath path = ParseSearchPath("27000@[fd00::1:27000@b");
  EXPECT_THAT(path.entries, IsEmpty());
  EXPECT_THAT(path.problems, ElementsAre(HasSubstr("the ] of the IPv6 address is missing")));
}

TEST(SearchPath, EmptyElementsAreSkipped) {
  EXPECT_THAT(ParseSearchPath("").entries, IsEmpty());
  EXPECT_THAT(ParseSearchPath("::: :").entries, IsEmpty());
  EXPECT_THAT(ParseSearchPath(":27000@a:").entries, SizeIs(1));
}

TEST(SearchPath, AnAtSignBehindASlashBelongsToAFileName) {
  SearchPath path = ParseSearchPath("/opt/a@b/license.dat");
  ASSERT_THAT(path.entries, SizeIs(1));
  EXPECT_EQ(path.entries[0].kind, PathEntry::Kind::kPath);
}

TEST(SearchPath, TheVendorsVariableHasUnderscoresForOtherCharacters) {
  EXPECT_THAT(VendorVariables("genesys.d"),
              ElementsAre("GENESYS_D_LICENSE_FILE", "genesys.d_LICENSE_FILE"));
  EXPECT_THAT(VendorVariables("MLM"), ElementsAre("MLM_LICENSE_FILE"));
  EXPECT_THAT(VendorVariables(""), IsEmpty());
}

TEST(SearchPath, DialTargetsNeedNoResolverForAddresses) {
  EXPECT_EQ(DialTarget({"127.0.0.1", 27000}), "ipv4:127.0.0.1:27000");
  EXPECT_EQ(DialTarget({"fd00::1", 27000}), "ipv6:[fd00::1]:27000");
  EXPECT_EQ(DialTarget({"lic1", 27000}), "dns:///lic1:27000");
}

TEST(SearchPath, OnlyThisMachinesAddressesAreLoopback) {
  for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"}) {
    EXPECT_TRUE(IsLoopback({host, 1})) << host;
  }
  for (const char* host : {"127.evil.com", "10.0.0.1", "127.0.0.1.example.com", "fd00::1", ""}) {
    EXPECT_FALSE(IsLoopback({host, 1})) << host;
  }
}

TEST(SearchPath, AFilesServerLinesAreTheCluster) {
  std::string problem;
  std::optional<Cluster> cluster = ClusterOfFile("l.dat", kTriadFile, &problem);
  ASSERT_TRUE(cluster.has_value()) << problem;
  EXPECT_THAT(Servers(*cluster), ElementsAre("7260@lic1", "7260@lic2", "7260@lic3"));

  cluster = ClusterOfFile("l.dat", "SERVER this_host ANY\nUSE_SERVER\n", &problem);
  ASSERT_TRUE(cluster.has_value()) << "all that a client's file needs (flexnet-facts 1.4)";
  cluster = ClusterOfFile("l.dat", "SERVER this_host ANY\nVENDOR v\n", &problem);
  ASSERT_TRUE(cluster.has_value()) << problem;
  EXPECT_THAT(Servers(*cluster), ElementsAre("27000@localhost"));
}

TEST(SearchPath, AFileWithoutTwoOrFourServerLinesIsAProblem) {
  std::string problem;
  EXPECT_FALSE(ClusterOfFile("l.dat", "VENDOR v\n", &problem).has_value());
  EXPECT_THAT(problem, HasSubstr("l.dat: no SERVER line"));
  EXPECT_FALSE(
      ClusterOfFile("l.dat", "SERVER a ANY 1\nSERVER b ANY 2\nVENDOR v\n", &problem).has_value());
  EXPECT_THAT(problem, HasSubstr("2 SERVER lines"));
}

TEST(SearchPath, AnArgumentKeepsTheEnvironmentOut) {
  FakeMachine machine;
  machine.environment = {{"LM_LICENSE_FILE", "1@environment"}};
  Clusters found = FindClusters("2@argument", "genesys.d", machine.Get());
  ASSERT_THAT(found.clusters, SizeIs(1));
  EXPECT_THAT(Servers(found.clusters[0]), ElementsAre("2@argument"));
  EXPECT_EQ(found.origin, "argument");
}

TEST(SearchPath, TheEnvironmentIsReadInItsOrder) {
  FakeMachine machine;
  machine.environment = {{"GENESYS_D_LICENSE_FILE", "1@vendor"},
                         {"genesys.d_LICENSE_FILE", "2@literal"},
                         {"LM_LICENSE_FILE", "3@common:1@vendor"},
                         {"HOME", "/home/u"}};
  machine.files = {{"/home/u/.flexlmrc", "# mine\nOTHER=x\nLM_LICENSE_FILE = 4@rc\n"},
                   {"/etc/triad/license.dat", kTriadFile}};
  Clusters found = FindClusters("", "genesys.d", machine.Get());
  std::vector<std::string> first;
  for (const Cluster& cluster : found.clusters) first.push_back(Servers(cluster)[0]);
  EXPECT_THAT(first, ElementsAre("1@vendor", "2@literal", "3@common", "4@rc", "7260@lic1"));
  EXPECT_EQ(found.origin, "GENESYS_D_LICENSE_FILE");
}

TEST(SearchPath, NothingAtAllSaysWhatToSet) {
  Clusters found = FindClusters("", "", FakeMachine().Get());
  EXPECT_THAT(found.clusters, IsEmpty());
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("LM_LICENSE_FILE")));
}

TEST(SearchPath, ADirectoryMeansItsLicFiles) {
  FakeMachine machine;
  machine.files = {{"/opt/l/b.lic", "SERVER b ANY 2\n"},
                   {"/opt/l/a.lic", "SERVER a ANY 1\n"},
                   {"/opt/l/readme.txt", "SERVER c ANY 3\n"},
                   {"/opt/e/readme.txt", ""}};
  Clusters found = FindClusters("/opt/l:/opt/e:/opt/missing.lic", "", machine.Get());
  ASSERT_THAT(found.clusters, SizeIs(2));
  EXPECT_THAT(Servers(found.clusters[0]), ElementsAre("1@a"));
  EXPECT_THAT(Servers(found.clusters[1]), ElementsAre("2@b"));
  EXPECT_THAT(found.problems, ElementsAre(HasSubstr("no *.lic file"), HasSubstr("no such file")));
}

TEST(SearchPath, ASearchPathLeadsToABoundedNumberOfClusters) {
  Clusters found = FindClusters("@a:@b:@c", "", FakeMachine().Get());
  EXPECT_THAT(found.clusters, SizeIs(kClustersMax));
  EXPECT_THAT(found.problems, SizeIs(30 - kClustersMax));
}

}  // namespace
}  // namespace triad::client
