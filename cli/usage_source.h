// Where a tool has usage records from: a cluster, or report logs. One record after the other,
// oldest first; never all of them at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/args.h"
#include "triad/v1/admin.pb.h"
#include "triad/v1/usage.pb.h"

namespace triad::cli {

// A span of time: from inclusive, to exclusive; 0: open.
struct UsageSpan {
  int64_t from_ms = 0;
  int64_t to_ms = 0;
};

// "2026-06-15", RFC 3339, either in the local zone if it names none. INVALID_ARGUMENT: neither.
absl::StatusOr<int64_t> ParseTimeArgument(absl::string_view text);
// Of --from and --to.
absl::StatusOr<UsageSpan> ParseSpan(const Args& args);

// Called with a record and the bytes that it is stored as ("": not known, of a report log). An
// error ends the reading.
using OnUsageRecord =
    std::function<absl::Status(const v1::UsageRecord& record, const std::string& bytes)>;

struct UsageEnd {
  v1::UsageChain chain;  // of a cluster
  std::vector<v1::UsagePage::Gap> gaps;
  std::string node;  // "27000@lic1"
};

// From the first node that can say, as `span` and `all` (every record) ask. UNAVAILABLE: none can.
absl::StatusOr<UsageEnd> ReadClusterUsage(const Args& args, const UsageSpan& span, bool all,
                                          const OnUsageRecord& on_record);
// Report logs (JSON lines), in the order given. The error names file and line. What a log says is
// missing in it is told in `missing`, a line for each place.
absl::Status ReadUsageFiles(const std::vector<std::string>& paths, const UsageSpan& span,
                            const OnUsageRecord& on_record, std::vector<std::string>* missing);

}  // namespace triad::cli
