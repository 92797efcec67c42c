#include "cli/watch.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

Args Parse(const std::vector<std::string>& arguments) {
  return ParseArgs({WatchFlag()}, Words::kNone, arguments).value();
}

TEST(Watch, WithoutTheFlagItRunsOnce) {
  int runs = 0;
  EXPECT_EQ(RunOrWatch(Parse({}),
                       [&] {
                         ++runs;
                         return 7;
                       }),
            7);
  EXPECT_EQ(runs, 1);
}

TEST(Watch, WhatIsNoTimeIsWrongUsage) {
  EXPECT_EQ(RunOrWatch(Parse({"--watch=x"}), [] { return 0; }), 2);
  EXPECT_EQ(RunOrWatch(Parse({"--watch=0"}), [] { return 0; }), 2);
}

}  // namespace
}  // namespace triad::cli
