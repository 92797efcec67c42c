// Which cluster of a search path is used, and what is said when there is none.
#include "client/client_state.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "client/borrow_store.h"
#include "client/server_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad {
namespace {

using client::TestServers;
using ::testing::HasSubstr;

TEST(ClientState, TheFirstClusterThatServesIsUsed) {
  TestServers servers(1);
  ClientOptions options;
  options.license_path = absl::StrCat("nonsense@:/no/such/file:1@127.0.0.1:", servers.path());
  Result<Client> client = Client::Open(options);
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  EXPECT_TRUE(client->Checkout({"f"}).ok());
  EXPECT_THAT(absl::StrJoin(client->Diagnostics(), "\n"), HasSubstr("/no/such/file: no such file"));
}

TEST(ClientState, ASearchPathOfNonsenseSaysWhatIsWrong) {
  ClientOptions options;
  options.license_path = "nonsense@:/no/such/file";
  Result<Client> client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.status().kind, ErrorKind::kSearchPath);
  EXPECT_THAT(client.status().message, HasSubstr("/no/such/file: no such file"));
}

TEST(ClientState, NobodyThereIsUnreachable) {
  ClientOptions options;
  options.license_path = "1@127.0.0.1,2@127.0.0.1,3@127.0.0.1";
  Result<Client> client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.status().kind, ErrorKind::kUnreachable);
  EXPECT_THAT(client.status().message, HasSubstr("Connection refused"));
}

TEST(ClientState, PlaintextBeyondLoopbackNeedsTheWordInsecure) {
  unsetenv("TRIAD_INSECURE");
  ClientOptions options;
  options.license_path = "27000@192.0.2.1";
  Result<Client> client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.status().kind, ErrorKind::kInsecure);
  EXPECT_THAT(client.status().message, HasSubstr("TRIAD_INSECURE=1"));
}

// --- several clusters ---

class TwoClusters : public ::testing::Test {
 protected:
  // `between` stands between the two in the search path.
  void Open(const std::string& between = "") {
    ClientOptions options;
    options.license_path = absl::StrCat(first_.path(), ":", between, ":", second_.path());
    options.on_event = [this](const Event& event) { events_ += EventName(event.kind); };
    Result<Client> client = Client::Open(options);
    ASSERT_TRUE(client.ok()) << client.status().ToString();
    client_.emplace(*std::move(client));
    // The second may open a moment later.
    ASSERT_TRUE(second_.WaitFor([](client::FakeCluster& c) { return !c.sessions.empty(); }));
  }
  static uint64_t InUse(TestServers& servers) {
    return servers.With([](client::FakeCluster& cluster) { return cluster.InUse(); });
  }
  static void Set(TestServers& servers, uint64_t licenses) {
    servers.With([licenses](client::FakeCluster& c) { return c.licenses = licenses; });
  }

  TestServers first_{1};
  TestServers second_{1};
  std::string events_;
  std::optional<Client> client_;
};

TEST_F(TwoClusters, EachCheckoutGoesThroughAllEntriesInTheirOrder) {
  Open();
  Result<License> one = client_->Checkout({"f"});
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(InUse(first_), 1u);
  Set(first_, 1);
  Result<License> two = client_->Checkout({"f"});
  ASSERT_TRUE(two.ok()) << two.status().ToString();
  EXPECT_EQ(InUse(second_), 1u);
  EXPECT_NE(one->id(), two->id());
  const ClientStatus status = client_->status();
  ASSERT_EQ(status.clusters.size(), 2u);
  EXPECT_EQ(status.licenses, 2u);
  EXPECT_TRUE(status.clusters[1].attached);
  EXPECT_TRUE(two->Resize(2).ok());
  EXPECT_EQ(InUse(second_), 2u);
  EXPECT_TRUE(one->CheckIn().ok());
  EXPECT_TRUE(two->CheckIn().ok());
  EXPECT_EQ(InUse(first_) + InUse(second_), 0u);
}

