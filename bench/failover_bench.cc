// The gap until the next grant when the leader goes, under load: Triad and etcd with the same
// script, each node on a host of its own (bench/hosts.h) so that its link can be cut.
//
// 30 sessions are spread over the three nodes; those at the two that stay take and give back seats
// all the while. The gap is the longest time between two operations that ended well, from the fault
// until the service has been steady for a while. As soon as all of them wait, others ask too, one
// after the other: an operation that was lost with the leader says nothing of whether a new one
// would be granted. Errors are operations that failed. The cluster is
// whole again before the next round.
#include <signal.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "bench/etcd_seats.h"
#include "bench/hosts.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int kSessions = 30;
constexpr int64_t kBeforeMs = 50;  // load before the fault
// Steady again: no pause as long as kPauseMs for as long as Triad's followers wait for a leader
// that they do not hear, so that a second gap is seen too.
constexpr int64_t kSteadyMs = 300;
constexpr int64_t kPauseMs = 50;
constexpr int64_t kAnotherMs = 10;     // between those who ask while all wait
constexpr int64_t kLongestMs = 8'000;  // a gap that is longer counts as so long
constexpr int64_t kTailMs = 300;       // what is under way then is given up
// After a cut, for etcd, which does not tell in its status whether its members hear each other
// again: as long as the cut was, which is the longest that TCP then waits before it sends anew.
constexpr int kSettleMs = 2'000;
constexpr int kWholeMs = 60'000;
constexpr double kSoonMs = 100;  // the goals for SIGKILL: median, 99th percentile
constexpr double kLateMs = 300;

struct Fault {
  std::string name;
  std::function<void(int leader)> strike;
  // Whether the leader is gone for good: one that stops in order may serve on for a moment.
  std::function<bool(int leader)> gone;
  std::function<void(int leader)> heal;  // what follows waits until the cluster is whole
};

struct Gap {
  int64_t gap_ns = 0;
  int64_t errors = 0;
  int64_t unjudged = 0;  // messages
};

// Load on the sessions of `survivors` (those at the node that goes break with it), one operation in
// flight for each. Outlives the round in the calls that are given up.
template <typename System>
class Load : public std::enable_shared_from_this<Load<System>> {
 public:
  Load(Loop& loop, System& seats) : loop_(loop), seats_(seats) {}

  Gap Run(const std::vector<int>& survivors, const std::function<void()>& strike,
          const std::function<bool()>& gone) {
    const int64_t start = NowNs();
    last_ok_ = start;
    for (const int session : survivors) Begin(session, true);
    while (NowNs() < start + kBeforeMs * kMs) loop_.Wait(start + kBeforeMs * kMs);
    struck_ = steady_since_ = NowNs();
    strike();
    bool is_gone = false;
    while (NowNs() < struck_ + kLongestMs * kMs) {
      const int64_t until = NowNs() + kAnotherMs * kMs;
      while (NowNs() < until) loop_.Wait(until);
      const int64_t now = NowNs();
      if (now - last_ok_ > kAnotherMs * kMs) Begin(survivors[others_++ % survivors.size()], false);
      if (!is_gone && gone()) {
        is_gone = true;
        steady_since_ = std::max(steady_since_, now);
      }
      if (is_gone && now - last_ok_ < kPauseMs * kMs && now - steady_since_ > kSteadyMs * kMs) {
        break;
      }
    }
    gap_.gap_ns = std::max(gap_.gap_ns, NowNs() - std::max(last_ok_, struck_));
    over_ = true;
    loop_.Until([this] { return under_way_ == 0; }, kTailMs);
    return gap_;
  }

 private:
  void Begin(int session, bool again) {
    ++under_way_;
    seats_.Operate(session, [self = this->shared_from_this(), session, again](bool ok) {
      --self->under_way_;
      self->Ended(ok);
      if (again && !self->over_) self->Begin(session, true);
    });
  }

  void Ended(bool ok) {
    if (over_) return;
    if (!ok) {
      ++gap_.errors;
      return;
    }
    const int64_t now = NowNs();
    if (struck_ != 0) {
      const int64_t gap = now - std::max(last_ok_, struck_);
      gap_.gap_ns = std::max(gap_.gap_ns, gap);
      if (gap > kPauseMs * kMs) steady_since_ = now;
    }
    last_ok_ = now;
  }

