// Policy against an evaluator that reads all option lines anew for every question.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "license/catalog.h"
#include "license/policy.h"
#include "license/signing_testing.h"

namespace triad::license {
namespace {

using testing::FixedKey;
using testing::KeysOf;
using testing::SignedByAcme;

// Two pools of f, one of g.
constexpr absl::string_view kLicenses =
    "SERVER lic1 ANY 27000\nVENDOR acme\nINCREMENT f acme 2.0 permanent 7\n"
    "INCREMENT f acme 1.0 permanent 5\nINCREMENT g acme 1.0 permanent 9\n";

using Words = std::vector<std::string>;

bool Glob(absl::string_view pattern, absl::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] != '*') {
    return !text.empty() && pattern[0] == text[0] && Glob(pattern.substr(1), text.substr(1));
  }
  return Glob(pattern.substr(1), text) || (!text.empty() && Glob(pattern, text.substr(1)));
}

bool AddressGlob(absl::string_view pattern, absl::string_view address) {
  const std::vector<absl::string_view> a = absl::StrSplit(pattern, '.');
  const std::vector<absl::string_view> b = absl::StrSplit(address, '.');
  if (a.size() != 4 || b.size() != 4) return false;
  for (int i = 0; i < 4; ++i) {
    if (a[i] != "*" && a[i] != b[i]) return false;
  }
  return true;
}

bool IsHost(absl::string_view pattern, const Who& who) {
  return Glob(pattern, who.host) || AddressGlob(pattern, who.address);
}

class Naive {
 public:
  explicit Naive(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) lines_.push_back(absl::StrSplit(line, ' '));
  }

  bool Defined(absl::string_view type, absl::string_view name) const {
    if (type != "GROUP" && type != "HOST_GROUP") return true;
    return std::any_of(lines_.begin(), lines_.end(),
                       [&](const Words& line) { return line[0] == type && line[1] == name; });
  }

  bool Stands(absl::string_view type, absl::string_view name, const Who& who) const {
    if (type == "USER") return name == who.user;
    if (type == "HOST") return IsHost(name, who);
    if (type == "INTERNET") return AddressGlob(name, who.address);
    if (type == "PROJECT") return name == who.project;
    for (const Words& line : lines_) {
      if (line[0] != type || line[1] != name) continue;
      for (size_t i = 2; i < line.size(); ++i) {
        if (type == "GROUP" ? line[i] == who.user : IsHost(line[i], who)) return true;
      }
    }
    return false;
  }

  static bool Selects(absl::string_view spec, const Pool& pool) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(spec, absl::MaxSplits(":VERSION=", 1));
    return parts.first == pool.feature && (parts.second.empty() || parts.second == pool.version);
  }

  int Bars(const Pool& pool, const Who& who) const {
    bool lists = false;
    bool listed = false;
    bool excluded = false;
    for (const Words& line : lines_) {
      const bool all = line[0] == "INCLUDEALL" || line[0] == "EXCLUDEALL";
      if (!all && line[0] != "INCLUDE" && line[0] != "EXCLUDE") continue;
      if (!all && !Selects(line[1], pool)) continue;
      const std::string& type = line[all ? 1 : 2];
      const std::string& name = line[all ? 2 : 3];
      if (!Defined(type, name)) continue;
      const bool stands = Stands(type, name, who);
      if (absl::StartsWith(line[0], "EXCLUDE")) {
        excluded = excluded || stands;
      } else {
        lists = true;
        listed = listed || stands;
      }
    }
    return excluded ? -38 : lists && !listed ? -39 : 0;
  }

  // "limit of the line", as a line's number in the file, and whose licenses count together.
  std::set<std::pair<size_t, std::string>> Limits(const Pool& pool, const Who& who) const {
    std::set<std::pair<size_t, std::string>> out;
    std::set<std::string> decided;  // by spec, type and name
    for (size_t i = 0; i < lines_.size(); ++i) {
      const Words& line = lines_[i];
      if (line[0] != "MAX" || !Selects(line[2], pool) || line[4] == "nix") continue;
      const std::string& type = line[3];
      std::vector<std::string> names = {line[4]};
      if (line[4] == "ALL_USERS") names = {std::string(who.user)};
      if (line[4] == "ALL_GROUPS") names = Groups();
      for (const std::string& name : names) {
        if (!Defined(type, name) || !Stands(type, name, who)) continue;
        if (!decided.insert(absl::StrCat(line[2], " ", type, " ", name)).second) continue;
        out.emplace(i, type == "USER" || type == "GROUP" ? name : "");
      }
    }
    return out;
  }

  // Licenses of the pool set aside, by line.
  std::map<size_t, uint64_t> Reserved(const std::vector<Pool>& pools, const Pool& pool) const {
    std::map<uint64_t, uint64_t> left;
    for (const Pool& each : pools) left[each.id] = each.lines[0].line.count;
    std::map<size_t, uint64_t> out;
    for (size_t i = 0; i < lines_.size(); ++i) {
      const Words& line = lines_[i];
      if (line[0] != "RESERVE" || !Defined(line[3], line[4])) continue;
      uint64_t wanted = std::stoul(line[1]);
      for (const Pool& each : pools) {
        if (!Selects(line[2], each)) continue;
        const uint64_t taken = std::min(wanted, left[each.id]);
        wanted -= taken;
        left[each.id] -= taken;
        if (taken > 0 && each.id == pool.id) out[i] = taken;
      }
    }
    return out;
  }

 private:
  std::vector<std::string> Groups() const {
    std::vector<std::string> out;
    for (const Words& line : lines_) {
      if (line[0] == "GROUP") out.push_back(line[1]);
    }
    return out;
  }

  std::vector<Words> lines_;
};

