// `triadd recover --accept-loss`: the one node that is left of three goes on alone, as a new
// cluster that the others join (quorum-notes B.9; design 4, "Identity").
//
// What the other two agreed on without this node is lost, so the new cluster grants nothing new for
// one full time to live (v1::Recovered), and the old incarnations of the others, were they to come
// back, are of another cluster. What this node has in its log counts as agreed, known to be so or
// not: somebody may have been told of it.
//
// Offline: the caller holds the directory's lock and no daemon runs on it. Changes the disk in an
// order that a crash at any point survives: while the file `recovering` is there, no daemon starts
// on the directory, and running it again goes on where it stopped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/license_file.h"
#include "server/data_directory.h"
#include "server/environment.h"

namespace triad::server {

// How the node goes on.
struct RecoverAs {
  uint32_t session_ttl_ms = 0;  // the least time for which nothing new is granted
  // What its machine shows. Where that is not what its SERVER line says, the members' record says
  // so: it goes on on a waiver.
  std::string host_id;
  bool host_id_matches = true;
  std::string how;  // v1::Recovered::how
  // The machine's date and time: what is recorded is of now, not of the last entry. 0: not said.
  int64_t wall_ms = 0;
  int32_t utc_offset_s = 0;
};

struct RecoveryOutlook {
  int slot = 0;
  bool was_voter = false;   // by the newest members in its log
  uint64_t last_index = 0;  // the end of its log
  uint64_t last_term = 0;
  uint64_t uncertain = 0;  // entries above what it knows to be agreed
  // With all of the log applied:
  size_t sessions = 0;
  size_t checkouts = 0;
  std::vector<license::ServerLine> servers;  // of the license set in force
  uint32_t hold_ms = 0;                      // nothing new is granted for so long

  // What may be lost and what to do then, for people; lines.
  std::string Explain() const;
};

// What recovering this node would mean. Does no more to the disk than a start of the daemon does.
// FAILED_PRECONDITION, one line: there is nothing to go on with here.
absl::StatusOr<RecoveryOutlook> LookBeforeRecover(const DataPlace& place, uint32_t session_ttl_ms,
                                                  Logger* logger);

// Does it. The new cluster has this node as its only voter; the identity is the new one's.
absl::StatusOr<storage::Identity> Recover(const DataPlace& place, const RecoverAs& as,
                                          Random* random, Logger* logger);

}  // namespace triad::server
