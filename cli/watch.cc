#include "cli/watch.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/limits.h"
#include "cli/output.h"

namespace triad::cli {
namespace {

// ANSI: cursor to the top left corner, then everything below it is cleared.
constexpr char kClear[] = "\x1b[H\x1b[J";

}  // namespace

Flag WatchFlag() {
  return {"watch", Takes::kWrittenValue};
}

int RunOrWatch(const Args& args, const std::function<int()>& once) {
  if (!args.Has("watch")) return once();
  int64_t pause_ms = kWatchMs;
  if (const std::string value = args.Value("watch"); !value.empty()) {
    const auto given = ParseSeconds(value);
    if (!given.ok() || *given < kWatchMsMin) {
      return RefuseUsage("", absl::InvalidArgumentError(absl::StrCat(
                                 "--watch=", value, ": seconds, at least 0.1, as in --watch=5")));
    }
    pause_ms = *given;
  }
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  for (;;) {
    if (terminal) ToStdout(kClear);
    const int exit = once();
    if (!StdoutIsGood()) return exit;
    absl::SleepFor(absl::Milliseconds(pause_ms));
  }
}

}  // namespace triad::cli
