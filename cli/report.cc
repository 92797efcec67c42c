#include "cli/report.h"

#include <algorithm>
#include <limits>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/files.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/report_render.h"
#include "cli/servers.h"
#include "cli/usage_source.h"

namespace triad::cli {
namespace {

using v1::UsageRecord;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr int64_t kWindowMs = 10 * 60'000;

// What was out before this record, as far as it tells.
uint64_t LevelBefore(const UsageRecord& record) {
  switch (record.kind()) {
    case UsageRecord::CHECKED_OUT:
      return record.used() - std::min(record.used(), record.count());
    case UsageRecord::CHECKED_IN:
      return record.used() + record.count();
    default:
      return record.used();
  }
}

// Where names are hidden, the host tells people apart as well as can be.
const std::string& UserOf(const UsageRecord& record) {
  return record.user().empty() ? record.host() : record.user();
}

}  // namespace

void UsersSeen::Add(absl::string_view name) {
  if (name.empty()) return;
  const uint64_t hash = absl::Hash<absl::string_view>()(name);
  if (hashes.size() >= kReportUsersMax) {
    more = more || !hashes.contains(hash);
  } else {
    hashes.insert(hash);
  }
}

uint64_t ItemReport::Used() const {
  return item.measure == Measure::kUsers ? users.hashes.size() : meter.total().peak;
}

bool ItemReport::IsAbove() const {
  if (item.measure == Measure::kUsers) return users.hashes.size() > item.quantity;
  return meter.first_above_ms() != 0;
}

ReportBuilder::ReportBuilder(std::vector<SellableItem> items, int64_t from_ms, int64_t to_ms,
                             int64_t window_ms) {
  report_.from_ms = from_ms;
  report_.to_ms = to_ms;
  report_.window_ms = window_ms;
  keep_hours_ = from_ms != 0 && to_ms != 0 && to_ms - from_ms <= kHoursSpanMaxMs;
  report_.by_hour = keep_hours_;
  for (SellableItem& item : items) report_.items.emplace_back(std::move(item), keep_hours_);
}

size_t ReportBuilder::FeatureOf(const std::string& name) {
  const auto [entry, fresh] = by_name_.try_emplace(name, report_.features.size());
  if (!fresh) return entry->second;
  FeatureReport& feature = report_.features.emplace_back(keep_hours_);
  feature.name = name;
  for (size_t i = 0; i < report_.items.size(); ++i) {
    if (!report_.items[i].item.Has(name)) continue;
    feature.items.push_back(i);
    report_.items[i].features.push_back(entry->second);
  }
  return entry->second;
}

void ReportBuilder::AddFeature(const std::string& name, uint64_t licensed, bool uncounted) {
  FeatureReport& feature = report_.features[FeatureOf(name)];
  feature.licensed = licensed;
  feature.uncounted = uncounted;
}

void ReportBuilder::Add(const UsageRecord& record) {
  ++report_.records;
  if (report_.from_ms == 0) report_.from_ms = record.wall_ms();
  const int64_t now_ms = std::max(last_ms_, record.wall_ms());
  last_ms_ = now_ms;
  report_.utc_offset_s = record.utc_offset_s();
  SettleDenials(now_ms);
  if (record.feature().empty()) return;
  const size_t index = FeatureOf(record.feature());
  FeatureReport& feature = report_.features[index];
  if (record.kind() == UsageRecord::DENIED) {
    AddDenial(record, index);
  } else if (record.kind() == UsageRecord::CHECKED_OUT) {
    ++feature.checkouts;
    const std::string& user = UserOf(record);
    feature.users.Add(user);
    for (const size_t item : feature.items) report_.items[item].users.Add(user);
    if (!pending_.empty()) pending_.erase({index, user});
  }
  SetLevel(record, index);
}

void ReportBuilder::SetLevel(const UsageRecord& record, size_t index) {
  FeatureReport& feature = report_.features[index];
  feature.licensed = record.licensed();
  feature.uncounted = record.uncounted();
  const uint64_t limit = record.uncounted() ? kNoLimit : record.licensed();
  if (!feature.meter.begun()) {
    feature.meter.Set(report_.from_ms, record.utc_offset_s(), LevelBefore(record), limit);
    SetItems(record, feature);
  }
  feature.meter.Set(record.wall_ms(), record.utc_offset_s(), record.used(), limit);
  SetItems(record, feature);
}

void ReportBuilder::SetItems(const UsageRecord& record, const FeatureReport& feature) {
  for (const size_t index : feature.items) {
    ItemReport& item = report_.items[index];
    uint64_t level = 0;
    for (const size_t other : item.features) {
      const uint64_t out = report_.features[other].meter.level();
      level = item.item.measure == Measure::kMost ? std::max(level, out) : level + out;
    }
    if (!item.meter.begun()) {
      item.meter.Set(report_.from_ms, record.utc_offset_s(), level,
                     item.item.QuantityAt(report_.from_ms));
    }
    for (const int64_t edge_ms : {item.item.from_ms, item.item.to_ms}) {
      if (edge_ms > report_.from_ms && edge_ms < record.wall_ms() &&
          edge_ms > item.meter.now_ms()) {
        item.meter.Set(edge_ms, record.utc_offset_s(), item.meter.level(),
                       item.item.QuantityAt(edge_ms));
      }
    }
    item.meter.Set(record.wall_ms(), record.utc_offset_s(), level,
                   item.item.QuantityAt(record.wall_ms()));
  }
}

// One who asks again while he waits is denied once.
void ReportBuilder::AddDenial(const UsageRecord& record, size_t index) {
  FeatureReport& feature = report_.features[index];
  ++feature.denials;
  ++feature.reasons[record.reason()];
  const std::string& user = UserOf(record);
  if (!pending_.try_emplace({index, user}, record.wall_ms()).second) return;
  denials_.push_back({record.wall_ms(), index, user});
  if (denials_.size() > kReportDenialsMax) {
    SettleDenials(denials_.front().at_ms + report_.window_ms);
  }
}

void ReportBuilder::SettleDenials(int64_t now_ms) {
  while (!denials_.empty() && denials_.front().at_ms + report_.window_ms <= now_ms) {
    const Denial denial = std::move(denials_.front());
    denials_.pop_front();
    const auto waiting = pending_.find({denial.feature, denial.user});
    if (waiting == pending_.end() || waiting->second != denial.at_ms) continue;
    pending_.erase(waiting);
    FeatureReport& feature = report_.features[denial.feature];
    ++feature.true_denials;
    for (const size_t item : feature.items) ++report_.items[item].true_denials;
  }
}

Report ReportBuilder::Finish(int64_t now_ms) {
  SettleDenials(std::numeric_limits<int64_t>::max() / 2);
  const int64_t end_ms = report_.to_ms == 0 ? std::max(now_ms, last_ms_)
                                            : std::max(std::min(report_.to_ms, now_ms), last_ms_);
  report_.to_ms = end_ms;
  for (FeatureReport& feature : report_.features) {
    if (!feature.meter.begun()) {
      feature.meter.Set(report_.from_ms, report_.utc_offset_s, 0,
                        feature.uncounted ? kNoLimit : feature.licensed);
    }
    feature.meter.Finish(end_ms);
  }
  for (ItemReport& item : report_.items) {
    if (!item.meter.begun()) {
      item.meter.Set(report_.from_ms, report_.utc_offset_s, 0,
                     item.item.QuantityAt(report_.from_ms));
    }
    const int64_t edge_ms = item.item.to_ms;
    if (edge_ms > item.meter.now_ms() && edge_ms < end_ms) {
      item.meter.Set(edge_ms, report_.utc_offset_s, item.meter.level(), 0);
    }
    item.meter.Finish(end_ms);
  }
  return std::move(report_);
}

namespace {

struct Request {
  UsageSpan span;
  int64_t window_ms = kWindowMs;
  std::string form = "text";
  std::string out;
  std::vector<std::string> in;
  std::vector<SellableItem> items;
};

absl::StatusOr<Request> ReadRequest(const Args& args) {
  Request request;
  auto span = ParseSpan(args);
  if (!span.ok()) return span.status();
  request.span = *span;
  if (args.Has("window")) {
    const auto window = ParseSeconds(args.Value("window"));
    if (!window.ok()) return window.status();
    request.window_ms = *window;
  }
  int forms = 0;
  for (const char* form : {"csv", "json", "html"}) {
    if (!args.Has(form)) continue;
    request.form = form;
    ++forms;
  }
  if (forms > 1) return absl::InvalidArgumentError("one of --csv, --json and --html");
  request.out = args.Value("html");
  request.in = args.Values("in");
  return request;
}

absl::Status ReadAll(const Args& args, const Request& request, ReportBuilder* builder,
                     std::vector<std::string>* gaps) {
  const OnUsageRecord add = [builder](const UsageRecord& record, const std::string&) {
    builder->Add(record);
    return absl::OkStatus();
  };
  if (!request.in.empty()) return ReadUsageFiles(request.in, request.span, add, gaps);
  const auto found = FindTheClusters(args);
  if (!found.ok()) return found.status();
  v1::GetUsageRequest licensed;
  licensed.set_no_checkouts(true);
  const auto usage = AskUsage(AskFirstThatAnswers(found->clusters), licensed);
  if (usage.ok()) {
    for (const v1::Feature& feature : usage->features()) {
      builder->AddFeature(feature.name(), feature.issued(), feature.uncounted());
    }
  }
  const auto end = ReadClusterUsage(args, request.span, /*all=*/false, add);
  if (!end.ok()) return end.status();
  for (const auto& gap : end->gaps) {
    gaps->push_back(absl::StrCat("records ", gap.from(), " to ", gap.to() - 1, " are not on ",
                                 end->node, ": ask another node"));
  }
  return absl::OkStatus();
}

}  // namespace

int ReportVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithClusterFlags({{"from", Takes::kValue},
                                                {"to", Takes::kValue},
                                                {"items", Takes::kValue},
                                                {"window", Takes::kValue},
                                                {"in", Takes::kValue, /*repeats=*/true},
                                                {"csv"},
                                                {"json"},
                                                {"html", Takes::kValue}}),
                              Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("report", args.status());
  auto request = ReadRequest(*args);
  if (!request.ok()) return RefuseUsage("report", request.status());
  if (args->Has("items")) {
    const std::string path = args->Value("items");
    const auto text = ReadFile(path);
    if (!text.ok()) return RefuseUsage("report", text.status());
    auto items = ReadItems(path, *text);
    if (!items.ok()) return RefuseUsage("report", items.status());
    request->items = *std::move(items);
  }
  ReportBuilder builder(std::move(request->items), request->span.from_ms, request->span.to_ms,
                        request->window_ms);
  std::vector<std::string> gaps;
  const absl::Status status = ReadAll(*args, *request, &builder, &gaps);
  if (absl::IsInvalidArgument(status) || absl::IsNotFound(status)) {
    return request->in.empty() ? RefuseSearchPath(status, request->form == "json")
                               : RefuseUsage("report", status);
  }
  if (!status.ok()) return RefuseUnreachable(status.message(), true, request->form == "json");
  // What report logs tell ends with their last record.
  Report report = builder.Finish(request->in.empty() ? absl::ToUnixMillis(absl::Now()) : 0);
  report.gaps = std::move(gaps);
  for (const std::string& gap : report.gaps) Complain(absl::StrCat("report: ", gap));
  if (request->form == "html") {
    const absl::Status written = ReplaceFile(request->out, ReportHtml(report));
    if (!written.ok()) {
      Complain(absl::StrCat("report: ", written.message()));
      return kExitNo;
    }
    ToStdout(absl::StrCat("triad: the report is in ", request->out, "\n"));
    return kExitDone;
  }
  ToStdout(request->form == "csv"    ? ReportCsv(report)
           : request->form == "json" ? ReportJson(report)
                                     : ReportText(report));
  return kExitDone;
}

}  // namespace triad::cli
