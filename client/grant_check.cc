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

}  // namespace

std::optional<SignedLine> ParseCanonical(absl::string_view bytes) {
  absl::string_view magic, keyword, feature, vendor, version, expiry, count, attributes;
  if (!TakeField(&bytes, &magic) || magic != kMagic || !TakeField(&bytes, &keyword) ||
      !TakeField(&bytes, &feature) || !TakeField(&bytes, &vendor) || !TakeField(&bytes, &version) ||
      !TakeField(&bytes, &expiry) || !TakeField(&bytes, &count) ||
      !TakeField(&bytes, &attributes)) {
    return std::nullopt;
  }
  SignedLine line;
  line.feature = std::string(feature);
  line.vendor = std::string(vendor);
  line.version = std::string(version);
  line.uncounted = count == "uncounted";
  if (!line.uncounted && !absl::SimpleAtoi(count, &line.count)) return std::nullopt;
  uint32_t attribute_count = 0;
  if (!absl::SimpleAtoi(attributes, &attribute_count)) return std::nullopt;
  for (uint32_t i = 0; i < attribute_count; ++i) {
    absl::string_view name, value;
    if (!TakeField(&bytes, &name) || !TakeField(&bytes, &value)) return std::nullopt;
    uint64_t overdraft = 0;
    if (absl::EqualsIgnoreCase(name, "OVERDRAFT") && absl::SimpleAtoi(value, &overdraft)) {
      line.count += overdraft;
    }
  }
  return line;
}

absl::StatusOr<PoolProof> ProvePool(const v1::PoolDescription& pool,
                                    const license::VendorKeys& keys) {
  std::optional<PoolProof> proof;
  std::set<absl::string_view> counted;  // the same signed line counts once
  for (const v1::PoolDescription::Line& wire : pool.lines()) {
    std::optional<SignedLine> line = ParseCanonical(wire.canonical());
    if (!line.has_value() || !GoodSignature(wire, line->vendor, keys)) continue;
    if (!counted.insert(wire.canonical()).second) continue;
    if (!proof.has_value()) {
      proof.emplace();
      proof->feature = line->feature;
      proof->version = line->version;
    } else if (proof->feature != line->feature) {
      return absl::PermissionDeniedError("the server mixes signed lines of different features");
    }
    if (license::CompareVersions(proof->version, line->version) < 0) {
      proof->version = line->version;
    }
    proof->uncounted = proof->uncounted || line->uncounted;
    proof->count += line->count;
  }
  if (!proof.has_value()) {
    return absl::PermissionDeniedError(
        "the server shows no license line signed with a key that this application trusts");
  }
  return *std::move(proof);
}

absl::Status CheckGrant(const v1::Holding& holding, const PoolProof& proof) {
  if (holding.feature() != proof.feature) {
    return absl::PermissionDeniedError(
        absl::StrCat("the server granted it from a signed line of ", proof.feature));
  }
  if (!proof.uncounted && holding.count() > proof.count) {
    return absl::PermissionDeniedError(absl::StrCat("the server granted ", holding.count(),
                                                    " from signed lines of ", proof.count));
  }
  if (license::IsVersion(holding.version()) &&
      license::CompareVersions(holding.version(), proof.version) > 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        "the server granted version ", holding.version(), " from signed lines of ", proof.version));
  }
  return absl::OkStatus();
}

}  // namespace triad::client
