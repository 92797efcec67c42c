// What may be granted: license files + options files + vendor keys -> pools, with a reason for
// everything ignored.
//
// A pure function of bytes: equal on every node. Dates and counts are asked with a day, because
// lines drop out as days pass while the catalog stays.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/diagnostic.h"
#include "license/license_file.h"
#include "license/policy.h"
#include "license/signature.h"

namespace triad::license {

struct NamedBytes {
  std::string name;
  std::string bytes;
  std::string path = {};  // of an options file, for messages; "": VENDOR.opt
};

struct LicenseSources {
  std::vector<NamedBytes> license_files;
  std::vector<NamedBytes> option_files;  // name is the vendor's
  VendorKeys keys;
};

// What a pool gives on one day: the sums, and the most generous terms, of the lines valid then.
struct PoolTerms {
  bool valid = false;
  uint64_t licenses = 0;   // meaningless for an uncounted pool
  uint64_t overdraft = 0;  // beyond `licenses`, by OVERDRAFT=
  uint64_t linger_s = 0;
  uint32_t borrow_hours = 0;  // 0: no line may be borrowed from
  uint64_t minimum = 0;       // fewest licenses of one checkout: the largest of its lines'
  bool operator==(const PoolTerms&) const = default;
};

// Lines that count together (flexnet-facts 1.5): same feature, vendor, version and the other
// pooling components: DUP_GROUP, FLOAT_OK, HOST_BASED, HOSTID, PLATFORMS, USER_BASED,
// VENDOR_STRING, and of which suite it is a part.
struct Pool {
  // Hash of the pooling components: the same pool keeps its id over a change of licenses.
  uint64_t id = 0;
  std::string feature;
  std::string vendor;
  std::string version;
  std::string vendor_string;
  std::string host_ids;       // "": floating
  std::vector<HostId> locks;  // the same, read
  bool uncounted = false;
  std::optional<DupGroup> dup_group;        // unset: what the client asks for
  std::optional<DupGroup> suite_dup_group;  // of an enabling pool; unset: its components' group
  std::optional<uint64_t> host_based;       // only hosts that INCLUDE names, at most so many
  std::optional<uint64_t> user_based;
  std::vector<std::string> platforms;  // lower case; empty: all
  // A component of a package with OPTIONS=SUITE: each checkout takes a license of `pool` too.
  struct Suite {
    uint64_t pool = 0;
    // OPTIONS=SUITE_RESERVED: the first component keeps the others for that user.
    bool reserved = false;
  };
  std::optional<Suite> suite;
  std::vector<uint64_t> components;  // of an enabling pool: its components' pools, in order
  // Licenses of a line that an UPGRADE line turns into another version, while that one is valid.
  struct Taken {
    uint64_t count = 0;
    std::optional<Day> start;
    std::optional<Day> expiry;
  };
  // The PACKAGE line that makes another line's licenses licenses of its components.
  struct Package {
    std::string name;
    Position position;
    std::string canonical;
    ParsedSign sign;
  };
  struct Line {
    // As in the file. Of a component: the line that enables its package.
    FeatureLine line;
    std::string canonical;
    ParsedSign sign;
    // What it gives here, and when: a line may be cut by SUPERSEDE, by what it upgrades, or be
    // multiplied by a package. Pool::On() sums it up.
    uint64_t licenses = 0;
    uint64_t overdraft = 0;
    std::optional<Day> start;   // unset: any time
    std::optional<Day> expiry;  // unset: permanent
    std::vector<Taken> taken;
    std::shared_ptr<const Package> package;  // nullptr: no component
  };
  std::vector<Line> lines;  // in sort order
  // From which day on which terms hold, in order; before the first, nothing is valid.
  struct Span {
    Day from;
    PoolTerms terms;
  };
  std::vector<Span> spans;

  // What it gives on `day`. Costs the same for one line as for a thousand.
  const PoolTerms& On(Day day) const;
  // The first day after `day` on which On() says something else; unset: never again.
  std::optional<Day> NextChange(Day day) const;
  // Shorter words for what most ask. 0 licenses when all lines are expired.
  uint64_t LicensesOn(Day day) const { return On(day).licenses; }
  uint64_t OverdraftOn(Day day) const { return On(day).overdraft; }
  bool ValidOn(Day day) const { return On(day).valid; }
  // The latest expiry of its lines as the file writes it, "permanent" if one never ends.
  std::string ExpiryText() const;
};

// What makes building cheaper: nearly all of it is verifying signatures, 0.1 ms each. Changes
// nothing about what comes out.
struct BuildHelp {
  // Of other catalogs; any may be null.
  std::vector<std::shared_ptr<const VerifiedLines>> known;
  // Calls work(0) to work(count - 1), each once, in any order, several at once if it likes, and
  // comes back when all are done. Empty: one after the other.
  std::function<void(size_t count, const std::function<void(size_t)>& work)> for_each;
};

class Catalog {
 public:
  Catalog() = default;
  // Never fails: what cannot be served is in diagnostics().
  static Catalog Build(const LicenseSources& sources, const BuildHelp& help = {});

  // In the order in which they are granted from (flexnet-facts 1.6).
  const std::vector<Pool>& pools() const { return pools_; }
  // Pools of one feature name, in grant order; empty: no such feature.
  const std::vector<const Pool*>& PoolsOf(absl::string_view feature) const;
  const Pool* FindPool(uint64_t id) const;
  const std::vector<ServerLine>& servers() const { return servers_; }
  // Of the VENDOR lines and of the pools, sorted.
  const std::vector<std::string>& vendors() const { return vendors_; }
  const Diagnostics& diagnostics() const { return diagnostics_; }
  // What the options files say about the pools.
  const Policy& policy() const { return policy_; }

  // SHA-256 in hex over the SERVER host ids in order: which three machines. "": no SERVER lines.
  std::string server_set() const { return server_set_; }
  // SHA-256 in hex over the canonical forms of all good lines, sorted: the same licenses, however
  // laid out.
  std::string license_hash() const { return license_hash_; }
  // The signatures of all good lines, for BuildHelp. nullptr: of a catalog of nothing.
  std::shared_ptr<const VerifiedLines> verified() const { return verified_; }

  // Moving keeps the pools at their addresses. No copies: the indexes point into pools_.
  Catalog(Catalog&&) = default;
  Catalog& operator=(Catalog&&) = default;
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

 private:
  std::vector<Pool> pools_;
  std::map<std::string, std::vector<const Pool*>, std::less<>> by_feature_;
  std::map<uint64_t, const Pool*> by_id_;
  std::vector<ServerLine> servers_;
  std::vector<std::string> vendors_;
  Diagnostics diagnostics_;
  Policy policy_;
  std::string server_set_;
  std::string license_hash_;
  std::shared_ptr<const VerifiedLines> verified_;
};

}  // namespace triad::license
