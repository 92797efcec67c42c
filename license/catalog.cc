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

namespace triad::license {
namespace {

static_assert(std::is_nothrow_move_constructible_v<std::vector<Pool>>,
              "by_feature_ and by_id_ point into pools_, which moves by handing over its array");

// Attributes that tell pools apart (flexnet-facts 1.5), beside HOSTID and DUP_GROUP, which count by
// meaning.
constexpr std::array<absl::string_view, 5> kPoolingAttributes = {
    "FLOAT_OK", "HOST_BASED", "PLATFORMS", "USER_BASED", "VENDOR_STRING"};

// A line that verified, on its way into a pool.
struct Candidate {
  FeatureLine line;
  std::string canonical;
  ParsedSign sign;
  size_t file = 0;      // order of the files
  size_t original = 0;  // order in all files
};

std::string HostIdsText(const FeatureLine& line) {
  return absl::StrJoin(line.host_ids, " ", [](std::string* out, const HostId& id) {
    absl::StrAppend(out, id.ToString());
  });
}

std::string ServerHostIds(const std::vector<ServerLine>& servers) {
  std::string out;
  for (const ServerLine& server : servers) AppendField(out, server.host_id.ToString());
  return out;
}

// What lines of one pool have in common.
std::string PoolingKey(const FeatureLine& line) {
  std::string out;
  AppendField(out, line.feature);
  AppendField(out, line.vendor);
  AppendField(out, CanonicalVersion(line.version));
  AppendField(out, line.uncounted ? "uncounted" : "counted");
  AppendField(out, HostIdsText(line));
  AppendField(out, line.terms.dup_group ? line.terms.dup_group->ToString() : "-");
  for (absl::string_view name : kPoolingAttributes) {
    const std::string* value = line.Attribute(name);
    AppendField(out, value == nullptr ? "-" : absl::StrCat("=", *value));
  }
  return out;
}

uint64_t PoolId(absl::string_view key) {
  const std::string hash = Sha256(key);
  uint64_t id = 0;
  for (int i = 0; i < 8; ++i) id = id << 8 | static_cast<unsigned char>(hash[i]);
  return id == 0 ? 1 : id;
}

// The day by which rule 6 of flexnet-facts 1.6 puts newer lines first.
int32_t IssueDay(const FeatureLine& line) {
  if (line.issued) return line.issued->days;
  if (line.start) return line.start->days;
  return INT32_MIN;
}

// flexnet-facts 1.6. sort= comes first within a file; lines with the same sort= keep their order.
// Lines that state sort=100 stand behind those that state nothing, in their own order.
bool GrantedBefore(const Candidate& a, const Candidate& b) {
  if (a.file != b.file) return a.file < b.file;
  if (a.line.sort != b.line.sort) return a.line.sort < b.line.sort;
  if (a.line.sort_given != b.line.sort_given) return b.line.sort_given;
  if (a.line.sort_given) return a.original < b.original;
  if (a.line.feature != b.line.feature) return a.line.feature < b.line.feature;
  if (a.line.kind != b.line.kind) return a.line.kind == FeatureLine::Kind::kFeature;
  if (a.line.uncounted != b.line.uncounted) return a.line.uncounted;
  const int version = CompareVersions(a.line.version, b.line.version);
  if (version != 0) return version > 0;
  if (IssueDay(a.line) != IssueDay(b.line)) return IssueDay(a.line) > IssueDay(b.line);
  return a.original < b.original;
}

std::string Place(const Position& position) {
  return absl::StrCat(position.file, ":", position.line);
}

// From sources to the lines that may be granted from, in grant order, and all complaints.
class Selection {
 public:
  explicit Selection(const LicenseSources& sources) : sources_(sources) {}

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
      if (UseServers(i)) Collect(i);
    }
    DropRepeatedFeatures();
    std::sort(candidates_.begin(), candidates_.end(), GrantedBefore);
  }

