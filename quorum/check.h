// TRIAD_CHECK: an invariant of the protocol that stays on in release builds. What it catches is a
// history that Raft does not allow (a disk that forgot, an identity used twice); going on would
// turn that into a wrong grant, stopping turns it into a restart.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "absl/strings/string_view.h"

namespace triad::quorum {

[[noreturn]] inline void CheckFailed(const char* file, int line, const char* condition,
                                     absl::string_view message) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %.*s\n", file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::abort();
}

}  // namespace triad::quorum

// `message` names the violated history; it is evaluated only when `condition` is false.
#define TRIAD_CHECK(condition, message)                                        \
  do {                                                                         \
    if (!(condition)) [[unlikely]] {                                           \
      ::triad::quorum::CheckFailed(__FILE__, __LINE__, #condition, (message)); \
    }                                                                          \
  } while (false)
