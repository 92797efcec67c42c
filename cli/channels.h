// How the tools reach servers: TLS with the authority that this machine trusts, plaintext where
// that is allowed, and the local admin socket.
//
// One trust for the whole process, as the verb's flags and the environment say. Not thread-safe:
// UseTrustOf comes before the first channel.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "cli/args.h"
#include "client/trust.h"
#include "triad/client.h"

namespace triad::cli {

// From --tls-ca, --tls-cert, --tls-key, else the environment and the usual places
// (client/trust.h). The error is one line.
absl::Status UseTrustOf(const Args& args);
const client::Trust& TheTrust();
// The same for libtriad.
void GiveTrustTo(ClientOptions* options);

// `target` as gRPC takes it; "unix:..." is the admin socket.
std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target,
                                         grpc::ChannelArguments arguments);

}  // namespace triad::cli
