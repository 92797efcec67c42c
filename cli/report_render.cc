#include "cli/report_render.h"

#include <algorithm>

#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/json.h"
#include "cli/text.h"
#include "license/civil.h"
#include "license/usage_json.h"

namespace triad::cli {
namespace {

using license::CsvField;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
// Days one by one in text up to this span; months of a longer one.
constexpr size_t kDaysInTextMax = 62;

std::string UsersText(const UsersSeen& users) {
  return absl::StrCat(users.more ? "at least " : "", users.hashes.size());
}

std::string LimitText(uint64_t limit) {
  return limit == kNoLimit ? "uncounted" : absl::StrCat(limit);
}

std::string MonthText(int64_t start_ms, int32_t offset_s) {
  const license::Civil at = license::CivilOf(start_ms, offset_s);
  return absl::StrFormat("%04d-%02d", at.year, at.month);
}

std::string DayText(int64_t start_ms, int32_t offset_s) {
  return ReportTime(start_ms, offset_s).substr(0, 10);
}

// A report's features in order of name.
std::vector<const FeatureReport*> ByName(const Report& report) {
  std::vector<const FeatureReport*> features;
  for (const FeatureReport& feature : report.features) features.push_back(&feature);
  std::sort(features.begin(), features.end(),
            [](const FeatureReport* a, const FeatureReport* b) { return a->name < b->name; });
  return features;
}

std::string PeakTime(const Report& report, const Meter& meter) {
  return meter.total().peak == 0 ? "" : ReportTime(meter.peak_ms(), report.utc_offset_s);
}

std::string ItemsText(const Report& report) {
  std::vector<std::vector<std::string>> rows = {{"item", "type", "unit", "entitled", "used",
                                                 "peak at", "average", "above for", "true denials",
                                                 "users"}};
  for (const ItemReport& item : report.items) {
    const MeterBucket& total = item.meter.total();
    rows.push_back({Printable(item.item.name), Printable(item.item.type), Printable(item.item.unit),
                    absl::StrCat(item.item.quantity), absl::StrCat(item.Used()),
                    PeakTime(report, item.meter), ReportAverage(total.average()),
                    total.above_ms == 0 ? "" : ReportDuration(total.above_ms),
                    absl::StrCat(item.true_denials), UsersText(item.users)});
  }
  return Table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kRight,
                Align::kLeft, Align::kRight, Align::kLeft, Align::kRight, Align::kRight},
               rows);
}

std::string FeaturesText(const Report& report) {
  std::vector<std::vector<std::string>> rows = {{"feature", "licensed", "peak", "peak at",
                                                 "average", "at limit for", "checkouts", "denials",
                                                 "true denials", "users"}};
  for (const FeatureReport* feature : ByName(report)) {
    const MeterBucket& total = feature->meter.total();
    rows.push_back({Printable(feature->name),
                    feature->uncounted ? "uncounted" : absl::StrCat(feature->licensed),
                    absl::StrCat(total.peak), PeakTime(report, feature->meter),
                    ReportAverage(total.average()),
                    total.at_limit_ms == 0 ? "" : ReportDuration(total.at_limit_ms),
                    absl::StrCat(feature->checkouts), absl::StrCat(feature->denials),
                    absl::StrCat(feature->true_denials), UsersText(feature->users)});
  }
  return Table({Align::kLeft, Align::kRight, Align::kRight, Align::kLeft, Align::kRight,
                Align::kLeft, Align::kRight, Align::kRight, Align::kRight, Align::kRight},
               rows);
}

void AddSeries(const std::string& name, const Meter& meter, int32_t offset_s,
               std::vector<std::vector<std::string>>* rows) {
  if (meter.total().peak == 0) return;
  const bool days = meter.days().size() <= kDaysInTextMax;
  for (const MeterBucket& bucket : days ? meter.days() : meter.months()) {
    rows->push_back(
        {Printable(name),
         days ? DayText(bucket.start_ms, offset_s) : MonthText(bucket.start_ms, offset_s),
         absl::StrCat(bucket.peak), ReportAverage(bucket.average()), LimitText(bucket.limit),
         bucket.at_limit_ms == 0 ? "" : ReportDuration(bucket.at_limit_ms)});
  }
}

