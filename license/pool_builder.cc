#include "license/pool_builder.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/digest.h"

namespace triad::license {
namespace {

constexpr Day kFirst{INT32_MIN};

// Attributes that tell pools apart (flexnet-facts 1.5), beside HOSTID and DUP_GROUP, which count by
// meaning.
constexpr std::array<absl::string_view, 5> kPoolingAttributes = {
    "FLOAT_OK", "HOST_BASED", "PLATFORMS", "USER_BASED", "VENDOR_STRING"};

std::string HostIdsText(const FeatureLine& line) {
  return absl::StrJoin(line.host_ids, " ", [](std::string* out, const HostId& id) {
    absl::StrAppend(out, id.ToString());
  });
}

// What the lines of a pool have in common. `suite`: of which suite it is a part; 0: of none.
std::string PoolingKey(absl::string_view feature, absl::string_view version,
                       const FeatureLine& line, uint64_t suite) {
  std::string out;
  AppendField(out, feature);
  AppendField(out, line.vendor);
  AppendField(out, CanonicalVersion(version));
  AppendField(out, line.uncounted ? "uncounted" : "counted");
  AppendField(out, HostIdsText(line));
  AppendField(out, line.terms.dup_group ? line.terms.dup_group->ToString() : "-");
  for (absl::string_view name : kPoolingAttributes) {
    const std::string* value = line.Attribute(name);
    AppendField(out, value == nullptr ? "-" : absl::StrCat("=", *value));
  }
  AppendField(out, absl::StrCat(suite));
  return out;
}

uint64_t PoolId(absl::string_view key) {
  const std::string hash = Sha256(key);
  uint64_t id = 0;
  for (int i = 0; i < 8; ++i) id = id << 8 | static_cast<unsigned char>(hash[i]);
  return id == 0 ? 1 : id;
}

// The pool of the line that enables the suite which `entry` is a component of; 0: of none.
uint64_t SuiteOf(const Entry& entry) {
  if (!entry.suite) return 0;
  const FeatureLine& line = entry.source->line;
  return PoolId(PoolingKey(line.feature, line.version, line, 0));
}

Pool NewPool(const Entry& entry, uint64_t id, uint64_t suite) {
  const FeatureLine& line = entry.source->line;
  Pool pool;
  pool.id = id;
  pool.feature = entry.feature;
  pool.vendor = line.vendor;
  pool.version = entry.version;
  const std::string* vendor_string = line.Attribute("VENDOR_STRING");
  if (vendor_string != nullptr) pool.vendor_string = *vendor_string;
  pool.host_ids = HostIdsText(line);
  pool.locks = line.host_ids;
  pool.uncounted = line.uncounted;
  pool.dup_group = line.terms.dup_group;
  pool.host_based = line.terms.host_based;
  pool.user_based = line.terms.user_based;
  pool.platforms = line.terms.platforms;
  if (suite != 0) pool.suite = Pool::Suite{suite, entry.suite_reserved};
  return pool;
}

// ---- what a pool gives on which day

// What one line gives from one day until another.
struct Stretch {
  uint64_t licenses = 0;
  uint64_t overdraft = 0;
  const LineTerms* terms = nullptr;
};

// The terms while lines come and go: sums, and the largest of what is not summed.
class RunningTerms {
 public:
  void Add(const Stretch& line) {
    ++lines_;
    terms_.licenses += line.licenses;
    terms_.overdraft += line.overdraft;
    linger_.insert(line.terms->linger_s);
    borrow_.insert(line.terms->borrow_hours);
    minimum_.insert(line.terms->minimum);
  }
  void Remove(const Stretch& line) {
    --lines_;
    terms_.licenses -= line.licenses;
    terms_.overdraft -= line.overdraft;
    linger_.erase(linger_.find(line.terms->linger_s));
    borrow_.erase(borrow_.find(line.terms->borrow_hours));
    minimum_.erase(minimum_.find(line.terms->minimum));
  }
  PoolTerms Now() const {
    PoolTerms out = terms_;
    out.valid = lines_ > 0;
    if (!out.valid) return out;
    out.linger_s = *linger_.rbegin();
    out.borrow_hours = *borrow_.rbegin();
    out.minimum = *minimum_.rbegin();
    return out;
  }

