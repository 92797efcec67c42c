#include "cli/channels.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/servers.h"
#include "client/machine.h"

namespace triad::cli {
namespace {

client::Trust& Stored() {
  static auto* trust = new client::Trust;
  return *trust;
}

}  // namespace

absl::Status UseTrustOf(const Args& args) {
  auto trust = client::FindTrust(
      {args.Value("tls-ca"), args.Value("tls-cert"), args.Value("tls-key")}, InsecureAllowed(args),
      client::RealMachine(), absl::ToUnixSeconds(absl::Now()));
  if (!trust.ok()) return trust.status();
  Stored() = *std::move(trust);
  return absl::OkStatus();
}

const client::Trust& TheTrust() {
  return Stored();
}

void GiveTrustTo(ClientOptions* options) {
  options->tls_ca = TheTrust().paths.ca;
  options->tls_cert = TheTrust().paths.certificate;
  options->tls_key = TheTrust().paths.key;
}

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target,
                                         grpc::ChannelArguments arguments) {
  const client::Trust& trust = TheTrust();
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!trust.tls() || absl::StartsWith(target, "unix:")) {
    return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  }
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = trust.contents.ca;
  options.pem_cert_chain = trust.contents.certificate;
  options.pem_private_key = trust.contents.key;
  arguments.SetSslTargetNameOverride(license::kNodeName);
  return grpc::CreateCustomChannel(target, grpc::SslCredentials(options), arguments);
}

}  // namespace triad::cli
