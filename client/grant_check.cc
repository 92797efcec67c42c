#include "client/grant_check.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "license/license_file.h"

namespace triad::client {
namespace {

constexpr absl::string_view kMagic = "triad license line 1";

// Takes one "<length>:<bytes>," off the front.
bool TakeField(absl::string_view* rest, absl::string_view* field) {
  const size_t colon = rest->find(':');
  uint32_t size = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(rest->substr(0, colon), &size)) {
    return false;
  }
  rest->remove_prefix(colon + 1);
  if (rest->size() < size_t{size} + 1 || (*rest)[size] != ',') return false;
  *field = rest->substr(0, size);
  rest->remove_prefix(size_t{size} + 1);
  return true;
}

bool GoodSignature(const v1::PoolDescription::Line& line, const std::string& vendor,
                   const license::VendorKeys& keys) {
  const auto [first, last] = keys.equal_range(vendor);
  return std::any_of(first, last, [&](const auto& entry) {
    return license::VerifyBytes(line.canonical(), line.signature(), entry.second);
  });
}

// Expiry, count and attributes of a line that is no PACKAGE.
bool TakeCounts(absl::string_view* bytes, SignedLine* line) {
  absl::string_view expiry, count, attributes;
  if (!TakeField(bytes, &expiry) || !TakeField(bytes, &count) || !TakeField(bytes, &attributes)) {
    return false;
  }
  line->uncounted = count == "uncounted";
  if (!line->uncounted && !absl::SimpleAtoi(count, &line->count)) return false;
  uint32_t attribute_count = 0;
  if (!absl::SimpleAtoi(attributes, &attribute_count)) return false;
  for (uint32_t i = 0; i < attribute_count; ++i) {
    absl::string_view name, value;
    if (!TakeField(bytes, &name) || !TakeField(bytes, &value)) return false;
    uint64_t overdraft = 0;
    if (absl::EqualsIgnoreCase(name, "OVERDRAFT") && absl::SimpleAtoi(value, &overdraft)) {
      line->count += overdraft;
    }
  }
  return true;
}

bool TakeComponents(absl::string_view* bytes, SignedLine* line) {
  absl::string_view suite, number;
  uint32_t components = 0;
  if (!TakeField(bytes, &suite) || !TakeField(bytes, &number) ||
      !absl::SimpleAtoi(number, &components)) {
    return false;
  }
  for (uint32_t i = 0; i < components; ++i) {
    absl::string_view feature, version, count;
    SignedLine::Component component;
    if (!TakeField(bytes, &feature) || !TakeField(bytes, &version) || !TakeField(bytes, &count) ||
        !absl::SimpleAtoi(count, &component.count)) {
      return false;
    }
    component.feature = std::string(feature);
    component.version = std::string(version);
    line->components.push_back(std::move(component));
  }
  return true;
}

// Whether `line` enables `package`.
bool Enables(const SignedLine& line, const SignedLine& package) {
  return package.feature == line.feature && package.vendor == line.vendor &&
         (package.version.empty() || license::CompareVersions(package.version, line.version) == 0);
}

void AddComponents(const SignedLine& line, const std::vector<SignedLine>& packages,
                   PoolProof* proof) {
  const auto package =
      std::find_if(packages.begin(), packages.end(),
                   [&](const SignedLine& candidate) { return Enables(line, candidate); });
  if (package == packages.end()) return;
  for (const SignedLine::Component& component : package->components) {
    PoolProof::Licenses& out = proof->components[component.feature];
    const std::string& version = component.version.empty() ? line.version : component.version;
    if (out.version.empty() || license::CompareVersions(out.version, version) < 0) {
      out.version = version;
    }
    out.uncounted = out.uncounted || line.uncounted;
    out.count += line.count * component.count;
  }
}

}  // namespace

std::optional<SignedLine> ParseCanonical(absl::string_view bytes) {
  absl::string_view magic, keyword, feature, vendor, from, version;
  if (!TakeField(&bytes, &magic) || magic != kMagic || !TakeField(&bytes, &keyword) ||
      !TakeField(&bytes, &feature) || !TakeField(&bytes, &vendor) ||
      (keyword == "UPGRADE" && !TakeField(&bytes, &from)) || !TakeField(&bytes, &version)) {
    return std::nullopt;
  }
  SignedLine line;
  line.feature = std::string(feature);
  line.vendor = std::string(vendor);
  line.version = std::string(version);
  line.package = keyword == "PACKAGE";
  const bool read = line.package ? TakeComponents(&bytes, &line) : TakeCounts(&bytes, &line);
  return read ? std::optional<SignedLine>(std::move(line)) : std::nullopt;
}

absl::StatusOr<PoolProof> ProvePool(const v1::PoolDescription& pool,
                                    const license::VendorKeys& keys) {
  std::optional<PoolProof> proof;
  std::vector<SignedLine> lines;
  std::vector<SignedLine> packages;
  std::set<absl::string_view> counted;  // the same signed line counts once
  for (const v1::PoolDescription::Line& wire : pool.lines()) {
    std::optional<SignedLine> line = ParseCanonical(wire.canonical());
    if (!line.has_value() || !GoodSignature(wire, line->vendor, keys)) continue;
    if (!counted.insert(wire.canonical()).second) continue;
    (line->package ? packages : lines).push_back(*std::move(line));
  }
  for (const SignedLine& line : lines) {
    if (!proof.has_value()) {
      proof.emplace();
      proof->feature = line.feature;
      proof->version = line.version;
    } else if (proof->feature != line.feature) {
      return absl::PermissionDeniedError("the server mixes signed lines of different features");
    }
    if (license::CompareVersions(proof->version, line.version) < 0) proof->version = line.version;
    proof->uncounted = proof->uncounted || line.uncounted;
    proof->count += line.count;
    AddComponents(line, packages, &*proof);
  }
  if (!proof.has_value()) {
    return absl::PermissionDeniedError(
        "the server shows no license line signed with a key that this application trusts");
  }
  return *std::move(proof);
}

absl::Status CheckGrant(const v1::Holding& holding, const PoolProof& proof) {
  PoolProof::Licenses proven{proof.version, proof.uncounted, proof.count};
  const auto component = proof.components.find(holding.feature());
  if (component != proof.components.end()) {
    proven = component->second;
  } else if (holding.feature() != proof.feature) {
    return absl::PermissionDeniedError(
        absl::StrCat("the server granted it from a signed line of ", proof.feature));
  }
  if (!proven.uncounted && holding.count() > proven.count) {
    return absl::PermissionDeniedError(absl::StrCat("the server granted ", holding.count(),
                                                    " from signed lines of ", proven.count));
  }
  if (license::IsVersion(holding.version()) &&
      license::CompareVersions(holding.version(), proven.version) > 0) {
    return absl::PermissionDeniedError(absl::StrCat("the server granted version ",
                                                    holding.version(), " from signed lines of ",
                                                    proven.version));
  }
  return absl::OkStatus();
}

}  // namespace triad::client
