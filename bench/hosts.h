// Three hosts on one machine: a network namespace each, joined by a bridge that this process is on
// too, so that a host's link can be cut. What is sent over a cut link vanishes: no carrier is lost,
// nothing is refused or reset.
//
// Needs root and iproute2. The addresses are of the range for benchmarks (198.18.0.0/15, RFC 2544)
// and reach no further than the bridge. All of it carries this process's id in its name and is
// removed with the object, or when the process ends in whatever way. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace triad::bench {

class Hosts {
 public:
  // nullptr: they cannot be had here, and `why` says in one line what is missing.
  static std::unique_ptr<Hosts> Make(std::string& why);
  ~Hosts();
  Hosts(const Hosts&) = delete;
  Hosts& operator=(const Hosts&) = delete;

  // Of host 1..3.
  std::string address(int host) const;
  // To be put before the command of a program that is to run there; it replaces itself by it.
  std::vector<std::string> launcher(int host) const;
  // Both ways, at once. Cut again or joined again: no effect.
  void Cut(int host) const;
  void Join(int host) const;

 private:
  Hosts() = default;
  std::string Port(int host) const;  // the bridge's
  void SetPort(int host, unsigned char state) const;

  pid_t remover_ = -1;
  int alive_ = -1;  // a pipe: who removes everything waits for its end
};

}  // namespace triad::bench
