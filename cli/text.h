// Small helpers for what people read: tables, and names that cannot break a line. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::cli {

enum class Align { kLeft, kRight };

// Columns as wide as their widest cell, two blanks apart, no blanks at the end of a line. The first
// row is the heading. Width is counted in bytes.
std::string Table(const std::vector<Align>& columns,
                  const std::vector<std::vector<std::string>>& rows);

// Control characters as '?': what a client called itself must not move a terminal's cursor or
// begin a line that a script reads.
std::string Printable(absl::string_view text);

// "1 node", "2 nodes".
std::string Counted(size_t count, absl::string_view noun);

}  // namespace triad::cli
