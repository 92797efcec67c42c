// Whole files in and out. I/O only.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::cli {

// Errors name the file and what the system said.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// Of a file that is not there yet; never follows or replaces one that is (keys!). ALREADY_EXISTS.
absl::Status WriteNewFile(const std::string& path, absl::string_view bytes, mode_t mode);
// Replaces in one step: nobody ever reads half of it, and after an error the old file stands.
absl::Status ReplaceFile(const std::string& path, absl::string_view bytes);
absl::Status MakeDirectory(const std::string& path);  // one level; success if it is there
// Files of `directory` that end in `suffix`, sorted.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory,
                                                   absl::string_view suffix);

}  // namespace triad::cli
