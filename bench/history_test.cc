// A history that cannot be is found, and by its operations.
#include "bench/history.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::bench {
namespace {

using simulation::Verdict;
using ::testing::HasSubstr;

constexpr uint64_t kStatesMax = 10'000;

// Takes at `from`..`from` + 1; `request` is also the handle.
void Take(SeatHistory& history, int64_t from, uint64_t request, int session) {
  history.AskedOut(from, request, session);
  history.Granted(from + 1, request, request);
}

void GiveBack(SeatHistory& history, int64_t from, uint64_t handle, int session) {
  history.AskedIn(from, handle + 100, session, handle);
  history.Done(from + 1, handle + 100);
}

Verdict Judged(const SeatHistory& history, uint64_t seats) {
  return history.Linearized(seats, kStatesMax).verdict;
}

TEST(SeatHistory, ASeatGoesFromHandToHand) {
  SeatHistory history;
  Take(history, 10, 1, 1);
  history.AskedOut(12, 50, 2);
  history.DeniedInUse(13, 50);
  GiveBack(history, 20, 1, 1);
  Take(history, 30, 2, 2);
  GiveBack(history, 40, 2, 2);
  EXPECT_EQ(history.Contradiction(1), "");
  EXPECT_EQ(Judged(history, 1), Verdict::kLegal);
}

TEST(SeatHistory, AHandleGrantedTwiceIsFound) {
  SeatHistory history;
  Take(history, 10, 1, 1);
  GiveBack(history, 20, 1, 1);
  history.AskedOut(30, 2, 2);
  history.Granted(31, 2, 1);
  EXPECT_EQ(history.Contradiction(0),
            "handle 1 was granted twice: checkout 1 of session 1 (10-11) and "
            "checkout 2 of session 2 (30-31)");
}

TEST(SeatHistory, ASeatGrantedTwiceIsFound) {
  SeatHistory history;
  Take(history, 10, 1, 1);
  Take(history, 10, 2, 2);
  GiveBack(history, 20, 1, 1);
  GiveBack(history, 20, 2, 2);
  EXPECT_THAT(history.Contradiction(1), HasSubstr("2 of 1 seats are out after checkout 2"));
  EXPECT_EQ(Judged(history, 1), Verdict::kIllegal);
  EXPECT_EQ(history.Contradiction(2), "");
}

TEST(SeatHistory, ADenialWhileSeatsWereFreeIsFound) {
  SeatHistory history;
  Take(history, 10, 1, 1);
  GiveBack(history, 20, 1, 1);
  history.AskedOut(30, 2, 2);
  history.DeniedInUse(31, 2);
  EXPECT_THAT(history.Contradiction(1),
              HasSubstr("checkout 2 of session 2 (30-31) was denied while at most 0 of 1"));
  EXPECT_EQ(Judged(history, 1), Verdict::kIllegal);
}

TEST(SeatHistory, ADenialBesideAGrantOrACheckinIsNone) {
  SeatHistory history;
  history.AskedOut(10, 1, 1);
  history.AskedOut(11, 2, 2);
  history.DeniedInUse(12, 2);
  history.Granted(13, 1, 1);
  history.AskedIn(20, 101, 1, 1);
  history.AskedOut(21, 3, 2);
  history.DeniedInUse(22, 3);
  history.Done(23, 101);
  EXPECT_EQ(history.Contradiction(1), "");
  EXPECT_EQ(Judged(history, 1), Verdict::kLegal);
}

TEST(SeatHistory, OnlyTheHolderGivesBackAndIsAnsweredOnce) {
  SeatHistory history;
  Take(history, 10, 1, 1);
  GiveBack(history, 20, 1, 2);
  EXPECT_THAT(history.Contradiction(0), HasSubstr("which was not granted to it"));
  SeatHistory twice;
  Take(twice, 10, 1, 1);
  GiveBack(twice, 20, 1, 1);
  twice.Done(25, 101);
  EXPECT_THAT(twice.Contradiction(0), HasSubstr("was answered twice"));
}

// Nobody knows what became of it: it may hold a seat, or not.
TEST(SeatHistory, WhatWasNotAnsweredMayHaveHappened) {
  SeatHistory history;
  history.AskedOut(10, 1, 1);
  history.AskedOut(20, 2, 2);
  history.DeniedInUse(21, 2);
  Take(history, 30, 3, 2);
  EXPECT_EQ(history.Contradiction(1), "");
}

TEST(SeatHistory, WhatCameWhenItWasFullIsCountedAndNotJudged) {
  SeatHistory history(2);
  Take(history, 10, 1, 1);
  EXPECT_EQ(history.unjudged(), 0);
  GiveBack(history, 20, 1, 1);
  EXPECT_EQ(history.unjudged(), 2);
  history.AskedOut(30, 2, 2);
  history.Granted(31, 2, 1);
  EXPECT_EQ(history.unjudged(), 4);
  EXPECT_EQ(history.Contradiction(1), "");
}

}  // namespace
}  // namespace triad::bench
