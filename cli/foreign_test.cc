// A port at which something else listens: it says nothing, it answers garbage, it hangs up.
#include "cli/foreign.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "cli/lmstat.h"
#include "cli/servers.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kPatience = 300;

// Takes connections, sends `says` to each and closes it, or keeps it when there is nothing to say.
class Listener {
 public:
  explicit Listener(std::string says, bool hangs_up) : says_(std::move(says)), up_(hangs_up) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~Listener() {
    shutdown(fd_, SHUT_RDWR);
    thread_.join();
    for (const int fd : kept_) close(fd);
    close(fd_);
  }
  client::Address address() const { return {"127.0.0.1", port_}; }

 private:
  void Run() {
    for (;;) {
      const int fd = accept(fd_, nullptr, nullptr);
      if (fd < 0) return;
      if (!says_.empty()) (void)!send(fd, says_.data(), says_.size(), MSG_NOSIGNAL);
      if (up_) {
        close(fd);
      } else {
        kept_.push_back(fd);
      }
    }
  }
  const std::string says_;
  const bool up_;
  int fd_ = -1;
  int port_ = 0;
  std::vector<int> kept_;
  std::thread thread_;
};

TEST(Foreign, WhatSaysNothingMayBeFlexNets) {
  const Listener silent("", /*hangs_up=*/false);
  EXPECT_THAT(WhatElseListens(silent.address(), kPatience),
              HasSubstr("says nothing, as FlexNet's lmgrd does"));
  const Listener rude("", /*hangs_up=*/true);
  EXPECT_THAT(WhatElseListens(rude.address(), kPatience), HasSubstr("(-12)"));
}

TEST(Foreign, WhatSaysSomethingElseIsNotOurs) {
  for (const char* says : {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "x",
                           "h\x01\x02\x03garbage as FlexNet may send"}) {
    const Listener other(says, /*hangs_up=*/false);
    EXPECT_THAT(WhatElseListens(other.address(), kPatience),
                HasSubstr("is not a Triad license server: what listens there speaks another"))
        << says;
  }
}

TEST(Foreign, NobodyAndANodeOfOursAreNoStrangers) {
  EXPECT_EQ(WhatElseListens(Nobody(), kPatience), "");
  FakeNode node(1);
  EXPECT_EQ(WhatElseListens(node.address(), 5'000), "");
}

TEST(Foreign, ItIsWhatAnswersSay) {
  const Listener other("220 mail ready\r\n", /*hangs_up=*/false);
  const auto answers = AskStatus({other.address()}, kPatience);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(IsForeign(answers[0].error)) << answers[0].error;
  EXPECT_EQ(LmstatVerb({"-a", "-c", client::FormatAddress(other.address())}), LmExit(-12));
}

}  // namespace
}  // namespace triad::cli
