// Ten thousand edits of a signed file, as mistakes and cheats make them: what the vendor signed
// cannot be changed, what is the administrator's can.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "license/catalog.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using testing::CatalogOf;
using testing::SignedByAcme;

// One word of the file, in quotes or not: whose it is.
enum class Whose {
  kLayout,          // blanks, line ends, comments: anybody's
  kAdministrators,  // hosts, ports, paths, lowercase attributes
  kVendors,         // signed, as part of one line
  kServers,         // signed, as part of every line
};
struct Piece {
  Whose whose = Whose::kLayout;
  size_t begin = 0;
  size_t end = 0;
  bool version = false;  // digits may be added to it that mean nothing

  size_t size() const { return end - begin; }
};
constexpr size_t kPortDigits = 5;

// The file, with what is not signed between `<` and `>`, host ids between `{` and `}`, versions
// behind `~`.
constexpr absl::string_view kText =
    "SERVER <lic1> {0019d1aabbcc} <27000> <HEARTBEAT_INTERVAL=30>\n"
    "SERVER <lic2> {ID=12345678} <27000>\n"
    "SERVER <lic3> {HOSTNAME=gamma} <27000>\n"
    "VENDOR acme </opt/acme> OPTIONS=</etc/acme.opt> PORT=<27001>\n"
    "# <remember to ask for more of them>\n"
    "FEATURE f acme ~8.5 31-dec-2026 50 VENDOR_STRING=\"gold plus\" HOSTID=\"ANY 0019d1aabbee\" "
    "asset_info=<desk7>\n"
    "INCREMENT g acme ~2.5 permanent 7 BORROW=24 DUP_GROUP=UH OVERDRAFT=2 TS_OK SN=1234 "
    "dist_info=\"<by mail>\" user_info=<x>\n"
    "INCREMENT suite acme ~1.5 1-jun-2027 3 START=1-jan-2026 ISSUED=12-dec-2025 "
    "ISSUER=\"A C M E\" vendor_info=\"<so what>\"\n"
    "PACKAGE suite acme ~1.5 COMPONENTS=\"apple:2.5 pear\" OPTIONS=SUITE NOTICE=\"for you\"\n"
    "UPGRADE g acme ~2.5 ~3.5 permanent 4 LINGER=60 asset_info=<4711>\n"
    "INCREMENT h acme ~1.5 permanent uncounted HOSTID=INTERNET=10.1.*.* ck=<77>\n";

bool IsBlank(char c) {
  return c == ' ' || c == '\n';
}

// Takes the marks out. Words of VENDOR lines other than those marked are nobody's to edit here.
std::string Plain() {
  std::string out;
  for (char c : kText) {
    if (c != '<' && c != '>' && c != '{' && c != '}' && c != '~') out.push_back(c);
  }
  return out;
}

// The pieces of the signed file. The marks tell them apart; signatures are the vendor's.
class Pieces {
 public:
  explicit Pieces(absl::string_view text) : text_(text) {
    size_t at = 0;
    for (char c : kText) {
      if (c == '<' || c == '{') {
        End(at);
        whose_ = c == '<' ? Whose::kAdministrators : Whose::kServers;
      } else if (c == '>' || c == '}') {
        End(at);
        whose_ = Whose::kVendors;
      } else if (c == '~') {
        version_ = true;
      } else {
        if (c == '\n') TakeSignature(at);
        if (IsBlank(c) && whose_ == Whose::kVendors) {
          End(at);
          pieces_.push_back({Whose::kLayout, at, at + 1});
          begin_ = at + 1;
        } else if (begin_ == at && whose_ == Whose::kVendors && at > 0 && c == '"') {
          begin_ = at;
        }
        ++at;
      }
    }
  }
  const std::vector<Piece>& all() const { return pieces_; }

 private:
  // Signing put ` SIGN="..."` before the line's end.
  void TakeSignature(size_t& at) {
    if (text_.substr(at, 7) != " SIGN=\"") return;
    End(at);
    const size_t end = text_.find('\n', at);
    pieces_.push_back({Whose::kLayout, at, at + 1});
    pieces_.push_back({Whose::kVendors, at + 1, end});
    at = end;
    begin_ = end;
  }
  void End(size_t at) {
    if (at > begin_) pieces_.push_back({whose_, begin_, at, version_});
    begin_ = at;
    version_ = false;
  }

  absl::string_view text_;
  std::vector<Piece> pieces_;
  Whose whose_ = Whose::kVendors;
  size_t begin_ = 0;
  bool version_ = false;
};

