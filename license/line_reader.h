// One lexed line -> one SERVER, VENDOR, FEATURE, INCREMENT, UPGRADE or PACKAGE line (flexnet-facts
// 1.2-1.8).
//
// What is wrong goes to the diagnostics; a line that cannot be used is nullopt. Used by the reader
// and by SignText, which hands in lines without their foreign signatures.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"
#include "license/diagnostic.h"
#include "license/lexer.h"
#include "license/license_file.h"

namespace triad::license {

std::optional<ServerLine> ReadServerLine(absl::string_view file, const LogicalLine& line,
                                         Diagnostics& diagnostics);
std::optional<VendorLine> ReadVendorLine(absl::string_view file, const LogicalLine& line,
                                         Diagnostics& diagnostics);
// Of a FEATURE, INCREMENT, UPGRADE or PACKAGE.
std::optional<FeatureLine> ReadFeatureLine(absl::string_view file, const LogicalLine& line,
                                           Diagnostics& diagnostics);

// Whether word `index` of such a line is a signature or key: the positional key,
// SIGN=, SIGN2= or AUTH=.
bool IsSignatureWord(const LogicalLine& line, size_t index);

}  // namespace triad::license
