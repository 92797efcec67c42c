// Checkout and check-in: Triad, etcd doing the same work, and the floors, in one run.
//
// One operation takes a seat and gives it back. Closed loop with 1 ... 1000 in flight over 32
// sessions (one for one) spread over the three nodes, one session at the leader; open loop at a
// quarter, half and three quarters of what 256 in flight reached, for each system its own; the bare
// chain too, whose tail is the machine's.
#include <signal.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "bench/benchmarks.h"
#include "bench/daemons.h"
#include "bench/etcd_seats.h"
#include "bench/floor.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr std::array<int, 5> kInflight{1, 16, 64, 256, 1000};
constexpr std::array<double, 3> kParts{0.25, 0.5, 0.75};  // of the capacity, open loop
constexpr int kSessions = 32;
constexpr int kCapacityInflight = 256;
// What one operation writes: two entries of Triad's are about so large with their headers.
constexpr size_t kAppendBytes = 512;

struct Times {
  int64_t warm_ms;
  int64_t run_ms;
  bool quiet;  // an open loop begins when the machine is
};

class Suite {
 public:
  Suite(const Settings& settings, Report& report)
      : times_(settings.quick ? Times{200, 500, false} : Times{1'000, 5'000, true}),
        only_(settings.inflight),
        rate_(settings.rate),
        report_(report) {
    if (settings.seconds > 0) times_.run_ms = int64_t{settings.seconds} * 1'000;
  }

  // Runs all closed and open loops of one system. `make(sessions)` gives new sessions.
  template <typename Make>
  bool Run(const std::string& system, bool open, const Make& make) {
    double capacity = 0;
    for (const int inflight : kInflight) {
      if (rate_ != 0 || (only_ != 0 && inflight != only_)) continue;
      const int sessions = inflight == 1 ? 1 : kSessions;
      auto seats = make(sessions);
      if (seats == nullptr) return false;
      const Measured measured = RunClosed(loop_, *seats, inflight, times_.warm_ms, times_.run_ms);
      if (inflight == kCapacityInflight) capacity = measured.ops_per_s;
      Row row;
      row.Set("system", system).Set("inflight", int64_t{inflight});
      Add(std::move(row), *seats, measured);
      if (!Right(system, *seats, measured)) return false;
    }
    if (rate_ != 0) return RunAt(system, rate_, make);
    if (!open || only_ != 0) return true;
    return std::all_of(kParts.begin(), kParts.end(),
                       [&](double part) { return RunAt(system, part * capacity, make); });
  }

  Loop& loop() { return loop_; }
  const Times& times() const { return times_; }

 private:
  // The open loop.
  template <typename Make>
  bool RunAt(const std::string& system, double rate, const Make& make) {
    if (rate < 1) return true;
    auto seats = make(kSessions);
    if (seats == nullptr) return false;
    if (times_.quiet) AwaitQuiet(loop_);
    const Measured measured = RunOpen(loop_, *seats, rate, times_.warm_ms, times_.run_ms);
    Row row;
    row.Set("system", system).Set("rate", rate);
    Add(std::move(row), *seats, measured);
    return Right(system, *seats, measured);
  }

  template <typename System>
  void Add(Row row, const System& seats, const Measured& measured) {
    report_.Add(row.Set("sessions", int64_t{seats.sessions()})
                    .Set("ops_per_s", measured.ops_per_s)
                    .Set("p50_us", measured.p50_us)
                    .Set("p99_us", measured.p99_us)
                    .Set("errors", measured.errors)
                    .Set("unjudged", seats.unjudged()));
  }

  template <typename System>
  static bool Right(const std::string& system, const System& seats, const Measured& measured) {
    if (!seats.wrong().empty()) {
      std::cerr << "bench: " << system << " answered wrongly: " << seats.wrong() << "\n";
      return false;
    }
    if (measured.operations == 0) std::cerr << "bench: " << system << ": no operation ended\n";
    return measured.operations > 0;
  }

  Times times_;
  const int only_;  // in flight; 0: all
  const int rate_;  // of the open loop, alone; 0: all
  Report& report_;
  Loop loop_;
};

auto OpenedAt(Loop& loop, const std::vector<std::string>& addresses) {
  return [&loop, addresses](int sessions) {
    auto seats = std::make_unique<TriadSeats>(loop, addresses, sessions, "bench");
    if (!seats->Open()) {
      std::cerr << "bench: the sessions did not open\n";
      seats.reset();
    }
    return seats;
  };
}

// The daemons end in order, so that what they ran under can write down what it found.
void EndProfile(integration::Cluster& cluster) {
  const int leader = cluster.WaitForLeader();
  const auto status = cluster.Status(leader);
  std::cout << "bench: " << (status ? status->commit() : 0) << " entries of the log, two for an "
            << "operation; the leader is process " << cluster.process(leader).pid() << "\n";
  for (int node = 1; node <= 3; ++node) cluster.process(node).Signal(SIGTERM);
  for (int node = 1; node <= 3; ++node) cluster.process(node).WaitForExit();
}

bool RunTriad(Suite& suite, const std::string& under) {
  integration::Cluster::Options options;
  options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  options.flags = {"--session-ttl=3600s"};
  integration::Cluster cluster(options);
  for (int node = 1; !under.empty() && node <= 3; ++node) {
    std::vector<std::string> program =
        absl::StrSplit(under, absl::ByAnyChar(" \n"), absl::SkipEmpty());
    program.emplace_back(TRIAD_TRIADD);
    cluster.UseProgram(node, std::move(program));
  }
  if (!cluster.Start()) return false;
  // The leader first, so that a single session is at the leader.
  const auto addresses = AddressesLeaderFirst(cluster);
  if (!suite.Run("triad", true, OpenedAt(suite.loop(), addresses))) return false;
  const uint64_t used = cluster.Used("bench");
  if (used != 0) std::cerr << "bench: " << used << " seats are still out\n";
  if (!under.empty()) EndProfile(cluster);
  return used == 0;
}

bool RunEtcd(Suite& suite) {
  EtcdCluster cluster;
  if (!cluster.Start()) return false;
  const int leader = cluster.Leader();
  std::vector<std::string> addresses;
  for (int step = 0; step < 3; ++step) {
    addresses.push_back(cluster.address((leader - 1 + step) % 3 + 1));
  }
  return suite.Run("etcd", true, [&](int sessions) {
    return std::make_unique<EtcdSeats>(suite.loop(), addresses, sessions);
  });
}

bool RunFloors(Suite& suite, Report& report) {
  const SyncFloor sync = MeasureSyncedAppend(kAppendBytes, suite.times().run_ms);
  report.Add(Row()
                 .Set("system", "floor")
                 .Set("case", "synced append")
                 .Set("ops_per_s", sync.per_s)
                 .Set("p50_us", sync.p50_us)
                 .Set("p99_us", sync.p99_us));
  const auto empty = StartEmpty();
  if (!suite.Run("floor: empty stream", false, OpenedAt(suite.loop(), {empty->address}))) {
    return false;
  }
  const auto chain = StartChain();
  return suite.Run("floor: bare chain", true, OpenedAt(suite.loop(), {chain->address}));
}

}  // namespace

bool RunCheckout(const Settings& settings, Report& report) {
  Suite suite(settings, report);
  const auto wanted = [&settings](const char* system) {
    return settings.system.empty() || settings.system == system;
  };
  return (!wanted("floor") || RunFloors(suite, report)) &&
         (!wanted("triad") || RunTriad(suite, settings.under)) &&
         (!wanted("etcd") || !settings.etcd || RunEtcd(suite));
}

}  // namespace triad::bench
