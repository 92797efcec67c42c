#include "server/reads.h"

#include <gtest/gtest.h>

#include <vector>

namespace triad::server {
namespace {

WaitingRead ReadOf(WaitingRead::Kind kind, bool confirmed) {
  WaitingRead read;
  read.kind = kind;
  read.confirmed = confirmed;
  read.index = quorum::Index(7);
  return read;
}

TEST(Reads, AreReadyWhenTheirIndexIsApplied) {
  Reads reads(1);
  reads.Add(ReadOf(WaitingRead::Kind::kLocal, /*confirmed=*/true));
  reads.Add(ReadOf(WaitingRead::Kind::kLocal, /*confirmed=*/false));
  EXPECT_TRUE(reads.TakeReady(quorum::Index(6)).empty());
  EXPECT_EQ(reads.TakeReady(quorum::Index(7)).size(), 1u);
  EXPECT_EQ(reads.size(), 1u);
}

// A node that is seconds behind with applying must not end sessions that it has heard of.
TEST(Reads, AConfirmedReportOfHeartbeatsIsNotGivenUp) {
  Reads reads(1);
  reads.Add(ReadOf(WaitingRead::Kind::kReport, /*confirmed=*/true));
  reads.Add(ReadOf(WaitingRead::Kind::kReport, /*confirmed=*/false));
  reads.Add(ReadOf(WaitingRead::Kind::kLocal, /*confirmed=*/true));
  EXPECT_TRUE(reads.TakeTimedOut(99, 100).empty());
  EXPECT_EQ(reads.TakeTimedOut(100, 100).size(), 2u);
  const std::vector<WaitingRead> left = reads.TakeReady(quorum::Index(7));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].kind, WaitingRead::Kind::kReport);
}

}  // namespace
}  // namespace triad::server
