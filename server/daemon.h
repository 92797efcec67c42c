// triadd's verbs: `init` makes a node's identity, `rejoin` a new one for a node that has lost its
// disk, `recover` a new cluster of the last node; without a verb the node serves.
#pragma once

#include "server/environment.h"
#include "server/flags.h"

namespace triad::server {

inline constexpr int kExitStopped = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

// All return the process's exit status, having said why on the log.
int RunInit(const Flags& flags, Logger* logger);
int RunRejoin(const Flags& flags, Logger* logger);
int RunRecover(const Flags& flags, Logger* logger);
int RunRestore(const Flags& flags, Logger* logger);
int RunDaemon(const Flags& flags, Logger* logger);

}  // namespace triad::server
