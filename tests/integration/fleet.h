// Many applications in one test process, each a client of its own with its own connections: every
// one keeps one license for good and checks another out and in, again and again. They note every
// error, every event, when each grant came, and whether more licenses are held than were issued.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/cluster.h"

namespace triad::integration {

inline constexpr int kFleetSize = 50;
inline constexpr uint64_t kKeptIssued = 50;
// Fewer than there are applications: some are denied all the time.
inline constexpr uint64_t kTradedIssued = 20;
inline constexpr const char* kFleetFeatures =
    "FEATURE kept genesys.d 8.0 permanent 50\n"
    "INCREMENT traded genesys.d 8.0 permanent 20\n";

class Fleet {
 public:
  // Client `i` uses paths[i % paths.size()].
  Fleet(const Cluster* cluster, std::vector<std::string> paths, int applications = kFleetSize);
  ~Fleet();

  // Opens all and checks `kept` out.
  [[nodiscard]] bool Open();
  // Begins to check `traded` out and in.
  void Work();
  // Stops that, with everything of `traded` given back, and fails the test if any application saw
  // an error or an event, lost a license, or more was held or used than issued.
  void StopAndCheck();
  // Waits until so many more grants have come.
  [[nodiscard]] bool WaitForGrants(uint64_t more);
  uint64_t grants() const { return grants_; }
  // The longest time without a grant, from `since_ms` until the last grant.
  int64_t LongestGapMs(int64_t since_ms) const;
  // Prints it for people.
  void PrintGap(const std::string& fault, int64_t since_ms) const;
  std::vector<std::string> complaints() const;
  // Attached to `node` right now.
  int AttachedTo(int node) const;
  // Fails the test if a kept license is not what it was.
  void CheckKept() const;

 private:
  struct Application {
    std::optional<Client> client;
    std::optional<License> kept;
    uint64_t handle = 0;
    std::thread thread;
  };
  void Trade(int number);
  void Observe();
  void Complain(const std::string& what);

  const Cluster* const cluster_;
  const std::vector<std::string> paths_;
  std::vector<Application> applications_;
  std::thread observer_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> working_{false};
  std::atomic<uint64_t> grants_{0};
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> observations_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> complaints_;  // guarded by mutex_
  std::vector<int64_t> grant_ms_;        // guarded by mutex_
};

}  // namespace triad::integration
