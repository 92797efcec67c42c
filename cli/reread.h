// `triad reread`: what other license and options files would change, who would be affected, and
// then the change, on all nodes at once.
#pragma once

#include <string>
#include <vector>

#include "triad/v1/admin.pb.h"

namespace triad::cli {

// For people: the pools that differ, who holds more than would be left, complaints about the files,
// and what was done.
std::string RereadText(const v1::RereadResponse& response, bool dry_run);
std::string RereadJson(const v1::RereadResponse& response, bool dry_run);

int RereadVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
