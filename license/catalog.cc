#include "license/catalog.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <set>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/digest.h"
#include "license/limits.h"
#include "license/line_effects.h"
#include "license/pool_builder.h"

namespace triad::license {
namespace {

static_assert(std::is_nothrow_move_constructible_v<std::vector<Pool>>,
              "by_feature_ and by_id_ point into pools_, which moves by handing over its array");

std::string ServerHostIds(const std::vector<ServerLine>& servers) {
  std::string out;
  for (const ServerLine& server : servers) AppendField(out, server.host_id.ToString());
  return out;
}

std::string Place(const Position& position) {
  return absl::StrCat(position.file, ":", position.line);
}

// From sources to the lines that may be granted from, in grant order, and all complaints.
class Selection {
 public:
  Selection(const LicenseSources& sources, const BuildHelp& help)
      : sources_(sources), help_(help) {}

  void Run() {
    for (const NamedBytes& source : sources_.license_files) {
      files_.push_back(ReadLicenseFile(source.name, source.bytes));
    }
    for (size_t i = 0; i < files_.size(); ++i) {
      complaints_.resize(i + 1);
      complaints_[i] = std::move(files_[i].diagnostics);
      for (const VendorLine& vendor : files_[i].vendors) vendors_.insert(vendor.vendor);
    }
    for (size_t i = 0; i < files_.size(); ++i) {
      if (UseServers(i)) List(i);
    }
    CheckSignatures();
    for (Candidate& candidate : candidates_) {
      if (MayServe(candidate)) Add(candidate);
    }
    const ComplainOf complain = [this](const GoodLine& line, Severity severity,
                                       std::string message) {
      Complain(line.file, severity, line.line.position, std::move(message));
    };
    DropSuperseded(lines_, packages_, complain);
    DropRepeatedFeatures();
    entries_ = EntriesOf(lines_, packages_, complain);
  }

  // They point into this.
  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<ServerLine>& servers() const { return servers_; }
  const std::set<std::string>& vendors() const { return vendors_; }
  VerifiedLines TakeVerified() { return std::move(verified_); }

  // By file, line and column.
  Diagnostics TakeComplaints() {
    Diagnostics out;
    for (Diagnostics& list : complaints_) {
      std::stable_sort(list.begin(), list.end(), [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.position.line, a.position.column) <
               std::tie(b.position.line, b.position.column);
      });
      for (Diagnostic& diagnostic : list) AddDiagnostic(out, std::move(diagnostic));
    }
    return out;
  }

 private:
  void Complain(size_t file, Severity severity, const Position& position, std::string message) {
    complaints_[file].push_back({severity, position, std::move(message)});
  }

  // Whether the lines of file `i` may be served under its SERVER lines. All files must name the
  // same machines.
  bool UseServers(size_t i) {
    const LicenseFile& file = files_[i];
    if (!file.servers_usable) return false;  // its reader said why
    if (file.servers.empty()) return true;
    if (servers_.empty()) {
      servers_ = file.servers;
      return true;
    }
    if (ServerHostIds(servers_) != ServerHostIds(file.servers)) {
      Complain(i, Severity::kError, file.servers[0].position,
               absl::StrCat("SERVER host ids differ from those at ", Place(servers_[0].position),
                            ": this file is ignored; serve it by a license server of its own"));
      return false;
    }
    for (size_t k = 0; k < servers_.size(); ++k) {
      if (servers_[k].host == file.servers[k].host && servers_[k].port == file.servers[k].port) {
        continue;
      }
      Complain(i, Severity::kWarning, file.servers[k].position,
               absl::StrCat("host or port differs from the same SERVER line at ",
                            Place(servers_[k].position), ", which is used"));
    }
    return true;
  }

  // A line that is served if its signature is good.
  struct Candidate {
    size_t file = 0;
    FeatureLine* line = nullptr;
    SignatureCheck checked;
  };

