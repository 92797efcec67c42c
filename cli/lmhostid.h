// `lmhostid`: the host ids of this machine, as FlexNet's tool prints them (flexnet-facts 3.4), and
// UUID=, a host id of our own for machines whose network cards come and go.
//
// The rendering is pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace triad::cli {

// What this machine can show of itself.
struct HostIdSources {
  std::vector<std::string> ethers;
  std::vector<std::string> addresses_v4;
  std::vector<std::string> addresses_v6;
  std::string user;
  std::string display;
  std::string hostname;
  std::string host_domain;  // fully qualified
  std::string long_id;      // 8 hex digits
  std::string uuid;         // "": no machine id
};

// What `lmhostid ARGUMENTS` prints behind its first line. INVALID_ARGUMENT: wrong usage.
absl::StatusOr<std::string> LmhostidText(const std::vector<std::string>& arguments,
                                         const HostIdSources& machine);
std::string LmhostidHelp();

int LmhostidVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