 private:
  PoolTerms terms_;
  size_t lines_ = 0;
  std::multiset<uint64_t> linger_;
  std::multiset<uint32_t> borrow_;
  std::multiset<uint64_t> minimum_;
};

struct Change {
  std::vector<Stretch> come;
  std::vector<Stretch> go;
};
using Changes = std::map<Day, Change>;

// The stretches of one line: UPGRADE lines take licenses away for a time. A line of which nothing
// is left gives no overdraft either.
void AddLine(const Pool& pool, const Pool::Line& entry, Changes& changes) {
  const Day begin = entry.start.value_or(kFirst);
  if (entry.expiry && *entry.expiry < begin) return;
  std::map<Day, int64_t> taken;
  taken[begin] += 0;
  for (const Pool::Taken& part : entry.taken) {
    const auto count = static_cast<int64_t>(part.count);
    taken[part.start.value_or(kFirst)] += count;
    if (part.expiry) taken[Day{part.expiry->days + 1}] -= count;
  }
  int64_t left = static_cast<int64_t>(entry.licenses);
  for (auto at = taken.begin(); at != taken.end(); ++at) {
    left -= at->second;
    const auto next = std::next(at);
    const Day from = std::max(at->first, begin);
    std::optional<Day> end;  // the first day after
    if (entry.expiry) end = Day{entry.expiry->days + 1};
    if (next != taken.end() && (!end || next->first < *end)) end = next->first;
    if (end && *end <= from) continue;
    if (left <= 0 && !pool.uncounted) continue;
    const Stretch stretch{static_cast<uint64_t>(left), entry.overdraft, &entry.line.terms};
    changes[from].come.push_back(stretch);
    if (end) changes[*end].go.push_back(stretch);
  }
}

std::vector<Pool::Span> SpansOf(const Pool& pool) {
  Changes changes;
  for (const Pool::Line& entry : pool.lines) AddLine(pool, entry, changes);
  std::vector<Pool::Span> spans;
  RunningTerms running;
  for (const auto& [day, change] : changes) {
    for (const Stretch& line : change.go) running.Remove(line);
    for (const Stretch& line : change.come) running.Add(line);
    PoolTerms terms = running.Now();
    if (spans.empty() || spans.back().terms != terms) spans.push_back({day, terms});
  }
  return spans;
}

// The enabling pools' lists of their components.
void LinkSuites(std::vector<Pool>& pools) {
  std::map<uint64_t, size_t> by_id;
  for (size_t i = 0; i < pools.size(); ++i) by_id.emplace(pools[i].id, i);
  for (const Pool& pool : pools) {
    if (!pool.suite) continue;
    const auto enabling = by_id.find(pool.suite->pool);
    if (enabling != by_id.end()) pools[enabling->second].components.push_back(pool.id);
  }
}

}  // namespace

std::vector<Pool> BuildPools(const std::vector<Entry>& entries) {
  std::vector<Pool> pools;
  std::map<std::string, size_t> index;
  for (const Entry& entry : entries) {
    const FeatureLine& line = entry.source->line;
    const uint64_t suite = SuiteOf(entry);
    const std::string key = PoolingKey(entry.feature, entry.version, line, suite);
    const auto [place, added] = index.emplace(key, pools.size());
    if (added) pools.push_back(NewPool(entry, PoolId(key), suite));
    Pool& pool = pools[place->second];
    if (!pool.suite_dup_group) pool.suite_dup_group = line.terms.suite_dup_group;
    Pool::Line kept;
    kept.line = line;
    kept.canonical = entry.source->canonical;
    kept.sign = entry.source->sign;
    kept.licenses = entry.licenses;
    kept.overdraft = entry.overdraft;
    kept.start = entry.start;
    kept.expiry = entry.expiry;
    kept.taken = entry.taken;
    kept.package = entry.package;
    pool.lines.push_back(std::move(kept));
  }
  for (Pool& pool : pools) pool.spans = SpansOf(pool);
  LinkSuites(pools);
  return pools;
}

}  // namespace triad::license
