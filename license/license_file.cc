#include "license/license_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "license/lexer.h"
#include "license/limits.h"
#include "license/line_reader.h"

namespace triad::license {
namespace {

constexpr std::array<absl::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr int32_t kDaysPerEra = 146097;  // 400 years

// Days since 1970-01-01 of a day in the Gregorian calendar, and back: the year is counted from
// March, so that the leap day is its last, within eras of 400 years.
int32_t DaysFromCivil(int year, int month, int day) {
  const int y = month <= 2 ? year - 1 : year;
  const int era = (y >= 0 ? y : y - 399) / 400;
  const int year_of_era = y - era * 400;
  const int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - 719468;
}

struct Civil {
  int year, month, day;
};

Civil CivilFromDays(int32_t days) {
  const int64_t z = static_cast<int64_t>(days) + 719468;
  const int64_t era = (z >= 0 ? z : z - kDaysPerEra + 1) / kDaysPerEra;
  const int day_of_era = static_cast<int>(z - era * kDaysPerEra);
  const int year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int shifted = (5 * day_of_year + 2) / 153;
  const int month = shifted < 10 ? shifted + 3 : shifted - 9;
  const int year = static_cast<int>(year_of_era + era * 400) + (month <= 2 ? 1 : 0);
  return {year, month, day_of_year - (153 * shifted + 2) / 5 + 1};
}

bool IsNumber(absl::string_view text, size_t digits_max) {
  return !text.empty() && text.size() <= digits_max &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

absl::Status NotADate(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("`", text, "` is not a date such as 31-dec-2026, nor `permanent`"));
}

// A version without what does not change its value: "08.10" -> "8", "1".
std::pair<absl::string_view, absl::string_view> VersionParts(absl::string_view version) {
  std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(version, absl::MaxSplits('.', 1));
  while (absl::ConsumePrefix(&parts.first, "0")) {
  }
  while (absl::ConsumeSuffix(&parts.second, "0")) {
  }
  return parts;
}

class FileReader {
 public:
  FileReader(absl::string_view name, absl::string_view bytes) : lexer_(bytes) {
    out_.name = std::string(name);
  }

  LicenseFile Read() {
    LogicalLine line;
    while (lexer_.Next(line)) ReadLine(line);
    CheckServers();
    NoteUnused();
    return std::move(out_);
  }

 private:
  Position PositionOf(const Word& word) const { return {out_.name, word.line, word.column}; }

  void ReadLine(const LogicalLine& line) {
    Diagnostics complaints;
    bool good = true;
    switch (line.keyword) {
      case Keyword::kOption:  // of the other dialect
      case Keyword::kComment:
        CheckMistyped(line);
        return;
      case Keyword::kServer: {
        std::optional<ServerLine> server = ReadServerLine(out_.name, line, complaints);
        good = server.has_value();
        if (good) out_.servers.push_back(*std::move(server));
        if (!good && !MayBeProse(line)) out_.servers_usable = false;
        break;
      }
      case Keyword::kVendor: {
        std::optional<VendorLine> vendor = ReadVendorLine(out_.name, line, complaints);
        good = vendor.has_value();
        if (good) out_.vendors.push_back(*std::move(vendor));
        break;
      }
      case Keyword::kUseServer:
        ReadUseServer(line);
        return;
      case Keyword::kFeature:
      case Keyword::kIncrement:
      case Keyword::kUpgrade:
      case Keyword::kPackage: {
        std::optional<FeatureLine> feature = ReadFeatureLine(out_.name, line, complaints);
        good = feature.has_value();
        if (good) KeepLine(*std::move(feature));
        break;
      }
      case Keyword::kFeatureSet:
        WarnFeatureSet(line);
        return;
    }
    Report(line, good, std::move(complaints));
  }

  // "Server room 3 is closed": a keyword that is not all upper-case may begin a sentence.
  static bool MayBeProse(const LogicalLine& line) {
    return absl::AsciiStrToUpper(line.words[0].text) != line.words[0].text;
  }

