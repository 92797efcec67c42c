// A network that a test can cut: TCP routes through one thread of the test.
//
// A route has a listening port on 127.0.0.1 and leads to one address. Each direction can be stalled
// by itself, as by a cut cable: connections stay open, nothing passes, new connections hang; what
// was under way arrives when it is forwarded again. Or the route resets: all its connections get a
// RST, new ones too.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace triad::integration {

class Proxy {
 public:
  using RouteId = size_t;

  Proxy();
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  // Listens on `port`, leads to `target_port` of `target_host` (an IPv4 address).
  RouteId AddRoute(int port, const std::string& target_host, int target_port);

  // False: nothing passes from the dialler to the target, or back.
  void SetForward(RouteId route, bool there, bool back);
  void Stall(RouteId route) { SetForward(route, false, false); }
  void Forward(RouteId route) { SetForward(route, true, true); }
  // True: resets every connection, and new ones, until it is set to false.
  void SetReset(RouteId route, bool reset);
  // Resets what is open now; new connections pass.
  void ResetOnce(RouteId route);

 private:
  struct Route;
  struct Connection;

  void Changed();  // mutex_ is held
  void Run();
  void Accept(Route& route);

  std::mutex mutex_;
  std::vector<std::unique_ptr<Route>> routes_;  // guarded by mutex_
  std::list<Connection> connections_;           // guarded by mutex_
  uint64_t changes_ = 0;                        // guarded by mutex_
  bool stop_ = false;                           // guarded by mutex_
  int wake_ = -1;
  std::thread thread_;
};

}  // namespace triad::integration
