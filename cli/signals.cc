#include "cli/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace triad::cli {
namespace {

// How long poll may wait, in its own terms; -1 is for ever.
int PollMs(absl::Time end) {
  if (end == absl::InfiniteFuture()) return -1;
  const int64_t left =
      absl::ToInt64Milliseconds(absl::Ceil(end - absl::Now(), absl::Milliseconds(1)));
  return static_cast<int>(std::clamp<int64_t>(left, 0, INT_MAX));
}

}  // namespace

SignalWaiter::SignalWaiter(const std::vector<int>& signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) {
    // nohup(1) ignores it so that we do not end with the terminal.
    struct sigaction now = {};
    const bool nohup =
        signal == SIGHUP && sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
    if (!nohup) sigaddset(&set, signal);
  }
  pthread_sigmask(SIG_BLOCK, &set, &before_);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

SignalWaiter::~SignalWaiter() {
  Restore();
  close(signals_);
  close(wake_);
}

SignalWaiter::Arrival SignalWaiter::Wait(std::optional<int64_t> timeout_ms) {
  const absl::Time end =
      timeout_ms ? absl::Now() + absl::Milliseconds(*timeout_ms) : absl::InfiniteFuture();
  pollfd waits[] = {{signals_, POLLIN, 0}, {wake_, POLLIN, 0}};
  while (true) {
    const int ready = poll(waits, 2, PollMs(end));
    Arrival arrival;
    signalfd_siginfo info;
    if (read(signals_, &info, sizeof(info)) == sizeof(info)) {
      arrival.signal = static_cast<int>(info.ssi_signo);
      arrival.from_terminal = info.ssi_code == SI_KERNEL;
      return arrival;
    }
    uint64_t count = 0;
    arrival.woken = read(wake_, &count, sizeof(count)) == sizeof(count);
    if (arrival.woken || (ready == 0 && absl::Now() >= end)) return arrival;
    if (ready < 0 && errno != EINTR && errno != EAGAIN) return arrival;
  }
}

void SignalWaiter::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
}

void SignalWaiter::Restore() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace triad::cli
