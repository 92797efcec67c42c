#include "server/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace triad::server {
namespace {

using license::Certified;
using license::KeyAndCertificate;
using license::Role;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr int64_t kNow = 1'800'000'000;
constexpr license::Validity kGood = {kNow - 3'600, kNow + 3'600};
constexpr license::Validity kLong = {kNow - 3'600, kNow + 1'000 * 86'400};

class FakeClock final : public Clock {
 public:
  int64_t NowMs() override { return now_s * 1'000; }
  int64_t WallMs() override { return now_s * 1'000; }
  int32_t UtcOffsetSeconds() override { return 0; }
  int64_t now_s = kNow;
};

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = absl::StrCat(::testing::TempDir(), "/tls_test_",
                        ::testing::UnitTest::GetInstance()->current_test_info()->name(), "_",
                        getpid());
    std::filesystem::create_directories(dir_);
    paths_ = {dir_ + "/ca.crt", dir_ + "/node.crt", dir_ + "/node.key"};
    Write(paths_.ca, authority_.certificate_pem);
    Install({Role::kNode, 2, ""}, kGood);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }
  void Install(const Certified& who, license::Validity validity) {
    const auto made = license::MakeCertificate(authority_, who, {}, validity);
    ASSERT_TRUE(made.ok()) << made.status();
    Write(paths_.certificate, made->certificate_pem);
    Write(paths_.key, made->key_pem);
  }
  std::string Refusal() {
    const auto tls = Tls::Load(paths_, quorum::Slot::k2, &clock_);
    return tls.ok() ? "" : std::string(tls.status().message());
  }

  FakeClock clock_;
  const KeyAndCertificate authority_ = *license::MakeAuthority("test", kLong);
  std::string dir_;
  license::TlsFiles paths_;
};

TEST_F(TlsTest, OnlyThisNodesOwnCertificateIsTaken) {
  EXPECT_EQ(Refusal(), "");
  Install({Role::kNode, 3, ""}, kGood);
  EXPECT_THAT(Refusal(), HasSubstr("is the certificate of node 3, this is node 2"));
  Install({Role::kAdmin, 0, "alice"}, kGood);
  EXPECT_THAT(Refusal(), HasSubstr("is the certificate of administrator alice"));
  Install({Role::kNode, 2, ""}, {kNow - 100, kNow - 1});
  EXPECT_THAT(Refusal(), HasSubstr("expired at"));
  std::filesystem::remove(paths_.key);
  EXPECT_THAT(Refusal(), HasSubstr("node.key"));
}

TEST_F(TlsTest, ItsEndIsToldADayApartInTheLastTwoWeeksAndWhenItIsOver) {
  constexpr int64_t kDay = 86'400;
  Install({Role::kNode, 2, ""}, {kNow - 100, kNow + 16 * kDay});
  const auto tls = *Tls::Load(paths_, quorum::Slot::k2, &clock_);
  EXPECT_EQ(tls->TellExpiry(), "");
  clock_.now_s += 3 * kDay;
  EXPECT_THAT(tls->TellExpiry(),
              AllOf(HasSubstr(paths_.certificate + ": expires at "), HasSubstr("certs node 2")));
  EXPECT_EQ(tls->TellExpiry(), "") << "told today";
  clock_.now_s += kDay;
  EXPECT_THAT(tls->TellExpiry(), HasSubstr("expires at"));
  clock_.now_s = kNow + 16 * kDay - 1;
  EXPECT_THAT(tls->TellExpiry(), HasSubstr("expires at"));
  clock_.now_s += 1;
  EXPECT_THAT(tls->TellExpiry(), HasSubstr("expired at"));
  EXPECT_EQ(tls->TellExpiry(), "");
  Install({Role::kNode, 2, ""}, {kNow - 100, clock_.now_s + 400 * kDay});
  ASSERT_TRUE(*tls->Reload());
  EXPECT_EQ(tls->TellExpiry(), "") << "it was replaced";
}

TEST_F(TlsTest, NewFilesAreTakenWhenTheyAreGood) {
  const auto tls = *Tls::Load(paths_, quorum::Slot::k2, &clock_);
  uint64_t listener = 0;
  license::TlsFiles before;
  EXPECT_TRUE(tls->ChangedSince(&listener, &before));
  EXPECT_FALSE(tls->ChangedSince(&listener, &before));
  EXPECT_FALSE(*tls->Reload()) << "nothing has changed";

  Install({Role::kNode, 2, ""}, {kNow - 3'600, kNow + 7'200});
  ASSERT_TRUE(tls->Reload().ok());
  EXPECT_EQ(tls->expires_s(), kNow + 7'200);
  license::TlsFiles after;
  EXPECT_TRUE(tls->ChangedSince(&listener, &after));
  EXPECT_NE(after.key, before.key);
}

TEST_F(TlsTest, BadNewFilesLeaveTheOldInUseAndAreToldOnce) {
  const auto tls = *Tls::Load(paths_, quorum::Slot::k2, &clock_);
  uint64_t listener = 0;
  license::TlsFiles contents;
  EXPECT_TRUE(tls->ChangedSince(&listener, &contents));
  // The certificate is there, its key is not yet.
  const auto made = license::MakeCertificate(authority_, {Role::kNode, 2, ""}, {}, kGood);
  Write(paths_.certificate, made->certificate_pem);
  EXPECT_FALSE(tls->Reload().ok());
  EXPECT_TRUE(tls->Reload().ok()) << "told once";
  EXPECT_FALSE(tls->ChangedSince(&listener, &contents));
  Write(paths_.key, made->key_pem);
  EXPECT_TRUE(*tls->Reload());
  EXPECT_TRUE(tls->ChangedSince(&listener, &contents));
}

}  // namespace
}  // namespace triad::server
