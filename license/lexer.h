// Bytes of a license or options file -> logical lines of words (flexnet-facts 1.1, 2).
//
// It knows keywords, quotes, continuations and AUTH blocks, and nothing of what the words mean.
// Every word keeps its byte range in the file, so that SignText can change single words and leave
// every other byte alone. Linear in the input, whatever it holds.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace triad::license {

// What a line's first word makes of it. Anything that is not a keyword is a comment.
enum class Keyword {
  kComment,
  kServer,
  kVendor,  // or DAEMON
  kUseServer,
  kFeature,
  kIncrement,
  kUpgrade,
  kPackage,
  kFeatureSet,
  kOption,  // a line of an options file, whatever its first word
};

enum class Dialect {
  kLicense,
  // Every line that does not begin with `#` counts, and `#` at a word's start makes the rest of the
  // physical line a comment.
  kOptions,
};

struct Word {
  std::string text;                   // without quotes; continuations joined
  size_t equals = std::string::npos;  // in text, of the first `=` outside quotes
  size_t begin = 0;                   // bytes in the file: [begin, end)
  size_t end = 0;
  int line = 1;
  int column = 1;

  bool has_value() const { return equals != std::string::npos; }
  absl::string_view name() const { return absl::string_view(text).substr(0, equals); }
  absl::string_view value() const {
    return has_value() ? absl::string_view(text).substr(equals + 1) : absl::string_view();
  }
};

struct LogicalLine {
  Keyword keyword = Keyword::kComment;
  // words[0] is the first word as written. A comment has words only if its first word is all
  // upper-case and short (a mistyped keyword, perhaps); it is never continued.
  std::vector<Word> words;
  // Where a quote or an AUTH={ stands that the line does not close.
  struct Open {
    int line = 1;
    int column = 1;
    char what = '"';
  };
  std::optional<Open> open;
  bool too_many_words = false;  // words beyond kWordsPerLineMax are left out
};

class Lexer {
 public:
  // `bytes` must outlive the lexer.
  explicit Lexer(absl::string_view bytes, Dialect dialect = Dialect::kLicense);

  // The next line that is not empty; false at the end of the file.
  bool Next(LogicalLine& line);

 private:
  struct Physical {
    size_t begin = 0;
    size_t end = 0;          // without line end, `\` and blanks behind it
    size_t next = 0;         // where the next line begins
    bool continued = false;  // ends in `\`
  };
  Physical PhysicalAt(size_t begin) const;
  Keyword KeywordAt(const Physical& line) const;
  bool MayBeMistyped(const Physical& line) const;
  absl::string_view FirstWord(const Physical& line) const;
  void LexComment(Physical physical, LogicalLine& line);
  void LexKeywordLine(Physical physical, LogicalLine& line);
  bool GoesOn(const Physical& physical) const;
  void LexPhysical(const Physical& physical, LogicalLine& line);
  void Take(size_t at, char c);
  void EndWord(LogicalLine& line);

  absl::string_view bytes_;
  Dialect dialect_;
  bool commented_ = false;  // the physical line last read ends in a comment
  size_t position_ = 0;
  int line_number_ = 1;

  // The word being read; it may run over several physical lines.
  Word word_;
  bool in_word_ = false;
  bool in_quote_ = false;
  int depth_ = 0;  // of braces, in AUTH={...}
  LogicalLine::Open opened_;
};

// "SERVER", "DAEMON", "feature", ...: in any case. kComment: none.
Keyword FindKeyword(absl::string_view word);

// Every keyword that begins a line, as the table has it.
std::vector<absl::string_view> LicenseKeywords();

// The keyword that `word` is nearly (edit distance 1 or 2); "": none.
absl::string_view NearKeyword(absl::string_view word);

}  // namespace triad::license
