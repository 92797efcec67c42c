// The exit statuses of `triad` (interface.md, "triad, the tool"). Constants only.
#pragma once

namespace triad::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitNo = 1;           // the licensing answer was no; a file is not good
inline constexpr int kExitUsage = 2;        // wrong usage
inline constexpr int kExitUnreachable = 3;  // cluster not reachable, or no quorum

// `triad run`: COMMAND's own status, else these, as env(1) and timeout(1) have them.
inline constexpr int kExitRunDenied = 124;
inline constexpr int kExitRunFailed = 125;
inline constexpr int kExitRunCannotExecute = 126;
inline constexpr int kExitRunNotFound = 127;

// `triad status --check`, as monitoring plugins have them.
inline constexpr int kCheckOk = 0;
inline constexpr int kCheckWarning = 1;   // cannot lose any
inline constexpr int kCheckCritical = 2;  // no quorum
inline constexpr int kCheckUnknown = 3;

}  // namespace triad::cli
