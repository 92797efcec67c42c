// Where the license servers are: the search path (interface.md, flexnet-facts 5).
//
// Pure: text in, entries out; what it needs of environment and files comes through Machine
// (client/machine.h has the real one). Thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::client {

// One server's address. An IPv6 address stands without brackets.
struct Address {
  std::string host;
  int port = 0;
  bool operator==(const Address&) const = default;
};
// "27000@host", "27000@[fd00::1]".
std::string FormatAddress(const Address& address);
// For gRPC: "host:27000", "[fd00::1]:27000".
std::string DialTarget(const Address& address);
// 127.0.0.0/8, ::1, localhost.
bool IsLoopback(const Address& address);

// One license server cluster: one server, or three in the order of the SERVER lines. (`@host`
// stands for ten clusters of one.)
struct Cluster {
  std::vector<Address> servers;
  std::string source;  // the entry or file that it comes from, for messages
};

// One element of the ':'-separated list.
struct PathEntry {
  enum class Kind { kServers, kPath };
  Kind kind = Kind::kPath;
  std::string text;               // as written
  std::vector<Cluster> clusters;  // kServers
  std::string path;               // kPath: a file, or a directory with *.lic files
};

// Splits and reads a search path. Never fails as a whole: what is wrong with an entry goes to
// `problems`, one line each.
struct SearchPath {
  std::vector<PathEntry> entries;
  std::vector<std::string> problems;
};
SearchPath ParseSearchPath(absl::string_view text);

// "genesys.d" -> {"GENESYS_D_LICENSE_FILE", "genesys.d_LICENSE_FILE"}.
std::vector<std::string> VendorVariables(absl::string_view vendor);

// The SERVER lines of a license file's text as one cluster. nullopt with a line in `problem`: there
// are none, two, or more than three, or a port is missing.
std::optional<Cluster> ClusterOfFile(absl::string_view name, absl::string_view text,
                                     std::string* problem);

// What FindClusters needs from the machine: RealMachine() of client/machine.h, or a test's.
struct Machine {
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // NOT_FOUND, PERMISSION_DENIED, ...
  std::function<absl::StatusOr<std::string>(const std::string& path)> read_file;
  // The *.lic files of a directory, sorted; an error if it is none.
  std::function<absl::StatusOr<std::vector<std::string>>(const std::string& path)> list_directory;
};

// All clusters of a search path, in order, each once; and what was passed over, with the reason.
struct Clusters {
  std::vector<Cluster> clusters;
  std::vector<std::string> problems;
  std::string origin;  // "argument", "LM_LICENSE_FILE", "/etc/triad/license.dat", ...
};
// `license_path` if it is not empty, else the environment and the defaults.
Clusters FindClusters(absl::string_view license_path, absl::string_view vendor,
                      const Machine& machine);

}  // namespace triad::client
