// `triad report`: licenses against use, by feature and by sellable item, over a span of time.
//
// ReportBuilder takes records one after the other, millions of them, and keeps sums only. Pure; the
// verb is at the end. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "cli/report_items.h"
#include "cli/report_meter.h"
#include "triad/v1/usage.pb.h"

namespace triad::cli {

// Different users that are counted one by one, of a feature or an item; beyond it "at least".
inline constexpr size_t kReportUsersMax = 100'000;
// Denials that wait to be told from retries; beyond it the oldest count as true.
inline constexpr size_t kReportDenialsMax = 1'000'000;

struct UsersSeen {
  absl::flat_hash_set<uint64_t> hashes;  // of names: looked up, never walked through
  bool more = false;
  void Add(absl::string_view name);
};

struct FeatureReport {
  explicit FeatureReport(bool keep_hours) : meter(keep_hours) {}
  std::string name;
  uint64_t licensed = 0;  // at the end
  bool uncounted = false;
  Meter meter;
  uint64_t checkouts = 0;
  uint64_t denials = 0;       // all answers that were no
  uint64_t true_denials = 0;  // of a user who was not granted it within the window
  std::map<std::string, uint64_t> reasons;
  UsersSeen users;
  std::vector<size_t> items;  // that use it
};

struct ItemReport {
  ItemReport(SellableItem of, bool keep_hours) : item(std::move(of)), meter(keep_hours) {}
  SellableItem item;
  Meter meter;
  uint64_t true_denials = 0;
  UsersSeen users;
  std::vector<size_t> features;
  bool unused() const { return meter.total().peak == 0 && users.hashes.empty(); }
  // The number that is compared with the quantity.
  uint64_t Used() const;
  bool IsAbove() const;
};

struct Report {
  int64_t from_ms = 0;
  int64_t to_ms = 0;
  int32_t utc_offset_s = 0;
  int64_t window_ms = 0;
  uint64_t records = 0;
  bool by_hour = false;
  // deques: what stands in them does not move.
  std::deque<FeatureReport> features;  // in order of name
  std::deque<ItemReport> items;        // as the file has them
  std::vector<std::string> gaps;       // "records 2 to 5 are missing"
};

class ReportBuilder {
 public:
  // Hours one by one up to this span; of a longer one by the hour of the day.
  static constexpr int64_t kHoursSpanMaxMs = int64_t{32} * 24 * 3'600'000;

  // `to_ms` 0: the last record's time, or what Finish says.
  ReportBuilder(std::vector<SellableItem> items, int64_t from_ms, int64_t to_ms, int64_t window_ms);

  // A feature that is licensed, used or not.
  void AddFeature(const std::string& name, uint64_t licensed, bool uncounted);
  void Add(const v1::UsageRecord& record);
  Report Finish(int64_t now_ms);

 private:
  struct Denial {
    int64_t at_ms = 0;
    size_t feature = 0;
    std::string user;
  };
  size_t FeatureOf(const std::string& name);
  void AddDenial(const v1::UsageRecord& record, size_t feature);
  void SettleDenials(int64_t now_ms);
  void SetLevel(const v1::UsageRecord& record, size_t feature);
  void SetItems(const v1::UsageRecord& record, const FeatureReport& feature);

  Report report_;
  bool keep_hours_ = false;
  int64_t last_ms_ = 0;
  absl::btree_map<std::string, size_t> by_name_;
  std::deque<Denial> denials_;  // the oldest first
  // (feature, user) -> when he was last granted it; kept while denials wait.
  absl::flat_hash_map<std::pair<size_t, std::string>, int64_t> pending_;
};

int ReportVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
