#include "license/line_effects.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using Kind = FeatureLine::Kind;

// The day by which rule 6 of flexnet-facts 1.6 puts newer lines first, and SUPERSEDE older ones
// out. Lines without a date are older than those with one.
int32_t IssueDay(const FeatureLine& line) {
  if (line.issued) return line.issued->days;
  if (line.start) return line.start->days;
  return INT32_MIN;
}

// flexnet-facts 1.6. sort= comes first within a file; lines with the same sort= keep their order.
// Lines that state sort=100 stand behind those that state nothing, in their own order.
bool GrantedBefore(const Entry& x, const Entry& y) {
  const GoodLine& a = *x.source;
  const GoodLine& b = *y.source;
  if (a.file != b.file) return a.file < b.file;
  if (a.line.sort != b.line.sort) return a.line.sort < b.line.sort;
  if (a.line.sort_given != b.line.sort_given) return b.line.sort_given;
  if (a.line.sort_given) return a.original < b.original;
  if (x.feature != y.feature) return x.feature < y.feature;
  const bool feature_a = a.line.kind == Kind::kFeature;
  const bool feature_b = b.line.kind == Kind::kFeature;
  if (feature_a != feature_b) return feature_a;
  if (a.line.uncounted != b.line.uncounted) return a.line.uncounted;
  const int version = CompareVersions(x.version, y.version);
  if (version != 0) return version > 0;
  const int32_t issued_a = IssueDay(a.line);
  const int32_t issued_b = IssueDay(b.line);
  if (issued_a != issued_b) return issued_a > issued_b;
  return a.original < b.original;
}

std::optional<Day> Later(const std::optional<Day>& a, const std::optional<Day>& b) {
  return a && b ? std::max(a, b) : (a ? a : b);
}

std::optional<Day> Earlier(const std::optional<Day>& a, const std::optional<Day>& b) {
  return a && b ? std::min(a, b) : (a ? a : b);
}

std::string PlaceOf(const GoodLine& line) {
  return absl::StrCat(line.line.position.file, ":", line.line.position.line);
}

std::string DateOf(const FeatureLine& line) {
  const int32_t day = IssueDay(line);
  return day == INT32_MIN ? "with no date" : absl::StrCat("of ", FormatDay(Day{day}));
}

// ---- SUPERSEDE

// Who supersedes the lines of one feature of one vendor.
using Superseders = std::map<std::pair<std::string, std::string>, std::vector<const GoodLine*>>;

Superseders FindSuperseders(const std::vector<GoodLine>& lines, const ComplainOf& complain) {
  Superseders out;
  for (const GoodLine& good : lines) {
    const FeatureLine& line = good.line;
    if (!line.issued) {
      complain(good, Severity::kWarning,
               absl::StrCat(line.feature, ": SUPERSEDE without ISSUED= has no effect: ask ",
                            line.vendor, " for a line that has both"));
      continue;
    }
    std::set<std::string> features(line.terms.superseded.begin(), line.terms.superseded.end());
    if (features.empty()) features.insert(line.feature);
    for (const std::string& feature : features) out[{line.vendor, feature}].push_back(&good);
  }
  // The newest first: it tells most lines that they are over. Of several, that in force earliest.
  for (auto& [name, list] : out) {
    std::stable_sort(list.begin(), list.end(), [](const GoodLine* a, const GoodLine* b) {
      return *a->line.issued > *b->line.issued;
    });
  }
  return out;
}

// Whether `good` never counts. Else sets until when it does.
bool IsSuperseded(GoodLine& good, const Superseders& superseders, const ComplainOf& complain) {
  const auto found = superseders.find({good.line.vendor, good.line.feature});
  if (found == superseders.end()) return false;
  const GoodLine* by = nullptr;
  for (const GoodLine* other : found->second) {
    if (other->line.issued->days <= IssueDay(good.line)) continue;
    const bool earlier = by == nullptr || !other->line.start ||
                         (by->line.start && *other->line.start < *by->line.start);
    if (earlier) by = other;
    if (!by->line.start) break;
  }
  if (by == nullptr) return false;
  const std::optional<Day> start = by->line.start;
  if (start) good.until = Day{start->days - 1};
  complain(good, Severity::kNote,
           absl::StrCat(good.line.feature, ": this line ", DateOf(good.line),
                        start ? absl::StrCat(" is superseded from ", FormatDay(*start), " on")
                              : " is superseded",
                        " by the one at ", PlaceOf(*by), " ", DateOf(by->line)));
  return !start;
}

