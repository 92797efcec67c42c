#include "client/grant_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "license/license_file.h"
#include "license/signature.h"

namespace triad::client {
namespace {

using ::testing::HasSubstr;

class GrantCheck : public ::testing::Test {
 protected:
  // A pool of signed lines, as a server describes it.
  v1::PoolDescription Describe(const std::string& lines) {
    const std::string text =
        *license::SignText("l", absl::StrCat("SERVER h ANY 1\nVENDOR v\n", lines), {"v", keys_});
    const license::LicenseFile file = license::ReadLicenseFile("l", text);
    v1::PoolDescription pool;
    for (const auto* list : {&file.features, &file.packages}) {
      for (const license::FeatureLine& line : *list) {
        auto* wire = pool.add_lines();
        wire->set_canonical(license::CanonicalForm(line, file.servers));
        wire->set_signature(license::ParseSign(line.sign)->signature);
      }
    }
    return pool;
  }
  license::VendorKeys Trusted() const { return {{"v", keys_.public_key}}; }

  const license::KeyPair keys_ = *license::GenerateKeyPair();
};

TEST_F(GrantCheck, ReadsWhatTheLicenseReaderWrites) {
  v1::PoolDescription pool = Describe("INCREMENT f v 2.50 31-dec-2030 12 OVERDRAFT=3 \n");
  std::optional<SignedLine> line = ParseCanonical(pool.lines(0).canonical());
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->feature, "f");
  EXPECT_EQ(line->vendor, "v");
  EXPECT_EQ(license::CompareVersions(line->version, "2.5"), 0);
  EXPECT_EQ(line->count, 15u);
  EXPECT_FALSE(line->uncounted);
}

TEST_F(GrantCheck, CutOrForeignBytesAreNoCanonicalForm) {
  const std::string good = Describe("INCREMENT f v 1.0 permanent 5 \n").lines(0).canonical();
  for (size_t size = 0; size + 20 < good.size(); ++size) {
    ParseCanonical(absl::string_view(good).substr(0, size));  // no crash
  }
  EXPECT_FALSE(ParseCanonical("").has_value());
  EXPECT_FALSE(ParseCanonical("99999999999:x,").has_value());
  EXPECT_FALSE(ParseCanonical("4294967295:x,").has_value());
  EXPECT_FALSE(ParseCanonical("INCREMENT f v 1.0 permanent 5").has_value());
}

TEST_F(GrantCheck, GoodLinesAddUp) {
  v1::PoolDescription pool =
      Describe("INCREMENT f v 1.0 permanent 5 \nINCREMENT f v 1.0 31-dec-2030 7 \n");
  absl::StatusOr<PoolProof> proof = ProvePool(pool, Trusted());
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(proof->count, 12u);
  *pool.add_lines() = pool.lines(0);  // the same line counts once
  EXPECT_EQ(ProvePool(pool, Trusted())->count, 12u);
}

TEST_F(GrantCheck, LinesThatDoNotVerifyProveNothing) {
  v1::PoolDescription pool = Describe("INCREMENT f v 1.0 permanent 5 \n");
  EXPECT_FALSE(ProvePool(pool, {}).ok());
  EXPECT_FALSE(ProvePool(pool, {{"v", license::GenerateKeyPair()->public_key}}).ok());
  EXPECT_FALSE(ProvePool(pool, {{"other", keys_.public_key}}).ok());
  EXPECT_FALSE(ProvePool(v1::PoolDescription(), Trusted()).ok());
  pool.mutable_lines(0)->mutable_canonical()->back() ^= 1;
  EXPECT_FALSE(ProvePool(pool, Trusted()).ok());
}

TEST_F(GrantCheck, AGrantMustFitTheProof) {
  absl::StatusOr<PoolProof> proof =
      ProvePool(Describe("INCREMENT f v 2.0 permanent 5 \n"), Trusted());
  ASSERT_TRUE(proof.ok());
  v1::Holding holding;
  holding.set_feature("f");
  holding.set_version("2.0");
  holding.set_count(5);
  EXPECT_TRUE(CheckGrant(holding, *proof).ok());
  holding.set_version("");
  EXPECT_TRUE(CheckGrant(holding, *proof).ok());
  holding.set_count(6);
  EXPECT_THAT(std::string(CheckGrant(holding, *proof).message()), HasSubstr("granted 6"));
  holding.set_count(1);
  holding.set_version("2.1");
  EXPECT_FALSE(CheckGrant(holding, *proof).ok());
  holding.set_version("");
  holding.set_feature("g");
  EXPECT_FALSE(CheckGrant(holding, *proof).ok());
}

TEST_F(GrantCheck, AnUncountedLineCoversAnyCount) {
  absl::StatusOr<PoolProof> proof =
      ProvePool(Describe("INCREMENT f v 1.0 permanent uncounted HOSTID=ANY \n"), Trusted());
  ASSERT_TRUE(proof.ok()) << proof.status();
  v1::Holding holding;
  holding.set_feature("f");
  holding.set_count(9999);
  EXPECT_TRUE(CheckGrant(holding, *proof).ok());
}

TEST_F(GrantCheck, APackageProvesItsComponents) {
  const absl::StatusOr<PoolProof> proof =
      ProvePool(Describe("INCREMENT p v 2.0 permanent 3 \n"
                         "PACKAGE p v 2.0 COMPONENTS=\"a:1.5:2 b\" \n"),
                Trusted());
  ASSERT_TRUE(proof.ok()) << proof.status();
  v1::Holding holding;
  holding.set_feature("a");
  holding.set_version("1.5");
  holding.set_count(6);
  EXPECT_TRUE(CheckGrant(holding, *proof).ok());
  holding.set_count(7);
  EXPECT_FALSE(CheckGrant(holding, *proof).ok());
  holding.set_count(1);
  holding.set_version("2.0");
  EXPECT_FALSE(CheckGrant(holding, *proof).ok());
  holding.set_feature("b");
  EXPECT_TRUE(CheckGrant(holding, *proof).ok());
  holding.set_feature("c");
  EXPECT_FALSE(CheckGrant(holding, *proof).ok());
  // A package of another version proves nothing.
  const absl::StatusOr<PoolProof> other = ProvePool(
      Describe("INCREMENT p v 3.0 permanent 3 \nPACKAGE p v 2.0 COMPONENTS=b \n"), Trusted());
  holding.set_feature("b");
  EXPECT_FALSE(CheckGrant(holding, *other).ok());
}

TEST_F(GrantCheck, AnUpgradeProvesTheVersionThatItMakes) {
  const absl::StatusOr<PoolProof> proof =
      ProvePool(Describe("UPGRADE f v 1.0 2.0 permanent 3 \n"), Trusted());
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(proof->count, 3u);
  EXPECT_EQ(license::CompareVersions(proof->version, "2.0"), 0);
}

}  // namespace
}  // namespace triad::client
