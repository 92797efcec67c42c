// Host ids as license files write them (flexnet-facts 1.9), and whether they name a given machine.
//
// Pure: what the machine is comes in as MachineIds, gathered by server/ and cli/.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::license {

struct HostId {
  enum class Type {
    kEther,
    kAny,
    kDemo,
    kHostname,
    kInternet,
    kId,
    kUser,
    kDisplay,
    kComposite,    // a number that the vendor's own tool works out, and its application states
    kMachine,      // UUID=, made from the machine id: see MachineUuid
    kUnsupported,  // dongles, disks, other systems' ids: kept and shown, match no host
  };
  Type type = Type::kAny;
  // Canonical: ether, COMPOSITE and UUID in lower case; ID and UUID without dashes; the rest as
  // written. Empty for ANY and DEMO.
  std::string value;

  // As a license file writes it: "0019d1aabbcc", "HOSTNAME=lic1", "ANY".
  std::string ToString() const;
  bool operator==(const HostId&) const = default;
};

// What a machine can show of itself.
struct MachineIds {
  std::vector<std::string> ethers;     // 12 hex digits, lower case
  std::vector<std::string> hostnames;  // short and fully qualified
  std::vector<std::string>
      addresses;  // of its interfaces; loopback networks as "127.0.0.0/8" and "::1"
  std::string user;
  std::string display;
  std::string uuid;  // of MachineUuid; "": none
};

// The value of UUID= for a machine whose /etc/machine-id holds `machine_id`: 32 hex digits, a hash,
// because the id itself should not leave the machine. For machines whose network cards come and go.
// "": there is no machine id.
std::string MachineUuid(absl::string_view machine_id);

// Reads one host id. The error says what is wrong with it.
absl::StatusOr<HostId> ParseHostId(absl::string_view text);

// Reads HOSTID="a b c": any one may match.
absl::StatusOr<std::vector<HostId>> ParseHostIdList(absl::string_view text);

bool Matches(const HostId& id, const MachineIds& machine);

}  // namespace triad::license
