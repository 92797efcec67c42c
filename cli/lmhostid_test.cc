#include "cli/lmhostid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace triad::cli {
namespace {

using ::testing::HasSubstr;

HostIdSources Machine() {
  HostIdSources out;
  out.ethers = {"0019d1aabbcc"};
  out.addresses_v4 = {"10.0.0.7"};
  out.addresses_v6 = {"fd00::7"};
  out.user = "ann";
  out.display = "/dev/pts/1";
  out.hostname = "pc1";
  out.host_domain = "pc1.acme.com";
  out.long_id = "17007ea8";
  out.uuid = "0123456789abcdef0123456789abcdef";
  return out;
}

TEST(Lmhostid, PrintsTheIdThatIsAskedFor) {
  struct Row {
    std::vector<std::string> arguments;
    const char* id;
  };
  const Row rows[] = {
      {{}, "\"0019d1aabbcc\""},
      {{"-ether"}, "\"0019d1aabbcc\""},
      {{"-internet", "v4"}, "\"INTERNET=10.0.0.7\""},
      {{"-internet", "v6"}, "\"INTERNET=fd00::7\""},
      {{"-user"}, "\"USER=ann\""},
      {{"-display"}, "\"DISPLAY=/dev/pts/1\""},
      {{"-hostname"}, "\"HOSTNAME=pc1\""},
      {{"-hostdomain", "-utf8"}, "\"HOSTNAME=pc1.acme.com\""},
      {{"-uuid"}, "\"UUID=0123456789abcdef0123456789abcdef\""},
      {{"-long"}, "\"17007ea8\""},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(*LmhostidText(row.arguments, Machine()),
              absl::StrCat("The FlexNet host ID of this machine is ", row.id, "\n"));
  }
}

TEST(Lmhostid, SeveralStandInOneStringWithAWarning) {
  HostIdSources machine = Machine();
  machine.ethers.push_back("0019d1aabbcd");
  EXPECT_EQ(*LmhostidText({}, machine),
            "The FlexNet host ID of this machine is \"0019d1aabbcc 0019d1aabbcd\"\n"
            "Only use ONE from the list of hostids.\n");
  EXPECT_EQ(*LmhostidText({"-n"}, machine), "\"0019d1aabbcc 0019d1aabbcd\"\n");
  EXPECT_EQ(*LmhostidText({"-n", "-uuid"}, machine), "UUID=0123456789abcdef0123456789abcdef\n");
}

TEST(Lmhostid, SaysWhyThereIsNone) {
  for (const char* flag : {"-vsn", "-flexid", "-string", "-ptype"}) {
    EXPECT_THAT(*LmhostidText({flag}, Machine()),
                HasSubstr("The FlexNet host ID of this machine is \"\"\n"))
        << flag;
  }
  EXPECT_THAT(*LmhostidText({}, {}), HasSubstr("ask with -uuid"));
  EXPECT_FALSE(LmhostidText({"-internet", "v5"}, Machine()).ok());
  EXPECT_FALSE(LmhostidText({"-nonsense"}, Machine()).ok());
}

}  // namespace
}  // namespace triad::cli
