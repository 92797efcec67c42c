#include "license/options_file.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/address.h"
#include "license/lexer.h"
#include "license/limits.h"
#include "license/near_word.h"

namespace triad::license {
namespace {

// What stands behind the keyword.
enum class Shape {
  kCountFeatureName,  // RESERVE 3 f USER ann
  kFeatureName,       // INCLUDE f USER ann
  kName,              // INCLUDEALL USER ann
  kFeatureNumber,     // LINGER f 60
  kNumber,            // TIMEOUTALL 900
  kGroup,
  kHostGroup,
  kCaseInsensitive,
  kFqdnMatching,
  kNoLog,
  kDebugLog,
  kReportLog,
  kReread,
  kConnections,
  kUnused,          // accepted, and has nothing to act on here
  kTrustedStorage,  // out of scope
};

struct Entry {
  absl::string_view name;
  Shape shape;
  Option option = Option::kReserve;  // where the shape is of an option
};

constexpr std::array<Entry, 30> kEntries = {{
    {"RESERVE", Shape::kCountFeatureName, Option::kReserve},
    {"MAX", Shape::kCountFeatureName, Option::kMax},
    {"INCLUDE", Shape::kFeatureName, Option::kInclude},
    {"INCLUDEALL", Shape::kName, Option::kIncludeAll},
    {"EXCLUDE", Shape::kFeatureName, Option::kExclude},
    {"EXCLUDEALL", Shape::kName, Option::kExcludeAll},
    {"INCLUDE_BORROW", Shape::kFeatureName, Option::kIncludeBorrow},
    {"EXCLUDE_BORROW", Shape::kFeatureName, Option::kExcludeBorrow},
    {"BORROW_LOWWATER", Shape::kFeatureNumber, Option::kBorrowLowwater},
    {"MAX_BORROW_HOURS", Shape::kFeatureNumber, Option::kMaxBorrowHours},
    {"MAX_OVERDRAFT", Shape::kFeatureNumber, Option::kMaxOverdraft},
    {"TIMEOUT", Shape::kFeatureNumber, Option::kTimeout},
    {"TIMEOUTALL", Shape::kNumber, Option::kTimeoutAll},
    {"LINGER", Shape::kFeatureNumber, Option::kLinger},
    {"GROUP", Shape::kGroup},
    {"HOST_GROUP", Shape::kHostGroup},
    {"GROUPCASEINSENSITIVE", Shape::kCaseInsensitive},
    {"FQDN_MATCHING", Shape::kFqdnMatching},
    {"NOLOG", Shape::kNoLog},
    {"DEBUGLOG", Shape::kDebugLog},
    {"REPORTLOG", Shape::kReportLog},
    {"AUTOMATIC_REREAD", Shape::kReread},
    {"MAX_CONNECTIONS", Shape::kConnections},
    {"DAEMON_SELECT_TIMEOUT", Shape::kUnused},
    {"INCLUDE_ENTITLEMENT", Shape::kTrustedStorage},
    {"INCLUDEALL_ENTITLEMENT", Shape::kTrustedStorage},
    {"EXCLUDE_ENTITLEMENT", Shape::kTrustedStorage},
    {"EXCLUDEALL_ENTITLEMENT", Shape::kTrustedStorage},
    {"ACTIVATION_LOWWATER", Shape::kTrustedStorage},
    {"ACTIVATION_EXPIRY_DAYS", Shape::kTrustedStorage},
}};

constexpr std::array<absl::string_view, 7> kTypes = {"USER",    "HOST",  "DISPLAY",   "INTERNET",
                                                     "PROJECT", "GROUP", "HOST_GROUP"};
constexpr std::array<absl::string_view, 12> kSpecKeywords = {
    "VERSION", "HOSTID",        "EXPDATE", "KEY",       "SIGN",      "ISSUER",
    "NOTICE",  "VENDOR_STRING", "SN",      "dist_info", "user_info", "asset_info"};
constexpr std::array<absl::string_view, 7> kEvents = {"IN",          "OUT",      "DENIED", "QUEUED",
                                                      "UNSUPPORTED", "DEQUEUED", "UPGRADE"};

const Entry* FindEntry(absl::string_view word) {
  for (const Entry& entry : kEntries) {
    if (absl::EqualsIgnoreCase(entry.name, word)) return &entry;
  }
  return nullptr;
}

bool HasBlank(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), absl::ascii_isspace);
}

