#include "license/attributes.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "license/limits.h"
#include "license/near_word.h"

namespace triad::license {
namespace {

using Use = AttributeUse;

constexpr std::array<AttributeRule, 36> kRules = {{
    {"AUTH", Use::kSignature},
    {"BORROW", Use::kEnforced},
    {"COMPONENTS", Use::kEnforced},
    {"DUP_GROUP", Use::kEnforced},
    {"FLOAT_OK", Use::kShown},
    {"HOSTID", Use::kEnforced},
    {"HOST_BASED", Use::kEnforced},
    {"ISSUED", Use::kEnforced},
    {"ISSUER", Use::kShown},
    {"KEY", Use::kShown},
    {"LINGER", Use::kEnforced},
    {"MINIMUM", Use::kEnforced},
    {"NOTICE", Use::kShown},
    {"ONE_TS_OK", Use::kShown},
    {"OPTIONS", Use::kEnforced},
    {"OVERDRAFT", Use::kEnforced},
    {"PLATFORMS", Use::kEnforced},
    {"SIGN", Use::kSignature},
    {"SIGN2", Use::kSignature},
    {"SN", Use::kShown},
    {"START", Use::kEnforced},
    {"SUITE_DUP_GROUP", Use::kEnforced},
    {"SUPERSEDE", Use::kEnforced},
    {"SUPERSEDE_SIGN", Use::kShown},
    {"TS_OK", Use::kShown},
    {"TZ", Use::kRefused},
    {"USER_BASED", Use::kEnforced},
    {"USER_INFO", Use::kShown},
    {"VENDOR_STRING", Use::kEnforced},
    {"VM_PLATFORMS", Use::kRefused},
    {"asset_info", Use::kAdministrator},
    {"ck", Use::kAdministrator},
    {"dist_info", Use::kAdministrator},
    {"sort", Use::kAdministrator},
    {"user_info", Use::kAdministrator},
    {"vendor_info", Use::kAdministrator},
}};

absl::Status NotANumber(absl::string_view value, uint64_t least, uint64_t most) {
  return absl::InvalidArgumentError(
      absl::StrCat("`", value, "` is not a number from ", least, " to ", most));
}

absl::StatusOr<uint64_t> Number(absl::string_view value, uint64_t least, uint64_t most) {
  uint64_t number = 0;
  const bool digits =
      !value.empty() && std::all_of(value.begin(), value.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(value, &number) || number < least || number > most) {
    return NotANumber(value, least, most);
  }
  return number;
}

// A number into `out`, or what is wrong with it.
template <typename T>
absl::Status Read(absl::string_view value, uint64_t least, uint64_t most, T* out) {
  const absl::StatusOr<uint64_t> number = Number(value, least, most);
  if (number.ok()) *out = static_cast<T>(*number);
  return number.status();
}

absl::Status ReadGroup(absl::string_view value, std::optional<DupGroup>* out) {
  const absl::StatusOr<DupGroup> group = ParseDupGroup(value);
  if (group.ok()) *out = *group;
  return group.status();
}

std::vector<std::string> Words(absl::string_view value) {
  return absl::StrSplit(value, absl::ByAnyChar(" \t,"), absl::SkipEmpty());
}

}  // namespace

std::string DupGroup::ToString() const {
  if (site) return "SITE";
  if (none()) return "NONE";
  return absl::StrCat(user ? "U" : "", host ? "H" : "", display ? "D" : "", vendor ? "V" : "");
}

absl::StatusOr<DupGroup> ParseDupGroup(absl::string_view text) {
  DupGroup out;
  if (absl::EqualsIgnoreCase(text, "NONE")) return out;
  if (absl::EqualsIgnoreCase(text, "SITE")) {
    out.site = true;
    return out;
  }
  for (char c : text) {
    switch (absl::ascii_toupper(c)) {
      case 'U':
        out.user = true;
        break;
      case 'H':
        out.host = true;
        break;
      case 'D':
        out.display = true;
        break;
      case 'V':
        out.vendor = true;
        break;
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("`", text, "` is not SITE, NONE or letters of UHDV"));
    }
  }
  if (out.none()) return absl::InvalidArgumentError("SITE, NONE or letters of UHDV are needed");
  return out;
}

absl::Span<const AttributeRule> AttributeRules() {
  return kRules;
}

const AttributeRule* FindAttributeRule(absl::string_view name) {
  const auto* at = std::find_if(kRules.begin(), kRules.end(),
                                [&](const AttributeRule& rule) { return rule.name == name; });
  return at == kRules.end() ? nullptr : at;
}

absl::string_view NearAttribute(absl::string_view name) {
  std::vector<absl::string_view> names;
  names.reserve(kRules.size());
  for (const AttributeRule& rule : kRules) names.push_back(rule.name);
  return NearWord(name, names);
}

absl::Status ReadTerm(absl::string_view name, bool has_value, absl::string_view value,
                      uint64_t licenses, LineTerms* terms) {
  if (name == "DUP_GROUP") return ReadGroup(value, &terms->dup_group);
  if (name == "SUITE_DUP_GROUP") return ReadGroup(value, &terms->suite_dup_group);
  if (name == "OVERDRAFT") return Read(value, 0, kLicensesPerLineMax, &terms->overdraft);
  if (name == "LINGER") return Read(value, 0, kLingerSecondsMax, &terms->linger_s);
  if (name == "MINIMUM") return Read(value, 0, kLicensesPerLineMax, &terms->minimum);
  if (name == "BORROW") {
    terms->borrow_hours = kBorrowHoursDefault;
    return has_value ? Read(value, 1, kBorrowHoursMax, &terms->borrow_hours) : absl::OkStatus();
  }
  if (name == "HOST_BASED" || name == "USER_BASED") {
    std::optional<uint64_t>& limit = name == "HOST_BASED" ? terms->host_based : terms->user_based;
    limit = licenses;
    return has_value ? Read(value, 1, kLicensesPerLineMax, &*limit) : absl::OkStatus();
  }
  if (name == "SUPERSEDE") {
    terms->supersedes = true;
    terms->superseded = Words(value);
  } else if (name == "PLATFORMS") {
    terms->platforms = Words(absl::AsciiStrToLower(value));
    if (terms->platforms.empty()) return absl::InvalidArgumentError("no platform is named");
  } else if (name == "FLOAT_OK" && has_value) {
    const absl::StatusOr<HostId> id = ParseHostId(value);
    if (!id.ok()) return id.status();
    terms->float_ok = *id;
  } else if (name == "TZ" || name == "VM_PLATFORMS") {
    if (terms->uncheckable.empty()) {
      terms->uncheckable = has_value ? absl::StrCat(name, "=", value) : std::string(name);
    }
  }
  return absl::OkStatus();
}

}  // namespace triad::license
