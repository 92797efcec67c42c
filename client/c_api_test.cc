// triad.h against license servers in this process; what wrong use is answered.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/server_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "triad/triad.h"

namespace triad {
namespace {

using client::TestServers;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CApi : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(triad_open(servers_.path().c_str(), nullptr, &client_), 0); }
  void TearDown() override { triad_close(client_); }

  TestServers servers_;
  triad_client client_ = 0;
};

TEST_F(CApi, TakesResizesAndReturnsALicense) {
  triad_license license = 0;
  ASSERT_EQ(triad_checkout(client_, "f", "1.0", 3, TRIAD_EXACT, &license), 0) << triad_last_error();
  triad_license_status status = {};
  ASSERT_EQ(triad_status(license, &status), 0);
  EXPECT_EQ(status.state, TRIAD_HELD);
  EXPECT_EQ(status.count, 3u);
  EXPECT_NE(status.handle, 0u);
  EXPECT_EQ(status.usable, 1);
  EXPECT_EQ(triad_resize(license, 5, TRIAD_EXACT), 0) << triad_last_error();
  EXPECT_EQ(triad_status(license, &status), 0);
  EXPECT_EQ(status.count, 5u);
  EXPECT_EQ(triad_set_idle(license, 1), 0);
  EXPECT_EQ(triad_resize(license, 11, TRIAD_EXACT), -4);
  EXPECT_STREQ(triad_last_error(), "f: license denied: all licenses in use (-4)");
  EXPECT_EQ(triad_checkin(license), 0);
  EXPECT_TRUE(servers_.WaitFor([](client::FakeCluster& cluster) { return cluster.InUse() == 0; }));
}

TEST_F(CApi, HandlesThatAreNotThereAreErrors) {
  triad_license license = 0;
  ASSERT_EQ(triad_checkout(client_, "f", nullptr, 1, 0, &license), 0);
  EXPECT_EQ(triad_checkin(license), 0);
  EXPECT_EQ(triad_checkin(license), TRIAD_E_USAGE);
  EXPECT_THAT(triad_last_error(), HasSubstr("returned before"));
  triad_license_status status;
  triad_event event;
  for (triad_license wrong :
       {license, triad_license{0}, triad_license{1234567}, ~triad_license{0}}) {
    EXPECT_EQ(triad_resize(wrong, 2, 0), TRIAD_E_USAGE);
    EXPECT_EQ(triad_set_idle(wrong, 1), TRIAD_E_USAGE);
    EXPECT_EQ(triad_status(wrong, &status), TRIAD_E_USAGE);
    EXPECT_EQ(triad_close(wrong == client_ ? 0 : wrong), TRIAD_E_USAGE);
    EXPECT_EQ(triad_next_event(wrong == client_ ? 0 : wrong, &event, 0), TRIAD_E_USAGE);
  }
}

