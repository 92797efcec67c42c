#include "license/certificate.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace triad::license {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr Validity kGood = {kNow - 3'600, kNow + 3'600};

const KeyAndCertificate& Authority() {
  static const auto* authority = new KeyAndCertificate(*MakeAuthority("Triad test", kGood));
  return *authority;
}

KeyAndCertificate Of(const Certified& who, Validity validity = kGood) {
  const auto made = MakeCertificate(Authority(), who, {"lic1", "10.0.0.1", "fd00::1"}, validity);
  EXPECT_TRUE(made.ok()) << made.status();
  return *made;
}

absl::Status Check(const std::string& ca, const KeyAndCertificate& own) {
  return CheckTlsFiles({"ca.crt", "node.crt", "node.key"}, {ca, own.certificate_pem, own.key_pem},
                       kNow);
}

TEST(Certificate, SaysItsRole) {
  for (const Certified& who : {Certified{Role::kNode, 2, ""}, Certified{Role::kAdmin, 0, "alice"},
                               Certified{Role::kClient, 0, "bob@lab-7"}}) {
    const auto facts = ReadCertificate(Of(who).certificate_pem);
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_EQ(facts->who, who) << who.ToString();
    EXPECT_EQ(facts->validity.from_s, kGood.from_s);
    EXPECT_EQ(facts->validity.to_s, kGood.to_s);
  }
  EXPECT_EQ(ReadCertificate(Authority().certificate_pem)->who, Certified());
}

TEST(Certificate, ARoleIsReadOnlyFromWhatSaysItExactly) {
  EXPECT_EQ(ParseRoleUri("triad:node:3"), (Certified{Role::kNode, 3, ""}));
  for (const char* uri :
       {"", "triad:", "triad:node:", "triad:node:0", "triad:node:4", "triad:node:1 ",
        "triad:node:01", "triad:node:+1", "triad:admin:", "triad:admin:a b", "triad:admin:a\nb",
        "triad:root:a", "Triad:node:1", "spiffe:node:1", "triad:admin:-x", " triad:node:1"}) {
    EXPECT_EQ(ParseRoleUri(uri), Certified()) << uri;
  }
  EXPECT_EQ(ParseRoleUri(absl::StrCat("triad:admin:", std::string(65, 'a'))), Certified());
}

TEST(Certificate, FilesThatBelongTogetherAreGood) {
  EXPECT_TRUE(Check(Authority().certificate_pem, Of({Role::kNode, 1, ""})).ok());
  EXPECT_TRUE(Check(Authority().certificate_pem, {}).ok()) << "a client without a certificate";
  // An authority's successor stands beside it while certificates are replaced.
  const auto next = MakeAuthority("Triad next", kGood);
  EXPECT_TRUE(Check(absl::StrCat(next->certificate_pem, Authority().certificate_pem),
                    Of({Role::kNode, 1, ""}))
                  .ok());
}

TEST(Certificate, EachFaultIsTold) {
  const KeyAndCertificate good = Of({Role::kNode, 1, ""});
  const std::string& ca = Authority().certificate_pem;
  const auto expect = [](const absl::Status& status, const std::string& part) {
    EXPECT_TRUE(absl::StrContains(status.message(), part)) << status;
    EXPECT_FALSE(absl::StrContains(status.message(), "\n")) << status;
  };
  expect(Check("", good), "ca.crt: holds no authority's certificate");
  expect(Check(ca, {good.key_pem, "rubbish"}), "node.crt: holds no certificate");
  expect(Check(ca, {"rubbish", good.certificate_pem}), "node.key: holds no private key");
  expect(Check(ca, {Of({Role::kNode, 1, ""}).key_pem, good.certificate_pem}),
         "node.key: is not the key of node.crt");
  expect(Check(ca, Of({Role::kNode, 1, ""}, {kNow - 7'200, kNow - 60})),
         "node.crt: expired at 2027-01-15 07:59 UTC");
  expect(Check(ca, Of({Role::kNode, 1, ""}, {kNow + 60, kNow + 3'600})), "good only from");
  const auto other = MakeAuthority("Triad test", kGood);  // of the same name
  expect(Check(other->certificate_pem, good), "was not issued by the authority in ca.crt");
}

TEST(Certificate, AForeignKeyMakesNone) {
  const auto other = MakeAuthority("other", kGood);
  EXPECT_FALSE(MakeCertificate({other->key_pem, Authority().certificate_pem},
                               {Role::kAdmin, 0, "eve"}, {}, kGood)
                   .ok());
}

}  // namespace
}  // namespace triad::license
