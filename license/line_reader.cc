#include "license/line_reader.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "license/limits.h"

namespace triad::license {
namespace {

constexpr size_t kPositionalFields = 6;  // keyword, feature, vendor, version, expiry, count
constexpr size_t kKeyDigitsMin = 12;     // of a positional key

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

class FeatureReader {
 public:
  FeatureReader(absl::string_view file, const LogicalLine& line, Diagnostics& diagnostics)
      : line_(line), complaints_(file, diagnostics) {
    out_.position = PositionOf(file, line.words[0]);
    out_.kind = line.keyword == Keyword::kFeature ? FeatureLine::Kind::kFeature
                                                  : FeatureLine::Kind::kIncrement;
  }

  std::optional<FeatureLine> Read() {
    complaints_.CheckLexed(line_);
    if (complaints_.failed()) return std::nullopt;
    if (line_.words.size() < kPositionalFields) {
      static constexpr std::array<absl::string_view, kPositionalFields> kFields = {
          "", "its name", "its vendor", "its version", "its expiry date", "its number of licenses"};
      complaints_.Error(
          line_.words.back(),
          absl::StrCat(line_.words[0].text, " line ends before ", kFields[line_.words.size()],
                       ": it needs name, vendor, version, expiry and number"));
      return std::nullopt;
    }
    ReadNames();
    ReadNumbers();
    for (size_t i = kPositionalFields; i < line_.words.size(); ++i) ReadWord(i);
    CheckTogether();
    if (complaints_.failed()) return std::nullopt;
    return std::move(out_);
  }

 private:
  void ReadNames() {
    out_.feature = line_.words[1].text;
    out_.vendor = line_.words[2].text;
    for (size_t i : {1, 2}) {
      const std::string& name = line_.words[i].text;
      if (name.empty() || name.size() > kNameBytesMax) {
        complaints_.Error(line_.words[i], absl::StrCat("a name of ", name.size(), " bytes: 1 to ",
                                                       kNameBytesMax, " are allowed"));
      }
    }
  }

  void ReadNumbers() {
    const Word& version = line_.words[3];
    out_.version = version.text;
    if (!IsVersion(out_.version)) {
      complaints_.Error(version, absl::StrCat("version `", version.text,
                                              "` is not a number of at most 10 digits and one "
                                              "dot, such as 8.0"));
    }
    out_.expiry_text = line_.words[4].text;
    absl::StatusOr<std::optional<Day>> expiry = ParseExpiry(out_.expiry_text);
    if (expiry.ok()) {
      out_.expiry = *expiry;
    } else {
      complaints_.Error(line_.words[4], std::string(expiry.status().message()));
    }
    const Word& count = line_.words[5];
    if (absl::EqualsIgnoreCase(count.text, "uncounted")) {
      out_.uncounted = true;
    } else if (!IsDigits(count.text) || !absl::SimpleAtoi(count.text, &out_.count) ||
               out_.count > kLicensesPerLineMax) {
      complaints_.Error(count,
                        absl::StrCat("number of licenses `", count.text, "` is not a number up to ",
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
    if (complaints_.failed() || !out_.uncounted || !out_.host_ids.empty()) return;
    complaints_.Error(line_.words[5], absl::StrCat("an uncounted feature needs HOSTID=: ask ",
                                                   out_.vendor, " for a line that has it"));
  }

  const LogicalLine& line_;
  Complaints complaints_;
  FeatureLine out_;
  std::set<std::string> names_;
  int unknown_ = 0;  // attributes
};

}  // namespace

bool IsSignatureWord(const LogicalLine& line, size_t index) {
  if (index < kPositionalFields) return false;
  const Word& word = line.words[index];
  if (index == kPositionalFields && IsPositionalKey(word)) return true;
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
