#include "server/flags.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "server/http.h"
#include "server/system.h"

namespace triad::server {
namespace {

constexpr size_t kFlagFileBytesMax = 1u << 20;
constexpr int kFlagFilesDeepMax = 8;

struct Flag {
  absl::string_view name;
  absl::string_view takes;                              // "": a switch
  absl::string_view help;                               // "": not shown, for tests
  std::function<bool(Flags*, const std::string&)> set;  // FALSE: not a value for it
};

std::function<bool(Flags*, const std::string&)> Text(std::string Flags::*field) {
  return [field](Flags* flags, const std::string& value) {
    flags->*field = value;
    return !value.empty();
  };
}

std::function<bool(Flags*, const std::string&)> Switch(bool Flags::*field) {
  return [field](Flags* flags, const std::string& value) {
    return value.empty() ? (flags->*field = true) : absl::SimpleAtob(value, &(flags->*field));
  };
}

// A time such as 60s, 300ms, 2m; at least `min_ms`, at most `max_ms`.
std::function<bool(Flags*, const std::string&)> Time(int64_t Flags::*field, int64_t min_ms,
                                                     int64_t max_ms) {
  return [=](Flags* flags, const std::string& value) {
    absl::Duration duration;
    if (!absl::ParseDuration(value, &duration)) return false;
    const int64_t ms = absl::ToInt64Milliseconds(duration);
    if (ms < min_ms || ms > max_ms) return false;
    flags->*field = ms;
    return true;
  };
}

std::function<bool(Flags*, const std::string&)> Number(int64_t Flags::*field, int64_t min,
                                                       int64_t max) {
  return [=](Flags* flags, const std::string& value) {
    return absl::SimpleAtoi(value, &(flags->*field)) && flags->*field >= min &&
           flags->*field <= max;
  };
}

const std::vector<Flag>& Table() {
  static const auto* table = new std::vector<Flag>{
      {"license", "FILE[:FILE...]", "license files or directories of *.lic", Text(&Flags::license)},
      {"data-dir", "DIR", "identity, log and ledger of this node", Text(&Flags::data_dir)},
      {"vendor-keys", "DIR", "the vendors' public keys, *.pub", Text(&Flags::vendor_keys)},
      {"options", "VENDOR=FILE", "a vendor's options file; may be repeated",
       [](Flags* flags, const std::string& value) {
         flags->options.push_back(value);
         const size_t equals = value.find('=');
         return equals != std::string::npos && equals > 0 && equals + 1 < value.size();
       }},
      {"node", "1, 2 or 3", "which SERVER line this is; found out where a line names this machine",
       [](Flags* flags, const std::string& value) {
         return absl::SimpleAtoi(value, &flags->node) && flags->node >= 1 && flags->node <= 3;
       }},
      {"admin-socket", "PATH", "the local socket for administrators", Text(&Flags::admin_socket)},
      {"session-ttl", "a time from 1s to 24h", "how long a silent application keeps its licenses",
       Time(&Flags::session_ttl_ms, 1'000, 24 * 3'600'000)},
      {"reset-grace", "a time from 0s to 24h",
       "how long one whose connection was closed or reset keeps them",
       Time(&Flags::reset_grace_ms, 0, 24 * 3'600'000)},
      {"heartbeat", "a time from 10ms to 10s", "between nodes",
       Time(&Flags::heartbeat_ms, 10, 10'000)},
      {"election-timeout", "a time from 50ms to 60s", "silence of the leader that is noticed",
       Time(&Flags::election_timeout_ms, 50, 60'000)},
      {"http", "HOST:PORT", "/metrics, /livez and /readyz are read there; without it nowhere",
       [](Flags* flags, const std::string& value) {
         flags->http = value;
         return IsHttpAddress(value);
       }},
      {"debug-log", "[+]FILE", "FlexNet's debug log; with + it is appended to",
       [](Flags* flags, const std::string& value) {
         flags->debug_log = value;
         return !value.empty() && value != "+";
       }},
      {"datestamp", "", "date and offset in each line of the debug log", Switch(&Flags::datestamp)},
      {"usage-keep-days", "a number from 1 to 36500", "usage records are kept so long",
       Number(&Flags::usage_keep_days, 1, 36'500)},
      {"usage-keep-mb", "a number from 1 to 1000000", "and as long as they are no more than this",
       Number(&Flags::usage_keep_mb, 1, 1'000'000)},
      {"tls-cert", "FILE", "this node's certificate; beyond loopback /etc/triad/tls/node.crt",
       Text(&Flags::tls_cert)},
      {"tls-key", "FILE", "its key; beyond loopback /etc/triad/tls/node.key",
       Text(&Flags::tls_key)},
      {"tls-ca", "FILE", "the authority of all nodes; beyond loopback /etc/triad/tls/ca.crt",
       Text(&Flags::tls_ca)},
      {"insecure", "", "allow plaintext beyond loopback addresses", Switch(&Flags::insecure)},
      {"open-reading", "", "with =false only administrators are told who holds what",
       Switch(&Flags::open_reading)},
      {"validate", "", "check flags and files, say what is wrong, and end",
       Switch(&Flags::validate)},
      {"accept-loss", "", "recover: do it, now that it has said what may be lost",
       Switch(&Flags::accept_loss)},
      {"help", "", "this text", Switch(&Flags::help)},
      {"log-keep-entries", "a number above 0", "",
       [](Flags* flags, const std::string& value) {
         return absl::SimpleAtoi(value, &flags->log_keep_entries) && flags->log_keep_entries > 0;
       }},
  };
  return *table;
}

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("triadd: ", what, "; see triadd --help"));
}

class Parser {
 public:
  absl::Status Parse(const std::vector<std::string>& arguments, int depth);
  Flags flags;

 private:
  absl::Status TakeFlagFile(const std::string& path, int depth);
};

absl::Status Parser::TakeFlagFile(const std::string& path, int depth) {
  if (depth >= kFlagFilesDeepMax)
    return Wrong(absl::StrCat("--flagfile: ", path, ": nested too deep"));
  auto text = ReadFile(path, kFlagFileBytesMax);
  if (!text.ok()) return Wrong(absl::StrCat("--flagfile: ", std::string(text.status().message())));
  std::vector<std::string> arguments;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') continue;
    arguments.emplace_back(line);
  }
  return Parse(arguments, depth + 1);
}

absl::Status Parser::Parse(const std::vector<std::string>& arguments, int depth) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!absl::StartsWith(argument, "-")) {
      if (depth == 0 && flags.verb == "restore" && flags.backup.empty()) {
        flags.backup = argument;
        continue;
      }
      if (depth > 0 || !flags.verb.empty())
        return Wrong(absl::StrCat("unexpected argument: ", argument));
      flags.verb = argument;
      continue;
    }
    absl::string_view rest = argument;
    if (!absl::ConsumePrefix(&rest, "--")) absl::ConsumePrefix(&rest, "-");
    const size_t equals = rest.find('=');
    const std::string name = absl::StrReplaceAll(rest.substr(0, equals), {{"_", "-"}});
    bool has_value = equals != absl::string_view::npos;
    std::string value(has_value ? rest.substr(equals + 1) : "");
    const Flag* known = nullptr;
    for (const Flag& flag : Table()) {
      if (flag.name == name) known = &flag;
    }
    const bool is_flag_file = name == "flagfile";
    if (known == nullptr && !is_flag_file) return Wrong(absl::StrCat("unknown flag: --", name));
    const bool wants_value = is_flag_file || !known->takes.empty();
    if (wants_value && !has_value) {
      if (++i == arguments.size()) return Wrong(absl::StrCat("--", name, " takes a value"));
      value = arguments[i];
    }
    if (is_flag_file) {
      const absl::Status status = TakeFlagFile(value, depth);
      if (!status.ok()) return status;
    } else if (!known->set(&flags, value)) {
      return Wrong(absl::StrCat("--", name, "=", value, ": takes ",
                                known->takes.empty() ? "true or false" : known->takes));
    }
  }
  return absl::OkStatus();
}

const std::vector<absl::string_view>& Verbs() {
  static const auto* verbs =
      new std::vector<absl::string_view>{"", "init", "rejoin", "recover", "restore"};
  return *verbs;
}

}  // namespace

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments) {
  Parser parser;
  const absl::Status status = parser.Parse(arguments, 0);
  if (!status.ok()) return status;
  const Flags& flags = parser.flags;
  const auto& verbs = Verbs();
  if (std::find(verbs.begin(), verbs.end(), flags.verb) == verbs.end()) {
    return Wrong(absl::StrCat("unknown verb: ", flags.verb));
  }
  if (flags.accept_loss && flags.verb != "recover") {
    return Wrong("--accept-loss is of triadd recover only");
  }
  if (flags.verb == "restore" && flags.backup.empty())
    return Wrong("restore takes a backup's file");
  const int tls = !flags.tls_cert.empty() + !flags.tls_key.empty() + !flags.tls_ca.empty();
  if (tls != 0 && tls != 3) return Wrong("--tls-cert, --tls-key and --tls-ca go together");
  if (flags.heartbeat_ms * 3 > flags.election_timeout_ms) {
    return Wrong("--election-timeout must be at least three times --heartbeat");
  }
  return flags;
}

std::string HelpText() {
  std::string text =
      "usage: triadd init [flags]      once per node: makes its identity\n"
      "       triadd rejoin [flags]    a node that lost its disk, or whose log is damaged, comes "
      "back\n"
      "       triadd recover [flags]   on the one node left of three: says what may be lost, and "
      "with\n"
      "                                --accept-loss makes a new cluster of it; the others rejoin\n"
      "       triadd restore FILE [flags]  all nodes are lost: makes a node of a backup (triad "
      "backup)\n"
      "       triadd [flags]           serves licenses\n\n"
      "flags (underscores mean the same as hyphens):\n";
  for (const Flag& flag : Table()) {
    if (flag.help.empty()) continue;
    const std::string shown = flag.takes.empty() ? absl::StrCat("--", flag.name)
                                                 : absl::StrCat("--", flag.name, "=", flag.takes);
    absl::StrAppend(&text, "  ", shown, "\n        ", flag.help, "\n");
  }
  absl::StrAppend(&text, "  --flagfile=FILE\n        more flags, one a line\n\n",
                  "exit: 0 stopped as asked, 1 refused to start, 2 wrong usage, 74 failed disk\n");
  return text;
}

}  // namespace triad::server
