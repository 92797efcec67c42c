#include "server/program.h"

#include "license/ledger.h"
#include "license/protocol.h"
#include "server/limits.h"

namespace triad::server {

Program ThisProgram() {
  return {license::kCommandVersion, kPeerProtocol, license::kClientProtocol, kFinaliseAfterMs};
}

}  // namespace triad::server
