#include "client/trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/status/status.h"

namespace triad::client {
namespace {

using license::Role;
using ::testing::HasSubstr;

constexpr int64_t kNow = 1'800'000'000;
constexpr license::Validity kGood = {kNow - 3'600, kNow + 3'600};

class TrustTest : public ::testing::Test {
 protected:
  void Add(const std::string& directory, const std::string& name, const license::Certified& who,
           license::Validity validity = kGood) {
    files_[directory + "/ca.crt"] = authority_.certificate_pem;
    const auto made = *license::MakeCertificate(authority_, who, {}, validity);
    files_[directory + "/" + name + ".crt"] = made.certificate_pem;
    files_[directory + "/" + name + ".key"] = made.key_pem;
  }
  absl::StatusOr<Trust> Find(const license::TlsFiles& named = {}, bool insecure = false) {
    Machine machine;
    machine.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto it = variables_.find(name);
      return it == variables_.end() ? std::nullopt : std::optional(it->second);
    };
    machine.read_file = [this](const std::string& path) -> absl::StatusOr<std::string> {
      const auto it = files_.find(path);
      if (it == files_.end()) return absl::NotFoundError("no such file");
      return it->second;
    };
    return FindTrust(named, insecure, machine, kNow);
  }
  std::string Error(const license::TlsFiles& named = {}) {
    const auto trust = Find(named);
    return trust.ok() ? "" : std::string(trust.status().message());
  }

  const license::KeyAndCertificate authority_ = *license::MakeAuthority("test", kGood);
  std::map<std::string, std::string> variables_ = {{"HOME", "/home/bob"}};
  std::map<std::string, std::string> files_;
};

TEST_F(TrustTest, WithoutAnAuthorityThereIsNone) {
  ASSERT_TRUE(Find().ok());
  EXPECT_FALSE(Find()->tls());
}

TEST_F(TrustTest, TheFirstPlaceWithAnAuthorityCounts) {
  Add("/etc/triad/tls", "client", {Role::kClient, 0, "m"});
  EXPECT_EQ(Find()->paths.certificate, "/etc/triad/tls/client.crt");
  Add("/home/bob/.config/triad", "client", {Role::kClient, 0, "bob"});
  EXPECT_EQ(Find()->paths.certificate, "/home/bob/.config/triad/client.crt");
  Add("/home/bob/.config/triad", "admin", {Role::kAdmin, 0, "bob"});
  EXPECT_EQ(Find()->paths.certificate, "/home/bob/.config/triad/admin.crt");
  files_["/a/ca"] = authority_.certificate_pem;
  variables_["TRIAD_TLS_CA"] = "/a/ca";
  EXPECT_EQ(Find()->paths, (license::TlsFiles{"/a/ca", "", ""}));
  files_["/b/ca"] = authority_.certificate_pem;
  EXPECT_EQ(Find({"/b/ca", "", ""})->paths.ca, "/b/ca");
}

TEST_F(TrustTest, PlaintextMustBeAskedForAndIsNotWhereAnAuthorityWas) {
  Add("/etc/triad/tls", "client", {Role::kClient, 0, "m"});
  EXPECT_TRUE(Find()->tls());
  EXPECT_FALSE(Find({}, /*insecure=*/true)->tls());
  EXPECT_TRUE(Find({"/etc/triad/tls/ca.crt", "", ""}, /*insecure=*/true)->tls());
}

TEST_F(TrustTest, EachFaultIsALineThatNamesTheFile) {
  EXPECT_THAT(Error({"/no/ca.crt", "", ""}), HasSubstr("/no/ca.crt: no such file"));
  Add("/etc/triad/tls", "client", {Role::kClient, 0, "m"}, {kNow - 100, kNow - 1});
  EXPECT_THAT(Error(), HasSubstr("/etc/triad/tls/client.crt: expired at"));
  EXPECT_THAT(Error({"", "/x.crt", "/x.key"}), HasSubstr("/x.crt: no such file"));
  EXPECT_THAT(Error({"/etc/triad/tls/ca.crt", "/x.crt", ""}), HasSubstr("go together"));
  files_.erase("/etc/triad/tls/ca.crt");
  EXPECT_THAT(Error({"", "/x.crt", "/x.key"}), HasSubstr("without an authority"));
}

TEST_F(TrustTest, KeysOfOthersInTheMachinesDirectoryArePassedOver) {
  Add("/etc/triad/tls", "admin", {Role::kAdmin, 0, "root"});
  files_.erase("/etc/triad/tls/admin.key");  // not readable
  EXPECT_EQ(Find()->paths, (license::TlsFiles{"/etc/triad/tls/ca.crt", "", ""}));
}

}  // namespace
}  // namespace triad::client
