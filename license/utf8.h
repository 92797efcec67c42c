// License and options files are 8-bit: names in them may be Latin-1 (flexnet-facts 1.1). What goes
// into messages is UTF-8. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace triad::license {

// `text` as it is when it is well-formed UTF-8; else every byte above 127 is taken for the Latin-1
// character of that number.
std::string ToUtf8(absl::string_view text);

}  // namespace triad::license