TEST_F(TwoClusters, TheMostTellingDenialIsTold) {
  Open();
  Set(first_, 0);
  second_.With([](client::FakeCluster& c) { return c.unknown.insert("f").second; });
  EXPECT_EQ(client_->Checkout({"f"}).status().code, -4);
  first_.With([](client::FakeCluster& c) { return c.unknown.insert("g").second; });
  second_.With([](client::FakeCluster& c) { return c.licenses = 0; });
  EXPECT_EQ(client_->Checkout({"g"}).status().code, -4);
  second_.With([](client::FakeCluster& c) { return c.unknown.insert("g").second; });
  EXPECT_EQ(client_->Checkout({"g"}).status().code, -5);
}

TEST_F(TwoClusters, WhatIsFreeElsewhereIsTakenBeforeAnybodyWaits) {
  Open();
  Set(first_, 0);
  CheckoutOptions terms;
  terms.wait = true;
  Result<License> elsewhere = client_->Checkout({"f"}, terms);
  ASSERT_TRUE(elsewhere.ok());
  EXPECT_EQ(InUse(second_), 1u);
  Set(second_, 1);
  std::optional<Status> ended;
  absl::Notification done;
  client_->CheckoutAsync({"f"}, terms, [&](Result<License> result) {
    ended = result.status();
    done.Notify();
  });
  ASSERT_TRUE(first_.WaitFor([](client::FakeCluster& c) { return !c.only().waiting.empty(); }));
  EXPECT_TRUE(client_->CancelWaits().ok());
  done.WaitForNotification();
  EXPECT_EQ(ended->kind, ErrorKind::kCancelled);
}

// A port that takes connections and says nothing, as lmgrd does to us; a dead port; a directory
// without license files; a file that is none.
TEST_F(TwoClusters, EntriesThatAreNotOursAreNamedAndAreNoError) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 10), 0);
  socklen_t size = sizeof(address);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string lmgrd = absl::StrCat(ntohs(address.sin_port), "@127.0.0.1");
  Open(absl::StrCat(lmgrd, ":1@127.0.0.1:/proc/self/task:/proc/self/status"));
  Set(first_, 0);
  Result<License> license = client_->Checkout({"f"});
  EXPECT_TRUE(license.ok());
  EXPECT_EQ(InUse(second_), 1u);
  const std::string notes = absl::StrJoin(client_->Diagnostics(), "\n");
  EXPECT_THAT(notes, HasSubstr("/proc/self/task: no *.lic file"));
  EXPECT_THAT(notes, HasSubstr("/proc/self/status: no SERVER line"));
  EXPECT_THAT(notes, HasSubstr("1@127.0.0.1: "));
  EXPECT_THAT(notes, HasSubstr(lmgrd));
  close(listener);
}

TEST_F(TwoClusters, ADeadFirstClusterIsPassedOver) {
  Open();
  first_.Stop(0);
  Result<License> license = client_->Checkout({"f"});
  ASSERT_TRUE(license.ok()) << license.status().ToString();
  EXPECT_EQ(InUse(second_), 1u);
}

// --- borrowing ---

class Borrowing : public ::testing::Test {
 protected:
  Borrowing() {
    char pattern[] = "/tmp/triad-borrow-XXXXXX";
    options_.borrow_directory = mkdtemp(pattern);
    options_.license_path = servers_.path();
    servers_.With([](client::FakeCluster& cluster) {
      cluster.pool.set_vendor("v");
      cluster.pool.add_lines()->set_canonical("a line");
      return 0;
    });
  }
  ~Borrowing() override { std::filesystem::remove_all(options_.borrow_directory); }

  TestServers servers_{1};
  ClientOptions options_;
};

