// The certificates by which Triad's programs know each other on the network (X.509, EC P-256): what
// role one gives, whether a set of files is good, and the making of them.
//
// It is not the vendor's signature under licenses (signature.h), and knows no network: TLS itself
// is gRPC's. Pure but for the keys that are drawn; times are seconds since 1970. Thread-safe.
//
// A certificate says its role in a URI among its subject's other names: "triad:node:2",
// "triad:admin:alice", "triad:client:bob". One without such a URI gives no role. A node's has the
// names kNodeName and NodeName(slot) besides, by which whoever dials it checks that it is a node,
// whatever the address was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::license {

// What whoever dials a node expects in its certificate: of any node, and of the node in `slot`.
inline constexpr char kNodeName[] = "node.triad";
std::string NodeName(uint32_t slot);

enum class Role { kNone, kNode, kAdmin, kClient };

struct Certified {
  Role role = Role::kNone;
  uint32_t slot = 0;  // of a node
  std::string name;   // of an administrator or a client

  // "node 2", "administrator alice", "client bob", "nobody".
  std::string ToString() const;
  bool operator==(const Certified&) const = default;
};

// "triad:node:2"; "" for kNone.
std::string RoleUri(const Certified& who);
// kNone for what is no such URI.
Certified ParseRoleUri(absl::string_view uri);
// Letters, digits and "._@-", 1 to 64 of them.
bool IsCertifiedName(absl::string_view name);

struct Validity {
  int64_t from_s = 0;
  int64_t to_s = 0;
};

struct KeyAndCertificate {
  std::string key_pem;  // PKCS #8, without a passphrase
  std::string certificate_pem;
};

absl::StatusOr<KeyAndCertificate> MakeAuthority(absl::string_view name, Validity validity);
// Signed by `authority`. `hosts`: further names and addresses of a node, for other programs' sake.
absl::StatusOr<KeyAndCertificate> MakeCertificate(const KeyAndCertificate& authority,
                                                  const Certified& who,
                                                  const std::vector<std::string>& hosts,
                                                  Validity validity);

// What one program needs to speak TLS; paths or contents. Certificate and key are both "" for a
// client that shows none.
struct TlsFiles {
  std::string ca;
  std::string certificate;
  std::string key;
  bool operator==(const TlsFiles&) const = default;
};

// Of the first certificate in a PEM text.
struct CertificateFacts {
  Certified who;
  Validity validity;
};
absl::StatusOr<CertificateFacts> ReadCertificate(absl::string_view pem);

// Whether `contents` can be used now: all of it can be read, the key is the certificate's, which is
// in its time and was issued by an authority in `ca`. The error is one line that names the file, of
// `paths`, and what to do.
absl::Status CheckTlsFiles(const TlsFiles& paths, const TlsFiles& contents, int64_t now_s);

// "2026-11-22 12:00 UTC".
std::string FormatTime(int64_t seconds);

}  // namespace triad::license
