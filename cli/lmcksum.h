// `lmcksum`: compares each license line's `ck=` with the line (flexnet-facts 3.4).
//
// The rendering is pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::cli {

// One line per license line: OK, BAD, or why it was not compared. `bad` becomes true if one is BAD;
// else stays.
std::string LmcksumText(absl::string_view path, absl::string_view bytes, bool* bad);
std::string LmcksumHelp();

int LmcksumVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
