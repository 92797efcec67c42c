#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/catalog.h"
#include "license/check.h"
#include "license/license_file.h"
#include "license/signature.h"
#include "license/signing_testing.h"
#include "tests/fuzz/targets.h"

namespace triad::fuzz {
namespace {

using license::Day;
using license::FeatureLine;

// Days that a catalog is asked for: before, within and behind every date that people write.
constexpr int32_t kDays[] = {-100'000, 0, 20'614, 1'000'000};

void AskPools(const license::Catalog& catalog) {
  for (const license::Pool& pool : catalog.pools()) {
    for (int32_t day : kDays) {
      const license::PoolTerms& terms = pool.On(Day{day});
      const std::optional<Day> next = pool.NextChange(Day{day});
      license::Check(!next || Day{day} < *next, "a change lies after the day asked for");
      license::Check(terms.valid || terms.licenses == 0, "what is not valid gives no licenses");
    }
    pool.ExpiryText();
    license::Check(catalog.FindPool(pool.id) != nullptr, "a pool is found by its id");
    if (pool.suite) {
      license::Check(catalog.FindPool(pool.suite->pool) != nullptr,
                     "a suite has its enabling pool");
    }
    for (const license::Pool::Line& line : pool.lines) {
      license::Check(license::VerifyBytes(line.canonical, line.sign.signature,
                                          license::testing::FixedKey("acme").keys.public_key),
                     "nothing is served that is not signed");
    }
  }
}

bool SameVendor(const FeatureLine& line) {
  return line.vendor == "acme";
}

}  // namespace

void LicenseFile(absl::string_view bytes) {
  const license::LicenseFile file = license::ReadLicenseFile("f", bytes);
  for (const license::Diagnostic& diagnostic : file.diagnostics) {
    license::Check(diagnostic.position.line >= 1 && diagnostic.position.column >= 1,
                   "every complaint has a place");
  }
  AskPools(license::testing::CatalogOf({std::string(bytes)}));
  const absl::StatusOr<std::string> text =
      license::SignText("f", bytes, license::testing::FixedKey("acme"));
  if (!text.ok()) return;
  AskPools(license::testing::CatalogOf({*text, *text}));
  // Signing again changes nothing: what was signed is read as it was.
  const absl::StatusOr<std::string> again =
      license::SignText("f", *text, license::testing::FixedKey("acme"));
  license::Check(again.ok() && *again == *text, "signing what is signed changes nothing");
}

void OptionsFile(absl::string_view bytes) {
  constexpr absl::string_view kLicense =
      "SERVER lic1 ANY 27000\nVENDOR acme\nFEATURE f acme 1 permanent 5\n"
      "INCREMENT g acme 2.0 31-dec-2030 7 USER_BASED VENDOR_STRING=gold SN=1\n"
      "INCREMENT g acme 3.0 permanent 2 BORROW OVERDRAFT=2 NOTICE=\"a b\"\n"
      "INCREMENT suite acme 1 permanent 3\n"
      "PACKAGE suite acme 1 COMPONENTS=\"f:2 h\" OPTIONS=SUITE\n";
  static const std::string* const kSigned =
      new std::string(license::testing::SignedByAcme(kLicense));
  license::LicenseSources sources;
  sources.license_files.push_back({"a.dat", *kSigned});
  sources.option_files.push_back({"acme", std::string(bytes)});
  sources.keys = license::testing::KeysOf({license::testing::FixedKey("acme")});
  const license::Catalog catalog = license::Catalog::Build(sources);
  const license::Policy& policy = catalog.policy();
  for (const license::Pool& pool : catalog.pools()) {
    for (const license::Who& who :
         {license::Who{"ann", "pc1", ":0", "10.0.0.7", "p1"},
          license::Who{"Bob", "pc1.acme.com", "/dev/tty", "fd00::1", ""}, license::Who{}}) {
      const license::Subjects subjects = policy.SubjectsOf(pool, who);
      policy.Bars(pool, subjects);
      policy.BarsBorrowing(pool, subjects);
      policy.LimitsOf(pool, who, subjects);
    }
    policy.LingerSeconds(pool);
    policy.TimeoutSeconds(pool);
    policy.OverdraftMax(pool);
    policy.BorrowingOf(pool);
  }
  for (int32_t day : kDays) {
    for (const auto& [id, reservations] : policy.ReservationsOn(Day{day})) {
      const license::Pool* pool = catalog.FindPool(id);
      license::Check(pool != nullptr, "licenses are reserved of pools that exist");
      uint64_t sum = 0;
      for (const license::Reservation& reservation : reservations) sum += reservation.count;
      license::Check(sum <= pool->LicensesOn(Day{day}), "no more is reserved than there is");
    }
  }
}

void CanonicalForm(absl::string_view bytes) {
  const license::LicenseFile file = license::ReadLicenseFile("f", bytes);
  std::vector<std::pair<std::string, const FeatureLine*>> forms;
  for (const std::vector<FeatureLine>* lines : {&file.features, &file.packages}) {
    for (const FeatureLine& line : *lines) {
      forms.emplace_back(license::CanonicalForm(line, file.servers), &line);
    }
  }
  // What tells lines apart for a ledger is in their forms.
  std::sort(forms.begin(), forms.end());
  for (size_t i = 1; i < forms.size(); ++i) {
    if (forms[i - 1].first != forms[i].first) continue;
    const FeatureLine& a = *forms[i - 1].second;
    const FeatureLine& b = *forms[i].second;
    license::Check(a.kind == b.kind && a.feature == b.feature && a.vendor == b.vendor &&
                       a.count == b.count && a.uncounted == b.uncounted && a.expiry == b.expiry &&
                       a.host_ids == b.host_ids && a.components.size() == b.components.size() &&
                       a.suite == b.suite && license::CompareVersions(a.version, b.version) == 0,
                   "lines of one form mean the same");
  }
  // A line laid out differently has the same form: what is between its words does not count.
  const absl::StatusOr<std::string> text =
      license::SignText("f", bytes, license::testing::FixedKey("acme"));
  if (!text.ok()) return;
  const license::LicenseFile signed_file = license::ReadLicenseFile("f", *text);
  const license::VendorKeys keys = license::testing::KeysOf({license::testing::FixedKey("acme")});
  for (const FeatureLine& line : signed_file.features) {
    if (!SameVendor(line)) continue;
    license::Check(license::Verify(line, signed_file.servers, keys) == license::Verdict::kGood,
                   "what was signed verifies");
    FeatureLine other = line;
    other.count += 1;
    license::Check(license::Verify(other, signed_file.servers, keys) != license::Verdict::kGood ||
                       line.uncounted,
                   "another count does not verify");
  }
}

}  // namespace triad::fuzz
