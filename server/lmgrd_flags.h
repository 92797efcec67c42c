// FlexNet's command line for its license server, read as ours: `lmgrd -c license.dat -l +debug.log`
// (flexnet-facts 3.1). Under the name lmgrd the daemon takes these flags and no others.
//
// Pure; what it needs of the environment is handed in. Thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/flags.h"

namespace triad::server {

struct LmgrdFlags {
  Flags flags;
  bool foreground = false;  // -z
  bool help = false;
  bool version = false;
  // What was given and means nothing here: one line for the log; "": nothing was.
  std::string ignored;
};

// `environment` gives a variable's value: LM_LICENSE_FILE where there is no -c, TRIAD_DATA_DIR,
// TRIAD_ADMIN_SOCKET, TRIAD_VENDOR_KEYS. INVALID_ARGUMENT: wrong usage, one line.
absl::StatusOr<LmgrdFlags> ParseLmgrdFlags(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& environment);

std::string LmgrdHelp();

// The one command that makes a node of this host, for whoever starts it without.
std::string InitCommand(const Flags& flags);

}  // namespace triad::server
