// Where a tool's words go: stdout for results, stderr for refusals. I/O only.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace triad::cli {

// Whole at once and flushed: what is printed before a long hold must be seen before it.
void ToStdout(absl::string_view text);
void ToStderr(absl::string_view text);
// "triad: LINE\n" on stderr.
void Complain(absl::string_view line);

// One line, and where to read on. Returns kExitUsage.
int RefuseUsage(absl::string_view verb, const absl::Status& status);
// No answer was reached: the line, and {"error":...,"certain":...} if `json`. Returns
// kExitUnreachable.
int RefuseUnreachable(absl::string_view line, bool certain, bool json);
// An administrator's change came to nothing, or perhaps not: the line, with which of both, and JSON
// as above. Returns kExitUnreachable when no answer was reached, else kExitNo.
int RefuseAct(absl::string_view verb, const absl::Status& status, bool json);
// FindTheClusters failed. Returns kExitUsage for want of --insecure, else kExitUnreachable.
int RefuseSearchPath(const absl::Status& status, bool json);

// stdout could be written to the end: false at a full disk or a closed pipe.
bool StdoutIsGood();

}  // namespace triad::cli
