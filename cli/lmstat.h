// `lmstat`: what FlexNet's tool of this name prints, laid out byte by byte as flexnet-facts 3.3
// says, because scripts read it. Only the first line is our own.
//
// Renderings are pure: they take what the nodes said and the time, and return text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/lm_tools.h"
#include "cli/servers.h"
#include "license/license_file.h"
#include "triad/v1/admin.pb.h"

namespace triad::cli {

// What to show of one cluster.
struct LmstatChoice {
  bool servers = true;                 // "License server status"
  bool vendors = true;                 // "Vendor daemon status"
  bool features = false;               // -a, -A, -f, -S
  bool in_use_only = false;            // -A
  bool users = true;                   // not --no-user-info
  std::optional<std::string> feature;  // -f NAME
  std::optional<std::string> vendor;   // -S NAME
  std::optional<std::string> server;   // -s HOST
  bool seconds = false;                // -asec: times with seconds
  bool projects = false;               // -proj: LM_PROJECT behind each use
  bool processes = false;              // -pid: the process behind each use
};

// "Flexible License Manager status on Fri 10/20/2017 17:02", after our own first line.
std::string LmstatHeader(int64_t wall_ms, int32_t utc_offset_s);

// One cluster: its servers, its vendors, their features. `usage` is not looked at where no node
// has a quorum. `exit` becomes FlexNet's error number (-15, -97, -5), 0 if there is none.
std::string LmstatCluster(const std::vector<NodeAnswer>& nodes,
                          const absl::StatusOr<v1::Usage>& usage, const LmstatChoice& choice,
                          int* error);

// -i: the table of what license files say. `feature` "": all.
std::string LmstatFileTable(const std::vector<license::LicenseFile>& files,
                            absl::string_view feature);

std::string LmstatHelp();

// A user, a host, a display as lmstat shows it, and as lmremove takes it: "-" for one without a
// name, '?' for what would break the line.
std::string LmShown(absl::string_view name);

// `lmstat ARGUMENTS`. The exit status is FlexNet's error number as a shell sees it: -15 is 241.
int LmstatVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
