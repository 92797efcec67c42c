#include "server/on_cores.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "server/limits.h"

namespace triad::server {
namespace {

TEST(OnCores, EachPieceIsDoneOnceBeforeItComesBack) {
  for (const size_t count : {size_t{0}, size_t{1}, kPerReaderMin, 100 * kPerReaderMin}) {
    std::vector<std::atomic<int>> done(count);
    OnCores(count, [&done](size_t i) { ++done[i]; });
    for (const std::atomic<int>& times : done) ASSERT_EQ(times, 1);
  }
}

}  // namespace
}  // namespace triad::server
