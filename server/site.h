// What a daemon finds on its host before it starts: license files, vendors' keys, which SERVER line
// it is, and whether the machine is the one that the line names.
//
// Reading happens here; every error is one line that names the file and what to do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/catalog.h"
#include "license/certificate.h"
#include "license/host_id.h"
#include "server/flags.h"
#include "server/node.h"
#include "storage/identity.h"
#include "triad/v1/command.pb.h"

namespace triad::server {

// The host ids of the SERVER lines, hashed to the 32 bytes that an identity keeps.
std::string ServerSetOf(const license::Catalog& catalog);

struct Site {
  v1::InstallLicenses files;          // own license and options files and vendors' keys
  license::Catalog catalog;           // made of them
  std::vector<std::string> problems;  // files that could not be read; not fatal by themselves
};

// Reads everything that the flags name. Errors only for what no node could start with (files above
// the limits).
absl::StatusOr<Site> ReadSite(const Flags& flags);

// One or three SERVER lines, each with a port, as this node's file or the installed set has them.
absl::StatusOr<std::vector<Node::Server>> ServersOf(const std::vector<license::ServerLine>& lines);

// As above, of a whole catalog: where it has no usable SERVER line, the error is the reader's own,
// with file and line.
absl::StatusOr<std::vector<Node::Server>> ServersOf(const license::Catalog& catalog);

// Which SERVER line this machine is: --node, else the only one whose host or host id names the
// machine.
absl::StatusOr<quorum::Slot> FindSlot(const Flags& flags,
                                      const std::vector<license::ServerLine>& lines,
                                      const license::MachineIds& machine);

// FAILED_PRECONDITION with -9 when the line's host id is not this machine's.
absl::Status CheckHostId(const license::ServerLine& line, const license::MachineIds& machine);

// Which certificate this node shows: the flags', or the usual one where some SERVER host is not a
// loopback address and --insecure was not given. nullopt: plaintext.
std::optional<license::TlsFiles> ChooseTls(const Flags& flags,
                                           const std::vector<Node::Server>& servers);
// Whether a node may run on this machine, which is not that of its SERVER line: it asks to be let
// in, or `members` have it with a waiver for this very machine.
bool MayRunOnWaiver(const v1::Members& members, const storage::Identity& identity,
                    const license::MachineIds& machine);
// What the machine shows of itself first, for a record of who came back on it.
std::string ShownHostId(const license::MachineIds& machine);
bool AllLoopback(const std::vector<Node::Server>& servers);

}  // namespace triad::server
