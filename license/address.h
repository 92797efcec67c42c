// Internet addresses, and patterns of them with `*` for any part: 195.186.*.*, fec0:0:0:*:*:*:*:*.
//
// What it is not: a resolver. Names are not addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::license {

// An address or a pattern of addresses: bytes of IPv4, 16-bit groups of IPv6. Unset: any.
struct AddressPattern {
  bool v6 = false;
  std::vector<std::optional<uint32_t>> parts;
};

// nullopt: neither an address nor a pattern. An IPv4 address in IPv6 form (::ffff:10.0.0.1) is the
// IPv4 address.
std::optional<AddressPattern> ParseAddress(absl::string_view text);

// Whether an address of `pattern` lies in `network`, which is an address or ADDRESS/BITS.
bool InNetwork(const AddressPattern& pattern, absl::string_view network);

}  // namespace triad::license
