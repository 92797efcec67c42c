#include "cli/foreign.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cli/lm_tools.h"
#include "cli/servers.h"

namespace triad::cli {
namespace {

constexpr char kNotOurs[] = " is not a Triad license server";

// HTTP/2's preface, with empty SETTINGS: a server of ours answers with its own at once.
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
// A frame's head: length, type, flags, stream. The server's first is SETTINGS of stream 0.
constexpr size_t kFrameHead = 9;
constexpr char kSettings = 4;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool Await(int fd, short events, int64_t until_ms) {
  pollfd one{fd, events, 0};
  const int64_t left = std::max<int64_t>(0, until_ms - NowMs());
  return poll(&one, 1, static_cast<int>(left)) == 1;
}

// A connected socket, or one with fd -1.
int Connect(const client::Address& address, int64_t until_ms) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(address.port);
  if (getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  int connected = -1;
  for (const addrinfo* each = found; each != nullptr && connected < 0; each = each->ai_next) {
    const int fd = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) continue;
    int error = connect(fd, each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS && Await(fd, POLLOUT, until_ms)) {
      socklen_t size = sizeof(error);
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error == 0) {
      connected = fd;
    } else {
      close(fd);
    }
  }
  freeaddrinfo(found);
  return connected;
}

// The first bytes of the answer, as many as a frame's head has, or fewer.
std::string FirstBytes(int fd, int64_t until_ms) {
  std::string bytes;
  while (bytes.size() < kFrameHead && Await(fd, POLLIN, until_ms)) {
    char buffer[kFrameHead];
    const ssize_t got = recv(fd, buffer, kFrameHead - bytes.size(), 0);
    if (got <= 0) break;
    bytes.append(buffer, static_cast<size_t>(got));
  }
  return bytes;
}

bool IsSettings(absl::string_view bytes) {
  return bytes.size() == kFrameHead && bytes[3] == kSettings &&
         bytes.substr(5, 4) == absl::string_view("\0\0\0\0", 4);
}

}  // namespace

Connection::Connection(const client::Address& address, int64_t timeout_ms)
    : fd_(Connect(address, NowMs() + timeout_ms)) {
}

Connection::~Connection() {
  if (fd_ >= 0) close(fd_);
}

std::string WhatElseListens(const client::Address& address, int64_t timeout_ms) {
  const int64_t until_ms = NowMs() + timeout_ms;
  const Connection socket(address, timeout_ms);
  if (socket.fd() < 0) return "";
  if (send(socket.fd(), kPreface, sizeof(kPreface) - 1, MSG_NOSIGNAL) < 0) return "";
  const std::string bytes = FirstBytes(socket.fd(), until_ms);
  if (IsSettings(bytes)) return "";
  const std::string at = client::FormatAddress(address);
  if (bytes.empty()) {
    return absl::StrCat(
        at, kNotOurs, ", or it hangs: something listens there and says nothing, as ",
        "FlexNet's lmgrd does; for that one use FlexNet's own tools (", kLmBadReply, ")");
  }
  return absl::StrCat(at, kNotOurs, ": what listens there speaks another protocol, FlexNet's or ",
                      "another program's; for FlexNet's lmgrd use FlexNet's own tools (",
                      kLmBadReply, ")");
}

bool IsForeign(const absl::Status& error) {
  return absl::StrContains(error.message(), kNotOurs);
}

}  // namespace triad::cli
