// The client's own check that a grant comes from lines that the vendor signed (design 3,
// Signature): a server without such lines cannot satisfy an application that has the vendor's key
// compiled in.
//
// It reads the canonical form that license/signature.cc writes. Dates are the server's business.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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
  std::string version;
  bool uncounted = false;
  uint64_t count = 0;  // with OVERDRAFT
};
// nullopt: not a canonical form.
std::optional<SignedLine> ParseCanonical(absl::string_view bytes);

// What the good lines of a pool prove, together.
struct PoolProof {
  std::string feature;
  std::string version;  // the highest
  bool uncounted = false;
  uint64_t count = 0;
};
// Lines that do not verify prove nothing. PERMISSION_DENIED: none does, or they name different
// features.
absl::StatusOr<PoolProof> ProvePool(const v1::PoolDescription& pool,
                                    const license::VendorKeys& keys);

// Whether `proof` covers the grant. PERMISSION_DENIED with the reason if not.
absl::Status CheckGrant(const v1::Holding& holding, const PoolProof& proof);

}  // namespace triad::client
