#include "server/lmgrd_flags.h"

#include <gtest/gtest.h>

#include <map>

namespace triad::server {
namespace {

absl::StatusOr<LmgrdFlags> Parse(const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& environment = {}) {
  return ParseLmgrdFlags(arguments, [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  });
}

TEST(LmgrdFlags, FlexNetsUsualCommandLinesAreRead) {
  const auto usual = Parse({"-c", "/a.lic:/b.lic", "-l", "+/var/log/lic.log"});
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_EQ(usual->flags.license, "/a.lic:/b.lic");
  EXPECT_EQ(usual->flags.debug_log, "+/var/log/lic.log");
  EXPECT_FALSE(usual->foreground);
  EXPECT_EQ(usual->ignored, "");
  const auto all = Parse({"-z", "-local", "-x", "lmdown", "-x", "lmremove", "-datestamp", "-2",
                          "-p", "-t", "10", "-s", "360", "-m", "1", "-reuseaddr", "-c", "x"});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->foreground);
  EXPECT_TRUE(all->flags.local_admin);
  EXPECT_TRUE(all->flags.datestamp);
  EXPECT_EQ(all->flags.disabled, (std::vector<std::string>{"lmdown", "lmremove"}));
  EXPECT_EQ(all->ignored, "lmgrd: without meaning here: -2, -p, -t 10, -s 360, -m 1, -reuseaddr");
}

TEST(LmgrdFlags, TheEnvironmentFillsWhatIsNotGiven) {
  const std::map<std::string, std::string> environment = {{"LM_LICENSE_FILE", "/env.lic"},
                                                          {"TRIAD_DATA_DIR", "/data"},
                                                          {"TRIAD_ADMIN_SOCKET", "/s"},
                                                          {"TRIAD_VENDOR_KEYS", "/keys"}};
  const auto flags = Parse({}, environment);
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->flags.license, "/env.lic");
  EXPECT_EQ(flags->flags.data_dir, "/data");
  EXPECT_EQ(flags->flags.admin_socket, "/s");
  EXPECT_EQ(InitCommand(flags->flags),
            "triadd init --license=/env.lic --data-dir=/data --vendor-keys=/keys");
  EXPECT_EQ(Parse({"-c", "/c.lic"}, environment)->flags.license, "/c.lic");
  EXPECT_EQ(Parse({})->flags.license, "/etc/triad/license.dat");
}

TEST(LmgrdFlags, WrongUsageIsOneLineThatNamesTheFlag) {
  EXPECT_EQ(Parse({"-c"}).status().message(), "lmgrd: -c needs a value; see lmgrd -help");
  EXPECT_EQ(Parse({"--license=x"}).status().message(),
            "lmgrd: unknown flag: --license=x; see lmgrd -help");
  EXPECT_EQ(Parse({"-x", "lmstat"}).status().message(),
            "lmgrd: -x lmstat: lmdown or lmremove; see lmgrd -help");
  EXPECT_FALSE(Parse({"-l", "+"}).ok());
  EXPECT_FALSE(Parse({"-c", "27000@host"}).ok());
}

}  // namespace
}  // namespace triad::server
