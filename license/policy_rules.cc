#include "license/policy_rules.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "license/host_id.h"

namespace triad::license {
namespace {

constexpr absl::string_view kAllUsers = "ALL_USERS";
constexpr absl::string_view kAllGroups = "ALL_GROUPS";

using Pools = std::vector<const Pool*>;

bool IsGroup(SubjectType type) {
  return type == SubjectType::kGroup || type == SubjectType::kHostGroup;
}

std::string Text(const FeatureSpec& spec) {
  if (spec.keyword.empty()) return spec.feature;
  return absl::StrCat(spec.feature, ":", spec.keyword, "=", spec.value);
}

std::string Named(const OptionLine& line) {
  return absl::StrCat(SubjectTypeName(line.type), " ", line.name);
}

// Signatures are written with blanks and in either case.
std::string BareSign(absl::string_view sign) {
  return absl::AsciiStrToUpper(absl::StrReplaceAll(sign, {{" ", ""}, {"\t", ""}}));
}

bool SameHostIds(absl::string_view value, const std::vector<HostId>& ids) {
  const absl::StatusOr<std::vector<HostId>> wanted = ParseHostIdList(value);
  if (!wanted.ok()) return false;
  return std::all_of(wanted->begin(), wanted->end(), [&](const HostId& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  });
}

bool Selects(const FeatureSpec& spec, const FeatureLine& line) {
  if (spec.keyword == "HOSTID") return SameHostIds(spec.value, line.host_ids);
  if (spec.keyword == "EXPDATE") {
    const absl::StatusOr<std::optional<Day>> day = ParseExpiry(spec.value);
    return day.ok() && *day == line.expiry;
  }
  if (spec.keyword == "SIGN" || spec.keyword == "KEY") {
    return BareSign(spec.value) == BareSign(line.sign);
  }
  const std::string* value = line.Attribute(spec.keyword);
  return value != nullptr && *value == spec.value;
}

// A component has a version of its own; by its package's name it is selected with the version of
// the line that enables the package.
bool HasVersion(const FeatureSpec& spec, const Pool& pool) {
  if (!IsVersion(spec.value)) return false;
  if (pool.feature == spec.feature) return CompareVersions(spec.value, pool.version) == 0;
  return std::any_of(pool.lines.begin(), pool.lines.end(), [&](const Pool::Line& entry) {
    return CompareVersions(spec.value, entry.line.version) == 0;
  });
}

// A pool is selected with any of its lines: its licenses count together.
bool Selects(const FeatureSpec& spec, const Pool& pool) {
  if (spec.keyword.empty()) return true;
  if (spec.keyword == "VERSION") return HasVersion(spec, pool);
  return std::any_of(pool.lines.begin(), pool.lines.end(),
                     [&](const Pool::Line& entry) { return Selects(spec, entry.line); });
}

// The pools of each feature, in grant order: of a package, each component counts by itself.
std::vector<Pools> ByFeature(const Pools& pools) {
  std::vector<Pools> out;
  std::map<absl::string_view, size_t> places;
  for (const Pool* pool : pools) {
    const auto [place, added] = places.emplace(pool->feature, out.size());
    if (added) out.emplace_back();
    out[place->second].push_back(pool);
  }
  return out;
}

bool ReservedBySuite(const Pool& pool) {
  return pool.suite && pool.suite->reserved;
}

uint64_t CountOf(const Pool& pool) {
  uint64_t sum = 0;
  for (const Pool::Line& entry : pool.lines) sum += entry.licenses;
  return sum;
}

// The most that any of the pools' lines says.
uint64_t Most(const Pools& pools, uint64_t (*of)(const LineTerms&)) {
  uint64_t most = 0;
  for (const Pool* pool : pools) {
    for (const Pool::Line& entry : pool->lines) most = std::max(most, of(entry.line.terms));
  }
  return most;
}

void SortOnce(Subjects& subjects) {
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
}

class Maker {
 public:
  explicit Maker(const std::vector<Pool>& pools) : pools_(pools) {
    for (const Pool& pool : pools) {
      std::set<std::string> names = {pool.feature};
      for (const Pool::Line& entry : pool.lines) {
        if (entry.package != nullptr) names.insert(entry.package->name);
      }
      for (const std::string& name : names) {
        by_name_[{pool.vendor, name}].push_back(&pool);
        vendors_of_.emplace(name, pool.vendor);
        folded_.emplace(std::pair(pool.vendor, absl::AsciiStrToLower(name)), name);
      }
    }
  }

