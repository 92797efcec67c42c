#include "server/lmgrd_flags.h"

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace triad::server {
namespace {

// Without meaning here; those of the second list have a value.
constexpr absl::string_view kIgnored[] = {"-2", "-p", "-reuseaddr"};
constexpr absl::string_view kIgnoredWithValue[] = {"-t", "-s", "-m"};
// What -x can switch off.
constexpr absl::string_view kCanDisable[] = {"lmdown", "lmremove"};

template <typename List>
bool IsIn(const List& list, absl::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("lmgrd: ", what, "; see lmgrd -help"));
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& arguments) : arguments_(arguments) {}
  absl::Status Parse();
  LmgrdFlags out;
  bool license_given = false;

 private:
  absl::Status Take(const std::string& flag);
  absl::StatusOr<std::string> Value(const std::string& flag);

  const std::vector<std::string>& arguments_;
  size_t at_ = 0;
  std::vector<std::string> ignored_;
};

absl::StatusOr<std::string> Parser::Value(const std::string& flag) {
  if (at_ == arguments_.size() || arguments_[at_].empty()) {
    return Wrong(absl::StrCat(flag, " needs a value"));
  }
  return arguments_[at_++];
}

absl::Status Parser::Take(const std::string& flag) {
  Flags& flags = out.flags;
  if (flag == "-z") {
    out.foreground = true;
  } else if (flag == "-datestamp") {
    flags.datestamp = true;
  } else if (flag == "-local") {
    flags.local_admin = true;
  } else if (flag == "-help" || flag == "--help" || flag == "-h") {
    out.help = true;
  } else if (flag == "-v") {
    out.version = true;
  } else if (IsIn(kIgnored, flag)) {
    ignored_.push_back(flag);
  } else if (flag == "-c" || flag == "-l" || flag == "-x" || IsIn(kIgnoredWithValue, flag)) {
    const auto value = Value(flag);
    if (!value.ok()) return value.status();
    if (flag == "-c") {
      flags.license = *value;
      license_given = true;
    } else if (flag == "-l") {
      if (*value == "+") return Wrong("-l + names no file");
      flags.debug_log = *value;
    } else if (flag == "-x") {
      if (!IsIn(kCanDisable, *value)) {
        return Wrong(absl::StrCat("-x ", *value, ": lmdown or lmremove"));
      }
      flags.disabled.push_back(*value);
    } else {
      ignored_.push_back(absl::StrCat(flag, " ", *value));
    }
  } else {
    return Wrong(absl::StrCat("unknown flag: ", flag));
  }
  return absl::OkStatus();
}

absl::Status Parser::Parse() {
  while (at_ < arguments_.size()) {
    const std::string flag = arguments_[at_++];
    const absl::Status taken = Take(flag);
    if (!taken.ok()) return taken;
  }
  if (!ignored_.empty()) {
    out.ignored = absl::StrCat("lmgrd: without meaning here: ", absl::StrJoin(ignored_, ", "));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LmgrdFlags> ParseLmgrdFlags(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(const std::string&)>& environment) {
  Parser parser(arguments);
  const absl::Status status = parser.Parse();
  if (!status.ok()) return status;
  Flags& flags = parser.out.flags;
  const auto take = [&](const char* name, std::string* to) {
    const auto value = environment(name);
    if (value && !value->empty()) *to = *value;
  };
  take("TRIAD_DATA_DIR", &flags.data_dir);
  take("TRIAD_ADMIN_SOCKET", &flags.admin_socket);
  take("TRIAD_VENDOR_KEYS", &flags.vendor_keys);
  if (!parser.license_given) take("LM_LICENSE_FILE", &flags.license);
  if (absl::StrContains(flags.license, "@")) {
    return Wrong(absl::StrCat(flags.license,
                              " names servers: a server needs its license file, give -c FILE"));
  }
  return parser.out;
}

std::string LmgrdHelp() {
  return "usage: lmgrd [-c FILE[:FILE...]] [-l [+]DEBUG_LOG] [-z] [-local] [-x lmdown] [-x "
         "lmremove]\n"
         "             [-datestamp] [-v] [-help]\n"
         "    -c    license files or directories of *.lic; else LM_LICENSE_FILE, "
         "/etc/triad/license.dat\n"
         "    -l    the debug log; with + it is appended to\n"
         "    -z    stays in the foreground\n"
         "    -local, -x  administrators' verbs only on this host; not at all\n"
         "    -2 -p -reuseaddr -t -s -m  are taken and ignored\n"
         "TRIAD_DATA_DIR names the data directory (/var/lib/triad). This is triadd under "
         "FlexNet's\n"
         "name; see triadd --help for all it can do.\n";
}

std::string InitCommand(const Flags& flags) {
  const Flags defaults;
  return absl::StrCat("triadd init --license=", flags.license, " --data-dir=", flags.data_dir,
                      flags.vendor_keys == defaults.vendor_keys
                          ? ""
                          : absl::StrCat(" --vendor-keys=", flags.vendor_keys));
}

}  // namespace triad::server
