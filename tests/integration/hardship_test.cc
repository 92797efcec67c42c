// Thousands of connections that mean no good, beside applications that work: idle ones, rubbish, a
// scanner, readers that do not read. (Cut short in a TLS handshake: tls_test.cc.)
//
// TRIAD_CONNECTIONS=10000 for more of them than CI has; the figures are printed.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw_client.h"

namespace triad::integration {
namespace {

constexpr int kConnections = 2'000;
// Of a reader that does not read: far more than a node keeps for it.
constexpr int kUnreadMax = 4'000;
constexpr int kBeatsPerMessage = 2'000;
// A node may keep some megabytes for each reader; it must not keep all that was answered.
constexpr int64_t kGrowthMbMax = 150;

int Wanted() {
  int wanted = kConnections;
  const char* asked = std::getenv("TRIAD_CONNECTIONS");
  if (asked != nullptr && !absl::SimpleAtoi(asked, &wanted)) wanted = kConnections;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return std::min(wanted, static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20)) - 500);
}

int64_t ResidentMb(pid_t pid) {
  for (absl::string_view line :
       absl::StrSplit(ReadFileOrEmpty(absl::StrCat("/proc/", pid, "/status")), '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kb = 0;
    if (!words.empty() && words[0].substr(0, 6) == "VmRSS:") {
      for (absl::string_view word : words) {
        if (absl::SimpleAtoi(word, &kb)) return kb >> 10;
      }
    }
  }
  return 0;
}

class Strangers {
 public:
  Strangers(const Cluster& cluster, int count) {
    std::mt19937 draw(4711);
    for (int i = 0; i < count; ++i) {
      const int node = i % 3 + 1;
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(cluster.port(node)));
      inet_pton(AF_INET, cluster.Host(node).c_str(), &address.sin_addr);
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0 ||
          connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        if (fd >= 0) close(fd);
        continue;
      }
      ++made_;
      Say(fd, i % 8, &draw);
    }
  }
  ~Strangers() {
    for (const int fd : fds_) close(fd);
  }
  Strangers(const Strangers&) = delete;
  Strangers& operator=(const Strangers&) = delete;
  int made() const { return made_; }

 private:
  // Most of them idle: half as a client of HTTP/2 that asks for nothing.
  void Say(int fd, int what, std::mt19937* draw) {
    std::string bytes;
    if (what < 4) {
      bytes = std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
    } else if (what == 4) {
      for (int i = 0; i < 2'000; ++i) bytes.push_back(static_cast<char>((*draw)() & 0xFF));
    } else if (what == 5) {
      bytes = "GET / HTTP/1.1\r\nHost: lic1\r\n\r\n";
    }
    (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (what == 6) {
      close(fd);  // a scanner
    } else {
      fds_.push_back(fd);
    }
  }

  std::vector<int> fds_;
  int made_ = 0;
};

// Asks and asks, and never reads an answer. TRUE: the node has cut it off.
bool IsCutOffUnread(const std::string& address) {
  const auto stub = v1::LicenseService::NewStub(ChannelTo(address));
  grpc::ClientContext context;
  const auto stream = stub->Connect(&context);
  v1::ClientBatch batch;
  v1::ClientMessage* message = batch.add_messages();
  for (int i = 0; i < kBeatsPerMessage; ++i) {
    auto* beat = message->mutable_heartbeat()->add_beats();
    beat->set_session(std::string(16, 'x'));
    beat->set_number(1);
  }
  for (int i = 1; i <= kUnreadMax; ++i) {
    message->set_id(static_cast<uint64_t>(i));
    if (!stream->Write(batch)) return true;
  }
  context.TryCancel();
  return false;
}

// An application at work, until it is told to stop.
class Worker {
 public:
  explicit Worker(Client client) : client_(std::move(client)), thread_([this] { Work(); }) {}
  ~Worker() {
    if (thread_.joinable()) Stop();
  }
  void Stop() {
    stop_ = true;
    thread_.join();
  }
  int done() const { return done_; }
  int errors() const { return errors_; }
  int64_t longest_ms() const { return longest_ms_; }

 private:
  void Work() {
    while (!stop_) {
      const int64_t begun_ms = NowMs();
      auto license = client_.Checkout(Want("tserver_sdn"));
      if (!license || !license->CheckIn().ok()) ++errors_;
      longest_ms_ = std::max<int64_t>(longest_ms_, NowMs() - begun_ms);
      ++done_;
    }
  }

  Client client_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> done_ = 0;
  std::atomic<int> errors_ = 0;
  std::atomic<int64_t> longest_ms_ = 0;
  std::thread thread_;
};

TEST(Hardship, ConnectionsThatMeanNoGoodDisturbNobodyWhoWorks) {
  const int wanted = Wanted();
  Cluster cluster{Cluster::Options()};
  ASSERT_TRUE(cluster.Start());
  auto opened = Client::Open(OptionsFor(cluster.path(), "holder"));
  ASSERT_TRUE(opened) << opened.status().ToString();
  Client holder = *std::move(opened);
  auto held = holder.Checkout(Want("tserver_sdn", 3));
  ASSERT_TRUE(held) << held.status().ToString();
  auto busy = Client::Open(OptionsFor(cluster.path(), "busy"));
  ASSERT_TRUE(busy) << busy.status().ToString();
  Worker worker(*std::move(busy));
  ASSERT_TRUE(WaitFor([&] { return worker.done() > 10; }));
  const int64_t before_mb = ResidentMb(cluster.process(1).pid());
  {
    const Strangers strangers(cluster, wanted);
    EXPECT_GT(strangers.made(), wanted * 9 / 10);
    EXPECT_TRUE(IsCutOffUnread(cluster.Address(1))) << "a reader that does not read is cut off";
    const int64_t growth_mb = ResidentMb(cluster.process(1).pid()) - before_mb;
    EXPECT_LT(growth_mb, kGrowthMbMax + wanted / 20);
    // Whoever comes now is served too.
    auto late = Client::Open(OptionsFor(cluster.path(), "late"));
    ASSERT_TRUE(late) << late.status().ToString();
    auto license = late->Checkout(Want("tserver_sdn"));
    EXPECT_TRUE(license) << license.status().ToString();
    const int more = worker.done() + 20;
    EXPECT_TRUE(WaitFor([&] { return worker.done() > more; }));
    std::printf("%d connections of strangers; node 1 grew by %lld MB\n", strangers.made(),
                static_cast<long long>(growth_mb));
  }
  worker.Stop();
  std::printf("%d checkouts beside them, %d errors, the longest took %lld ms\n", worker.done(),
              worker.errors(), static_cast<long long>(worker.longest_ms()));
  EXPECT_EQ(worker.errors(), 0);
  EXPECT_EQ(held->state(), LicenseState::kHeld);
  EXPECT_TRUE(held->CheckIn().ok());
  EXPECT_TRUE(cluster.WaitForAgreement());
  for (int node : {1, 2, 3}) EXPECT_TRUE(cluster.process(node).running());
}

}  // namespace
}  // namespace triad::integration
