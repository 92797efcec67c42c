#include "server/tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/security/auth_metadata_processor.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/system.h"

namespace triad::server {
namespace {

using license::Certified;
using license::Role;
using license::TlsFiles;

constexpr size_t kPemBytesMax = 1u << 20;
constexpr int64_t kMsPerSecond = 1'000;
constexpr int64_t kDaySeconds = 86'400;
// As the alert of deploy/prometheus: time enough for whoever holds the authority's key.
constexpr int64_t kTellExpirySeconds = 14 * kDaySeconds;

absl::StatusOr<TlsFiles> ReadAll(const TlsFiles& paths) {
  TlsFiles contents;
  for (const auto& [path, content] :
       {std::pair{&paths.ca, &contents.ca}, std::pair{&paths.certificate, &contents.certificate},
        std::pair{&paths.key, &contents.key}}) {
    auto text = ReadFile(*path, kPemBytesMax);
    if (!text.ok()) return text.status();
    *content = *std::move(text);
  }
  return contents;
}

// gRPC's C++ takes certificates once; its C interface asks for them before each handshake.
class ReloadingCredentials final : public grpc::ServerCredentials {
 public:
  explicit ReloadingCredentials(const Tls* tls) : tls_(tls) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY, Fetch, this));
  }
  ~ReloadingCredentials() override { grpc_server_credentials_release(credentials_); }
  ReloadingCredentials(const ReloadingCredentials&) = delete;
  ReloadingCredentials& operator=(const ReloadingCredentials&) = delete;

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // One at a time: gRPC holds a lock of its own meanwhile.
  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    auto* credentials = static_cast<ReloadingCredentials*>(self);
    TlsFiles contents;
    if (!credentials->tls_->ChangedSince(&credentials->generation_, &contents)) {
      return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    const grpc_ssl_pem_key_cert_pair pair = {contents.key.c_str(), contents.certificate.c_str()};
    *config = grpc_ssl_server_certificate_config_create(contents.ca.c_str(), &pair, 1);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const Tls* const tls_;
  uint64_t generation_ = 0;
  grpc_server_credentials* credentials_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tls>> Tls::Load(TlsFiles paths, quorum::Slot self, Clock* clock) {
  std::unique_ptr<Tls> tls(new Tls(std::move(paths), self, clock));
  const auto loaded = tls->Reload();
  if (!loaded.ok()) return loaded.status();
  return tls;
}

absl::Status Tls::Check(const TlsFiles& contents, int64_t* expires_s) const {
  const absl::Status status =
      license::CheckTlsFiles(paths_, contents, clock_->WallMs() / kMsPerSecond);
  if (!status.ok()) return status;
  const auto facts = license::ReadCertificate(contents.certificate);
  if (!facts.ok()) return facts.status();
  const Certified wanted = {Role::kNode, static_cast<uint32_t>(self_), ""};
  if (facts->who != wanted) {
    return absl::FailedPreconditionError(absl::StrCat(
        paths_.certificate, ": is the certificate of ", facts->who.ToString(), ", this is ",
        wanted.ToString(), ": make one with triad certs node ", wanted.slot));
  }
  *expires_s = facts->validity.to_s;
  return absl::OkStatus();
}

absl::StatusOr<bool> Tls::Reload() {
  const auto contents = ReadAll(paths_);
  if (!contents.ok()) return contents.status();
  {
    absl::MutexLock lock(&mutex_);
    if (*contents == contents_ || *contents == refused_) return false;
  }
  int64_t expires_s = 0;
  const absl::Status good = Check(*contents, &expires_s);
  absl::MutexLock lock(&mutex_);
  if (!good.ok()) {
    refused_ = *contents;
    return good;
  }
  contents_ = *contents;
  refused_ = {};
  expires_s_ = expires_s;
  tell_again_s_ = 0;
  ++generation_;
  return true;
}

std::shared_ptr<grpc::ServerCredentials> Tls::ForListener() {
  // gRPC keeps what it needs of them, which is not the object that its callback is called with.
  auto made = std::make_shared<ReloadingCredentials>(this);
  absl::MutexLock lock(&mutex_);
  listeners_.push_back(made);
  return made;
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ForDialling() const {
  grpc::SslCredentialsOptions options;
  absl::MutexLock lock(&mutex_);
  options.pem_root_certs = contents_.ca;
  options.pem_cert_chain = contents_.certificate;
  options.pem_private_key = contents_.key;
  return grpc::SslCredentials(options);
}

int64_t Tls::expires_s() const {
  absl::MutexLock lock(&mutex_);
  return expires_s_;
}

std::string Tls::TellExpiry() {
  const int64_t now_s = clock_->WallMs() / kMsPerSecond;
  absl::MutexLock lock(&mutex_);
  const int64_t left_s = expires_s_ - now_s;
  if (left_s > kTellExpirySeconds || now_s < tell_again_s_) return "";
  const bool over = left_s <= 0;
  tell_again_s_ = over ? now_s + kDaySeconds : std::min(now_s + kDaySeconds, expires_s_);
  return absl::StrCat(paths_.certificate, over ? ": expired at " : ": expires at ",
                      license::FormatTime(expires_s_),
                      over ? ", no new connection to or from this node can be made" : "",
                      ": make another with triad certs node ", static_cast<int>(self_),
                      ", copy it over this one, systemctl reload triadd");
}

bool Tls::ChangedSince(uint64_t* generation, TlsFiles* contents) const {
  absl::MutexLock lock(&mutex_);
  if (*generation == generation_) return false;
  *generation = generation_;
  *contents = contents_;
  return true;
}

Certified RoleOf(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) return {};
  for (const grpc::string_ref& uri : context.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    const Certified who = license::ParseRoleUri({uri.data(), uri.size()});
    if (who.role != Role::kNone) return who;
  }
  return {};
}

}  // namespace triad::server
