#include "server/site.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_THAT(std::string(ServersOf(Lines("SERVER a ANY\n")).status().message()),
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
  EXPECT_TRUE(CheckPlaintext({}, near).ok());
  EXPECT_THAT(std::string(CheckPlaintext({}, far).message()), HasSubstr("--insecure"));
  Flags flags;
  flags.insecure = true;
  EXPECT_TRUE(CheckPlaintext(flags, far).ok());
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

}  // namespace
}  // namespace triad::server
