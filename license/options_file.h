// The reader of a vendor's options file: text -> lines with positions and diagnostics
// (flexnet-facts 2).
//
// What it is not: it decides nothing, and knows no licenses. Whether a feature exists, and what the
// lines mean together, is Policy's business. Reading never fails as a whole: bad lines become
// diagnostics, the good ones are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "license/diagnostic.h"

namespace triad::license {

// Options whose lines Policy works on. The others are groups and settings, below.
enum class Option {
  kReserve,
  kMax,
  kInclude,
  kIncludeAll,
  kExclude,
  kExcludeAll,
  kIncludeBorrow,
  kExcludeBorrow,
  kBorrowLowwater,
  kMaxBorrowHours,
  kMaxOverdraft,
  kTimeout,
  kTimeoutAll,
  kLinger,
};
// "RESERVE", "INCLUDEALL", ...
absl::string_view OptionName(Option option);

// What kind of name a RESERVE, MAX, INCLUDE, ... ends in.
enum class SubjectType { kUser, kHost, kDisplay, kInternet, kProject, kGroup, kHostGroup };
// "USER", "HOST_GROUP", ...; nullopt: no such type. In any case.
std::optional<SubjectType> FindSubjectType(absl::string_view word);
absl::string_view SubjectTypeName(SubjectType type);

// `feature`, `feature:KEYWORD=value` or `"feature KEYWORD=value"`.
struct FeatureSpec {
  std::string feature;
  std::string keyword;  // "": all lines of the feature. VERSION, HOSTID, ..., dist_info, ...
  std::string value;
  Position position;
  bool operator==(const FeatureSpec& other) const {
    return feature == other.feature && keyword == other.keyword && value == other.value;
  }
};

struct OptionLine {
  Option option = Option::kReserve;
  Position position;
  FeatureSpec spec;     // feature "": all, as with INCLUDEALL
  uint64_t number = 0;  // licenses, seconds or hours
  // Of lines that end in a name.
  SubjectType type = SubjectType::kUser;
  std::string name;
  Position name_position;
};

// The lines of one GROUP or HOST_GROUP together.
struct OptionGroup {
  std::string name;
  bool hosts = false;
  Position position;                 // of its first line
  std::vector<std::string> members;  // each once, in file order
};

// What an options file says about logs and connections, for the server.
struct OptionSettings {
  struct Log {
    std::string path;  // without the `+`
    bool append = false;
    bool hide_user = false;    // REPORTLOG's HIDE_USER
    uint64_t rollover_mb = 0;  // DEBUGLOG's AUTO_ROLLOVER; 0: never
    Position position;
  };
  std::optional<Log> debug_log;
  std::optional<Log> report_log;
  std::vector<std::string> no_log;  // "IN", "OUT", "DENIED", "QUEUED", ...; upper case, each once
  std::optional<bool> automatic_reread;
  uint64_t max_connections = 0;  // 0: no cap
  // Members of groups compare case-blind.
  bool group_case_insensitive = false;
  // FQDN_MATCHING LENIENT: `pc1` and `pc1.acme.com` are one host.
  bool fqdn_lenient = false;
};

struct OptionsFile {
  std::string name;
  std::vector<OptionLine> lines;    // in file order
  std::vector<OptionGroup> groups;  // in order of their first lines
  OptionSettings settings;
  Diagnostics diagnostics;

  const OptionGroup* FindGroup(absl::string_view group, bool hosts) const;  // nullptr: no such one
};

// Reads one file's bytes. `name` is for messages only.
OptionsFile ReadOptionsFile(absl::string_view name, absl::string_view bytes);

// Every keyword that begins a line of an options file, as the table has it.
std::vector<absl::string_view> OptionKeywords();

// The keyword of options files that `word` is nearly; "": none.
absl::string_view NearOption(absl::string_view word);

}  // namespace triad::license