std::string Quoted(absl::string_view text) {
  // A message is one line, whatever a file holds; long ones are cut.
  constexpr size_t kShownMax = 60;
  std::string out;
  for (char c : text.substr(0, kShownMax)) out.push_back(absl::ascii_iscntrl(c) ? '?' : c);
  return absl::StrCat("`", out, text.size() > kShownMax ? "..." : "", "`");
}

class FileReader {
 public:
  FileReader(absl::string_view name, absl::string_view bytes)
      : bytes_(bytes), lexer_(bytes, Dialect::kOptions) {
    out_.name = std::string(name);
  }

  OptionsFile Read() {
    LogicalLine line;
    while (lexer_.Next(line)) {
      line_ = &line;
      failed_ = false;
      ReadLine();
    }
    CheckGroups();
    for (auto& [key, group] : groups_) out_.groups.push_back(std::move(group));
    std::sort(out_.groups.begin(), out_.groups.end(), [](const auto& a, const auto& b) {
      return std::pair(a.position.line, a.position.column) <
             std::pair(b.position.line, b.position.column);
    });
    return std::move(out_);
  }

 private:
  Position At(const Word& word) const { return {out_.name, word.line, word.column}; }
  void Error(const Word& word, std::string message) {
    failed_ = true;
    AddDiagnostic(out_.diagnostics, {Severity::kError, At(word), std::move(message)});
  }
  void Warn(const Word& word, std::string message) {
    AddDiagnostic(out_.diagnostics, {Severity::kWarning, At(word), std::move(message)});
  }
  void Note(const Word& word, std::string message) {
    AddDiagnostic(out_.diagnostics, {Severity::kNote, At(word), std::move(message)});
  }
  const std::vector<Word>& words() const { return line_->words; }

  void ReadLine();
  void ReadOption(const Entry& entry);
  void ReadGroup(const Entry& entry, bool hosts);
  void ReadNoLog();
  void ReadLog(const Entry& entry, std::optional<OptionSettings::Log>& log);
  void ReadConnections(const Entry& entry);
  std::optional<bool> OnOff(const Entry& entry);
  void ReadMatching(const Entry& entry);
  bool Lexed();
  // False, with a complaint, unless there are `count` words behind the keyword.
  bool Wants(const Entry& entry, size_t count, absl::string_view form);
  void ReadNumber(const Word& word, absl::string_view what, uint64_t& number);
  void ReadSpec(const Word& word, FeatureSpec& spec);
  void ReadSelector(const Word& word, absl::string_view text, FeatureSpec& spec);
  void ReadName(size_t at, OptionLine& option);
  void SaySetAgain(const Entry& entry);
  void CheckGroups();

  absl::string_view bytes_;
  Lexer lexer_;
  OptionsFile out_;
  const LogicalLine* line_ = nullptr;
  bool failed_ = false;                                         // something is wrong with the line
  std::map<std::string, int, std::less<>> set_;                 // keyword -> line that set it
  std::map<std::pair<bool, std::string>, OptionGroup> groups_;  // (of hosts, name)
  std::map<std::pair<bool, std::string>, std::set<std::string>> members_;
};

// What the lexer found.
bool FileReader::Lexed() {
  if (line_->open) {
    Word at;
    at.line = line_->open->line;
    at.column = line_->open->column;
    Error(at,
          "the quote opened here is not closed: close it, or end its line with `\\` and close "
          "it on the next; the line is ignored");
  }
  if (line_->too_many_words) {
    Error(words().back(), absl::StrCat("more than ", kWordsPerLineMax,
                                       " words in one line: begin another; the line is ignored"));
  }
  return !failed_;
}

