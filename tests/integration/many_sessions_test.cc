// Many applications in one test process: what becomes of them when the leader dies, how long it
// takes, and what an idle one costs a daemon. Each has three connections and a thread of its own,
// so CI plays it with a few; TRIAD_SESSIONS=2000 says how many.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

constexpr size_t kSessionsInCi = 200;
// Of opening them at once: each waits for two disks most of the time.
constexpr size_t kOpeners = 48;

size_t Sessions() {
  const char* text = std::getenv("TRIAD_SESSIONS");
  size_t sessions = 0;
  return text != nullptr && absl::SimpleAtoi(text, &sessions) ? sessions : kSessionsInCi;
}

int64_t ResidentKb(int pid) {
  const std::string text = ReadFileOrEmpty(absl::StrCat("/proc/", pid, "/status"));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "VmRSS:")) continue;
    int64_t kb = 0;
    (void)absl::SimpleAtoi(absl::StripAsciiWhitespace(absl::StripSuffix(line, "kB")), &kb);
    return kb;
  }
  return 0;
}

struct Application {
  std::optional<Client> client;
  std::optional<License> license;
  uint64_t handle = 0;
};

// What the first that do not hold say about it.
std::string Stuck(const std::vector<Application>& applications,
                  const std::function<bool(const Application&)>& holds) {
  std::string text;
  int left = 3;
  for (const Application& application : applications) {
    if (left == 0) break;
    if (holds(application)) continue;
    --left;
    absl::StrAppend(&text, "\n--- ", application.client->status().address, ", state ",
                    static_cast<int>(application.license->state()));
    for (const std::string& line : application.client->Diagnostics()) {
      absl::StrAppend(&text, "\n", line);
    }
  }
  return text;
}

TEST(ManySessions, AllHoldAgainAfterTheLeaderIsKilledNoneTwiceNoneLost) {
  // Debian's Abseil looks for lock cycles at every lock, under one lock of the whole process.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const size_t sessions = Sessions();
  Cluster::Options options;
  options.features = absl::StrCat("FEATURE f genesys.d 8.0 permanent ", 2 * sessions, "\n");
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  std::vector<int64_t> before(4);
  for (int node : {1, 2, 3}) before[node] = ResidentKb(cluster.process(node).pid());

  std::atomic<int> lost{0};  // its users die first
  std::vector<Application> applications(sessions);
  std::atomic<size_t> next{0};
  std::vector<std::thread> openers;
  const int64_t opening_ms = NowMs();
  for (size_t i = 0; i < kOpeners; ++i) {
    openers.emplace_back([&] {
      for (size_t number = next++; number < sessions; number = next++) {
        ClientOptions client_options = OptionsFor(cluster.path(), absl::StrCat("app", number));
        client_options.on_event = [&lost](const Event& event) {
          if (event.kind == Event::Kind::kLost) ++lost;
        };
        Application& application = applications[number];
        for (int tries = 0; tries < 5 && !application.license.has_value(); ++tries) {
          if (!application.client.has_value()) {
            auto client = Client::Open(client_options);
            if (client) application.client.emplace(*std::move(client));
          }
          if (!application.client.has_value()) continue;
          auto license = application.client->Checkout({"f"});
          if (license) application.license.emplace(*std::move(license));
        }
      }
    });
  }
  for (std::thread& opener : openers) opener.join();
  for (Application& application : applications) {
    ASSERT_TRUE(application.license.has_value());
    application.handle = application.license->handle();
  }
  std::cout << "[sessions] " << sessions << " opened in " << NowMs() - opening_ms << " ms\n";
  ASSERT_EQ(cluster.Used("f"), sessions);
  for (int node : {1, 2, 3}) {
    const int64_t grown_kb = ResidentKb(cluster.process(node).pid()) - before[node];
    std::cout << "[memory] node " << node << ": "
              << grown_kb * 1024 / static_cast<int64_t>(sessions) << " bytes for each session\n";
  }

  const int leader = cluster.WaitForLeader();
  const int64_t killed_ms = NowMs();
  cluster.Kill(leader);
  // Every one of them is attached to a node that lives, and its licenses are confirmed.
  const auto holds = [&](const Application& application) {
    const ClientStatus status = application.client->status();
    return status.attached && static_cast<int>(status.node) != leader &&
           application.license->state() == LicenseState::kHeld;
  };
  size_t holding = 0;
  EXPECT_TRUE(WaitFor(
      [&] {
        while (holding < sessions && holds(applications[holding])) ++holding;
        return holding == sessions;
      },
      120'000))
      << holding << " of " << sessions << Stuck(applications, holds);
  EXPECT_TRUE(WaitFor([&] { return cluster.Leader() != 0; }));
  std::cout << "[failover] all " << sessions << " hold again " << NowMs() - killed_ms
            << " ms after the leader was killed\n";
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(cluster.Used("f"), sessions);
  std::set<uint64_t> handles;
  for (const Application& application : applications) {
    EXPECT_EQ(application.license->handle(), application.handle);
    handles.insert(application.license->handle());
  }
  EXPECT_EQ(handles.size(), sessions);
  std::atomic<size_t> closing{0};
  std::vector<std::thread> closers;
  for (size_t i = 0; i < kOpeners; ++i) {
    closers.emplace_back([&] {
      for (size_t n = closing++; n < sessions; n = closing++) (void)applications[n].client->Close();
    });
  }
  for (std::thread& closer : closers) closer.join();
  EXPECT_TRUE(WaitFor([&] { return cluster.Used("f") == 0; }));
}

}  // namespace
}  // namespace triad::integration
