// `triad transfer-lead [--to=K]`: hands the lead to another node, before work on a host.
#pragma once

#include <string>
#include <vector>

namespace triad::cli {

// Ends when another node leads.
int TransferLeadVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
