#include "cli/lm_logs.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "cli/status.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

using Which = v1::RotateLogsRequest::Which;

struct Tool {
  const char* name;
  const char* help;
  Which which;
  bool keeps_name;  // the new file's name is the old data's, and the log goes on under its own
};

constexpr Tool kSwitch = {
    "lmswitch",
    "usage: lmswitch [-c LICENSE_PATH] VENDOR NEW_FILE\n"
    "    closes the debug log of the server that it is sent to and goes on in NEW_FILE\n",
    v1::RotateLogsRequest::DEBUG_LOG, false};
constexpr Tool kSwitchr = {
    "lmswitchr",
    "usage: lmswitchr [-c LICENSE_PATH] VENDOR|FEATURE NEW_FILE\n"
    "    closes the report log of the server that it is sent to and goes on in NEW_FILE\n",
    v1::RotateLogsRequest::REPORT_LOG, false};
constexpr Tool kNewlog = {
    "lmnewlog",
    "usage: lmnewlog [-c LICENSE_PATH] VENDOR|FEATURE NEW_FILE\n"
    "    moves what is in the report log to NEW_FILE and goes on under the old name\n",
    v1::RotateLogsRequest::REPORT_LOG, true};

int Run(const Tool& tool, const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithLmFlags({}), Words::kAny, arguments);
  if (!args.ok()) return LmRefuseUsage(tool.name, args.status());
  if (LmHelpOrVersion(*args, tool.name, tool.help)) return 0;
  const std::vector<std::string>& words = args->words();
  if (words.size() != 2) {
    return LmRefuseUsage(tool.name, absl::InvalidArgumentError("give VENDOR and NEW_FILE"));
  }
  ToStdout(LmFirstLine());
  const auto to = FindLmTarget(*args);
  if (!to.ok()) return LmRefuse(tool.name, to.status().message(), kLmCannotConnect);
  const ClusterView view = MergeStatus(to->nodes);
  v1::Usage usage;
  if (std::find(view.vendors.begin(), view.vendors.end(), words[0]) == view.vendors.end()) {
    v1::GetUsageRequest request;
    request.set_feature(words[0]);
    request.set_no_checkouts(true);
    usage = AskUsage(to->nodes, request).value_or(v1::Usage());
  }
  const auto vendor = VendorNamed(words[0], view.vendors, usage);
  if (!vendor.ok()) return LmRefuse(tool.name, vendor.status().message(), kLmVendorDown);
  v1::RotateLogsRequest request;
  request.set_which(tool.which);
  // One debug log has all vendors' lines.
  if (tool.which == v1::RotateLogsRequest::REPORT_LOG) request.set_vendor(*vendor);
  std::error_code error;
  // As the caller sees it, not as the daemon would.
  const std::string file = std::filesystem::absolute(words[1], error).string();
  tool.keeps_name ? request.set_old_path(file) : request.set_new_path(file);
  const auto rotated = AskRotateLogs(to->target, request);
  if (!rotated.ok()) return LmRefuse(tool.name, LmActError(rotated.status()), kLmBadParameter);
  for (const std::string& path : rotated->paths()) {
    ToStdout(absl::StrCat("what was written until now is in ", Printable(path), "\n"));
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::string> VendorNamed(const std::string& word,
                                        const std::vector<std::string>& vendors,
                                        const v1::Usage& usage) {
  if (std::find(vendors.begin(), vendors.end(), word) != vendors.end()) return word;
  for (const v1::Feature& feature : usage.features()) {
    if (feature.name() == word) return feature.vendor();
  }
  return absl::NotFoundError(
      absl::StrCat(Printable(word), " is neither a vendor that is served nor a feature"));
}

int LmswitchVerb(const std::vector<std::string>& arguments) {
  return Run(kSwitch, arguments);
}

int LmswitchrVerb(const std::vector<std::string>& arguments) {
  return Run(kSwitchr, arguments);
}

int LmnewlogVerb(const std::vector<std::string>& arguments) {
  return Run(kNewlog, arguments);
}

}  // namespace triad::cli