  PolicyRules Make(const std::vector<NamedBytes>& files, Diagnostics& diagnostics) {
    for (const NamedBytes& file : files) AddFile(file, diagnostics);
    CloseUnnamed(diagnostics);
    return std::move(out_);
  }

 private:
  void Say(Severity severity, const Position& position, std::string message) {
    complaints_.push_back({severity, position, std::move(message)});
  }
  void Warn(const OptionLine& line, std::string message) {
    Say(Severity::kWarning, line.position, std::move(message));
  }

  void AddFile(const NamedBytes& file, Diagnostics& diagnostics);
  void AddLine(const OptionLine& line);
  void AddSubjectLine(const OptionLine& line, const Pools& pools);
  void AddNumberLine(const OptionLine& line, const Pools& pools);
  void AddMax(const OptionLine& line, const Pools& all_pools);
  void AddReserve(const OptionLine& line, const Pools& pools);
  void ReserveOf(const OptionLine& line, const Pools& pools, uint32_t subject);
  void AddTimeout(const OptionLine& line, const Pools& pools);
  void CheckNumber(const OptionLine& line, const Pools& pools);
  void CheckBorrow(const OptionLine& line, const Pools& pools);
  void NoteCatchAll(const OptionLine& line);
  void CheckOverruled();
  void CloseUnnamed(Diagnostics& diagnostics);
  std::string WhyUnnamed(const Pool& pool, bool users) const;
  Pools Targets(const OptionLine& line);
  std::optional<uint32_t> SubjectOf(const OptionLine& line);
  uint64_t Seconds(const OptionLine& line);
  PoolRules& RulesOf(const Pool& pool) {
    PoolRules& rules = out_.pools[pool.id];
    rules.vendor = vendor_;
    return rules;
  }

  const std::vector<Pool>& pools_;
  // (vendor, feature or package); a package's name stands for its components, and for a suite's own
  // licenses.
  std::map<std::pair<std::string, std::string>, Pools> by_name_;
  std::map<std::string, std::string> vendors_of_;  // of the same names -> the first vendor
  std::map<std::pair<std::string, std::string>, std::string> folded_;
  PolicyRules out_;
  uint32_t max_rules_ = 0;
  // Of USER_BASED and HOST_BASED pools: names that an INCLUDE with a selector gives, of (pool,
  // whether users).
  std::map<std::pair<uint64_t, bool>, std::set<std::string>> named_;

