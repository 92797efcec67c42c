#include "license/denial.h"

#include <gtest/gtest.h>

namespace triad::license {
namespace {

TEST(Denial, EveryCodeHasItsWords) {
  for (int number : {-4, -5, -8, -9, -10, -13, -15, -25, -26, -31, -38, -39, -42, -77, -84, -87,
                     -96, -101, -106}) {
    EXPECT_NE(DenialText(static_cast<DenialCode>(number)), "unknown reason") << number;
  }
  EXPECT_EQ(DenialText(DenialCode::kAllInUse), "all licenses in use");
  EXPECT_EQ(ToNumber(DenialCode::kMaxExceeded), -87);
}

}  // namespace
}  // namespace triad::license
