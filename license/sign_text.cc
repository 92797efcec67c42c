// SignText: takes foreign signatures out of a license file's text and puts ours in.
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/lexer.h"
#include "license/line_reader.h"
#include "license/signature.h"

namespace triad::license {
namespace {

// Bytes [begin, end) of the text become `with`.
struct Edit {
  size_t begin = 0;
  size_t end = 0;
  std::string with;
};

// SIGN="T1 1f2e3d4c ABCD ..."
std::string FormatSign(const std::string& key_id, const std::string& signature) {
  std::string out = absl::StrCat("SIGN=\"T1 ", key_id);
  const std::string digits = absl::AsciiStrToUpper(absl::BytesToHexString(signature));
  for (size_t i = 0; i < digits.size(); i += 4) absl::StrAppend(&out, " ", digits.substr(i, 4));
  return out + "\"";
}

bool IsVendorsLine(const LogicalLine& line, const std::string& vendor) {
  if (line.keyword != Keyword::kFeature && line.keyword != Keyword::kIncrement &&
      line.keyword != Keyword::kUpgrade && line.keyword != Keyword::kPackage) {
    return false;
  }
  return line.words.size() > 2 && line.words[2].text == vendor;
}

// Where to begin when `word` is taken out: with the blanks before it, unless they are the only ones
// that part its neighbours.
size_t StartOfRemoval(absl::string_view text, const Word& word) {
  size_t begin = word.begin;
  const char next = word.end < text.size() ? text[word.end] : '\n';
  if (next != ' ' && next != '\t' && next != '\r' && next != '\n') return begin;
  while (begin > 0 && (text[begin - 1] == ' ' || text[begin - 1] == '\t')) --begin;
  return begin;
}

// Takes words that are signatures out of `line`. Returns the edits that do the same to `text` and
// put `sign` behind the last word; `line` then has no signature.
std::vector<Edit> Replace(absl::string_view text, LogicalLine& line) {
  std::vector<Edit> edits;
  std::vector<Word> kept;
  for (size_t i = 0; i < line.words.size(); ++i) {
    const Word& word = line.words[i];
    if (!IsSignatureWord(line, i)) {
      kept.push_back(word);
      continue;
    }
    edits.push_back({StartOfRemoval(text, word), word.end, ""});
  }
  const Word& last = line.words.back();
  // Ours goes where the line ends. If a signature stood there, ours takes its place, and with it
  // its line and indentation.
  if (!edits.empty() && edits.back().end == last.end) {
    edits.back().begin = last.begin;
  } else {
    edits.push_back({last.end, last.end, " "});
  }
  line.words = std::move(kept);
  return edits;
}

class Signer {
 public:
  Signer(absl::string_view name, absl::string_view text, const NamedPrivateKey& key)
      : name_(name), text_(text), key_(key), file_(ReadLicenseFile(name, text)) {}

  absl::StatusOr<std::string> Sign() {
    CheckServers();
    Lexer lexer(text_);
    LogicalLine line;
    while (lexer.Next(line)) {
      if (IsVendorsLine(line, key_.vendor)) SignLine(line);
    }
    if (!errors_.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
    if (signed_ == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(name_, ": no FEATURE, INCREMENT, UPGRADE or PACKAGE line of ", key_.vendor,
                       ", whose key this is"));
    }
    std::string out = Apply();
    return Check(out) ? absl::StatusOr<std::string>(std::move(out))
                      : absl::InternalError(absl::StrCat(
                            name_, ": the signed text does not verify; nothing was changed"));
  }

 private:
  void Error(const Position& position, absl::string_view message) {
    errors_.push_back(Diagnostic{Severity::kError, position, std::string(message)}.ToString());
  }

  void CheckServers() {
    if (file_.servers_usable) return;
    // Every line's signature covers the SERVER host ids.
    std::set<int> server_lines;
    Lexer lexer(text_);
    LogicalLine line;
    while (lexer.Next(line)) {
      if (line.keyword != Keyword::kServer) continue;
      for (const Word& word : line.words) server_lines.insert(word.line);
    }
    for (const Diagnostic& diagnostic : file_.diagnostics) {
      if (diagnostic.severity != Severity::kError) continue;
      if (server_lines.contains(diagnostic.position.line)) errors_.push_back(diagnostic.ToString());
    }
    if (errors_.empty()) Error({file_.name, 1, 1}, "the SERVER lines are wrong: mend them first");
  }

  void SignLine(LogicalLine& line) {
    const Word keyword = line.words[0];
    std::vector<Edit> edits = Replace(text_, line);
    Diagnostics complaints;
    std::optional<FeatureLine> feature = ReadFeatureLine(name_, line, complaints);
    for (const Diagnostic& complaint : complaints) {
      if (complaint.severity == Severity::kError) errors_.push_back(complaint.ToString());
    }
    if (!feature || !file_.servers_usable) return;
    const bool counted = !feature->uncounted && feature->kind != FeatureLine::Kind::kPackage;
    if (counted && file_.servers.empty()) {
      Error(feature->position,
            "a counted line needs SERVER lines, whose host ids are signed with "
            "it: add one or three");
      return;
    }
    absl::StatusOr<std::string> signature =
        SignBytes(CanonicalForm(*feature, file_.servers), key_.keys.private_key);
    if (!signature.ok()) {
      Error(feature->position, signature.status().message());
      return;
    }
    absl::StrAppend(&edits.back().with, FormatSign(KeyId(key_.keys.public_key), *signature));
    edits_.insert(edits_.end(), std::make_move_iterator(edits.begin()),
                  std::make_move_iterator(edits.end()));
    ++signed_;
  }

  std::string Apply() const {
    std::string out;
    size_t at = 0;
    for (const Edit& edit : edits_) {
      absl::StrAppend(&out, text_.substr(at, edit.begin - at), edit.with);
      at = edit.end;
    }
    absl::StrAppend(&out, text_.substr(at));
    return out;
  }

  // Reads the result as a server will.
  bool Check(absl::string_view out) const {
    const LicenseFile file = ReadLicenseFile(name_, out);
    const VendorKeys keys = {{key_.vendor, key_.keys.public_key}};
    size_t good = 0;
    for (const std::vector<FeatureLine>* lines : {&file.features, &file.packages}) {
      for (const FeatureLine& line : *lines) {
        if (line.vendor != key_.vendor) continue;
        if (Verify(line, file.servers, keys) != Verdict::kGood) return false;
        ++good;
      }
    }
    return good == signed_;
  }

  absl::string_view name_;
  absl::string_view text_;
  const NamedPrivateKey& key_;
  LicenseFile file_;
  std::vector<Edit> edits_;
  std::vector<std::string> errors_;
  size_t signed_ = 0;
};

}  // namespace

absl::StatusOr<std::string> SignText(absl::string_view name, absl::string_view text,
                                     const NamedPrivateKey& key) {
  return Signer(name, text, key).Sign();
}

}  // namespace triad::license
