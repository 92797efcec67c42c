#include "license/line_reader.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "license/limits.h"

namespace triad::license {
namespace {

// A field of a license line that is known by its place.
enum class Field { kKeyword, kName, kVendor, kFrom, kVersion, kExpiry, kCount };
constexpr std::array kFeatureFields = {Field::kKeyword, Field::kName,   Field::kVendor,
                                       Field::kVersion, Field::kExpiry, Field::kCount};
constexpr std::array kUpgradeFields = {Field::kKeyword, Field::kName,    Field::kVendor,
                                       Field::kFrom,    Field::kVersion, Field::kExpiry,
                                       Field::kCount};
constexpr std::array kPackageFields = {Field::kKeyword, Field::kName, Field::kVendor,
                                       Field::kVersion};
constexpr size_t kKeyDigitsMin = 12;  // of a positional key

// Unknown attributes of one line that are told of: each costs a search for the near one.
constexpr int kUnknownSaidMax = 4;

Position PositionOf(absl::string_view file, const Word& word) {
  return Position{std::string(file), word.line, word.column};
}

// Collects the complaints about one line.
class Complaints {
 public:
  Complaints(absl::string_view file, Diagnostics& out) : file_(file), out_(out) {}

  void Error(const Word& word, std::string message) {
    failed_ = true;
    AddDiagnostic(out_, {Severity::kError, PositionOf(file_, word), std::move(message)});
  }
  void Warning(const Word& word, std::string message) {
    AddDiagnostic(out_, {Severity::kWarning, PositionOf(file_, word), std::move(message)});
  }
  // What the lexer found: a quote or block left open, too many words.
  void CheckLexed(const LogicalLine& line) {
    if (line.open) {
      Word at;
      at.line = line.open->line;
      at.column = line.open->column;
      Error(at, line.open->what == '"'
                    ? "the quote opened here is not closed: close it, or end its line with `\\` "
                      "and close it on the next"
                    : "the AUTH={ opened here is not closed: add the missing `}`");
    }
    if (line.too_many_words) {
      Error(line.words.back(), absl::StrCat("more than ", kWordsPerLineMax,
                                            " words in one line: is a quote missing?"));
    }
  }
  bool failed() const { return failed_; }

