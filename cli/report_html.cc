// The report as one page: tables, and a plot for each item and feature, without a script and
// without anything from elsewhere.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "cli/report_render.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
// A page with more plots is none that anybody looks at.
constexpr size_t kPlotsMax = 200;
constexpr double kWidth = 760;
constexpr double kHeight = 160;
constexpr double kLeft = 48;
constexpr double kBottom = 22;

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(
      Printable(text),
      {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

constexpr absl::string_view kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;"
    "color:#1a1a1a;background:#fff}\n"
    "h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em}h3{font-size:1em;margin:1.5em 0 .2em}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9em}\n"
    "th,td{padding:.3em .6em;border-bottom:1px solid #ddd;text-align:left}\n"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".act{background:#fdecea;border-left:4px solid #b3261e;padding:.5em 1em;margin:.5em 0}\n"
    ".good{background:#e8f3ec;border-left:4px solid #1b7a43;padding:.5em 1em;margin:.5em 0}\n"
    ".small{color:#555;font-size:.85em}svg{width:100%;height:auto}\n"
    "svg text{font:11px system-ui,sans-serif;fill:#555}\n"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}"
    "th,td{border-color:#333}.act{background:#3a1a18}.good{background:#16301f}"
    ".small,svg text{color:#aaa;fill:#aaa}}\n";

std::string Cell(absl::string_view text, bool number = false) {
  return absl::StrCat(number ? "<td class=\"n\">" : "<td>", Escape(text), "</td>");
}

std::string Heading(const std::vector<std::pair<absl::string_view, bool>>& columns) {
  std::string row = "<tr>";
  for (const auto& [name, number] : columns) {
    absl::StrAppend(&row, number ? "<th class=\"n\">" : "<th>", Escape(name), "</th>");
  }
  return absl::StrCat(row, "</tr>\n");
}

// Bars of each day's peak, a line of its average, and where the limit is.
std::string Plot(const Report& report, absl::string_view name, const Meter& meter) {
  const std::vector<MeterBucket>& buckets = meter.hours().empty() ? meter.days() : meter.hours();
  uint64_t top = 1;
  for (const MeterBucket& bucket : buckets) {
    top = std::max(top, bucket.peak);
    if (bucket.limit != kNoLimit) top = std::max(top, bucket.limit);
  }
  const double plot_width = kWidth - kLeft;
  const double plot_height = kHeight - kBottom - 8;
  const double step = plot_width / static_cast<double>(std::max<size_t>(1, buckets.size()));
  const auto y = [&](double value) {
    return 8 + plot_height * (1 - value / static_cast<double>(top));
  };
  std::string bars, averages, limits;
  for (size_t i = 0; i < buckets.size(); ++i) {
    const MeterBucket& bucket = buckets[i];
    const double x = kLeft + step * static_cast<double>(i);
    const double at = y(static_cast<double>(bucket.peak));
    const bool above = bucket.limit != kNoLimit && bucket.above_ms > 0;
    const bool full = bucket.at_limit_ms > 0 && bucket.limit != kNoLimit;
    absl::StrAppendFormat(&bars,
                          "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\">"
                          "<title>%s: peak %d, average %.1f</title></rect>\n",
                          x, at, std::max(0.5, step * 0.9), std::max(0.0, 8 + plot_height - at),
                          above  ? "#b3261e"
                          : full ? "#d98a00"
                                 : "#4b84c4",
                          ReportTime(bucket.start_ms, report.utc_offset_s), bucket.peak,
                          bucket.average());
    absl::StrAppendFormat(&averages, "%.1f,%.1f ", x + step / 2, y(bucket.average()));
    if (bucket.limit != kNoLimit) {
      absl::StrAppendFormat(&limits, "M%.1f,%.1fh%.1f", x, y(static_cast<double>(bucket.limit)),
                            step);
    }
  }
  std::string svg = absl::StrFormat(
      "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"use of %s over time\">\n", kWidth,
      kHeight, Escape(name));
  absl::StrAppend(&svg, bars);
  if (!buckets.empty()) {
    absl::StrAppend(&svg, "<polyline points=\"", averages,
                    "\" fill=\"none\" stroke=\"#1b3a5c\" stroke-width=\"1.5\"/>\n");
  }
  if (!limits.empty()) {
    absl::StrAppend(&svg, "<path d=\"", limits,
                    "\" fill=\"none\" stroke=\"#b3261e\" stroke-width=\"1.5\" "
                    "stroke-dasharray=\"5 3\"/>\n");
  }
  absl::StrAppendFormat(&svg,
                        "<text x=\"%.0f\" y=\"16\" text-anchor=\"end\">%d</text>"
                        "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">0</text>\n",
                        kLeft - 6, top, kLeft - 6, 8 + plot_height);
  if (!buckets.empty()) {
    absl::StrAppendFormat(&svg,
                          "<text x=\"%.0f\" y=\"%.0f\">%s</text><text x=\"%.0f\" y=\"%.0f\" "
                          "text-anchor=\"end\">%s</text>\n",
                          kLeft, kHeight - 6,
                          ReportTime(buckets.front().start_ms, report.utc_offset_s), kWidth,
                          kHeight - 6, ReportTime(buckets.back().start_ms, report.utc_offset_s));
  }
  return absl::StrCat(svg, "</svg>\n");
}

std::string ItemsTable(const Report& report) {
  std::string html = "<h2>What was bought, and what is used</h2>\n<table>\n";
  html += Heading({{"item", false},
                   {"type", false},
                   {"unit", false},
                   {"entitled", true},
                   {"used", true},
                   {"average", true},
                   {"above for", false},
                   {"turned away", true},
                   {"users", true}});
  for (const ItemReport& item : report.items) {
    const MeterBucket& total = item.meter.total();
    absl::StrAppend(&html, "<tr>", Cell(item.item.name), Cell(item.item.type), Cell(item.item.unit),
                    Cell(absl::StrCat(item.item.quantity), true),
                    Cell(absl::StrCat(item.Used()), true),
                    Cell(ReportAverage(total.average()), true),
                    Cell(total.above_ms == 0 ? "" : ReportDuration(total.above_ms)),
                    Cell(absl::StrCat(item.true_denials), true),
                    Cell(absl::StrCat(item.users.hashes.size()), true), "</tr>\n");
  }
  return absl::StrCat(html, "</table>\n");
}

std::string FeaturesTable(const std::vector<const FeatureReport*>& features) {
  std::string html = "<h2>Features</h2>\n<table>\n";
  html += Heading({{"feature", false},
                   {"licensed", true},
                   {"peak", true},
                   {"average", true},
                   {"at limit for", false},
                   {"checkouts", true},
                   {"denials", true},
                   {"turned away", true},
                   {"users", true}});
  for (const FeatureReport* feature : features) {
    const MeterBucket& total = feature->meter.total();
    absl::StrAppend(
        &html, "<tr>", Cell(feature->name),
        Cell(feature->uncounted ? "uncounted" : absl::StrCat(feature->licensed), true),
        Cell(absl::StrCat(total.peak), true), Cell(ReportAverage(total.average()), true),
        Cell(total.at_limit_ms == 0 ? "" : ReportDuration(total.at_limit_ms)),
        Cell(absl::StrCat(feature->checkouts), true), Cell(absl::StrCat(feature->denials), true),
        Cell(absl::StrCat(feature->true_denials), true),
        Cell(absl::StrCat(feature->users.hashes.size()), true), "</tr>\n");
  }
  return absl::StrCat(html, "</table>\n");
}

// What a manager must know, before all numbers.
std::string Verdict(const Report& report) {
  std::string html;
  for (const std::string& gap : report.gaps) {
    absl::StrAppend(&html, "<p class=\"act\">Incomplete: ", Escape(gap), "</p>\n");
  }
  bool above = false;
  for (const ItemReport& item : report.items) {
    if (!item.IsAbove()) continue;
    above = true;
    absl::StrAppend(&html, "<p class=\"act\">", Escape(ReportAct(report, item)), "</p>\n");
  }
  if (!above && !report.items.empty()) {
    html += "<p class=\"good\">Nothing was used above what was bought.</p>\n";
  }
  for (const ItemReport& item : report.items) {
    if (!item.unused()) continue;
    absl::StrAppend(&html, "<p class=\"small\">Unused: ", Escape(item.item.name), ", ",
                    item.item.quantity, " ", Escape(item.item.unit), "</p>\n");
  }
  return html;
}

}  // namespace