  // Of the file being added.
  VendorRules* vendor_ = nullptr;
  std::string vendor_name_;
  Diagnostics complaints_;
  std::set<std::string> catch_alls_;                   // features whose first INCLUDE was met
  std::map<std::pair<Option, std::string>, int> set_;  // (option, feature spec) -> line
  std::map<std::string, uint64_t> reserved_;           // feature -> licenses
  struct Included {
    const OptionLine* line;
    const Pool* pool;
    uint32_t subject;
  };
  std::vector<Included> included_;
};

void Maker::AddFile(const NamedBytes& file, Diagnostics& diagnostics) {
  const std::string shown = file.path.empty() ? absl::StrCat(file.name, ".opt") : file.path;
  if (out_.vendors.contains(file.name)) {
    AddDiagnostic(diagnostics, {Severity::kError,
                                {shown, 1, 1},
                                absl::StrCat("a second options file for ", file.name,
                                             ": it is ignored; put both into one")});
    return;
  }
  auto rules = std::make_unique<VendorRules>(ReadOptionsFile(shown, file.bytes));
  vendor_ = rules.get();
  vendor_name_ = file.name;
  complaints_ = std::move(vendor_->file.diagnostics);
  catch_alls_.clear();
  set_.clear();
  reserved_.clear();
  included_.clear();
  out_.settings.emplace(file.name, vendor_->file.settings);
  out_.vendors.emplace(file.name, std::move(rules));
  const bool known = std::any_of(pools_.begin(), pools_.end(),
                                 [&](const Pool& pool) { return pool.vendor == file.name; });
  if (!known && !vendor_->file.lines.empty()) {
    Say(Severity::kWarning, {shown, 1, 1},
        absl::StrCat("no license file has licenses of ", file.name,
                     ", so its options have no effect: is the vendor's name right?"));
  } else {
    for (const OptionLine& line : vendor_->file.lines) AddLine(line);
    CheckOverruled();
  }
  SortOnce(vendor_->excluded_all);
  SortOnce(vendor_->included_all);
  for (const Pool& pool : pools_) {
    if (pool.vendor != file.name) continue;
    PoolRules& pool_rules = RulesOf(pool);
    SortOnce(pool_rules.excluded);
    SortOnce(pool_rules.included);
    SortOnce(pool_rules.borrow_excluded);
    SortOnce(pool_rules.borrow_included);
  }
  std::stable_sort(complaints_.begin(), complaints_.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::tie(a.position.line, a.position.column) <
                            std::tie(b.position.line, b.position.column);
                   });
  for (Diagnostic& complaint : complaints_) AddDiagnostic(diagnostics, std::move(complaint));
}

// The pools that a line is about, in grant order; none, with a complaint, if it has no effect.
Pools Maker::Targets(const OptionLine& line) {
  const FeatureSpec& spec = line.spec;
  const auto it = by_name_.find({vendor_name_, spec.feature});
  if (it == by_name_.end()) {
    const auto near = folded_.find({vendor_name_, absl::AsciiStrToLower(spec.feature)});
    const auto other = vendors_of_.find(spec.feature);
    std::string advice = "mend the name, or remove the line";
    if (near != folded_.end()) {
      advice = absl::StrCat("did you mean ", near->second, "? Case counts");
    } else if (other != vendors_of_.end()) {
      advice = absl::StrCat("it is a feature of ", other->second,
                            ": put the line into that vendor's options file");
    }
    Say(Severity::kWarning, spec.position,
        absl::StrCat("no license file has feature ", spec.feature, " of ", vendor_name_,
                     ", so the line has no effect: ", advice));
    return {};
  }
  Pools pools;
  for (const Pool* pool : it->second) {
    if (Selects(spec, *pool)) pools.push_back(pool);
  }
  if (pools.empty()) {
    Say(Severity::kWarning, spec.position,
        absl::StrCat("no line of feature ", spec.feature, " has ", spec.keyword, "=", spec.value,
                     ", so the line has no effect"));
  }
  return pools;
}

// nullopt, with a complaint: it stands for nobody.
std::optional<uint32_t> Maker::SubjectOf(const OptionLine& line) {
  const std::optional<uint32_t> subject = vendor_->index.Add(line.type, line.name);
  if (!subject) {
    const bool hosts = line.type == SubjectType::kHostGroup;
    const OptionsFile& file = vendor_->file;
    if (file.FindGroup(line.name, hosts) != nullptr) return std::nullopt;  // empty: said before
    std::string advice = absl::StrCat("add `", SubjectTypeName(line.type), " ", line.name,
                                      " ...`, or mend the name");
    for (const OptionGroup& group : file.groups) {
      if (!absl::EqualsIgnoreCase(group.name, line.name)) continue;
      advice = group.hosts == hosts
                   ? absl::StrCat("did you mean ", group.name, "? Case counts")
                   : absl::StrCat(group.name, " is a ", group.hosts ? "HOST_GROUP" : "GROUP");
    }
    Say(Severity::kError, line.name_position,
        absl::StrCat(Named(line), " is not defined, so the line has no effect: ", advice));
    return std::nullopt;
  }
  if (line.type == SubjectType::kUser && line.name == kAllUsers) {
    Warn(line, "ALL_USERS stands for all in MAX lines only: here it is a user of that name");
  }
  return subject;
}

void Maker::AddLine(const OptionLine& line) {
  if (line.option == Option::kTimeoutAll) {
    AddTimeout(line, {});
    return;
  }
  const bool all = line.option == Option::kIncludeAll || line.option == Option::kExcludeAll;
  const Pools pools = all ? Pools() : Targets(line);
  if (!all && pools.empty()) return;
  switch (line.option) {
    case Option::kMax:
      return AddMax(line, pools);
    case Option::kReserve:
      return AddReserve(line, pools);
    case Option::kInclude:
    case Option::kIncludeAll:
    case Option::kExclude:
    case Option::kExcludeAll:
    case Option::kIncludeBorrow:
    case Option::kExcludeBorrow:
      return AddSubjectLine(line, pools);
    case Option::kTimeout:
      return AddTimeout(line, pools);
    default:
      return AddNumberLine(line, pools);
  }
}

void Maker::NoteCatchAll(const OptionLine& line) {
  const bool all = line.option == Option::kIncludeAll;
  const std::string key = all ? "" : line.spec.feature;
  if (!catch_alls_.insert(key).second) return;
  Say(Severity::kNote, line.position,
      all ? absl::StrCat("from here on only those listed may use any feature of ", vendor_name_)
          : absl::StrCat("from here on only those listed may use ", line.spec.feature));
}

void Maker::AddSubjectLine(const OptionLine& line, const Pools& pools) {
  const std::optional<uint32_t> subject = SubjectOf(line);
  if (!subject) return;
  switch (line.option) {
    case Option::kIncludeAll:
      vendor_->included_all.push_back(*subject);
      return NoteCatchAll(line);
    case Option::kExcludeAll:
      vendor_->excluded_all.push_back(*subject);
      return;
    case Option::kExclude:
      for (const Pool* pool : pools) RulesOf(*pool).excluded.push_back(*subject);
      return;
    case Option::kIncludeBorrow:
    case Option::kExcludeBorrow:
      CheckBorrow(line, pools);
      for (const Pool* pool : pools) {
        PoolRules& rules = RulesOf(*pool);
        const bool in = line.option == Option::kIncludeBorrow;
        (in ? rules.borrow_included : rules.borrow_excluded).push_back(*subject);
      }
      return;
    default:
      break;
  }
  NoteCatchAll(line);
  included_.push_back({&line, pools[0], *subject});
  for (const Pool* pool : pools) {
    RulesOf(*pool).included.push_back(*subject);
    const bool users = line.type == SubjectType::kUser || line.type == SubjectType::kGroup;
    if (!(users ? pool->user_based : pool->host_based).has_value()) continue;
    if (line.spec.keyword.empty()) {
      Warn(line, absl::StrCat("does not name users or hosts for the ",
                              users ? "USER_BASED" : "HOST_BASED", " feature ", line.spec.feature,
                              ": write `", line.spec.feature, ":VERSION=", pool->version, "`"));
      continue;
    }
    std::set<std::string>& names = named_[{pool->id, users}];
    const OptionGroup* group =
        IsGroup(line.type)
            ? vendor_->file.FindGroup(line.name, line.type == SubjectType::kHostGroup)
            : nullptr;
    if (group == nullptr) {
      names.insert(line.name);
    } else {
      names.insert(group->members.begin(), group->members.end());
    }
  }
}

// An INCLUDE of someone who is on the EXCLUDE list, too.
void Maker::CheckOverruled() {
  for (const Included& each : included_) {
    const Subjects& excluded = RulesOf(*each.pool).excluded;
    const Subjects& all = vendor_->excluded_all;
    if (std::find(excluded.begin(), excluded.end(), each.subject) == excluded.end() &&
        std::find(all.begin(), all.end(), each.subject) == all.end()) {
      continue;
    }
    Warn(*each.line, absl::StrCat(Named(*each.line),
                                  " is on an EXCLUDE list too, which wins: remove one of them"));
  }
}

void Maker::AddMax(const OptionLine& line, const Pools& all_pools) {
  const bool all_users = line.type == SubjectType::kUser && line.name == kAllUsers;
  const bool all_groups = line.type == SubjectType::kGroup && line.name == kAllGroups;
  std::optional<uint32_t> subject;
  if (!all_users && !all_groups) {
    subject = SubjectOf(line);
    if (!subject) return;
  }
  bool has_effect = true;
  for (const Pools& pools : ByFeature(all_pools)) {
    const MaxRule rule{++max_rules_, line.number,
                       absl::StrCat("MAX ", line.number, " ", Text(line.spec), " ", Named(line))};
    for (const Pool* pool : pools) {
      MaxRules& rules = RulesOf(*pool).max[Text(line.spec)];
      if (all_users || all_groups) {
        std::optional<MaxRule>& place = all_users ? rules.all_users : rules.all_groups;
        has_effect = !place.has_value();
        if (has_effect) place = rule;
        continue;
      }
      const bool caught = (line.type == SubjectType::kUser && rules.all_users) ||
                          (line.type == SubjectType::kGroup && rules.all_groups);
      has_effect = rules.named.emplace(*subject, rule).second && !caught;
    }
  }
  if (has_effect) return;
  Warn(line, absl::StrCat("an earlier MAX line of ", Text(line.spec), " counts for ", Named(line),
                          all_users || all_groups
                              ? ", so this one has no effect: remove one of them"
                              : ", so this one has no effect: specific lines stand before "
                                "ALL_USERS and ALL_GROUPS, and once"));
}

void Maker::AddReserve(const OptionLine& line, const Pools& pools) {
  const std::optional<uint32_t> subject = SubjectOf(line);
  if (!subject) return;
  Pools counted;
  for (const Pool* pool : pools) {
    if (!pool->uncounted) counted.push_back(pool);
  }
  if (counted.empty()) {
    Warn(line, absl::StrCat(line.spec.feature,
                            " is uncounted, and nothing of it need be set aside: the line has no "
                            "effect"));
    return;
  }
  // SUITE_RESERVED keeps a component for whoever has another one out; the vendor's documents say
  // not to reserve beside it. Both at once would keep licenses twice.
  const Pool& first = *counted.front();
  counted.erase(std::remove_if(counted.begin(), counted.end(),
                               [](const Pool* pool) { return ReservedBySuite(*pool); }),
                counted.end());
  if (counted.empty()) {
    const std::string& suite = first.lines[0].package->name;
    Say(Severity::kError, line.position,
        absl::StrCat(first.feature, " is a component of ", suite,
                     " with OPTIONS=SUITE_RESERVED, which reserves by itself, so the line has no "
                     "effect: reserve ",
                     suite, " instead"));
    return;
  }
  for (const Pools& of_one : ByFeature(counted)) ReserveOf(line, of_one, *subject);
}

void Maker::ReserveOf(const OptionLine& line, const Pools& pools, uint32_t subject) {
  FeatureSpec spec = line.spec;
  spec.feature = pools.front()->feature;  // a component, where the line has its package's name
  ReserveRule rule;
  uint64_t licenses = 0;
  for (const Pool* pool : pools) {
    rule.pools.push_back(pool);
    licenses += CountOf(*pool);
  }
  uint64_t& reserved = reserved_[Text(spec)];
  const uint64_t left = licenses - std::min(licenses, reserved);
  reserved += line.number;
  if (line.number > left) {
    Say(Severity::kError, line.position,
        absl::StrCat("reserves ", line.number, " of ", Text(spec), ", of whose ", licenses,
                     " licenses ", left, left == 1 ? " is" : " are",
                     " not reserved yet: only so many are; lower it, or another before it"));
  }
  rule.reservation = {static_cast<uint32_t>(out_.reserves.size()), line.number, line.type,
                      line.name, subject};
  out_.reserves.push_back(std::move(rule));
}

uint64_t Maker::Seconds(const OptionLine& line) {
  if (line.number == 0) {
    Say(Severity::kNote, line.position,
        absl::StrCat(OptionName(line.option), " of 0: idle licenses are not reclaimed"));
    return 0;
  }
  if (line.number >= kTimeoutSecondsMin) return line.number;
  Warn(line, absl::StrCat(OptionName(line.option), " of ", line.number, " seconds is raised to ",
                          kTimeoutSecondsMin, ", the least there is"));
  return kTimeoutSecondsMin;
}

void Maker::AddTimeout(const OptionLine& line, const Pools& pools) {
  CheckNumber(line, pools);
  const uint64_t seconds = Seconds(line);
  if (line.option == Option::kTimeoutAll) vendor_->timeout_all_s = seconds;
  for (const Pool* pool : pools) RulesOf(*pool).timeout_s = seconds;
}

// What a line with a number says again, or in vain.
void Maker::CheckNumber(const OptionLine& line, const Pools& pools) {
  const auto [place, added] =
      set_.emplace(std::pair(line.option, Text(line.spec)), line.position.line);
  if (!added) {
    Warn(line, absl::StrCat(OptionName(line.option), " ", Text(line.spec), " stands in line ",
                            place->second, " already: this one counts; remove the other"));
    place->second = line.position.line;
  }
  const std::string& feature = line.spec.feature;
  if (line.option == Option::kLinger) {
    const uint64_t own = Most(pools, [](const LineTerms& terms) { return terms.linger_s; });
    if (own > 0 && line.number <= own) {
      Warn(line, absl::StrCat("LINGER can only extend what the license says, and ", feature,
                              " lingers ", own, " seconds: the line has no effect"));
    }
  }
  if (line.option == Option::kMaxOverdraft) {
    const uint64_t own = Most(pools, [](const LineTerms& terms) { return terms.overdraft; });
    if (own == 0) {
      Warn(line, absl::StrCat(feature, " has no OVERDRAFT: the line has no effect"));
    } else if (line.number >= own) {
      Warn(line, absl::StrCat("MAX_OVERDRAFT can only lower what the license says, and ", feature,
                              " has OVERDRAFT=", own, ": the line has no effect"));
    }
  }
  if (line.option == Option::kBorrowLowwater || line.option == Option::kMaxBorrowHours) {
    CheckBorrow(line, pools);
  }
}

void Maker::CheckBorrow(const OptionLine& line, const Pools& pools) {
  const uint64_t own =
      Most(pools, [](const LineTerms& terms) { return uint64_t{terms.borrow_hours}; });
  if (own == 0) {
    Warn(line, absl::StrCat(line.spec.feature,
                            " has no BORROW, so nothing of it may be borrowed: the line has no "
                            "effect"));
  } else if (line.option == Option::kMaxBorrowHours && line.number >= own) {
    Warn(line, absl::StrCat("MAX_BORROW_HOURS can only lower what the license says, and ",
                            line.spec.feature, " has BORROW=", own, ": the line has no effect"));
  } else if (line.option == Option::kBorrowLowwater) {
    for (const Pools& of_one : ByFeature(pools)) {
      uint64_t licenses = 0;
      for (const Pool* pool : of_one) licenses += CountOf(*pool);
      if (line.number < licenses) continue;
      Warn(line, absl::StrCat("all ", licenses, " licenses of ", of_one.front()->feature,
                              " must stay: nothing of it may be borrowed"));
    }
  }
}

void Maker::AddNumberLine(const OptionLine& line, const Pools& pools) {
  CheckNumber(line, pools);
  for (const Pool* pool : pools) {
    PoolRules& rules = RulesOf(*pool);
    switch (line.option) {
      case Option::kLinger:
        rules.linger_s = line.number;
        break;
      case Option::kMaxOverdraft:
        rules.overdraft_max = line.number;
        break;
      case Option::kBorrowLowwater:
        rules.borrowing.lowwater = line.number;
        break;
      case Option::kMaxBorrowHours:
        rules.borrowing.hours_max = line.number;
        break;
      default:
        break;
    }
  }
}

// "": an INCLUDE with a selector names as many as are licensed, or fewer.
std::string Maker::WhyUnnamed(const Pool& pool, bool users) const {
  absl::string_view keyword = users ? "USER_BASED" : "HOST_BASED";
  absl::string_view kind = users ? "users" : "hosts";
  const auto it = named_.find({pool.id, users});
  if (it == named_.end()) {
    return absl::StrCat(pool.feature, " is ", keyword, ", and no INCLUDE names its ", kind,
                        " (-84): add `INCLUDE ", pool.feature, ":VERSION=", pool.version,
                        users ? " USER" : " HOST", " ...` to the options file of ", pool.vendor);
  }
  uint64_t most = 0;
  for (const Pool::Line& entry : pool.lines) {
    most += (users ? entry.line.terms.user_based : entry.line.terms.host_based).value_or(0);
  }
  if (it->second.size() <= most) return "";
  return absl::StrCat(pool.feature, " is ", keyword, " for ", most, " ", kind,
                      ", and INCLUDE names ", it->second.size(), " (-84): name no more than ",
                      most);
}

// USER_BASED and HOST_BASED pools are for those named, and for nobody if that is not so.
void Maker::CloseUnnamed(Diagnostics& diagnostics) {
  for (const Pool& pool : pools_) {
    std::string why;
    if (pool.user_based) why = WhyUnnamed(pool, true);
    if (why.empty() && pool.host_based) why = WhyUnnamed(pool, false);
    if (why.empty()) continue;
    AddDiagnostic(diagnostics, {Severity::kError, pool.lines[0].line.position, why});
    out_.pools[pool.id].closed = std::move(why);
  }
}

}  // namespace

PolicyRules MakeRules(const std::vector<NamedBytes>& option_files, const std::vector<Pool>& pools,
                      Diagnostics& diagnostics) {
  return Maker(pools).Make(option_files, diagnostics);
}

}  // namespace triad::license
