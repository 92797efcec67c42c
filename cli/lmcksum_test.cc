#include "cli/lmcksum.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "license/checksum.h"

namespace triad::cli {
namespace {

TEST(Lmcksum, SaysOfEachLineWhetherItFitsItsCk) {
  constexpr absl::string_view kLine = "INCREMENT f acme 1.0 permanent 5";
  const uint32_t sum = license::CheckLines(kLine)[0].computed;
  bool bad = false;
  EXPECT_EQ(LmcksumText("l.dat", absl::StrCat("VENDOR acme\n", kLine, " ck=", sum, "\n"), &bad),
            absl::StrCat("lmcksum: using license file \"l.dat\"\n\n2: OK: ", kLine, "\n"));
  EXPECT_FALSE(bad);
  EXPECT_EQ(LmcksumText("l.dat",
                        absl::StrCat(kLine, " ck=", (sum + 1) % 256, "\n", kLine,
                                     "\nFEATURE f ESRI 7 1-jan-0 5 0123456789AB ck=241\n"),
                        &bad),
            absl::StrCat("lmcksum: using license file \"l.dat\"\n\n1: BAD: ck=", (sum + 1) % 256,
                         ", the line gives ", sum, ": it was changed or mistyped: ", kLine,
                         "\n2: no ck=; it would be ck=", sum, ": ", kLine,
                         "\n3: ck=241 is FlexNet's, as the line's signature: not compared: "
                         "FEATURE f ESRI 7 1-jan-0 5\n"));
  EXPECT_TRUE(bad);
  bad = false;
  LmcksumText("l.dat", "FEATURE f acme 1 permanent 5 ck=300\n", &bad);
  EXPECT_TRUE(bad);
}

}  // namespace
}  // namespace triad::cli
