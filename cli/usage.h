// `triad usage`: the usage records of a span of time, from any node, for people, spreadsheets and
// programs; and whether their chain is whole.
#pragma once

#include <string>
#include <vector>

#include "triad/v1/usage.pb.h"

namespace triad::cli {

// One line for people: "2026-06-15 14:00:00  checked out  tserver 3  ann@pc1  ...".
std::string UsageLine(const v1::UsageRecord& record);

int UsageVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