  void List(size_t i) {
    LicenseFile& file = files_[i];
    bool said = false;
    for (FeatureLine& line : file.features) {
      if (!line.uncounted && file.servers.empty()) {
        if (!std::exchange(said, true)) {
          Complain(i, Severity::kError, line.position,
                   "counted licenses need SERVER lines, and this file has none: put in those that "
                   "its vendor sent");
        }
        continue;
      }
      candidates_.push_back({i, &line, {}});
    }
    for (FeatureLine& line : file.packages) candidates_.push_back({i, &line, {}});
  }

  void CheckSignatures() {
    const auto check = [this](size_t k) {
      Candidate& candidate = candidates_[k];
      candidate.checked = CheckSignature(*candidate.line, files_[candidate.file].servers,
                                         sources_.keys, help_.known);
    };
    if (help_.for_each) return help_.for_each(candidates_.size(), check);
    for (size_t k = 0; k < candidates_.size(); ++k) check(k);
  }

  // Whether the line is signed, and may be served by this server; complains if not.
  bool MayServe(const Candidate& candidate) {
    const size_t i = candidate.file;
    const FeatureLine& line = *candidate.line;
    const Verdict verdict = candidate.checked.verdict;
    if (verdict != Verdict::kGood) {
      Complain(i, Severity::kError, line.position,
               absl::StrCat(line.feature, ": ", Explain(verdict, line)));
      return false;
    }
    verified_.insert(candidate.checked.verified);
    if (!line.terms.uncheckable.empty()) {
      Complain(i, Severity::kError, line.position,
               absl::StrCat(line.feature, ": ", line.terms.uncheckable,
                            " restricts what cannot be checked here, so the line is not served: "
                            "ask ",
                            line.vendor, " for one without it"));
      return false;
    }
    const bool counted = !line.uncounted && line.kind != FeatureLine::Kind::kPackage;
    if (counted && !vendors_.contains(line.vendor)) {
      if (vendors_missed_.insert(line.vendor).second) {
        Complain(
            i, Severity::kError, line.position,
            absl::StrCat("no VENDOR line for ", line.vendor, ": add `VENDOR ", line.vendor, "`"));
      }
      return false;
    }
    return true;
  }

  void Add(Candidate& candidate) {
    const size_t i = candidate.file;
    const bool package = candidate.line->kind == FeatureLine::Kind::kPackage;
    std::vector<GoodLine>& to = package ? packages_ : lines_;
    GoodLine good;
    good.canonical = std::move(candidate.checked.canonical);
    good.sign = std::move(candidate.checked.sign);
    good.file = i;
    good.original = to.size();
    good.line = std::move(*candidate.line);
    const auto [seen, added] = seen_.emplace(good.canonical, good.line.position);
    if (!added) {
      Complain(i, Severity::kNote, good.line.position,
               absl::StrCat(good.line.feature, ": the same line as at ", Place(seen->second),
                            "; it counts once"));
      return;
    }
    to.push_back(std::move(good));
  }

  // A FEATURE never adds: of several with one name the first is granted from.
  void DropRepeatedFeatures() {
    std::map<std::pair<std::string, std::string>, std::vector<size_t>> by_name;
    for (size_t k = 0; k < lines_.size(); ++k) {
      const FeatureLine& line = lines_[k].line;
      // One that is superseded some day makes room for the other.
      if (line.kind == FeatureLine::Kind::kFeature && !lines_[k].until) {
        by_name[{line.vendor, line.feature}].push_back(k);
      }
    }
    std::vector<bool> dropped(lines_.size(), false);
    for (const auto& [name, places] : by_name) {
      if (places.size() < 2) continue;
      std::vector<std::string> others;
      for (size_t n = 1; n < places.size(); ++n) {
        dropped[places[n]] = true;
        others.push_back(Place(lines_[places[n]].line.position));
      }
      const GoodLine& second = lines_[places[1]];
      Complain(
          second.file, Severity::kError, second.line.position,
          absl::StrCat("FEATURE ", name.second, " of ", name.first, " stands ", places.size(),
                       " times: ", Place(lines_[places[0]].line.position), " is granted from, ",
                       absl::StrJoin(others, ", "), others.size() == 1 ? " is" : " are",
                       " ignored: use INCREMENT, or remove it"));
    }
    std::vector<GoodLine> kept;
    for (size_t k = 0; k < lines_.size(); ++k) {
      if (!dropped[k]) kept.push_back(std::move(lines_[k]));
    }
    lines_ = std::move(kept);
  }

