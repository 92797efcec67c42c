// What the optional attributes of a license line say, as values (flexnet-facts 1.7), and the table
// of every name that may stand there.
//
// What it is not: it enforces nothing. Pool hands the values on; grants, queues and borrowing act
// on them. Pure. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "license/host_id.h"

namespace triad::license {

// DUP_GROUP: which checkouts share one license. Those that agree in every part named; `site`: all
// of them; none of both: each counts alone (NONE).
struct DupGroup {
  bool site = false;
  bool user = false;
  bool host = false;
  bool display = false;
  bool vendor = false;  // the checkout data

  bool none() const { return !site && !user && !host && !display && !vendor; }
  // "NONE", "SITE" or letters in the order UHDV.
  std::string ToString() const;
  bool operator==(const DupGroup&) const = default;
};
// "UHD" in any order and case, "SITE", "NONE". INVALID_ARGUMENT says what is wrong.
absl::StatusOr<DupGroup> ParseDupGroup(absl::string_view text);

// The attributes of one line that are more than text. Unset or 0: the line does not say it.
struct LineTerms {
  std::optional<DupGroup> dup_group;        // over the mask that a client asks for
  std::optional<DupGroup> suite_dup_group;  // of the suite's own license (flexnet-facts 1.7)
  uint64_t overdraft = 0;                   // licenses beyond the line's count
  uint64_t linger_s = 0;
  uint32_t borrow_hours = 0;           // most; 0: may not be borrowed
  uint64_t minimum = 0;                // fewest licenses of one checkout; 0: any number
  std::optional<uint64_t> host_based;  // only hosts that INCLUDE names, at most so many
  std::optional<uint64_t> user_based;
  bool supersedes = false;
  std::vector<std::string> superseded;  // features; empty: the line's own
  std::vector<std::string> platforms;   // lower case; empty: all
  std::optional<HostId> float_ok;
  // An attribute that Triad cannot check and that would restrict, "NAME=value"; "": none. The line
  // is not served.
  std::string uncheckable;
};

// What Triad does with an attribute.
enum class AttributeUse {
  kEnforced,       // it restricts or grants, and does so
  kShown,          // it informs: carried to the application or to listings
  kRefused,        // it restricts by what Triad cannot check: the line is refused, with the reason
  kAdministrator,  // the administrator may edit it: not signed
  kSignature,      // signs the line
};
struct AttributeRule {
  absl::string_view name;
  AttributeUse use = AttributeUse::kShown;
};
// Every attribute that a line may have. UPPERCASE ones are signed, lowercase ones are not.
absl::Span<const AttributeRule> AttributeRules();
const AttributeRule* FindAttributeRule(absl::string_view name);  // nullptr: none; exact case
// The attribute that `name` is nearly, with the case of its table; "": none.
absl::string_view NearAttribute(absl::string_view name);

// Reads `value` of attribute `name` into `terms`. Attributes without a typed meaning are left
// alone. INVALID_ARGUMENT: what is wrong with the value, without the name.
absl::Status ReadTerm(absl::string_view name, bool has_value, absl::string_view value,
                      uint64_t licenses, LineTerms* terms);

}  // namespace triad::license
