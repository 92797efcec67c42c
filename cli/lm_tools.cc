#include "cli/lm_tools.h"

#include <cctype>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/status.h"

namespace triad::cli {
namespace {

constexpr char kFirstLine[] =
    "lmutil - Copyright (c) 2026 the Triad authors. All Rights Reserved.\n";

bool MayHaveHappened(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kDeadlineExceeded;
}

}  // namespace

absl::string_view LmFirstLine() {
  return kFirstLine;
}

int LmExit(int error) {
  return error & 0xFF;
}

int LmRefuseUsage(absl::string_view verb, const absl::Status& status) {
  ToStdout(kFirstLine);
  ToStderr(absl::StrCat(verb, ": ", status.message(), "; see ", verb, " -help\n"));
  return LmExit(kLmBadParameter);
}

int LmNumberIn(absl::string_view text) {
  size_t at = text.find("(-");
  while (at != absl::string_view::npos) {
    size_t end = at + 2;
    while (end < text.size() && isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
    int number = 0;
    const bool whole = end < text.size() && (text[end] == ')' || text[end] == ',');
    if (whole && absl::SimpleAtoi(text.substr(at + 1, end - at - 1), &number)) return number;
    at = text.find("(-", end);
  }
  return 0;
}

int LmRefuse(absl::string_view verb, absl::string_view reason, int code) {
  const int said = LmNumberIn(reason);
  ToStdout(absl::StrCat(verb, ": ", reason, said == 0 ? absl::StrCat(" (", code, ")") : "", "\n"));
  return LmExit(said == 0 ? code : said);
}

absl::StatusOr<LmTarget> FindLmTarget(const Args& args) {
  const auto found = FindTheClusters(args);
  if (!found.ok()) {
    return absl::NotFoundError(absl::StrCat(found.status().message(), " (", kLmNoLicenseFile, ")"));
  }
  LmTarget to;
  to.nodes = AskFirstThatAnswers(found->clusters, kActAskMs);
  const ClusterView view = MergeStatus(to.nodes);
  if (!view.any_answer) {
    const absl::Status& error = to.nodes.front().error;
    if (IsForeign(error)) return error;
    return absl::UnavailableError(absl::StrCat("cannot connect to license server system: ",
                                               client::FormatAddress(to.nodes.front().address),
                                               ": ", error.message(), " (", kLmCannotConnect, ")"));
  }
  to.target = AdminTarget(args, to.nodes);
  return to;
}

std::string LmActError(const absl::Status& status) {
  if (!MayHaveHappened(status)) return absl::StrCat(status.message(), "; nothing was changed");
  return absl::StrCat(status.message(), absl::StrContains(status.message(), "may still take")
                                            ? ""
                                            : "; it may still take effect: look with lmstat before "
                                              "you ask again");
}

FlagTable WithLmFlags(FlagTable flags) {
  flags.push_back({"v"});
  flags.push_back({"verbose"});
  flags.push_back({"admin-socket", Takes::kValue});
  return WithClusterFlags(std::move(flags));
}

std::string LmVersion(absl::string_view verb) {
  return absl::StrCat(verb, " v", TRIAD_VERSION, " build 0 x64_lsb\n");
}

bool LmHelpOrVersion(const Args& args, absl::string_view verb, absl::string_view help) {
  if (!args.Has("help") && !args.Has("v")) return false;
  ToStdout(absl::StrCat(kFirstLine, args.Has("help") ? std::string(help) : LmVersion(verb)));
  return true;
}

}  // namespace triad::cli
