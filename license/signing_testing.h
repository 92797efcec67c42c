// For tests: fixed vendor keys, signed text, catalogs of it.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "license/signature.h"

namespace triad::license::testing {

// The same key in every run; another `digit` gives another key.
inline NamedPrivateKey FixedKey(absl::string_view vendor, char digit = '1') {
  return ParsePrivateKey("test.key", absl::StrCat("triad-private-key ", vendor, " ",
                                                  std::string(64, digit), "\n"))
      .value();
}

inline VendorKeys KeysOf(const std::vector<NamedPrivateKey>& keys) {
  VendorKeys out;
  for (const NamedPrivateKey& key : keys) out.emplace(key.vendor, key.keys.public_key);
  return out;
}

// `text` with the lines of vendor acme signed.
inline std::string SignedByAcme(absl::string_view text) {
  return SignText("license.dat", text, FixedKey("acme")).value();
}

// The catalog of files named a.dat, b.dat, ... that trusts acme's key.
inline Catalog CatalogOf(const std::vector<std::string>& files) {
  LicenseSources sources;
  for (const std::string& bytes : files) {
    const char letter = static_cast<char>('a' + sources.license_files.size());
    sources.license_files.push_back({absl::StrCat(std::string(1, letter), ".dat"), bytes});
  }
  sources.keys = KeysOf({FixedKey("acme")});
  return Catalog::Build(sources);
}

inline std::vector<std::string> Texts(const Diagnostics& diagnostics) {
  std::vector<std::string> out;
  for (const Diagnostic& diagnostic : diagnostics) out.push_back(diagnostic.ToString());
  return out;
}

}  // namespace triad::license::testing