std::string SeriesText(const Report& report) {
  std::vector<std::vector<std::string>> rows = {
      {"", "day or month", "peak", "average", "limit", "at limit for"}};
  for (const ItemReport& item : report.items) {
    AddSeries(item.item.name, item.meter, report.utc_offset_s, &rows);
  }
  for (const FeatureReport* feature : ByName(report)) {
    AddSeries(feature->name, feature->meter, report.utc_offset_s, &rows);
  }
  if (rows.size() == 1) return "";
  return absl::StrCat("\nBy day or month\n", Table({Align::kLeft, Align::kLeft, Align::kRight,
                                                    Align::kRight, Align::kRight, Align::kLeft},
                                                   rows));
}

std::string BusiestHours(const Report& report) {
  std::vector<std::vector<std::string>> rows = {{"feature", "busiest hour", "average", "peak"}};
  for (const FeatureReport* feature : ByName(report)) {
    if (feature->meter.total().peak == 0) continue;
    size_t best = 0;
    const auto& hours = feature->meter.hours_of_day();
    for (size_t hour = 1; hour < hours.size(); ++hour) {
      if (hours[hour].average() > hours[best].average()) best = hour;
    }
    rows.push_back({Printable(feature->name), absl::StrFormat("%02d:00 to %02d:00", best, best + 1),
                    ReportAverage(hours[best].average()), absl::StrCat(hours[best].peak)});
  }
  if (rows.size() == 1) return "";
  return absl::StrCat("\nBy hour of the day\n",
                      Table({Align::kLeft, Align::kLeft, Align::kRight, Align::kRight}, rows));
}

// --- CSV

void AddCsvBuckets(const std::string& what, const std::string& name, const std::string& period,
                   const std::vector<MeterBucket>& buckets, int32_t offset_s, std::string* out) {
  for (size_t i = 0; i < buckets.size(); ++i) {
    const MeterBucket& bucket = buckets[i];
    const std::string start = period == "hour_of_day" ? absl::StrFormat("%02d:00", i)
                              : period == "month"     ? MonthText(bucket.start_ms, offset_s)
                              : period == "day"       ? DayText(bucket.start_ms, offset_s)
                                                      : ReportTime(bucket.start_ms, offset_s);
    absl::StrAppend(out, what, ",", CsvField(name), ",", period, ",", start, ",", bucket.peak, ",",
                    ReportAverage(bucket.average()), ",",
                    bucket.limit == kNoLimit ? "" : absl::StrCat(bucket.limit), ",",
                    bucket.at_limit_ms / 1'000, ",", bucket.above_ms / 1'000, ",,,,\r\n");
  }
}

void AddCsvMeter(const std::string& what, const std::string& name, const Meter& meter,
                 int32_t offset_s, std::string* out) {
  AddCsvBuckets(what, name, "month", meter.months(), offset_s, out);
  AddCsvBuckets(what, name, "day", meter.days(), offset_s, out);
  AddCsvBuckets(what, name, "hour", meter.hours(), offset_s, out);
  AddCsvBuckets(what, name, "hour_of_day", meter.hours_of_day(), offset_s, out);
}

// --- JSON

