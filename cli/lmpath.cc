#include "cli/lmpath.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/files.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "cli/text.h"
#include "client/machine.h"
#include "client/search_path.h"

namespace triad::cli {
namespace {

constexpr char kHelp[] =
    "usage: lmpath -add VENDOR|all LIST         asked before what is asked now\n"
    "       lmpath -override VENDOR|all [LIST]  asked instead; without LIST the setting is gone\n"
    "       lmpath -status                      what is set\n"
    "    LIST is license files, directories, port@host, joined by ':'. Kept in $HOME/.flexlmrc.\n";
constexpr char kAll[] = "all";
constexpr char kAllVariable[] = "LM_LICENSE_FILE";
constexpr absl::string_view kSuffix = "_LICENSE_FILE";

// The name under which a vendor's path stands: as in the environment.
std::string VariableOf(absl::string_view who) {
  return who == kAll ? std::string(kAllVariable) : client::VendorVariables(who).front();
}

}  // namespace

std::string ChangedPaths(absl::string_view text, PathChange change, absl::string_view who,
                         absl::string_view list) {
  const std::string start = absl::StrCat(VariableOf(who), "=");
  std::string out;
  bool found = false;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (!absl::StartsWith(line, start)) {
      absl::StrAppend(&out, line, "\n");
      continue;
    }
    if (found) continue;  // once is enough
    found = true;
    const absl::string_view before = line.substr(start.size());
    if (change == PathChange::kAdd && !before.empty()) {
      absl::StrAppend(&out, start, list, ":", before, "\n");
    } else if (!list.empty()) {
      absl::StrAppend(&out, start, list, "\n");
    }
  }
  if (!found && !list.empty()) absl::StrAppend(&out, start, list, "\n");
  return out;
}

std::string PathsStatus(absl::string_view text) {
  std::string vendors;
  std::string all;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) continue;
    const absl::string_view name = line.substr(0, equals);
    if (!absl::EndsWith(name, kSuffix)) continue;
    const std::string shown = absl::StrCat(Printable(line.substr(equals + 1)), "\n");
    if (name == kAllVariable) {
      absl::StrAppend(&all, "  ", shown);
    } else {
      absl::StrAppend(&vendors, "  ", Printable(name.substr(0, name.size() - kSuffix.size())), ": ",
                      shown);
    }
  }
  return absl::StrCat("Known Vendors:\n\n", vendors.empty() ? "  (none)\n" : vendors,
                      "\nOther Vendors:\n\n", all.empty() ? "  (none)\n" : all);
}

int LmpathVerb(const std::vector<std::string>& arguments) {
  const auto args =
      ParseArgs(WithLmFlags({{"add"}, {"override"}, {"status"}}), Words::kAny, arguments);
  if (!args.ok()) return LmRefuseUsage("lmpath", args.status());
  if (LmHelpOrVersion(*args, "lmpath", kHelp)) return 0;
  const std::vector<std::string>& words = args->words();
  const bool add = args->Has("add");
  const bool override_it = args->Has("override");
  const int chosen = (add ? 1 : 0) + (override_it ? 1 : 0) + (args->Has("status") ? 1 : 0);
  const bool words_fit = args->Has("status") ? words.empty()
                         : add               ? words.size() == 2
                                             : words.size() == 1 || words.size() == 2;
  if (chosen != 1 || !words_fit) {
    return LmRefuseUsage(
        "lmpath", absl::InvalidArgumentError("give one of -add VENDOR LIST, -override VENDOR LIST, "
                                             "-status"));
  }
  ToStdout(LmFirstLine());
  const auto home = client::RealMachine().environment("HOME");
  if (!home || home->empty()) {
    return LmRefuse("lmpath", "HOME is not set, so there is no .flexlmrc", kLmCannotReadFile);
  }
  const std::string path = absl::StrCat(*home, "/.flexlmrc");
  const auto text = ReadFile(path);
  if (!text.ok() && text.status().code() != absl::StatusCode::kNotFound) {
    return LmRefuse("lmpath", text.status().message(), kLmCannotReadFile);
  }
  const std::string before = text.value_or("");
  if (args->Has("status")) {
    ToStdout(PathsStatus(before));
    return 0;
  }
  const std::string list = words.size() == 2 ? words[1] : "";
  if (list.find('\n') != std::string::npos) {
    return LmRefuseUsage("lmpath", absl::InvalidArgumentError("a list has no line breaks"));
  }
  const std::string after =
      ChangedPaths(before, add ? PathChange::kAdd : PathChange::kOverride, words[0], list);
  const absl::Status written = ReplaceFile(path, after);
  if (!written.ok()) return LmRefuse("lmpath", written.message(), kLmCannotReadFile);
  ToStdout(PathsStatus(after));
  return 0;
}

}  // namespace triad::cli
