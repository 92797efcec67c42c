// The file that says what was bought: sellable items, as the maintenance agreement lists them, and
// the features that each of them uses. Format: docs/reports.md. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::cli {

// How an item's use is counted out of its features'.
enum class Measure {
  kMost,   // at one time, the feature of which most is out: a seat takes one of each
  kSum,    // at one time, all its features together
  kUsers,  // different users within the report's span
};

struct SellableItem {
  std::string name;
  std::string type;  // license type, as the agreement calls it
  std::string unit;  // unit of measure
  uint64_t quantity = 0;
  int64_t from_ms = 0;                // period of ownership; 0: open
  int64_t to_ms = 0;                  // exclusive
  std::vector<std::string> features;  // "name", or "begin*"
  Measure measure = Measure::kMost;
  std::string contact;  // who must act when more is used

  bool Has(absl::string_view feature) const;
  // What is entitled at a moment: 0 outside of the period.
  uint64_t QuantityAt(int64_t wall_ms) const;
};

// INVALID_ARGUMENT: "NAME:LINE: what is wrong".
absl::StatusOr<std::vector<SellableItem>> ReadItems(absl::string_view name, absl::string_view text);

}  // namespace triad::cli
