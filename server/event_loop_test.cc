#include "server/event_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

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

// Does not sleep, but calls what a test wants done meanwhile; counts.
class CountingSleeper final : public EventLoop::Sleeper {
 public:
  explicit CountingSleeper(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
  void Sleep(int64_t timeout_ms) override {
    timeouts.push_back(timeout_ms);
    meanwhile_();
  }
  void Wake() override { ++wakes; }

  std::vector<int64_t> timeouts;
  std::atomic<int> wakes{0};

 private:
  const std::function<void()> meanwhile_;
};

TEST(EventLoop, ASleeperIsWokenOnceByAnotherThreadHoweverMuchItPosts) {
  SystemClock clock;
  EventLoop loop(&clock);
  int ran = 0;
  CountingSleeper sleeper([&] {
    std::thread([&] {
      for (int i = 0; i < 5; ++i) loop.Post([&] { ++ran; });
    }).join();
  });
  loop.set_sleeper(&sleeper);
  loop.Run([&] { return false; });
  EXPECT_EQ(ran, 5);
  EXPECT_EQ(sleeper.wakes, 1);
}

TEST(EventLoop, WhatTheSleeperPostsNeedsNoWaking) {
  SystemClock clock;
  EventLoop loop(&clock);
  int ran = 0;
  CountingSleeper sleeper([&] { loop.Post([&] { ++ran; }); });
  loop.set_sleeper(&sleeper);
  loop.Run([&] { return false; });
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(sleeper.wakes, 0);
}

TEST(EventLoop, WhatWaitsIsNotSleptOver) {
  SystemClock clock;
  EventLoop loop(&clock);
  int ran = 0;
  CountingSleeper sleeper([] {});
  loop.set_sleeper(&sleeper);
  loop.Post([&] { loop.Post([&] { ++ran; }); });  // waits when the next sleep comes
  loop.Run([&] { return ran == 0; });
  EXPECT_EQ(sleeper.timeouts, (std::vector<int64_t>{0, 0}));
}

}  // namespace
}  // namespace triad::server