  Loop& loop_;
  System& seats_;
  Gap gap_;
  int64_t struck_ = 0;
  int64_t last_ok_ = 0;
  int64_t steady_since_ = 0;
  int under_way_ = 0;
  size_t others_ = 0;
  bool over_ = false;
};

double ShareWithin(const std::vector<double>& sorted, double ms) {
  const auto end = std::upper_bound(sorted.begin(), sorted.end(), ms);
  return static_cast<double>(end - sorted.begin()) / static_cast<double>(sorted.size());
}

void Add(Report& report, const std::string& system, const std::string& fault,
         const std::vector<Gap>& gaps) {
  std::vector<int64_t> ns;
  int64_t errors = 0;
  int64_t unjudged = 0;
  for (const Gap& gap : gaps) {
    ns.push_back(gap.gap_ns);
    errors += gap.errors;
    unjudged += gap.unjudged;
  }
  const double p50 = Percentile(ns, 0.50) / 1e6;
  const double p99 = Percentile(ns, 0.99) / 1e6;
  std::vector<double> sorted;
  for (const int64_t each : ns) sorted.push_back(static_cast<double>(each) / 1e6);
  report.Add(Row()
                 .Set("system", system)
                 .Set("fault", fault)
                 .Set("n", static_cast<int64_t>(gaps.size()))
                 .Set("gap_ms_p50", p50)
                 .Set("gap_ms_p99", p99)
                 .Set("gap_ms_max", sorted.empty() ? 0 : sorted.back())
                 .Set("percent_100_ms", 100 * ShareWithin(sorted, kSoonMs))
                 .Set("percent_300_ms", 100 * ShareWithin(sorted, kLateMs))
                 .Set("errors", errors)
                 .Set("unjudged", unjudged)
                 .SetList("gaps_ms", sorted));
}

std::vector<int> SurvivorsOf(int leader) {
  std::vector<int> survivors;
  for (int session = 0; session < kSessions; ++session) {
    if (session % 3 != leader - 1) survivors.push_back(session);
  }
  return survivors;
}

// The planned stop is SIGTERM: both systems then hand the lead over first. The cut needs `hosts`.
template <typename ProcessOf, typename Restart>
std::vector<Fault> Faults(const ProcessOf& process, const Restart& restart, const Hosts* hosts,
                          int settle_ms) {
  const auto signal = [=](int number) {
    return [=](int leader) { process(leader).Signal(number); };
  };
  const auto ended = [=](int leader) { return !process(leader).running(); };
  const auto at_once = [](int /*leader*/) { return true; };
  std::vector<Fault> faults{{"SIGKILL", signal(SIGKILL), ended, restart},
                            {"SIGSTOP", signal(SIGSTOP), at_once, signal(SIGCONT)},
                            {"planned stop", signal(SIGTERM), ended, restart}};
  if (hosts != nullptr) {
    faults.push_back({"cut network", [=](int leader) { hosts->Cut(leader); }, at_once,
                      [=](int leader) {
                        hosts->Join(leader);
                        integration::Pause(settle_ms);
                      }});
  }
  return faults;
}

// `whole`: waits until every node is there and connected, and gives the leader; 0: not in time.
template <typename Make>
bool RunAll(const std::string& system, const Settings& settings, int rounds, Loop& loop,
            const std::vector<Fault>& faults, const std::function<int()>& whole, const Make& make,
            Report& report) {
  for (const Fault& fault : faults) {
    if (!settings.fault.empty() && fault.name != settings.fault) continue;
    std::vector<Gap> gaps;
    for (int round = 0; round < rounds; ++round) {
      const int leader = whole();
      auto seats = leader == 0 ? nullptr : make();
      if (seats == nullptr) {
        std::cerr << "bench: " << system << " is not whole after " << fault.name << "\n";
        return false;
      }
      using System = std::remove_reference_t<decltype(*seats)>;
      const auto load = std::make_shared<Load<System>>(loop, *seats);
      gaps.push_back(load->Run(
          SurvivorsOf(leader), [&] { fault.strike(leader); }, [&] { return fault.gone(leader); }));
      gaps.back().unjudged = seats->unjudged();
      if (!seats->wrong().empty()) {
        std::cerr << "bench: " << system << " answered wrongly: " << seats->wrong() << "\n";
        return false;
      }
      fault.heal(leader);  // first: the sessions there are closed too
      seats.reset();
    }
    Add(report, system, fault.name, gaps);
  }
  return true;
}

