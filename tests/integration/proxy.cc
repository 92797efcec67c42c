#include "tests/integration/proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>

namespace triad::integration {
namespace {

constexpr size_t kBufferBytesMax = 256u << 10;

sockaddr_in AddressOf(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

void CloseWithReset(int fd) {
  const linger none{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
  close(fd);
}

void NoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// One direction of a connection.
struct Flow {
  std::string bytes;
  bool ended = false;     // the source has sent its last byte
  bool finished = false;  // and the sink was told
};

// False: the connection is broken.
bool Read(int fd, Flow& flow) {
  char bytes[65536];
  const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
  if (got > 0) flow.bytes.append(bytes, static_cast<size_t>(got));
  if (got == 0) flow.ended = true;
  return got >= 0 || errno == EAGAIN;
}

bool Write(int fd, Flow& flow) {
  if (!flow.bytes.empty()) {
    const ssize_t put = send(fd, flow.bytes.data(), flow.bytes.size(), MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN;
    flow.bytes.erase(0, static_cast<size_t>(put));
  }
  if (flow.bytes.empty() && flow.ended && !flow.finished) {
    flow.finished = true;
    shutdown(fd, SHUT_WR);
  }
  return true;
}

}  // namespace

struct Proxy::Route {
  int listener = -1;
  sockaddr_in target{};
  bool there = true;
  bool back = true;
  bool reset = false;
};

struct Proxy::Connection {
  Route* route = nullptr;
  int near = -1;  // to the dialler
  int far = -1;   // to the target
  bool connecting = true;
  Flow there;
  Flow back;

  bool WantsFrom(const Flow& flow) const {
    return !flow.ended && flow.bytes.size() < kBufferBytesMax;
  }
  static bool WantsTo(const Flow& flow) {
    return !flow.bytes.empty() || (flow.ended && !flow.finished);
  }
  short NearEvents() const {
    short events = 0;
    if (!connecting && route->there && WantsFrom(there)) events |= POLLIN;
    if (route->back && WantsTo(back)) events |= POLLOUT;
    return events;
  }
  short FarEvents() const {
    if (connecting) return route->there && route->back ? POLLOUT : 0;
    short events = 0;
    if (route->back && WantsFrom(back)) events |= POLLIN;
    if (route->there && WantsTo(there)) events |= POLLOUT;
    return events;
  }
  // False: it is over.
  bool OnNear(short events) {
    if ((events & (POLLIN | POLLERR | POLLHUP)) != 0 && route->there && WantsFrom(there) &&
        !Read(near, there)) {
      return false;
    }
    return (events & POLLOUT) == 0 || Write(near, back);
  }
  bool OnFar(short events) {
    if (connecting) {
      int error = 0;
      socklen_t size = sizeof(error);
      getsockopt(far, SOL_SOCKET, SO_ERROR, &error, &size);
      connecting = false;
      return error == 0;
    }
    if ((events & (POLLIN | POLLERR | POLLHUP)) != 0 && route->back && WantsFrom(back) &&
        !Read(far, back)) {
      return false;
    }
    return (events & POLLOUT) == 0 || Write(far, there);
  }
  bool Over() const { return there.finished && back.finished; }
  void Reset() {
    CloseWithReset(near);
    CloseWithReset(far);
  }
};

Proxy::Proxy() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  for (auto& connection : connections_) connection.Reset();
  for (auto& route : routes_) close(route->listener);
  close(wake_);
}

Proxy::RouteId Proxy::AddRoute(int port, const std::string& target_host, int target_port) {
  auto route = std::make_unique<Route>();
  route->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(route->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in own = AddressOf("127.0.0.1", port);
  route->target = AddressOf(target_host, target_port);
  if (bind(route->listener, reinterpret_cast<const sockaddr*>(&own), sizeof(own)) != 0 ||
      listen(route->listener, 512) != 0) {
    std::perror("a proxy's port");
    std::abort();
  }
  const std::lock_guard lock(mutex_);
  routes_.push_back(std::move(route));
  Changed();
  return routes_.size() - 1;
}

void Proxy::Changed() {
  ++changes_;
  eventfd_write(wake_, 1);
}

void Proxy::SetForward(RouteId route, bool there, bool back) {
  const std::lock_guard lock(mutex_);
  routes_[route]->there = there;
  routes_[route]->back = back;
  Changed();
}

void Proxy::SetReset(RouteId route, bool reset) {
  const std::lock_guard lock(mutex_);
  routes_[route]->reset = reset;
  if (reset) {
    connections_.remove_if([&](Connection& connection) {
      if (connection.route != routes_[route].get()) return false;
      connection.Reset();
      return true;
    });
  }
  Changed();
}

void Proxy::ResetOnce(RouteId route) {
  SetReset(route, true);
  SetReset(route, false);
}

void Proxy::Accept(Route& route) {
  for (;;) {
    const int near = accept4(route.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (near < 0) return;
    if (route.reset) {
      CloseWithReset(near);
      continue;
    }
    const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    NoDelay(near);
    NoDelay(far);
    const auto* target = reinterpret_cast<const sockaddr*>(&route.target);
    if (connect(far, target, sizeof(route.target)) != 0 && errno != EINPROGRESS) {
      CloseWithReset(near);
      CloseWithReset(far);
      continue;
    }
    Connection connection;
    connection.route = &route;
    connection.near = near;
    connection.far = far;
    connections_.push_back(std::move(connection));
  }
}

void Proxy::Run() {
  std::vector<pollfd> polled;
  std::vector<std::function<void(short)>> actions;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    // Built anew each time: a test has some hundred sockets, and may have changed everything.
    polled.assign(1, {wake_, POLLIN, 0});
    std::vector<Route*> listening;
    for (auto& route : routes_) {
      const bool open = route->reset || (route->there && route->back);
      if (!open) continue;
      listening.push_back(route.get());
      polled.push_back({route->listener, POLLIN, 0});
    }
    const size_t first = polled.size();
    std::vector<Connection*> order;
    for (Connection& connection : connections_) {
      const short near = connection.NearEvents();
      const short far = connection.FarEvents();
      polled.push_back({near != 0 ? connection.near : -1, near, 0});
      polled.push_back({far != 0 ? connection.far : -1, far, 0});
      order.push_back(&connection);
    }
    const uint64_t changes = changes_;
    lock.unlock();
    poll(polled.data(), polled.size(), -1);
    lock.lock();
    eventfd_t ignored = 0;
    eventfd_read(wake_, &ignored);
    if (changes_ != changes) continue;  // what was polled may be gone: look anew
    for (size_t i = 0; i < order.size(); ++i) {
      const pollfd& near = polled[first + 2 * i];
      const pollfd& far = polled[first + 2 * i + 1];
      const bool alive = (near.revents == 0 || order[i]->OnNear(near.revents)) &&
                         (far.revents == 0 || order[i]->OnFar(far.revents));
      if (alive && !order[i]->Over()) continue;
      order[i]->Reset();
      order[i]->route = nullptr;
    }
    connections_.remove_if([](const Connection& each) { return each.route == nullptr; });
    for (size_t i = 0; i < listening.size(); ++i) {
      if (polled[1 + i].revents != 0) Accept(*listening[i]);
    }
  }
}

}  // namespace triad::integration
