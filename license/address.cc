#include "license/address.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace triad::license {
namespace {

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

}  // namespace

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

}  // namespace triad::license
