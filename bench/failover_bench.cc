// The gap until the next grant when the leader goes, under load: Triad and etcd with the same
// script.
//
// 32 sessions spread over the three nodes take and give back seats all the while. The gap is the
// longest time between two operations that ended well, from the fault until both service and
// cluster are as before. Errors are operations that failed at the sessions of the node that went;
// libtriad's applications do not see them (tests/integration/failover_test.cc), a bare stream does.
#include <signal.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "bench/etcd_seats.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int kSessions = 30;
constexpr int64_t kBeforeMs = 300;     // load before the fault
constexpr int64_t kAfterMs = 1'000;    // and after it, when it was served again soon
constexpr int64_t kLongestMs = 4'000;  // a gap that is longer counts as so long

struct Fault {
  std::string name;
  std::function<void(int leader)> strike;
  std::function<void(int leader)> heal;  // and waits until the cluster is whole
};

struct Gap {
  int64_t gap_ns = 0;
  int64_t errors = 0;
};

// Load on the sessions of `survivors` (those at the node that goes break with it), one operation in
// flight for each.
template <typename System>
Gap RunOnce(Loop& loop, System& seats, const std::vector<int>& survivors,
            const std::function<void()>& strike) {
  Gap gap;
  const int64_t start = NowNs();
  int64_t end = start + (kBeforeMs + kAfterMs) * kMs;
  int64_t struck = 0;
  int64_t last_ok = start;
  int under_way = 0;
  std::function<void(int)> begin = [&](int session) {
    ++under_way;
    seats.Operate(session, [&, session](bool ok) {
      --under_way;
      const int64_t now = NowNs();
      if (ok) {
        if (struck != 0) gap.gap_ns = std::max(gap.gap_ns, now - std::max(last_ok, struck));
        last_ok = now;
      } else {
        ++gap.errors;
      }
      if (now < end) begin(session);
    });
  };
  for (const int session : survivors) begin(session);
  while (NowNs() < start + kBeforeMs * kMs) loop.Wait(start + kBeforeMs * kMs);
  struck = NowNs();
  strike();
  while (NowNs() < end) loop.Wait(end);
  // Still waiting for the first one, or just served again: then a little longer.
  const int64_t last = start + (kBeforeMs + kLongestMs) * kMs;
  while (NowNs() < last && (last_ok < struck || NowNs() - last_ok > kAfterMs * kMs / 4)) {
    end = std::min(last, NowNs() + 10 * kMs);
    for (const int session : survivors) {
      if (under_way == 0) begin(session);
    }
    loop.Wait(end);
  }
  gap.gap_ns = std::max(gap.gap_ns, NowNs() - std::max(last_ok, struck));
  loop.Until([&] { return under_way == 0; }, 30'000);
  return gap;
}

void Add(Report& report, const std::string& system, const std::string& fault,
         std::vector<Gap> gaps) {
  std::vector<int64_t> ns;
  int64_t errors = 0;
  for (const Gap& gap : gaps) {
    ns.push_back(gap.gap_ns);
    errors += gap.errors;
  }
  const double p50 = Percentile(ns, 0.50) / 1e6;
  const double p99 = Percentile(ns, 0.99) / 1e6;
  report.Add(Row()
                 .Set("system", system)
                 .Set("fault", fault)
                 .Set("n", static_cast<int64_t>(gaps.size()))
                 .Set("gap_ms_p50", p50)
                 .Set("gap_ms_p99", p99)
                 .Set("errors", errors));
}

std::vector<int> SurvivorsOf(int leader) {
  std::vector<int> survivors;
  for (int session = 0; session < kSessions; ++session) {
    if (session % 3 != leader - 1) survivors.push_back(session);
  }
  return survivors;
}

// The planned stop is SIGTERM: both systems then hand the lead over first.
template <typename ProcessOf, typename Restart, typename Whole>
std::vector<Fault> Faults(const ProcessOf& process, const Restart& restart, const Whole& whole) {
  const auto back = [=](int leader) {
    process(leader).WaitForExit();
    restart(leader);
    whole();
  };
  return {{"SIGKILL", [=](int leader) { process(leader).Signal(SIGKILL); }, back},
          {"SIGSTOP", [=](int leader) { process(leader).Signal(SIGSTOP); },
           [=](int leader) {
             process(leader).Signal(SIGCONT);
             whole();
           }},
          {"planned stop", [=](int leader) { process(leader).Signal(SIGTERM); }, back}};
}

template <typename Make, typename LeaderOf>
bool RunAll(const std::string& system, int rounds, Loop& loop, const std::vector<Fault>& faults,
            const LeaderOf& leader_of, const Make& make, Report& report) {
  for (const Fault& fault : faults) {
    std::vector<Gap> gaps;
    for (int round = 0; round < rounds; ++round) {
      const int leader = leader_of();
      auto seats = make();
      if (leader == 0 || seats == nullptr) {
        std::cerr << "bench: " << system << " is not whole\n";
        return false;
      }
      gaps.push_back(RunOnce(loop, *seats, SurvivorsOf(leader), [&] { fault.strike(leader); }));
      if (!seats->wrong().empty()) {
        std::cerr << "bench: " << system << " answered wrongly: " << seats->wrong() << "\n";
        return false;
      }
      seats.reset();
      fault.heal(leader);
    }
    Add(report, system, fault.name, std::move(gaps));
  }
  return true;
}

bool RunTriad(int rounds, Loop& loop, Report& report) {
  integration::Cluster::Options options;
  options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  std::vector<std::string> addresses;
  for (int node = 1; node <= 3; ++node) {
    addresses.push_back(absl::StrCat(cluster.Host(node), ":", cluster.port(node)));
  }
  const auto whole = [&] {
    integration::WaitFor([&] { return cluster.Leader() != 0; });
    cluster.WaitForAgreement();
  };
  const auto faults = Faults(
      [&](int node) -> auto& { return cluster.process(node); },
      [&](int node) { cluster.StartNode(node); }, whole);
  const auto make = [&] {
    auto seats = std::make_unique<TriadSeats>(loop, addresses, kSessions, "bench");
    if (!seats->Open()) seats.reset();
    return seats;
  };
  return RunAll(
      "triad", rounds, loop, faults, [&] { return cluster.WaitForLeader(); }, make, report);
}

bool RunEtcd(int rounds, Loop& loop, Report& report) {
  EtcdCluster cluster;
  if (!cluster.Start()) return false;
  const std::vector<std::string> addresses{cluster.address(1), cluster.address(2),
                                           cluster.address(3)};
  const auto whole = [&] {
    integration::WaitFor([&] { return cluster.Leader() != 0 && cluster.MembersUp() == 3; });
  };
  const auto faults = Faults(
      [&](int member) -> auto& { return cluster.process(member); },
      [&](int member) { cluster.StartMember(member); }, whole);
  return RunAll(
      "etcd", rounds, loop, faults, [&] { return cluster.Leader(); },
      [&] { return std::make_unique<EtcdSeats>(loop, addresses, kSessions); }, report);
}

}  // namespace

bool RunFailover(const Settings& settings, Report& report) {
  const int rounds = settings.quick ? 2 : settings.rounds;
  Loop loop;
  return RunTriad(rounds, loop, report) && (!settings.etcd || RunEtcd(rounds, loop, report));
}

}  // namespace triad::bench
