// ./dev sim: runs the simulator over many seeds on all cores, or shows one.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/simulation/run.h"

namespace triad::simulation {
namespace {

struct Options {
  uint64_t first = 1;
  uint64_t seeds = 100;
  bool one = false;
  bool trace = false;
  int jobs = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
};

// What a process hands to the one that started it.
struct Sum {
  uint64_t seeds = 0;
  uint64_t failed = 0;
  uint64_t events = 0;
  uint64_t checked = 0;
  uint64_t committed = 0;
  int64_t simulated_us = 0;
  double cpu_s = 0;
  Counters counters;

  void Add(const Sum& other) {
    seeds += other.seeds;
    failed += other.failed;
    events += other.events;
    checked += other.checked;
    committed += other.committed;
    simulated_us += other.simulated_us;
    cpu_s += other.cpu_s;
    counters.Add(other.counters);
  }
};

int Usage() {
  std::fprintf(stderr,
               "usage: simulate [--seeds N] [--first SEED] [--jobs N] | --seed SEED [--trace]\n");
  return 2;
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--trace") {
      options->trace = true;
      continue;
    }
    if (i + 1 == argc) return false;
    char* end = nullptr;
    const uint64_t value = std::strtoull(argv[++i], &end, 10);
    if (*end != '\0') return false;
    if (name == "--seeds") {
      options->seeds = value;
    } else if (name == "--first") {
      options->first = value;
    } else if (name == "--jobs") {
      options->jobs = static_cast<int>(value);
    } else if (name == "--seed") {
      options->first = value;
      options->seeds = 1;
      options->one = true;
    } else {
      return false;
    }
  }
  return options->jobs > 0;
}

void Report(uint64_t seed, const RunResult& result) {
  std::string text = "seed " + std::to_string(seed) + " FAILED: " + result.failure +
                     "\n  plan: " + result.plan + "\n  last events:\n";
  for (const std::string& line : result.last) text += "    " + line + "\n";
  text += "  again: ./dev sim --seed " + std::to_string(seed) + "\n";
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

double CpuSeconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

Sum RunShare(const Options& options, uint64_t offset, uint64_t stride) {
  Sum sum;
  ReportAborts();
  const double start = CpuSeconds();
  for (uint64_t i = offset; i < options.seeds; i += stride) {
    const uint64_t seed = options.first + i;
    const RunResult result = RunSeed(seed);
    if (!result.ok) {
      Report(seed, result);
      ++sum.failed;
    }
    ++sum.seeds;
    sum.events += result.events;
    sum.checked += result.checked;
    sum.committed += result.committed;
    sum.simulated_us += result.simulated_us;
    sum.counters.Add(result.counters);
  }
  sum.cpu_s = CpuSeconds() - start;
  return sum;
}

// FALSE: the process ended before it could say anything.
bool ReadSum(int pipe, Sum* sum) {
  size_t read_bytes = 0;
  while (read_bytes < sizeof(Sum)) {
    const ssize_t n =
        read(pipe, reinterpret_cast<char*>(sum) + read_bytes, sizeof(Sum) - read_bytes);
    if (n <= 0) return false;
    read_bytes += static_cast<size_t>(n);
  }
  return true;
}

void PrintCounters(const Sum& sum) {
  for (const bool faults : {true, false}) {
    std::printf("%s:\n", faults ? "faults" : "branches");
    for (const BranchName& name : BranchNames()) {
      if (name.is_fault != faults) continue;
      const uint64_t count = sum.counters.of(name.branch);
      std::printf("  %-36s %12llu%s\n", name.name, static_cast<unsigned long long>(count),
                  count == 0 ? "   NEVER: this run says nothing about it" : "");
    }
  }
}

int RunMany(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::pair<pid_t, int>> children;
  for (int job = 0; job < options.jobs; ++job) {
    int ends[2];
    if (pipe(ends) != 0) return 1;
    const pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      close(ends[0]);
      const Sum sum =
          RunShare(options, static_cast<uint64_t>(job), static_cast<uint64_t>(options.jobs));
      const bool told = write(ends[1], &sum, sizeof(sum)) == sizeof(sum);
      _exit(told && sum.failed == 0 ? 0 : 1);
    }
    close(ends[1]);
    children.emplace_back(child, ends[0]);
  }
  Sum total;
  bool good = true;
  for (const auto& [child, end] : children) {
    Sum sum;
    if (ReadSum(end, &sum)) {
      total.Add(sum);
    } else {
      good = false;
      std::printf("a process ended in the middle; its seed stands above\n");
    }
    close(end);
    int status = 0;
    waitpid(child, &status, 0);
    good = good && status == 0;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  PrintCounters(total);
  std::printf(
      "%llu seeds from %llu, %llu failed: %llu events, %.0f events/s per core, %.0f s simulated, "
      "%llu entries committed, %llu checks, %.1f s on %d cores\n",
      static_cast<unsigned long long>(total.seeds), static_cast<unsigned long long>(options.first),
      static_cast<unsigned long long>(total.failed), static_cast<unsigned long long>(total.events),
      total.cpu_s > 0 ? static_cast<double>(total.events) / total.cpu_s : 0,
      static_cast<double>(total.simulated_us) / 1e6,
      static_cast<unsigned long long>(total.committed),
      static_cast<unsigned long long>(total.checked), seconds, options.jobs);
  return good && total.failed == 0 ? 0 : 1;
}

int RunOne(const Options& options) {
  ReportAborts();
  const auto print = [](const std::string& line) { std::puts(line.c_str()); };
  const RunResult result = options.trace ? RunSeed(options.first, print) : RunSeed(options.first);
  if (!result.ok) Report(options.first, result);
  std::printf("seed %llu: %s, trace %016llx, %llu events, %llu entries; plan: %s\n",
              static_cast<unsigned long long>(options.first), result.ok ? "ok" : "FAILED",
              static_cast<unsigned long long>(result.hash),
              static_cast<unsigned long long>(result.events),
              static_cast<unsigned long long>(result.committed), result.plan.c_str());
  return result.ok ? 0 : 1;
}

int Main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options)) return Usage();
  return options.one ? RunOne(options) : RunMany(options);
}

}  // namespace
}  // namespace triad::simulation

int main(int argc, char** argv) {
  return triad::simulation::Main(argc, argv);
}
