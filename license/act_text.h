// An administrator's command in words, as usage records, debug logs and the journal have it:
// "remove f ann pc1 :0". Pure. Thread-safe.
#pragma once

#include <string>

#include "triad/v1/command.pb.h"

namespace triad::license {

// Names stand as they were given: whoever writes a line of them takes care of odd bytes.
std::string ActText(const v1::AdminCommand& admin);

}  // namespace triad::license