void FileReader::ReadLine() {
  const Word& first = words()[0];
  const Entry* entry = FindEntry(first.text);
  if (entry == nullptr) {
    absl::string_view near = NearOption(first.text);
    Error(first, absl::StrCat(Quoted(first.text), " is no keyword of options files: ",
                              near.empty() ? "mend it, or make it a comment with `#`"
                                           : absl::StrCat("did you mean ", near, "?"),
                              " The line is ignored"));
    return;
  }
  if (!Lexed()) return;
  switch (entry->shape) {
    case Shape::kCountFeatureName:
    case Shape::kFeatureName:
    case Shape::kName:
    case Shape::kFeatureNumber:
    case Shape::kNumber:
      return ReadOption(*entry);
    case Shape::kGroup:
      return ReadGroup(*entry, false);
    case Shape::kHostGroup:
      return ReadGroup(*entry, true);
    case Shape::kCaseInsensitive:
      if (std::optional<bool> on = OnOff(*entry)) out_.settings.group_case_insensitive = *on;
      return;
    case Shape::kFqdnMatching:
      return ReadMatching(*entry);
    case Shape::kNoLog:
      return ReadNoLog();
    case Shape::kDebugLog:
      return ReadLog(*entry, out_.settings.debug_log);
    case Shape::kReportLog:
      return ReadLog(*entry, out_.settings.report_log);
    case Shape::kReread:
      if (std::optional<bool> on = OnOff(*entry)) {
        out_.settings.automatic_reread = on;
        Note(first,
             "nothing is reread by itself here, at night or at other times: files count "
             "from `triad reread` on");
      }
      return;
    case Shape::kConnections:
      return ReadConnections(*entry);
    case Shape::kUnused:
      Note(first, absl::StrCat(entry->name,
                               " has nothing to act on here: connections are served as they come"));
      return;
    case Shape::kTrustedStorage:
      Warn(first, absl::StrCat(entry->name,
                               " is about trusted storage, which is not served here: the line has "
                               "no effect"));
      return;
  }
}

bool FileReader::Wants(const Entry& entry, size_t count, absl::string_view form) {
  if (words().size() < count + 1) {
    Error(words().back(), absl::StrCat(entry.name, " line ends too early: it is `", entry.name, " ",
                                       form, "`; the line is ignored"));
    return false;
  }
  if (words().size() > count + 1) {
    Error(words()[count + 1],
          absl::StrCat(Quoted(words()[count + 1].text), " is one word too many: the line is `",
                       entry.name, " ", form, "`, and it is ignored"));
    return false;
  }
  return true;
}

void FileReader::ReadNumber(const Word& word, absl::string_view what, uint64_t& number) {
  absl::string_view text = word.text;
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  if (digits && absl::SimpleAtoi(text, &number) && number <= kLicensesPerLineMax) return;
  Error(word, absl::StrCat(Quoted(text), " is not a number of ", what, ", 0 to ",
                           kLicensesPerLineMax, "; the line is ignored"));
}

// `text` is KEYWORD=value.
void FileReader::ReadSelector(const Word& word, absl::string_view text, FeatureSpec& spec) {
  const size_t equals = text.find('=');
  absl::string_view name = text.substr(0, equals);
  for (absl::string_view known : kSpecKeywords) {
    if (absl::EqualsIgnoreCase(known, name)) spec.keyword = std::string(known);
  }
  if (spec.keyword.empty()) {
    Error(word, absl::StrCat(Quoted(name), " does not select licenses: it is one of ",
                             absl::StrJoin(kSpecKeywords, ", "), "; the line is ignored"));
    return;
  }
  spec.value = std::string(text.substr(equals + 1));
  if (spec.value.empty()) {
    Error(word, absl::StrCat(spec.keyword, "= has no value; the line is ignored"));
  }
}

