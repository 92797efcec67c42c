// Which versions of license.proto understand each other: an application's libtriad and the license
// servers are upgraded at different times.
//
// A version begins where an older program would misread a message; a field that an older one may
// pass over needs none. Programs speak with those of the version before and after theirs.
#pragma once

#include <algorithm>
#include <cstdint>

namespace triad::license {

// What this program speaks. 1 is the first release's, which does not say it.
inline constexpr uint32_t kClientProtocol = 1;
// FlexNet's number for two that are too far apart (flexnet-facts 4).
inline constexpr int32_t kOtherVersionCode = -83;

constexpr bool SpeakTogether(uint32_t one, uint32_t other) {
  const uint32_t low = std::max(1u, std::min(one, other));
  const uint32_t high = std::max(1u, std::max(one, other));
  return high - low <= 1;
}

}  // namespace triad::license