  void Report(const LogicalLine& line, bool good, Diagnostics complaints) {
    if (!good && MayBeProse(line)) {
      const bool rare = line.keyword == Keyword::kPackage || line.keyword == Keyword::kUpgrade;
      if (rare && !IsPlausible(line.keyword, line.words)) return;
      complaints.resize(1);
      complaints[0].severity = Severity::kWarning;
      complaints[0].message = absl::StrCat("taken for a comment, because as a ",
                                           absl::AsciiStrToUpper(line.words[0].text),
                                           " line it is wrong: ", complaints[0].message);
    }
    for (Diagnostic& complaint : complaints) AddDiagnostic(out_.diagnostics, std::move(complaint));
  }

  // Whether the line looks as if it belonged to `keyword`, and not to a sentence.
  static bool IsPlausible(Keyword keyword, const std::vector<Word>& words) {
    if (words.size() < 4) return false;
    switch (keyword) {
      case Keyword::kServer:
        return ParseHostId(words[2].text).ok();
      case Keyword::kVendor:
      case Keyword::kUseServer:
        return absl::StrContains(words[2].text, "/") || words[2].has_value();
      case Keyword::kPackage:
        return std::any_of(words.begin(), words.end(),
                           [](const Word& word) { return word.has_value(); });
      default:
        return IsVersion(words[3].text) || (words.size() > 4 && ParseExpiry(words[4].text).ok());
    }
  }

  void KeepLine(FeatureLine line) {
    const bool package = line.kind == FeatureLine::Kind::kPackage;
    (package ? out_.packages : out_.features).push_back(std::move(line));
  }

  // A client's line: it asks the servers, and looks at no license line behind this one. Here it
  // asks them always, and looks at none.
  void ReadUseServer(const LogicalLine& line) {
    const bool alone = line.words.size() == 1;
    if (!alone && MayBeProse(line)) return;
    if (!alone) {
      AddDiagnostic(out_.diagnostics, {Severity::kWarning, PositionOf(line.words[1]),
                                       absl::StrCat("USE_SERVER stands alone on its line: `",
                                                    line.words[1].text, "` is ignored")});
    }
    const bool local = std::any_of(out_.features.begin(), out_.features.end(),
                                   [](const FeatureLine& feature) { return feature.uncounted; });
    if (local && !out_.use_server) {
      AddDiagnostic(out_.diagnostics,
                    {Severity::kNote, PositionOf(line.words[0]),
                     "the uncounted lines above USE_SERVER are granted by the servers as well, and "
                     "recorded: no application looks into this file for them"});
    }
    out_.use_server = true;
  }

  void WarnFeatureSet(const LogicalLine& line) {
    if (MayBeProse(line) && !IsPlausible(line.keyword, line.words)) return;
    AddDiagnostic(out_.diagnostics, {Severity::kWarning, PositionOf(line.words[0]),
                                     "FEATURESET has no effect here: each line's own signature "
                                     "counts; you may remove it"});
  }

  void CheckMistyped(const LogicalLine& line) {
    absl::string_view near = NearKeyword(line.words[0].text);
    if (near.empty() || !IsPlausible(FindKeyword(near), line.words)) return;
    AddDiagnostic(out_.diagnostics,
                  {Severity::kWarning, PositionOf(line.words[0]),
                   absl::StrCat("`", line.words[0].text, "` is taken for a comment: if ", near,
                                " was meant, correct it")});
  }

  void ServersError(const ServerLine& server, std::string message) {
    out_.servers_usable = false;
    AddDiagnostic(out_.diagnostics, {Severity::kError, server.position, std::move(message)});
  }

  void CheckServers() {
    const size_t count = out_.servers.size();
    if (!out_.servers_usable) return;  // said already
    if (count == 2 || count > 3) {
      ServersError(out_.servers[count == 2 ? 1 : 3],
                   absl::StrCat(count,
                                " SERVER lines: a license server runs on one host or on three: ask "
                                "the vendor for a file with one line or three"));
    }
    if (count != 3) return;
    for (const ServerLine& server : out_.servers) {
      if (server.port != 0) continue;
      ServersError(server, absl::StrCat("SERVER ", server.host,
                                        " has no port: with three SERVER lines each must name one, "
                                        "for example 27000"));
    }
  }

