#include "cli/denials.h"

#include <algorithm>
#include <deque>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/text.h"
#include "cli/usage_source.h"
#include "cli/watch.h"
#include "license/civil.h"

namespace triad::cli {
namespace {

int Look(const Args& args, UsageSpan span) {
  const bool json = args.Has("json");
  if (!args.Has("from")) span.from_ms = absl::ToUnixMillis(absl::Now()) - kDenialsMs;
  const std::vector<std::string>& features = args.words();
  std::deque<v1::UsageRecord> last;
  size_t left_out = 0;
  const auto end = ReadClusterUsage(
      args, span, /*all=*/false, [&](const v1::UsageRecord& record, const std::string&) {
        const bool meant = features.empty() || std::find(features.begin(), features.end(),
                                                         record.feature()) != features.end();
        if (record.kind() != v1::UsageRecord::DENIED || !meant) return absl::OkStatus();
        last.push_back(record);
        if (last.size() > kDenialsMax) {
          last.pop_front();
          ++left_out;
        }
        return absl::OkStatus();
      });
  if (!end.ok()) return RefuseUnreachable(end.status().message(), true, json);
  const std::vector<v1::UsageRecord> denials(last.begin(), last.end());
  if (left_out > 0) {
    Complain(absl::StrCat("denials: ", left_out, " older ones are left out: give --from and --to, ",
                          "or see triad usage"));
  }
  json ? ToStderr(DenialsText(denials)) : ToStdout(DenialsText(denials));
  if (json) ToStdout(absl::StrCat(DenialsJson(denials), "\n"));
  return kExitDone;
}

}  // namespace

std::string DenialsText(const std::vector<v1::UsageRecord>& denials) {
  std::vector<std::vector<std::string>> rows = {
      {"time", "feature", "count", "user", "host", "reason", "held by"}};
  for (const v1::UsageRecord& denial : denials) {
    const license::Civil at = license::CivilOf(denial.wall_ms(), denial.utc_offset_s());
    rows.push_back({absl::StrFormat("%04d-%02d-%02d %02d:%02d:%02d", at.year, at.month, at.day,
                                    at.hour, at.minute, at.second),
                    Printable(denial.feature()), absl::StrCat(denial.count()),
                    Printable(denial.user()), Printable(denial.host()),
                    absl::StrCat(Printable(denial.reason()), " (", denial.code(), ")"),
                    Printable(denial.held_by())});
  }
  return Table({Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft, Align::kLeft,
                Align::kLeft},
               rows);
}

std::string DenialsJson(const std::vector<v1::UsageRecord>& denials) {
  std::vector<std::string> rows;
  for (const v1::UsageRecord& denial : denials) {
    JsonObject object;
    object.String("at", Rfc3339(denial.wall_ms())).String("feature", denial.feature());
    object.String("vendor", denial.vendor()).Unsigned("count", denial.count());
    object.String("version", denial.version()).String("user", denial.user());
    object.String("host", denial.host()).String("display", denial.display());
    object.String("project", denial.project()).String("application", denial.application());
    object.String("reason", denial.reason()).Number("code", denial.code());
    object.String("held_by", denial.held_by()).Unsigned("used", denial.used());
    object.Unsigned("issued", denial.licensed()).Unsigned("record", denial.number());
    rows.push_back(object.Text());
  }
  return JsonObject().Raw("denials", JsonArray(rows)).Text();
}

int DenialsVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(
      WithClusterFlags({{"json"}, WatchFlag(), {"from", Takes::kValue}, {"to", Takes::kValue}}),
      Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage("denials", args.status());
  const auto span = ParseSpan(*args);
  if (!span.ok()) return RefuseUsage("denials", span.status());
  if (const auto found = FindTheClusters(*args); !found.ok()) {
    return RefuseSearchPath(found.status(), args->Has("json"));
  }
  return RunOrWatch(*args, [&] { return Look(*args, *span); });
}

}  // namespace triad::cli