 private:
  absl::string_view file_;
  Diagnostics& out_;
  bool failed_ = false;
};

bool IsAttributeName(absl::string_view name) {
  if (name.empty() || absl::ascii_isdigit(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

bool IsDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsPositionalKey(const Word& word) {
  if (word.has_value()) return false;
  if (word.text == "0") return true;  // a place for a key, not filled in yet
  return word.text.size() >= kKeyDigitsMin &&
         std::all_of(word.text.begin(), word.text.end(), absl::ascii_isxdigit);
}

std::optional<int> ParsePort(absl::string_view text, int least) {
  int port = 0;
  if (!IsDigits(text) || !absl::SimpleAtoi(text, &port)) return std::nullopt;
  if (port < least || port > 65535) return std::nullopt;
  return port;
}

// The fields that begin `line`. The version of a PACKAGE may be left out.
absl::Span<const Field> FieldsOf(const LogicalLine& line) {
  if (line.keyword == Keyword::kUpgrade) return kUpgradeFields;
  if (line.keyword != Keyword::kPackage) return kFeatureFields;
  const bool version =
      line.words.size() > 3 && !line.words[3].has_value() && IsVersion(line.words[3].text);
  return absl::MakeConstSpan(kPackageFields).first(version ? 4 : 3);
}

absl::string_view NameOf(Field field) {
  switch (field) {
    case Field::kKeyword:
      return "";
    case Field::kName:
      return "its name";
    case Field::kVendor:
      return "its vendor";
    case Field::kFrom:
      return "the version that it upgrades";
    case Field::kVersion:
      return "its version";
    case Field::kExpiry:
      return "its expiry date";
    case Field::kCount:
      return "its number of licenses";
  }
  return "";
}

FeatureLine::Kind KindOf(Keyword keyword) {
  switch (keyword) {
    case Keyword::kFeature:
      return FeatureLine::Kind::kFeature;
    case Keyword::kUpgrade:
      return FeatureLine::Kind::kUpgrade;
    case Keyword::kPackage:
      return FeatureLine::Kind::kPackage;
    default:
      return FeatureLine::Kind::kIncrement;
  }
}

class FeatureReader {
 public:
  FeatureReader(absl::string_view file, const LogicalLine& line, Diagnostics& diagnostics)
      : line_(line), fields_(FieldsOf(line)), complaints_(file, diagnostics) {
    out_.position = PositionOf(file, line.words[0]);
    out_.kind = KindOf(line.keyword);
  }

  std::optional<FeatureLine> Read() {
    complaints_.CheckLexed(line_);
    if (complaints_.failed()) return std::nullopt;
    if (line_.words.size() < fields_.size()) {
      complaints_.Error(line_.words.back(), EndsEarly());
      return std::nullopt;
    }
    for (size_t i = 1; i < fields_.size(); ++i) ReadField(fields_[i], line_.words[i]);
    for (size_t i = fields_.size(); i < line_.words.size(); ++i) ReadWord(i);
    CheckTogether();
    if (complaints_.failed()) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool IsPackage() const { return out_.kind == FeatureLine::Kind::kPackage; }

  std::string EndsEarly() const {
    absl::string_view needs = "name, vendor, version, expiry and number";
    if (IsPackage()) needs = "name and vendor";
    if (out_.kind == FeatureLine::Kind::kUpgrade) {
      needs = "name, vendor, two versions, expiry and number";
    }
    return absl::StrCat(line_.words[0].text, " line ends before ",
                        NameOf(fields_[line_.words.size()]), ": it needs ", needs);
  }

  void ReadField(Field field, const Word& word) {
    switch (field) {
      case Field::kKeyword:
        return;
      case Field::kName:
        return ReadName(word, out_.feature);
      case Field::kVendor:
        return ReadName(word, out_.vendor);
      case Field::kFrom:
        return ReadVersion(word, out_.from_version);
      case Field::kVersion:
        return ReadVersion(word, out_.version);
      case Field::kExpiry:
        return ReadExpiry(word);
      case Field::kCount:
        return ReadCount(word);
    }
  }

  void ReadName(const Word& word, std::string& name) {
    name = word.text;
    if (!name.empty() && name.size() <= kNameBytesMax) return;
    complaints_.Error(word, absl::StrCat("a name of ", name.size(), " bytes: 1 to ", kNameBytesMax,
                                         " are allowed"));
  }

  void ReadVersion(const Word& word, std::string& version) {
    version = word.text;
    if (IsVersion(version)) return;
    complaints_.Error(word, absl::StrCat("version `", word.text,
                                         "` is not a number of at most 10 digits and one "
                                         "dot, such as 8.0"));
  }

  void ReadExpiry(const Word& word) {
    out_.expiry_text = word.text;
    absl::StatusOr<std::optional<Day>> expiry = ParseExpiry(out_.expiry_text);
    if (expiry.ok()) {
      out_.expiry = *expiry;
    } else {
      complaints_.Error(word, std::string(expiry.status().message()));
    }
  }

  void ReadCount(const Word& word) {
    if (absl::EqualsIgnoreCase(word.text, "uncounted")) {
      out_.uncounted = true;
    } else if (!IsDigits(word.text) || !absl::SimpleAtoi(word.text, &out_.count) ||
               out_.count > kLicensesPerLineMax) {
      complaints_.Error(word,
                        absl::StrCat("number of licenses `", word.text, "` is not a number up to ",
                                     kLicensesPerLineMax, ", nor `uncounted`"));
    } else {
      out_.uncounted = out_.count == 0;
    }
  }

  void ReadWord(size_t index) {
    const Word& word = line_.words[index];
    if (IsSignatureWord(line_, index)) {
      ReadSignature(word);
      return;
    }
    if (word.line > line_.words[index - 1].line && FindKeyword(word.text) != Keyword::kComment) {
      complaints_.Error(word, absl::StrCat("`", word.text,
                                           "` continues the line before it: remove the `\\` at "
                                           "the end of that line"));
      return;
    }
    const std::string name(word.name());
    if (!IsAttributeName(name)) {
      // Old lines carry a bare string behind their key; they are refused for their signature.
      if (!out_.foreign_key) {
        complaints_.Error(
            word, absl::StrCat("`", word.text, "` is not an attribute: write NAME or NAME=value"));
        return;
      }
    }
    if (!names_.insert(name).second && absl::AsciiStrToLower(name) != name) {
      complaints_.Error(word, absl::StrCat(name, " stands twice: keep one"));
      return;
    }
    out_.attributes.emplace_back(name, word.value());
    ReadAttribute(word, name);
  }

  void ReadSignature(const Word& word) {
    if (word.name() != "SIGN" || !word.has_value()) {
      if (word.text != "0") out_.foreign_key = true;
      return;
    }
    if (!names_.insert("SIGN").second) {
      complaints_.Error(word, "SIGN= stands twice: keep one");
      return;
    }
    out_.sign = std::string(word.value());
  }

  void ReadAttribute(const Word& word, const std::string& name) {
    if (name == "HOSTID") {
      ReadHostIds(word);
    } else if (name == "START") {
      ReadDate(word, out_.start);
    } else if (name == "ISSUED") {
      ReadDate(word, out_.issued);
    } else if (IsPackage() && name == "COMPONENTS") {
      ReadComponents(word);
    } else if (IsPackage() && name == "OPTIONS") {
      ReadOptions(word);
    } else if (name == "sort") {
      int number = 0;
      if (IsDigits(word.value()) && absl::SimpleAtoi(word.value(), &number)) {
        out_.sort = number;
        out_.sort_given = true;
      } else {
        complaints_.Warning(word,
                            absl::StrCat("`", word.text, "` is ignored: write sort= and a number"));
      }
    } else if (FindAttributeRule(name) == nullptr) {
      WarnUnknown(word, name);
    } else {
      const absl::Status status =
          ReadTerm(name, word.has_value(), word.value(), out_.count, &out_.terms);
      if (!status.ok()) complaints_.Error(word, absl::StrCat(name, ": ", status.message()));
    }
  }

  void WarnUnknown(const Word& word, const std::string& name) {
    // A line that is refused for something else, or is no license line at all, needs no advice.
    if (out_.foreign_key || complaints_.failed() || ++unknown_ > kUnknownSaidMax) return;
    const std::string upper = absl::AsciiStrToUpper(name);
    if (FindAttributeRule(upper) != nullptr) {
      complaints_.Warning(word,
                          absl::StrCat("`", name, "` in lower case has no effect: write ", upper));
      return;
    }
    absl::string_view near = NearAttribute(name);
    complaints_.Warning(
        word, near.empty() ? absl::StrCat("`", name, "` is not known and has no effect")
                           : absl::StrCat("`", name, "` is not known and has no effect: if ", near,
                                          " was meant, correct it",
                                          near == absl::AsciiStrToLower(near)
                                              ? ""
                                              : absl::StrCat(" with ", out_.vendor,
                                                             ", whose signature covers it")));
  }

  // "feature[:version[:count]] ..."
  void ReadComponents(const Word& word) {
    auto wrong = [&](absl::string_view component, absl::string_view what) {
      complaints_.Error(word, absl::StrCat("COMPONENTS: `", component, "`: ", what));
    };
    for (absl::string_view text :
         absl::StrSplit(word.value(), absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
      const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
      FeatureLine::Component component;
      component.feature = std::string(parts[0]);
      if (parts.size() > 3 || parts[0].empty() || parts[0].size() > kNameBytesMax) {
        return wrong(text, "write feature, feature:version or feature:version:count");
      }
      if (parts.size() > 1 && !parts[1].empty()) {
        if (!IsVersion(parts[1])) return wrong(text, "its version is not a number such as 8.0");
        component.version = std::string(parts[1]);
      }
      if (parts.size() > 2) {
        component_counts_ = true;
        if (!IsDigits(parts[2]) || !absl::SimpleAtoi(parts[2], &component.count) ||
            component.count == 0 || component.count > kLicensesPerLineMax) {
          return wrong(text,
                       absl::StrCat("its count is not a number from 1 to ", kLicensesPerLineMax));
        }
      }
      if (out_.components.size() == kComponentsPerPackageMax) {
        return wrong(text, absl::StrCat("more than ", kComponentsPerPackageMax,
                                        " components: split the package"));
      }
      out_.components.push_back(std::move(component));
    }
  }

  void ReadOptions(const Word& word) {
    if (word.value() == "SUITE") {
      out_.suite = FeatureLine::Suite::kSuite;
    } else if (word.value() == "SUITE_RESERVED") {
      out_.suite = FeatureLine::Suite::kReserved;
    } else {
      complaints_.Error(
          word, absl::StrCat("OPTIONS: `", word.value(), "` is not SUITE or SUITE_RESERVED"));
    }
  }

  void ReadDate(const Word& word, std::optional<Day>& day) {
    absl::StatusOr<std::optional<Day>> parsed = ParseExpiry(word.value());
    if (parsed.ok()) {
      day = *parsed;
    } else {
      complaints_.Error(word, absl::StrCat(word.name(), ": ", parsed.status().message()));
    }
  }

  void ReadHostIds(const Word& word) {
    absl::StatusOr<std::vector<HostId>> ids = ParseHostIdList(word.value());
    if (!ids.ok()) {
      complaints_.Error(word, absl::StrCat("HOSTID: ", ids.status().message()));
      return;
    }
    out_.host_ids = *std::move(ids);
    for (const HostId& id : out_.host_ids) {
      if (id.type == HostId::Type::kUnsupported) {
        complaints_.Warning(
            word, absl::StrCat("host id `", id.value,
                               "` is of a type that is not supported and matches no host: ask ",
                               out_.vendor, " for another"));
      }
      if (id.type == HostId::Type::kDemo && !out_.uncounted) {
        complaints_.Error(word, absl::StrCat("HOSTID=DEMO is for uncounted features only: ask ",
                                             out_.vendor, " for another line"));
      }
    }
  }

  void CheckTogether() {
    if (complaints_.failed()) return;
    if (IsPackage()) {
      if (out_.components.empty()) {
        complaints_.Error(line_.words.back(),
                          absl::StrCat("PACKAGE ", out_.feature, " has no COMPONENTS=: ask ",
                                       out_.vendor, " for the whole line"));
      } else if (component_counts_ && out_.suite != FeatureLine::Suite::kNone) {
        complaints_.Error(line_.words[0],
                          absl::StrCat("PACKAGE ", out_.feature,
                                       ": a component of a suite has no count of its own: ask ",
                                       out_.vendor, " for another line"));
      }
      return;
    }
    if (out_.kind == FeatureLine::Kind::kUpgrade &&
        CompareVersions(out_.from_version, out_.version) >= 0) {
      complaints_.Error(line_.words[4], absl::StrCat("UPGRADE to ", out_.version,
                                                     ", which is not above ", out_.from_version));
      return;
    }
    if (!out_.uncounted || !out_.host_ids.empty()) return;
    complaints_.Error(line_.words[fields_.size() - 1],
                      absl::StrCat("an uncounted feature needs HOSTID=: ask ", out_.vendor,
                                   " for a line that has it"));
  }

  const LogicalLine& line_;
  const absl::Span<const Field> fields_;
  Complaints complaints_;
  FeatureLine out_;
  std::set<std::string> names_;
  int unknown_ = 0;  // attributes
  bool component_counts_ = false;
};

}  // namespace

bool IsSignatureWord(const LogicalLine& line, size_t index) {
  const size_t fields = FieldsOf(line).size();
  if (index < fields) return false;
  const Word& word = line.words[index];
  if (index == fields && IsPositionalKey(word)) return true;
  if (!word.has_value()) return false;
  return word.name() == "SIGN" || word.name() == "SIGN2" || word.name() == "AUTH";
}

std::optional<ServerLine> ReadServerLine(absl::string_view file, const LogicalLine& line,
                                         Diagnostics& diagnostics) {
  Complaints complaints(file, diagnostics);
  complaints.CheckLexed(line);
  const std::vector<Word>& words = line.words;
  if (!complaints.failed() && words.size() < 3) {
    complaints.Error(words.back(), "SERVER line ends early: it needs host, host id and port");
  }
  if (complaints.failed()) return std::nullopt;

  ServerLine out;
  out.position = PositionOf(file, words[0]);
  out.host = words[1].text;
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  }
  if (out.host.empty() || out.host.size() > kNameBytesMax) {
    complaints.Error(words[1], absl::StrCat("a host name of ", out.host.size(), " bytes: 1 to ",
                                            kNameBytesMax, " are allowed"));
  }
  out.host_id_text = words[2].text;
  absl::StatusOr<HostId> id = ParseHostId(out.host_id_text);
  if (!id.ok()) {
    complaints.Error(words[2], std::string(id.status().message()));
  } else if (id->type == HostId::Type::kDemo) {
    complaints.Error(words[2], "DEMO is no host id for a SERVER line: ask the vendor for another");
  } else {
    out.host_id = *std::move(id);
  }
  for (size_t i = 3; i < words.size(); ++i) {
    const Word& word = words[i];
    if (i == 3 && !word.has_value() && !absl::EqualsIgnoreCase(word.text, "PRIMARY_IS_MASTER")) {
      std::optional<int> port = ParsePort(word.text, 1);
      if (port) {
        out.port = *port;
      } else {
        complaints.Error(word,
                         absl::StrCat("port `", word.text, "` is not a number from 1 to 65535"));
      }
      continue;
    }
    out.unused.push_back(word.text);
    if (!word.has_value() && !absl::EqualsIgnoreCase(word.text, "PRIMARY_IS_MASTER")) {
      complaints.Warning(word, absl::StrCat("`", word.text,
                                            "` is ignored: a SERVER line has host, host id and "
                                            "port"));
    }
  }
  if (complaints.failed()) return std::nullopt;
  if (out.host_id.type == HostId::Type::kUnsupported) {
    // Kept: the signatures of the file cover it, and two other hosts may do.
    Word at = words[2];
    AddDiagnostic(diagnostics,
                  {Severity::kError, PositionOf(file, at),
                   absl::StrCat("host id `", out.host_id.value,
                                "` is of a type that is not supported and matches no host: ask "
                                "the vendor for another")});
  }
  return out;
}

std::optional<VendorLine> ReadVendorLine(absl::string_view file, const LogicalLine& line,
                                         Diagnostics& diagnostics) {
  Complaints complaints(file, diagnostics);
  complaints.CheckLexed(line);
  const std::vector<Word>& words = line.words;
  if (!complaints.failed() && words.size() < 2) {
    complaints.Error(words[0], "VENDOR line without a name: write VENDOR and the vendor's name");
  }
  if (complaints.failed()) return std::nullopt;

  VendorLine out;
  out.position = PositionOf(file, words[0]);
  out.vendor = words[1].text;
  if (out.vendor.empty() || out.vendor.size() > kNameBytesMax) {
    complaints.Error(words[1], absl::StrCat("a name of ", out.vendor.size(), " bytes: 1 to ",
                                            kNameBytesMax, " are allowed"));
  }
  int place = 0;  // path, options path, port
  for (size_t i = 2; i < words.size(); ++i) {
    const Word& word = words[i];
    const bool options = word.has_value() && absl::EqualsIgnoreCase(word.name(), "OPTIONS");
    const bool port = word.has_value() && absl::EqualsIgnoreCase(word.name(), "PORT");
    if (options) {
      out.options_path = std::string(word.value());
      place = std::max(place, 2);
    } else if (port || place == 2 || (place == 1 && IsDigits(word.text))) {
      out.unused.push_back(word.text);
      place = 3;
      if (ParsePort(port ? word.value() : absl::string_view(word.text), 0)) continue;
      complaints.Error(word, absl::StrCat("port `", port ? word.value() : word.text,
                                          "` is not a number from 0 to 65535"));
    } else if (place == 0) {
      out.unused.push_back(word.text);
      place = 1;
    } else if (place == 1) {
      out.options_path = word.text;
      place = 2;
    } else {
      out.unused.push_back(word.text);
      complaints.Warning(word, absl::StrCat("`", word.text,
                                            "` is ignored: a VENDOR line has name, path, options "
                                            "and port"));
    }
  }
  if (complaints.failed()) return std::nullopt;
  return out;
}

std::optional<FeatureLine> ReadFeatureLine(absl::string_view file, const LogicalLine& line,
                                           Diagnostics& diagnostics) {
  return FeatureReader(file, line, diagnostics).Read();
}

}  // namespace triad::license
