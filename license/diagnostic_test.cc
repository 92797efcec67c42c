#include "license/diagnostic.h"

#include <gtest/gtest.h>

#include "license/limits.h"

namespace triad::license {
namespace {

TEST(Diagnostic, NamesFileLineAndColumn) {
  const Diagnostic error{Severity::kError, {"license.dat", 7, 12}, "bad"};
  EXPECT_EQ(error.ToString(), "license.dat:7:12: error: bad");
  const Diagnostic warning{Severity::kWarning, {"license.dat", 1, 1}, "odd"};
  EXPECT_EQ(warning.ToString(), "license.dat:1:1: warning: odd");
  const Diagnostic note{Severity::kNote, {"license.dat", 1, 2}, "so"};
  EXPECT_EQ(note.ToString(), "license.dat:1:2: note: so");
}

TEST(Diagnostic, AListStopsAtItsLimitAndSaysSo) {
  Diagnostics list;
  for (size_t i = 0; i < kDiagnosticsMax + 100; ++i) {
    AddDiagnostic(list, {Severity::kError, {"f", static_cast<int>(i + 1), 1}, "bad"});
  }
  ASSERT_EQ(list.size(), kDiagnosticsMax + 1);
  EXPECT_EQ(list[kDiagnosticsMax - 1].message, "bad");
  EXPECT_NE(list.back().message.find("more than 1000"), std::string::npos);
}

}  // namespace
}  // namespace triad::license
