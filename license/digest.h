// SHA-256, and an unambiguous way to put strings behind one another before hashing or signing them.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace triad::license {

// 32 bytes.
std::string Sha256(absl::string_view bytes);
// 64 lower-case hex digits.
std::string Sha256Hex(absl::string_view bytes);

// Appends `field` as "<length>:<bytes>,". Two different sequences of fields never give the same
// bytes, because every length is known before what it counts.
void AppendField(std::string& out, absl::string_view field);

}  // namespace triad::license
