// Ten thousand sessions after the leader was killed: the time until every one is attached to a node
// that serves, and a heartbeat of it was acknowledged by the new leader; none lost, none twice.
//
// 100 sessions to a connection, and with a connection each; beside that as many bare streams to a
// process that answers at once.
#include <signal.h>
#include <sys/resource.h>

#include <iostream>
#include <memory>

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
  seats.set_reattach(true);
  const int leader = cluster.WaitForLeader();
  const int64_t start = NowNs();
  cluster.process(leader).Signal(SIGKILL);
  // The streams that broke are known only when gRPC says so.
  bool back = loop.Until([&] { return seats.detached() > 0; }, kPatienceMs) &&
              seats.AwaitAttached(kPatienceMs);
  seats.Beat();
  back = back && loop.Until([&] { return seats.beaten(); }, kPatienceMs);
  const int64_t took = NowNs() - start;
  const uint64_t used = cluster.Used("bench");
  report.Add(Row()
                 .Set("system", "triad")
                 .Set("case", name)
                 .Set("sessions", int64_t{sessions})
                 .Set("connections", int64_t{streams})
                 .Set("all_back_ms", static_cast<double>(took) / 1e6)
                 .Set("held_after", static_cast<int64_t>(used)));
  if (!back) std::cerr << "bench: not all sessions came back\n";
  if (used != static_cast<uint64_t>(sessions)) std::cerr << "bench: licenses lost or doubled\n";
  return back && used == static_cast<uint64_t>(sessions);
}

// A third of the streams broken and made again, as when one of three servers dies.
bool RunBare(int streams, Report& report) {
  const auto floor = StartEmpty();
  Loop loop;
  const int64_t start = NowNs();
  TriadSeats seats(loop, {floor->address}, streams, "bench", streams);
  const bool open = seats.Open();
  report.Add(Row()
                 .Set("system", "floor")
                 .Set("case", "bare streams")
                 .Set("sessions", int64_t{streams})
                 .Set("connections", int64_t{streams})
                 .Set("all_back_ms", static_cast<double>(NowNs() - start) / 1e6)
                 .Set("held_after", int64_t{0}));
  return open;
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
  // Of the sessions a third is at the leader: as many streams are made again.
  return RunOne(sessions, sessions / 100, "100 to a connection", report) &&
         RunOne(sessions, sessions, "a connection each", report) && RunBare(sessions / 3, report);
}

}  // namespace triad::bench
