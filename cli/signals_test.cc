#include "cli/signals.h"

#include <gtest/gtest.h>

namespace triad::cli {
namespace {

TEST(Signals, AWaitEndsWithItsTime) {
  SignalWaiter signals({SIGUSR1});
  const SignalWaiter::Arrival arrival = signals.Wait(1);
  EXPECT_EQ(arrival.signal, 0);
  EXPECT_FALSE(arrival.woken);
}

TEST(Signals, ASignalOfAProcessIsNotTheTerminals) {
  SignalWaiter signals({SIGUSR1});
  raise(SIGUSR1);
  const SignalWaiter::Arrival arrival = signals.Wait(std::nullopt);
  EXPECT_EQ(arrival.signal, SIGUSR1);
  EXPECT_FALSE(arrival.from_terminal);
}

TEST(Signals, AHangUpThatIsIgnoredStaysIgnored) {
  void (*const before)(int) = signal(SIGHUP, SIG_IGN);
  {
    SignalWaiter signals({SIGHUP});
    raise(SIGHUP);
    EXPECT_EQ(signals.Wait(1).signal, 0);
  }
  signal(SIGHUP, before);
}

TEST(Signals, WhatWasBlockedIsRestoredAtTheEnd) {
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_BLOCK, nullptr, &before);
  { SignalWaiter signals({SIGUSR1}); }
  pthread_sigmask(SIG_BLOCK, nullptr, &after);
  EXPECT_EQ(sigismember(&before, SIGUSR1), sigismember(&after, SIGUSR1));
}

}  // namespace
}  // namespace triad::cli
