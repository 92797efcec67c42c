// `triad features`: what is licensed and how much of it is in use. The renderings are pure.
#pragma once

#include <string>
#include <vector>

#include "triad/v1/admin.pb.h"

namespace triad::cli {

std::string FeaturesText(const v1::Usage& usage);
std::string FeaturesJson(const v1::Usage& usage);

int FeaturesVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