void DropSuperseded(std::vector<GoodLine>& lines, const Superseders& superseders,
                    const ComplainOf& complain) {
  std::vector<bool> gone;
  gone.reserve(lines.size());
  // All are asked before any moves: superseders are among them.
  for (GoodLine& good : lines) gone.push_back(IsSuperseded(good, superseders, complain));
  size_t kept = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (gone[i]) continue;
    if (kept != i) lines[kept] = std::move(lines[i]);
    ++kept;
  }
  lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(kept), lines.end());
}

// ---- UPGRADE

// Lines of one feature of one vendor, in file order.
using Upgradable = std::map<std::pair<std::string, std::string>, std::vector<size_t>>;

// Takes what `entry`, of an UPGRADE line, makes into its version from the closest line before it.
// false: there is none.
bool TakeUpgrade(Entry& entry, std::vector<Entry>& entries, const std::vector<size_t>& before) {
  const FeatureLine& line = entry.source->line;
  for (auto at = before.rbegin(); at != before.rend(); ++at) {
    Entry& base = entries[*at];
    if (base.source->line.uncounted != line.uncounted) continue;
    if (CompareVersions(base.version, line.from_version) < 0 ||
        CompareVersions(base.version, line.version) >= 0) {
      continue;
    }
    entry.start = Later(entry.start, base.start);
    entry.expiry = Earlier(entry.expiry, base.expiry);
    if (line.uncounted) return true;
    entry.licenses = std::min(line.count, base.left);
    if (entry.licenses == 0) return false;
    entry.left = entry.licenses;
    base.left -= entry.licenses;
    base.taken.push_back({entry.licenses, entry.start, entry.expiry});
    return true;
  }
  return false;
}

// ---- PACKAGE

// The package that a line enables: of its version, else the one without a version.
using Packages = std::map<std::tuple<std::string, std::string, std::string>, const GoodLine*>;

std::string PackageVersion(absl::string_view version) {
  return version.empty() ? "" : CanonicalVersion(version);
}

Packages FindPackages(const std::vector<GoodLine>& packages, const ComplainOf& complain) {
  Packages out;
  for (const GoodLine& package : packages) {
    if (package.until) continue;  // the newer one takes its place at once
    const FeatureLine& line = package.line;
    const auto [place, added] =
        out.try_emplace({line.vendor, line.feature, PackageVersion(line.version)}, &package);
    if (added) continue;
    complain(package, Severity::kError,
             absl::StrCat("PACKAGE ", line.feature, " of ", line.vendor,
                          " stands twice: ", PlaceOf(*place->second), " is used: remove this one"));
  }
  return out;
}

std::shared_ptr<const Pool::Package> FormOf(const GoodLine& package) {
  return std::make_shared<const Pool::Package>(
      Pool::Package{package.line.feature, package.line.position, package.canonical, package.sign});
}

class Expander {
 public:
  Expander(const Packages& packages, const ComplainOf& complain)
      : packages_(packages), complain_(complain) {}

  // Puts what `entry` gives behind `out`: itself, and the components of its package.
  void Expand(Entry entry, std::vector<Entry>& out) {
    const GoodLine* package = PackageOf(entry);
    if (package == nullptr) {
      out.push_back(std::move(entry));
      return;
    }
    used_.insert(package);
    std::shared_ptr<const Pool::Package>& form = forms_[package];
    if (form == nullptr) form = FormOf(*package);
    for (const FeatureLine::Component& component : package->line.components) {
      if (!Fits(entry, *package)) return;
      out.push_back(ComponentOf(entry, component, *package, form));
    }
    // Without OPTIONS=SUITE the enabling line gives its components only.
    if (package->line.suite != FeatureLine::Suite::kNone) out.push_back(std::move(entry));
  }