  std::vector<Candidate>& candidates() { return candidates_; }
  const std::vector<ServerLine>& servers() const { return servers_; }
  const std::set<std::string>& vendors() const { return vendors_; }

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

  void Collect(size_t i) {
    LicenseFile& file = files_[i];
    bool said_no_servers = false;
    for (FeatureLine& line : file.features) {
      if (!line.uncounted && file.servers.empty()) {
        if (!said_no_servers) {
          Complain(i, Severity::kError, line.position,
                   "counted licenses need SERVER lines, and this file has none: put in those that "
                   "its vendor sent");
        }
        said_no_servers = true;
        continue;
      }
      const Verdict verdict = Verify(line, file.servers, sources_.keys);
      if (verdict != Verdict::kGood) {
        Complain(i, Severity::kError, line.position,
                 absl::StrCat(line.feature, ": ", Explain(verdict, line)));
        continue;
      }
      if (!line.uncounted && !vendors_.contains(line.vendor)) {
        if (vendors_missed_.insert(line.vendor).second) {
          Complain(
              i, Severity::kError, line.position,
              absl::StrCat("no VENDOR line for ", line.vendor, ": add `VENDOR ", line.vendor, "`"));
        }
        continue;
      }
      Add(i, std::move(line));
    }
  }

  void Add(size_t i, FeatureLine line) {
    Candidate candidate;
    candidate.canonical = CanonicalForm(line, files_[i].servers);
    candidate.sign = *ParseSign(line.sign);
    candidate.file = i;
    candidate.original = candidates_.size();
    candidate.line = std::move(line);
    const auto [seen, added] = seen_.emplace(candidate.canonical, candidate.line.position);
    if (!added) {
      Complain(i, Severity::kNote, candidate.line.position,
               absl::StrCat(candidate.line.feature, ": the same line as at ", Place(seen->second),
                            "; it counts once"));
      return;
    }
    candidates_.push_back(std::move(candidate));
  }

  // A FEATURE never adds: of several with one name the first is granted from.
  void DropRepeatedFeatures() {
    std::map<std::pair<std::string, std::string>, std::vector<size_t>> by_name;
    for (size_t k = 0; k < candidates_.size(); ++k) {
      const FeatureLine& line = candidates_[k].line;
      if (line.kind == FeatureLine::Kind::kFeature) {
        by_name[{line.vendor, line.feature}].push_back(k);
      }
    }
    std::vector<bool> dropped(candidates_.size(), false);
    for (const auto& [name, places] : by_name) {
      if (places.size() < 2) continue;
      std::vector<std::string> others;
      for (size_t n = 1; n < places.size(); ++n) {
        dropped[places[n]] = true;
        others.push_back(Place(candidates_[places[n]].line.position));
      }
      const Candidate& second = candidates_[places[1]];
      Complain(second.file, Severity::kError, second.line.position,
               absl::StrCat("FEATURE ", name.second, " of ", name.first, " stands ", places.size(),
                            " times: ", Place(candidates_[places[0]].line.position),
                            " is granted from, ", absl::StrJoin(others, ", "),
                            others.size() == 1 ? " is" : " are",
                            " ignored: use INCREMENT, or remove it"));
    }
    std::vector<Candidate> kept;
    for (size_t k = 0; k < candidates_.size(); ++k) {
      if (!dropped[k]) kept.push_back(std::move(candidates_[k]));
    }
    candidates_ = std::move(kept);
  }

  const LicenseSources& sources_;
  std::vector<LicenseFile> files_;
  std::vector<Diagnostics> complaints_;  // by file
  std::vector<ServerLine> servers_;
  std::set<std::string> vendors_;
  std::set<std::string> vendors_missed_;
  std::map<std::string, Position> seen_;  // canonical form -> its first place
  std::vector<Candidate> candidates_;
};

