// `triad run -f FEATURE -- COMMAND`: COMMAND runs while the licenses are held.
#pragma once

#include <string>
#include <vector>

#include "cli/signals.h"

namespace triad::cli {

// What RunCommand is to do when it is woken (a license was lost).
enum class OnLost { kContinue, kStop };

// Starts `command` (found by PATH) and waits for its end. Signals that `signals` waits for are
// passed on to it, unless the terminal sent them to it too. Returns its exit status, 128 + the
// signal that ended it, or 126 or 127 as env(1).
int RunCommand(const std::vector<std::string>& command, OnLost on_lost, SignalWaiter* signals);

int RunVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
