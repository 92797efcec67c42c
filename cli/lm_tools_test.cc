#include "cli/lm_tools.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(LmTools, TheExitStatusIsFlexNetsNumberAsAShellSeesIt) {
  EXPECT_EQ(LmExit(0), 0);
  EXPECT_EQ(LmExit(-1), 255);
  EXPECT_EQ(LmExit(-15), 241);
  EXPECT_EQ(LmExit(-63), 193);
  EXPECT_EQ(LmExit(-96), 160);
  EXPECT_EQ(LmExit(-120), 136);
}

TEST(LmTools, TheNumberInATextIsFound) {
  EXPECT_EQ(LmNumberIn("you are not a license administrator (-63): use the socket"), -63);
  EXPECT_EQ(LmNumberIn("down. (-97,121)"), -97);
  EXPECT_EQ(LmNumberIn("none (-) (-x) (12)"), 0);
  EXPECT_EQ(LmNumberIn("first (-no) then (-4)"), -4);
  EXPECT_EQ(LmNumberIn(""), 0);
  EXPECT_EQ(LmNumberIn("(-7"), 0);
}

TEST(LmTools, AnErrorSaysWhetherItMayHaveHappened) {
  EXPECT_EQ(LmActError(absl::PermissionDeniedError("no")), "no; nothing was changed");
  EXPECT_EQ(LmActError(absl::UnavailableError("x; it may still take effect: look")),
            "x; it may still take effect: look");
  EXPECT_EQ(LmActError(absl::DeadlineExceededError("late")),
            "late; it may still take effect: look with lmstat before you ask again");
}

}  // namespace
}  // namespace triad::cli
