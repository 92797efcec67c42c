// ./dev bench [NAME] [--quick]: runs the benchmarks and writes bench/out/NAME.json. Also the
// processes that some of them need, under verbs of their own.
#include <stdlib.h>

#include <cstring>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "bench/benchmarks.h"
#include "bench/chain.h"
#include "bench/etcd_seats.h"

namespace triad::bench {
namespace {

using Benchmark = std::function<bool(const Settings&, Report&)>;

const std::map<std::string, Benchmark>& Benchmarks() {
  static const std::map<std::string, Benchmark> all{
      {"checkout", RunCheckout}, {"failover", RunFailover}, {"licenses", RunLicenses},
      {"history", RunHistory},   {"report", RunReport},     {"scale", RunScale},
      {"storm", RunStorm},       {"relay", RunRelay},       {"admin", RunAdmin}};
  return all;
}

int Usage() {
  std::cerr << "usage: ./dev bench [NAME...] [--quick] [--system=NAME] [--inflight=N] [--rate=N] "
               "[--seconds=N]\n"
               "                   [--under=COMMAND] [--what=PART] [--rounds=N] [--etcd-rounds=N] "
               "[--fault=NAME]\n  NAME:";
  for (const auto& [name, run] : Benchmarks()) std::cerr << " " << name;
  std::cerr << "\n  --quick: seconds instead of minutes; the figures mean nothing\n"
               "  --system: checkout, failover of this one only; --inflight: checkout, --fault: "
               "failover\n"
               "  --seconds: how long checkout measures each case, --under: what its daemons run "
               "under, for a profile\n"
               "  --rounds: how often failover strikes with each fault; etcd so often if not told "
               "apart\n";
  return 2;
}

int RunBenchmarks(const std::vector<std::string>& arguments) {
  Settings settings;
  std::string out = "bench/out";
  std::vector<std::string> names;
  for (const std::string& argument : arguments) {
    if (argument == "--quick") {
      settings.quick = true;
    } else if (argument.rfind("--out=", 0) == 0) {
      out = argument.substr(strlen("--out="));
    } else if (argument.rfind("--system=", 0) == 0) {
      settings.system = argument.substr(strlen("--system="));
    } else if (argument.rfind("--under=", 0) == 0) {
      settings.under = argument.substr(strlen("--under="));
    } else if (argument.rfind("--what=", 0) == 0) {
      settings.what = argument.substr(strlen("--what="));
    } else if (argument.rfind("--inflight=", 0) == 0) {
      if (!absl::SimpleAtoi(argument.substr(strlen("--inflight=")), &settings.inflight)) {
        return Usage();
      }
    } else if (argument.rfind("--rate=", 0) == 0) {
      if (!absl::SimpleAtoi(argument.substr(strlen("--rate=")), &settings.rate)) return Usage();
    } else if (argument.rfind("--seconds=", 0) == 0) {
      if (!absl::SimpleAtoi(argument.substr(strlen("--seconds=")), &settings.seconds)) {
        return Usage();
      }
    } else if (argument.rfind("--fault=", 0) == 0) {
      settings.fault = argument.substr(strlen("--fault="));
    } else if (argument.rfind("--rounds=", 0) == 0) {
      if (!absl::SimpleAtoi(argument.substr(strlen("--rounds=")), &settings.rounds)) {
        return Usage();
      }
    } else if (argument.rfind("--etcd-rounds=", 0) == 0) {
      if (!absl::SimpleAtoi(argument.substr(strlen("--etcd-rounds=")), &settings.etcd_rounds)) {
        return Usage();
      }
    } else if (Benchmarks().count(argument) > 0) {
      names.push_back(argument);
    } else {
      std::cerr << "bench: no benchmark is named " << argument << "\n";
      return Usage();
    }
  }
  if (settings.quick && !EtcdCluster::IsInstalled()) {
    std::cout << "bench: etcd is left out: it is not installed\n";
    settings.etcd = false;
  }
  if (names.empty()) {
    for (const auto& [name, run] : Benchmarks()) names.push_back(name);
  }
  bool ok = true;
  for (const std::string& name : names) {
    std::cout << "== " << name << " on " << Machine() << "\n";
    Report report(name);
    const bool ran = Benchmarks().at(name)(settings, report);
    ok = report.Write(out) && ran && ok;
  }
  return ok ? 0 : 1;
}

int Main(const std::vector<std::string>& arguments) {
  const std::string verb = arguments.empty() ? "" : arguments[0];
  if (verb == "serve-empty" && arguments.size() == 2) return ServeEmpty(arguments[1]);
  if (verb == "serve-chain-follower" && arguments.size() == 3) {
    return ServeChainFollower(arguments[1], arguments[2]);
  }
  if (verb == "serve-chain-head" && arguments.size() == 5) {
    return ServeChainHead(arguments[1], arguments[2], arguments[3], arguments[4]);
  }
  return RunBenchmarks(arguments);
}

}  // namespace
}  // namespace triad::bench

int main(int argc, char** argv) {
  // As in triadd: Debian's Abseil looks for deadlocks at each lock, at a cost that grows with the
  // number of locks, and gRPC has some for every connection. For the load of all systems, and in
  // the floors.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // On a disk, which the tests' harness would avoid: what a sync costs is what is measured.
  setenv("TMPDIR", "/var/tmp", /*overwrite=*/0);
  return triad::bench::Main({argv + 1, argv + argc});
}
