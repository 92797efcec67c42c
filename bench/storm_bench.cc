// Ten thousand sessions after the leader was killed: the time until every one is attached to a node
// that serves, and a heartbeat of it was acknowledged by the new leader; none lost, none twice.
//
// 100 sessions to a connection, and with a connection each; beside that as many bare streams to a
// process that answers at once.
#include <signal.h>
#include <sys/resource.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/benchmarks.h"
#include "bench/daemons.h"
#include "bench/floor.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr int64_t kPatienceMs = 120'000;

bool TakeAll(Loop& loop, TriadSeats& seats) {
  int ended = 0;
  bool ok = true;
  for (int i = 0; i < seats.sessions(); ++i) {
    seats.Take(i, 1, [&](bool granted) {
      ++ended;
      ok = ok && granted;
    });
  }
  return loop.Until([&] { return ended == seats.sessions(); }, kPatienceMs) && ok;
}

// From the kill until every session is attached again and its heartbeat was acknowledged, in
// nanoseconds; nullopt: not all came back.
std::optional<int64_t> TimeBack(Loop& loop, TriadSeats& seats, integration::Process& killed) {
  seats.set_reattach(true);
  const int64_t start = NowNs();
  killed.Signal(SIGKILL);
  // The streams that broke are known only when gRPC says so; a few are back before one looks again.
  if (!loop.Until([&] { return seats.broken() > 0; }, kPatienceMs)) return std::nullopt;
  if (!seats.AwaitBack()) return std::nullopt;
  return NowNs() - start;
}

void Add(Report& report, const std::string& system, const std::string& name, int sessions,
         int streams, std::optional<int64_t> took, uint64_t held) {
  report.Add(Row()
                 .Set("system", system)
                 .Set("case", name)
                 .Set("sessions", int64_t{sessions})
                 .Set("connections", int64_t{streams})
                 .Set("all_back_ms", static_cast<double>(took.value_or(0)) / 1e6)
                 .Set("held_after", static_cast<int64_t>(held)));
  if (!took) std::cerr << "bench: not all sessions came back\n";
}

bool RunOne(int sessions, int streams, const std::string& name, Report& report) {
  integration::Cluster::Options options;
  options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  Loop loop;
  TriadSeats seats(loop, AddressesLeaderFirst(cluster), sessions, "bench", streams);
  if (!seats.Open() || !TakeAll(loop, seats)) {
    std::cerr << "bench: the sessions did not come up: " << seats.wrong() << "\n";
    return false;
  }
  const auto took = TimeBack(loop, seats, cluster.process(cluster.WaitForLeader()));
  const uint64_t used = cluster.Used("bench");
  Add(report, "triad", name, sessions, streams, took, used);
  if (used != static_cast<uint64_t>(sessions)) std::cerr << "bench: licenses lost or doubled\n";
  return IsRight(seats) && took && used == static_cast<uint64_t>(sessions);
}

bool RunBare(int sessions, int streams, const std::string& name, Report& report) {
  std::vector<std::unique_ptr<Floor>> floors;
  std::vector<std::string> addresses;
  for (int i = 0; i < 3; ++i) {
    floors.push_back(StartEmpty());
    addresses.push_back(floors.back()->address);
  }
  Loop loop;
  TriadSeats seats(loop, addresses, sessions, "bench", streams);
  if (!seats.Open()) return false;
  const auto took = TimeBack(loop, seats, floors.front()->processes.front());
  Add(report, "floor: bare streams", name, sessions, streams, took, 0);
  return took.has_value();
}

// Every connection is a descriptor here and one in a daemon, which inherits the limit.
void RaiseDescriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

bool RunStorm(const Settings& settings, Report& report) {
  RaiseDescriptors();
  const int sessions = settings.quick ? 500 : 10'000;
  const std::string many = "100 to a connection";
  const std::string each = "a connection each";
  return RunOne(sessions, sessions / 100, many, report) &&
         RunBare(sessions, sessions / 100, many, report) &&
         RunOne(sessions, sessions, each, report) && RunBare(sessions, sessions, each, report);
}

}  // namespace triad::bench
