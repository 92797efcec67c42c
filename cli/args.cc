#include "cli/args.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "license/license_file.h"

namespace triad::cli {
namespace {

// A year: longer than any application holds a license by hand.
constexpr int64_t kHoldMsMax = 366LL * 24 * 3600 * 1000;

absl::Status Wrong(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

const Flag* Find(const FlagTable& table, absl::string_view name) {
  for (const Flag& flag : table) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

bool LooksLikeFlag(absl::string_view argument) {
  return argument.size() > 1 && argument[0] == '-';
}

// "-c", "--up-to": as the user wrote it, for messages.
std::string Shown(absl::string_view name) {
  return absl::StrCat(name.size() == 1 ? "-" : "--", name);
}

// One argument that looks like a flag, taken apart.
struct Written {
  std::string name;
  std::optional<std::string> value;
};

Written TakeApart(absl::string_view argument) {
  if (!absl::ConsumePrefix(&argument, "--")) absl::ConsumePrefix(&argument, "-");
  const size_t equals = argument.find('=');
  Written written;
  written.name = absl::StrReplaceAll(argument.substr(0, equals), {{"_", "-"}});
  if (equals != absl::string_view::npos) written.value = std::string(argument.substr(equals + 1));
  return written;
}

// Completes `written` with the argument behind it where the flag takes one; moves *i onto it.
absl::Status TakeValue(const Flag& flag, const std::vector<std::string>& arguments, size_t* i,
                       Written* written) {
  if (flag.takes == Takes::kNothing) {
    if (!written->value) return absl::OkStatus();
    return Wrong(absl::StrCat(Shown(flag.name), " takes no value"));
  }
  const bool more = *i + 1 < arguments.size();
  if (!written->value) {
    if (flag.takes == Takes::kValue && !more) {
      return Wrong(absl::StrCat(Shown(flag.name), " needs a value"));
    }
    const bool may = flag.takes == Takes::kOptionalValue && more;
    const bool take = flag.takes == Takes::kValue || (may && !LooksLikeFlag(arguments[*i + 1]));
    written->value = take ? arguments[++*i] : "";
  }
  if (flag.takes == Takes::kValue && written->value->empty()) {
    return Wrong(absl::StrCat(Shown(flag.name), " needs a value"));
  }
  return absl::OkStatus();
}

}  // namespace

bool Args::Has(absl::string_view flag) const {
  return values_.find(flag) != values_.end();
}

std::string Args::Value(absl::string_view flag) const {
  const auto it = values_.find(flag);
  return it == values_.end() ? "" : it->second.back();
}

std::vector<std::string> Args::Values(absl::string_view flag) const {
  const auto it = values_.find(flag);
  return it == values_.end() ? std::vector<std::string>{} : it->second;
}

absl::StatusOr<Args> ParseArgs(const FlagTable& table, Words words,
                               const std::vector<std::string>& arguments) {
  Args args;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const bool end_of_flags = argument == "--";
    if (end_of_flags || !LooksLikeFlag(argument)) {
      if (words == Words::kNone) return Wrong(absl::StrCat("unexpected argument: ", argument));
      if (end_of_flags || words == Words::kCommand) {
        args.words_.insert(args.words_.end(), arguments.begin() + i + (end_of_flags ? 1 : 0),
                           arguments.end());
        break;
      }
      args.words_.push_back(argument);
      continue;
    }
    Written written = TakeApart(argument);
    const Flag* flag = Find(table, written.name);
    if (flag == nullptr) return Wrong(absl::StrCat("unknown flag: ", argument));
    const absl::Status status = TakeValue(*flag, arguments, &i, &written);
    if (!status.ok()) return status;
    std::vector<std::string>& values = args.values_[flag->name];
    if (!values.empty() && !flag->repeats) {
      return Wrong(absl::StrCat(Shown(flag->name), " is given twice"));
    }
    values.push_back(written.value.value_or(""));
  }
  return args;
}

absl::StatusOr<CommandLine> SplitVerb(const FlagTable& common,
                                      const std::vector<std::string>& arguments) {
  CommandLine line;
  size_t i = 0;
  for (; i < arguments.size() && LooksLikeFlag(arguments[i]); ++i) {
    Written written = TakeApart(arguments[i]);
    const Flag* flag = Find(common, written.name);
    if (flag == nullptr) {
      return Wrong(absl::StrCat("unknown flag before the verb: ", arguments[i]));
    }
    const size_t first = i;
    const absl::Status status = TakeValue(*flag, arguments, &i, &written);
    if (!status.ok()) return status;
    line.arguments.insert(line.arguments.end(), arguments.begin() + first,
                          arguments.begin() + i + 1);
  }
  if (i == arguments.size()) return line;
  line.verb = arguments[i];
  line.arguments.insert(line.arguments.end(), arguments.begin() + i + 1, arguments.end());
  return line;
}

absl::StatusOr<FeatureArgument> ParseFeatureArgument(absl::string_view text) {
  std::vector<std::string> parts = absl::StrSplit(text, ':');
  FeatureArgument out;
  const size_t n = parts.size();
  if (n >= 3 && ParseCount(parts[n - 2]).ok() && license::IsVersion(parts[n - 1])) {
    out.count = *ParseCount(parts[n - 2]);
    out.version = parts[n - 1];
    parts.resize(n - 2);
  } else if (n >= 2) {
    const absl::StatusOr<uint64_t> count = ParseCount(parts[n - 1]);
    if (!count.ok()) {
      return Wrong(absl::StrCat("-f ", text, ": ", count.status().message(),
                                "; write FEATURE, FEATURE:COUNT or FEATURE:COUNT:VERSION"));
    }
    out.count = *count;
    parts.resize(n - 1);
  }
  out.feature = absl::StrJoin(parts, ":");
  if (out.feature.empty()) return Wrong(absl::StrCat("-f ", text, ": the feature is missing"));
  return out;
}

absl::StatusOr<uint64_t> ParseCount(absl::string_view text) {
  uint64_t count = 0;
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(text, &count) || count == 0) {
    return Wrong(absl::StrCat("the count is a number from 1 on, not '", text, "'"));
  }
  return count;
}

absl::StatusOr<int64_t> ParseSeconds(absl::string_view text) {
  const bool unit = !text.empty() && absl::ascii_isalpha(text.back());
  absl::Duration duration;
  if (!absl::ParseDuration(unit ? std::string(text) : absl::StrCat(text, "s"), &duration) ||
      duration < absl::ZeroDuration() || duration > absl::Milliseconds(kHoldMsMax)) {
    return Wrong(absl::StrCat("'", text, "' is not a time: write seconds, as in 90 or 2.5"));
  }
  return absl::ToInt64Milliseconds(duration);
}

}  // namespace triad::cli
