#include "client/error_text.h"

#include "gtest/gtest.h"
#include "license/denial.h"
#include "triad/triad.h"

namespace triad::client {
namespace {

TEST(ErrorText, EveryNumberHasWordsAndUnknownOnesToo) {
  EXPECT_STREQ(ErrorText(0), "no error");
  EXPECT_STREQ(ErrorText(-4), "all licenses in use");
  EXPECT_STREQ(ErrorText(TRIAD_E_NO_QUORUM), "license servers have no quorum");
  for (int number : {1, -20, -999, -99999}) EXPECT_STREQ(ErrorText(number), "unknown error");
}

TEST(ErrorText, SaysWhatTheServersSay) {
  for (int number : {-4, -5, -9, -10, -25, -38, -39, -67, -68, -77, -101, -104}) {
    EXPECT_EQ(ErrorText(number), license::DenialText(static_cast<license::DenialCode>(number)))
        << number;
  }
}

TEST(ErrorText, EveryErrorHasANumberBelowZero) {
  EXPECT_EQ(ErrorNumber(Status()), 0);
  for (int kind = 1; kind <= static_cast<int>(ErrorKind::kCancelled); ++kind) {
    Status status;
    status.kind = static_cast<ErrorKind>(kind);
    EXPECT_LT(ErrorNumber(status), 0) << kind;
    EXPECT_STRNE(ErrorText(ErrorNumber(status)), "unknown error") << kind;
  }
}

}  // namespace
}  // namespace triad::client