void FileReader::ReadSpec(const Word& word, FeatureSpec& spec) {
  spec.position = At(word);
  absl::string_view text = word.text;
  const bool quoted = word.begin < bytes_.size() && bytes_[word.begin] == '"';
  size_t end = text.size();  // of the name
  size_t selector = text.size();
  if (quoted) {
    const size_t equals = text.find('=');
    const size_t blank = text.find_last_of(" \t", equals);
    if (blank != absl::string_view::npos) {
      end = blank;
      selector = blank + 1;
      while (end > 0 && absl::ascii_isspace(text[end - 1])) --end;
    }
  } else if (word.has_value()) {
    // A name may hold colons of its own: it is the last one before `=` that ends it.
    const size_t colon = text.rfind(':', word.equals);
    if (colon != absl::string_view::npos) {
      end = colon;
      selector = colon + 1;
    }
  }
  spec.feature = std::string(text.substr(0, end));
  if (selector < text.size()) {
    if (text.find('=', selector) == absl::string_view::npos) {
      Error(word, absl::StrCat(Quoted(text),
                               " is not a feature: write `feature`, "
                               "`feature:KEYWORD=value` or `\"feature KEYWORD=value\"`; the line "
                               "is ignored"));
      return;
    }
    ReadSelector(word, text.substr(selector), spec);
  }
  if (spec.feature.empty() || spec.feature.size() > kNameBytesMax) {
    Error(word, absl::StrCat("a feature name of ", spec.feature.size(), " bytes: 1 to ",
                             kNameBytesMax, " are allowed; the line is ignored"));
  }
}

// Words `at` and following: TYPE name.
void FileReader::ReadName(size_t at, OptionLine& option) {
  const Word& type = words()[at];
  const Word& name = words()[at + 1];
  std::optional<SubjectType> found = FindSubjectType(type.text);
  if (!found) {
    Error(type, absl::StrCat(Quoted(type.text), " is no type of name: it is one of ",
                             absl::StrJoin(kTypes, ", "), "; the line is ignored"));
    return;
  }
  option.type = *found;
  option.name = name.text;
  option.name_position = At(name);
  if (words().size() > at + 2) {
    const bool group = *found == SubjectType::kGroup || *found == SubjectType::kHostGroup;
    Error(words()[at + 2],
          absl::StrCat(Quoted(words()[at + 2].text), " is one word too many: a line has one ",
                       SubjectTypeName(*found), ", without blanks",
                       group ? "" : "; put several in a GROUP or HOST_GROUP",
                       "; the line is ignored"));
    return;
  }
  if (name.text.empty() || name.text.size() > kNameBytesMax) {
    Error(name, absl::StrCat("a name of ", name.text.size(), " bytes: 1 to ", kNameBytesMax,
                             " are allowed; the line is ignored"));
    return;
  }
  const bool may_have_blanks = *found == SubjectType::kDisplay || *found == SubjectType::kProject;
  if (!may_have_blanks && HasBlank(name.text)) {
    Error(name, absl::StrCat(Quoted(name.text), " has a blank, and no ", SubjectTypeName(*found),
                             " has one: it would stand for nobody; the line is ignored"));
    return;
  }
  if (*found == SubjectType::kInternet && !ParseAddress(name.text)) {
    Error(name, absl::StrCat(Quoted(name.text),
                             " is not an address: write four numbers or `*`, or "
                             "an IPv6 address; the line is ignored"));
  }
}

void FileReader::ReadOption(const Entry& entry) {
  OptionLine option;
  option.option = entry.option;
  option.position = At(words()[0]);
  const bool hours = entry.option == Option::kMaxBorrowHours;
  const bool licenses =
      entry.option == Option::kBorrowLowwater || entry.option == Option::kMaxOverdraft;
  absl::string_view what = hours ? "hours" : licenses ? "licenses" : "seconds";
  size_t name_at = 0;  // of TYPE
  switch (entry.shape) {
    case Shape::kCountFeatureName:
      name_at = 3;
      if (words().size() < 5) {
        Wants(entry, 4, "number feature TYPE name");
        return;
      }
      ReadNumber(words()[1], "licenses", option.number);
      ReadSpec(words()[2], option.spec);
      break;
    case Shape::kFeatureName:
      name_at = 2;
      if (words().size() < 4) {
        Wants(entry, 3, "feature TYPE name");
        return;
      }
      ReadSpec(words()[1], option.spec);
      break;
    case Shape::kName:
      name_at = 1;
      if (words().size() < 3) {
        Wants(entry, 2, "TYPE name");
        return;
      }
      break;
    case Shape::kFeatureNumber:
      if (!Wants(entry, 2, absl::StrCat("feature ", what))) return;
      ReadSpec(words()[1], option.spec);
      ReadNumber(words()[2], what, option.number);
      break;
    default:
      if (!Wants(entry, 1, what)) return;
      ReadNumber(words()[1], what, option.number);
      break;
  }
  if (name_at > 0) ReadName(name_at, option);
  if (entry.option == Option::kReserve && option.number == 0 && !failed_) {
    Warn(words()[1], "reserves no licenses: the line has no effect");
    return;
  }
  if (!failed_) out_.lines.push_back(std::move(option));
}

