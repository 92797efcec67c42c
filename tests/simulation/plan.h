// What one seed runs: which faults, how often, how large everything is.
//
// Drawn whole from the seed before the run, so that a run can be repeated with parts of it switched
// off. Swarm testing: each seed has its own mix; a fifth has no faults at all.
#pragma once

#include <cstdint>
#include <string>

#include "license/ledger.h"
#include "server/limits.h"
#include "tests/simulation/random.h"

namespace triad::simulation {

// Kinds of faults that somebody starts at some time. Mean time between two of a kind; 0: never.
struct FaultRates {
  int64_t crash_us = 0;
  int64_t power_us = 0;
  int64_t pause_us = 0;
  int64_t cut_us = 0;
  int64_t isolate_us = 0;  // a node alone with its clients, for about a time to live
  int64_t reset_us = 0;
  int64_t stuck_us = 0;
  int64_t disk_error_us = 0;
  int64_t disk_full_us = 0;
  int64_t clock_us = 0;
  int64_t slow_us = 0;
  int64_t stop_us = 0;
  int64_t transfer_us = 0;
  int64_t client_pause_us = 0;
  int64_t client_cut_us = 0;  // a node closes a client's connection
  int64_t upgrade_us = 0;     // a node is stopped and started with the newest program
  int64_t install_us = 0;     // the licenses change
  int64_t damage_us = 0;      // of a disk: bits, sectors, the ledger, all of it
  int64_t loss_us = 0;        // two nodes are lost for good, and the third goes on alone: once
};

struct Plan {
  static Plan Draw(uint64_t seed);
  std::string Describe() const;

  bool calm = false;  // no faults
  int nodes = 3;
  int64_t safety_us = 0;  // how long faults happen
  FaultRates rates;

  // Streams: latency low..high, and messages that violate what streams promise (the quorum log must
  // bear it).
  int64_t latency_low_us = 50;
  int64_t latency_high_us = 500;
  uint64_t lost_ppm = 0;
  uint64_t twice_ppm = 0;
  uint64_t late_ppm = 0;

  int64_t sync_low_us = 50;
  int64_t sync_high_us = 2'000;
  int64_t turn_low_us = 10;
  int64_t turn_high_us = 100;
  int64_t drift_ppm = 0;  // the most that a clock runs wrong

  // Of the log behind what is applied; small, so that it is compacted and snapshots are fetched.
  uint64_t log_keep_entries = 50;
  uint64_t log_keep_bytes = 1u << 20;
  size_t chunk_bytes = 1'000;  // of a snapshot
  // See Node::Config; in most runs, as in the product, far above what comes at a time.
  size_t apply_at_once = server::kApplyAtOnceMax;
  size_t usage_hold_bytes = server::kUsageHoldBytes;
  uint64_t spoil_ppm = 0;  // of chunks that arrive changed
  int64_t disk_floor_bytes = 1 << 20;
  uint32_t version = license::kCommandVersion;  // of the nodes' programs at first
  uint64_t segment_bytes = 16 << 10;
  uint32_t ttl_ms = 6'000;
  uint32_t reset_grace_ms = 2'000;
  size_t sessions_max = 8;
  int machines = 3;
  int apps = 6;
  int64_t think_us = 400'000;     // mean pause between two requests of an application
  uint64_t kill_permille = 0;     // of an application's actions: it dies
  uint64_t close_permille = 20;   // ... it says goodbye
  int64_t read_us = 0;            // mean pause between two status reads
  bool own_keys_differ = false;   // each node has other vendor keys in its own files
  bool check_signatures = false;  // clients check the lines behind grants
  // Applications wait in queues, give up waiting, and resize what they hold. The model judges who
  // was served and who was not; the history of the clients, which knows no queues, is not judged.
  bool queues = false;
};

}  // namespace triad::simulation