std::string ReportHtml(const Report& report) {
  std::vector<const FeatureReport*> features;
  for (const FeatureReport& feature : report.features) features.push_back(&feature);
  std::sort(features.begin(), features.end(),
            [](const FeatureReport* a, const FeatureReport* b) { return a->name < b->name; });
  const std::string span = absl::StrCat(ReportTime(report.from_ms, report.utc_offset_s), " to ",
                                        ReportTime(report.to_ms, report.utc_offset_s));
  std::string html = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>Use of licenses, ",
      span, "</title>\n<style>\n", kStyle, "</style></head>\n<body>\n<h1>Use of licenses</h1>\n<p>",
      span, ", ", Counted(report.records, "record"), "</p>\n", Verdict(report));
  if (!report.items.empty()) html += ItemsTable(report);
  size_t plots = 0;
  for (const ItemReport& item : report.items) {
    if (item.meter.total().peak == 0 || plots++ >= kPlotsMax) continue;
    absl::StrAppend(&html, "<h3>", Escape(item.item.name), "</h3>\n",
                    Plot(report, item.item.name, item.meter));
  }
  html += FeaturesTable(features);
  for (const FeatureReport* feature : features) {
    if (feature->meter.total().peak == 0 || plots++ >= kPlotsMax) continue;
    absl::StrAppend(&html, "<h3>", Escape(feature->name), "</h3>\n",
                    Plot(report, feature->name, feature->meter));
  }
  absl::StrAppend(
      &html, "<p class=\"small\">Bars: the highest use of each ", report.by_hour ? "hour" : "day",
      ", amber where all licenses were out, red where more were used than there are. Line: the "
      "average. Dashed: how many there are. Turned away: denials after which the same user was not "
      "granted the feature within ",
      ReportDuration(report.window_ms), ".</p>\n</body></html>\n");
  return html;
}

}  // namespace triad::cli
