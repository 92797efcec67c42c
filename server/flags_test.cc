#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace triad::server {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::vector<std::string>& arguments) {
  const auto flags = ParseFlags(arguments);
  return flags.ok() ? "" : std::string(flags.status().message());
}

TEST(Flags, HyphensAndUnderscoresAndBothFormsOfValuesMeanTheSame) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"--data-dir=/d"}, {"--data_dir=/d"}, {"--data-dir", "/d"}, {"-data_dir", "/d"}}) {
    const auto flags = ParseFlags(arguments);
    ASSERT_TRUE(flags.ok()) << flags.status();
    EXPECT_EQ(flags->data_dir, "/d");
  }
}

TEST(Flags, DefaultsAreTheInstalledPlaces) {
  const auto flags = ParseFlags({});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->license, "/etc/triad/license.dat");
  EXPECT_EQ(flags->session_ttl_ms, 60'000);
  EXPECT_EQ(flags->reset_grace_ms, 10'000);
}

TEST(Flags, TheVerbStandsAnywhere) {
  EXPECT_EQ(ParseFlags({"init", "--node=2"})->verb, "init");
  EXPECT_EQ(ParseFlags({"--node=2", "init"})->verb, "init");
  EXPECT_EQ(ParseFlags({"rejoin"})->verb, "rejoin");
  EXPECT_FALSE(ParseFlags({"recover"})->accept_loss);
  EXPECT_TRUE(ParseFlags({"recover", "--accept-loss"})->accept_loss);
}

TEST(Flags, WrongUsageIsOneLineThatNamesTheFlag) {
  EXPECT_THAT(ErrorOf({"--nonsense"}), HasSubstr("unknown flag: --nonsense"));
  EXPECT_THAT(ErrorOf({"--node=4"}), HasSubstr("--node=4: takes 1, 2 or 3"));
  EXPECT_THAT(ErrorOf({"--session-ttl=soon"}), HasSubstr("takes a time from 1s to 24h"));
  EXPECT_THAT(ErrorOf({"--license"}), HasSubstr("--license takes a value"));
  EXPECT_THAT(ErrorOf({"--options=novendor"}), HasSubstr("VENDOR=FILE"));
  EXPECT_THAT(ErrorOf({"frobnicate"}), HasSubstr("unknown verb: frobnicate"));
  EXPECT_THAT(ErrorOf({"--heartbeat=200ms"}), HasSubstr("three times --heartbeat"));
  EXPECT_THAT(ErrorOf({"--http=9000"}), HasSubstr("takes HOST:PORT"));
  EXPECT_TRUE(ParseFlags({"--http=[::1]:9000"}).ok());
  EXPECT_THAT(ErrorOf({"--tls-cert=a", "--tls-key=b"}), HasSubstr("go together"));
  EXPECT_THAT(ErrorOf({"--accept-loss"}), HasSubstr("of triadd recover only"));
}

TEST(Flags, AFlagFileHoldsOneFlagALine) {
  const std::string path = ::testing::TempDir() + "/triadd.flags";
  std::ofstream(path) << "# a comment\n--data_dir=/from/file\n\n  --node=3\n";
  const auto flags = ParseFlags({"--flagfile=" + path, "--node=1"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->data_dir, "/from/file");
  EXPECT_EQ(flags->node, 1) << "the later one counts";
  EXPECT_THAT(ErrorOf({"--flagfile=/no/such/file"}), HasSubstr("/no/such/file"));
}

TEST(Flags, AFlagFileThatNamesItselfEndsWithAnError) {
  const std::string path = ::testing::TempDir() + "/loop.flags";
  std::ofstream(path) << "--flagfile=" << path << "\n";
  EXPECT_THAT(ErrorOf({"--flagfile=" + path}), HasSubstr("nested too deep"));
}

TEST(Flags, HelpNamesEveryFlag) {
  for (const char* flag : {"--license", "--data-dir", "--insecure", "--flagfile"}) {
    EXPECT_THAT(HelpText(), HasSubstr(flag));
  }
}

TEST(Flags, TheDebugLogAndHowLongUsageIsKept) {
  const auto flags = ParseFlags({"--debug-log=+/var/log/triad/debug.log", "--datestamp",
                                 "--usage-keep-days=30", "--usage_keep_mb=100"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->debug_log, "+/var/log/triad/debug.log");
  EXPECT_TRUE(flags->datestamp);
  EXPECT_EQ(flags->usage_keep_days, 30);
  EXPECT_EQ(flags->usage_keep_mb, 100);
  EXPECT_FALSE(ParseFlags({"--debug-log=+"}).ok());
  EXPECT_FALSE(ParseFlags({"--usage-keep-days=0"}).ok());
  EXPECT_FALSE(ParseFlags({"--usage-keep-mb=much"}).ok());
}

}  // namespace
}  // namespace triad::server
