// A report as text for people, CSV for spreadsheets, JSON for programs, and one page for a browser
// that needs nothing else. Members and columns: docs/reports.md. Pure.
#pragma once

#include <string>

#include "cli/report.h"

namespace triad::cli {

std::string ReportText(const Report& report);
std::string ReportCsv(const Report& report);
// One object, with a line end.
std::string ReportJson(const Report& report);
std::string ReportHtml(const Report& report);

// "2026-06-15 14:00"
std::string ReportTime(int64_t wall_ms, int32_t utc_offset_s);
// "1 d 2 h", "35 min", "12 s"
std::string ReportDuration(int64_t ms);
// "12.3"
std::string ReportAverage(double value);
// Who must do what, of an item of which more is used than was bought; "" of another one.
std::string ReportAct(const Report& report, const ItemReport& item);

}  // namespace triad::cli