  void TellOfUnused() const {
    for (const auto& [name, package] : packages_) {
      if (used_.contains(package)) continue;
      const FeatureLine& line = package->line;
      complain_(*package, Severity::kWarning,
                absl::StrCat("PACKAGE ", line.feature, " is not enabled: a FEATURE or INCREMENT ",
                             "line ", line.feature,
                             line.version.empty() ? "" : absl::StrCat(" of version ", line.version),
                             " of ", line.vendor, " is needed"));
    }
  }

 private:
  const GoodLine* PackageOf(const Entry& entry) const {
    const FeatureLine& line = entry.source->line;
    for (const std::string& version : {CanonicalVersion(entry.version), std::string()}) {
      const auto found = packages_.find({line.vendor, line.feature, version});
      if (found != packages_.end()) return found->second;
    }
    return nullptr;
  }

  bool Fits(const Entry& entry, const GoodLine& package) {
    bytes_ += entry.source->canonical.size() * 3 + kComponentOverhead;
    if (bytes_ <= kComponentBytesMax) return true;
    if (!std::exchange(told_, true)) {
      complain_(package, Severity::kError,
                "the packages of these files have too many components times lines that enable "
                "them: split the files over several license servers");
    }
    return false;
  }

  static Entry ComponentOf(const Entry& enabling, const FeatureLine::Component& component,
                           const GoodLine& package,
                           const std::shared_ptr<const Pool::Package>& form) {
    Entry out = enabling;
    out.feature = component.feature;
    if (!component.version.empty()) out.version = component.version;
    out.licenses *= component.count;
    out.overdraft *= component.count;
    for (Pool::Taken& taken : out.taken) taken.count *= component.count;
    out.start = Later(out.start, package.line.start);
    out.package = form;
    out.suite = package.line.suite != FeatureLine::Suite::kNone;
    out.suite_reserved = package.line.suite == FeatureLine::Suite::kReserved;
    return out;
  }

  const Packages& packages_;
  const ComplainOf& complain_;
  std::set<const GoodLine*> used_;
  std::map<const GoodLine*, std::shared_ptr<const Pool::Package>> forms_;
  size_t bytes_ = 0;
  bool told_ = false;
};

Entry EntryOf(const GoodLine& good) {
  const FeatureLine& line = good.line;
  Entry entry;
  entry.source = &good;
  entry.feature = line.feature;
  entry.version = line.version;
  entry.licenses = line.count;
  entry.left = line.count;
  entry.overdraft = line.terms.overdraft;
  entry.start = line.start;
  entry.expiry = Earlier(line.expiry, good.until);
  return entry;
}

}  // namespace

void DropSuperseded(std::vector<GoodLine>& lines, std::vector<GoodLine>& packages,
                    const ComplainOf& complain) {
  // Of copies: what is dropped still supersedes what is older.
  std::vector<GoodLine> all;
  for (const std::vector<GoodLine>* list : {&lines, &packages}) {
    for (const GoodLine& good : *list) {
      if (good.line.terms.supersedes) all.push_back(good);
    }
  }
  const Superseders superseders = FindSuperseders(all, complain);
  DropSuperseded(lines, superseders, complain);
  DropSuperseded(packages, superseders, complain);
}

std::vector<Entry> EntriesOf(const std::vector<GoodLine>& lines,
                             const std::vector<GoodLine>& packages, const ComplainOf& complain) {
  std::vector<Entry> entries;
  Upgradable upgradable;
  for (const GoodLine& good : lines) {
    Entry entry = EntryOf(good);
    std::vector<size_t>& before = upgradable[{good.line.vendor, good.line.feature}];
    if (good.line.kind == Kind::kUpgrade && !TakeUpgrade(entry, entries, before)) {
      complain(good, Severity::kWarning,
               absl::StrCat("UPGRADE ", good.line.feature, ": no line before it has licenses of ",
                            good.line.from_version, " to below ", good.line.version,
                            " left: nothing is upgraded"));
      continue;
    }
    before.push_back(entries.size());
    entries.push_back(std::move(entry));
  }
  const Packages by_name = FindPackages(packages, complain);
  Expander expander(by_name, complain);
  std::vector<Entry> out;
  for (Entry& entry : entries) expander.Expand(std::move(entry), out);
  expander.TellOfUnused();
  std::stable_sort(out.begin(), out.end(), GrantedBefore);
  return out;
}

}  // namespace triad::license
