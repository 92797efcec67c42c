#include "license/lexer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "license/limits.h"
#include "license/near_word.h"

namespace triad::license {
namespace {

struct KeywordName {
  absl::string_view name;
  Keyword keyword;
};
constexpr std::array<KeywordName, 9> kKeywords = {{
    {"SERVER", Keyword::kServer},
    {"VENDOR", Keyword::kVendor},
    {"DAEMON", Keyword::kVendor},
    {"USE_SERVER", Keyword::kUseServer},
    {"FEATURE", Keyword::kFeature},
    {"INCREMENT", Keyword::kIncrement},
    {"UPGRADE", Keyword::kUpgrade},
    {"PACKAGE", Keyword::kPackage},
    {"FEATURESET", Keyword::kFeatureSet},
}};
constexpr size_t kKeywordBytesMax = 10;
constexpr size_t kEditDistanceMax = 2;  // as NearWord

// Blanks between words. A CR that is not part of a line end is one, too.
bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

}  // namespace

Keyword FindKeyword(absl::string_view word) {
  for (const KeywordName& entry : kKeywords) {
    if (absl::EqualsIgnoreCase(entry.name, word)) return entry.keyword;
  }
  return Keyword::kComment;
}

std::vector<absl::string_view> LicenseKeywords() {
  std::vector<absl::string_view> names;
  names.reserve(kKeywords.size());
  for (const KeywordName& entry : kKeywords) names.push_back(entry.name);
  return names;
}

absl::string_view NearKeyword(absl::string_view word) {
  return NearWord(word, LicenseKeywords());
}

Lexer::Lexer(absl::string_view bytes, Dialect dialect) : bytes_(bytes), dialect_(dialect) {
  if (absl::StartsWith(bytes_, "\xef\xbb\xbf")) position_ = 3;  // a byte order mark
}

bool Lexer::Next(LogicalLine& line) {
  while (position_ < bytes_.size()) {
    const Physical physical = PhysicalAt(position_);
    line = LogicalLine();
    line.keyword = KeywordAt(physical);
    if (line.keyword != Keyword::kComment) {
      LexKeywordLine(physical, line);
      return true;
    }
    LexComment(physical, line);
    if (!line.words.empty()) return true;
  }
  return false;
}

Lexer::Physical Lexer::PhysicalAt(size_t begin) const {
  Physical out;
  out.begin = begin;
  const char* from = bytes_.data() + begin;
  const void* newline = std::memchr(from, '\n', bytes_.size() - begin);
  out.end = newline == nullptr
                ? bytes_.size()
                : begin + static_cast<size_t>(static_cast<const char*>(newline) - from);
  out.next = newline == nullptr ? out.end : out.end + 1;
  if (out.end > begin && bytes_[out.end - 1] == '\r') --out.end;
  // Mail programs leave blanks behind the `\`.
  size_t last = out.end;
  while (last > begin && IsBlank(bytes_[last - 1])) --last;
  if (last > begin && bytes_[last - 1] == '\\') {
    out.continued = true;
    out.end = last - 1;
  }
  return out;
}

absl::string_view Lexer::FirstWord(const Physical& line) const {
  size_t begin = line.begin;
  while (begin < line.end && IsBlank(bytes_[begin])) ++begin;
  size_t end = begin;
  // One byte more than the longest word of interest tells that this one is longer.
  const size_t limit = std::min(line.end, begin + kKeywordBytesMax + kEditDistanceMax + 1);
  while (end < limit && !IsBlank(bytes_[end])) ++end;
  return bytes_.substr(begin, end - begin);
}

Keyword Lexer::KeywordAt(const Physical& line) const {
  if (dialect_ == Dialect::kOptions) {
    absl::string_view word = FirstWord(line);
    return word.empty() || word[0] == '#' ? Keyword::kComment : Keyword::kOption;
  }
  return FindKeyword(FirstWord(line));
}

bool Lexer::MayBeMistyped(const Physical& line) const {
  if (dialect_ == Dialect::kOptions) return false;
  absl::string_view word = FirstWord(line);
  if (word.size() < 4 || word.size() > kKeywordBytesMax + kEditDistanceMax) return false;
  return std::all_of(word.begin(), word.end(),
                     [](char c) { return absl::ascii_isupper(c) || c == '_'; });
}

void Lexer::LexComment(Physical physical, LogicalLine& line) {
  if (MayBeMistyped(physical)) {
    LexPhysical(physical, line);
    EndWord(line);
    in_quote_ = false;
    depth_ = 0;
  }
  position_ = physical.next;
  ++line_number_;
}

// Whether the word being read goes on after a physical line that is not continued: an AUTH block
// may, up to the next line that has a keyword of its own.
bool Lexer::GoesOn(const Physical& physical) const {
  if (depth_ == 0 || physical.next >= bytes_.size()) return false;
  return KeywordAt(PhysicalAt(physical.next)) == Keyword::kComment;
}

void Lexer::LexKeywordLine(Physical physical, LogicalLine& line) {
  while (true) {
    LexPhysical(physical, line);
    position_ = physical.next;
    ++line_number_;
    const bool continued = physical.continued && !commented_;
    const bool more = continued ? physical.next < bytes_.size() : GoesOn(physical);
    if (!more) break;
    physical = PhysicalAt(physical.next);
    if (!in_quote_) continue;
    // Inside quotes the parts join without a gap. Outside, indentation is a blank like any other.
    while (physical.begin < physical.end && IsBlank(bytes_[physical.begin])) ++physical.begin;
  }
  if (in_quote_ || depth_ > 0) line.open = opened_;
  EndWord(line);
  in_quote_ = false;
  depth_ = 0;
}

void Lexer::LexPhysical(const Physical& physical, LogicalLine& line) {
  size_t start = physical.begin;
  commented_ = false;
  // Columns count from the line's first byte, also if the caller skipped indentation.
  size_t line_begin = start;
  while (line_begin > 0 && bytes_[line_begin - 1] != '\n') --line_begin;
  for (size_t i = start; i < physical.end; ++i) {
    const char c = bytes_[i];
    const int column = static_cast<int>(i - line_begin) + 1;
    if (!in_word_) {
      if (IsBlank(c)) continue;
      if (c == '#' && dialect_ == Dialect::kOptions) {
        commented_ = true;
        return;
      }
      in_word_ = true;
      word_ = Word();
      word_.begin = i;
      word_.line = line_number_;
      word_.column = column;
    } else if (depth_ > 0) {
      if (c == '"') in_quote_ = !in_quote_;
      if (!in_quote_ && c == '{') ++depth_;
      if (!in_quote_ && c == '}') --depth_;
      Take(i, c);
      if (depth_ == 0) EndWord(line);
      continue;
    } else if (in_quote_) {
      if (c != '"') {
        Take(i, c);
        continue;
      }
      in_quote_ = false;
      word_.end = i + 1;
      EndWord(line);
      continue;
    } else if (IsBlank(c)) {
      EndWord(line);
      continue;
    }
    if (c == '"') {
      in_quote_ = true;
      opened_ = {line_number_, column, '"'};
      word_.end = i + 1;
      continue;
    }
    if (c == '{' && dialect_ == Dialect::kLicense && absl::EqualsIgnoreCase(word_.text, "AUTH=")) {
      depth_ = 1;
      opened_ = {line_number_, column, '{'};
    }
    if (c == '=' && !word_.has_value()) word_.equals = word_.text.size();
    Take(i, c);
  }
}

void Lexer::Take(size_t at, char c) {
  word_.text.push_back(c);
  word_.end = at + 1;
}

void Lexer::EndWord(LogicalLine& line) {
  if (!in_word_) return;
  in_word_ = false;
  if (line.words.size() >= kWordsPerLineMax) {
    line.too_many_words = true;
    return;
  }
  line.words.push_back(std::move(word_));
}

}  // namespace triad::license
