// Waiting for signals in order, instead of handlers: a signalfd, and a way to be woken.
//
// Make it before any thread begins: threads inherit the blocked signals. Wait() is for one thread;
// Wake() may be called from any.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace triad::cli {

class SignalWaiter {
 public:
  // Of them all but a SIGHUP that is ignored already.
  explicit SignalWaiter(const std::vector<int>& signals);
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;
  ~SignalWaiter();

  struct Arrival {
    int signal = 0;  // 0: the time was over, or Wake() was called
    // From the terminal (Ctrl-C, hang-up), which the whole foreground group got.
    bool from_terminal = false;
    bool woken = false;
  };
  // Until one of the signals, Wake(), or `timeout_ms` (none: for ever).
  Arrival Wait(std::optional<int64_t> timeout_ms);
  void Wake();

  // In this thread the signals do again what they did before. So at the end too.
  void Restore();
  // The mask before: what a child is to start with.
  const sigset_t& mask_before() const { return before_; }

 private:
  sigset_t before_;
  int signals_ = -1;
  int wake_ = -1;
};

}  // namespace triad::cli
