#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using testing::CatalogOf;
using testing::FixedKey;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::KeysOf;
using ::testing::Not;
using testing::SignedByAcme;
using testing::Texts;

constexpr char kSign[] = "SIGN=<ours>";

// `text` with each of our signatures as SIGN=<ours>.
std::string Blanked(absl::string_view text) {
  std::string out(text);
  size_t at = 0;
  while ((at = out.find("SIGN=\"T1 ", at)) != std::string::npos) {
    const size_t end = out.find('"', at + 6);
    EXPECT_EQ(end - at, 6u + 2 + 9 + 32 * 5);
    out.replace(at, end + 1 - at, kSign);
  }
  return out;
}

TEST(SignText, ChangesNothingButSignatures) {
  struct Row {
    const char* fact;
    std::string text;
    std::string becomes;
  };
  const std::string head = "SERVER a ANY 27000\n";
  const Row rows[] = {
      {"unsigned", "FEATURE f acme 1 permanent 5\n", "FEATURE f acme 1 permanent 5 SIGN=<ours>\n"},
      {"no final newline", "FEATURE f acme 1 permanent 5",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>"},
      {"CR LF", "FEATURE f acme 1 permanent 5\r\n# x\r\n",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>\r\n# x\r\n"},
      {"blanks at the end", "FEATURE f acme 1 permanent 5  \t\n",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>  \t\n"},
      {"continuation", "FEATURE f acme 1 \\\n  permanent 5 \\\n\tSN=1\nVENDOR acme\n",
       "FEATURE f acme 1 \\\n  permanent 5 \\\n\tSN=1 SIGN=<ours>\nVENDOR acme\n"},
      {"continuation into nothing", "FEATURE f acme 1 permanent 5 \\\n\n# x\n",
       "FEATURE f acme 1 permanent 5 SIGN=<ours> \\\n\n# x\n"},
      {"continuation at the end of the file", "FEATURE f acme 1 permanent 5\\",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>\\"},
      {"positional key", "FEATURE f acme 1 permanent 5 DB3E491171ED29E31E22 ck=241\n",
       "FEATURE f acme 1 permanent 5 ck=241 SIGN=<ours>\n"},
      {"key alone", "FEATURE f acme 1 permanent 5 DB3E491171ED29E31E22\n",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>\n"},
      {"FlexNet's SIGN at the end, wrapped",
       "FEATURE f acme 1 permanent 5 \\\n\tSN=1 \\\n\tSIGN=\"0778 0B1A \\\n\t00C6\"\n# x\n",
       "FEATURE f acme 1 permanent 5 \\\n\tSN=1 \\\n\tSIGN=<ours>\n# x\n"},
      {"FlexNet's SIGN in the middle, on its own line",
       "FEATURE f acme 1 permanent 5 \\\n\tSIGN=\"0778 \\\n\t00C6\" \\\n\tSN=1\n",
       "FEATURE f acme 1 permanent 5 \\\n \\\n\tSN=1 SIGN=<ours>\n"},
      {"SIGN=0", "FEATURE f acme 1 permanent 5 SIGN=0 SN=1\n",
       "FEATURE f acme 1 permanent 5 SN=1 SIGN=<ours>\n"},
      {"all kinds at once",
       "FEATURE f acme 1 permanent 5 0123456789AB SIGN=12 SN=1 SIGN2=\"34 56\" AUTH={ a=( b )\n"
       " c } TZ=x\n",
       "FEATURE f acme 1 permanent 5 SN=1 TZ=x SIGN=<ours>\n"},
      {"two SIGN", "FEATURE f acme 1 permanent 5 SIGN=12 SIGN=34\n",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>\n"},
      {"no blank behind a signature", "FEATURE f acme 1 permanent 5 SIGN=\"12\"SN=1\n",
       "FEATURE f acme 1 permanent 5 SN=1 SIGN=<ours>\n"},
      {"no blank before the backslash behind it",
       "FEATURE f acme 1 permanent 5 SIGN=\"12\"\\\nSN=1\n",
       "FEATURE f acme 1 permanent 5 \\\nSN=1 SIGN=<ours>\n"},
      {"mail around it", "Dear \"customer,\n\n  FEATURE f acme 1 permanent 5\n-- \nacme \\\n",
       "Dear \"customer,\n\n  FEATURE f acme 1 permanent 5 SIGN=<ours>\n-- \nacme \\\n"},
      {"Latin-1", "# caf\xe9\nFEATURE f acme 1 permanent 5 NOTICE=\"\xfc \xe9\"\n",
       "# caf\xe9\nFEATURE f acme 1 permanent 5 NOTICE=\"\xfc \xe9\" SIGN=<ours>\n"},
      {"lines of others, of other kinds, and damaged ones of others",
       "FEATURE f acme 1 permanent 5\nFEATURE f other 1 permanent 5 SIGN=12\n"
       "UPGRADE f acme 1 2 permanent 5 SIGN=12\nFEATURE f other x y z\nFEATURE acme\n",
       "FEATURE f acme 1 permanent 5 SIGN=<ours>\nFEATURE f other 1 permanent 5 SIGN=12\n"
       "UPGRADE f acme 1 2 permanent 5 SIGN=<ours>\nFEATURE f other x y z\nFEATURE acme\n"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    absl::StatusOr<std::string> out = SignText("f", head + row.text, FixedKey("acme"));
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(Blanked(*out), head + row.becomes);
    const LicenseFile file = ReadLicenseFile("f", *out);
    for (const FeatureLine& line : file.features) {
      if (line.vendor != "acme") continue;
      EXPECT_EQ(Verify(line, file.servers, KeysOf({FixedKey("acme")})), Verdict::kGood);
    }
    // Signing is repeatable: nothing changes any more.
    EXPECT_EQ(*SignText("f", *out, FixedKey("acme")), *out);
  }
}

TEST(SignText, ANewKeyReplacesTheOldSignature) {
  const std::string text = "SERVER a ANY 27000\nFEATURE f acme 1 permanent 5\n";
  const std::string old = *SignText("f", text, FixedKey("acme", '1'));
  const std::string renewed = *SignText("f", old, FixedKey("acme", '2'));
  EXPECT_NE(old, renewed);
  EXPECT_EQ(renewed, *SignText("f", text, FixedKey("acme", '2')));
}

TEST(SignText, NamesEveryLineThatCannotBeSigned) {
  struct Row {
    const char* fact;
    const char* text;
    std::vector<const char*> says;
  };
  const Row rows[] = {
      {"bad lines, all of them",
       "SERVER a ANY 1\nFEATURE f acme 1 never 5\nFEATURE g acme 1 permanent 5\n"
       "FEATURE h acme 1 permanent 0\n",
       {"f:2:18: error: `never` is not a date", "f:4:28: error: an uncounted feature needs"}},
      {"two SERVER lines",
       "SERVER a ANY 1\nSERVER b ANY 1\nFEATURE f acme 1 permanent 5\n",
       {"f:2:1: error: 2 SERVER lines"}},
      {"a wrong SERVER line",
       "SERVER a x 1\nFEATURE f acme 1 permanent 5\n",
       {"f:1:10: error: `x` is not a host id"}},
      {"counted without SERVER lines",
       "FEATURE f acme 1 permanent 5\n",
       {"f:1:1: error: a counted line needs SERVER lines"}},
      {"nothing to sign",
       "SERVER a ANY 1\nFEATURE f other 1 permanent 5\n",
       {"f: no FEATURE, INCREMENT, UPGRADE or PACKAGE line of acme"}},
      {"open quote",
       "SERVER a ANY 1\nFEATURE f acme 1 permanent 5 SN=\"a\nx\"\n",
       {"f:2:33: error: the quote opened here"}},
      {"continuation that swallows a line",
       "SERVER a ANY 1\nFEATURE f acme 1 permanent 5 \\\nFEATURE g acme 1 permanent 5\n",
       {"f:3:1: error: `FEATURE` continues the line before it"}},
      {"old line with a bare string",
       "SERVER a ANY 1\nFEATURE f acme 1 permanent 5 0123456789AB "
       "\"data of old\"\n",
       {"f:2:43: error: `data of old` is not an attribute"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.fact);
    absl::StatusOr<std::string> out = SignText("f", row.text, FixedKey("acme"));
    ASSERT_EQ(out.status().code(), absl::StatusCode::kInvalidArgument) << out.status();
    for (const char* says : row.says) EXPECT_THAT(out.status().message(), HasSubstr(says));
  }
}

TEST(SignText, AnUncountedLineNeedsNoServer) {
  const std::string out = SignedByAcme("FEATURE f acme 1 permanent uncounted HOSTID=DEMO\n");
  const Catalog catalog = CatalogOf({out});
  EXPECT_THAT(Texts(catalog.diagnostics()), IsEmpty());
  EXPECT_EQ(catalog.pools().size(), 1u);
}

// ---- random edits: what is served is what the vendor signed, or nothing

constexpr absl::string_view kFile =
    "# License of site 7\r\n"
    "SERVER lic1 0019D1AABBCC 27010\r\n"
    "SERVER lic2 ID=1234-5678 27010 HEARTBEAT_INTERVAL=30\r\n"
    "SERVER lic3 HOSTNAME=lic3 27010\r\n"
    "VENDOR acme /opt/acme OPTIONS=/etc/acme.opt PORT=27011\r\n"
    "INCREMENT alpha acme 8.10 31-dec-2026 500 HOSTID=\"0019d1aabbcc ANY\" \\\r\n"
    "    VENDOR_STRING=\"level=3; \\\r\n      caf\xe9\" ISSUED=1-jan-2020 TS_OK \\\r\n"
    "    user_info=\"bought by ann\" sort=120\r\n"
    "FEATURE beta acme 2024.0331 permanent uncounted HOSTID=ID=77 BORROW=48\r\n"
    "INCREMENT alpha acme 8.1 1-jan-0 20 START=01-feb-2020 NOTICE=x vendor_info=yonder\r\n";

// Everything that the vendor answers for, said in another way than CanonicalForm says it.
std::set<std::string> Served(const Catalog& catalog) {
  std::set<std::string> out;
  for (const Pool& pool : catalog.pools()) {
    for (const Pool::Line& entry : pool.lines) {
      const FeatureLine& line = entry.line;
      std::vector<std::string> parts = {
          line.kind == FeatureLine::Kind::kFeature ? "F" : "I",
          line.feature,
          line.vendor,
          absl::StrCat(std::llround(std::stod(line.version) * 1e6)),
          line.expiry ? absl::StrCat(line.expiry->days) : "never",
          absl::StrCat(line.count),
          absl::StrCat(line.uncounted ? 1 : 0),
          line.start ? absl::StrCat(line.start->days) : "-",
          line.issued ? absl::StrCat(line.issued->days) : "-",
      };
      for (const HostId& id : line.host_ids) parts.push_back(id.ToString());
      std::vector<std::string> attributes;
      for (const auto& [name, value] : line.attributes) {
        if (name == "HOSTID" || name == "START" || name == "ISSUED") continue;
        if (!std::any_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
          continue;
        }
        attributes.push_back(absl::StrCat(name, "=", value));
      }
      std::sort(attributes.begin(), attributes.end());
      parts.insert(parts.end(), attributes.begin(), attributes.end());
      for (const ServerLine& server : catalog.servers()) parts.push_back(server.host_id.ToString());
      out.insert(absl::StrJoin(parts, "\x01"));
    }
  }
  return out;
}

class Random {
 public:
  size_t Below(size_t limit) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % limit;
  }
  char Byte() {
    constexpr absl::string_view kLikely = "0123456789abcdefxyzABCDEFTZ .-_=:/,;\"\\\t\r\n#*";
    return Below(8) == 0 ? static_cast<char>(Below(256)) : kLikely[Below(kLikely.size())];
  }

 private:
  uint64_t state_ = 20260615;
};

std::string Edited(std::string text, size_t at, Random& random) {
  switch (random.Below(4)) {
    case 0:
      text.insert(at, 1, random.Byte());
      break;
    case 1:
      text.erase(at, 1);
      break;
    case 2:
      std::swap(text[at], text[random.Below(text.size())]);
      break;
    default:
      text[at] = random.Byte();
  }
  return text;
}

TEST(SignedFile, NoEditChangesWhatIsServed) {
  const std::string text = SignedByAcme(kFile);
  const Catalog whole = CatalogOf({text});
  EXPECT_THAT(Texts(whole.diagnostics()), ::testing::SizeIs(1));  // the note on unused words
  const std::set<std::string> signed_lines = Served(whole);
  ASSERT_EQ(signed_lines.size(), 3u);
  Random random;
  int refused = 0;
  int untouched = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string edited = text;
    for (size_t edits = 1 + random.Below(2); edits > 0; --edits) {
      edited = Edited(edited, random.Below(edited.size()), random);
    }
    const Catalog catalog = CatalogOf({edited});
    const std::set<std::string> served = Served(catalog);
    for (const std::string& line : served) {
      ASSERT_TRUE(signed_lines.contains(line)) << "forged: " << line << "\nfrom:\n" << edited;
    }
    if (served.size() == 3) {
      ++untouched;
    } else {
      ++refused;
    }
  }
  // Most bytes are signed, or signatures.
  EXPECT_GT(refused, 1500);
  EXPECT_GT(untouched, 300);
}

// Each row: bytes of kFile in which an edit must be refused, or accepted, whatever it is.
struct Region {
  const char* fact;
  const char* text;
  bool covered;
  size_t lines_left;
};

TEST(SignedFile, EditsOfSignedPartsAreRefusedAndOthersAccepted) {
  const std::string text = SignedByAcme(kFile);
  const Region regions[] = {
      {"host id of a card", "0019D1AABBCC", true, 0},
      {"ID= host id", "1234-5678", true, 0},
      {"host name as host id", "=lic3", true, 0},
      {"feature", "alpha acme 8.10", true, 2},
      {"vendor", "acme 2024", true, 2},
      {"version", "8.10", true, 2},
      {"date", "31-dec-2026", true, 2},
      {"count", "500", true, 2},
      {"HOSTID", "HOSTID=\"0019d1aabbcc", true, 2},
      {"VENDOR_STRING", "level=3", true, 2},
      {"its continued part", "caf\xe9", true, 2},
      {"ISSUED", "ISSUED=1-jan-2020", true, 2},
      {"attribute without value", "TS_OK", true, 2},
      {"uncounted", "uncounted", true, 2},
      {"permanent", "permanent", true, 2},
      {"START", "START=01-feb-2020", true, 2},
      {"comment", " License of site 7", false, 3},
      {"host", "lic1", false, 3},
      {"VENDOR path", "/opt/acme", false, 3},
      {"options path", "etc/acme.opt", false, 3},
      {"heartbeat", "30", false, 3},
      {"user_info", "bought by ann", false, 3},
      {"sort", "120", false, 3},
      {"vendor_info", "yonder", false, 3},
  };
  Random random;
  constexpr absl::string_view kLetters = "ghijklmnopqrstuvw";
  for (const Region& region : regions) {
    SCOPED_TRACE(region.fact);
    const size_t begin = text.find(region.text);
    ASSERT_NE(begin, std::string::npos);
    const size_t size = absl::string_view(region.text).size();
    for (int round = 0; round < 40; ++round) {
      const size_t at = begin + random.Below(size);
      const char old = text[at];
      // Dashes of an ID mean nothing; blanks and quotes are layout.
      if (region.covered && (old == '-' || old == ' ' || old == '"')) continue;
      std::string edited = text;
      const char now = kLetters[random.Below(kLetters.size())];
      if ((now | 0x20) == (old | 0x20)) continue;
      edited[at] = now;
      const Catalog catalog = CatalogOf({edited});
      EXPECT_EQ(Served(catalog).size(), region.lines_left) << edited;
      if (region.covered) {
        EXPECT_TRUE(std::any_of(
            catalog.diagnostics().begin(), catalog.diagnostics().end(),
            [](const Diagnostic& diagnostic) { return diagnostic.severity == Severity::kError; }));
      }
    }
  }
}

TEST(SignedFile, SurvivesAReformattingMailProgram) {
  const std::string text = SignedByAcme(kFile);
  const std::set<std::string> served = Served(CatalogOf({text}));
  const std::string unix_text = absl::StrReplaceAll(text, {{"\r\n", "\n"}});
  EXPECT_EQ(Served(CatalogOf({unix_text})), served);
  // Each group of the signature on a line of its own.
  EXPECT_EQ(
      Served(CatalogOf({absl::StrReplaceAll(unix_text, {{"SIGN=\"T1 ", "SIGN=\"T1 \\\n  "}})})),
      served);
  EXPECT_EQ(Served(CatalogOf({absl::StrCat("> hello\n\n", unix_text, "-- \nacme\n")})), served);
}

}  // namespace
}  // namespace triad::license
