// The whole library against servers in this process: threads, sockets, lifetimes. What it decides
// is tested in session_test.
#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/server_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "triad/client.h"

namespace triad {
namespace {

using client::Mode;
using client::TestServers;

ClientOptions Options(const TestServers& servers) {
  ClientOptions options;
  options.license_path = servers.path();
  return options;
}

Client MustOpen(const ClientOptions& options) {
  Result<Client> client = Client::Open(options);
  EXPECT_TRUE(client.ok()) << client.status().ToString();
  return *std::move(client);
}

uint64_t InUse(TestServers& servers) {
  return servers.With([](auto& cluster) { return cluster.InUse(); });
}

TEST(Client, ChecksOutAndALicenseReturnsItself) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  {
    Result<License> license = client.Checkout({"f", "1.0", 3});
    ASSERT_TRUE(license.ok()) << license.status().ToString();
    EXPECT_EQ(license->feature(), "f");
    EXPECT_EQ(license->version(), "1.0");
    EXPECT_EQ(license->count(), 3u);
    EXPECT_EQ(license->handle(), 101u);
    EXPECT_EQ(license->state(), LicenseState::kHeld);
    EXPECT_TRUE(license->usable());
    EXPECT_EQ(InUse(servers), 3u);
    EXPECT_EQ(client.status().licenses, 1u);
  }
  EXPECT_TRUE(servers.WaitFor([](auto& cluster) { return cluster.InUse() == 0; }));
}

TEST(Client, CheckInWaitsForTheAnswerAndWorksOnce) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  License license = *client.Checkout({"f"});
  EXPECT_TRUE(license.CheckIn().ok());
  EXPECT_EQ(InUse(servers), 0u);
  EXPECT_EQ(license.state(), LicenseState::kReturned);
  EXPECT_FALSE(license.usable());
  EXPECT_EQ(license.CheckIn().kind, ErrorKind::kUsage);
  EXPECT_EQ(License().CheckIn().kind, ErrorKind::kUsage);
}

TEST(Client, ALicenseMovesAndReturnsWhatItHeldBefore) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  License first = *client.Checkout({"f", "", 1});
  License second = *client.Checkout({"f", "", 2});
  first = std::move(second);
  EXPECT_EQ(first.count(), 2u);
  EXPECT_EQ(second.state(), LicenseState::kReturned);  // NOLINT: moved from, and asked
  EXPECT_TRUE(servers.WaitFor([](auto& cluster) { return cluster.InUse() == 2; }));
}

TEST(Client, SeveralFeaturesAreAllOrNone) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  Result<std::vector<License>> both = client.CheckoutTogether({{"a", "", 4}, {"b", "", 5}});
  ASSERT_TRUE(both.ok());
  EXPECT_EQ((*both)[1].feature(), "b");
  Result<std::vector<License>> none = client.CheckoutTogether({{"a", "", 1}, {"b", "", 1}});
  EXPECT_EQ(none.status().code, -4);
  EXPECT_EQ(InUse(servers), 9u);
}

TEST(Client, WrongUseIsAnErrorNeverACrash) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  EXPECT_EQ(client.Checkout({""}).status().kind, ErrorKind::kUsage);
  EXPECT_EQ(client.Checkout({"f", "", 0}).status().kind, ErrorKind::kUsage);
  EXPECT_EQ(client.Checkout({std::string(300, 'f')}).status().kind, ErrorKind::kUsage);
  EXPECT_EQ(client.CheckoutTogether({}).status().kind, ErrorKind::kUsage);
  EXPECT_EQ(client.CheckoutTogether(std::vector<CheckoutRequest>(65, {"f"})).status().kind,
            ErrorKind::kUsage);
  Client other = std::move(client);
  EXPECT_EQ(client.Checkout({"f"}).status().kind, ErrorKind::kUsage);  // NOLINT: moved from
  EXPECT_EQ(client.Close().kind, ErrorKind::kUsage);
  EXPECT_TRUE(other.Close().ok());
  EXPECT_EQ(other.Close().kind, ErrorKind::kUsage);
  EXPECT_EQ(other.Checkout({"f"}).status().kind, ErrorKind::kUsage);
  EXPECT_EQ(other.status().licenses, 0u);
  bool told = false;
  other.CheckoutAsync({"f"}, [&](Result<License> license) { told = !license.ok(); });
  EXPECT_TRUE(told);
}

