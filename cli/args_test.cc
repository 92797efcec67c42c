#include "cli/args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace triad::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const FlagTable& Table() {
  static const auto* table = new FlagTable{{"c", Takes::kValue},
                                           {"f", Takes::kValue, true},
                                           {"up-to"},
                                           {"hold", Takes::kValue},
                                           {"S", Takes::kOptionalValue}};
  return *table;
}

Args Parse(const std::vector<std::string>& arguments, Words words = Words::kNone) {
  const auto args = ParseArgs(Table(), words, arguments);
  EXPECT_TRUE(args.ok()) << args.status();
  return args.ok() ? *args : Args();
}

std::string Refusal(const std::vector<std::string>& arguments) {
  return std::string(ParseArgs(Table(), Words::kNone, arguments).status().message());
}

TEST(Args, AValueStandsBehindAnEqualsSignOrInTheNextArgument) {
  EXPECT_EQ(Parse({"--hold=5"}).Value("hold"), "5");
  EXPECT_EQ(Parse({"--hold", "5"}).Value("hold"), "5");
  EXPECT_EQ(Parse({"-hold", "5"}).Value("hold"), "5");
  EXPECT_EQ(Parse({"-c", "27000@a=b"}).Value("c"), "27000@a=b");
  EXPECT_EQ(Parse({"-c=27000@a"}).Value("c"), "27000@a");
}

TEST(Args, UnderscoresAndHyphensMeanTheSame) {
  EXPECT_TRUE(Parse({"--up_to"}).Has("up-to"));
  EXPECT_TRUE(Parse({"--up-to"}).Has("up-to"));
  EXPECT_FALSE(Parse({}).Has("up-to"));
}

TEST(Args, AFlagThatRepeatsKeepsAllItsValuesInOrder) {
  EXPECT_THAT(Parse({"-f", "a", "-f=b"}).Values("f"), ElementsAre("a", "b"));
  EXPECT_THAT(Refusal({"-c", "a", "-c", "b"}), HasSubstr("-c is given twice"));
}

TEST(Args, WhatIsWrongIsNamed) {
  EXPECT_THAT(Refusal({"--wait"}), HasSubstr("unknown flag: --wait"));
  EXPECT_THAT(Refusal({"-c"}), HasSubstr("-c needs a value"));
  EXPECT_THAT(Refusal({"--hold="}), HasSubstr("--hold needs a value"));
  EXPECT_THAT(Refusal({"--up-to=3"}), HasSubstr("takes no value"));
  EXPECT_THAT(Refusal({"word"}), HasSubstr("unexpected argument: word"));
}

TEST(Args, AnOptionalValueIsNotTakenFromTheNextFlag) {
  EXPECT_EQ(Parse({"-S", "genesys.d"}).Value("S"), "genesys.d");
  const Args args = Parse({"-S", "-c", "x"});
  EXPECT_TRUE(args.Has("S"));
  EXPECT_EQ(args.Value("S"), "");
  EXPECT_EQ(args.Value("c"), "x");
  EXPECT_EQ(Parse({"-S"}).Value("S"), "");
}

TEST(Args, ACommandIsNotRead) {
  const Args dashed = Parse({"-f", "a", "--", "-x", "--hold=3"}, Words::kCommand);
  EXPECT_THAT(dashed.words(), ElementsAre("-x", "--hold=3"));
  const Args bare = Parse({"-f", "a", "sleep", "-x"}, Words::kCommand);
  EXPECT_THAT(bare.words(), ElementsAre("sleep", "-x"));
  EXPECT_THAT(bare.Values("f"), ElementsAre("a"));
}

TEST(Args, WordsMayStandBetweenFlags) {
  EXPECT_THAT(Parse({"a", "--hold=1", "b", "--", "-c"}, Words::kAny).words(),
              ElementsAre("a", "b", "-c"));
}

TEST(Args, FlagsBeforeTheVerbAreItsToo) {
  const auto line = SplitVerb(Table(), {"-c", "27000@h", "checkout", "-f", "x"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->verb, "checkout");
  EXPECT_THAT(line->arguments, ElementsAre("-c", "27000@h", "-f", "x"));
  EXPECT_FALSE(SplitVerb(Table(), {"--nothing", "checkout"}).ok());
  const auto none = SplitVerb(Table(), {"-c", "x"});
  ASSERT_TRUE(none.ok());
  EXPECT_THAT(none->verb, IsEmpty());
}

TEST(Args, AFeatureArgumentIsReadFromItsEnd) {
  EXPECT_EQ(ParseFeatureArgument("f")->feature, "f");
  EXPECT_FALSE(ParseFeatureArgument("f")->count.has_value());
  EXPECT_EQ(*ParseFeatureArgument("f:3")->count, 3u);
  EXPECT_EQ(*ParseFeatureArgument("f:3:8.1")->version, "8.1");
  EXPECT_EQ(*ParseFeatureArgument("f:3:8.1")->count, 3u);
  EXPECT_EQ(ParseFeatureArgument("a:b:3")->feature, "a:b");
  EXPECT_EQ(ParseFeatureArgument("a:b:3:8.1")->feature, "a:b");
}

TEST(Args, AFeatureArgumentThatIsWrongIsRefused) {
  for (const char* wrong :
       {"", ":3", "f:", "f:0", "f:-1", "f:x", "f:3:8.x", "f:99999999999999999999"})
    EXPECT_FALSE(ParseFeatureArgument(wrong).ok()) << wrong;
}

TEST(Args, ACountIsANumberFromOneOn) {
  EXPECT_EQ(*ParseCount("1000000000000"), 1'000'000'000'000u);
  for (const char* wrong : {"", "0", "-1", "+1", " 1", "1.5", "0x10"})
    EXPECT_FALSE(ParseCount(wrong).ok()) << wrong;
}

TEST(Args, ATimeIsInSecondsUnlessItSays) {
  EXPECT_EQ(*ParseSeconds("0"), 0);
  EXPECT_EQ(*ParseSeconds("2.5"), 2500);
  EXPECT_EQ(*ParseSeconds("500ms"), 500);
  EXPECT_EQ(*ParseSeconds("1h"), 3'600'000);
  for (const char* wrong : {"", "-1", "x", "1d", "inf", "9999999999"})
    EXPECT_FALSE(ParseSeconds(wrong).ok()) << wrong;
}

}  // namespace
}  // namespace triad::cli
