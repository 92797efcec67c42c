#include "server/event_loop.h"

#include <gtest/gtest.h>

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/system.h"

namespace triad::server {
namespace {

TEST(EventLoop, RunsEventsInOrderAndItsBatchEndAfterThem) {
  SystemClock clock;
  EventLoop loop(&clock);
  std::vector<int> ran;
  loop.Post([&] { ran.push_back(1); });
  loop.Post([&] { ran.push_back(2); });
  loop.Run([&] {
    ran.push_back(3);
    return false;
  });
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
}

TEST(EventLoop, WithoutEventsTheBatchEndStillRuns) {
  SystemClock clock;
  EventLoop loop(&clock);
  int batches = 0;
  loop.Run([&] { return ++batches < 3; });
  EXPECT_EQ(batches, 3);
}

TEST(EventLoop, AskWaitsForItsTurnAndFailsWhenTheLoopHasEnded) {
  SystemClock clock;
  EventLoop loop(&clock);
  bool stop = false;
  std::thread runner([&] { loop.Run([&] { return !stop; }); });
  int answer = 0;
  EXPECT_TRUE(loop.Ask([&] { answer = 42; }, 60'000));
  EXPECT_EQ(answer, 42);
  loop.Post([&] { stop = true; });
  runner.join();
  EXPECT_FALSE(loop.Ask([] {}, 10));
}

// Sleeps for as long as it is told, and counts.
class CountingSleeper final : public EventLoop::Sleeper {
 public:
  explicit CountingSleeper(std::function<void()> asleep) : asleep_(std::move(asleep)) {}
  void Sleep(int64_t timeout_ms) override {
    timeouts.push_back(timeout_ms);
    asleep_();
    if (timeout_ms > 0) woken_.WaitForNotificationWithTimeout(absl::Seconds(60));
  }
  void Wake() override {
    ++wakes;
    woken_.Notify();
  }
  std::vector<int64_t> timeouts;
  int wakes = 0;

 private:
  const std::function<void()> asleep_;
  absl::Notification woken_;
};

TEST(EventLoop, ASleeperIsWokenOnceByAnotherThreadHoweverMuchItPosts) {
  SystemClock clock;
  EventLoop loop(&clock);
  std::thread other;
  int ran = 0;
  CountingSleeper sleeper([&] {
    if (other.joinable()) return;
    other = std::thread([&] {
      for (int i = 0; i < 5; ++i) loop.Post([&] { ++ran; });
    });
  });
  loop.set_sleeper(&sleeper);
  loop.Run([&] { return ran < 5; });
  other.join();
  EXPECT_EQ(sleeper.wakes, 1);
}

TEST(EventLoop, WhatTheSleeperPostsNeedsNoWakingAndIsNotSleptOver) {
  SystemClock clock;
  EventLoop loop(&clock);
  int ran = 0;
  CountingSleeper sleeper([&] {});
  loop.set_sleeper(&sleeper);
  loop.Post([&] { loop.Post([&] { ++ran; }); });  // waits when the next sleep comes
  loop.Run([&] { return ran == 0; });
  EXPECT_EQ(sleeper.wakes, 0);
  EXPECT_EQ(sleeper.timeouts, (std::vector<int64_t>{0, 0}));
}

}  // namespace
}  // namespace triad::server
