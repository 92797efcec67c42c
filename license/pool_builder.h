// Entries in grant order -> pools: which lines count together, and what they give on which day.
//
// Pure and deterministic.
#pragma once

#include <vector>

#include "license/catalog.h"
#include "license/line_effects.h"

namespace triad::license {

std::vector<Pool> BuildPools(const std::vector<Entry>& entries);

}  // namespace triad::license
