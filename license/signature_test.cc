#include "license/signature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/digest.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using testing::FixedKey;
using ::testing::HasSubstr;
using testing::KeysOf;
using testing::SignedByAcme;

constexpr absl::string_view kServers =
    "SERVER a 0019d1aabbcc 27010\nSERVER b ID=1234 27010\nSERVER c ANY 27010\n";
constexpr absl::string_view kLine =
    "INCREMENT f acme 8.0 31-dec-2026 5 HOSTID=0019d1aabbcc SN=\"a b\" START=1-jan-2020 "
    "user_info=x";

LicenseFile FileOf(absl::string_view servers, absl::string_view line) {
  LicenseFile file = ReadLicenseFile("f", absl::StrCat(servers, line, "\n"));
  EXPECT_EQ(file.features.size(), 1u) << line;
  return file;
}

std::string Canonical(absl::string_view servers, absl::string_view line) {
  const LicenseFile file = FileOf(servers, line);
  return CanonicalForm(file.features.at(0), file.servers);
}

// Other people hold signatures over these bytes: they must never change.
TEST(CanonicalForm, IsExactlyThis) {
  EXPECT_EQ(
      Canonical(kServers, kLine),
      "20:triad license line 1,9:INCREMENT,1:f,4:acme,1:8,11:31-dec-2026,1:5,1:3,6:HOSTID,"
      "12:0019d1aabbcc,2:SN,3:a b,5:START,10:1-jan-2020,1:3,12:0019d1aabbcc,7:ID=1234,3:ANY,");
  EXPECT_EQ(Canonical("", "FEATURE f acme 1.50 permanent uncounted HOSTID=\"any ID=1-2\" TS_OK"),
            "20:triad license line 1,7:FEATURE,1:f,4:acme,3:1.5,9:permanent,9:uncounted,1:2,"
            "6:HOSTID,9:ANY ID=12,5:TS_OK,0:,1:0,");
}

