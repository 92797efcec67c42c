// `triad report` over a year of a busy site: how long it takes, and how much memory.
//
// The records are made here, in pieces, and read as a tool reads them from a node: parsed, then
// added. What it does not measure is the network between.
#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/benchmarks.h"
#include "cli/report.h"
#include "cli/report_render.h"

namespace triad::bench {
namespace {

constexpr int64_t kStartMs = 1'767'225'600'000;  // 2026-01-01 UTC
constexpr int64_t kYearMs = int64_t{365} * 24 * 3'600'000;
constexpr uint64_t kPieceRecords = 100'000;
constexpr uint64_t kFeatures = 100;
constexpr uint64_t kUsers = 5'000;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int64_t PeakMegabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1'024;
}

// Out, out, denied, in, in, ... of one feature after the other.
v1::UsageRecord RecordOf(uint64_t number, uint64_t records, std::vector<uint64_t>* used) {
  const uint64_t feature = number / 5 % kFeatures;
  const uint64_t step = number % 5;
  v1::UsageRecord record;
  record.set_number(number + 1);
  record.set_wall_ms(
      kStartMs + static_cast<int64_t>(static_cast<double>(kYearMs) * static_cast<double>(number) /
                                      static_cast<double>(records)));
  record.set_kind(step < 2   ? v1::UsageRecord::CHECKED_OUT
                  : step > 2 ? v1::UsageRecord::CHECKED_IN
                             : v1::UsageRecord::DENIED);
  if (step < 2) ++(*used)[feature];
  if (step > 2) --(*used)[feature];
  record.set_feature(absl::StrCat("feature_", feature));
  record.set_vendor("genesys.d");
  record.set_count(1);
  record.set_handle(100 + number);
  record.set_user(absl::StrCat("user", number * 7919 % kUsers));
  record.set_host(absl::StrCat("host", number % 997));
  record.set_display("/dev/tty");
  record.set_address("10.1.2.3");
  record.set_used((*used)[feature]);
  record.set_licensed(2);
  record.set_previous(std::string(32, 'x'));
  if (step == 2) {
    record.set_code(-4);
    record.set_reason("all licenses in use");
  }
  return record;
}

}  // namespace

bool RunReport(const Settings& settings, Report& report) {
  const uint64_t records = settings.quick ? 100'000 : 10'000'000;
  const int64_t before_mb = PeakMegabytes();
  cli::SellableItem item;
  item.name = "all";
  item.quantity = 2;
  item.features = {"feature_*"};
  cli::ReportBuilder builder({item}, kStartMs, kStartMs + kYearMs, 600'000);
  std::vector<uint64_t> used(kFeatures);
  double seconds = 0;
  for (uint64_t number = 0; number < records;) {
    std::vector<std::string> piece;
    for (; piece.size() < kPieceRecords && number < records; ++number) {
      piece.push_back(RecordOf(number, records, &used).SerializeAsString());
    }
    const auto start = std::chrono::steady_clock::now();
    v1::UsageRecord record;
    for (const std::string& bytes : piece) {
      if (!record.ParseFromString(bytes)) return false;
      builder.Add(record);
    }
    seconds += SecondsSince(start);
  }
  const auto start = std::chrono::steady_clock::now();
  const cli::Report built = builder.Finish(kStartMs + kYearMs);
  const std::string page = cli::ReportHtml(built);
  seconds += SecondsSince(start);
  report.Add(Row()
                 .Set("system", "triad")
                 .Set("records", static_cast<int64_t>(records))
                 .Set("features", static_cast<int64_t>(kFeatures))
                 .Set("seconds", seconds)
                 .Set("records_per_s", static_cast<double>(records) / seconds)
                 .Set("memory_mb", PeakMegabytes() - before_mb)
                 .Set("html_bytes", static_cast<int64_t>(page.size())));
  const bool right = built.records == records && built.features.size() == kFeatures &&
                     built.features[0].meter.total().peak == 2;
  if (!right) std::cerr << "bench: the report does not say what was recorded\n";
  return right;
}

}  // namespace triad::bench
