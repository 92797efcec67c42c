#include "server/calls.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"

namespace triad::server {
namespace {

TEST(CallWorkers, WorkOnSeveralCallsAtATime) {
  CallWorkers workers(3, 10);
  absl::BlockingCounter all_there(3);  // each waits for the others
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(workers.Run([&] { all_there.DecrementCount(); }));
  }
  all_there.Wait();
}

TEST(CallWorkers, RefuseWhenTooMuchWaitsAndFinishWhatTheyTook) {
  CallWorkers workers(1, 2);
  absl::Notification begun;
  absl::Notification go_on;
  std::atomic<int> ran{0};
  ASSERT_TRUE(workers.Run([&] {
    begun.Notify();
    go_on.WaitForNotification();
    ++ran;
  }));
  begun.WaitForNotification();
  EXPECT_TRUE(workers.Run([&] { ++ran; }));
  EXPECT_TRUE(workers.Run([&] { ++ran; }));
  EXPECT_FALSE(workers.Run([&] { ++ran; })) << "one under way, two wait";
  go_on.Notify();
  workers.Stop();
  EXPECT_EQ(ran, 3);
  EXPECT_FALSE(workers.Run([&] { ++ran; })) << "it has stopped";
}

}  // namespace
}  // namespace triad::server
