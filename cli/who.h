// `triad who`: who holds what, and what is set aside for whom; `triad queue`: who waits.
#pragma once

#include <string>
#include <vector>

#include "triad/v1/admin.pb.h"

namespace triad::cli {

// Only of these features; empty: of all.
std::string WhoText(const v1::Usage& usage, const std::vector<std::string>& features);
std::string WhoJson(const v1::Usage& usage, const std::vector<std::string>& features);
std::string QueueText(const v1::Usage& usage, const std::vector<std::string>& features);
std::string QueueJson(const v1::Usage& usage, const std::vector<std::string>& features);

int WhoVerb(const std::vector<std::string>& arguments);
int QueueVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
