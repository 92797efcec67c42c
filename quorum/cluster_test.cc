// Random runs of whole clusters. A failure prints its seed and the last events; to see one again:
//   quorum_cluster_test --gtest_filter='*Seeds*' with TRIAD_SEED=<seed>
#include "quorum/test_cluster.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "gtest/gtest.h"

namespace triad::quorum {
namespace {

constexpr uint64_t kSeeds = 300;
constexpr uint64_t kTicks = 3000;

// A CHECK in the core ends the process: then this is what says how to see it again.
volatile uint64_t seed_running = 0;
void OnAbort(int) {
  std::fprintf(stderr, "aborted in seed TRIAD_SEED=%llu\n",
               static_cast<unsigned long long>(seed_running));
}

// Runs one seed; again with a trace if it fails.
Coverage RunSeed(uint64_t seed, size_t nodes) {
  seed_running = seed;
  std::signal(SIGABRT, OnAbort);
  const Faults faults = Faults::FromSeed(seed);
  for (const bool traced : {false, true}) {
    TestCluster cluster(seed, nodes, faults);
    if (traced) cluster.KeepTrace();
    cluster.Run(kTicks);
    cluster.HealAndConverge();
    if (cluster.failure().empty()) return cluster.coverage();
    if (traced) {
      ADD_FAILURE() << "seed " << seed << ", " << nodes << " nodes: " << cluster.failure() << "\n"
                    << cluster.Trace();
    }
  }
  return {};
}

TEST(Cluster, SafetyHoldsAndProgressResumesOverRandomSeeds) {
  uint64_t first = 1;
  uint64_t count = kSeeds;
  if (const char* seed = std::getenv("TRIAD_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    count = 1;
  }
  if (const char* seeds = std::getenv("TRIAD_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  Coverage coverage;
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    coverage.Add(RunSeed(seed, 3));
  }
  RecordProperty("elections", static_cast<int>(coverage.elections));
  RecordProperty("applied", static_cast<int>(coverage.applied));
  if (count < kSeeds || HasFailure()) return;
  EXPECT_GT(coverage.elections, kSeeds);
  EXPECT_GT(coverage.truncations, 0u);
  EXPECT_GT(coverage.applied, kSeeds * 100);
  EXPECT_GT(coverage.crashes, 0u);
  EXPECT_GT(coverage.lost_writes, 0u);
  EXPECT_GT(coverage.reads_confirmed, kSeeds);
  EXPECT_GT(coverage.reads_lost, 0u);
  EXPECT_GT(coverage.transfers, 0u);
  EXPECT_GT(coverage.stand_downs, 0u);
  EXPECT_GT(coverage.votes_refused, 0u);
  EXPECT_GT(coverage.appends_refused, 0u);
  EXPECT_GT(coverage.compactions, 0u);
  EXPECT_GT(coverage.snapshots, 0u);
  EXPECT_GT(coverage.snapshots_over_entries, 0u);
  EXPECT_GT(coverage.ledgers_missing, 0u);
  EXPECT_GT(coverage.adopted_at_start, 0u);
  EXPECT_GT(coverage.wipes, 0u);
  EXPECT_GT(coverage.admissions, 0u);
  EXPECT_GT(coverage.promotions, 0u);
  EXPECT_GT(coverage.members_cut, 0u);
  EXPECT_GT(coverage.strangers, 0u);
  EXPECT_GT(coverage.leaders_stuck, 0u);
  EXPECT_GT(coverage.torn_writes, 0u);
}

TEST(Cluster, OneNodeAloneKeepsItsPromisesOverRandomSeeds) {
  Coverage coverage;
  for (uint64_t seed = 1; seed <= 50 && !HasFailure(); ++seed) coverage.Add(RunSeed(seed, 1));
  EXPECT_GT(coverage.applied, 1000u);
  EXPECT_GT(coverage.crashes, 0u);
}

TEST(Cluster, TheSameSeedGivesTheSameHistory) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    uint64_t hashes[2] = {};
    for (uint64_t& hash : hashes) {
      TestCluster cluster(seed, 3, Faults::FromSeed(seed));
      cluster.Run(kTicks);
      hash = cluster.trace_hash();
    }
    EXPECT_EQ(hashes[0], hashes[1]) << "seed " << seed;
    EXPECT_NE(hashes[0], 0u);
  }
}

// --- Scenarios

// The ticks without a leader after `hurt`, sorted, over many seeds.
template <typename Hurt>
std::vector<uint64_t> Gaps(Hurt hurt) {
  std::vector<uint64_t> gaps;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    TestCluster cluster(seed, 3, Faults());
    cluster.Run(200);
    const Slot leader = cluster.ConfirmedLeader();
    EXPECT_NE(leader, Slot::kNone) << "seed " << seed;
    if (leader == Slot::kNone) break;
    hurt(cluster, leader);
    gaps.push_back(cluster.RunUntilLed(leader, 1000));
    EXPECT_EQ(cluster.failure(), "") << "seed " << seed;
  }
  std::sort(gaps.begin(), gaps.end());
  return gaps;
}

Slot Other(Slot slot, int step) {
  return static_cast<Slot>((ToInt(slot) - 1 + step) % 3 + 1);
}

// design: a broken stream ends the lease; the survivors stagger by tens of ms (a tick is 10 ms).
TEST(Scenario, ALeaderWhoseStreamsBreakIsReplacedInTensOfMilliseconds) {
  const auto gaps = Gaps([](TestCluster& cluster, Slot leader) { cluster.Kill(leader, true); });
  EXPECT_LE(gaps[gaps.size() / 2], 10u);
  EXPECT_LE(gaps[gaps.size() * 95 / 100], 20u);
  EXPECT_LE(gaps.back(), 60u);
}

// design: silence is noticed in 300 to 600 ms.
TEST(Scenario, ALeaderThatVanishesIsReplacedAfterItsSilence) {
  const auto gaps = Gaps([](TestCluster& cluster, Slot leader) { cluster.Kill(leader, false); });
  EXPECT_GE(gaps.front(), 24u) << "not before the shortest timeout less a heartbeat";
  EXPECT_LE(gaps[gaps.size() / 2], 60u);
  EXPECT_LE(gaps.back(), 100u);
}

// The livelock of Cloudflare's etcd in 2020: a leader that is heard but hears nobody.
TEST(Scenario, ALeaderThatHearsNobodyIsReplaced) {
  const auto gaps = Gaps([](TestCluster& cluster, Slot leader) {
    cluster.Cut(Other(leader, 1), leader);
    cluster.Cut(Other(leader, 2), leader);
  });
  EXPECT_LE(gaps.back(), 200u);
}

TEST(Scenario, ALeaderThatNobodyHearsIsReplaced) {
  const auto gaps = Gaps([](TestCluster& cluster, Slot leader) {
    cluster.Cut(leader, Other(leader, 1));
    cluster.Cut(leader, Other(leader, 2));
  });
  EXPECT_LE(gaps.back(), 100u);
}

TEST(Scenario, APartialPartitionDoesNotMoveTheLead) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    TestCluster cluster(seed, 3, Faults());
    cluster.Run(200);
    const Slot leader = cluster.ConfirmedLeader();
    const Slot cut_off = Other(leader, 1 + static_cast<int>(seed % 2));
    cluster.Cut(leader, cut_off);
    cluster.Cut(cut_off, leader);
    const Index before = cluster.core(leader).commit_index();
    const uint64_t elections = cluster.coverage().elections;
    cluster.Run(3000);
    EXPECT_EQ(cluster.coverage().elections, elections) << "seed " << seed;
    EXPECT_GT(cluster.core(leader).commit_index(), before + 1000);
    cluster.HealAndConverge();
    EXPECT_EQ(cluster.failure(), "") << "seed " << seed;
  }
}

TEST(Scenario, AFollowerThatWasCutOffForLongComesBackWithoutAnElection) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    TestCluster cluster(seed, 3, Faults());
    cluster.Run(200);
    const Slot leader = cluster.ConfirmedLeader();
    const Slot lonely = Other(leader, 1);
    for (const Slot other : {leader, Other(leader, 2)}) {
      cluster.Cut(lonely, other);
      cluster.Cut(other, lonely);
    }
    const Term term = cluster.core(leader).term();
    cluster.Run(2000);
    cluster.HealAndConverge();
    EXPECT_EQ(cluster.failure(), "") << "seed " << seed;
    EXPECT_EQ(cluster.core(leader).term(), term) << "seed " << seed;
  }
}

}  // namespace
}  // namespace triad::quorum