TEST(CanonicalForm, DoesNotDependOnWhatTheCustomerMayEdit) {
  struct Row {
    const char* fact;
    const char* servers;
    const char* line;
  };
  const char* servers = kServers.data();
  const Row rows[] = {
      {"hosts, ports and words behind them",
       "SERVER x 0019D1AABBCC 1 PRIMARY_IS_MASTER\nSERVER y ID=12-34 2\nserver z any 3\n",
       kLine.data()},
      {"VENDOR lines and comments",
       "SERVER a 0019d1aabbcc 1\nSERVER b ID=1234 1\nSERVER c ANY 1\nVENDOR acme /p PORT=1\n# x\n",
       kLine.data()},
      {"lower-case attributes", servers,
       "INCREMENT f acme 8.0 31-dec-2026 5 HOSTID=0019d1aabbcc SN=\"a b\" START=1-jan-2020 sort=3"},
      {"layout", servers,
       "increment\tf  acme 8.0 31-dec-2026 \\\n 5 HOSTID=0019d1aabbcc \\\n\tSN=\"a \\\n  \\\n b\" "
       "START=1-jan-2020"},
      {"order of attributes", servers,
       "INCREMENT f acme 8.0 31-dec-2026 5 START=1-jan-2020 SN=\"a b\" HOSTID=0019d1aabbcc"},
      {"quotes that are not needed", servers,
       "INCREMENT f acme 8.0 31-dec-2026 5 HOSTID=\"0019d1aabbcc\" SN=\"a b\" "
       "START=\"1-jan-2020\""},
      {"forms of numbers, dates and host ids", servers,
       "INCREMENT f acme 08.00 31-DEC-2026 005 HOSTID=0019D1AABBCC SN=\"a b\" START=01-JAN-2020"},
      {"signatures", servers,
       "INCREMENT f acme 8.0 31-dec-2026 5 0123456789AB HOSTID=0019d1aabbcc SN=\"a b\" "
       "START=1-jan-2020 SIGN=1 SIGN2=2 AUTH={ x }"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    EXPECT_EQ(Canonical(row.servers, row.line), Canonical(kServers, kLine));
  }
  const char* permanent[] = {"permanent", "PERMANENT", "1-jan-0", "31-dec-00", "01-jan-0000"};
  for (const char* expiry : permanent) {
    EXPECT_EQ(Canonical(kServers, absl::StrCat("FEATURE f acme 1 ", expiry, " 5")),
              Canonical(kServers, "FEATURE f acme 1 permanent 5"))
        << expiry;
  }
  EXPECT_EQ(Canonical(kServers, "FEATURE f acme 1 permanent 0 HOSTID=ANY"),
            Canonical(kServers, "FEATURE f acme 1 permanent uncounted HOSTID=ANY"));
}

TEST(CanonicalForm, DiffersWhereTheMeaningDiffers) {
  struct Row {
    const char* fact;
    const char* servers;
    const char* line;
  };
  const char* servers = kServers.data();
  const Row rows[] = {
      {"as it is", servers, kLine.data()},
      {"keyword", servers, "FEATURE f acme 8.0 31-dec-2026 5 HOSTID=0019d1aabbcc SN=\"a b\""},
      {"plain", servers, "INCREMENT f acme 8.0 31-dec-2026 5"},
      {"feature", servers, "INCREMENT F acme 8.0 31-dec-2026 5"},
      {"a byte moved between feature and vendor", servers, "INCREMENT fa cme 8.0 31-dec-2026 5"},
      {"vendor", servers, "INCREMENT f acm 8.0 31-dec-2026 5"},
      {"version", servers, "INCREMENT f acme 8.1 31-dec-2026 5"},
      {"version ten times as high", servers, "INCREMENT f acme 80 31-dec-2026 5"},
      {"day", servers, "INCREMENT f acme 8.0 30-dec-2026 5"},
      {"two-digit year", servers, "INCREMENT f acme 8.0 31-dec-26 5"},
      {"permanent", servers, "INCREMENT f acme 8.0 permanent 5"},
      {"count", servers, "INCREMENT f acme 8.0 31-dec-2026 50"},
      {"uncounted", servers, "INCREMENT f acme 8.0 31-dec-2026 0 HOSTID=0019d1aabbcc"},
      {"host id", servers, "INCREMENT f acme 8.0 31-dec-2026 5 HOSTID=0019d1aabbcd"},
      {"one host id more", servers, "INCREMENT f acme 8.0 31-dec-2026 5 HOSTID=\"ANY ID=1\""},
      {"attribute", servers, "INCREMENT f acme 8.0 31-dec-2026 5 SN=\"a  b\""},
      {"name of an attribute", servers, "INCREMENT f acme 8.0 31-dec-2026 5 SM=\"a b\""},
      {"attribute in mixed case", servers, "INCREMENT f acme 8.0 31-dec-2026 5 Sn=\"a b\""},
      {"START", servers, "INCREMENT f acme 8.0 31-dec-2026 5 START=1-jan-2021"},
      {"an attribute that looks like two", servers,
       "INCREMENT f acme 8.0 31-dec-2026 5 SN=\"1,2:TZ,1:x\""},
      {"the two", servers, "INCREMENT f acme 8.0 31-dec-2026 5 SN=1 TZ=x"},
      {"SERVER host id", "SERVER a 0019d1aabbcd 1\nSERVER b ID=1234 1\nSERVER c ANY 1\n",
       "INCREMENT f acme 8.0 31-dec-2026 5"},
      {"order of SERVER lines", "SERVER b ID=1234 1\nSERVER a 0019d1aabbcc 1\nSERVER c ANY 1\n",
       "INCREMENT f acme 8.0 31-dec-2026 5"},
      {"one SERVER line", "SERVER a 0019d1aabbcc 1\n", "INCREMENT f acme 8.0 31-dec-2026 5"},
      {"no SERVER line", "", "INCREMENT f acme 8.0 31-dec-2026 5"},
  };
  std::set<std::string> seen;
  for (const Row& row : rows) {
    EXPECT_TRUE(seen.insert(Canonical(row.servers, row.line)).second) << row.fact;
  }
}

TEST(Signature, EveryVerdictIsGivenAndExplained) {
  const std::string good = SignedByAcme(absl::StrCat(kServers, kLine, "\n"));
  const size_t at = good.find("SIGN=\"") + 6;
  const std::string sign = good.substr(at, good.rfind('"') - at);
  std::string wrong = sign;
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  std::string other_id = sign;
  other_id.replace(3, 8, "00000000");
  std::string blanks;
  for (char c : sign) absl::StrAppend(&blanks, std::string(1, absl::ascii_tolower(c)), " ");
  const std::string bare = absl::StrCat(kLine, " SIGN=\"");
  struct Row {
    const char* fact;
    std::string line;
    Verdict verdict;
    std::string says;
  };
  const std::string foreign = "signed for FlexNet, not for Triad: ask acme for a Triad-signed file";
  const Row rows[] = {
      {"as signed", bare + sign + "\"", Verdict::kGood, "good"},
      {"lower case, other blanks", bare + blanks + "\"", Verdict::kGood, "good"},
      {"with FlexNet's second signature beside", bare + sign + "\" SIGN2=12", Verdict::kGood,
       "good"},
      {"no SIGN", std::string(kLine), Verdict::kUnsigned, "not signed: ask acme"},
      {"SIGN=0", bare + "0\"", Verdict::kUnsigned, "not signed: ask acme"},
      {"SIGN=", bare + "\"", Verdict::kUnsigned, "not signed: ask acme"},
      {"FlexNet's SIGN", bare + "0778 0B1A 5F3D\"", Verdict::kForeign, foreign},
      {"FlexNet's key", "FEATURE f acme 1 permanent 5 99E82D1B9A64", Verdict::kForeign, foreign},
      {"SIGN2", "FEATURE f acme 1 permanent 5 SIGN2=12", Verdict::kForeign, foreign},
      {"AUTH", "FEATURE f acme 1 permanent 5 AUTH={ x }", Verdict::kForeign, foreign},
      {"digit changed", bare + wrong + "\"", Verdict::kWrong, "signature does not fit"},
      {"digit lost", bare + sign.substr(0, sign.size() - 1) + "\"", Verdict::kMalformed,
       "SIGN= is damaged"},
      {"digit too many", bare + sign + "0\"", Verdict::kMalformed, "SIGN= is damaged"},
      {"no hex", bare + "T1 xyz\"", Verdict::kMalformed, "SIGN= is damaged"},
      {"key not installed", bare + other_id + "\"", Verdict::kUnknownKey,
       "signed with key 00000000 of acme, which is not installed"},
      {"vendor without keys", "FEATURE f other 1 permanent 5 SIGN=\"" + sign + "\"",
       Verdict::kUnknownVendor, "no public key of other is installed"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    const LicenseFile file = FileOf(kServers, row.line);
    const Verdict verdict = Verify(file.features[0], file.servers, KeysOf({FixedKey("acme")}));
    EXPECT_EQ(verdict, row.verdict);
    EXPECT_THAT(Explain(verdict, file.features[0]), HasSubstr(row.says));
    if (row.verdict == Verdict::kForeign) {
      EXPECT_EQ(Explain(verdict, file.features[0]), foreign);
    }
  }
}

TEST(Signature, AVendorMayHaveOldAndNewKeys) {
  const NamedPrivateKey first = FixedKey("acme", '1');
  const NamedPrivateKey second = FixedKey("acme", '2');
  const std::string text = absl::StrCat(kServers, kLine, "\n");
  for (const NamedPrivateKey& key : {first, second}) {
    const LicenseFile file = ReadLicenseFile("f", SignText("f", text, key).value());
    EXPECT_EQ(Verify(file.features[0], file.servers, KeysOf({first, second})), Verdict::kGood);
    EXPECT_EQ(Verify(file.features[0], file.servers, KeysOf({second, first})), Verdict::kGood);
    EXPECT_EQ(Verify(file.features[0], file.servers, KeysOf({FixedKey("acme", '3')})),
              Verdict::kUnknownKey);
  }
}

TEST(Signature, AnotherVendorsKeyProvesNothing) {
  // evil signs acme's line with its own key and id.
  const NamedPrivateKey evil{"acme", FixedKey("evil", '6').keys};
  const LicenseFile file =
      ReadLicenseFile("f", SignText("f", absl::StrCat(kServers, kLine, "\n"), evil).value());
  const VendorKeys keys = KeysOf({FixedKey("acme"), FixedKey("evil", '6')});
  EXPECT_EQ(Verify(file.features[0], file.servers, keys), Verdict::kUnknownKey);
}

// RFC 8032, 7.1, tests 2 and 3.
TEST(Signature, IsEd25519) {
  struct Row {
    const char* seed;
    const char* public_key;
    const char* message;
    const char* signature;
  };
  const Row rows[] = {
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f"
       "1"
       "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984"
       "d"
       "c6594a7c15e9716ed28dc027beceea1ec40a"},
  };
  for (const Row& row : rows) {
    absl::StatusOr<NamedPrivateKey> key =
        ParsePrivateKey("k", absl::StrCat("triad-private-key v ", row.seed));
    ASSERT_TRUE(key.ok()) << key.status();
    const std::string message = absl::HexStringToBytes(row.message);
    const std::string signature = absl::HexStringToBytes(row.signature);
    EXPECT_EQ(absl::BytesToHexString(absl::string_view(
                  reinterpret_cast<const char*>(key->keys.public_key.data()), 32)),
              row.public_key);
    EXPECT_EQ(SignBytes(message, key->keys.private_key).value(), signature);
    EXPECT_TRUE(VerifyBytes(message, signature, key->keys.public_key));
    EXPECT_FALSE(VerifyBytes(message + "x", signature, key->keys.public_key));
    EXPECT_FALSE(VerifyBytes(message, signature.substr(1), key->keys.public_key));
    EXPECT_FALSE(VerifyBytes(message, "", key->keys.public_key));
  }
}

TEST(Signature, ParsesItsOwnForm) {
  const std::string digits(128, 'A');
  absl::StatusOr<ParsedSign> sign = ParseSign(absl::StrCat("T1 1F2e3d4c ", digits));
  ASSERT_TRUE(sign.ok());
  EXPECT_EQ(sign->key_id, "1f2e3d4c");
  EXPECT_EQ(sign->signature, std::string(64, '\xaa'));
  EXPECT_FALSE(ParseSign("").ok());
  EXPECT_FALSE(ParseSign(absl::StrCat("T2 1f2e3d4c ", digits)).ok());
  EXPECT_FALSE(ParseSign(absl::StrCat("1f2e3d4c ", digits)).ok());
}

TEST(Keys, DrawnPairsDifferAndFit) {
  absl::StatusOr<KeyPair> a = GenerateKeyPair();
  absl::StatusOr<KeyPair> b = GenerateKeyPair();
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(a->private_key, b->private_key);
  EXPECT_TRUE(VerifyBytes("x", SignBytes("x", a->private_key).value(), a->public_key));
  EXPECT_FALSE(VerifyBytes("x", SignBytes("x", a->private_key).value(), b->public_key));
}

TEST(Keys, FilesComeBackAsTheyWere) {
  const NamedPrivateKey key = FixedKey("genesys.d");
  absl::StatusOr<NamedPrivateKey> secret =
      ParsePrivateKey("v.key", FormatPrivateKey("genesys.d", key.keys));
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(secret->vendor, "genesys.d");
  EXPECT_EQ(secret->keys.private_key, key.keys.private_key);
  EXPECT_EQ(secret->keys.public_key, key.keys.public_key);
  const std::string text = FormatPublicKey("genesys.d", key.keys.public_key);
  EXPECT_THAT(text, HasSubstr(KeyId(key.keys.public_key)));
  absl::StatusOr<NamedPublicKey> open = ParsePublicKey("v.pub", text);
  ASSERT_TRUE(open.ok()) << open.status();
  EXPECT_EQ(open->vendor, "genesys.d");
  EXPECT_EQ(open->key, key.keys.public_key);
  EXPECT_TRUE(ParsePublicKey("v.pub", absl::StrCat("\r\n", absl::string_view(text), "\r\n")).ok());
}

TEST(Keys, ADamagedFileSaysWhere) {
  const std::string hex(64, 'a');
  struct Row {
    const char* fact;
    std::string text;
    const char* says;
  };
  const Row rows[] = {
      {"empty", "", "v.pub:1:1: no key"},
      {"comments alone", "# x\n", "no key"},
      {"private", "# x\ntriad-private-key v " + hex, "v.pub:2:1: this is a private key"},
      {"other words", "ssh-ed25519 v " + hex, "v.pub:1:1: not a key"},
      {"no name", "triad-public-key " + hex, "not a whole key"},
      {"short", "triad-public-key v " + hex.substr(1), "not a whole key"},
      {"no hex", "triad-public-key v " + hex.substr(1) + "g", "not a whole key"},
      {"two", "triad-public-key v " + hex + "\ntriad-public-key v " + hex, "v.pub:2:1: a second"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    EXPECT_THAT(ParsePublicKey("v.pub", row.text).status().message(), HasSubstr(row.says));
  }
  EXPECT_THAT(ParsePrivateKey("v.key", "triad-public-key v " + hex).status().message(),
              HasSubstr("this is a public key"));
}

TEST(Keys, TheIdIsTheBeginningOfTheHash) {
  PublicKey zeros = {};
  EXPECT_EQ(KeyId(zeros), Sha256Hex(std::string(32, '\0')).substr(0, 8));
  EXPECT_EQ(KeyId(zeros), "66687aad");
}

}  // namespace
}  // namespace triad::license
