// What size costs: licenses out, features, sessions. Operations per second with 256 in flight, and
// the processor time of all three daemons per operation, which a noisy machine disturbs less.
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "bench/daemons.h"
#include "bench/load.h"
#include "bench/triad_seats.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr int kInflight = 256;
constexpr int kHolders = 1'000;  // sessions that the licenses out are spread over
constexpr int kHolderStreams = 32;
constexpr int kLoadSessions = 32;
constexpr int kBeats = 5;
constexpr int64_t kNoticeMs = 500;  // for the loop to hear of broken connections
constexpr int64_t kAttachMs = 120'000;
constexpr int64_t kMs = 1'000'000;

struct Times {
  int64_t warm_ms;
  int64_t run_ms;
};

// `total` things begun, at most `inflight` at a time; false: not all were done well in time.
bool RunAll(Loop& loop, int64_t total, int inflight,
            const std::function<void(int64_t, Seats::Done)>& one) {
  int64_t begun = 0;
  int64_t ended = 0;
  bool all_ok = true;
  std::function<void()> begin = [&] {
    if (begun == total) return;
    one(begun++, [&](bool ok) {
      ++ended;
      all_ok = all_ok && ok;
      begin();
    });
  };
  for (int i = 0; i < inflight; ++i) begin();
  return loop.Until([&] { return ended == total; }, 1'800'000) && all_ok;
}

struct Cost {
  Measured measured;
  double cpu_us_per_op = 0;
};

Cost MeasureOps(Loop& loop, integration::Cluster& cluster, TriadSeats& seats, const Times& times) {
  AwaitQuiet(loop);
  RunClosed(loop, seats, kInflight, 0, times.warm_ms);
  const int64_t before = CpuUs(cluster);
  Cost cost;
  cost.measured = RunClosed(loop, seats, kInflight, 0, times.run_ms);
  const auto operations = static_cast<double>(std::max<int64_t>(1, cost.measured.operations));
  cost.cpu_us_per_op = static_cast<double>(CpuUs(cluster) - before) / operations;
  return cost;
}

Row RowOf(const std::string& what, int64_t size, const Cost& cost) {
  return Row()
      .Set("system", "triad")
      .Set("case", what)
      .Set("size", size)
      .Set("ops_per_s", cost.measured.ops_per_s)
      .Set("cpu_us_per_op", cost.cpu_us_per_op)
      .Set("p50_us", cost.measured.p50_us);
}

