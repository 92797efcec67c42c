// `triad denials`: who was told no, why, and who had the licenses then. Out of the usage records.
#pragma once

#include <string>
#include <vector>

#include "triad/v1/usage.pb.h"

namespace triad::cli {

std::string DenialsText(const std::vector<v1::UsageRecord>& denials);
std::string DenialsJson(const std::vector<v1::UsageRecord>& denials);

int DenialsVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
