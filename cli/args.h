// Reads the arguments of one verb by a table of its flags.
//
// Not Abseil's parser: that one takes no hyphens in names, no `-f` several times, and exits with 1
// on errors. Flags are `--name=value`, `--name value` and the same with one dash; `_` means `-`.
// Pure. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace triad::cli {

enum class Takes {
  kNothing,        // a switch
  kValue,          // =value, or the next argument
  kOptionalValue,  // =value, or the next argument unless it begins with '-'; else ""
  kWrittenValue,   // =value, or ""
};

struct Flag {
  std::string name;  // with hyphens
  Takes takes = Takes::kNothing;
  bool repeats = false;  // may be given several times; all values are kept
};
using FlagTable = std::vector<Flag>;

// What may stand among the arguments besides flags.
enum class Words {
  kNone,
  kAny,      // between flags
  kCommand,  // the first word, or `--`, begins a command line that is not ours to read
};

class Args {
 public:
  bool Has(absl::string_view flag) const;
  // The last one given; "" if none was.
  std::string Value(absl::string_view flag) const;
  std::vector<std::string> Values(absl::string_view flag) const;
  const std::vector<std::string>& words() const { return words_; }

 private:
  friend absl::StatusOr<Args> ParseArgs(const FlagTable& table, Words words,
                                        const std::vector<std::string>& arguments);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> words_;
};

// INVALID_ARGUMENT: wrong usage, one line without the program's name.
absl::StatusOr<Args> ParseArgs(const FlagTable& table, Words words,
                               const std::vector<std::string>& arguments);

// `triad [FLAGS] VERB [ARGUMENTS]`: the flags before the verb are moved behind it.
struct CommandLine {
  std::string verb;  // "": none was given
  std::vector<std::string> arguments;
};
absl::StatusOr<CommandLine> SplitVerb(const FlagTable& common,
                                      const std::vector<std::string>& arguments);

// One `-f FEATURE[:COUNT[:VERSION]]`. It is read from its end, so a feature whose name has a colon
// can be named by saying the count too.
struct FeatureArgument {
  std::string feature;
  std::optional<uint64_t> count;
  std::optional<std::string> version;
};
absl::StatusOr<FeatureArgument> ParseFeatureArgument(absl::string_view text);

// A count of licenses: a number from 1 on. What the cluster can give is the cluster's to say.
absl::StatusOr<uint64_t> ParseCount(absl::string_view text);
// "90", "90s", "1.5m", "500ms" -> milliseconds; without a unit, seconds.
absl::StatusOr<int64_t> ParseSeconds(absl::string_view text);

}  // namespace triad::cli
