#include "server/event_loop.h"

#include <gtest/gtest.h>

#include <thread>
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

}  // namespace
}  // namespace triad::server
