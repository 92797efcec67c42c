// `triad backup FILE` and `triad restore FILE`.
//
// The first writes what a node streams; the second is `triadd restore`, run in this program's
// place: only the daemon knows how a data directory is made.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace triad::cli {

int BackupVerb(const std::vector<std::string>& arguments);
int RestoreVerb(const std::vector<std::string>& arguments);

// The command line of the daemon for `triad restore` with these arguments; for tests. Errors are of
// usage.
absl::StatusOr<std::vector<std::string>> RestoreCommand(const std::string& triadd,
                                                        const std::vector<std::string>& arguments);

}  // namespace triad::cli
