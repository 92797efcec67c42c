// `lmver FILE`: which version of the licensing a program was built with.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::cli {

// The first version text in a program's bytes: ours ("Triad v0.1.0") or FlexNet's ("FlexNet
// Licensing v11.16.2", "FLEXlm v9.5"); "": there is none.
std::string VersionIn(absl::string_view bytes);

int LmverVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
