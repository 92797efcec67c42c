#include "license/policy.h"

#include <gtest/gtest.h>

#include "license/catalog.h"

namespace triad::license {
namespace {

TEST(Policy, WithoutOptionsFilesEveryoneMay) {
  const Policy policy;
  const Pool pool;
  const Who who{"ann", "pc1", "/dev/pts/1", "192.0.2.1", ""};
  const Subjects subjects = policy.SubjectsOf(pool, who);
  EXPECT_EQ(policy.Bars(pool, subjects), std::nullopt);
  EXPECT_EQ(policy.BarsBorrowing(pool, subjects), std::nullopt);
  EXPECT_TRUE(policy.LimitsOf(pool, who, subjects).empty());
  EXPECT_TRUE(policy.ReservationsOn(Day{}).empty());
  EXPECT_EQ(policy.TimeoutSeconds(pool), 0u);
}

}  // namespace
}  // namespace triad::license