std::set<std::string> Served(const Catalog& catalog) {
  std::set<std::string> out;
  for (const Pool& pool : catalog.pools()) {
    for (const Pool::Line& line : pool.lines) {
      out.insert(line.canonical);
      if (line.package != nullptr) out.insert(line.package->canonical);
    }
  }
  return out;
}

class Edits : public ::testing::Test {
 protected:
  uint32_t Below(size_t bound) { return static_cast<uint32_t>(random_() % bound); }

  // A letter or digit, no zero, that differs from `c` in more than its case.
  char Other(char c) {
    constexpr absl::string_view kLetters = "123456789abcdefghijklmnopqrstuvwxyz";
    while (true) {
      const char other = kLetters[Below(kLetters.size())];
      if (other != absl::ascii_tolower(c)) return other;
    }
  }

  // Changes a letter or digit of `piece`, takes one out or puts one in.
  std::string Edit(std::string text, const Piece& piece) {
    std::vector<size_t> places;
    for (size_t i = piece.begin; i < piece.end; ++i) {
      if (absl::ascii_isalnum(text[i])) places.push_back(i);
    }
    if (places.empty()) return text;
    // A port is a number of its own: 2xxxx stays one.
    const absl::string_view word = absl::string_view(text).substr(piece.begin, piece.size());
    if (piece.whose == Whose::kAdministrators && piece.size() == kPortDigits &&
        std::all_of(word.begin(), word.end(), absl::ascii_isdigit)) {
      text[places[1 + Below(places.size() - 1)]] = static_cast<char>('0' + Below(10));
      return text;
    }
    const size_t at = places[Below(places.size())];
    switch (Below(piece.version ? 2 : 3)) {
      case 0:
        text[at] = Other(text[at]);
        break;
      case 1:
        // Behind the last digit of a signature's group, too.
        text.insert(at, 1, Other('0'));
        break;
      default:
        text.erase(at, 1);
    }
    return text;
  }

  std::mt19937 random_{20260615};
};

TEST_F(Edits, OfASignedPartAreRefusedAndOfAnUnsignedPartAccepted) {
  const std::string text = SignedByAcme(Plain());
  const Catalog original = CatalogOf({text});
  const std::set<std::string> served = Served(original);
  ASSERT_EQ(served.size(), 6u);
  const std::vector<Piece> pieces = Pieces(text).all();
  size_t refused = 0;
  size_t accepted = 0;
  while (refused + accepted < 10'000) {
    const Piece& piece = pieces[Below(pieces.size())];
    std::string edited = text;
    if (piece.whose == Whose::kLayout) {
      const size_t line = text.rfind('\n', piece.begin) + 1;
      const std::string before = text.substr(line, piece.begin - line);
      // Blanks within quotes are part of a value.
      const bool quoted = std::count(before.begin(), before.end(), '"') % 2 == 1;
      if (text[piece.begin] != ' ' || quoted || text[line] == '#') continue;
      edited.insert(piece.begin, Below(2) == 0 ? "\t " : " \\\n  ");
    } else {
      // A VENDOR line is not signed, but says whose lines are served.
      const size_t line = text.rfind('\n', piece.begin) + 1;
      if (piece.whose == Whose::kVendors &&
          (text.substr(line, 6) == "SERVER" || text.substr(line, 6) == "VENDOR" ||
           text[line] == '#')) {
        continue;
      }
      // The name of an administrator's attribute is not signed either; its value is edited.
      if (piece.whose == Whose::kVendors && absl::ascii_islower(text[piece.begin]) &&
          text.substr(piece.begin, piece.end - piece.begin).find('=') != std::string::npos) {
        continue;
      }
      edited = Edit(text, piece);
    }
    if (edited == text) continue;
    const std::set<std::string> left = Served(CatalogOf({edited}));
    const std::string shown =
        absl::StrCat(text.substr(piece.begin, piece.end - piece.begin), " edited:\n", edited);
    for (const std::string& line : left) {
      ASSERT_TRUE(served.contains(line)) << "served, never signed: " << shown;
    }
    switch (piece.whose) {
      case Whose::kVendors:
        ASSERT_LT(left.size(), served.size()) << shown;
        ++refused;
        break;
      case Whose::kServers:
        // All lines are signed with all host ids.
        ASSERT_TRUE(left.empty()) << shown;
        ++refused;
        break;
      default:
        ASSERT_EQ(left, served) << shown;
        ++accepted;
    }
  }
  // Both kinds were tried, often.
  EXPECT_GT(refused, 2000u);
  EXPECT_GT(accepted, 2000u);
}

}  // namespace
}  // namespace triad::license
