#include "cli/report_items.h"

#include <set>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/usage_source.h"

namespace triad::cli {
namespace {

constexpr int64_t kDayMs = 24 * 3'600'000;

// "": good.
std::string SetField(absl::string_view name, absl::string_view value, SellableItem* item) {
  if (name == "type") {
    item->type = std::string(value);
  } else if (name == "unit") {
    item->unit = std::string(value);
  } else if (name == "contact") {
    item->contact = std::string(value);
  } else if (name == "quantity") {
    if (!absl::SimpleAtoi(value, &item->quantity)) return "quantity is a whole number";
  } else if (name == "from" || name == "to") {
    const auto time = ParseTimeArgument(value);
    if (!time.ok()) return std::string(time.status().message());
    // A date belongs to its period to its end.
    const bool whole_day = value.size() == 10;
    (name == "from" ? item->from_ms : item->to_ms) =
        *time + (name == "to" && whole_day ? kDayMs : 0);
  } else if (name == "features") {
    for (const absl::string_view feature : absl::StrSplit(value, absl::ByAnyChar(", \t"))) {
      if (!feature.empty()) item->features.emplace_back(feature);
    }
  } else if (name == "measure") {
    if (value == "most") {
      item->measure = Measure::kMost;
    } else if (value == "sum") {
      item->measure = Measure::kSum;
    } else if (value == "users") {
      item->measure = Measure::kUsers;
    } else {
      return "measure is most, sum or users";
    }
  } else {
    return absl::StrCat("unknown word: ", name,
                        "; an item has type, unit, quantity, from, to, features, measure, contact");
  }
  return "";
}

}  // namespace

bool SellableItem::Has(absl::string_view feature) const {
  for (const std::string& pattern : features) {
    absl::string_view begin = pattern;
    if (absl::ConsumeSuffix(&begin, "*") ? absl::StartsWith(feature, begin) : feature == begin) {
      return true;
    }
  }
  return false;
}

uint64_t SellableItem::QuantityAt(int64_t wall_ms) const {
  return wall_ms >= from_ms && (to_ms == 0 || wall_ms < to_ms) ? quantity : 0;
}

absl::StatusOr<std::vector<SellableItem>> ReadItems(absl::string_view name,
                                                    absl::string_view text) {
  std::vector<SellableItem> items;
  std::set<std::string> names;
  int number = 0;
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(name, ":", number, ": ", what));
  };
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    if (absl::ConsumePrefix(&line, "[")) {
      if (!absl::ConsumeSuffix(&line, "]") || line.empty()) return wrong("an item begins [NAME]");
      SellableItem item;
      item.name = std::string(absl::StripAsciiWhitespace(line));
      if (!names.insert(item.name).second) return wrong(absl::StrCat(item.name, " stands twice"));
      items.push_back(std::move(item));
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) return wrong("a line is WORD = VALUE, or [NAME]");
    if (items.empty()) return wrong("before the first [NAME]");
    const std::string complaint =
        SetField(absl::StripAsciiWhitespace(line.substr(0, equals)),
                 absl::StripAsciiWhitespace(line.substr(equals + 1)), &items.back());
    if (!complaint.empty()) return wrong(complaint);
  }
  for (const SellableItem& item : items) {
    if (item.features.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": ", item.name, " names no features"));
    }
    if (item.to_ms != 0 && item.to_ms <= item.from_ms) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": ", item.name, " ends before it begins"));
    }
  }
  return items;
}

}  // namespace triad::cli