// The leader, if every node is there, connected to both others and as far as they.
int WholeLeader(integration::Cluster& cluster) {
  int leader = 0;
  uint64_t term = 0;
  for (int node = 1; node <= 3; ++node) {
    const auto status = cluster.Status(node);
    if (!status || !status->quorum() || status->leader() == 0) return 0;
    for (const auto& other : status->nodes()) {
      if (!other.connected()) return 0;
    }
    if (leader != 0 && (static_cast<int>(status->leader()) != leader || status->term() != term)) {
      return 0;
    }
    leader = static_cast<int>(status->leader());
    term = status->term();
  }
  return cluster.WaitForAgreement() ? leader : 0;
}

bool RunTriad(const Settings& settings, int rounds, const Hosts* hosts, Loop& loop,
              Report& report) {
  integration::Cluster::Options options;
  options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  for (int node = 1; hosts != nullptr && node <= 3; ++node) {
    options.places.push_back({hosts->address(node), hosts->launcher(node)});
  }
  if (hosts != nullptr) options.flags = {"--insecure"};
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  std::vector<std::string> addresses;
  for (int node = 1; node <= 3; ++node) {
    addresses.push_back(absl::StrCat(cluster.Host(node), ":", cluster.port(node)));
  }
  const auto whole = [&] {
    int leader = 0;
    integration::WaitFor([&] { return (leader = WholeLeader(cluster)) != 0; }, kWholeMs);
    return leader;
  };
  const auto faults = Faults(
      [&](int node) -> auto& { return cluster.process(node); },
      [&](int node) { cluster.StartNode(node); }, hosts, 0);
  const auto make = [&] {
    auto seats = std::make_unique<TriadSeats>(loop, addresses, kSessions, "bench");
    if (!seats->Open()) seats.reset();
    return seats;
  };
  return RunAll("triad", settings, rounds, loop, faults, whole, make, report);
}

bool RunEtcd(const Settings& settings, int rounds, const Hosts* hosts, Loop& loop, Report& report) {
  EtcdCluster cluster(hosts);
  if (!cluster.Start()) return false;
  const std::vector<std::string> addresses{cluster.address(1), cluster.address(2),
                                           cluster.address(3)};
  const auto whole = [&] {
    return integration::WaitFor([&] { return cluster.IsWhole(); }, kWholeMs) ? cluster.Leader() : 0;
  };
  const auto faults = Faults(
      [&](int member) -> auto& { return cluster.process(member); },
      [&](int member) { cluster.StartMember(member); }, hosts, kSettleMs);
  return RunAll(
      "etcd", settings, rounds, loop, faults, whole,
      [&] { return std::make_unique<EtcdSeats>(loop, addresses, kSessions); }, report);
}

}  // namespace

bool RunFailover(const Settings& settings, Report& report) {
  const int rounds = settings.quick ? 1 : settings.rounds;
  const int etcd_rounds =
      settings.quick || settings.etcd_rounds == 0 ? rounds : settings.etcd_rounds;
  const auto wanted = [&settings](const char* system) {
    return settings.system.empty() || settings.system == system;
  };
  std::string why;
  const auto hosts = Hosts::Make(why);
  if (hosts == nullptr)
    std::cout << "bench: on loopback, the cut network is left out: " << why << "\n";
  Loop loop;
  return (!wanted("triad") || RunTriad(settings, rounds, hosts.get(), loop, report)) &&
         (!wanted("etcd") || !settings.etcd ||
          RunEtcd(settings, etcd_rounds, hosts.get(), loop, report));
}

}  // namespace triad::bench
