#include "cli/text.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Text, ATableAlignsItsColumnsAndLeavesNoBlanksAtTheEnd) {
  EXPECT_EQ(Table({Align::kLeft, Align::kRight, Align::kLeft},
                  {{"name", "used", "note"}, {"a", "12345", ""}, {"bcdefg", "1", "x"}}),
            "name     used  note\n"
            "a       12345\n"
            "bcdefg      1  x\n");
}

TEST(Text, ANameCannotBreakALine) {
  EXPECT_EQ(Printable("a\nb\x1b[2Jc\td\x7f"), "a?b?[2Jc?d?");
  EXPECT_EQ(Printable("Z\xFCrich w%.=H@QVO!;~_8'"), "Z\xFCrich w%.=H@QVO!;~_8'");
}

TEST(Text, OneIsSingular) {
  EXPECT_EQ(Counted(1, "node"), "1 node");
  EXPECT_EQ(Counted(0, "node"), "0 nodes");
  EXPECT_EQ(Counted(3, "line"), "3 lines");
}

}  // namespace
}  // namespace triad::cli
