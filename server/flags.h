// triadd's command line: a verb and flags, from arguments and flag files.
//
// Flags have hyphens, underscores mean the same. Abseil's own parser takes no hyphens and exits
// with 1 on errors, so this one is ours: a table, and errors that say which flag and what it takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace triad::server {

struct Flags {
  std::string verb;    // "", "init", "rejoin", "recover", "restore"
  std::string backup;  // the file that restore takes
  std::string license = "/etc/triad/license.dat";
  std::string data_dir = "/var/lib/triad";
  std::string vendor_keys = "/etc/triad/vendors.d";
  std::string admin_socket = "/run/triad/admin.sock";
  std::vector<std::string> options;  // VENDOR=FILE
  std::string http;                  // HOST:PORT; "": none
  std::string debug_log;             // [+]FILE; "": none
  bool datestamp = false;            // date in each of its lines
  int64_t usage_keep_days = 400;
  int64_t usage_keep_mb = 4'096;
  int node = 0;  // 0: found out
  bool insecure = false;
  // "": where there must be TLS, /etc/triad/tls/{node.crt,node.key,ca.crt}.
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;
  bool open_reading = true;  // who holds what is told to everybody, as FlexNet does
  bool validate = false;
  bool accept_loss = false;  // of recover
  // Of lmgrd's command line: -local, -x.
  bool local_admin = false;           // administrators' verbs through the admin socket alone
  std::vector<std::string> disabled;  // verbs that are refused to everybody: lmdown, lmremove
  int ready_fd = -1;                  // told with a byte when it listens; then the daemon detaches
  bool help = false;
  int64_t log_keep_entries = 0;  // for tests; 0: as the daemon likes
  int64_t session_ttl_ms = 60'000;
  int64_t reset_grace_ms = 10'000;
  int64_t heartbeat_ms = 50;
  int64_t election_timeout_ms = 300;
};

// INVALID_ARGUMENT: wrong usage, one line.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments);

std::string HelpText();

}  // namespace triad::server
