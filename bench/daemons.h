// What daemons cost: processor time and memory, as /proc tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "tests/integration/cluster.h"

namespace triad::bench {

int64_t CpuUs(pid_t pid);  // user and system, since its start
int64_t ResidentBytes(pid_t pid);

// Sums over the nodes of a cluster that run.
int64_t CpuUs(integration::Cluster& cluster);
// Of the largest.
int64_t ResidentBytes(integration::Cluster& cluster);

// "host:port" of every node, the leader's first.
std::vector<std::string> AddressesLeaderFirst(integration::Cluster& cluster);

}  // namespace triad::bench
