#include "server/site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "license/license_file.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;

std::vector<license::ServerLine> Lines(const std::string& text) {
  return license::ReadLicenseFile("l.dat", text).servers;
}

license::MachineIds Machine() {
  license::MachineIds machine;
  machine.ethers = {"0019d1aabbcc"};
  machine.hostnames = {"lic2.example.com", "lic2"};
  machine.addresses = {"127.0.0.0/8", "192.0.2.2"};
  return machine;
}

const char kThree[] =
    "SERVER lic1 0019d1aabb01 27000\nSERVER lic2 0019d1aabbcc 27000\nSERVER lic3 0019d1aabb03 "
    "27000\n";

TEST(Site, OneOrThreeServerLinesAreALicenseServer) {
  EXPECT_TRUE(ServersOf(Lines("SERVER a ANY 27000\n")).ok());
  const auto three = ServersOf(Lines(kThree));
  ASSERT_TRUE(three.ok());
  EXPECT_EQ((*three)[2].Address(), "27000@lic3");
  EXPECT_THAT(std::string(ServersOf(Lines("")).status().message()),
              HasSubstr("no SERVER lines (-13)"));
  EXPECT_THAT(std::string(ServersOf(Lines("SERVER a ANY 1\nSERVER b ANY 2\n")).status().message()),
              HasSubstr("2 SERVER lines"));
  // flexnet-facts 1.2: a single server may leave it out.
  EXPECT_EQ(ServersOf(Lines("SERVER a ANY\n"))->front().Address(), "27000@a");
  EXPECT_THAT(
      std::string(
          ServersOf(Lines("SERVER a ANY 1\nSERVER b ANY 2\nSERVER c ANY\n")).status().message()),
      HasSubstr("without a port"));
}

TEST(Site, TheNodeIsFoundByHostNameAddressOrHostId) {
  EXPECT_EQ(*FindSlot({}, Lines(kThree), Machine()), quorum::Slot::k2);
  license::MachineIds machine = Machine();
  machine.hostnames = {"renamed"};
  EXPECT_EQ(*FindSlot({}, Lines(kThree), machine), quorum::Slot::k2) << "by its host id";
  EXPECT_EQ(
      *FindSlot({}, Lines("SERVER a ANY 1\nSERVER 192.0.2.2 ANY 1\nSERVER c ANY 1\n"), machine),
      quorum::Slot::k2);
}

TEST(Site, WhereNoOrSeveralLinesNameTheMachineTheNodeMustBeGiven) {
  const auto any = Lines("SERVER a ANY 1\nSERVER b ANY 1\nSERVER c ANY 1\n");
  EXPECT_THAT(std::string(FindSlot({}, any, Machine()).status().message()), HasSubstr("--node="));
  Flags flags;
  flags.node = 3;
  EXPECT_EQ(*FindSlot(flags, any, Machine()), quorum::Slot::k3);
  EXPECT_FALSE(FindSlot(flags, Lines("SERVER a ANY 1\n"), Machine()).ok());
}

TEST(Site, AHostIdOfAnotherMachineIsRefusedWithBoth) {
  const auto lines = Lines(kThree);
  EXPECT_TRUE(CheckHostId(lines[1], Machine()).ok());
  const std::string error(CheckHostId(lines[0], Machine()).message());
  EXPECT_THAT(error, HasSubstr("l.dat:1"));
  EXPECT_THAT(error, HasSubstr("0019d1aabb01"));
  EXPECT_THAT(error, HasSubstr("0019d1aabbcc"));
  EXPECT_THAT(error, HasSubstr("-9"));
}

TEST(Site, PlaintextBeyondLoopbackNeedsAFlag) {
  const auto far = *ServersOf(Lines(kThree));
  const auto near = *ServersOf(Lines("SERVER 127.0.0.1 ANY 27000\n"));
  EXPECT_TRUE(AllLoopback(near));
  EXPECT_EQ(ChooseTls({}, near), std::nullopt);
  ASSERT_TRUE(ChooseTls({}, far).has_value());
  EXPECT_EQ(ChooseTls({}, far)->certificate, "/etc/triad/tls/node.crt");
  Flags flags;
  flags.insecure = true;
  EXPECT_EQ(ChooseTls(flags, far), std::nullopt);
}

TEST(Site, CertificatesThatAreNamedAreUsedEverywhere) {
  Flags flags;
  flags.insecure = true;
  flags.tls_ca = "a";
  flags.tls_cert = "c";
  flags.tls_key = "k";
  const license::TlsFiles files = {"a", "c", "k"};
  EXPECT_EQ(ChooseTls(flags, *ServersOf(Lines("SERVER 127.0.0.1 ANY 27000\n"))), files);
  EXPECT_EQ(ChooseTls(flags, *ServersOf(Lines(kThree))), files);
}

