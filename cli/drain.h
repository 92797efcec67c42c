// `triad drain`: before maintenance, a node hands over the lead and sends its clients to others.
#pragma once

#include <string>
#include <vector>

namespace triad::cli {

int DrainVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
