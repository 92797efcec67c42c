#include "cli/output.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "cli/exit_status.h"
#include "cli/json.h"

namespace triad::cli {
namespace {

bool g_stdout_is_good = true;

}  // namespace

void ToStdout(absl::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) != 0 || !written) g_stdout_is_good = false;
}

void ToStderr(absl::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), stderr);
}

void Complain(absl::string_view line) {
  ToStderr(absl::StrCat("triad: ", line, "\n"));
}

int RefuseUsage(absl::string_view verb, const absl::Status& status) {
  Complain(absl::StrCat(verb, verb.empty() ? "" : ": ", status.message(), "; see triad ", verb,
                        verb.empty() ? "" : " ", "--help"));
  return kExitUsage;
}

int RefuseUnreachable(absl::string_view line, bool certain, bool json) {
  Complain(line);
  if (json) {
    JsonObject object;
    object.String("error", line).Bool("certain", certain);
    ToStdout(absl::StrCat(object.Text(), "\n"));
  }
  return kExitUnreachable;
}

int RefuseAct(absl::string_view verb, const absl::Status& status, bool json) {
  const bool uncertain = status.code() == absl::StatusCode::kUnavailable ||
                         status.code() == absl::StatusCode::kDeadlineExceeded;
  if (uncertain) {
    return RefuseUnreachable(
        absl::StrCat(verb, ": ", status.message(), " (it may have taken effect: see triad status)"),
        /*certain=*/false, json);
  }
  Complain(absl::StrCat(verb, ": ", status.message()));
  if (json) {
    ToStdout(absl::StrCat(
        JsonObject().String("error", status.message()).Bool("certain", true).Text(), "\n"));
  }
  return kExitNo;
}

int RefuseSearchPath(const absl::Status& status, bool json) {
  if (status.code() == absl::StatusCode::kFailedPrecondition) {
    Complain(status.message());
    return kExitUsage;
  }
  return RefuseUnreachable(status.message(), true, json);
}

bool StdoutIsGood() {
  return g_stdout_is_good;
}

}  // namespace triad::cli
