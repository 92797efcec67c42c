#include "storage/usage_index.h"

#include <gtest/gtest.h>

#include "storage/limits.h"

namespace triad::storage {
namespace {

using license::UsageRange;
using Ranges = std::vector<UsageRange>;

TEST(UsageIndex, NothingIsMissingOfWhatComesOneAfterTheOther) {
  UsageIndex index;
  for (uint64_t number = 1; number <= 5; ++number) index.Append(number);
  EXPECT_EQ(index.held().first, 1u);
  EXPECT_EQ(index.held().next, 6u);
  EXPECT_EQ(index.held().missing, Ranges());
}

TEST(UsageIndex, WhatAJumpPassedOverIsMissingUntilItComes) {
  UsageIndex index;
  index.Append(1);
  index.Append(6);
  EXPECT_EQ(index.held().missing, (Ranges{{2, 6}}));
  EXPECT_TRUE(index.Fill(5));
  EXPECT_EQ(index.held().missing, (Ranges{{2, 5}}));
  EXPECT_TRUE(index.Fill(3));
  EXPECT_EQ(index.held().missing, (Ranges{{2, 3}, {4, 5}}));
  EXPECT_FALSE(index.Fill(3));
  EXPECT_TRUE(index.Fill(2));
  EXPECT_TRUE(index.Fill(4));
  EXPECT_EQ(index.held().missing, Ranges());
}

TEST(UsageIndex, ARecordThatIsWrittenAgainChangesNothing) {
  UsageIndex index;
  for (uint64_t number = 1; number <= 5; ++number) index.Append(number);
  index.Append(3);
  EXPECT_EQ(index.held().next, 6u);
  EXPECT_EQ(index.held().missing, Ranges());
}

TEST(UsageIndex, WhatIsPrunedIsNotMissing) {
  UsageIndex index;
  index.Append(10);
  index.PruneBelow(4);
  EXPECT_EQ(index.held().first, 4u);
  EXPECT_EQ(index.held().missing, (Ranges{{4, 10}}));
  index.PruneBelow(10);
  EXPECT_EQ(index.held().missing, Ranges());
  index.PruneBelow(3);
  EXPECT_EQ(index.held().first, 10u);
}

TEST(UsageIndex, ItsBytesGiveItAgain) {
  UsageIndex index;
  index.Append(10);
  index.Append(20);
  index.PruneBelow(4);
  UsageIndex read;
  ASSERT_TRUE(read.Decode(index.Encode()));
  EXPECT_EQ(read.held().first, 4u);
  EXPECT_EQ(read.held().next, 21u);
  EXPECT_EQ(read.held().missing, (Ranges{{4, 10}, {11, 20}}));
}

TEST(UsageIndex, OtherBytesAreRefused) {
  UsageIndex index;
  EXPECT_FALSE(index.Decode(""));
  EXPECT_FALSE(index.Decode("12345678"));
  EXPECT_FALSE(index.Decode(std::string(16, '\0')));
  EXPECT_FALSE(index.Decode(std::string(32, 'x')));
}

TEST(UsageIndex, TooManyGapsBecomeFewer) {
  UsageIndex index;
  for (uint64_t i = 1; i <= kUsageGapsMax + 10; ++i) index.Append(2 * i);
  EXPECT_EQ(index.held().missing.size(), kUsageGapsMax);
  EXPECT_EQ(index.held().missing.front().from, 1u);
}

}  // namespace
}  // namespace triad::storage
