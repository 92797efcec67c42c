// The floors that a replicated license server stands on, each a process of this program: an empty
// call over gRPC, and the bare chain (three processes, the same streams as Triad's, one synced
// batch on each, and no logic: no terms, no ledger, no sessions, no recovery).
//
// What they are not: correct. They show what the machine and gRPC cost, nothing can be trusted to
// them.
#pragma once

#include <string>

namespace triad::bench {

// Answers every message of a LicenseService.Connect stream at once. Runs until killed.
int ServeEmpty(const std::string& address);

// One of the chain's followers: every batch is written to `file`, synced, and acknowledged.
int ServeChainFollower(const std::string& address, const std::string& file);

// The chain's head: takes what clients have sent, as one batch, writes and syncs it while the
// followers do, and answers each message when it and one follower have it.
int ServeChainHead(const std::string& address, const std::string& file, const std::string& first,
                   const std::string& second);

}  // namespace triad::bench
