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

std::string Refusal(const Ledger& ledger, const Catalog& next) {
  if (next.pools().empty()) {
    const auto error =
        std::find_if(next.diagnostics().begin(), next.diagnostics().end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
    return absl::StrCat(
        "no license line of these files can be served",
        error == next.diagnostics().end() ? "" : absl::StrCat(", first: ", error->ToString()));
  }
  if (ledger.license_set_number() > 0 && next.server_set() != ledger.catalog().server_set()) {
    return "the SERVER lines of these files name other host ids than the installed set's: they are "
           "another license server's";
  }
  return "";
}

}  // namespace

bool PoolChange::TooMany(Day today) const {
  if (used == 0) return false;
  if (after == nullptr || !after->ValidOn(today)) return true;
  return !after->uncounted && used > seats_after;
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
