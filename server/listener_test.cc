#include "server/listener.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace triad::server {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int FreePort() {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

int Connect(int port) {
  const sockaddr_in address = Loopback(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

// Whether the other end hangs up, within that time.
bool IsHungUp(int fd, int wait_ms) {
  pollfd wait{fd, POLLIN, 0};
  char byte = 0;
  return poll(&wait, 1, wait_ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

class ListenerTest : public ::testing::Test {
 protected:
  ~ListenerTest() override {
    listener_.Stop();
    for (const int fd : taken_) close(fd);
  }
  // Takes descriptors up to `more` above what this process has open.
  void Start(int more) {
    const int now = dup(0);
    close(now);
    for (int i = 0; i < 20 && port_ == 0; ++i) {
      Listener::Options options;
      options.host = "127.0.0.1";
      options.port = FreePort();
      options.descriptors_max = now + more;
      options.tell = [this](const std::string& line) {
        const absl::MutexLock lock(&mutex_);
        told_.push_back(line);
      };
      if (listener_.Listen(options).ok()) port_ = options.port;
    }
    ASSERT_NE(port_, 0);
    listener_.Start([this](int, int fd) {
      const absl::MutexLock lock(&mutex_);
      taken_.push_back(fd);
    });
  }
  size_t Taken() {
    const absl::MutexLock lock(&mutex_);
    return taken_.size();
  }
  void AwaitTaken(size_t count) {
    const absl::MutexLock lock(&mutex_);
    const auto enough = [this, count] { return taken_.size() >= count; };
    mutex_.Await(absl::Condition(&enough));
  }

  Listener listener_;
  int port_ = 0;
  absl::Mutex mutex_;
  std::vector<int> taken_;
  std::vector<std::string> told_;
};

TEST_F(ListenerTest, BeyondItsDescriptorsItHangsUpAndTakesOthersLater) {
  Start(/*more=*/30);
  std::vector<int> held;
  bool refused = false;
  while (!refused && held.size() < 40) {
    const size_t before = Taken();
    const int fd = Connect(port_);
    ASSERT_GE(fd, 0);
    held.push_back(fd);
    // Taken, or hung up on: one of the two comes.
    while (Taken() == before && !refused) refused = IsHungUp(fd, /*wait_ms=*/1);
  }
  ASSERT_TRUE(refused);
  // More that are refused add no line.
  for (int i = 0; i < 5; ++i) {
    const int fd = Connect(port_);
    EXPECT_TRUE(IsHungUp(fd, /*wait_ms=*/10'000));
    close(fd);
  }
  {
    const absl::MutexLock lock(&mutex_);
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_NE(told_[0].find("1 connection was not taken: this node has as many"),
              std::string::npos);
  }
  for (const int fd : held) close(fd);
  size_t before = 0;
  {
    const absl::MutexLock lock(&mutex_);
    for (const int fd : taken_) close(fd);
    before = taken_.size();
    taken_.clear();
  }
  EXPECT_GT(before, 5u);
  const int again = Connect(port_);
  AwaitTaken(1);
  close(again);
}

TEST_F(ListenerTest, APortThatIsTakenIsALine) {
  Start(100);
  Listener second;
  Listener::Options options;
  options.host = "127.0.0.1";
  options.port = port_;
  const absl::Status status = second.Listen(options);
  EXPECT_NE(std::string(status.message()).find("the port is in use"), std::string::npos) << status;
}

TEST(DescriptorLimit, LeavesSomeForFiles) {
  const int connections = RaiseDescriptorLimit();
  EXPECT_GT(connections, 0);
  EXPECT_LT(connections, sysconf(_SC_OPEN_MAX));
}

}  // namespace
}  // namespace triad::server