TEST_F(CApi, NullPointersAndNonsenseAreErrors) {
  EXPECT_EQ(triad_open(servers_.path().c_str(), nullptr, nullptr), TRIAD_E_USAGE);
  triad_license license = 0;
  EXPECT_EQ(triad_checkout(client_, nullptr, nullptr, 1, 0, &license), TRIAD_E_USAGE);
  EXPECT_EQ(triad_checkout(client_, "f", nullptr, 1, 0, nullptr), TRIAD_E_USAGE);
  EXPECT_EQ(triad_checkout(client_, "f", nullptr, 1, 77, &license), TRIAD_E_USAGE);
  EXPECT_EQ(triad_checkout(client_, "f", nullptr, 0, 0, &license), TRIAD_E_USAGE);
  EXPECT_EQ(triad_checkout(client_, std::string(100'000, 'x').c_str(), nullptr, 1, 0, &license),
            TRIAD_E_USAGE);
  EXPECT_EQ(triad_status(1, nullptr), TRIAD_E_USAGE);
  EXPECT_EQ(triad_next_event(client_, nullptr, 0), TRIAD_E_USAGE);
  triad_client client = 5;
  for (const char* path :
       {"@@@:::", "nonsense@", "27000@[", "\xff\xfe", "/dev/null", "99999999@h"}) {
    EXPECT_LT(triad_open(path, nullptr, &client), 0) << path;
    EXPECT_EQ(client, 0u);
    EXPECT_THAT(triad_last_error(), StartsWith("no license server found")) << path;
  }
}

TEST_F(CApi, LicensesEndWithTheirClient) {
  triad_client other = 0;
  ASSERT_EQ(triad_open(servers_.path().c_str(), nullptr, &other), 0);
  triad_license license = 0;
  ASSERT_EQ(triad_checkout(other, "f", nullptr, 1, 0, &license), 0);
  triad_event event;
  std::thread waiter([&] { EXPECT_EQ(triad_next_event(other, &event, 60'000), TRIAD_E_USAGE); });
  EXPECT_EQ(triad_close(other), 0);
  waiter.join();
  triad_license_status status;
  EXPECT_EQ(triad_status(license, &status), TRIAD_E_USAGE);
  EXPECT_EQ(triad_close(other), TRIAD_E_USAGE);
}

TEST_F(CApi, EventsAreFetched) {
  triad_license license = 0;
  ASSERT_EQ(triad_checkout(client_, "f", nullptr, 2, 0, &license), 0);
  triad_event event = {};
  EXPECT_EQ(triad_next_event(client_, &event, 0), 0);
  triad_license_status status = {};
  ASSERT_EQ(triad_status(license, &status), 0);
  v1::ServerMessage pushed = servers_.With([&](client::FakeCluster& cluster) {
    return cluster.Push(v1::SessionEvent::VIOLATION, status.handle, "expired");
  });
  for (size_t node : {0, 1, 2}) servers_.Push(node, pushed);
  ASSERT_EQ(triad_next_event(client_, &event, 20'000), 1);
  EXPECT_STREQ(event.kind, "violation");
  EXPECT_STREQ(event.number, "00-07100");
  EXPECT_STREQ(event.cause, "expired");
  EXPECT_STREQ(event.feature, "f");
  EXPECT_EQ(event.license, license);
  EXPECT_EQ(event.count, 2u);
}

TEST_F(CApi, AnApplicationWithAnOlderHeaderGetsDefaultsForTheRest) {
  triad_options options;
  std::memset(&options, 0xab, sizeof(options));  // what it does not know is not read
  options.size = offsetof(triad_options, application);
  options.vendor = nullptr;
  triad_client client = 0;
  ASSERT_EQ(triad_open(servers_.path().c_str(), &options, &client), 0) << triad_last_error();
  EXPECT_EQ(triad_close(client), 0);
}

// In the child: an error from everything, at once. The parent goes on.
TEST_F(CApi, AChildAfterForkGetsErrorsAndTheParentNoticesNothing) {
  triad_license license = 0;
  ASSERT_EQ(triad_checkout(client_, "f", nullptr, 2, 0, &license), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    triad_event event;
    triad_license other = 0;
    triad_client fresh = 0;
    triad_license_status status;
    const bool refused = triad_checkin(license) == TRIAD_E_USAGE &&
                         triad_status(license, &status) == TRIAD_E_USAGE &&
                         triad_resize(license, 1, 0) == TRIAD_E_USAGE &&
                         triad_checkout(client_, "f", nullptr, 1, 0, &other) == TRIAD_E_USAGE &&
                         triad_next_event(client_, &event, 1000) == TRIAD_E_USAGE &&
                         triad_open(servers_.path().c_str(), nullptr, &fresh) == TRIAD_E_USAGE &&
                         triad_close(client_) == TRIAD_E_USAGE;
    _exit(refused ? 0 : 1);
  }
  int ended = 0;
  ASSERT_EQ(waitpid(child, &ended, 0), child);
  EXPECT_TRUE(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
  EXPECT_EQ(servers_.With([](client::FakeCluster& cluster) { return cluster.InUse(); }), 2u);
  EXPECT_EQ(triad_resize(license, 3, 0), 0) << triad_last_error();
  EXPECT_EQ(triad_checkin(license), 0);
}

}  // namespace
}  // namespace triad
