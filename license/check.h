// For programming errors only: ends the process, naming the history that was violated. What users
// or other nodes send never ends here.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace triad::license {

inline void Check(bool holds, const char* history) {
  if (holds) return;
  std::fprintf(stderr, "triad: license: %s\n", history);
  std::abort();
}

}  // namespace triad::license
