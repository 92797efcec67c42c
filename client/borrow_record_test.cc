#include "client/borrow_record.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "license/license_file.h"
#include "license/signature.h"

namespace triad::client {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kDayMs = 24 * 3'600'000;

class BorrowRecords : public ::testing::Test {
 protected:
  BorrowRecords() {
    const std::string text = *license::SignText(
        "l", "SERVER h ANY 1\nVENDOR v\nINCREMENT f v 2.5 permanent 5 \n", {"v", keys_});
    const license::LicenseFile file = license::ReadLicenseFile("l", text);
    auto* line = record_.pool.add_lines();
    line->set_canonical(license::CanonicalForm(file.features[0], file.servers));
    line->set_signature(license::ParseSign(file.features[0].sign)->signature);
    record_.license.feature = "f";
    record_.license.vendor = "v";
    record_.license.count = 2;
    record_.license.handle = 101;
    record_.license.until_ms = 30 * kDayMs;
    record_.license.user = "alice in\nchains";
    record_.license.host = "laptop";
    record_.machine = "m";
    record_.servers = "27000@lic1";
    record_.borrowed_ms = 20 * kDayMs;
  }
  absl::Status Check(const Borrower& here, int64_t now_ms) const {
    return CheckRecord(record_, here, now_ms, {{"v", keys_.public_key}});
  }

  const license::KeyPair keys_ = *license::GenerateKeyPair();
  const Borrower here_{"alice in\nchains", "laptop", "m"};
  BorrowRecord record_;
};

TEST_F(BorrowRecords, AreReadAsTheyWereWritten) {
  const std::string text = FormatRecord(record_);
  const absl::StatusOr<BorrowRecord> read = ParseRecord(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(FormatRecord(*read), text);
  EXPECT_EQ(read->license.user, record_.license.user);
  EXPECT_EQ(read->servers, "27000@lic1");
  EXPECT_TRUE(CheckRecord(*read, here_, 25 * kDayMs, {{"v", keys_.public_key}}).ok());
}

TEST_F(BorrowRecords, ADamagedOneIsNotUsed) {
  const std::string text = FormatRecord(record_);
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseRecord(text.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseRecord(absl::StrReplaceAll(text, {{"count 2", "count 3"}})).ok());
}

TEST_F(BorrowRecords, ACopyForAnotherUserOrMachineIsRefused) {
  EXPECT_TRUE(Check(here_, 25 * kDayMs).ok());
  EXPECT_EQ(Check({"bob", "laptop", "m"}, 25 * kDayMs).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Check({here_.user, "desktop", "m"}, 25 * kDayMs).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Check({here_.user, "laptop", "other"}, 25 * kDayMs).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(BorrowRecords, EndWhenTheyEndAndNotBeforeTheyBegan) {
  EXPECT_TRUE(Check(here_, 30 * kDayMs - 1).ok());
  EXPECT_EQ(Check(here_, 30 * kDayMs).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(Check(here_, 20 * kDayMs - kBorrowClockBackMsMax).ok()) << "another time zone";
  EXPECT_THAT(Check(here_, 20 * kDayMs - kBorrowClockBackMsMax - 1).message(),
              HasSubstr("clock was set back"));
}

TEST_F(BorrowRecords, WhatNoVendorSignedIsRefused) {
  record_.license.count = 6;  // the signed line is of 5
  EXPECT_FALSE(Check(here_, 25 * kDayMs).ok());
  record_.license.count = 2;
  record_.license.feature = "g";
  EXPECT_FALSE(Check(here_, 25 * kDayMs).ok());
  record_.license.feature = "f";
  record_.pool.mutable_lines(0)->set_signature("forged");
  EXPECT_FALSE(Check(here_, 25 * kDayMs).ok());
}

TEST_F(BorrowRecords, ServeTheirFeatureUpToTheSignedVersion) {
  auto serves = [this](const std::string& feature, const std::string& version) {
    CheckoutRequest request;
    request.feature = feature;
    request.version = version;
    return Serves(record_, request);
  };
  EXPECT_TRUE(serves("f", ""));
  EXPECT_TRUE(serves("f", "2.5"));
  EXPECT_FALSE(serves("f", "2.6"));
  EXPECT_FALSE(serves("g", ""));
}

}  // namespace
}  // namespace triad::client
