// `ck=`: the check sum by which an administrator finds the line that was mistyped (flexnet-facts
// 1.5). Not a protection: SIGN= is.
//
// How FlexNet reckons it is not public. Triad's rule: the words of the line with one blank between
// them, quotes left out, continuations joined, the keyword in upper case; without the words that an
// administrator may edit (lowercase attributes, ck= among them); CRC-8 (polynomial 0x07, from 0) of
// these bytes. Blanks and case within SIGN= do not count.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/lexer.h"

namespace triad::license {

// 0 to 255.
uint32_t LineChecksum(const LogicalLine& line);

struct CheckedLine {
  int line = 0;
  std::string echo;            // keyword and positional fields, as written
  std::optional<uint32_t> ck;  // as written; unset: none
  uint32_t computed = 0;
  bool bad_number = false;  // ck= holds no number from 0 to 255
  bool foreign = false;     // signed for FlexNet: so is its ck=
};
// The FEATURE, INCREMENT, UPGRADE and PACKAGE lines of a file.
std::vector<CheckedLine> CheckLines(absl::string_view bytes);

}  // namespace triad::license
