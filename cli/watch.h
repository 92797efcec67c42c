// `--watch[=SECONDS]`: a verb that looks is run again and again, until it is interrupted.
#pragma once

#include <functional>

#include "cli/args.h"

namespace triad::cli {

// For the tables of verbs that take it.
Flag WatchFlag();
// Runs `once`, and with --watch again and again: on a terminal the screen is cleared before each,
// elsewhere they follow each other. Ends when stdout is gone. The exit status is the last run's.
int RunOrWatch(const Args& args, const std::function<int()>& once);

}  // namespace triad::cli
