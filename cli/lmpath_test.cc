#include "cli/lmpath.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Lmpath, AddPutsTheListBeforeWhatIsThere) {
  std::string text = ChangedPaths("", PathChange::kAdd, "genesys.d", "1@a");
  EXPECT_EQ(text, "GENESYS_D_LICENSE_FILE=1@a\n");
  text = ChangedPaths(text, PathChange::kAdd, "genesys.d", "2@b,2@c,2@d");
  EXPECT_EQ(text, "GENESYS_D_LICENSE_FILE=2@b,2@c,2@d:1@a\n");
  text = ChangedPaths(text, PathChange::kAdd, "all", "/x.lic");
  EXPECT_EQ(text, "GENESYS_D_LICENSE_FILE=2@b,2@c,2@d:1@a\nLM_LICENSE_FILE=/x.lic\n");
}

TEST(Lmpath, OverrideReplacesAndAnEmptyListDeletes) {
  const std::string text = "A=1\nLM_LICENSE_FILE=1@a\nMLM_LICENSE_FILE=2@b";
  EXPECT_EQ(ChangedPaths(text, PathChange::kOverride, "all", "9@z"),
            "A=1\nLM_LICENSE_FILE=9@z\nMLM_LICENSE_FILE=2@b\n");
  EXPECT_EQ(ChangedPaths(text, PathChange::kOverride, "mlm", ""), "A=1\nLM_LICENSE_FILE=1@a\n");
  EXPECT_EQ(ChangedPaths(text, PathChange::kOverride, "none", ""),
            "A=1\nLM_LICENSE_FILE=1@a\nMLM_LICENSE_FILE=2@b\n");
}

TEST(Lmpath, StatusTellsVendorsAndAllOthersApart) {
  EXPECT_EQ(PathsStatus("MLM_LICENSE_FILE=2@b\nLM_LICENSE_FILE=1@a\nX=1\n"),
            "Known Vendors:\n\n  MLM: 2@b\n\nOther Vendors:\n\n  1@a\n");
  EXPECT_EQ(PathsStatus(""), "Known Vendors:\n\n  (none)\n\nOther Vendors:\n\n  (none)\n");
}

}  // namespace
}  // namespace triad::cli
