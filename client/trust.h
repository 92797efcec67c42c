// Whom this machine's programs trust as license servers, and as whom they show themselves: an
// authority's certificate, and if there is one a certificate with its key.
//
// With an authority nothing is ever said in plaintext, unless plaintext was asked for and the
// authority was not. Pure but for what Machine reads. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/search_path.h"
#include "license/certificate.h"

namespace triad::client {

struct Trust {
  license::TlsFiles paths;     // "" for what is not there
  license::TlsFiles contents;  // likewise

  // TRUE: connections are TLS.
  bool tls() const { return !contents.ca.empty(); }
};

// From `named` (flags or options) if it names an authority, else TRIAD_TLS_CA, TRIAD_TLS_CERT and
// TRIAD_TLS_KEY, else ~/.config/triad/, else /etc/triad/tls/: there ca.crt, and with it admin.crt
// and admin.key or client.crt and client.key. Where there is no ca.crt: plaintext. `insecure`
// passes over the directories. The error is one line that names the file.
absl::StatusOr<Trust> FindTrust(const license::TlsFiles& named, bool insecure,
                                const Machine& machine, int64_t now_s);

}  // namespace triad::client
