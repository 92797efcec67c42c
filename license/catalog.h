// What may be granted: license files + options files + vendor keys -> pools, with a reason for
// everything ignored.
//
// A pure function of bytes: equal on every node. Dates and counts are asked with a day, because
// lines drop out as days pass while the catalog stays.
#pragma once

#include <cstdint>
#include <map>
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
};

struct LicenseSources {
  std::vector<NamedBytes> license_files;
  std::vector<NamedBytes> option_files;  // name is the vendor's
  VendorKeys keys;
};

// Lines that count together (flexnet-facts 1.5): same feature, vendor, version and the other
// pooling components.
struct Pool {
  // Hash of the pooling components: the same pool keeps its id over a change of licenses.
  uint64_t id = 0;
  std::string feature;
  std::string vendor;
  std::string version;
  std::string vendor_string;
  std::string host_ids;  // "": floating
  bool uncounted = false;
  struct Line {
    FeatureLine line;
    std::string canonical;
    ParsedSign sign;
  };
  std::vector<Line> lines;  // in sort order

  // Licenses of the lines valid on `day`. 0 when all are expired. Meaningless for an uncounted
  // pool.
  uint64_t LicensesOn(Day day) const;
  bool ValidOn(Day day) const;
  // The latest expiry of its lines as the file writes it, "permanent" if one never ends.
  std::string ExpiryText() const;
};

class Catalog {
 public:
  Catalog() = default;
  // Never fails: what cannot be served is in diagnostics().
  static Catalog Build(const LicenseSources& sources);

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
};

}  // namespace triad::license
