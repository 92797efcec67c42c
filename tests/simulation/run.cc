#include "tests/simulation/run.h"

#include <csignal>
#include <cstdio>

#include "tests/simulation/cluster.h"

namespace triad::simulation {
namespace {

const Trace* running_trace = nullptr;
uint64_t running_seed = 0;

void OnAbort(int) {
  if (running_trace != nullptr) {
    std::fprintf(stderr, "seed %llu: the product ended itself; last events:\n",
                 static_cast<unsigned long long>(running_seed));
    for (const std::string& line : running_trace->Last()) {
      std::fprintf(stderr, "  %s\n", line.c_str());
    }
    std::fprintf(stderr, "again: ./dev sim --seed %llu\n",
                 static_cast<unsigned long long>(running_seed));
  }
  std::signal(SIGABRT, SIG_DFL);
  std::raise(SIGABRT);
}

}  // namespace

void ReportAborts() {
  std::signal(SIGABRT, OnAbort);
}

RunResult RunSeed(uint64_t seed, const std::function<void(const std::string&)>& print) {
  RunResult result;
  const Plan plan = Plan::Draw(seed);
  result.plan = plan.Describe();
  Cluster cluster(seed, plan);
  World& world = cluster.world();
  if (print) world.trace.set_printer(print);
  running_trace = &world.trace;
  running_seed = seed;
  result.ok = cluster.Run();
  running_trace = nullptr;
  result.failure = world.failure();
  if (!result.ok) {
    result.last = world.trace.Last();
    for (std::string& line : cluster.Describe()) result.last.push_back(std::move(line));
  }
  result.hash = world.trace.hash();
  result.events = world.events();
  result.checked = cluster.checks().checked();
  result.committed = cluster.checks().committed();
  result.simulated_us = world.now_us();
  result.counters = world.counters;
  return result;
}

}  // namespace triad::simulation
