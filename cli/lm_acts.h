// `lmdown`, `lmreread`, `lmremove`: what FlexNet's tools of these names do to the servers.
//
// Each takes effect once, or says that it did not, also while leaders change: what may be repeated
// is asked again under the same id until the answer is known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "triad/v1/admin.pb.h"

namespace triad::cli {

int LmdownVerb(const std::vector<std::string>& arguments);
int LmrereadVerb(const std::vector<std::string>& arguments);
int LmremoveVerb(const std::vector<std::string>& arguments);

// lmremove's arguments, as lmstat has printed the names; looked up among what is out, so that names
// with bytes that lmstat cannot show are meant too. NOT_FOUND: nobody has it out under these names.
absl::StatusOr<v1::RemoveCheckouts> RemovalByNames(const v1::Usage& usage,
                                                   absl::string_view feature,
                                                   absl::string_view user, absl::string_view host,
                                                   absl::string_view display);
// `lmremove -h FEATURE SERVER_HOST PORT HANDLE`.
absl::StatusOr<v1::RemoveCheckouts> RemovalByHandle(const std::vector<std::string>& words,
                                                    const v1::NodeStatus& status);

}  // namespace triad::cli
