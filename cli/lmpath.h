// `lmpath`: which license servers this user's applications ask, kept in $HOME/.flexlmrc.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::cli {

enum class PathChange { kAdd, kOverride };

// The text of .flexlmrc after the change. `who` is a vendor, or "all" for LM_LICENSE_FILE. kAdd
// puts `list` before what is there; kOverride with an empty list takes the line out.
std::string ChangedPaths(absl::string_view text, PathChange change, absl::string_view who,
                         absl::string_view list);
// What -status prints of such a text.
std::string PathsStatus(absl::string_view text);

int LmpathVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
