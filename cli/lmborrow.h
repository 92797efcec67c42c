// `lmborrow`: licenses taken home. What is borrowed is written down on this machine by libtriad
// (client/borrow_record.h); this tool shows it, brings it back and takes more.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "triad/client.h"

namespace triad::cli {

// "20-aug-2027", "20-aug-2027:13:00", and with the time as a word of its own; without a time the
// end of that day, 23:59. Milliseconds since 1970, in the local zone. INVALID_ARGUMENT: neither.
absl::StatusOr<int64_t> ParseBorrowEnd(absl::string_view date, absl::string_view time);

// -status: a row for each of `borrowed`, times in the local zone.
std::string BorrowTable(const std::vector<BorrowedLicense>& borrowed);

int LmborrowVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
