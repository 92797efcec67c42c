#include "license/denial.h"

#include <gtest/gtest.h>

namespace triad::license {
namespace {

TEST(Denial, EveryCodeHasItsWords) {
  for (int number :
       {-4,  -5,  -8,  -9,  -10, -13, -15, -24, -25,  -26,  -31,  -34,  -38,  -39,  -42, -67,
        -68, -77, -84, -87, -88, -89, -93, -96, -100, -101, -103, -104, -106, -117, -118}) {
    EXPECT_NE(DenialText(static_cast<DenialCode>(number)), "unknown reason") << number;
  }
  EXPECT_EQ(DenialText(DenialCode::kAllInUse), "all licenses in use");
  EXPECT_EQ(ToNumber(DenialCode::kMaxExceeded), -87);
}

}  // namespace
}  // namespace triad::license
