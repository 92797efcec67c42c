// SeatPool with a client of servers in this process; what it decides is tested in seat_book_test.
#include "triad/seat_pool.h"

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/server_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad {
namespace {

using client::TestServers;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SeatPoolTest : public ::testing::Test {
 protected:
  SeatPoolTest() {
    ClientOptions options;
    options.license_path = servers_.path();
    Result<Client> client = Client::Open(options);
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    client_ = std::make_unique<Client>(*std::move(client));
    options_.now_ms = [this] { return now_ms_.load(); };
    options_.on_event = [this](const LicensingEvent& event) { lines_.push_back(event.ToString()); };
  }
  SeatPool MustOpen(uint64_t count) {
    Result<SeatPool> pool = SeatPool::Open(client_.get(), {"f", "", count}, options_);
    EXPECT_TRUE(pool.ok()) << pool.status().ToString();
    return *std::move(pool);
  }
  uint64_t InUse() {
    return servers_.With([](auto& cluster) { return cluster.InUse(); });
  }

  TestServers servers_;
  std::unique_ptr<Client> client_;
  std::atomic<int64_t> now_ms_{1'000};
  std::vector<std::string> lines_;
  SeatPoolOptions options_;
};

TEST_F(SeatPoolTest, ChecksTheLicensesOutInOneGoAndGivesThemBackWhenItDies) {
  {
    SeatPool pool = MustOpen(3);
    EXPECT_EQ(InUse(), 3u);
    EXPECT_EQ(pool.counts().licenses, 3u);
    pool.Allocate("alice");
    EXPECT_EQ(InUse(), 3u) << "the cluster sees one checkout, not the agents";
  }
  EXPECT_TRUE(servers_.WaitFor([](auto& cluster) { return cluster.InUse() == 0; }));
  EXPECT_THAT(lines_, IsEmpty());
}

TEST_F(SeatPoolTest, ADenialIsTheClustersAnswerAndNoPool) {
  const Result<SeatPool> pool = SeatPool::Open(client_.get(), {"f", "", 11}, options_);
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.status().ToString(), "f: license denied: all licenses in use (-4)");
  EXPECT_THAT(lines_, IsEmpty()) << "what that means is the application's to say";
}

TEST_F(SeatPoolTest, EventsSayWhoAndWhy) {
  SeatPool pool = MustOpen(1);
  EXPECT_TRUE(pool.Allocate("alice").licensed);
  EXPECT_FALSE(pool.Allocate("bob").licensed);
  EXPECT_TRUE(pool.Release("alice"));
  EXPECT_THAT(lines_,
              ElementsAre("00-07100 Licensing Violation: f: usage level exceeded: agent bob",
                          "00-07101 Licensing Restored: f: usage level exceeded: agent bob"));
  EXPECT_TRUE(pool.Licensed("bob"));
  EXPECT_THAT(pool.Beyond(), IsEmpty());
  EXPECT_TRUE(pool.ReleaseAll("bob"));
  EXPECT_EQ(pool.counts().agents, 0u);
}

TEST_F(SeatPoolTest, TimePassesByTheApplicationsClock) {
  SeatPool pool = MustOpen(1);
  pool.AllocateFor("callback 1", 3'600'000);
  pool.AllocateFor("callback 2", 3'600'000);
  lines_.clear();
  now_ms_ += 3'599'999;
  pool.Advance();
  EXPECT_EQ(pool.counts().agents, 2u);
  now_ms_ += 1;
  EXPECT_EQ(pool.counts().agents, 0u) << "also for those who only look";
  pool.Advance();
  EXPECT_EQ(lines_.size(), 1u);
}

TEST_F(SeatPoolTest, APoolOfNoneIsFilledAndEmptiedByTheConfiguration) {
  SeatPool pool = MustOpen(0);
  EXPECT_EQ(InUse(), 0u);
  EXPECT_FALSE(pool.Allocate("alice").licensed);
  EXPECT_TRUE(pool.Resize(2, CountMode::kExact).ok());
  EXPECT_EQ(InUse(), 2u);
  EXPECT_TRUE(pool.Licensed("alice"));
  EXPECT_TRUE(pool.Resize(0).ok());
  EXPECT_EQ(InUse(), 0u);
  EXPECT_FALSE(pool.Licensed("alice"));
  EXPECT_TRUE(pool.Resize(0).ok()) << "nothing to give back is fine";
  EXPECT_THAT(
      lines_,
      ElementsAre("00-07100 Licensing Violation: f: usage level exceeded: agent alice",
                  "00-07101 Licensing Restored: f: usage level exceeded: agent alice",
                  "00-07100 Licensing Violation: f: decreased in configuration: agent alice"));
}

TEST_F(SeatPoolTest, ASmallerCountHoldsAlsoWhenTheClusterCannotBeAsked) {
  SeatPool pool = MustOpen(2);
  pool.Allocate("alice");
  pool.Allocate("bob");
  ASSERT_TRUE(client_->Close().ok());
  EXPECT_FALSE(pool.Resize(1).ok());
  EXPECT_FALSE(pool.Licensed("bob"));
}

TEST_F(SeatPoolTest, EventsOfOtherLicensesAreLeftAlone) {
  SeatPool pool = MustOpen(1);
  Event event;
  event.number = kViolationNumber;
  event.cause = kReasonExpired;
  event.feature = "f";
  pool.Hear(event);
  event.id = UINT64_MAX;
  pool.Hear(event);
  EXPECT_THAT(lines_, IsEmpty());
}

TEST_F(SeatPoolTest, TheApplicationsOwnCausesAreReportedOnce) {
  SeatPool pool = MustOpen(1);
  pool.BeginViolation(kReasonUnlicensedMode, "call 1");
  pool.BeginViolation(kReasonUnlicensedMode, "call 1");
  pool.EndViolation(kReasonUnlicensedMode, "call 1");
  EXPECT_THAT(lines_, ElementsAre("00-07100 Licensing Violation: f: unlicensed mode: agent call 1",
                                  "00-07101 Licensing Restored: f: unlicensed mode: agent call 1"));
}

TEST_F(SeatPoolTest, AnEventMayCallThePool) {
  SeatPool* pool = nullptr;
  options_.on_event = [&](const LicensingEvent& event) {
    lines_.push_back(event.ToString());
    if (!event.restored) pool->Release(event.agent);
  };
  SeatPool opened = MustOpen(1);
  pool = &opened;
  pool->Allocate("alice");
  pool->Allocate("bob");
  EXPECT_THAT(lines_,
              ElementsAre("00-07100 Licensing Violation: f: usage level exceeded: agent bob",
                          "00-07101 Licensing Restored: f: usage level exceeded: agent bob"));
}

TEST_F(SeatPoolTest, ManyThreadsSeeEachViolationAndItsEndOnceAndInOrder) {
  std::set<std::string> violating;
  std::atomic<int> inside{0};
  int wrong = 0;
  options_.on_event = [&](const LicensingEvent& event) {
    if (++inside != 1) ++wrong;
    const bool changed =
        event.restored ? violating.erase(event.agent) == 1 : violating.insert(event.agent).second;
    if (!changed) ++wrong;
    --inside;
  };
  SeatPool pool = MustOpen(2);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&pool, i] {
      for (int round = 0; round < 500; ++round) {
        const std::string agent = absl::StrCat("agent ", i, " ", round % 3);
        pool.Allocate(agent);
        pool.counts();
        pool.Release(agent);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(violating, IsEmpty());
  EXPECT_EQ(pool.counts().agents, 0u);
}

}  // namespace
}  // namespace triad
