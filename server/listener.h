// The license port: takes connections itself and hands them to gRPC. gRPC 1.51 alone stops
// listening for good when the process runs out of descriptors once, and whoever opens thousands of
// connections could take those that the log and the ledger need.
//
// Connections beyond what the process can have are closed as soon as they are taken; a part of its
// descriptors is kept for files. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"

namespace triad::server {

class Listener {
 public:
  struct Options {
    std::string host;  // an address, or "": all addresses
    int port = 0;
    int silence_ms = 0;       // TCP_USER_TIMEOUT of its connections
    int descriptors_max = 0;  // connections whose descriptor is above it are closed
    // Called on the listener's thread with a line about connections that were not taken, and why:
    // for the first, then at most every kTellRefusedMs. May be empty.
    std::function<void(const std::string&)> tell;
  };
  // Called on the listener's thread, with a connection that is the callee's from now on.
  using Taker = std::function<void(int listener, int connection)>;

  Listener() = default;
  ~Listener() { Stop(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // UNAVAILABLE: the port is in use, or the address is not this machine's.
  absl::Status Listen(const Options& options);
  void Start(Taker taker);
  void Stop();

 private:
  void TakeAll(const Taker& taker);
  void Tell(const char* why);

  Options options_;
  // Of the thread's alone:
  int64_t refused_ = 0;  // since it was told last
  int64_t told_ms_ = 0;  // 0: never
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::thread thread_;
};

// As many descriptors as the system allows, from now on; returns how many of them connections may
// have.
int RaiseDescriptorLimit();

}  // namespace triad::server
