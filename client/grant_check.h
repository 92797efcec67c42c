// The client's own check that a grant comes from lines that the vendor signed (design 3,
// Signature): a server without such lines cannot satisfy an application that has the vendor's key
// compiled in.
//
// It reads the canonical form that license/signature.cc writes. Dates are the server's business.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "license/signature.h"
#include "triad/v1/license.pb.h"

namespace triad::client {

// What a canonical form says.
struct SignedLine {
  std::string feature;
  std::string vendor;
  std::string version;  // of an UPGRADE: what it makes; of a PACKAGE: may be ""
  bool uncounted = false;
  uint64_t count = 0;  // with OVERDRAFT
  // Of a PACKAGE: what each license of the line that enables it gives.
  struct Component {
    std::string feature;
    std::string version;  // "": that line's
    uint64_t count = 0;
  };
  bool package = false;
  std::vector<Component> components;
};
// nullopt: not a canonical form.
std::optional<SignedLine> ParseCanonical(absl::string_view bytes);

// What the good lines of a pool prove, together.
struct PoolProof {
  struct Licenses {
    std::string version;  // the highest
    bool uncounted = false;
    uint64_t count = 0;
  };
  std::string feature;
  std::string version;  // the highest
  bool uncounted = false;
  uint64_t count = 0;
  // Of the package that the lines enable: a grant of one of them may come from here, too.
  std::map<std::string, Licenses> components;
};
// Lines that do not verify prove nothing. PERMISSION_DENIED: none does, or they name different
// features.
absl::StatusOr<PoolProof> ProvePool(const v1::PoolDescription& pool,
                                    const license::VendorKeys& keys);

// Whether `proof` covers the grant. PERMISSION_DENIED with the reason if not.
absl::Status CheckGrant(const v1::Holding& holding, const PoolProof& proof);

}  // namespace triad::client
