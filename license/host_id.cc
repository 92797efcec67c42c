#include "license/host_id.h"

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using Type = HostId::Type;

// An address or a pattern of addresses: bytes of IPv4, 16-bit groups of IPv6. Unset: any.
struct AddressPattern {
  bool v6 = false;
  std::vector<std::optional<uint32_t>> parts;
};

std::optional<uint32_t> ParsePart(absl::string_view text, bool hex) {
  if (text.empty() || text.size() > (hex ? 4 : 3)) return std::nullopt;
  uint32_t value = 0;
  for (char c : text) {
    if (!(hex ? absl::ascii_isxdigit(c) : absl::ascii_isdigit(c))) return std::nullopt;
    const uint32_t digit =
        absl::ascii_isdigit(c) ? c - '0' : static_cast<uint32_t>(absl::ascii_tolower(c) - 'a' + 10);
    value = value * (hex ? 16 : 10) + digit;
  }
  if (!hex && value > 255) return std::nullopt;
  return value;
}

// Appends the parts of `text` between separators; false if one is wrong.
bool AppendParts(absl::string_view text, char separator, bool hex,
                 std::vector<std::optional<uint32_t>>& parts) {
  for (absl::string_view piece : absl::StrSplit(text, separator)) {
    if (parts.size() > 16) return false;
    if (piece == "*") {
      parts.push_back(std::nullopt);
      continue;
    }
    std::optional<uint32_t> value = ParsePart(piece, hex);
    if (!value) return false;
    parts.push_back(value);
  }
  return true;
}

// One side of an IPv6 address; it may end in a dotted IPv4 address.
bool AppendGroups(absl::string_view text, std::vector<std::optional<uint32_t>>& groups) {
  if (text.empty()) return true;
  const size_t dot = text.find('.');
  if (dot == absl::string_view::npos) return AppendParts(text, ':', true, groups);
  const size_t colon = text.rfind(':');
  std::vector<std::optional<uint32_t>> bytes;
  absl::string_view tail = colon == absl::string_view::npos ? text : text.substr(colon + 1);
  if (colon != absl::string_view::npos && !AppendParts(text.substr(0, colon), ':', true, groups)) {
    return false;
  }
  if (!AppendParts(tail, '.', false, bytes) || bytes.size() != 4) return false;
  for (int i = 0; i < 4; i += 2) {
    if (!bytes[i] || !bytes[i + 1]) return false;
    groups.push_back(*bytes[i] * 256 + *bytes[i + 1]);
  }
  return true;
}

std::optional<AddressPattern> ParseAddress(absl::string_view text) {
  AddressPattern out;
  if (text.size() > 64) return std::nullopt;
  if (!absl::StrContains(text, ":")) {
    if (!AppendParts(text, '.', false, out.parts) || out.parts.size() != 4) return std::nullopt;
    return out;
  }
  out.v6 = true;
  text = text.substr(0, text.find('%'));  // a zone such as %eth0
  const size_t gap = text.find("::");
  if (gap == absl::string_view::npos) {
    if (!AppendGroups(text, out.parts) || out.parts.size() != 8) return std::nullopt;
  } else {
    std::vector<std::optional<uint32_t>> tail;
    absl::string_view behind = text.substr(gap + 2);
    if (absl::StrContains(behind, "::")) return std::nullopt;
    if (!AppendGroups(text.substr(0, gap), out.parts)) return std::nullopt;
    if (!AppendGroups(behind, tail)) return std::nullopt;
    if (out.parts.size() + tail.size() > 7) return std::nullopt;
    out.parts.resize(8 - tail.size(), 0);
    out.parts.insert(out.parts.end(), tail.begin(), tail.end());
  }
  // ::ffff:10.0.0.1 is how a dual-stack socket shows an IPv4 peer.
  for (int i = 0; i < 6; ++i) {
    if (out.parts[i] != std::optional<uint32_t>(i == 5 ? 0xffff : 0)) return out;
  }
  if (!out.parts[6] || !out.parts[7]) return out;
  AddressPattern v4;
  for (int i = 6; i < 8; ++i) {
    v4.parts.push_back(*out.parts[i] >> 8);
    v4.parts.push_back(*out.parts[i] & 255);
  }
  return v4;
}

// Whether an address of `pattern` lies in `network`, which is an address or ADDRESS/BITS.
bool InNetwork(const AddressPattern& pattern, absl::string_view network) {
  std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(network, absl::MaxSplits('/', 1));
  std::optional<AddressPattern> address = ParseAddress(halves.first);
  if (!address || address->v6 != pattern.v6) return false;
  const int part_bits = pattern.v6 ? 16 : 8;
  int bits = static_cast<int>(pattern.parts.size()) * part_bits;
  if (!halves.second.empty()) {
    int given = 0;
    if (!absl::SimpleAtoi(halves.second, &given) || given < 0 || given > bits) return false;
    bits = given;
  }
  for (size_t i = 0; i < pattern.parts.size() && bits > 0; ++i, bits -= part_bits) {
    const int ignored = bits >= part_bits ? 0 : part_bits - bits;
    if (!pattern.parts[i] || !address->parts[i]) continue;
    if (*pattern.parts[i] >> ignored != *address->parts[i] >> ignored) return false;
  }
  return true;
}

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
constexpr std::array<Prefix, 4> kPrefixes = {{{"HOSTNAME", Type::kHostname},
                                              {"INTERNET", Type::kInternet},
                                              {"ID", Type::kId},
                                              {"USER", Type::kUser}}};

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
  return HostId{type, std::move(value)};
}

}  // namespace

std::string HostId::ToString() const {
  switch (type) {
    case Type::kEther:
    case Type::kUnsupported:
      return value;
    case Type::kAny:
      return "ANY";
    case Type::kDemo:
      return "DEMO";
    case Type::kHostname:
      return absl::StrCat("HOSTNAME=", value);
    case Type::kInternet:
      return absl::StrCat("INTERNET=", value);
    case Type::kId:
      return absl::StrCat("ID=", value);
    case Type::kUser:
      return absl::StrCat("USER=", value);
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
    case Type::kUnsupported:
      return false;
  }
  return false;
}

}  // namespace triad::license
