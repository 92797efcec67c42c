#include "cli/run.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "cli/files.h"

namespace triad::cli {
namespace {

int RunIt(const std::vector<std::string>& command) {
  SignalWaiter signals({SIGINT, SIGTERM, SIGHUP, SIGCHLD});
  return RunCommand(command, OnLost::kContinue, &signals);
}

TEST(Run, ACommandsStatusIsPassedOn) {
  EXPECT_EQ(RunIt({"true"}), 0);
  EXPECT_EQ(RunIt({"sh", "-c", "exit 7"}), 7);
  EXPECT_EQ(RunIt({"sh", "-c", "kill -KILL $$"}), 128 + SIGKILL);
}

TEST(Run, ACommandThatCannotStartIsAsEnvHasIt) {
  EXPECT_EQ(RunIt({"/nonexistent/command"}), 127);
  EXPECT_EQ(RunIt({"/etc/passwd"}), 126);
}

TEST(Run, ASignalReachesTheCommand) {
  SignalWaiter signals({SIGINT, SIGTERM, SIGHUP, SIGCHLD});
  // To this thread, which has it blocked: gRPC's own may not. It waits until the command runs.
  raise(SIGHUP);
  EXPECT_EQ(RunCommand({"sleep", "60"}, OnLost::kContinue, &signals), 128 + SIGHUP);
}

TEST(Run, ALostLicenseStopsTheCommandOnlyIfThatIsWanted) {
  SignalWaiter signals({SIGINT, SIGTERM, SIGHUP, SIGCHLD});
  signals.Wake();
  EXPECT_EQ(RunCommand({"sleep", "60"}, OnLost::kStop, &signals), 128 + SIGTERM);
  signals.Wake();
  EXPECT_EQ(RunCommand({"true"}, OnLost::kContinue, &signals), 0);
}

TEST(Run, WrongUsageIs125) {
  EXPECT_EQ(RunVerb({"-f", "x"}), 125);
  EXPECT_EQ(RunVerb({"--", "true"}), 125);
  EXPECT_EQ(RunVerb({"-f", "x", "--on-lost=never", "--", "true"}), 125);
  EXPECT_EQ(RunVerb({"-f", "x:0", "--", "true"}), 125);
  EXPECT_EQ(RunVerb({"-f", "x", "-c", "27000@192.0.2.1", "--", "true"}), 125);  // not --insecure
}

}  // namespace
}  // namespace triad::cli
