// Too few seats for all who ask: the cases in which seats could be given out twice, judged
// afterwards. No speed is measured.
//
// Bursts of operations, each until nothing is under way, so that the judge (bench/history.h) has
// pieces that it can decide: through all nodes, through followers only, and while the leader is
// killed. With many in flight the search for an order may end undecided; that never more were out
// than there are, and none denied while one was free, is decided always.
#include <signal.h>

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "bench/daemons.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr int kSessions = 32;
constexpr int64_t kBurstMs = 60'000;
constexpr uint64_t kStatesMax = 20'000;

struct Case {
  std::string name;
  std::string feature;
  uint64_t seats = 0;
  int inflight = 0;
  int operations = 0;  // in a burst
  bool kill = false;   // the leader, in the middle
  bool followers = false;
};

struct Tally {
  int64_t operations = 0;
  int64_t denied = 0;
  int64_t undecided = 0;  // bursts
  int64_t unjudged = 0;   // messages
};

// One burst with new sessions: a history of its own, in which all seats are free at first.
bool Burst(const Case& test, Loop& loop, integration::Cluster& cluster, Tally& tally) {
  auto addresses = AddressesLeaderFirst(cluster);
  const int leader = cluster.WaitForLeader();
  if (test.followers || test.kill) addresses.erase(addresses.begin());
  int begun = 0;
  int ended = 0;
  std::function<void()> begin;
  TriadSeats seats(loop, addresses, kSessions, test.feature);  // goes first: it calls the others
  seats.set_seats(test.seats);
  if (!seats.Open()) {
    std::cerr << "bench: the sessions did not open\n";
    return false;
  }
  begin = [&] {
    if (begun == test.operations) return;
    if (test.kill && begun == test.operations / 2) cluster.process(leader).Signal(SIGKILL);
    seats.Operate(begun++ % kSessions, [&](bool ok) {
      ++ended;
      if (!ok) ++tally.denied;
      begin();
    });
  };
  for (int i = 0; i < test.inflight; ++i) begin();
  const bool all = loop.Until([&] { return ended == test.operations; }, kBurstMs);
  tally.operations += ended;
  if (!all) std::cerr << "bench: " << test.operations - ended << " operations were not answered\n";
  tally.unjudged += seats.unjudged();
  if (!seats.wrong().empty()) std::cerr << "bench: " << seats.wrong() << "\n";
  const simulation::Judgement judgement = seats.history().Linearized(test.seats, kStatesMax);
  if (judgement.verdict == simulation::Verdict::kIllegal) {
    std::cerr << "bench: " << judgement.why << "\n";
  }
  if (judgement.verdict == simulation::Verdict::kGaveUp) ++tally.undecided;
  return all && seats.wrong().empty() && judgement.verdict != simulation::Verdict::kIllegal;
}

}  // namespace

bool RunHistory(const Settings& settings, Report& report) {
  integration::Cluster::Options options;
  options.features =
      "INCREMENT few genesys.d 1.0 permanent 6\n"
      "INCREMENT some genesys.d 1.0 permanent 100\n";
  options.flags = {"--session-ttl=3600s"};
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  const std::vector<Case> cases{
      {"few seats", "few", 6, 12, 600},
      {"few seats, through followers", "few", 6, 12, 600, false, true},
      {"few seats, the leader is killed", "few", 6, 12, 600, true, false},
      {"256 in flight", "some", 100, 256, 1'000},
      {"256 in flight, the leader is killed", "some", 100, 256, 1'000, true, false}};
  Loop loop;
  for (const Case& test : cases) {
    Tally tally;
    const int bursts = settings.quick ? 1 : 20;
    for (int burst = 0; burst < bursts; ++burst) {
      const int leader = cluster.WaitForLeader();
      if (!Burst(test, loop, cluster, tally)) return false;
      if (test.kill) {
        cluster.process(leader).WaitForExit();
        cluster.StartNode(leader);
      }
      if (!cluster.WaitForAgreement()) return false;
      if (cluster.Used(test.feature) != 0) {
        std::cerr << "bench: " << test.name << ": seats are still out\n";
        return false;
      }
    }
    report.Add(Row()
                   .Set("system", "triad")
                   .Set("case", test.name)
                   .Set("seats", static_cast<int64_t>(test.seats))
                   .Set("inflight", int64_t{test.inflight})
                   .Set("operations", tally.operations)
                   .Set("denied", tally.denied)
                   .Set("bursts", int64_t{bursts})
                   .Set("undecided", tally.undecided)
                   .Set("unjudged", tally.unjudged));
  }
  return true;
}

}  // namespace triad::bench
