#include "cli/output.h"

#include <gtest/gtest.h>

#include "cli/exit_status.h"

namespace triad::cli {
namespace {

TEST(Output, NoAnswerIsALineForPeopleAndAnObjectForScripts) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RefuseUnreachable("no quorum: node 3 is down", false, true), kExitUnreachable);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "{\"error\":\"no quorum: node 3 is down\",\"certain\":false}\n");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "triad: no quorum: node 3 is down\n");
}

TEST(Output, WrongUsageSaysWhereToReadOn) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RefuseUsage("run", absl::InvalidArgumentError("unknown flag: --x")), kExitUsage);
  EXPECT_EQ(RefuseUsage("", absl::InvalidArgumentError("unknown verb: x")), kExitUsage);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "triad: run: unknown flag: --x; see triad run --help\n"
            "triad: unknown verb: x; see triad --help\n");
}

TEST(Output, PlaintextToOtherMachinesIsWrongUsage) {
  EXPECT_EQ(RefuseSearchPath(absl::FailedPreconditionError("no TLS"), false), kExitUsage);
  EXPECT_EQ(RefuseSearchPath(absl::NotFoundError("no server"), false), kExitUnreachable);
}

}  // namespace
}  // namespace triad::cli
