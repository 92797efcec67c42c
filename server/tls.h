// The daemon's certificate and the authority that it trusts, as gRPC takes them, and the role that
// a caller's certificate gives.
//
// A listener with them speaks TLS 1.2 and 1.3 only. It asks callers for a certificate, checks it if
// one is shown, and does not need one. Whoever is dialled must show the certificate of the node
// that is meant. New connections take what was last loaded; those that stand keep theirs.
// Thread-safe.
#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "license/certificate.h"
#include "quorum/types.h"
#include "server/environment.h"

namespace triad::server {

class Tls {
 public:
  // Reads and checks the files; they must be the certificate of node `self`.
  static absl::StatusOr<std::unique_ptr<Tls>> Load(license::TlsFiles paths, quorum::Slot self,
                                                   Clock* clock);
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  // Takes files that have changed and are good. TRUE: they had changed. An error leaves what was
  // loaded in use, and is told once for the same files.
  absl::StatusOr<bool> Reload();

  // For the listener; must not outlive this.
  std::shared_ptr<grpc::ServerCredentials> ForListener();
  // For a channel to the node in `slot`; with what is loaded now.
  std::shared_ptr<grpc::ChannelCredentials> ForDialling() const;
  // When the certificate expires, in seconds since 1970.
  int64_t expires_s() const;
  // A line to log about that: once a day in the certificate's last two weeks, and when it is over;
  // "" otherwise.
  std::string TellExpiry();

  // The listener's: what changed since the generation that it has; for gRPC's callback.
  bool ChangedSince(uint64_t* generation, license::TlsFiles* contents) const;

 private:
  Tls(license::TlsFiles paths, quorum::Slot self, Clock* clock)
      : paths_(std::move(paths)), self_(self), clock_(clock) {}
  absl::Status Check(const license::TlsFiles& contents, int64_t* expires_s) const;

  const license::TlsFiles paths_;
  const quorum::Slot self_;
  Clock* const clock_;
  mutable absl::Mutex mutex_;
  license::TlsFiles contents_ ABSL_GUARDED_BY(mutex_);
  license::TlsFiles refused_ ABSL_GUARDED_BY(mutex_);  // the last that were no good
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t expires_s_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t tell_again_s_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::shared_ptr<grpc::ServerCredentials>> listeners_ ABSL_GUARDED_BY(mutex_);
};

// What the certificate of a caller, which gRPC has verified, says; kNone without one.
license::Certified RoleOf(const grpc::AuthContext& context);

}  // namespace triad::server