void FileReader::ReadGroup(const Entry& entry, bool hosts) {
  if (words().size() < 2) {
    Wants(entry, 2, "name member ...");
    return;
  }
  const Word& name = words()[1];
  if (name.text.empty() || HasBlank(name.text)) {
    Error(name, absl::StrCat("the name of a ", entry.name,
                             " is one word without blanks; the line is ignored"));
    return;
  }
  const std::pair<bool, std::string> key(hosts, name.text);
  auto [place, added] = groups_.try_emplace(key);
  OptionGroup& group = place->second;
  if (added) {
    group.name = name.text;
    group.hosts = hosts;
    group.position = At(words()[0]);
  }
  std::set<std::string>& known = members_[key];
  for (size_t i = 2; i < words().size(); ++i) {
    const Word& member = words()[i];
    if (member.text.empty() || HasBlank(member.text)) {
      Warn(member, absl::StrCat(Quoted(member.text), ": no ", hosts ? "host" : "user",
                                " has such a name; members are single words"));
      continue;
    }
    if (member.text == "\\") {
      Warn(member, "a `\\` continues a line only at its very end; here it is ignored");
      continue;
    }
    if (absl::StrContains(member.text, ",")) {
      Warn(member, absl::StrCat(Quoted(member.text),
                                " holds a comma: members are separated by blanks, and this is one "
                                "name"));
    }
    if (known.insert(member.text).second) group.members.push_back(member.text);
  }
}

void FileReader::CheckGroups() {
  for (const auto& [key, group] : groups_) {
    absl::string_view kind = group.hosts ? "HOST_GROUP " : "GROUP ";
    if (group.members.empty()) {
      AddDiagnostic(out_.diagnostics, {Severity::kError, group.position,
                                       absl::StrCat(kind, group.name,
                                                    " has no members: lines that name it have no "
                                                    "effect; add members, or remove it")});
    }
    for (const std::string& member : group.members) {
      if (!groups_.contains({group.hosts, member})) continue;
      AddDiagnostic(out_.diagnostics,
                    {Severity::kWarning, group.position,
                     absl::StrCat(kind, group.name, " lists ", member,
                                  ", which is a group itself: groups do not hold groups, so it is "
                                  "taken for a name; list its members")});
    }
  }
}

void FileReader::SaySetAgain(const Entry& entry) {
  const auto [place, added] = set_.try_emplace(std::string(entry.name), words()[0].line);
  if (!added) {
    Warn(words()[0], absl::StrCat(entry.name, " stands in line ", place->second,
                                  " already: this one counts; remove the other"));
    place->second = words()[0].line;
  }
}

std::optional<bool> FileReader::OnOff(const Entry& entry) {
  if (!Wants(entry, 1, "ON|OFF")) return std::nullopt;
  const std::string& text = words()[1].text;
  const bool on = absl::EqualsIgnoreCase(text, "ON");
  if (!on && !absl::EqualsIgnoreCase(text, "OFF")) {
    Error(words()[1], absl::StrCat(Quoted(text), " is neither ON nor OFF; the line is ignored"));
    return std::nullopt;
  }
  SaySetAgain(entry);
  return on;
}

void FileReader::ReadMatching(const Entry& entry) {
  if (!Wants(entry, 1, "EXACT|LENIENT")) return;
  const std::string& text = words()[1].text;
  const bool lenient = absl::EqualsIgnoreCase(text, "LENIENT");
  if (!lenient && !absl::EqualsIgnoreCase(text, "EXACT")) {
    Error(words()[1],
          absl::StrCat(Quoted(text), " is neither EXACT nor LENIENT; the line is ignored"));
    return;
  }
  SaySetAgain(entry);
  out_.settings.fqdn_lenient = lenient;
}