std::string BucketJson(const MeterBucket& bucket, const std::string& start) {
  JsonObject json;
  json.String("start", start).Unsigned("peak", bucket.peak);
  json.Raw("average", ReportAverage(bucket.average()));
  if (bucket.limit != kNoLimit) json.Unsigned("limit", bucket.limit);
  json.Number("at_limit_s", bucket.at_limit_ms / 1'000);
  json.Number("above_s", bucket.above_ms / 1'000);
  return json.Text();
}

std::string BucketsJson(const std::vector<MeterBucket>& buckets) {
  std::vector<std::string> texts;
  for (const MeterBucket& bucket : buckets) {
    texts.push_back(BucketJson(bucket, Rfc3339(bucket.start_ms)));
  }
  return JsonArray(texts);
}

void AddMeterJson(const Meter& meter, JsonObject* json) {
  const MeterBucket& total = meter.total();
  json->Unsigned("peak", total.peak);
  if (total.peak > 0) json->String("peak_at", Rfc3339(meter.peak_ms()));
  json->Raw("average", ReportAverage(total.average()));
  json->Number("at_limit_s", total.at_limit_ms / 1'000);
  json->Number("above_s", total.above_ms / 1'000);
  json->Raw("months", BucketsJson(meter.months())).Raw("days", BucketsJson(meter.days()));
  json->Raw("hours", BucketsJson(meter.hours()));
  std::vector<std::string> hours;
  for (size_t hour = 0; hour < meter.hours_of_day().size(); ++hour) {
    hours.push_back(BucketJson(meter.hours_of_day()[hour], absl::StrFormat("%02d:00", hour)));
  }
  json->Raw("hours_of_day", JsonArray(hours));
}

}  // namespace

std::string ReportTime(int64_t wall_ms, int32_t utc_offset_s) {
  const license::Civil at = license::CivilOf(wall_ms, utc_offset_s);
  return absl::StrFormat("%04d-%02d-%02d %02d:%02d", at.year, at.month, at.day, at.hour, at.minute);
}

std::string ReportDuration(int64_t ms) {
  const int64_t s = ms / 1'000;
  if (s >= 86'400) return absl::StrCat(s / 86'400, " d ", s % 86'400 / 3'600, " h");
  if (s >= 3'600) return absl::StrCat(s / 3'600, " h ", s % 3'600 / 60, " min");
  if (s >= 60) return absl::StrCat(s / 60, " min");
  return absl::StrCat(s, " s");
}

std::string ReportAverage(double value) {
  return absl::StrFormat("%.1f", value);
}

std::string ReportAct(const Report& report, const ItemReport& item) {
  if (!item.IsAbove()) return "";
  const SellableItem& bought = item.item;
  const std::string who = bought.contact.empty() ? "whoever buys licenses" : bought.contact;
  const uint64_t used = item.Used();
  std::string text = absl::StrCat(bought.name, ": ", used, " of ", bought.quantity,
                                  bought.unit.empty() ? "" : " ", bought.unit);
  if (bought.measure != Measure::kUsers) {
    absl::StrAppend(&text, ", first on ",
                    ReportTime(item.meter.first_above_ms(), report.utc_offset_s), ", for ",
                    ReportDuration(item.meter.total().above_ms));
  }
  if (used <= bought.quantity) {
    return absl::StrCat(text, ", outside of the period that was bought: ", who,
                        " must act: renew it, or stop using it");
  }
  return absl::StrCat(text, ": ", who, " must act: report it and order ", used - bought.quantity,
                      " more, or use less");
}

std::string ReportText(const Report& report) {
  std::string text = absl::StrCat(
      "Use of licenses from ", ReportTime(report.from_ms, report.utc_offset_s), " to ",
      ReportTime(report.to_ms, report.utc_offset_s), ", ", Counted(report.records, "record"), "\n");
  for (const std::string& gap : report.gaps) absl::StrAppend(&text, "incomplete: ", gap, "\n");
  if (!report.items.empty()) {
    absl::StrAppend(&text, "\nSellable items\n", ItemsText(report));
    std::vector<std::string> above, unused;
    for (const ItemReport& item : report.items) {
      if (item.IsAbove()) above.push_back(Printable(ReportAct(report, item)));
      if (item.unused()) unused.push_back(Printable(item.item.name));
    }
    if (!above.empty()) {
      absl::StrAppend(&text, "\nAbove entitlement\n", absl::StrJoin(above, "\n"), "\n");
    }
    if (!unused.empty()) {
      absl::StrAppend(&text, "\nUnused items\n", absl::StrJoin(unused, "\n"), "\n");
    }
  }
  absl::StrAppend(&text, "\nFeatures\n", FeaturesText(report), BusiestHours(report),
                  SeriesText(report));
  absl::StrAppend(&text,
                  "\nA denial is a true one if the same user was not granted the feature "
                  "within ",
                  ReportDuration(report.window_ms), ".\n");
  return text;
}

std::string ReportCsv(const Report& report) {
  std::string out =
      "what,name,period,start,peak,average,limit,at_limit_s,above_s,checkouts,denials,true_denials,"
      "users\r\n";
  const std::string from = ReportTime(report.from_ms, report.utc_offset_s);
  for (const ItemReport& item : report.items) {
    const MeterBucket& total = item.meter.total();
    absl::StrAppend(&out, "item,", CsvField(item.item.name), ",total,", from, ",", item.Used(), ",",
                    ReportAverage(total.average()), ",", item.item.quantity, ",",
                    total.at_limit_ms / 1'000, ",", total.above_ms / 1'000, ",,,",
                    item.true_denials, ",", item.users.hashes.size(), "\r\n");
    AddCsvMeter("item", item.item.name, item.meter, report.utc_offset_s, &out);
  }
  for (const FeatureReport* feature : ByName(report)) {
    const MeterBucket& total = feature->meter.total();
    absl::StrAppend(&out, "feature,", CsvField(feature->name), ",total,", from, ",", total.peak,
                    ",", ReportAverage(total.average()), ",",
                    feature->uncounted ? "" : absl::StrCat(feature->licensed), ",",
                    total.at_limit_ms / 1'000, ",", total.above_ms / 1'000, ",", feature->checkouts,
                    ",", feature->denials, ",", feature->true_denials, ",",
                    feature->users.hashes.size(), "\r\n");
    AddCsvMeter("feature", feature->name, feature->meter, report.utc_offset_s, &out);
  }
  return out;
}

std::string ReportJson(const Report& report) {
  std::vector<std::string> items, features;
  for (const ItemReport& item : report.items) {
    JsonObject json;
    json.String("name", item.item.name).String("type", item.item.type);
    json.String("unit", item.item.unit).Unsigned("quantity", item.item.quantity);
    json.Unsigned("used", item.Used()).Bool("above", item.IsAbove());
    if (item.IsAbove()) json.String("act", ReportAct(report, item));
    json.Bool("unused", item.unused()).Unsigned("true_denials", item.true_denials);
    json.Unsigned("users", item.users.hashes.size());
    AddMeterJson(item.meter, &json);
    items.push_back(json.Text());
  }
  for (const FeatureReport* feature : ByName(report)) {
    JsonObject json;
    json.String("name", feature->name);
    if (feature->uncounted) {
      json.Number("licensed", -1);
    } else {
      json.Unsigned("licensed", feature->licensed);
    }
    json.Unsigned("checkouts", feature->checkouts).Unsigned("denials", feature->denials);
    json.Unsigned("true_denials", feature->true_denials);
    JsonObject reasons;
    for (const auto& [reason, count] : feature->reasons) reasons.Unsigned(reason, count);
    json.Raw("denied_because", reasons.Text()).Unsigned("users", feature->users.hashes.size());
    AddMeterJson(feature->meter, &json);
    features.push_back(json.Text());
  }
  JsonObject json;
  json.String("from", Rfc3339(report.from_ms)).String("to", Rfc3339(report.to_ms));
  json.Number("utc_offset_s", report.utc_offset_s).Unsigned("records", report.records);
  json.Number("window_s", report.window_ms / 1'000).Raw("incomplete", JsonStrings(report.gaps));
  json.Raw("items", JsonArray(items)).Raw("features", JsonArray(features));
  return absl::StrCat(json.Text(), "\n");
}

}  // namespace triad::cli
