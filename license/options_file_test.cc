#include "license/options_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "license/limits.h"

namespace triad::license {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> Texts(const OptionsFile& file) {
  std::vector<std::string> out;
  for (const Diagnostic& diagnostic : file.diagnostics) out.push_back(diagnostic.ToString());
  return out;
}

OptionsFile Read(absl::string_view bytes) {
  return ReadOptionsFile("acme.opt", bytes);
}

// "KEYWORD number feature:KEY=value TYPE name" of a line.
std::string Shown(const OptionLine& line) {
  std::string out(OptionName(line.option));
  absl::StrAppend(&out, " ", line.number, " [", line.spec.feature, "|", line.spec.keyword, "|",
                  line.spec.value, "]");
  if (!line.name.empty()) absl::StrAppend(&out, " ", SubjectTypeName(line.type), " ", line.name);
  return out;
}

TEST(OptionsFile, ReadsEveryOptionTypeAndFeatureSpec) {
  struct Row {
    const char* fact;  // flexnet-facts 2
    const char* line;
    const char* means;
  };
  const Row rows[] = {
      {"RESERVE n feature type name", "RESERVE 3 f USER ann", "RESERVE 3 [f||] USER ann"},
      {"MAX n feature type name", "MAX 0 f GROUP ALL_GROUPS", "MAX 0 [f||] GROUP ALL_GROUPS"},
      {"INCLUDE feature type name", "INCLUDE f HOST pc1", "INCLUDE 0 [f||] HOST pc1"},
      {"INCLUDEALL type name", "INCLUDEALL PROJECT moon", "INCLUDEALL 0 [||] PROJECT moon"},
      {"EXCLUDE feature type name", "EXCLUDE f DISPLAY :0.0", "EXCLUDE 0 [f||] DISPLAY :0.0"},
      {"EXCLUDEALL type name", "EXCLUDEALL INTERNET 195.186.*.*",
       "EXCLUDEALL 0 [||] INTERNET 195.186.*.*"},
      {"INCLUDE_BORROW", "INCLUDE_BORROW f USER ann", "INCLUDE_BORROW 0 [f||] USER ann"},
      {"EXCLUDE_BORROW", "EXCLUDE_BORROW f USER ann", "EXCLUDE_BORROW 0 [f||] USER ann"},
      {"BORROW_LOWWATER feature n", "BORROW_LOWWATER f 3", "BORROW_LOWWATER 3 [f||]"},
      {"MAX_BORROW_HOURS feature h", "MAX_BORROW_HOURS f 24", "MAX_BORROW_HOURS 24 [f||]"},
      {"MAX_OVERDRAFT feature n", "MAX_OVERDRAFT f 2", "MAX_OVERDRAFT 2 [f||]"},
      {"TIMEOUT feature secs", "TIMEOUT f 1200", "TIMEOUT 1200 [f||]"},
      {"TIMEOUTALL secs", "TIMEOUTALL 1200", "TIMEOUTALL 1200 [||]"},
      {"LINGER feature secs", "LINGER f 60", "LINGER 60 [f||]"},
      {"keywords in any case", "reserve 3 f user ann", "RESERVE 3 [f||] USER ann"},
      {"names keep their case", "INCLUDE F USER Ann", "INCLUDE 0 [F||] USER Ann"},
      {"tabs and blanks", "\t RESERVE\t3  f\tUSER ann \t", "RESERVE 3 [f||] USER ann"},
      {"`\\` continues", "RESERVE 3 f \\\n  USER \\\n ann", "RESERVE 3 [f||] USER ann"},
      {"CRLF", "RESERVE 3 f \\\r\nUSER ann\r\n", "RESERVE 3 [f||] USER ann"},
      {"trailing comment", "RESERVE 3 f USER ann # till june", "RESERVE 3 [f||] USER ann"},
      {"Latin-1", "EXCLUDE f USER j\xf6rg", "EXCLUDE 0 [f||] USER j\xf6rg"},
      {"IPv6", "INCLUDE f INTERNET fec0::*", "INCLUDE 0 [f||] INTERNET fec0::*"},
      {"HOST as an address with `*`", "MAX 1 f HOST 10.0.*.*", "MAX 1 [f||] HOST 10.0.*.*"},
      {"a DISPLAY may have blanks", "INCLUDE f DISPLAY \"tty 1\"", "INCLUDE 0 [f||] DISPLAY tty 1"},
      {"HOST_GROUP", "INCLUDE f HOST_GROUP lab", "INCLUDE 0 [f||] HOST_GROUP lab"},
      {"feature:KEYWORD=value", "MAX 1 f:VERSION=2.0 USER ann", "MAX 1 [f|VERSION|2.0] USER ann"},
      {"\"feature KEYWORD=value\"", "MAX 1 \"f VERSION=2.0\" USER ann",
       "MAX 1 [f|VERSION|2.0] USER ann"},
      {"a name with a colon, quoted", "MAX 1 \"a:b VERSION=2.0\" USER ann",
       "MAX 1 [a:b|VERSION|2.0] USER ann"},
      {"a name with a colon, alone", "MAX 1 a:b USER ann", "MAX 1 [a:b||] USER ann"},
      {"a value with blanks", "MAX 1 f:NOTICE=\"x y\" USER ann", "MAX 1 [f|NOTICE|x y] USER ann"},
      {"a value with blanks, all quoted", "LINGER \"f NOTICE=xy\" 5", "LINGER 5 [f|NOTICE|xy]"},
      {"HOSTID", "LINGER f:HOSTID=0019d1aabbcc 5", "LINGER 5 [f|HOSTID|0019d1aabbcc]"},
      {"EXPDATE", "LINGER f:EXPDATE=31-dec-2026 5", "LINGER 5 [f|EXPDATE|31-dec-2026]"},
      {"KEY", "LINGER f:KEY=ABC 5", "LINGER 5 [f|KEY|ABC]"},
      {"SIGN", "LINGER f:SIGN=ABC= 5", "LINGER 5 [f|SIGN|ABC=]"},
      {"ISSUER", "LINGER f:issuer=us 5", "LINGER 5 [f|ISSUER|us]"},
      {"VENDOR_STRING", "LINGER f:VENDOR_STRING=a:b=c 5", "LINGER 5 [f|VENDOR_STRING|a:b=c]"},
      {"dist_info", "LINGER f:dist_info=x 5", "LINGER 5 [f|dist_info|x]"},
      {"user_info", "LINGER f:USER_INFO=x 5", "LINGER 5 [f|user_info|x]"},
      {"asset_info", "LINGER f:asset_info=x 5", "LINGER 5 [f|asset_info|x]"},
      {"SN", "LINGER f:SN=7 5", "LINGER 5 [f|SN|7]"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const OptionsFile file = Read(row.line);
    EXPECT_THAT(Texts(file), IsEmpty());
    ASSERT_THAT(file.lines, SizeIs(1));
    EXPECT_EQ(Shown(file.lines[0]), row.means);
  }
}

TEST(OptionsFile, GroupsAccumulate) {
  const OptionsFile file = Read(
      "# who is who\nGROUP ops ann bob\nHOST_GROUP lab pc1 pc* 10.0.0.*\nINCLUDE f GROUP ops\n"
      "group ops bob cec \\\n   dan # and more\n");
  EXPECT_THAT(Texts(file), IsEmpty());
  ASSERT_THAT(file.groups, SizeIs(2));
  ASSERT_NE(file.FindGroup("ops", false), nullptr);
  EXPECT_THAT(file.FindGroup("ops", false)->members, ElementsAre("ann", "bob", "cec", "dan"));
  EXPECT_EQ(file.FindGroup("ops", false)->position.line, 2);
  ASSERT_NE(file.FindGroup("lab", true), nullptr);
  EXPECT_THAT(file.FindGroup("lab", true)->members, ElementsAre("pc1", "pc*", "10.0.0.*"));
  EXPECT_EQ(file.FindGroup("Ops", false), nullptr);
  EXPECT_EQ(file.FindGroup("ops", true), nullptr);
}

TEST(OptionsFile, Settings) {
  const OptionsFile file = Read(
      "GROUPCASEINSENSITIVE ON\nFQDN_MATCHING lenient\nNOLOG IN\nNOLOG denied\nNOLOG IN\n"
      "DEBUGLOG +/var/log/acme.log AUTO_ROLLOVER 10\nREPORTLOG +/var/log/acme.rl HIDE_USER\n"
      "MAX_CONNECTIONS 500");
  EXPECT_THAT(Texts(file), IsEmpty());
  EXPECT_TRUE(file.settings.group_case_insensitive);
  EXPECT_TRUE(file.settings.fqdn_lenient);
  EXPECT_THAT(file.settings.no_log, ElementsAre("IN", "DENIED"));
  ASSERT_TRUE(file.settings.debug_log);
  EXPECT_EQ(file.settings.debug_log->path, "/var/log/acme.log");
  EXPECT_TRUE(file.settings.debug_log->append);
  EXPECT_EQ(file.settings.debug_log->rollover_mb, 10u);
  ASSERT_TRUE(file.settings.report_log);
  EXPECT_EQ(file.settings.report_log->path, "/var/log/acme.rl");
  EXPECT_TRUE(file.settings.report_log->hide_user);
  EXPECT_EQ(file.settings.max_connections, 500u);
  EXPECT_EQ(file.settings.automatic_reread, std::nullopt);
}

TEST(OptionsFile, DefaultsAreTheFields) {
  const OptionsFile file = Read("");
  EXPECT_FALSE(file.settings.group_case_insensitive);
  EXPECT_FALSE(file.settings.fqdn_lenient);
  EXPECT_EQ(file.settings.max_connections, 0u);
  EXPECT_FALSE(file.settings.report_log);
}

TEST(OptionsFile, SaysWhatIsWrongWhereAndWhatToDo) {
  struct Row {
    const char* fact;
    const char* text;
    const char* place;
    const char* says;
  };
  const Row rows[] = {
      {"the near keyword", "EXLCUDE f USER ann", "1:1: error", "did you mean EXCLUDE?"},
      {"the keyword that does not exist", "\nUSERCASEINSENSITIVE ON", "2:1: error",
       "did you mean GROUPCASEINSENSITIVE?"},
      {"prose is not ignored", "hello there", "1:1: error", "`hello` is no keyword"},
      {"a line that ends early", "RESERVE 3 f USER", "1:13: error", "RESERVE number feature TYPE"},
      {"LINGER without a feature", "LINGER 0", "1:8: error", "LINGER feature seconds"},
      {"TIMEOUT without a feature", "TIMEOUT 0", "1:9: error", "TIMEOUT feature seconds"},
      {"not a number", "MAX many f USER ann", "1:5: error", "`many` is not a number"},
      {"a negative number", "MAX -1 f USER ann", "1:5: error", "`-1` is not a number"},
      {"a number too large", "MAX 99999999999999999999 f USER ann", "1:5: error", "not a number"},
      {"no such type", "EXCLUDE f USERS ann", "1:11: error", "`USERS` is no type"},
      {"a user with blanks", "EXCLUDE f USER John Smith", "1:21: error", "one USER, without"},
      {"a quoted user with blanks", "EXCLUDE f USER \"John Smith\"", "1:16: error", "has a blank"},
      {"not an address", "EXCLUDE f INTERNET pc1", "1:20: error", "is not an address"},
      {"no such selector", "MAX 1 f:VERSOIN=1 USER ann", "1:7: error", "`VERSOIN`"},
      {"a selector without a value", "MAX 1 f:VERSION= USER ann", "1:7: error", "has no value"},
      {"a quote not closed", "MAX 1 \"f USER ann", "1:7: error", "is not closed"},
      {"a group without members", "GROUP ops", "1:1: error", "GROUP ops has no members"},
      {"a group in a group", "GROUP a ann\nGROUP b a", "2:1: warning", "groups do not hold groups"},
      {"commas", "GROUP a ann,bob", "1:9: warning", "separated by blanks"},
      {"`\\` that is not last", "GROUP a ann \\ # x\nGROUP a bob", "1:13: warning", "very end"},
      {"ON or OFF", "GROUPCASEINSENSITIVE YES", "1:22: error", "neither ON nor OFF"},
      {"EXACT or LENIENT", "FQDN_MATCHING ON", "1:15: error", "neither EXACT nor LENIENT"},
      {"an unknown event", "NOLOG ALL", "1:7: error", "no event of the log"},
      {"one event a line", "NOLOG IN OUT", "1:10: error", "one word too many"},
      {"REPORTLOG without +", "REPORTLOG r.rl", "1:11: warning", "begins anew at every start"},
      {"what does not belong", "REPORTLOG +r.rl OBF_ADDMARK", "1:17: error", "does not belong"},
      {"obfuscation", "DEBUGLOG +d.log OBF_ADDMARK", "1:17: note", "nothing in the log"},
      {"no nightly reread", "AUTOMATIC_REREAD OFF", "1:1: note", "triad reread"},
      {"not used", "DAEMON_SELECT_TIMEOUT 5", "1:1: note", "nothing to act on"},
      {"trusted storage", "INCLUDE_ENTITLEMENT x USER a", "1:1: warning", "trusted storage"},
      {"trusted storage", "EXCLUDEALL_ENTITLEMENT USER a", "1:1: warning", "trusted storage"},
      {"trusted storage", "ACTIVATION_LOWWATER x 3", "1:1: warning", "trusted storage"},
      {"trusted storage", "ACTIVATION_EXPIRY_DAYS x 3", "1:1: warning", "trusted storage"},
      {"trusted storage", "INCLUDEALL_ENTITLEMENT USER a", "1:1: warning", "trusted storage"},
      {"trusted storage", "EXCLUDE_ENTITLEMENT x USER a", "1:1: warning", "trusted storage"},
      {"no connections", "MAX_CONNECTIONS 0", "1:17: error", "serve nobody"},
      {"set twice", "FQDN_MATCHING EXACT\nFQDN_MATCHING LENIENT", "2:1: warning", "in line 1"},
      {"reserves nothing", "RESERVE 0 f USER ann", "1:9: warning", "reserves no licenses"},
      {"TYPE of a continued line", "EXCLUDE f \\\n   NOBODY x", "2:4: error",
       "`NOBODY` is no type"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(absl::StrCat(row.fact, ": ", row.text));
    const std::vector<std::string> texts = Texts(Read(row.text));
    ASSERT_FALSE(texts.empty());
    EXPECT_THAT(texts[0], HasSubstr(absl::StrCat("acme.opt:", row.place, ": ")));
    EXPECT_THAT(texts[0], HasSubstr(row.says));
  }
}

TEST(OptionsFile, ABadLineTakesNoOtherWithIt) {
  const OptionsFile file = Read("MAX 1 f USER a\nMAX x f USER b\nMAX 3 f USER c");
  ASSERT_THAT(file.lines, SizeIs(2));
  EXPECT_EQ(file.lines[1].name, "c");
  EXPECT_EQ(file.lines[1].position.line, 3);
  EXPECT_EQ(file.lines[1].name_position.column, 14);
}

TEST(OptionsFile, ALineMayBeLong) {
  std::string text = "GROUP ops";
  for (int i = 0; i < 4000; ++i) absl::StrAppend(&text, " user", i);
  const OptionsFile file = Read(text);
  EXPECT_THAT(Texts(file), IsEmpty());
  EXPECT_THAT(file.groups[0].members, SizeIs(4000));
  for (size_t i = 0; i < kWordsPerLineMax; ++i) absl::StrAppend(&text, " u", i);
  EXPECT_THAT(Texts(Read(text)), ElementsAre(HasSubstr("words in one line")));
}

TEST(OptionsFile, BytesOfAnyKindAreRead) {
  std::string text;
  for (int i = 0; i < 256; ++i) text.push_back(static_cast<char>(i));
  EXPECT_FALSE(Texts(Read(absl::StrCat(text, "\n\"\n\\\n", text))).empty());
}

}  // namespace
}  // namespace triad::license
