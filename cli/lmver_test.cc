#include "cli/lmver.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Lmver, TheFirstVersionTextCounts) {
  EXPECT_EQ(VersionIn(std::string("\x7f ELF\0Triad v0.1.0\0", 20)), "Triad v0.1.0");
  EXPECT_EQ(VersionIn("..FlexNet Licensing v11.16.2.0 build 242190 x64_lsb\n.."),
            "FlexNet Licensing v11.16.2.0 build 242190 x64_lsb");
  EXPECT_EQ(VersionIn("@(#) FLEXlm v9.5 (c)"), "FLEXlm v9.5");
  EXPECT_EQ(VersionIn("Triad v, Triad v%s"), "");
  EXPECT_EQ(VersionIn(""), "");
}

}  // namespace
}  // namespace triad::cli
