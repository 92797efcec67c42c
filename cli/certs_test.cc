#include "cli/certs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/files.h"
#include "license/certificate.h"

namespace triad::cli {
namespace {

using license::Role;
using ::testing::HasSubstr;

class Certs : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = absl::StrCat(::testing::TempDir(), "/certs_test_",
                        ::testing::UnitTest::GetInstance()->current_test_info()->name(), "_",
                        getpid());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  int Run(std::vector<std::string> arguments) {
    arguments.push_back("--dir=" + dir_);
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int exit = CertsVerb(arguments);
    said_ = ::testing::internal::GetCapturedStdout() + ::testing::internal::GetCapturedStderr();
    return exit;
  }
  std::string Read(const std::string& name) const {
    return ReadFile(absl::StrCat(dir_, "/", name)).value_or("?");
  }
  mode_t Mode(const std::string& name) const {
    struct stat info = {};
    return stat(absl::StrCat(dir_, "/", name).c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }
  absl::Status Check(const std::string& set, const std::string& file) const {
    const auto files = [&](auto give) {
      return license::TlsFiles{give(set + "/ca.crt"), give(set + "/" + file + ".crt"),
                               give(set + "/" + file + ".key")};
    };
    return license::CheckTlsFiles(files([](const std::string& path) { return path; }),
                                  files([this](const std::string& path) { return Read(path); }),
                                  absl::ToUnixSeconds(absl::Now()));
  }

  std::string dir_;
  std::string said_;
};

TEST_F(Certs, MakesASetForEachRoleThatIsGood) {
  ASSERT_EQ(Run({"ca"}), 0) << said_;
  EXPECT_EQ(Mode("ca.key"), 0600u);
  ASSERT_EQ(Run({"node", "2", "--host=lic2", "--host=10.0.0.2"}), 0) << said_;
  ASSERT_EQ(Run({"admin", "alice"}), 0) << said_;
  ASSERT_EQ(Run({"client", "bob"}), 0) << said_;
  EXPECT_TRUE(Check("node2", "node").ok()) << Check("node2", "node");
  EXPECT_TRUE(Check("admin-alice", "admin").ok());
  EXPECT_TRUE(Check("client-bob", "client").ok());
  EXPECT_EQ(license::ReadCertificate(Read("node2/node.crt"))->who.ToString(), "node 2");
  EXPECT_EQ(license::ReadCertificate(Read("admin-alice/admin.crt"))->who.ToString(),
            "administrator alice");
  EXPECT_EQ(license::ReadCertificate(Read("client-bob/client.crt"))->who.ToString(), "client bob");
  EXPECT_EQ(Mode("node2"), 0700u);
  EXPECT_EQ(Mode("node2/node.key"), 0600u);
  EXPECT_EQ(Mode("client-bob/client.key"), 0600u);
}

TEST_F(Certs, TheBundleOfClientMachinesHasNoSecret) {
  ASSERT_EQ(Run({"ca"}), 0);
  ASSERT_EQ(Run({"client-bundle"}), 0) << said_;
  EXPECT_EQ(Read("client-bundle/ca.crt"), Read("ca.crt"));
  int files = 0;
  for (const auto& each : std::filesystem::directory_iterator(dir_ + "/client-bundle")) {
    EXPECT_EQ(each.path().filename(), "ca.crt");
    ++files;
  }
  EXPECT_EQ(files, 1);
}

TEST_F(Certs, NothingIsOverwritten) {
  ASSERT_EQ(Run({"ca"}), 0);
  ASSERT_EQ(Run({"node", "1"}), 0);
  const std::string ca = Read("ca.key");
  const std::string node = Read("node1/node.key");
  EXPECT_EQ(Run({"ca"}), 1);
  EXPECT_THAT(said_, HasSubstr("an authority is never overwritten"));
  EXPECT_EQ(Run({"node", "1"}), 1);
  EXPECT_THAT(said_, HasSubstr("nothing is overwritten; give another --out"));
  EXPECT_EQ(Read("ca.key"), ca);
  EXPECT_EQ(Read("node1/node.key"), node);
  EXPECT_EQ(Run({"node", "1", "--out=" + dir_ + "/next"}), 0) << said_;
  EXPECT_NE(Read("next/node.key"), node);
}

TEST_F(Certs, WhatIsWrongIsToldInALine) {
  EXPECT_EQ(Run({"node", "1"}), 1);
  EXPECT_THAT(said_, HasSubstr("holds no authority: make one with triad certs ca"));
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(Run({"node"}), 2);
  EXPECT_EQ(Run({"node", "4"}), 2);
  EXPECT_THAT(said_, HasSubstr("takes 1, 2 or 3"));
  EXPECT_EQ(Run({"admin", "a b"}), 2);
  EXPECT_EQ(Run({"ca", "x"}), 2);
  EXPECT_EQ(Run({"ca", "--days=0"}), 2);
  EXPECT_EQ(Run({"client", "bob", "--host=x"}), 2);
  EXPECT_EQ(Run({"server", "x"}), 2);
}

}  // namespace
}  // namespace triad::cli
