#include "license/checksum.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "license/line_reader.h"
#include "license/signature.h"

namespace triad::license {
namespace {

constexpr uint32_t kPolynomial = 0x07;
constexpr uint32_t kChecksumMax = 255;
// Fields of the longest line that is echoed: UPGRADE.
constexpr size_t kEchoWordsMax = 7;

uint32_t Crc8(uint32_t crc, absl::string_view bytes) {
  for (char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc << 1 ^ ((crc & 0x80) != 0 ? kPolynomial : 0)) & 255;
  }
  return crc;
}

bool IsAdministrators(const Word& word) {
  const absl::string_view name = word.name();
  return word.has_value() &&
         std::none_of(name.begin(), name.end(), [](char c) { return absl::ascii_isupper(c); });
}

std::string Squeezed(absl::string_view text) {
  std::string out;
  for (char c : text) {
    if (!absl::ascii_isspace(c)) out.push_back(absl::ascii_toupper(c));
  }
  return out;
}

bool IsLicenseLine(Keyword keyword) {
  return keyword == Keyword::kFeature || keyword == Keyword::kIncrement ||
         keyword == Keyword::kUpgrade || keyword == Keyword::kPackage;
}

CheckedLine CheckLine(const LogicalLine& line) {
  CheckedLine out;
  out.line = line.words[0].line;
  out.computed = LineChecksum(line);
  for (size_t i = 0; i < line.words.size(); ++i) {
    const Word& word = line.words[i];
    if (i < kEchoWordsMax && !word.has_value() && !IsSignatureWord(line, i)) {
      absl::StrAppend(&out.echo, i == 0 ? "" : " ", word.text);
    }
    if (IsSignatureWord(line, i) && !ParseSign(word.value()).ok()) out.foreign = true;
    if (word.name() != "ck" || !word.has_value()) continue;
    uint32_t number = 0;
    out.bad_number = !absl::SimpleAtoi(word.value(), &number) || number > kChecksumMax;
    if (!out.bad_number) out.ck = number;
  }
  return out;
}

}  // namespace

uint32_t LineChecksum(const LogicalLine& line) {
  uint32_t crc = 0;
  for (size_t i = 0; i < line.words.size(); ++i) {
    const Word& word = line.words[i];
    if (IsAdministrators(word)) continue;
    if (i > 0) crc = Crc8(crc, " ");
    const bool sign = word.has_value() && absl::StartsWith(word.name(), "SIGN");
    crc = Crc8(
        crc, i == 0 ? absl::AsciiStrToUpper(word.text) : (sign ? Squeezed(word.text) : word.text));
  }
  return crc;
}

std::vector<CheckedLine> CheckLines(absl::string_view bytes) {
  std::vector<CheckedLine> out;
  Lexer lexer(bytes);
  LogicalLine line;
  while (lexer.Next(line)) {
    if (IsLicenseLine(line.keyword)) out.push_back(CheckLine(line));
  }
  return out;
}

}  // namespace triad::license