  void NoteUnused() {
    std::vector<std::string> names;
    const Position* first = nullptr;
    auto add = [&](const Position& position, const std::string& name) {
      if (first == nullptr) first = &position;
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const ServerLine& server : out_.servers) {
      for (const std::string& word : server.unused) {
        absl::string_view name = absl::string_view(word).substr(0, word.find('='));
        if (names.size() < 8) add(server.position, std::string(name.substr(0, 32)));
      }
    }
    for (const VendorLine& vendor : out_.vendors) {
      if (!vendor.unused.empty()) add(vendor.position, "the vendor daemon's path and port");
    }
    if (first == nullptr) return;
    AddDiagnostic(out_.diagnostics,
                  {Severity::kNote, *first,
                   absl::StrCat("accepted, without effect here: ", absl::StrJoin(names, ", "))});
  }

  Lexer lexer_;
  LicenseFile out_;
};

}  // namespace

const std::string* FeatureLine::Attribute(absl::string_view name) const {
  for (const auto& [key, value] : attributes) {
    if (key == name) return &value;
  }
  return nullptr;
}

LicenseFile ReadLicenseFile(absl::string_view name, absl::string_view bytes) {
  return FileReader(name, bytes).Read();
}

absl::StatusOr<std::optional<Day>> ParseExpiry(absl::string_view text) {
  if (absl::EqualsIgnoreCase(text, "permanent")) return std::optional<Day>();
  if (text.size() > 11) return NotADate(text.substr(0, 64));
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '-');
  if (parts.size() != 3 || !IsNumber(parts[0], 2) || !IsNumber(parts[2], 4)) return NotADate(text);
  const std::string name = absl::AsciiStrToLower(parts[1]);
  const auto month_at = std::find(kMonths.begin(), kMonths.end(), name);
  int day = 0;
  int year = 0;
  if (month_at == kMonths.end() || !absl::SimpleAtoi(parts[0], &day) ||
      !absl::SimpleAtoi(parts[2], &year) || day < 1 || day > 31) {
    return NotADate(text);
  }
  if (year == 0) return std::optional<Day>();  // 1-jan-0, 1-jan-00, 01-jan-0000
  if (parts[2].size() == 2) {
    year += 1900;
  } else if (parts[2].size() != 4) {
    return NotADate(text);
  }
  const int month = static_cast<int>(month_at - kMonths.begin()) + 1;
  const int32_t days = DaysFromCivil(year, month, day);
  // 31-jun would come out as 1-jul.
  if (CivilFromDays(days).day != day) return NotADate(text);
  return std::optional<Day>(Day{days});
}

Day DayAt(int64_t wall_ms, int32_t utc_offset_s) {
  constexpr int64_t kSecondsPerDay = 86400;
  int64_t seconds = wall_ms / 1000;
  if (wall_ms % 1000 < 0) --seconds;
  seconds += utc_offset_s;
  int64_t days = seconds / kSecondsPerDay;
  if (seconds % kSecondsPerDay < 0) --days;
  return Day{static_cast<int32_t>(
      std::clamp<int64_t>(days, INT32_MIN / 2, INT32_MAX / 2))};  // no date comes near
}

std::string FormatDay(Day day) {
  const Civil civil = CivilFromDays(day.days);
  return absl::StrCat(civil.day, "-", kMonths[civil.month - 1], "-", civil.year);
}

int CompareVersions(absl::string_view a, absl::string_view b) {
  const auto [whole_a, fraction_a] = VersionParts(a);
  const auto [whole_b, fraction_b] = VersionParts(b);
  if (whole_a.size() != whole_b.size()) return whole_a.size() < whole_b.size() ? -1 : 1;
  const int whole = whole_a.compare(whole_b);
  return whole != 0 ? whole : fraction_a.compare(fraction_b);
}

std::string CanonicalVersion(absl::string_view version) {
  const auto [whole, fraction] = VersionParts(version);
  absl::string_view digits = whole.empty() ? "0" : whole;
  return fraction.empty() ? std::string(digits) : absl::StrCat(digits, ".", fraction);
}

bool IsVersion(absl::string_view text) {
  if (text.size() > 10 || std::count(text.begin(), text.end(), '.') > 1) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c) || c == '.'; }) &&
         std::any_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace triad::license
