// Takes the place of server/program.cc in triadd_next: a release that comes after this one, with
// every version as much higher as TRIAD_NEXT says (1 if it does not), and the time until an upgrade
// is final from TRIAD_NEXT_FINALISE_MS.
#include <cstdint>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "license/ledger.h"
#include "license/protocol.h"
#include "server/limits.h"
#include "server/program.h"

namespace triad::server {
namespace {

int64_t Number(const char* variable, int64_t otherwise) {
  const char* const text = std::getenv(variable);
  int64_t number = 0;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : otherwise;
}

}  // namespace

Program ThisProgram() {
  const auto more = static_cast<uint32_t>(Number("TRIAD_NEXT", 1));
  return {license::kCommandVersion + more, kPeerProtocol + more, license::kClientProtocol + more,
          Number("TRIAD_NEXT_FINALISE_MS", kFinaliseAfterMs)};
}

}  // namespace triad::server