  const LicenseSources& sources_;
  const BuildHelp& help_;
  std::vector<LicenseFile> files_;
  std::vector<Diagnostics> complaints_;  // by file
  std::vector<ServerLine> servers_;
  std::set<std::string> vendors_;
  std::set<std::string> vendors_missed_;
  std::map<std::string, Position> seen_;  // canonical form -> its first place
  std::vector<Candidate> candidates_;     // in order of files; they point into files_
  VerifiedLines verified_;
  std::vector<GoodLine> lines_;  // FEATURE, INCREMENT, UPGRADE
  std::vector<GoodLine> packages_;
  std::vector<Entry> entries_;
};

std::string HashOfLines(const std::vector<Pool>& pools) {
  std::set<absl::string_view> forms;  // a package's line enables several pools
  for (const Pool& pool : pools) {
    for (const Pool::Line& line : pool.lines) {
      forms.insert(line.canonical);
      if (line.package != nullptr) forms.insert(line.package->canonical);
    }
  }
  std::string all;
  for (absl::string_view form : forms) AppendField(all, form);
  return Sha256Hex(all);
}

}  // namespace

const PoolTerms& Pool::On(Day day) const {
  static const auto* const kNothing = new PoolTerms();
  const auto after =
      std::upper_bound(spans.begin(), spans.end(), day,
                       [](Day wanted, const Span& span) { return wanted < span.from; });
  return after == spans.begin() ? *kNothing : std::prev(after)->terms;
}

std::optional<Day> Pool::NextChange(Day day) const {
  const auto after =
      std::upper_bound(spans.begin(), spans.end(), day,
                       [](Day wanted, const Span& span) { return wanted < span.from; });
  return after == spans.end() ? std::nullopt : std::optional<Day>(after->from);
}

std::string Pool::ExpiryText() const {
  const Line* latest = nullptr;
  for (const Line& entry : lines) {
    if (!entry.expiry) return "permanent";
    if (latest == nullptr || *latest->expiry < *entry.expiry) latest = &entry;
  }
  if (latest == nullptr) return "";
  return latest->expiry == latest->line.expiry ? latest->line.expiry_text
                                               : FormatDay(*latest->expiry);
}

Catalog Catalog::Build(const LicenseSources& sources, const BuildHelp& help) {
  Selection selection(sources, help);
  selection.Run();
  Catalog out;
  out.verified_ = std::make_shared<const VerifiedLines>(selection.TakeVerified());
  out.diagnostics_ = selection.TakeComplaints();
  out.servers_ = selection.servers();
  if (!out.servers_.empty()) out.server_set_ = Sha256Hex(ServerHostIds(out.servers_));
  out.pools_ = BuildPools(selection.entries());
  std::set<std::string> vendors = selection.vendors();
  for (const Pool& pool : out.pools_) {
    out.by_feature_[pool.feature].push_back(&pool);
    out.by_id_.emplace(pool.id, &pool);
    vendors.insert(pool.vendor);
  }
  out.vendors_.assign(vendors.begin(), vendors.end());
  out.license_hash_ = HashOfLines(out.pools_);
  out.policy_ = Policy::Build(sources.option_files, out.pools_, out.diagnostics_);
  return out;
}

const std::vector<const Pool*>& Catalog::PoolsOf(absl::string_view feature) const {
  static const auto* const kNone = new std::vector<const Pool*>();
  const auto it = by_feature_.find(feature);
  return it == by_feature_.end() ? *kNone : it->second;
}

const Pool* Catalog::FindPool(uint64_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

}  // namespace triad::license
