#include "quorum/reads.h"

#include <gtest/gtest.h>

#include <vector>

#include "quorum/core.h"
#include "quorum/limits.h"

namespace triad::quorum {
namespace {

TEST(Reads, AReadIsGoodOnlyInARoundThatBeganAfterIt) {
  Reads reads;
  std::vector<ReadState> done;
  EXPECT_TRUE(reads.Add(1));
  reads.Begin(Round(10), Index(5));
  EXPECT_TRUE(reads.Add(2));
  reads.Confirm(Round(10), done);
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].id, 1u);
  EXPECT_TRUE(done[0].confirmed);
  EXPECT_EQ(done[0].index, Index(5));
  EXPECT_TRUE(reads.HasWaiting());
}

TEST(Reads, AnAnswerToAnOlderRoundConfirmsNothing) {
  Reads reads;
  std::vector<ReadState> done;
  reads.Add(1);
  reads.Begin(Round(10), Index(5));
  reads.Confirm(Round(9), done);
  EXPECT_TRUE(done.empty());
  EXPECT_TRUE(reads.HasRound());
}

TEST(Reads, ALaterRoundConfirmsTheEarlierOnesToo) {
  Reads reads;
  std::vector<ReadState> done;
  reads.Add(1);
  reads.Begin(Round(10), Index(5));
  reads.Add(2);
  reads.Begin(Round(11), Index(6));
  reads.Confirm(Round(11), done);
  ASSERT_EQ(done.size(), 2u);
  EXPECT_EQ(done[1].index, Index(6));
}

TEST(Reads, WithTheLeadEveryReadIsLost) {
  Reads reads;
  std::vector<ReadState> done;
  reads.Add(1);
  reads.Begin(Round(10), Index(5));
  reads.Add(2);
  reads.Lose(done);
  ASSERT_EQ(done.size(), 2u);
  for (const ReadState& state : done) EXPECT_FALSE(state.confirmed);
  EXPECT_FALSE(reads.HasWaiting() || reads.HasRound());
}

TEST(Reads, TooManyAreRefused) {
  Reads reads;
  for (uint64_t id = 0; id < kReadsPendingMax; ++id) ASSERT_TRUE(reads.Add(id));
  EXPECT_FALSE(reads.Add(0));
}

}  // namespace
}  // namespace triad::quorum