int64_t RestartMs(integration::Cluster& cluster) {
  const int node = cluster.Others(cluster.WaitForLeader())[0];
  const uint64_t target = cluster.Status(cluster.WaitForLeader())->commit();
  cluster.Kill(node);
  const int64_t start = NowNs();
  cluster.StartNode(node);
  integration::WaitFor(
      [&] {
        const auto status = cluster.Status(node);
        return status && status->quorum() && status->applied() >= target;
      },
      300'000);
  return (NowNs() - start) / kMs;
}

// Takes the ledger away from a node and lets it fetch it from the others: rejoin, snapshot and all.
int64_t SnapshotMs(integration::Cluster& cluster) {
  const int node = cluster.Others(cluster.WaitForLeader())[1];
  cluster.process(node).Signal(15);
  cluster.process(node).WaitForExit();
  const auto rejoin = cluster.Run("rejoin", node);
  if (rejoin.exit_status != 0) {
    std::cerr << "bench: rejoin: " << rejoin.output << "\n";
    return 0;
  }
  const uint64_t target = cluster.Status(cluster.WaitForLeader())->commit();
  const int64_t start = NowNs();
  cluster.StartNode(node);
  integration::WaitFor(
      [&] {
        const auto status = cluster.Status(node);
        return status && status->applied() >= target && status->role() == "follower";
      },
      300'000);
  return (NowNs() - start) / kMs;
}

bool RunOut(const Times& times, bool quick, Report& report) {
  integration::Cluster::Options options;
  options.features =
      "INCREMENT held genesys.d 1.0 permanent 2000000\n"
      "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  options.flags = {"--session-ttl=3600s"};
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  Loop loop;
  const auto addresses = AddressesLeaderFirst(cluster);
  TriadSeats holders(loop, addresses, kHolders, "held", kHolderStreams);
  TriadSeats load(loop, addresses, kLoadSessions, "bench");
  if (!holders.Open() || !load.Open()) return false;
  holders.set_reattach(true);
  load.set_reattach(true);
  int64_t out = 0;
  int64_t first_bytes = 0;
  int64_t first_out = 0;
  const int64_t most = quick ? 10'000 : 1'000'000;
  for (int64_t size = 1'000; size <= most; size *= 10) {
    const int64_t begin = NowNs();
    if (!RunAll(loop, size - out, kInflight, [&](int64_t i, Seats::Done done) {
          holders.Take(static_cast<int>((out + i) % kHolders), 1, std::move(done));
        })) {
      std::cerr << "bench: not all " << size << " were granted: " << holders.wrong() << "\n";
      return false;
    }
    const double fill_s = static_cast<double>(NowNs() - begin) / 1e9;
    out = size;
    Row row = RowOf("licenses out", size, MeasureOps(loop, cluster, load, times));
    const int64_t bytes = ResidentBytes(cluster);
    if (first_out == 0) {
      first_bytes = bytes;
      first_out = size;
    }
    const double per_checkout = size == first_out ? 0
                                                  : static_cast<double>(bytes - first_bytes) /
                                                        static_cast<double>(size - first_out);
    report.Add(row.Set("fill_s", fill_s)
                   .Set("rss_mb", static_cast<double>(bytes) / 1e6)
                   .Set("bytes_per_checkout", per_checkout)
                   .Set("restart_ms", RestartMs(cluster))
                   .Set("rejoin_ms", SnapshotMs(cluster)));
    // Those at the nodes that were restarted go to others, once it is known that they must.
    loop.Until([] { return false; }, kNoticeMs);
    if (!holders.AwaitAttached(kAttachMs) || !load.AwaitAttached(kAttachMs)) {
      std::cerr << "bench: sessions were lost\n";
      return false;
    }
  }
  const uint64_t used = cluster.Used("held");
  if (used != static_cast<uint64_t>(out)) {
    std::cerr << "bench: " << used << " of " << out << " are held\n";
    return false;
  }
  return true;
}

bool RunFeatures(const Times& times, bool quick, Report& report) {
  for (int64_t size = 10; size <= (quick ? 1'000 : 10'000); size *= 10) {
    integration::Cluster::Options options;
    options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
    for (int64_t i = 1; i < size; ++i) {
      absl::StrAppend(&options.features, "INCREMENT f", i, " genesys.d 1.0 permanent 100\n");
    }
    integration::Cluster cluster(options);
    if (!cluster.Start()) return false;
    Loop loop;
    TriadSeats load(loop, AddressesLeaderFirst(cluster), kLoadSessions, "bench");
    if (!load.Open()) return false;
    report.Add(RowOf("features", size, MeasureOps(loop, cluster, load, times))
                   .Set("restart_ms", RestartMs(cluster)));
  }
  return true;
}

bool RunSessions(const Times& times, bool quick, Report& report) {
  integration::Cluster::Options options;
  options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  options.flags = {"--session-ttl=3600s"};
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  Loop loop;
  const auto addresses = AddressesLeaderFirst(cluster);
  TriadSeats load(loop, addresses, kLoadSessions, "bench");
  if (!load.Open()) return false;
  const int64_t empty_bytes = ResidentBytes(cluster);
  for (int64_t size = 10; size <= (quick ? 1'000 : 100'000); size *= 10) {
    TriadSeats idle(loop, addresses, static_cast<int>(size), "bench", kHolderStreams);
    if (!idle.Open()) {
      std::cerr << "bench: not all " << size << " sessions opened\n";
      return false;
    }
    const int64_t bytes = ResidentBytes(cluster);
    Row row = RowOf("sessions", size, MeasureOps(loop, cluster, load, times));
    const int64_t before = CpuUs(cluster);
    for (int i = 0; i < kBeats; ++i) {
      idle.Beat();
      if (!loop.Until([&] { return idle.beaten(); }, 30'000)) {
        std::cerr << "bench: heartbeats were not acknowledged\n";
        return false;
      }
    }
    const double thousands = static_cast<double>(size) * kBeats / 1e3;
    report.Add(row.Set("bytes_per_session",
                       static_cast<double>(bytes - empty_bytes) / static_cast<double>(size))
                   .Set("cpu_us_per_1000_beats",
                        static_cast<double>(CpuUs(cluster) - before) / thousands));
  }
  return true;
}

}  // namespace

bool RunScale(const Settings& settings, Report& report) {
  const Times times = settings.quick ? Times{200, 500} : Times{1'000, 5'000};
  const auto wanted = [&settings](const char* what) {
    return settings.what.empty() || settings.what == what;
  };
  return (!wanted("features") || RunFeatures(times, settings.quick, report)) &&
         (!wanted("sessions") || RunSessions(times, settings.quick, report)) &&
         (!wanted("out") || RunOut(times, settings.quick, report));
}

}  // namespace triad::bench
