// `lmswitch` (debug log), `lmswitchr` and `lmnewlog` (report log): a running daemon begins new log
// files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "triad/v1/admin.pb.h"

namespace triad::cli {

int LmswitchVerb(const std::vector<std::string>& arguments);
int LmswitchrVerb(const std::vector<std::string>& arguments);
int LmnewlogVerb(const std::vector<std::string>& arguments);

// The vendor that `word` names: itself, or the one that serves this feature. NOT_FOUND: neither.
absl::StatusOr<std::string> VendorNamed(const std::string& word,
                                        const std::vector<std::string>& vendors,
                                        const v1::Usage& usage);

}  // namespace triad::cli
