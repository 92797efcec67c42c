// The reader of license files: text -> lines with positions and diagnostics
// (flexnet-facts 1.1-1.6).
//
// What it is not: it decides nothing. Which lines are served is the Catalog's business; whether a
// signature holds is Signature's. Reading never fails as a whole: bad lines become diagnostics, the
// good ones are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "license/attributes.h"
#include "license/diagnostic.h"
#include "license/host_id.h"

namespace triad::license {

// A calendar day, as in "31-dec-2026". Days since 1970-01-01.
struct Day {
  int32_t days = 0;
  auto operator<=>(const Day&) const = default;
};

struct ServerLine {
  Position position;
  std::string host;  // name or address as written; an IPv6 address without brackets
  HostId host_id;
  std::string host_id_text;
  int port = 0;  // 0: not given
  std::vector<std::string>
      unused;  // PRIMARY_IS_MASTER, HEARTBEAT_INTERVAL=..., accepted and without effect
};

struct VendorLine {
  Position position;
  std::string vendor;
  std::string options_path;  // "": not given
  std::vector<std::string> unused;
};

// A FEATURE, INCREMENT, UPGRADE or PACKAGE line.
struct FeatureLine {
  enum class Kind { kFeature, kIncrement, kUpgrade, kPackage };
  Kind kind = Kind::kFeature;
  Position position;
  std::string feature;
  std::string vendor;
  std::string version;        // of an UPGRADE: what it makes; of a PACKAGE: may be ""
  std::string from_version;   // UPGRADE: of this version or a later one below `version`
  std::string expiry_text;    // as written
  std::optional<Day> expiry;  // unset: permanent. Valid through the end of this day
  bool uncounted = false;
  uint64_t count = 0;  // of a PACKAGE: 0
  // Attributes in file order: name as written, value without quotes. SIGN and positional key are
  // not among them.
  std::vector<std::pair<std::string, std::string>> attributes;
  std::string sign;          // SIGN= as written, without quotes; "": none
  bool foreign_key = false;  // positional key, SIGN2 or AUTH: signed for FlexNet
  // Read out of the attributes. START=: not before this day; unset: any time.
  std::optional<Day> start;
  std::optional<Day> issued;
  std::vector<HostId> host_ids;  // HOSTID=; any one may match; empty: floating
  int sort = 100;
  bool sort_given = false;  // lines with an equal sort= keep their order, also with sort=100
  LineTerms terms;
  // Of a PACKAGE.
  enum class Suite { kNone, kSuite, kReserved };
  Suite suite = Suite::kNone;  // OPTIONS=
  struct Component {
    std::string feature;
    std::string version;  // "": that of the line which enables the package
    uint64_t count = 1;   // for each license of that line
  };
  std::vector<Component> components;

  const std::string* Attribute(absl::string_view name) const;  // nullptr: not there
};

struct LicenseFile {
  std::string name;
  std::vector<ServerLine> servers;
  // Not set when a SERVER line is wrong, or there are two or more than three: an error says so, and
  // no line of this file can be served.
  bool servers_usable = true;
  std::vector<VendorLine> vendors;
  bool use_server = false;            // without effect: see the .cc
  std::vector<FeatureLine> features;  // FEATURE, INCREMENT and UPGRADE, in file order
  std::vector<FeatureLine> packages;
  Diagnostics diagnostics;
};

// Reads one file's bytes. `name` is for messages only.
LicenseFile ReadLicenseFile(absl::string_view name, absl::string_view bytes);

// "31-dec-2026", "permanent", "1-jan-0"; nullopt inside: permanent.
absl::StatusOr<std::optional<Day>> ParseExpiry(absl::string_view text);
// The day at `wall_ms` since 1970 UTC, `utc_offset_s` east of it.
Day DayAt(int64_t wall_ms, int32_t utc_offset_s);
std::string FormatDay(Day day);  // "31-dec-2026"

// Numeric comparison of versions such as "8.0" and "2024.0331": <0, 0, >0. Both must be valid.
int CompareVersions(absl::string_view a, absl::string_view b);
// Without zeros that do not count: "8" for "8.0" and "08.00".
std::string CanonicalVersion(absl::string_view version);
// At most 10 characters, digits and at most one dot.
bool IsVersion(absl::string_view text);

}  // namespace triad::license
