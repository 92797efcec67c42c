#include "license/lexer.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/limits.h"

namespace triad::license {
namespace {

std::vector<LogicalLine> Lex(absl::string_view text) {
  std::vector<LogicalLine> out;
  Lexer lexer(text);
  LogicalLine line;
  while (lexer.Next(line)) out.push_back(line);
  return out;
}

std::string Words(const LogicalLine& line) {
  return absl::StrJoin(line.words, "|",
                       [](std::string* out, const Word& word) { out->append(word.text); });
}

struct Row {
  const char* fact;
  std::string text;
  std::vector<std::string> lines;  // words with | between
};

TEST(Lexer, ReadsLinesAndWords) {
  const Row rows[] = {
      {"blanks and tabs part words", "FEATURE\tf  v \t1.0\n", {"FEATURE|f|v|1.0"}},
      {"indentation before the keyword", " \tFEATURE f\n", {"FEATURE|f"}},
      {"keywords in any case",
       "feature f\nIncrement g\nsErVeR h\ndaemon d\n",
       {"feature|f", "Increment|g", "sErVeR|h", "daemon|d"}},
      {"any other first word is a comment",
       "# FEATURE f\nDear customer,\n> FEATURE f\nFeatures f\n",
       {}},
      {"a comment does not continue", "# off \\\nFEATURE f\n", {"FEATURE|f"}},
      {"CR LF", "FEATURE f\r\nFEATURE g\r\n", {"FEATURE|f", "FEATURE|g"}},
      {"no final newline", "FEATURE f\nFEATURE g", {"FEATURE|f", "FEATURE|g"}},
      {"empty lines", "\n\r\n  \nFEATURE f\n\n", {"FEATURE|f"}},
      {"empty file", "", {}},
      {"continuation", "FEATURE f \\\n  v \\\n1.0\n", {"FEATURE|f|v|1.0"}},
      {"continuation with CR LF", "FEATURE f \\\r\n  v\r\n", {"FEATURE|f|v"}},
      {"blanks behind the backslash", "FEATURE f \\ \t\n  v\n", {"FEATURE|f|v"}},
      {"indentation parts words", "FEATURE f\\\n  v\n", {"FEATURE|f|v"}},
      {"without indentation nothing is inserted", "FEATURE f\\\noo v\n", {"FEATURE|foo|v"}},
      {"continuation at the end of the file", "FEATURE f \\", {"FEATURE|f"}},
      {"continuation onto an empty line",
       "FEATURE f \\\n\nFEATURE g\n",
       {"FEATURE|f", "FEATURE|g"}},
      {"a backslash elsewhere is a byte", "VENDOR v C:\\bin\\d\n", {"VENDOR|v|C:\\bin\\d"}},
      {"quoted value", "FEATURE NOTICE=\"a  b\tc\" f\n", {"FEATURE|NOTICE=a  b\tc|f"}},
      {"empty quoted value", "FEATURE N=\"\" f\n", {"FEATURE|N=|f"}},
      {"continuation inside quotes: nothing inserted, indentation dropped",
       "FEATURE N=\"ab\\\n \t cd \\\n  ef\" x\n",
       {"FEATURE|N=abcd ef|x"}},
      {"and with CR LF", "FEATURE N=\"ab\\\r\n   cd\" x\r\n", {"FEATURE|N=abcd|x"}},
      {"no escapes in quotes", "FEATURE N=\"a\\\"b\n", {"FEATURE|N=a\\|b"}},
      {"a closing quote ends the word", "FEATURE N=\"a\"M=\"b\"\n", {"FEATURE|N=a|M=b"}},
      {"unquoted values hold = ; : ,", "FEATURE V=a=b;c=d:e,f g\n", {"FEATURE|V=a=b;c=d:e,f|g"}},
      {"Latin-1 bytes", "FEATURE N=\"caf\xe9\" \xfc\n", {"FEATURE|N=caf\xe9|\xfc"}},
      {"byte order mark",
       "\xef\xbb\xbf"
       "FEATURE f\n",
       {"FEATURE|f"}},
      {"a zero byte is a byte",
       std::string("FEATURE f\0g\n", 12),
       {std::string("FEATURE|f\0g", 11)}},
      {"AUTH block in one line",
       "FEATURE AUTH={ v=( k=1 ) } x\n",
       {"FEATURE|AUTH={ v=( k=1 ) }|x"}},
      {"AUTH block over lines, with and without backslash",
       "FEATURE AUTH={ a={1} \\\n b=\"}\"\n c } x\nFEATURE g\n",
       {"FEATURE|AUTH={ a={1}  b=\"}\" c }|x", "FEATURE|g"}},
      {"braces elsewhere are bytes",
       "FEATURE V={a b\nFEATURE g\n",
       {"FEATURE|V={a|b", "FEATURE|g"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    std::vector<std::string> lines;
    for (const LogicalLine& line : Lex(row.text)) lines.push_back(Words(line));
    EXPECT_EQ(lines, row.lines);
  }
}

TEST(Lexer, EveryWordKnowsWhereItStands) {
  const std::string text = "# x\n  FEATURE f \\\n\tN=\"a\\\n  b\" c\nSERVER h\n";
  const std::vector<LogicalLine> lines = Lex(text);
  ASSERT_EQ(lines.size(), 2u);
  const std::vector<Word>& words = lines[0].words;
  ASSERT_EQ(words.size(), 4u);
  const int expected[][2] = {{2, 3}, {2, 11}, {3, 2}, {4, 6}};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(words[i].line, expected[i][0]) << words[i].text;
    EXPECT_EQ(words[i].column, expected[i][1]) << words[i].text;
  }
  EXPECT_EQ(text.substr(words[1].begin, words[1].end - words[1].begin), "f");
  EXPECT_EQ(text.substr(words[2].begin, words[2].end - words[2].begin), "N=\"a\\\n  b\"");
  EXPECT_EQ(words[2].name(), "N");
  EXPECT_EQ(words[2].value(), "ab");
  EXPECT_EQ(lines[1].words[0].line, 5);
}

TEST(Lexer, AnEqualsSignInsideQuotesIsNone) {
  const std::vector<LogicalLine> lines = Lex("FEATURE \"A=b\"\n");
  EXPECT_FALSE(lines[0].words[1].has_value());
  EXPECT_EQ(lines[0].words[1].name(), "A=b");
}

TEST(Lexer, AnOpenQuoteEndsWithItsLineAndIsReported) {
  const std::vector<LogicalLine> lines = Lex("FEATURE f N=\"abc\nFEATURE g\n");
  ASSERT_EQ(lines.size(), 2u);
  ASSERT_TRUE(lines[0].open.has_value());
  EXPECT_EQ(lines[0].open->line, 1);
  EXPECT_EQ(lines[0].open->column, 13);
  EXPECT_EQ(lines[0].open->what, '"');
  EXPECT_FALSE(lines[1].open.has_value());
  EXPECT_EQ(Words(lines[1]), "FEATURE|g");
}

TEST(Lexer, AnOpenAuthBlockEndsBeforeTheNextKeyword) {
  const std::vector<LogicalLine> lines = Lex("FEATURE f AUTH={ a\n b\nFEATURE g\n");
  ASSERT_EQ(lines.size(), 2u);
  ASSERT_TRUE(lines[0].open.has_value());
  EXPECT_EQ(lines[0].open->what, '{');
  EXPECT_FALSE(lines[1].open.has_value());
}

TEST(Lexer, WordsBeyondTheLimitAreLeftOut) {
  std::string text = "FEATURE";
  for (size_t i = 0; i < kWordsPerLineMax + 10; ++i) absl::StrAppend(&text, " x");
  const std::vector<LogicalLine> lines = Lex(text + "\nFEATURE g\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].words.size(), kWordsPerLineMax);
  EXPECT_TRUE(lines[0].too_many_words);
  EXPECT_FALSE(lines[1].too_many_words);
}

TEST(Lexer, ALineMayHaveAnyLength) {
  const std::string value(1 << 20, 'x');
  const std::vector<LogicalLine> lines = Lex(absl::StrCat("FEATURE N=\"", value, "\" y\n"));
  ASSERT_EQ(lines[0].words.size(), 3u);
  EXPECT_EQ(lines[0].words[1].value(), value);
}

TEST(Lexer, FindsTheNearKeyword) {
  EXPECT_EQ(NearKeyword("FEATUER"), "FEATURE");
  EXPECT_EQ(NearKeyword("INCREMNT"), "INCREMENT");
  EXPECT_EQ(NearKeyword("SERVR"), "SERVER");
  EXPECT_EQ(NearKeyword("VENDRO"), "VENDOR");
  EXPECT_EQ(NearKeyword("FEATURE"), "");
  EXPECT_EQ(NearKeyword("LICENSE"), "");
  EXPECT_EQ(NearKeyword(std::string(100000, 'A')), "");
}

}  // namespace
}  // namespace triad::license
