// What size costs: licenses out, features, sessions. Operations per second with 256 in flight, and
// the processor time of all three daemons per operation, which a noisy machine disturbs less; then
// how long a node takes to start again, and to rejoin without its ledger.
#include <signal.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

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
constexpr int64_t kLeast = 10;  // features, sessions
constexpr int64_t kLeastOut = 1'000;
constexpr int64_t kShortenMs = 1'000;
constexpr int kShortenRoundsMax = 120;
constexpr int64_t kNoticeMs = 500;  // for the loop to hear of broken connections
constexpr int kStartMs = 300'000;
constexpr int64_t kMs = 1'000'000;

struct Times {
  int64_t warm_ms;
  int64_t run_ms;
  bool full;  // also waits for what makes figures mean something
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

Row RowOf(const std::string& what, int64_t size) {
  return Row().Set("system", "triad").Set("case", what).Set("size", size);
}

// Operations until the leader's log has lost its beginning: a node without a ledger is then sent a
// snapshot, where it would else be sent the log.
bool ShortenLog(Loop& loop, integration::Cluster& cluster, TriadSeats& load) {
  for (int i = 0; i < kShortenRoundsMax; ++i) {
    const auto status = cluster.Status(cluster.WaitForLeader());
    if (status && status->log_start() > 0) return true;
    RunClosed(loop, load, kInflight, 0, kShortenMs);
  }
  std::cerr << "bench: the log keeps its beginning\n";
  return false;
}

// Operations of sessions that come and go with them; what they cost goes to `row`. False: they were
// answered wrongly.
bool MeasureOps(Loop& loop, integration::Cluster& cluster, const Times& times, Row& row) {
  TriadSeats load(loop, AddressesLeaderFirst(cluster), kLoadSessions, "bench");
  if (!load.Open()) return false;
  if (times.full) AwaitQuiet(loop);
  RunClosed(loop, load, kInflight, 0, times.warm_ms);
  const int64_t before = CpuUs(cluster);
  const Measured measured = RunClosed(loop, load, kInflight, 0, times.run_ms);
  const auto operations = static_cast<double>(std::max<int64_t>(1, measured.operations));
  row.Set("ops_per_s", measured.ops_per_s)
      .Set("cpu_us_per_op", static_cast<double>(CpuUs(cluster) - before) / operations)
      .Set("p50_us", measured.p50_us)
      .Set("unjudged", load.unjudged());
  return IsRight(load) && (!times.full || ShortenLog(loop, cluster, load));
}

// From the start of a killed node until it has applied what was committed at the kill; nullopt: it
// did not come so far.
std::optional<int64_t> RestartMs(integration::Cluster& cluster) {
  const int node = cluster.Others(cluster.WaitForLeader())[0];
  const uint64_t target = cluster.Status(cluster.WaitForLeader())->commit();
  cluster.Kill(node);
  const int64_t start = NowNs();
  cluster.StartNode(node);
  const auto served = [&] {
    const auto status = cluster.Status(node);
    return status && status->quorum() && status->applied() >= target;
  };
  if (!integration::WaitFor(served, kStartMs)) return std::nullopt;
  return (NowNs() - start) / kMs;
}

// Takes the ledger away from a node and lets it fetch it from the others: rejoin, snapshot and all
// (in a quick run the log, which is short).
std::optional<int64_t> SnapshotMs(integration::Cluster& cluster) {
  const int node = cluster.Others(cluster.WaitForLeader())[1];
  cluster.process(node).Signal(SIGTERM);
  cluster.process(node).WaitForExit();
  const auto rejoin = cluster.Run("rejoin", node);
  if (rejoin.exit_status != 0) {
    std::cerr << "bench: rejoin: " << rejoin.output << "\n";
    return std::nullopt;
  }
  const uint64_t target = cluster.Status(cluster.WaitForLeader())->commit();
  const int64_t start = NowNs();
  cluster.StartNode(node);
  const auto followed = [&] {
    const auto status = cluster.Status(node);
    return status && status->applied() >= target && status->role() == "follower";
  };
  if (!integration::WaitFor(followed, kStartMs)) return std::nullopt;
  return (NowNs() - start) / kMs;
}

// What a node's start and its rejoin take goes to `row`. `sessions`, those at these two nodes among
// them, are attached again then; nullptr: none.
bool MeasureStarts(Loop& loop, integration::Cluster& cluster, TriadSeats* sessions, Row& row) {
  const size_t broken = sessions == nullptr ? 0 : sessions->broken();
  if (sessions != nullptr) sessions->set_reattach(true);
  const auto restart_ms = RestartMs(cluster);
  const auto rejoin_ms = SnapshotMs(cluster);
  if (!restart_ms || !rejoin_ms) {
    std::cerr << "bench: a node did not come back\n";
    return false;
  }
  row.Set("restart_ms", *restart_ms).Set("rejoin_ms", *rejoin_ms);
  if (sessions == nullptr) return true;
  // It may be that no stream led to these nodes.
  loop.Until([&] { return sessions->broken() > broken; }, kNoticeMs);
  const bool back = sessions->AwaitBack();
  if (!back) std::cerr << "bench: sessions were lost\n";
  return back;
}

// One license for each operation, until `size` are out; false: not all were granted.
bool TakeUntil(Loop& loop, TriadSeats& holders, int64_t out, int64_t size) {
  const bool all = RunAll(loop, size - out, kInflight, [&](int64_t i, Seats::Done done) {
    holders.Take(static_cast<int>((out + i) % kHolders), 1, std::move(done));
  });
  if (!all) std::cerr << "bench: not all " << size << " were granted\n";
  return IsRight(holders) && all;
}

bool RunOut(const Times& times, int64_t most, Report& report) {
  integration::Cluster::Options options;
  options.features =
      "INCREMENT held genesys.d 1.0 permanent 2000000\n"
      "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  options.flags = {"--session-ttl=3600s"};
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  Loop loop;
  TriadSeats holders(loop, AddressesLeaderFirst(cluster), kHolders, "held", kHolderStreams);
  if (!holders.Open()) return false;
  int64_t out = 0;
  int64_t first_bytes = 0;
  for (int64_t size = kLeastOut; size <= most; size *= 10) {
    const int64_t begin = NowNs();
    if (!TakeUntil(loop, holders, out, size)) return false;
    const double fill_s = static_cast<double>(NowNs() - begin) / 1e9;
    out = size;
    Row row = RowOf("licenses out", size);
    if (!MeasureOps(loop, cluster, times, row)) return false;
    const int64_t bytes = ResidentBytes(cluster);
    if (size == kLeastOut) first_bytes = bytes;
    const double per_checkout = size == kLeastOut ? 0
                                                  : static_cast<double>(bytes - first_bytes) /
                                                        static_cast<double>(size - kLeastOut);
    row.Set("fill_s", fill_s)
        .Set("rss_mb", static_cast<double>(bytes) / 1e6)
        .Set("bytes_per_checkout", per_checkout);
    if (!MeasureStarts(loop, cluster, &holders, row)) return false;
    report.Add(std::move(row));
  }
  const uint64_t used = cluster.Used("held");
  if (used != static_cast<uint64_t>(out)) {
    std::cerr << "bench: " << used << " of " << out << " are held\n";
    return false;
  }
  return true;
}

bool RunFeatures(const Times& times, int64_t most, Report& report) {
  for (int64_t size = kLeast; size <= most; size *= 10) {
    integration::Cluster::Options options;
    options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
    for (int64_t i = 1; i < size; ++i) {
      absl::StrAppend(&options.features, "INCREMENT f", i, " genesys.d 1.0 permanent 100\n");
    }
    integration::Cluster cluster(options);
    if (!cluster.Start()) return false;
    Loop loop;
    Row row = RowOf("features", size);
    if (!MeasureOps(loop, cluster, times, row) || !MeasureStarts(loop, cluster, nullptr, row)) {
      return false;
    }
    report.Add(std::move(row));
  }
  return true;
}

// What the cluster spends on a heartbeat of each of `sessions`, to `row`; false: some were not
// acknowledged.
bool MeasureBeats(Loop& loop, integration::Cluster& cluster, TriadSeats& sessions, Row& row) {
  const int64_t before = CpuUs(cluster);
  for (int i = 0; i < kBeats; ++i) {
    sessions.Beat();
    if (!loop.Until([&] { return sessions.beaten(); }, 30'000)) {
      std::cerr << "bench: heartbeats were not acknowledged\n";
      return false;
    }
  }
  const double thousands = static_cast<double>(sessions.sessions()) * kBeats / 1e3;
  row.Set("cpu_us_per_1000_beats", static_cast<double>(CpuUs(cluster) - before) / thousands);
  return true;
}

bool RunSessions(const Times& times, int64_t most, Report& report) {
  integration::Cluster::Options options;
  options.features = "INCREMENT bench genesys.d 1.0 permanent 1000000\n";
  options.flags = {"--session-ttl=3600s"};
  integration::Cluster cluster(options);
  if (!cluster.Start()) return false;
  Loop loop;
  const int64_t empty_bytes = ResidentBytes(cluster);
  for (int64_t size = kLeast; size <= most; size *= 10) {
    TriadSeats idle(loop, AddressesLeaderFirst(cluster), static_cast<int>(size), "bench",
                    kHolderStreams);
    if (!idle.Open()) {
      std::cerr << "bench: not all " << size << " sessions opened\n";
      return false;
    }
    const int64_t bytes = ResidentBytes(cluster);
    Row row = RowOf("sessions", size);
    if (!MeasureOps(loop, cluster, times, row)) return false;
    row.Set("bytes_per_session",
            static_cast<double>(bytes - empty_bytes) / static_cast<double>(size));
    // Heartbeats before the restarts: while sessions look for another node they are no measure.
    if (!MeasureBeats(loop, cluster, idle, row) || !MeasureStarts(loop, cluster, &idle, row)) {
      return false;
    }
    report.Add(std::move(row));
  }
  return true;
}

}  // namespace

bool RunScale(const Settings& settings, Report& report) {
  const bool quick = settings.quick;
  const Times times = quick ? Times{100, 200, false} : Times{1'000, 5'000, true};
  const auto wanted = [&settings](const char* what) {
    return settings.what.empty() || settings.what == what;
  };
  return (!wanted("features") || RunFeatures(times, quick ? kLeast : 10'000, report)) &&
         (!wanted("sessions") || RunSessions(times, quick ? 10 * kLeast : 100'000, report)) &&
         (!wanted("out") || RunOut(times, quick ? kLeastOut : 1'000'000, report));
}

}  // namespace triad::bench
