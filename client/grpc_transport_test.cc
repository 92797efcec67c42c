#include "client/grpc_transport.h"

#include <time.h>

#include <deque>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/server_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::client {
namespace {

using ::testing::HasSubstr;

struct RealClock : Clock {
  int64_t NowMs() override {
    timespec now = {};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
  }
};

// Writes down what it is driven with.
struct Recorder : Driven {
  void OnConnected(size_t server) override { Add(absl::StrCat("connected ", server)); }
  void OnDisconnected(size_t server, absl::string_view reason) override {
    Add(absl::StrCat("disconnected ", server, " ", reason));
  }
  void OnMessage(size_t server, const v1::ServerMessage& message) override {
    Add(absl::StrCat("message ", server, " ", message.id()));
  }
  void OnTimer() override {
    timer_ms = INT64_MAX;
    Add("timer");
  }
  int64_t NextTimer() const override { return timer_ms; }

  void Add(std::string line) {
    absl::MutexLock lock(&mutex);
    lines.push_back(std::move(line));
  }
  // The next line, when there is one.
  std::string Next() {
    absl::MutexLock lock(&mutex);
    auto any = [this] { return !lines.empty(); };
    if (!mutex.AwaitWithTimeout(absl::Condition(&any), absl::Seconds(20))) return "nothing";
    std::string line = lines.front();
    lines.pop_front();
    return line;
  }

  absl::Mutex mutex;
  std::deque<std::string> lines;
  int64_t timer_ms = INT64_MAX;  // the transport's thread only
};

v1::ClientMessage Describe(uint64_t id) {
  v1::ClientMessage message;
  message.set_id(id);
  message.mutable_describe()->set_pool(1);
  return message;
}

TEST(GrpcTransport, ConnectsSendsAndHearsInOrder) {
  TestServers servers;
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport(servers.addresses(), &clock);
  transport.Start(&recorder);
  transport.Post([&] { transport.Connect(1); });
  EXPECT_EQ(recorder.Next(), "connected 1");
  transport.Post([&] {
    for (uint64_t id = 1; id <= 600; ++id) transport.Send(1, Describe(id));
  });
  for (uint64_t id = 1; id <= 600; ++id) EXPECT_EQ(recorder.Next(), absl::StrCat("message 1 ", id));
}

TEST(GrpcTransport, ARefusedConnectionIsToldWithItsReason) {
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport({{"127.0.0.1", 1}}, &clock);
  transport.Start(&recorder);
  transport.Post([&] { transport.Connect(0); });
  EXPECT_THAT(recorder.Next(), HasSubstr("Connection refused"));
}

TEST(GrpcTransport, TheReasonsWordsAreCopiedOutOfTheStatus) {
  const std::string words(150, 'w');
  EXPECT_EQ(EndReason(grpc::Status(grpc::StatusCode::UNAVAILABLE, words)), words);
  EXPECT_EQ(EndReason(grpc::Status(grpc::StatusCode::UNAVAILABLE, words + words)).size(), 200u);
  EXPECT_EQ(EndReason(grpc::Status(grpc::StatusCode::UNAVAILABLE, words + "Connection refused.")),
            "Connection refused");
  EXPECT_EQ(EndReason(grpc::Status::OK), "closed by the server");
}

TEST(GrpcTransport, ABrokenStreamIsToldAtOnceAndMayBeConnectedAgain) {
  TestServers servers(1);
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport(servers.addresses(), &clock);
  transport.Start(&recorder);
  transport.Post([&] { transport.Connect(0); });
  EXPECT_EQ(recorder.Next(), "connected 0");
  servers.Stop(0);
  EXPECT_THAT(recorder.Next(), HasSubstr("disconnected 0"));
  servers.Start(0);
  while (true) {
    transport.Post([&] { transport.Connect(0); });
    if (recorder.Next() == "connected 0") break;
  }
}

TEST(GrpcTransport, ADisconnectedStreamSaysNothingMore) {
  TestServers servers(1);
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport(servers.addresses(), &clock);
  transport.Start(&recorder);
  transport.Post([&] { transport.Connect(0); });
  EXPECT_EQ(recorder.Next(), "connected 0");
  transport.Post([&] {
    transport.Send(0, Describe(1));
    transport.Disconnect(0);
    transport.Send(0, Describe(2));
    transport.Connect(0);
  });
  EXPECT_EQ(recorder.Next(), "connected 0");
}

TEST(GrpcTransport, AfterAnAbandonTheConnectionIsAnother) {
  TestServers servers(1);
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport(servers.addresses(), &clock);
  transport.Start(&recorder);
  transport.Post([&] { transport.Connect(0); });
  EXPECT_EQ(recorder.Next(), "connected 0");
  transport.Post([&] { transport.Send(0, Describe(1)); });
  EXPECT_EQ(recorder.Next(), "message 0 1");
  transport.Post([&] {
    transport.Abandon(0);
    transport.Connect(0);
  });
  EXPECT_EQ(recorder.Next(), "connected 0");
  transport.Post([&] { transport.Send(0, Describe(2)); });
  EXPECT_EQ(recorder.Next(), "message 0 2");
  EXPECT_EQ(servers.Peers(0).size(), 2u);
}

TEST(GrpcTransport, TimersRunWhileNothingElseHappens) {
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport({{"127.0.0.1", 1}}, &clock);
  transport.Start(&recorder);
  transport.Post([&] { recorder.timer_ms = clock.NowMs() + 20; });
  EXPECT_EQ(recorder.Next(), "timer");
}

TEST(GrpcTransport, StopRunsWhatWasPostedAndRefusesTheRest) {
  RealClock clock;
  Recorder recorder;
  GrpcTransport transport({{"127.0.0.1", 1}}, &clock);
  transport.Start(&recorder);
  int ran = 0;
  for (int i = 0; i < 100; ++i) transport.Post([&] { ++ran; });
  transport.Stop();
  EXPECT_EQ(ran, 100);
  EXPECT_FALSE(transport.Post([] {}));
  transport.Stop();
}

TEST(GrpcTransport, EachEndsByItselfAndTheOthersGoOn) {
  TestServers servers(1);
  RealClock clock;
  Recorder staying_heard;
  for (int round = 0; round < 3; ++round) {
    GrpcTransport staying(servers.addresses(), &clock);
    staying.Start(&staying_heard);
    {
      Recorder going_heard;
      GrpcTransport going(servers.addresses(), &clock);
      going.Start(&going_heard);
      going.Post([&] { going.Connect(0); });
      EXPECT_EQ(going_heard.Next(), "connected 0");
      going.Post([&] { going.Send(0, Describe(1)); });
      EXPECT_EQ(going_heard.Next(), "message 0 1");
    }
    staying.Post([&] { staying.Connect(0); });
    EXPECT_EQ(staying_heard.Next(), "connected 0");
    staying.Post([&] { staying.Send(0, Describe(2)); });
    EXPECT_EQ(staying_heard.Next(), "message 0 2");
  }
}

TEST(GrpcTransport, NeverStartedItCanBeDestroyed) {
  RealClock clock;
  GrpcTransport transport({{"127.0.0.1", 1}}, &clock);
}

}  // namespace
}  // namespace triad::client
