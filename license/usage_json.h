// Usage records as text: one JSON object a line, as report logs and `triad usage --json` have them,
// and rows of CSV. Names and meaning: docs/usage-records.md. Pure. Thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "triad/v1/usage.pb.h"

namespace triad::license {

// "checked_out", "denied", ...
absl::string_view UsageKindName(v1::UsageRecord::Kind kind);

// One object without a line end; fields that are empty are left out. `hash`: SHA-256 of the
// record's bytes; "": not known.
std::string UsageJson(const v1::UsageRecord& record, absl::string_view hash);

// What UsageJson has written; members that it does not know are passed over. INVALID_ARGUMENT: no
// such object.
absl::StatusOr<v1::UsageRecord> ParseUsageJson(absl::string_view line);

// One field of CSV, quoted where it must be. What a spreadsheet could take for a formula begins
// with an apostrophe.
std::string CsvField(absl::string_view value);
// The heading, and one record's row, with their line ends.
std::string UsageCsvHeading();
std::string UsageCsv(const v1::UsageRecord& record);

// Takes user, display and what else names a person out.
void HideUser(v1::UsageRecord& record);

}  // namespace triad::license