TEST_F(Borrowing, ABorrowedLicenseNeedsNoServerAndIsReturnedEarly) {
  {
    Result<Client> client = Client::Open(options_);
    ASSERT_TRUE(client.ok());
    CheckoutRequest two;
    two.feature = "f";
    two.count = 2;
    Result<BorrowedLicense> borrowed = client->Borrow(two, client::WallMs() + 3'600'000);
    ASSERT_TRUE(borrowed.ok()) << borrowed.status().ToString();
    EXPECT_EQ(borrowed->vendor, "v");
  }
  servers_.Stop(0);
  Result<Client> client = Client::Open(options_);
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  {
    Result<License> license = client->Checkout({"f"});
    ASSERT_TRUE(license.ok()) << license.status().ToString();
    EXPECT_TRUE(license->borrowed());
    EXPECT_EQ(license->state(), LicenseState::kHeld);
    EXPECT_EQ(client->status().borrowed, 1u);
    EXPECT_EQ(license->Resize(2).kind, ErrorKind::kUsage);
    Result<License> another = client->Checkout({"f"});
    EXPECT_TRUE(another.ok());
    EXPECT_FALSE(client->Checkout({"f"}).ok()) << "two were borrowed";
    EXPECT_EQ(client->ReturnBorrowed(client->Borrowed()[0]).kind, ErrorKind::kUsage) << "in use";
    EXPECT_TRUE(license->CheckIn().ok());
    EXPECT_EQ(license->CheckIn().kind, ErrorKind::kUsage);
  }
  servers_.Start(0);
  ASSERT_EQ(client->Borrowed().size(), 1u);
  EXPECT_TRUE(client->ReturnBorrowed(client->Borrowed()[0]).ok());
  EXPECT_TRUE(client->Borrowed().empty());
}

TEST_F(Borrowing, TheEndOfABorrowThatIsInUseIsToldAndTheLicenseIsReturned) {
  absl::Mutex mutex;
  std::vector<Event> ended;
  options_.on_event = [&](const Event& event) {
    absl::MutexLock lock(&mutex);
    ended.push_back(event);
  };
  Result<Client> client = Client::Open(options_);
  ASSERT_TRUE(client.ok());
  // A busy machine may need longer than the borrow lasts to begin using it.
  Result<License> license = Status();
  for (int64_t ms = 200; !license.ok() || !license->borrowed(); ms *= 2) {
    license = Status();
    ASSERT_TRUE(client->Borrow({"f"}, client::WallMs() + ms).ok());
    license = client->Checkout({"f"});
  }
  {
    absl::MutexLock lock(&mutex);
    const auto any = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return !ended.empty(); };
    mutex.Await(absl::Condition(&any));
    EXPECT_STREQ(EventName(ended[0].kind), "ended");
    EXPECT_EQ(ended[0].id, license->id());
    EXPECT_EQ(ended[0].reason, "the borrow is over");
    EXPECT_EQ(ended[0].number, "");
  }
  EXPECT_EQ(license->state(), LicenseState::kReturned);
  EXPECT_FALSE(license->usable());
  EXPECT_EQ(license->CheckIn().kind, ErrorKind::kUsage);
  EXPECT_EQ(client->status().borrowed, 0u);
}

TEST_F(Borrowing, WhatIsNonsenseIsAnError) {
  Result<Client> client = Client::Open(options_);
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client->Borrow({"f"}, 1).status().kind, ErrorKind::kUsage) << "in the past";
  EXPECT_EQ(client->Borrow({}, client::WallMs() + 1000).status().kind, ErrorKind::kUsage);
  EXPECT_EQ(client->ReturnBorrowed({}).kind, ErrorKind::kUsage);
  BorrowedLicense made_up;
  made_up.record = "/dev/zero";
  EXPECT_EQ(client->ReturnBorrowed(made_up).kind, ErrorKind::kUsage);
}

// --- fork ---

TEST(Fork, AChildsHandlesAreErrorsAndDieWithoutHarm) {
  TestServers servers(1);
  ClientOptions options;
  options.license_path = servers.path();
  Result<Client> client = Client::Open(options);
  ASSERT_TRUE(client.ok());
  std::optional<License> license = *client->Checkout({"f"});
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool good = license->CheckIn().kind == ErrorKind::kUsage;
    good = good && license->state() == LicenseState::kReturned && !license->usable();
    good = good && license->Resize(2).kind == ErrorKind::kUsage;
    good = good && client->Checkout({"f"}).status().kind == ErrorKind::kUsage;
    good = good && Client::Open(options).status().kind == ErrorKind::kUsage;
    good = good && client->Close().kind == ErrorKind::kUsage && client->Diagnostics().empty();
    license.reset();
    { Client gone = *std::move(client); }
    _exit(good ? 0 : 1);
  }
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  EXPECT_EQ(license->state(), LicenseState::kHeld);
  EXPECT_TRUE(license->Resize(2).ok());
  EXPECT_TRUE(license->CheckIn().ok());
}

}  // namespace
}  // namespace triad