// The terms while lines come and go: sums, and the largest of what is not summed.
class RunningTerms {
 public:
  void Add(const FeatureLine& line) {
    ++lines_;
    terms_.licenses += line.count;
    terms_.overdraft += line.terms.overdraft;
    linger_.insert(line.terms.linger_s);
    borrow_.insert(line.terms.borrow_hours);
    minimum_.insert(line.terms.minimum);
  }
  void Remove(const FeatureLine& line) {
    --lines_;
    terms_.licenses -= line.count;
    terms_.overdraft -= line.terms.overdraft;
    linger_.erase(linger_.find(line.terms.linger_s));
    borrow_.erase(borrow_.find(line.terms.borrow_hours));
    minimum_.erase(minimum_.find(line.terms.minimum));
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

std::vector<Pool::Span> SpansOf(const Pool& pool) {
  constexpr Day kFirst{INT32_MIN};
  struct Change {
    std::vector<const FeatureLine*> come;
    std::vector<const FeatureLine*> go;
  };
  std::map<Day, Change> changes;
  for (const Pool::Line& entry : pool.lines) {
    const FeatureLine& line = entry.line;
    const Day start = line.start.value_or(kFirst);
    if (line.expiry && *line.expiry < start) continue;
    changes[start].come.push_back(&line);
    if (line.expiry) changes[Day{line.expiry->days + 1}].go.push_back(&line);
  }
  std::vector<Pool::Span> spans;
  RunningTerms running;
  for (const auto& [day, change] : changes) {
    for (const FeatureLine* line : change.go) running.Remove(*line);
    for (const FeatureLine* line : change.come) running.Add(*line);
    PoolTerms terms = running.Now();
    if (spans.empty() || spans.back().terms != terms) spans.push_back({day, terms});
  }
  return spans;
}

std::vector<Pool> MakePools(std::vector<Candidate>& candidates) {
  std::vector<Pool> pools;
  std::map<std::string, size_t> index;
  for (Candidate& candidate : candidates) {
    const FeatureLine& line = candidate.line;
    const std::string key = PoolingKey(line);
    const auto [place, added] = index.emplace(key, pools.size());
    if (added) {
      Pool pool;
      pool.id = PoolId(key);
      pool.feature = line.feature;
      pool.vendor = line.vendor;
      pool.version = line.version;
      const std::string* vendor_string = line.Attribute("VENDOR_STRING");
      if (vendor_string != nullptr) pool.vendor_string = *vendor_string;
      pool.host_ids = HostIdsText(line);
      pool.locks = line.host_ids;
      pool.uncounted = line.uncounted;
      pool.dup_group = line.terms.dup_group;
      pool.host_based = line.terms.host_based;
      pool.user_based = line.terms.user_based;
      pool.platforms = line.terms.platforms;
      pools.push_back(std::move(pool));
    }
    Pool& pool = pools[place->second];
    if (!pool.suite_dup_group) pool.suite_dup_group = line.terms.suite_dup_group;
    pool.lines.push_back(
        {std::move(candidate.line), std::move(candidate.canonical), std::move(candidate.sign)});
  }
  for (Pool& pool : pools) pool.spans = SpansOf(pool);
  return pools;
}

std::string HashOfLines(const std::vector<Pool>& pools) {
  std::vector<absl::string_view> forms;
  for (const Pool& pool : pools) {
    for (const Pool::Line& line : pool.lines) forms.push_back(line.canonical);
  }
  std::sort(forms.begin(), forms.end());
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
  const FeatureLine* latest = nullptr;
  for (const Line& entry : lines) {
    if (!entry.line.expiry) return "permanent";
    if (latest == nullptr || *latest->expiry < *entry.line.expiry) latest = &entry.line;
  }
  return latest == nullptr ? "" : latest->expiry_text;
}

Catalog Catalog::Build(const LicenseSources& sources) {
  Selection selection(sources);
  selection.Run();
  Catalog out;
  out.diagnostics_ = selection.TakeComplaints();
  out.servers_ = selection.servers();
  if (!out.servers_.empty()) out.server_set_ = Sha256Hex(ServerHostIds(out.servers_));
  out.pools_ = MakePools(selection.candidates());
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
