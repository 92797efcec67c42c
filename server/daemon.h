// triadd's two verbs: `init` makes a node's identity, and without a verb the node serves.
#pragma once

#include "server/environment.h"
#include "server/flags.h"

namespace triad::server {

inline constexpr int kExitStopped = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

// Both return the process's exit status, having said why on the log.
int RunInit(const Flags& flags, Logger* logger);
int RunDaemon(const Flags& flags, Logger* logger);

}  // namespace triad::server
