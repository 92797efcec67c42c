#include "server/http.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/str_cat.h"

namespace triad::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::string Ask(int port, const std::string& request) {
  const sockaddr_in address = Loopback(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    (void)!send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    char buffer[4096];
    ssize_t got = 0;
    while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
      answer.append(buffer, static_cast<size_t>(got));
    }
  }
  close(fd);
  return answer;
}

std::string Get(int port, const std::string& path) {
  return Ask(port, absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
}

// On a port that was free a moment ago; another one if it was taken since.
std::unique_ptr<HttpPort> ListenSomewhere(bool ready, int* port) {
  for (int i = 0; i < 20; ++i) {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(fd, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    close(fd);
    *port = ntohs(address.sin_port);
    HttpPages pages;
    pages.metrics = [] { return HttpAnswer{true, "triad_up 1\n"}; };
    pages.live = [] { return HttpAnswer{true, "ok\n"}; };
    pages.ready = [ready] { return HttpAnswer{ready, ready ? "ok\n" : "no quorum\n"}; };
    auto http = HttpPort::Listen(absl::StrCat("127.0.0.1:", *port), std::move(pages));
    if (http.ok()) return *std::move(http);
  }
  return nullptr;
}

TEST(Http, ServesItsPagesAndNothingElse) {
  int port = 0;
  const auto http = ListenSomewhere(/*ready=*/false, &port);
  ASSERT_NE(http, nullptr);
  EXPECT_THAT(Get(port, "/metrics"), StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; "
                                                "version=0.0.4"));
  EXPECT_THAT(Get(port, "/metrics"), HasSubstr("\r\n\r\ntriad_up 1\n"));
  EXPECT_THAT(Get(port, "/livez"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get(port, "/readyz"), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(Get(port, "/readyz"), HasSubstr("no quorum"));
  for (const char* path : {"/", "/etc/passwd", "/../../etc/passwd", "/metrics/x"}) {
    EXPECT_THAT(Get(port, path), ::testing::Not(StartsWith("HTTP/1.1 200"))) << path;
  }
  EXPECT_THAT(Ask(port, "PUT /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(Ask(port, "rubbish\r\n\r\n"), ::testing::Not(HasSubstr("200 OK")));
}

TEST(Http, APortThatIsTakenIsALine) {
  int port = 0;
  const auto http = ListenSomewhere(/*ready=*/true, &port);
  ASSERT_NE(http, nullptr);
  const auto second = HttpPort::Listen(absl::StrCat("127.0.0.1:", port), {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("the port is in use"));
}

TEST(Http, WhatIsAnAddress) {
  for (const char* good : {"127.0.0.1:9000", ":9000", "[::1]:9000"})
    EXPECT_TRUE(IsHttpAddress(good));
  for (const char* bad : {"", "9000", "host:", "host:0", "host:x", "host:70000"}) {
    EXPECT_FALSE(IsHttpAddress(bad)) << bad;
  }
}

}  // namespace
}  // namespace triad::server
