#include "quorum/progress.h"

#include "gtest/gtest.h"

namespace triad::quorum {
namespace {

constexpr uint64_t kPatience = 5;
const Index kNoSnapshot;

// Node 2 holds everything up to `match` and is sent at full speed.
Progress Replicating(uint64_t match) {
  Progress progress(Slot::k2, Index(match + 1), 0);
  progress.Accepted(Index(match), kNoSnapshot, 0);
  return progress;
}

TEST(Progress, AProbeIsSentOnceUntilItIsAnswered) {
  Progress progress(Slot::k2, Index(5), 0);
  EXPECT_TRUE(progress.MaySendEntries());
  progress.SentEntries(Index(7), 100, Round(1), 0);
  EXPECT_FALSE(progress.MaySendEntries());
  EXPECT_EQ(progress.next(), Index(5)) << "nothing is assumed while it is probed";
  progress.Accepted(Index(7), kNoSnapshot, 1);
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_EQ(progress.match(), Index(7));
  EXPECT_EQ(progress.next(), Index(8));
}

TEST(Progress, AnEmptyProbeThatIsAcceptedIsEnough) {
  Progress progress(Slot::k2, Index(5), 0);
  progress.Accepted(Index(4), kNoSnapshot, 0);
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_EQ(progress.next(), Index(5));
}

TEST(Progress, AnAnswerToAnOlderAppendDoesNotEndTheProbe) {
  Progress progress(Slot::k2, Index(5), 0);
  progress.Accepted(Index(2), kNoSnapshot, 0);
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  EXPECT_EQ(progress.match(), Index(2));
}

TEST(Progress, TheWindowIsBoundedByMessages) {
  Progress progress = Replicating(0);
  for (size_t i = 1; i <= kInflightMessagesMax; ++i) {
    ASSERT_TRUE(progress.MaySendEntries());
    progress.SentEntries(Index(i), 1, Round(1), 0);
  }
  EXPECT_FALSE(progress.MaySendEntries());
  progress.Accepted(Index(2), kNoSnapshot, 0);
  EXPECT_EQ(progress.inflight_count(), kInflightMessagesMax - 2);
  EXPECT_TRUE(progress.MaySendEntries());
}

TEST(Progress, TheWindowIsBoundedByBytes) {
  Progress progress = Replicating(0);
  progress.SentEntries(Index(1), kInflightBytesMax - 10, Round(1), 0);
  EXPECT_EQ(progress.CostWindow(), 10u);
  progress.SentEntries(Index(2), 10, Round(1), 0);
  EXPECT_FALSE(progress.MaySendEntries());
  progress.Accepted(Index(2), kNoSnapshot, 0);
  EXPECT_EQ(progress.CostWindow(), kInflightBytesMax);
}

TEST(Progress, TheWindowGoesRoundItsRingManyTimes) {
  Progress progress = Replicating(0);
  for (uint64_t i = 1; i <= 5 * kInflightMessagesMax; ++i) {
    progress.SentEntries(Index(i), 1, Round(1), 0);
    if (i % 3 == 0) progress.Accepted(Index(i), kNoSnapshot, 0);
  }
  EXPECT_EQ(progress.inflight_count(), 5 * kInflightMessagesMax % 3);
}

TEST(Progress, ARefusalDropsToProbeWhereTheLogsCouldMeet) {
  Progress progress = Replicating(3);
  progress.SentEntries(Index(9), 1, Round(1), 0);
  EXPECT_TRUE(progress.Refused(Index(9), Index(6)));
  EXPECT_EQ(progress.state(), Progress::State::kProbe);
  EXPECT_EQ(progress.next(), Index(7));
  EXPECT_EQ(progress.inflight_count(), 0u);
}

TEST(Progress, ARefusalNeverMovesNextToWhatIsKnownToMatch) {
  Progress progress = Replicating(3);
  progress.SentEntries(Index(9), 1, Round(1), 0);
  EXPECT_FALSE(progress.Refused(Index(3), Index(0))) << "late: it has acknowledged 3 since";
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_TRUE(progress.Refused(Index(5), Index(0)));
  EXPECT_EQ(progress.next(), Index(4));
}

TEST(Progress, ALateRefusalOfAnotherProbeIsIgnored) {
  Progress progress(Slot::k2, Index(9), 0);
  EXPECT_TRUE(progress.Refused(Index(8), Index(5)));
  EXPECT_EQ(progress.next(), Index(6));
  EXPECT_FALSE(progress.Refused(Index(8), Index(2)));
  EXPECT_EQ(progress.next(), Index(6));
}

TEST(Progress, EveryRefusalOfAProbeMovesItDown) {
  Progress progress(Slot::k2, Index(9), 0);
  EXPECT_TRUE(progress.Refused(Index(8), Index(100)));
  EXPECT_EQ(progress.next(), Index(8)) << "a wrong hint must not keep it where it is";
}

TEST(Progress, AnAnswerToALaterRoundWithoutTheEntriesProvesThemLost) {
  Progress progress = Replicating(3);
  progress.SentEntries(Index(9), 1, Round(4), 10);
  EXPECT_FALSE(progress.HasLostInflight(Round(4), 30, kPatience)) << "sent in the same round";
  EXPECT_FALSE(progress.HasLostInflight(Round(5), 14, kPatience)) << "too soon";
  EXPECT_TRUE(progress.HasLostInflight(Round(5), 15, kPatience));
  progress.BecomeProbe(/*paused=*/false);
  EXPECT_EQ(progress.next(), Index(4));
  EXPECT_TRUE(progress.MaySendEntries());
}

TEST(Progress, NothingIsLostWhenNothingIsOnTheWay) {
  Progress progress = Replicating(3);
  EXPECT_FALSE(progress.HasLostInflight(Round(9), 100, kPatience));
  progress.SentEntries(Index(4), 1, Round(1), 50);
  EXPECT_FALSE(progress.HasLostInflight(Round(2), 52, kPatience)) << "patience starts at sending";
}

TEST(Progress, APausedProbeWaitsForTheHeartbeat) {
  Progress progress = Replicating(3);
  progress.BecomeProbe(/*paused=*/true);
  EXPECT_FALSE(progress.MaySendEntries());
  progress.Accepted(Index(3), kNoSnapshot, 0);
  EXPECT_TRUE(progress.MaySendEntries());
}

TEST(Progress, AFollowerThatNeedsASnapshotIsSentNothingUntilItHasReachedIt) {
  Progress progress(Slot::k2, Index(5), 0);
  progress.BecomeSnapshot();
  EXPECT_FALSE(progress.MaySendEntries());
  EXPECT_FALSE(progress.Refused(Index(20), Index(0)));
  progress.Accepted(Index(0), Index(20), 0);
  EXPECT_EQ(progress.state(), Progress::State::kSnapshot);
  progress.Accepted(Index(20), Index(20), 0);
  EXPECT_EQ(progress.state(), Progress::State::kReplicate);
  EXPECT_EQ(progress.next(), Index(21));
}

TEST(Progress, TheRoundThatItAnsweredNeverGoesBack) {
  Progress progress = Replicating(3);
  progress.Heard(Round(7), 3);
  progress.Heard(Round(5), 4);
  EXPECT_EQ(progress.round(), Round(7));
  EXPECT_EQ(progress.heard_at(), 4u);
}

}  // namespace
}  // namespace triad::quorum
