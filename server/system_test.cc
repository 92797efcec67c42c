#include "server/system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <set>
#include <string>

namespace triad::server {
namespace {

TEST(System, ThisMachineHasALoopbackAndANameAndAUser) {
  const license::MachineIds ids = ReadMachineIds();
  EXPECT_FALSE(ids.hostnames.empty());
  EXPECT_THAT(ids.addresses, ::testing::Contains("127.0.0.0/8"));
}

TEST(System, RandomBytesAreAsManyAsAskedForAndDiffer) {
  SystemRandom random;
  std::set<std::string> drawn;
  for (int i = 0; i < 100; ++i) drawn.insert(random.Bytes(16));
  EXPECT_EQ(drawn.size(), 100u);
  EXPECT_EQ(drawn.begin()->size(), 16u);
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.Below(3), 3u);
}

TEST(System, AFileIsReadWholeOrNotAtAll) {
  const std::string path = ::testing::TempDir() + "/file.lic";
  std::ofstream(path) << "12345";
  EXPECT_EQ(*ReadFile(path, 5), "12345");
  EXPECT_THAT(std::string(ReadFile(path, 4).status().message()), ::testing::HasSubstr(path));
  EXPECT_FALSE(ReadFile("/no/such/file", 4).ok());
  EXPECT_FALSE(ReadFile(::testing::TempDir(), 4).ok()) << "a directory is no file";
  EXPECT_TRUE(IsDirectory(::testing::TempDir()));
  EXPECT_THAT(ListFiles(::testing::TempDir(), ".lic"),
              ::testing::Contains(::testing::EndsWith("file.lic")));
}

TEST(System, FreeSpaceIsThatOfTheDirectorysDisk) {
  EXPECT_GT(SystemDiskSpace(::testing::TempDir()).FreeBytes(), 0);
  EXPECT_LT(SystemDiskSpace("/no/such/directory").FreeBytes(), 0);
}

TEST(System, AProbeReachesTheDiskEachTimeAndNeedsNoNewRoom) {
  const std::string path = ::testing::TempDir() + "/triad-disk-probe";
  std::remove(path.c_str());
  DiskProbe probe(path);
  probe.Touch();
  probe.Touch();
  std::ifstream file(path, std::ios::binary);
  uint64_t touches = 0;
  ASSERT_TRUE(file.read(reinterpret_cast<char*>(&touches), sizeof(touches)));
  EXPECT_EQ(touches, 2u);
  EXPECT_FALSE(file.read(reinterpret_cast<char*>(&touches), 1));
  DiskProbe("/no/such/directory/file").Touch();  // no harm
}

TEST(System, AnAddressIsTakenOutOfWhatTheTransportSays) {
  EXPECT_EQ(AddressOfPeer("ipv4:10.0.0.7:4711"), "10.0.0.7");
  EXPECT_EQ(AddressOfPeer("ipv6:%5Bfec0::1%5D:4711"), "fec0::1");
  EXPECT_EQ(AddressOfPeer("ipv6:[fe80::1%25eth0]:4711"), "fe80::1");
  EXPECT_EQ(AddressOfPeer("ipv6:%5B::ffff:10.0.0.7%5D:1"), "::ffff:10.0.0.7");
  EXPECT_EQ(AddressOfPeer("unix:/run/triad/admin.sock"), "unix:/run/triad/admin.sock");
  EXPECT_EQ(AddressOfPeer(""), "");
}

TEST(OneLine, WhatAClientCallsItselfBeginsNoLineOfItsOwn) {
  EXPECT_EQ(OneLine("session of ann\n<3>all is lost\x1b[2J\tend"),
            "session of ann?<3>all is lost?[2J end");
}

}  // namespace
}  // namespace triad::server
