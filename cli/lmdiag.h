// `lmdiag`: says of each license whether a checkout would work here and now, and why not, by trying
// it; and of each server whether it can be reached.
#pragma once

#include <string>
#include <vector>

#include "triad/client.h"
#include "triad/v1/admin.pb.h"

namespace triad::cli {

// One license, what a checkout of it came to, and who says so.
std::string DiagnosedPool(const v1::Feature& feature, const v1::Pool& pool,
                          const std::string& server, const Status& tried);

int LmdiagVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