class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  size_t Below(size_t bound) { return engine_() % bound; }
  std::string OneOf(const Words& words) { return words[Below(words.size())]; }

  std::string Subject() {
    static const std::map<std::string, Words> kNames = {
        {"USER", {"ann", "bob", "cec", "dan"}},
        {"HOST", {"pc1", "pc2.acme.com", "pc*", "*.acme.com", "*c*.*m", "10.0.0.7", "10.*.0.*"}},
        {"INTERNET", {"10.0.0.7", "10.0.*.*", "*.*.*.8", "*.*.*.*"}},
        {"PROJECT", {"moon", "mars"}},
        {"GROUP", {"g1", "g2", "g3", "nix"}},
        {"HOST_GROUP", {"h1", "h2", "nix"}}};
    auto it = kNames.begin();
    std::advance(it, Below(kNames.size()));
    return absl::StrCat(it->first, " ", OneOf(it->second));
  }
  std::string Spec() { return OneOf({"f", "f", "f:VERSION=2.0", "f:VERSION=1.0", "g"}); }

  std::string Line() {
    switch (Below(9)) {
      case 0:
        return absl::StrCat("GROUP g", 1 + Below(3), " ", OneOf({"ann", "bob", "cec"}), " ",
                            OneOf({"ann", "bob", "dan"}));
      case 1:
        return absl::StrCat("HOST_GROUP h", 1 + Below(2), " ",
                            OneOf({"pc1", "*.com", "10.0.0.*", "pc*"}));
      case 2:
        return absl::StrCat("INCLUDEALL ", Subject());
      case 3:
        return absl::StrCat("EXCLUDEALL ", Subject());
      case 4:
        return absl::StrCat("INCLUDE ", Spec(), " ", Subject());
      case 5:
        return absl::StrCat("EXCLUDE ", Spec(), " ", Subject());
      case 6:
        return absl::StrCat("RESERVE ", 1 + Below(5), " ", Spec(), " ", Subject());
      case 7:
        return absl::StrCat("MAX ", Below(5), " ", Spec(), " ",
                            OneOf({"USER ALL_USERS", "GROUP ALL_GROUPS"}));
      default:
        return absl::StrCat("MAX ", Below(5), " ", Spec(), " ", Subject());
    }
  }

 private:
  std::mt19937 engine_;
};

class PolicyProperty : public ::testing::Test {
 protected:
  // What Policy says of everyone and every pool is what the lines say.
  static void Compare(const std::vector<std::string>& lines, const std::string& licenses) {
    std::string text;
    for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
    SCOPED_TRACE(text);
    LicenseSources sources;
    sources.license_files.push_back({"a.dat", licenses});
    sources.keys = KeysOf({FixedKey("acme")});
    sources.option_files.push_back({"acme", text});
    const Catalog catalog = Catalog::Build(sources);
    ASSERT_EQ(catalog.pools().size(), 3u);
    const Naive naive(lines);
    for (const Pool& pool : catalog.pools()) {
      CompareReservations(catalog, pool, naive);
      for (const char* user : {"ann", "bob", "dan"}) {
        for (const char* host : {"pc1", "pc2.acme.com", "x"}) {
          for (const char* address : {"10.0.0.7", "10.0.1.8"}) {
            for (const char* project : {"", "moon"}) {
              CompareOne(catalog, pool, naive, lines, {user, host, "", address, project});
            }
          }
        }
      }
    }
  }

 private:
  static void CompareOne(const Catalog& catalog, const Pool& pool, const Naive& naive,
                         const std::vector<std::string>& lines, const Who& who) {
    SCOPED_TRACE(absl::StrCat(pool.feature, " ", pool.version, " for ", who.user, "@", who.host,
                              " ", who.address, " ", who.project));
    const Policy& policy = catalog.policy();
    const Subjects subjects = policy.SubjectsOf(pool, who);
    const auto bars = policy.Bars(pool, subjects);
    EXPECT_EQ(bars ? ToNumber(*bars) : 0, naive.Bars(pool, who));
    std::multiset<std::string> wanted;
    for (const auto& [line, subject] : naive.Limits(pool, who)) {
      wanted.insert(absl::StrCat(lines[line], "|", subject));
    }
    std::multiset<std::string> got;
    std::set<MaxLimit::Key> keys;
    for (const MaxLimit& limit : policy.LimitsOf(pool, who, subjects)) {
      got.insert(absl::StrCat(limit.text, "|", limit.key.subject));
      EXPECT_TRUE(keys.insert(limit.key).second) << "two with one key";
    }
    EXPECT_EQ(got, wanted);
  }

  static void CompareReservations(const Catalog& catalog, const Pool& pool, const Naive& naive) {
    std::vector<uint64_t> wanted;
    for (const auto& [line, count] : naive.Reserved(catalog.pools(), pool)) wanted.push_back(count);
    std::vector<uint64_t> got;
    const auto reserved = catalog.policy().ReservationsOn(Day{20'000});
    if (const auto it = reserved.find(pool.id); it != reserved.end()) {
      for (const Reservation& each : it->second) got.push_back(each.count);
    }
    EXPECT_EQ(got, wanted);
  }
};

TEST_F(PolicyProperty, IsWhatTheLinesSay) {
  const std::string licenses = SignedByAcme(kLicenses);
  for (uint32_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    Dice dice(seed);
    std::vector<std::string> lines;
    const size_t count = dice.Below(14);
    for (size_t i = 0; i < count; ++i) lines.push_back(dice.Line());
    Compare(lines, licenses);
  }
}

}  // namespace
}  // namespace triad::license