TEST(Site, FilesThatCannotBeReadAreProblemsNotCrashes) {
  Flags flags;
  flags.license = "/no/such/license.dat";
  flags.vendor_keys = "/no/such/dir";
  const auto site = ReadSite(flags);
  ASSERT_TRUE(site.ok());
  EXPECT_EQ(site->files.license_files_size(), 0);
  ASSERT_EQ(site->problems.size(), 2u);
  EXPECT_THAT(site->problems[0], HasSubstr("/no/such/license.dat"));
}

// A directory with these files, gone with the test.
class SiteFiles : public ::testing::Test {
 protected:
  SiteFiles() : dir_(::testing::TempDir() + "triad_site_files") {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_ + "/options.d");
    flags_.license = dir_ + "/license.dat";
    flags_.vendor_keys = dir_;
  }
  ~SiteFiles() override { std::filesystem::remove_all(dir_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ + "/" + name) << text;
  }
  // "VENDOR PATH-IN-DIR" of the options files that are read.
  std::vector<std::string> Options() {
    auto site = ReadSite(flags_);
    std::vector<std::string> out;
    problems_ = site->problems;
    for (const auto& file : site->files.option_files()) {
      out.push_back(file.name() + " " + file.path().substr(dir_.size() + 1));
    }
    return out;
  }

  const std::string dir_;
  Flags flags_;
  std::vector<std::string> problems_;
};

TEST_F(SiteFiles, OptionsAreReadFromTheFirstPlaceThatHasThem) {
  Write("license.dat", "SERVER a ANY 1\nVENDOR acme\nVENDOR moon options=sub.opt\n");
  EXPECT_THAT(Options(), ::testing::IsEmpty());
  EXPECT_THAT(problems_, ::testing::Contains(HasSubstr("sub.opt")))
      << "a file that a VENDOR line names must be there";
  EXPECT_THAT(problems_, ::testing::Contains(HasSubstr("license.dat:3)")));
  Write("acme.opt", "# beside the license file\n");
  Write("sub.opt", "# named by the VENDOR line\n");
  EXPECT_THAT(Options(), ::testing::ElementsAre("moon sub.opt", "acme acme.opt"));
  Write("options.d/acme.opt", "# the usual place\n");
  Write("moon.opt", "# not used\n");
  EXPECT_THAT(Options(), ::testing::ElementsAre("moon sub.opt", "acme options.d/acme.opt"));
  EXPECT_THAT(problems_, ::testing::Contains(HasSubstr("moon.opt for moon is not used")));
  Write("mine", "# named on the command line\n");
  flags_.options = {"acme=" + dir_ + "/mine"};
  EXPECT_THAT(Options(), ::testing::ElementsAre("acme mine", "moon sub.opt"));
}

TEST_F(SiteFiles, ComplaintsAboutOptionsNameTheirFile) {
  Write("license.dat", "SERVER a ANY 1\nVENDOR acme\n");
  Write("acme.opt", "EXLCUDE f USER ann\n");
  const auto site = ReadSite(flags_);
  ASSERT_FALSE(site->catalog.diagnostics().empty());
  EXPECT_THAT(site->catalog.diagnostics().back().ToString(),
              HasSubstr(dir_ + "/acme.opt:1:1: error: `EXLCUDE`"));
}

// On a machine that is not its SERVER line's.
TEST(Waiver, IsForOneIncarnationOnOneMachine) {
  license::MachineIds machine;
  machine.ethers = {"0019d1aabbcc", "0019d1aabbdd"};
  storage::Identity identity;
  identity.slot = 3;
  identity.incarnation = std::string(16, 'c');
  v1::Members members;
  EXPECT_FALSE(MayRunOnWaiver(members, identity, machine)) << "of no cluster yet";
  identity.rejoining = true;
  EXPECT_TRUE(MayRunOnWaiver(members, identity, machine)) << "it asks for one";
  identity.rejoining = false;
  identity.cluster_id = std::string(32, 'i');
  identity.members = {{3, identity.incarnation}};
  EXPECT_FALSE(MayRunOnWaiver(members, identity, machine)) << "a node of the birth has none";
  identity.members = {{3, std::string(16, 'b')}};
  EXPECT_TRUE(MayRunOnWaiver(members, identity, machine)) << "let in, and not told yet as what";
  auto* node = members.add_nodes();
  node->set_slot(3);
  node->set_incarnation(identity.incarnation);
  node->set_voter(true);
  EXPECT_FALSE(MayRunOnWaiver(members, identity, machine)) << "let in on its licensed machine";
  node->set_waiver(true);
  node->set_host_id("0019d1aabbdd");
  EXPECT_TRUE(MayRunOnWaiver(members, identity, machine)) << "any of the machine's cards";
  node->set_host_id("0019d1ffffff");
  EXPECT_FALSE(MayRunOnWaiver(members, identity, machine)) << "for another machine";
}

}  // namespace
}  // namespace triad::server