TEST(Client, ALicenseMayOutliveItsClient) {
  TestServers servers;
  License license;
  {
    Client client = MustOpen(Options(servers));
    license = *client.Checkout({"f"});
  }
  EXPECT_EQ(license.state(), LicenseState::kReturned);
  EXPECT_EQ(license.feature(), "f");
  EXPECT_EQ(InUse(servers), 0u);
  EXPECT_EQ(license.CheckIn().kind, ErrorKind::kUsage);
}

TEST(Client, AnAsynchronousCheckoutMayBlockAndCloseInItsCallback) {
  TestServers servers;
  auto client = std::make_shared<Client>(MustOpen(Options(servers)));
  absl::Notification done;
  client->CheckoutAsync({"f"}, [&done, client](Result<License> license) {
    EXPECT_TRUE(license.ok());
    EXPECT_TRUE(client->Checkout({"g"}).ok());
    EXPECT_TRUE(client->Close().ok());
    done.Notify();
  });
  done.WaitForNotification();
}

TEST(Client, TheLastOwnerMayBeTheCallbackItself) {
  TestServers servers;
  absl::Notification done;
  {
    auto client = std::make_shared<Client>(MustOpen(Options(servers)));
    auto guard = std::shared_ptr<void>(nullptr, [&done](void*) { done.Notify(); });
    Client* raw = client.get();
    raw->CheckoutAsync({"f"}, [client, guard](const Result<License>&) {});
    client.reset();
  }
  done.WaitForNotification();
  EXPECT_TRUE(servers.WaitFor([](auto& cluster) { return cluster.sessions.empty(); }));
}

TEST(Client, CloseEndsWhatOtherThreadsWaitFor) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  servers.With([](auto& cluster) {
    cluster.modes = std::vector<Mode>(3, Mode::kSilent);
    return 0;
  });
  std::thread waiter([&] { EXPECT_EQ(client.Checkout({"f"}).status().kind, ErrorKind::kUsage); });
  while (true) {
    bool sent = false;
    for (const std::string& line : client.Diagnostics()) sent |= !line.empty();
    if (sent) break;
  }
  client.Close();
  waiter.join();
}

TEST(Client, ManyThreadsShareOneSession) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  std::atomic<int> granted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        Result<License> license = client.Checkout({"f"});
        if (license.ok()) ++granted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, 400);
  EXPECT_TRUE(servers.WaitFor([](auto& cluster) { return cluster.InUse() == 0; }));
  EXPECT_EQ(servers.With([](auto& cluster) { return cluster.sessions.size(); }), 1u);
}

TEST(Client, AKilledServerCostsNoLicenseAndNoError) {
  TestServers servers;
  Client client = MustOpen(Options(servers));
  License license = *client.Checkout({"f", "", 2});
  const uint64_t handle = license.handle();
  for (size_t node : {0, 1, 2}) {
    servers.Stop(node);
    Result<License> more = client.Checkout({"f"});
    EXPECT_TRUE(more.ok()) << more.status().ToString();
    servers.Start(node);
  }
  EXPECT_EQ(license.handle(), handle);
  EXPECT_EQ(license.state(), LicenseState::kHeld);
}

TEST(Client, ALostLicenseIsToldAndGotAgain) {
  TestServers servers;
  ClientOptions options = Options(servers);
  absl::Mutex mutex;
  std::vector<std::string> events;
  options.on_event = [&](const Event& event) {
    absl::MutexLock lock(&mutex);
    events.push_back(absl::StrCat(EventName(event.kind), " ", event.handle));
  };
  Client client = MustOpen(options);
  License license = *client.Checkout({"f"});
  v1::ServerMessage removed;
  removed.mutable_event()->set_kind(v1::SessionEvent::REMOVED);
  removed.mutable_event()->set_session(servers.With([](auto& cluster) {
    std::string id = cluster.sessions.begin()->first;
    cluster.sessions.clear();
    return id;
  }));
  for (size_t node : {0, 1, 2}) servers.Push(node, removed);
  auto both = [&] { return events.size() == 2; };
  absl::MutexLock lock(&mutex);
  ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&both), absl::Seconds(20)));
  EXPECT_THAT(events, testing::ElementsAre("lost 101", "reconnected 102"));
  EXPECT_EQ(license.handle(), 102u);
}

}  // namespace
}  // namespace triad