void FileReader::ReadNoLog() {
  if (!Wants(*FindEntry("NOLOG"), 1, "event")) return;
  const std::string event = absl::AsciiStrToUpper(words()[1].text);
  if (std::find(kEvents.begin(), kEvents.end(), event) == kEvents.end()) {
    Error(words()[1],
          absl::StrCat(Quoted(words()[1].text), " is no event of the log: it is one of ",
                       absl::StrJoin(kEvents, ", "), "; the line is ignored"));
    return;
  }
  std::vector<std::string>& events = out_.settings.no_log;
  if (std::find(events.begin(), events.end(), event) == events.end()) events.push_back(event);
}

void FileReader::ReadLog(const Entry& entry, std::optional<OptionSettings::Log>& log) {
  const bool report = entry.shape == Shape::kReportLog;
  absl::string_view form =
      report ? "[+]path [HIDE_USER]" : "[+]path [OBF_ADDMARK] [AUTO_ROLLOVER megabytes]";
  OptionSettings::Log read;
  if (words().size() < 2) {
    Wants(entry, 1, form);
    return;
  }
  read.position = At(words()[0]);
  read.path = words()[1].text;
  if (absl::StartsWith(read.path, "+")) {
    read.append = true;
    read.path.erase(0, 1);
  }
  if (read.path.empty()) Error(words()[1], "no path behind the `+`; the line is ignored");
  for (size_t i = 2; i < words().size() && !failed_; ++i) {
    const std::string& text = words()[i].text;
    if (report && absl::EqualsIgnoreCase(text, "HIDE_USER")) {
      read.hide_user = true;
    } else if (!report && absl::EqualsIgnoreCase(text, "OBF_ADDMARK")) {
      Note(words()[i], "OBF_ADDMARK has nothing to act on: nothing in the log is obfuscated");
    } else if (!report && absl::EqualsIgnoreCase(text, "AUTO_ROLLOVER") && i + 1 < words().size()) {
      ReadNumber(words()[++i], "megabytes", read.rollover_mb);
    } else {
      Error(words()[i], absl::StrCat(Quoted(text), " does not belong here: the line is `",
                                     entry.name, " ", form, "`, and it is ignored"));
    }
  }
  if (failed_) return;
  SaySetAgain(entry);
  if (!read.append) {
    Warn(words()[1], absl::StrCat("without `+` the log begins anew at every start: write `",
                                  entry.name, " +", read.path, "` to keep what it holds"));
  }
  log = std::move(read);
}

void FileReader::ReadConnections(const Entry& entry) {
  if (!Wants(entry, 1, "number")) return;
  uint64_t number = 0;
  ReadNumber(words()[1], "connections", number);
  if (failed_) return;
  if (number == 0) {
    Error(words()[1], "no connections at all would serve nobody; the line is ignored");
    return;
  }
  SaySetAgain(entry);
  out_.settings.max_connections = number;
}

}  // namespace

absl::string_view OptionName(Option option) {
  for (const Entry& entry : kEntries) {
    if (entry.shape <= Shape::kNumber && entry.option == option) return entry.name;
  }
  return "";
}

std::optional<SubjectType> FindSubjectType(absl::string_view word) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (absl::EqualsIgnoreCase(kTypes[i], word)) return static_cast<SubjectType>(i);
  }
  return std::nullopt;
}

absl::string_view SubjectTypeName(SubjectType type) {
  return kTypes[static_cast<size_t>(type)];
}

const OptionGroup* OptionsFile::FindGroup(absl::string_view group, bool hosts) const {
  for (const OptionGroup& known : groups) {
    if (known.hosts == hosts && known.name == group) return &known;
  }
  return nullptr;
}

OptionsFile ReadOptionsFile(absl::string_view name, absl::string_view bytes) {
  return FileReader(name, bytes).Read();
}

std::vector<absl::string_view> OptionKeywords() {
  std::vector<absl::string_view> names;
  names.reserve(kEntries.size());
  for (const Entry& entry : kEntries) names.push_back(entry.name);
  return names;
}

absl::string_view NearOption(absl::string_view word) {
  // People write it, and there is none.
  if (absl::EqualsIgnoreCase(word, "USERCASEINSENSITIVE")) return "GROUPCASEINSENSITIVE";
  return NearWord(word, OptionKeywords());
}

}  // namespace triad::license
