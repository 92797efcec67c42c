#include "license/host_id.h"

#include <array>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "license/address.h"
#include "license/digest.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using Type = HostId::Type;

bool IsHex(absl::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isxdigit(c)) return false;
  }
  return !text.empty();
}

struct Prefix {
  absl::string_view name;
  Type type;
};
constexpr std::array<Prefix, 7> kPrefixes = {{{"HOSTNAME", Type::kHostname},
                                              {"INTERNET", Type::kInternet},
                                              {"ID", Type::kId},
                                              {"USER", Type::kUser},
                                              {"DISPLAY", Type::kDisplay},
                                              {"COMPOSITE", Type::kComposite},
                                              {"UUID", Type::kMachine}}};
constexpr size_t kCompositeDigits = 12;
constexpr size_t kUuidDigits = 32;

// The digits of COMPOSITE= or UUID=, in lower case.
absl::StatusOr<std::string> HexDigits(absl::string_view text, absl::string_view value,
                                      size_t digits) {
  std::string out = absl::AsciiStrToLower(absl::StrReplaceAll(value, {{"-", ""}}));
  if (out.size() == digits && IsHex(out)) return out;
  return absl::InvalidArgumentError(
      absl::StrCat("host id `", text, "` must have ", digits, " hex digits"));
}

absl::StatusOr<HostId> ParsePrefixed(absl::string_view text, size_t equals) {
  absl::string_view name = text.substr(0, equals);
  std::string value(text.substr(equals + 1));
  Type type = Type::kUnsupported;
  for (const Prefix& prefix : kPrefixes) {
    if (absl::EqualsIgnoreCase(prefix.name, name)) type = prefix.type;
  }
  if (value.empty() || name.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("host id `", text, "` has nothing on one side of `=`"));
  }
  if (type == Type::kUnsupported) return HostId{type, std::string(text)};
  if (type == Type::kInternet && !ParseAddress(value)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "host id `", text, "` is not an address: write four numbers or `*`, or an IPv6 address"));
  }
  if (type == Type::kId) {
    value = absl::StrReplaceAll(value, {{"-", ""}});  // 1234-5678 is 12345678
    for (char c : value) {
      if (absl::ascii_isalnum(c)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("host id `", text, "` may hold digits, letters and dashes only"));
    }
    if (value.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("host id `", text, "` has no digits"));
    }
  }
  if (type == Type::kComposite || type == Type::kMachine) {
    absl::StatusOr<std::string> digits =
        HexDigits(text, value, type == Type::kMachine ? kUuidDigits : kCompositeDigits);
    if (!digits.ok()) return digits.status();
    value = *std::move(digits);
  }
  return HostId{type, std::move(value)};
}

}  // namespace

std::string MachineUuid(absl::string_view machine_id) {
  const absl::string_view id = absl::StripAsciiWhitespace(machine_id);
  if (id.empty()) return "";
  return Sha256Hex(absl::StrCat("triad machine id ", absl::AsciiStrToLower(id)))
      .substr(0, kUuidDigits);
}

std::string HostId::ToString() const {
  if (type == Type::kAny) return "ANY";
  if (type == Type::kDemo) return "DEMO";
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.type == type) return absl::StrCat(prefix.name, "=", value);
  }
  return value;
}

absl::StatusOr<HostId> ParseHostId(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "ANY")) return HostId{Type::kAny, ""};
  if (absl::EqualsIgnoreCase(text, "DEMO")) return HostId{Type::kDemo, ""};
  const size_t equals = text.find('=');
  if (equals != absl::string_view::npos) return ParsePrefixed(text, equals);
  if (IsHex(text) && text.size() == 12) return HostId{Type::kEther, absl::AsciiStrToLower(text)};
  // The 32-bit number of Solaris and HP-UX machines.
  if (IsHex(text) && text.size() == 8) {
    return HostId{Type::kUnsupported, absl::AsciiStrToLower(text)};
  }
  std::string bare = absl::StrReplaceAll(text, {{":", ""}, {"-", ""}});
  if (IsHex(bare) && bare.size() == 12) {
    return absl::InvalidArgumentError(absl::StrCat("host id `", text, "`: write it as `",
                                                   absl::AsciiStrToLower(bare),
                                                   "`, without separators"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("`", text,
                   "` is not a host id: write 12 hex digits, ANY, HOSTNAME=, INTERNET=, ID= or "
                   "USER="));
}

absl::StatusOr<std::vector<HostId>> ParseHostIdList(absl::string_view text) {
  std::vector<HostId> ids;
  for (absl::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
    absl::StatusOr<HostId> id = ParseHostId(word);
    if (!id.ok()) return id.status();
    if (ids.size() == kHostIdsPerLineMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("more than ", kHostIdsPerLineMax, " host ids: split the line"));
    }
    ids.push_back(*std::move(id));
  }
  if (ids.empty()) return absl::InvalidArgumentError("the list of host ids is empty");
  return ids;
}

bool Matches(const HostId& id, const MachineIds& machine) {
  switch (id.type) {
    case Type::kAny:
    case Type::kDemo:
    case Type::kId:  // like ANY, but tells whose license it is
      return true;
    case Type::kEther:
      for (const std::string& ether : machine.ethers) {
        if (absl::EqualsIgnoreCase(ether, id.value)) return true;
      }
      return false;
    case Type::kHostname:
      for (const std::string& name : machine.hostnames) {
        if (absl::EqualsIgnoreCase(name, id.value)) return true;
      }
      return false;
    case Type::kUser:
      return machine.user == id.value;
    case Type::kInternet: {
      std::optional<AddressPattern> pattern = ParseAddress(id.value);
      if (!pattern) return false;
      for (const std::string& address : machine.addresses) {
        if (InNetwork(*pattern, address)) return true;
      }
      return false;
    }
    case Type::kDisplay:
      return machine.display == id.value;
    case Type::kMachine:
      return machine.uuid == id.value;
    case Type::kComposite:
    case Type::kUnsupported:
      return false;
  }
  return false;
}

}  // namespace triad::license
