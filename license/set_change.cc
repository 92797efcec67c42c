#include "license/set_change.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace triad::license {
namespace {

uint64_t SeatsOf(const Pool* pool, Day today) {
  return pool == nullptr || pool->uncounted ? 0 : pool->LicensesOn(today);
}

bool Differ(const PoolChange& change, Day today) {
  if (change.before == nullptr || change.after == nullptr) return true;
  return change.seats_before != change.seats_after ||
         change.before->uncounted != change.after->uncounted ||
         change.before->ValidOn(today) != change.after->ValidOn(today) ||
         change.before->ExpiryText() != change.after->ExpiryText();
}

template <typename Files>
std::vector<std::string> ContentsOf(const Files& files) {
  std::vector<std::string> contents;
  for (const auto& file : files) contents.push_back(file.content());
  return contents;
}

std::map<std::string, std::string> ByVendor(const v1::InstallLicenses& set) {
  std::map<std::string, std::string> files;
  for (const auto& file : set.option_files()) files[file.name()] += file.content();
  return files;
}

std::map<std::string, std::string> KeysOf(const v1::InstallLicenses& set) {
  std::map<std::string, std::string> keys;
  for (const auto& key : set.vendor_keys()) keys[key.vendor()] = key.public_key();
  return keys;
}

std::string OptionsChange(const v1::InstallLicenses& before, const v1::InstallLicenses& after) {
  const auto old_files = ByVendor(before);
  const auto new_files = ByVendor(after);
  std::vector<std::string> changes;
  for (const auto& [vendor, text] : new_files) {
    const auto old = old_files.find(vendor);
    if (old == old_files.end()) {
      changes.push_back(absl::StrCat("options file of ", vendor, " comes"));
    } else if (const int line = FirstDifferentLine(old->second, text); line > 0) {
      changes.push_back(absl::StrCat("options file of ", vendor, " changes, first in line ", line));
    }
  }
  for (const auto& [vendor, text] : old_files) {
    if (!new_files.contains(vendor)) {
      changes.push_back(absl::StrCat("options file of ", vendor, " goes"));
    }
  }
  return absl::StrJoin(changes, "; ");
}

// Lines of `next` that name other machines than those in force, by slot.
std::vector<uint32_t> OtherMachines(const std::vector<ServerLine>& before,
                                    const std::vector<ServerLine>& next) {
  std::vector<uint32_t> slots;
  for (size_t i = 0; i < before.size() && i < next.size(); ++i) {
    if (before[i].host_id != next[i].host_id) slots.push_back(static_cast<uint32_t>(i) + 1);
  }
  return slots;
}

// Of a set whose SERVER host ids are not those in force. Only a waiver lets another machine take
// the place of one that was licensed.
std::string ServersRefusal(const Ledger& ledger, const Catalog& next) {
  const std::vector<ServerLine>& before = ledger.catalog().servers();
  constexpr char kAnother[] =
      "the SERVER lines of these files name other host ids than the installed set's: they are "
      "another license server's";
  if (before.size() != next.servers().size()) return kAnother;
  for (uint32_t slot : OtherMachines(before, next.servers())) {
    if (ledger.MayRelicense(slot, next.servers()[slot - 1].host_id)) continue;
    for (const auto& node : ledger.members().nodes()) {
      if (node.slot() != slot || !node.waiver()) continue;
      return ledger.cluster_version() < kRelicenseVersion
                 ? absl::StrCat("the waiver of node ", slot, " can be ended by a new file when ",
                                "all nodes run the new version and the upgrade is final")
                 : absl::StrCat("SERVER line ", slot, " names host id ",
                                next.servers()[slot - 1].host_id.ToString(), ", and the waiver of ",
                                "node ", slot, " is for ", node.host_id(),
                                ": ask the vendor for a file with that one");
    }
    return absl::StrCat(kAnother, " (", ServerDifference(next.servers(), before), ")");
  }
  return "";
}

// What becomes of waivers when `next` is installed.
std::vector<std::string> WaiversEnded(const Ledger& ledger, const Catalog& next) {
  std::vector<std::string> ended;
  for (uint32_t slot : OtherMachines(ledger.catalog().servers(), next.servers())) {
    if (!ledger.MayRelicense(slot, next.servers()[slot - 1].host_id)) continue;
    ended.push_back(absl::StrCat("SERVER line ", slot, " names the machine that node ", slot,
                                 " runs on (host id ", next.servers()[slot - 1].host_id.ToString(),
                                 "): its waiver is over"));
  }
  return ended;
}

std::string Refusal(const Ledger& ledger, const Catalog& next) {
  if (next.pools().empty()) {
    const auto error =
        std::find_if(next.diagnostics().begin(), next.diagnostics().end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
    return absl::StrCat(
        "no license line of these files can be served",
        error == next.diagnostics().end() ? "" : absl::StrCat(", first: ", error->ToString()));
  }
  if (ledger.license_set_number() == 0 || next.server_set() == ledger.catalog().server_set()) {
    return "";
  }
  return ServersRefusal(ledger, next);
}

}  // namespace

bool PoolChange::TooMany(Day today) const {
  if (used == 0) return false;
  if (after == nullptr || !after->ValidOn(today)) return true;
  return !after->uncounted && used > seats_after;
}

std::string ServerDifference(const std::vector<ServerLine>& lines,
                             const std::vector<ServerLine>& in_force) {
  if (lines.size() != in_force.size()) {
    return absl::StrCat("it has ", lines.size(), " SERVER lines, the set in force ",
                        in_force.size());
  }
  std::vector<std::string> differences;
  for (uint32_t slot : OtherMachines(in_force, lines)) {
    differences.push_back(
        absl::StrCat("SERVER line ", slot, " has host id ", lines[slot - 1].host_id.ToString(),
                     ", and ", in_force[slot - 1].host_id.ToString(), " in the set in force"));
  }
  return absl::StrJoin(differences, "; ");
}

int FirstDifferentLine(absl::string_view a, absl::string_view b) {
  if (a == b) return 0;
  const std::vector<absl::string_view> left = absl::StrSplit(a, '\n');
  const std::vector<absl::string_view> right = absl::StrSplit(b, '\n');
  size_t line = 0;
  while (line < left.size() && line < right.size() && left[line] == right[line]) ++line;
  return static_cast<int>(line) + 1;
}

SetChange CompareSets(const Ledger& ledger, const v1::InstallLicenses& next,
                      const Catalog& catalog) {
  SetChange change;
  const Day today = ledger.today();
  change.refusal = Refusal(ledger, catalog);
  if (change.refusal.empty()) change.waivers = WaiversEnded(ledger, catalog);
  const auto add = [&](const Pool* before, const Pool* after) {
    PoolChange pool{before, after, SeatsOf(before, today), SeatsOf(after, today), 0};
    pool.used = ledger.UsedOf(pool.pool().id);
    if (Differ(pool, today)) change.pools.push_back(pool);
  };
  for (const Pool& pool : catalog.pools()) add(ledger.catalog().FindPool(pool.id), &pool);
  for (const Pool& pool : ledger.catalog().pools()) {
    if (catalog.FindPool(pool.id) == nullptr) add(&pool, nullptr);
  }
  const v1::InstallLicenses none;
  const v1::InstallLicenses& installed = ledger.installed() == nullptr ? none : *ledger.installed();
  change.options = OptionsChange(installed, next);
  change.unchanged = ContentsOf(installed.license_files()) == ContentsOf(next.license_files()) &&
                     change.options.empty() && KeysOf(installed) == KeysOf(next);
  return change;
}

}  // namespace triad::license
