#include "cli/lm_logs.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(LmLogs, AFeatureStandsForItsVendor) {
  v1::Usage usage;
  usage.add_features()->set_name("f1");
  usage.mutable_features(0)->set_vendor("mlm");
  EXPECT_EQ(*VendorNamed("genesys.d", {"genesys.d"}, {}), "genesys.d");
  EXPECT_EQ(*VendorNamed("f1", {"genesys.d"}, usage), "mlm");
  EXPECT_FALSE(VendorNamed("f2", {"genesys.d"}, usage).ok());
}

}  // namespace
}  // namespace triad::cli
