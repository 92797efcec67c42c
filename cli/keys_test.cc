#include "cli/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/files.h"

namespace triad::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kLicense[] =
    "SERVER lic1 INTERNET=127.0.0.1 27001\n"
    "VENDOR genesys.d\n"
    "USE_SERVER\n"
    "FEATURE tserver_sdn genesys.d 8.1 permanent 10\n"
    "FEATURE vcb_preview genesys.d 8.0 31-dec-2030 2\n";

class Keys : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = absl::StrCat(::testing::TempDir(), "/keys_test_",
                        ::testing::UnitTest::GetInstance()->current_test_info()->name(), "_",
                        getpid());
    std::filesystem::create_directories(dir_);
    ASSERT_TRUE(ReplaceFile(At("in"), kLicense).ok());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string At(const std::string& name) const { return absl::StrCat(dir_, "/", name); }
  std::string Read(const std::string& name) const { return ReadFile(At(name)).value_or("?"); }
  int Keygen() { return KeygenVerb({"--vendor=genesys.d", "--out", At("keys")}); }
  int Sign() {
    return SignVerb({"--key", At("keys/genesys.d.key"), "--in", At("in"), "--out", At("out")});
  }
  int Verify(const std::string& name) {
    ::testing::internal::CaptureStdout();
    const int exit = VerifyVerb({At(name), "--vendor_keys=" + At("keys")});
    said_ = absl::StrReplaceAll(::testing::internal::GetCapturedStdout(), {{dir_ + "/", ""}});
    return exit;
  }

  std::string dir_;
  std::string said_;
};

TEST_F(Keys, AVendorMakesAKeySignsAFileAndAnyoneVerifiesIt) {
  ASSERT_EQ(Keygen(), 0);
  struct stat info = {};
  ASSERT_EQ(stat(At("keys/genesys.d.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(Sign(), 0);
  EXPECT_EQ(Verify("out"), 0);
  EXPECT_EQ(said_, "out:4: tserver_sdn: good\nout:5: vcb_preview: good\n");
}

TEST_F(Keys, AKeyIsNeverOverwritten) {
  ASSERT_EQ(Keygen(), 0);
  const std::string key = Read("keys/genesys.d.key");
  EXPECT_EQ(Keygen(), 1);
  EXPECT_EQ(Read("keys/genesys.d.key"), key);
}

TEST_F(Keys, ALineThatWasChangedOrIsUnsignedIsNotGood) {
  ASSERT_EQ(Keygen(), 0);
  ASSERT_EQ(Sign(), 0);
  ASSERT_TRUE(ReplaceFile(At("changed"),
                          absl::StrReplaceAll(Read("out"), {{"permanent 10", "permanent 99"}}))
                  .ok());
  EXPECT_EQ(Verify("changed"), 1);
  EXPECT_THAT(said_, HasSubstr("changed:4: tserver_sdn: signature does not fit"));
  EXPECT_THAT(said_, HasSubstr("changed:5: vcb_preview: good\n"));
  EXPECT_EQ(Verify("in"), 1);
  EXPECT_THAT(said_, HasSubstr("in:4: tserver_sdn: not signed: ask genesys.d"));
}

TEST_F(Keys, WhatCannotBeReadIsNotGood) {
  ASSERT_EQ(Keygen(), 0);
  EXPECT_EQ(Verify("nosuch"), 1);
  ASSERT_TRUE(ReplaceFile(At("bad"), "FEATURE x genesys.d 8.x permanent 1\n").ok());
  EXPECT_EQ(Verify("bad"), 1);
  EXPECT_THAT(said_, HasSubstr("bad:1:"));
  EXPECT_EQ(VerifyVerb({At("in"), "--vendor-keys", At("nosuch")}), 1);
}

TEST_F(Keys, NothingIsWrittenWhenALineCannotBeSigned) {
  ASSERT_EQ(Keygen(), 0);
  ASSERT_TRUE(
      ReplaceFile(At("in"), absl::StrCat(kLicense, "FEATURE x genesys.d 8.x permanent 1\n")).ok());
  EXPECT_EQ(Sign(), 1);
  EXPECT_EQ(ReadFile(At("out")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Keys, WrongUsageIsTwo) {
  EXPECT_EQ(KeygenVerb({"--out=x"}), 2);
  EXPECT_EQ(KeygenVerb({"--out=x", "--vendor=a/b"}), 2);
  EXPECT_EQ(KeygenVerb({"--out=x", "--vendor=a b"}), 2);
  EXPECT_EQ(SignVerb({"--key=x"}), 2);
  EXPECT_EQ(VerifyVerb({}), 2);
}

}  // namespace
}  // namespace triad::cli
