// The simulator within the tests: every seed that ever found something, a few hundred fresh ones,
// and that a seed is one run and no other.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "tests/simulation/run.h"

namespace triad::simulation {
namespace {

constexpr uint64_t kFreshSeeds = 300;

void ExpectClean(uint64_t seed, const std::string& note) {
  const RunResult result = RunSeed(seed);
  std::string last;
  for (const std::string& line : result.last) last += "  " + line + "\n";
  EXPECT_TRUE(result.ok) << "seed " << seed << ": " << result.failure << note
                         << "\nplan: " << result.plan << "\n"
                         << last << "again: ./dev sim --seed " << seed;
}

uint64_t FirstFreshSeed() {
  const char* base = std::getenv("TRIAD_SEED_BASE");
  return base == nullptr ? 1'000'000 : std::strtoull(base, nullptr, 10);
}

TEST(SimulationTest, SeedsThatFoundSomethingStayClean) {
  ReportAborts();
  std::ifstream file(TRIAD_SEEDS);
  ASSERT_TRUE(file.good()) << TRIAD_SEEDS;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    uint64_t seed = 0;
    if (words >> seed) ExpectClean(seed, " (" + line + ")");
  }
}

TEST(SimulationTest, FreshSeedsAreClean) {
  ReportAborts();
  const uint64_t first = FirstFreshSeed();
  std::printf("seeds %llu..%llu (TRIAD_SEED_BASE)\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + kFreshSeeds - 1));
  for (uint64_t seed = first; seed < first + kFreshSeeds; ++seed) ExpectClean(seed, "");
}

TEST(SimulationTest, TheSameSeedIsTheSameRun) {
  for (const uint64_t seed : {7, 8, 9}) {
    const RunResult one = RunSeed(seed);
    const RunResult two = RunSeed(seed);
    EXPECT_EQ(one.hash, two.hash) << "seed " << seed;
    EXPECT_EQ(one.events, two.events);
  }
  EXPECT_NE(RunSeed(7).hash, RunSeed(8).hash);
}

// One run's hash is written down, so that another compiler, or library, that runs a seed otherwise
// is found out. Whatever changes what nodes do changes it too: then write it anew, in the same
// commit.
TEST(SimulationTest, TheRecordedRunIsTheSameWithEveryCompiler) {
  std::ifstream file(TRIAD_TRACE);
  uint64_t seed = 0;
  uint64_t hash = 0;
  ASSERT_TRUE(file >> std::dec >> seed >> std::hex >> hash) << TRIAD_TRACE;
  file.close();
  const uint64_t now = RunSeed(seed).hash;
  if (std::getenv("TRIAD_REWRITE") != nullptr) {
    std::ofstream(TRIAD_TRACE) << std::dec << seed << " " << std::hex << now << "\n";
    return;
  }
  if (hash == 0) GTEST_SKIP() << "none is written down yet: TRIAD_REWRITE=1 does it";
  EXPECT_EQ(now, hash) << "seed " << seed << " runs otherwise than is written down. If nodes were "
                       << "meant to behave otherwise: TRIAD_REWRITE=1 build/tests/simulation_test "
                       << "--gtest_filter='*Recorded*'; if nothing was: the simulator is not "
                       << "deterministic, or the two compilers' code is not the same";
}

}  // namespace
}  // namespace triad::simulation
