// The core's messages to and from the wire. Pure; anything malformed becomes an error, never a
// crash.
#pragma once

#include "absl/status/statusor.h"
#include "quorum/message.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

v1::PeerMessage Encode(const quorum::Message& message);

// `from` and `to` are what the link says, not what the sender claims.
absl::StatusOr<quorum::Message> Decode(quorum::Slot from, quorum::Slot to, v1::QuorumMessage wire);

}  // namespace triad::server
