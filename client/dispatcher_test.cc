#include "client/dispatcher.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::ElementsAre;

TEST(Dispatcher, RunsOneAtATimeInOrderAndAllBeforeItStops) {
  std::vector<int> ran;
  Dispatcher dispatcher(10);
  for (int i = 0; i < 4; ++i) dispatcher.PostEvent([&ran, i] { ran.push_back(i); });
  EXPECT_TRUE(dispatcher.PostCall([&ran] { ran.push_back(4); }));
  dispatcher.Stop();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_FALSE(dispatcher.PostCall([] {}));
}

TEST(Dispatcher, DropsTheOldestEventsButNoCall) {
  std::vector<int> ran;
  Dispatcher dispatcher(2);
  absl::Notification begun, go;
  dispatcher.PostEvent([&] {
    begun.Notify();
    go.WaitForNotification();
  });
  begun.WaitForNotification();
  dispatcher.PostCall([&ran] { ran.push_back(100); });
  for (int i = 0; i < 5; ++i) dispatcher.PostEvent([&ran, i] { ran.push_back(i); });
  go.Notify();
  dispatcher.Stop();
  EXPECT_THAT(ran, ElementsAre(100, 3, 4));
}

TEST(Dispatcher, TicksAsLongAsItIsToldTo) {
  Dispatcher dispatcher(10);
  std::atomic<int> ticks{0};
  absl::Notification last;
  const auto tick = [&]() -> int64_t {
    if (++ticks % 3 != 0) return 1;
    last.Notify();
    return -1;
  };
  dispatcher.SetTicker(tick);
  last.WaitForNotification();
  // Not again by itself.
  absl::Notification ran;
  dispatcher.PostCall([&] { ran.Notify(); });
  ran.WaitForNotification();
  EXPECT_EQ(ticks, 3);
  absl::Notification anew;
  dispatcher.SetTicker([&]() -> int64_t {
    anew.Notify();
    return -1;
  });
  anew.WaitForNotification();
  dispatcher.Stop();
  dispatcher.SetTicker(tick);
  EXPECT_EQ(ticks, 3);
}

TEST(Dispatcher, MayBeStoppedAndDestroyedFromACallback) {
  auto dispatcher = std::make_unique<Dispatcher>(10);
  absl::Notification done;
  dispatcher->PostCall([&] {
    dispatcher.reset();
    done.Notify();
  });
  done.WaitForNotification();
}

}  // namespace
}  // namespace triad::client
