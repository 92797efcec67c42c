#include "cli/usage_source.h"

#include <grpcpp/grpcpp.h>

#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "cli/channels.h"
#include "cli/limits.h"
#include "cli/servers.h"
#include "client/search_path.h"
#include "license/usage_json.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::cli {
namespace {

bool IsIn(const UsageSpan& span, int64_t wall_ms) {
  return wall_ms >= span.from_ms && (span.to_ms == 0 || wall_ms < span.to_ms);
}

// Nodes that have a quorum first: what they say is as new as this moment.
std::vector<const NodeAnswer*> InOrder(const std::vector<NodeAnswer>& nodes) {
  std::vector<const NodeAnswer*> order;
  for (const bool quorum : {true, false}) {
    for (const NodeAnswer& node : nodes) {
      if (node.status && node.status->quorum() == quorum) order.push_back(&node);
    }
  }
  return order;
}

// One node's records behind `end->second`; `begun` says whether one was given on.
absl::Status ReadNode(const NodeAnswer& node, const v1::ReadUsageRequest& request,
                      const OnUsageRecord& on_record, UsageEnd* end, uint64_t* last) {
  auto stub = v1::AdminService::NewStub(
      ChannelTo(client::DialTarget(node.address), grpc::ChannelArguments()));
  grpc::ClientContext context;
  auto reader = stub->ReadUsage(&context, request);
  v1::UsagePage page;
  absl::Status status;
  while (status.ok() && reader->Read(&page)) {
    if (page.has_chain()) {
      end->chain = page.chain();
      end->gaps.assign(page.gaps().begin(), page.gaps().end());
      end->node = client::FormatAddress(node.address);
    }
    for (const std::string& bytes : page.records()) {
      v1::UsageRecord record;
      if (!record.ParseFromString(bytes)) record.Clear();
      if (record.number() > *last) *last = record.number();
      status = on_record(record, bytes);
      if (!status.ok()) break;
    }
  }
  if (!status.ok()) {
    context.TryCancel();
    v1::UsagePage rest;
    while (reader->Read(&rest)) {
    }
    (void)reader->Finish();
    return status;
  }
  const grpc::Status done = reader->Finish();
  if (done.ok()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(client::FormatAddress(node.address), ": ", std::string(done.error_message())));
}

// A report log's own line about what is missing in it (server/usage_logs.cc), in words; "": it is
// no such line.
std::string LostText(absl::string_view line) {
  uint64_t lost = 0;
  if (absl::ConsumePrefix(&line, "{\"missing_from\":") && absl::ConsumeSuffix(&line, "}")) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(line, absl::MaxSplits(",\"missing_to\":", 1));
    uint64_t to = 0;
    if (!absl::SimpleAtoi(ends.first, &lost) || !absl::SimpleAtoi(ends.second, &to)) return "";
    return absl::StrCat("records ", lost, " to ", to, " are not here: triad usage has them");
  }
  if (!absl::ConsumePrefix(&line, "{\"lost_lines\":") || !absl::ConsumeSuffix(&line, "}") ||
      !absl::SimpleAtoi(line, &lost)) {
    return "";
  }
  return absl::StrCat(lost, lost == 1 ? " record" : " records",
                      " could not be written: triad usage has them");
}

}  // namespace

absl::StatusOr<int64_t> ParseTimeArgument(absl::string_view text) {
  absl::Time time;
  std::string error;
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d %H:%M",
                             "%Y-%m-%d %H:%M:%E*S"}) {
    if (absl::ParseTime(format, text, absl::LocalTimeZone(), &time, &error)) {
      return absl::ToUnixMillis(time);
    }
  }
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return absl::ToUnixMillis(time);
  return absl::InvalidArgumentError(
      absl::StrCat(text, ": a time is YYYY-MM-DD or 2026-06-15T14:00:00+02:00"));
}

absl::StatusOr<UsageSpan> ParseSpan(const Args& args) {
  UsageSpan span;
  for (const char* flag : {"from", "to"}) {
    if (!args.Has(flag)) continue;
    const auto time = ParseTimeArgument(args.Value(flag));
    if (!time.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, "=", std::string(time.status().message())));
    }
    (absl::string_view(flag) == "from" ? span.from_ms : span.to_ms) = *time;
  }
  if (span.to_ms != 0 && span.to_ms <= span.from_ms) {
    return absl::InvalidArgumentError("--to is not after --from");
  }
  return span;
}

absl::StatusOr<UsageEnd> ReadClusterUsage(const Args& args, const UsageSpan& span, bool all,
                                          const OnUsageRecord& on_record) {
  const auto found = FindTheClusters(args);
  if (!found.ok()) return found.status();
  const std::vector<NodeAnswer> nodes = AskFirstThatAnswers(found->clusters);
  v1::ReadUsageRequest request;
  request.set_from_ms(span.from_ms);
  request.set_to_ms(span.to_ms);
  request.set_all(all);
  absl::Status last = absl::UnavailableError("no license server answers");
  uint64_t number = 0;
  for (const NodeAnswer* node : InOrder(nodes)) {
    UsageEnd end;
    request.set_after(number);
    // Without a quorum a node says what it has.
    request.set_stale(!node->status->quorum());
    last = ReadNode(*node, request, on_record, &end, &number);
    if (last.ok()) return end;
    if (!absl::IsUnavailable(last)) return last;
  }
  return last;
}

absl::Status ReadUsageFiles(const std::vector<std::string>& paths, const UsageSpan& span,
                            const OnUsageRecord& on_record, std::vector<std::string>* missing) {
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
    std::string line;
    for (size_t number = 1; std::getline(file, line); ++number) {
      if (line.empty()) continue;
      if (const std::string lost = LostText(line); !lost.empty()) {
        missing->push_back(absl::StrCat(path, ":", number, ": ", lost));
        continue;
      }
      const auto record = license::ParseUsageJson(line);
      if (!record.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ":", number, ": ", std::string(record.status().message())));
      }
      if (!IsIn(span, record->wall_ms())) continue;
      if (absl::Status status = on_record(*record, ""); !status.ok()) return status;
    }
    if (file.bad())
      return absl::UnavailableError(absl::StrCat(path, ": cannot be read to its end"));
  }
  return absl::OkStatus();
}

}  // namespace triad::cli
