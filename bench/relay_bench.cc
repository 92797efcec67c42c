// The work of `checkout` through followers only, and the load that a look at everything is:
// `lmstat -a` with many licenses out.
#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "bench/daemons.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr std::array<int, 5> kInflight{1, 16, 64, 256, 1000};
constexpr int kSessions = 32;
constexpr int kHolders = 1'000;
constexpr int kAdminInflight = 64;
constexpr int64_t kMs = 1'000'000;

integration::Cluster::Options OptionsOf() {
  integration::Cluster::Options options;
  options.features =
      "INCREMENT bench genesys.d 1.0 permanent 1000000\n"
      "INCREMENT held genesys.d 1.0 permanent 1000000\n";
  options.flags = {"--session-ttl=3600s"};
  return options;
}

bool Hold(Loop& loop, TriadSeats& holders, int64_t count) {
  int64_t ended = 0;
  int64_t begun = 0;
  bool ok = true;
  std::function<void()> begin = [&] {
    if (begun == count) return;
    holders.Take(static_cast<int>(begun++ % kHolders), 1, [&](bool granted) {
      ++ended;
      ok = ok && granted;
      begin();
    });
  };
  for (int i = 0; i < 256; ++i) begin();
  return loop.Until([&] { return ended == count; }, 600'000) && ok;
}

}  // namespace

bool RunRelay(const Settings& settings, Report& report) {
  integration::Cluster cluster(OptionsOf());
  if (!cluster.Start()) return false;
  Loop loop;
  auto addresses = AddressesLeaderFirst(cluster);
  addresses.erase(addresses.begin());
  for (const int inflight : kInflight) {
    TriadSeats seats(loop, addresses, inflight == 1 ? 1 : kSessions, "bench");
    if (!seats.Open()) return false;
    const Measured measured = RunClosed(loop, seats, inflight, settings.quick ? 200 : 1'000,
                                        settings.quick ? 500 : 5'000);
    report.Add(Row()
                   .Set("system", "triad through followers")
                   .Set("inflight", int64_t{inflight})
                   .Set("sessions", int64_t{seats.sessions()})
                   .Set("ops_per_s", measured.ops_per_s)
                   .Set("p50_us", measured.p50_us)
                   .Set("p99_us", measured.p99_us)
                   .Set("errors", measured.errors)
                   .Set("unjudged", seats.unjudged()));
    if (!IsRight(seats)) return false;
  }
  return true;
}

bool RunAdmin(const Settings& settings, Report& report) {
  integration::Cluster cluster(OptionsOf());
  if (!cluster.Start()) return false;
  Loop loop;
  const auto addresses = AddressesLeaderFirst(cluster);
  const int64_t out = settings.quick ? 2'000 : 100'000;
  TriadSeats holders(loop, addresses, kHolders, "held", kSessions);
  TriadSeats load(loop, addresses, kSessions, "bench");
  if (!holders.Open() || !load.Open() || !Hold(loop, holders, out)) {
    std::cerr << "bench: not all licenses were granted: " << holders.wrong() << "\n";
    return false;
  }
  const int64_t run_ms = settings.quick ? 500 : 5'000;
  // The leader's processor time for an operation, beside what the whole machine can do: where each
  // node has a machine of its own, that is what bounds its throughput.
  const pid_t leader = cluster.process(cluster.WaitForLeader()).pid();
  const auto run = [&](double* cpu_us) {
    RunClosed(loop, load, kAdminInflight, 0, run_ms / 5);
    const int64_t before = CpuUs(leader);
    const Measured measured = RunClosed(loop, load, kAdminInflight, 0, run_ms);
    *cpu_us = static_cast<double>(CpuUs(leader) - before) /
              static_cast<double>(std::max<int64_t>(1, measured.operations));
    return measured;
  };
  double alone_us = 0;
  double beside_us = 0;
  double busy_us = 0;
  const Measured alone = run(&alone_us);
  // One look after the other, all the while.
  std::atomic<bool> stop{false};
  std::vector<int64_t> looks;
  bool looked = true;
  std::thread admin([&] {
    while (!stop) {
      const int64_t start = NowNs();
      const auto result = integration::RunToEnd({TRIAD_TOOL, "lmstat", "-a", "-c", cluster.path()});
      looks.push_back(NowNs() - start);
      looked =
          looked && result.exit_status == 0 && result.output.size() > static_cast<size_t>(out) * 20;
    }
  });
  const Measured beside = run(&beside_us);
  stop = true;
  admin.join();
  // The tool and the node that answers it need a processor; where there are few, that alone costs.
  // What a loop that does nothing costs here is no fault of lmstat's.
  std::atomic<bool> spun{false};
  std::thread spinner([&spun] {
    while (!spun) continue;
  });
  const Measured busy = run(&busy_us);
  spun = true;
  spinner.join();
  const auto count = static_cast<int64_t>(looks.size());
  report.Add(Row()
                 .Set("system", "triad")
                 .Set("case", "lmstat -a under load")
                 .Set("licenses_out", out)
                 .Set("looks", count)
                 .Set("look_ms_p50", Percentile(looks, 0.5) / static_cast<double>(kMs))
                 .Set("ops_per_s_alone", alone.ops_per_s)
                 .Set("ops_per_s_beside", beside.ops_per_s)
                 .Set("share_lost", 1.0 - beside.ops_per_s / alone.ops_per_s)
                 .Set("share_lost_to_a_busy_loop", 1.0 - busy.ops_per_s / alone.ops_per_s)
                 .Set("percent_of_beside_a_busy_loop", 100.0 * beside.ops_per_s / busy.ops_per_s)
                 .Set("leader_us_per_op_alone", alone_us)
                 .Set("leader_us_per_op_beside", beside_us)
                 .Set("leader_us_per_op_beside_a_busy_loop", busy_us)
                 .Set("unjudged", load.unjudged()));
  if (!looked) std::cerr << "bench: lmstat -a did not answer whole\n";
  return IsRight(holders) && IsRight(load) && looked;
}

}  // namespace triad::bench
