#include "server/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/limits.h"

namespace triad::server {
namespace {

constexpr int kBacklog = 1'024;
// No descriptor is to be had: looked for again after this long.
constexpr int kPauseMs = 100;
// Kept for the files of log, ledger, licenses and journal: some dozens at a time, with room.
constexpr int kKeptForFiles = 512;
// Nobody needs more, and tables of descriptors cost memory.
constexpr rlim_t kDescriptorsMax = 262'144;

int OpenSocket(const Listener::Options& options) {
  const bool any = options.host.empty();
  const bool v6 = any || absl::StrContains(options.host, ":");
  const auto port = htons(static_cast<uint16_t>(options.port));
  const int on = 1;
  for (const int family : {v6 ? AF_INET6 : AF_INET, AF_INET}) {
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) continue;  // a machine without IPv6
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool bound = false;
    if (family == AF_INET6) {
      const int only = any ? 0 : 1;
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_port = port;
      bound = (any || inet_pton(AF_INET6, options.host.c_str(), &address.sin6_addr) == 1) &&
              bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    } else {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = port;
      bound = (any || inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) == 1) &&
              bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    }
    if (bound && listen(fd, kBacklog) == 0) return fd;
    const bool taken = errno == EADDRINUSE;
    close(fd);
    if (taken || !any) return -1;
  }
  return -1;
}

}  // namespace

absl::Status Listener::Listen(const Options& options) {
  options_ = options;
  listener_ = OpenSocket(options);
  if (listener_ < 0 || pipe2(wake_, O_CLOEXEC) != 0) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", options.port, options.host.empty() ? "" : "@", options.host,
        ": the port is in use or the address is not this machine's; stop the other program or "
        "change the SERVER line"));
  }
  // Inherited by its connections.
  const int on = 1;
  setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(listener_, IPPROTO_TCP, TCP_USER_TIMEOUT, &options.silence_ms,
             sizeof(options.silence_ms));
  return absl::OkStatus();
}

void Listener::Start(Taker taker) {
  thread_ = std::thread([this, taker = std::move(taker)] { TakeAll(taker); });
}

// Somebody who opens connections by the thousand must not fill the journal as well.
void Listener::Tell(const char* why) {
  ++refused_;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_ms = int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000;
  if (!options_.tell || (told_ms_ != 0 && now_ms - told_ms_ < kTellRefusedMs)) return;
  told_ms_ = now_ms;
  options_.tell(absl::StrCat(refused_, refused_ == 1 ? " connection was" : " connections were",
                             " not taken: ", why));
  refused_ = 0;
}

void Listener::TakeAll(const Taker& taker) {
  bool paused = false;
  for (;;) {
    std::array<pollfd, 2> waits{pollfd{wake_[0], POLLIN, 0}, pollfd{listener_, POLLIN, 0}};
    const int ready = poll(waits.data(), paused ? 1 : 2, paused ? kPauseMs : -1);
    paused = false;
    if (ready < 0) continue;
    if (waits[0].revents != 0) return;
    if (waits[1].revents == 0) continue;
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      paused = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      if (paused) Tell("the system has no descriptor or memory for it");
    } else if (fd > options_.descriptors_max) {
      close(fd);  // the lowest free descriptor is given out: so many are open
      Tell("this node has as many as its descriptors allow (LimitNOFILE); who holds them all?");
    } else {
      taker(listener_, fd);
    }
  }
}

void Listener::Stop() {
  if (thread_.joinable()) {
    (void)!write(wake_[1], "", 1);
    thread_.join();
  }
  for (int* fd : {&listener_, &wake_[0], &wake_[1]}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
}

int RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kKeptForFiles;
  const rlim_t most = std::min(limit.rlim_max, kDescriptorsMax);
  if (limit.rlim_cur < most) {
    limit.rlim_cur = most;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
  }
  const auto all = static_cast<int>(std::min(limit.rlim_cur, kDescriptorsMax));
  return all - std::min(kKeptForFiles, all / 2);
}

}  // namespace triad::server
