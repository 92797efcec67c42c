#include "cli/lmborrow.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/channels.h"
#include "cli/checkout.h"
#include "cli/files.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/text.h"
#include "client/borrow_store.h"
#include "client/machine.h"

namespace triad::cli {
namespace {

constexpr char kHelp[] =
    "usage: lmborrow VENDOR|all DD-MMM-YYYY[:HH:MM] FEATURE[:COUNT[:VERSION]]...\n"
    "                       borrows these features until then (time: 23:59)\n"
    "       lmborrow -status                what is borrowed to you on this machine\n"
    "       lmborrow -return [-c LICENSE_PATH] [-d DISPLAY] [-fqdn] FEATURE\n"
    "                       brings it back before its time\n"
    "       lmborrow -purge                 forgets what is over\n"
    "       lmborrow -clear                 forgets LM_BORROW in $HOME/.flexlmborrow\n";
constexpr int kNotBorrowed = -41;  // never checked out
constexpr const char* kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                   "jul", "aug", "sep", "oct", "nov", "dec"};

client::Borrower Here() {
  return client::ThisBorrower(ClientOptions());
}

std::vector<BorrowedLicense> BorrowedHere() {
  const client::BorrowStore store("", Here(), {});
  std::vector<std::string> problems;
  std::vector<BorrowedLicense> borrowed;
  for (const client::BorrowRecord& record : store.List(&problems)) {
    borrowed.push_back(record.license);
  }
  return borrowed;
}

// Records of licenses whose time is over, of this user's directory.
int Purge() {
  const char* named = std::getenv("TRIAD_BORROW_DIR");
  const std::string home = client::RealMachine().environment("HOME").value_or("");
  const std::string directory =
      named != nullptr && *named != '\0' ? named : absl::StrCat(home, "/.local/share/triad");
  const auto files = ListFiles(directory, "");
  size_t gone = 0;
  for (const std::string& path : files.value_or(std::vector<std::string>())) {
    const auto text = ReadFile(path);
    if (!text.ok()) continue;
    const auto record = client::ParseRecord(*text);
    if (!record.ok() || record->license.until_ms > client::WallMs()) continue;
    if (unlink(path.c_str()) == 0) ++gone;
  }
  ToStdout(absl::StrCat(Counted(gone, "record"), " of borrowing that is over removed\n"));
  return 0;
}

int Clear() {
  const std::string home = client::RealMachine().environment("HOME").value_or("");
  const std::string path = absl::StrCat(home, "/.flexlmborrow");
  const auto text = ReadFile(path);
  if (text.ok()) {
    std::string kept;
    for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
      if (line.substr(0, 10) != "LM_BORROW=") absl::StrAppend(&kept, line, "\n");
    }
    const absl::Status written = ReplaceFile(path, kept);
    if (!written.ok()) return LmRefuse("lmborrow", written.message(), kLmCannotReadFile);
  }
  ToStdout("LM_BORROW is cleared\n");
  return 0;
}

int TellStatus(const Status& status) {
  const int code = status.code == 0 ? kLmCannotConnect : status.code;
  return LmRefuse("lmborrow", status.ToString(), code);
}

absl::StatusOr<ClientOptions> OptionsOf(const Args& args) {
  const auto found = FindTheClusters(args);
  if (!found.ok()) {
    return absl::NotFoundError(absl::StrCat(found.status().message(), " (", kLmNoLicenseFile, ")"));
  }
  ClientOptions options;
  options.license_path = AsSearchPath(found->clusters);
  options.insecure = InsecureAllowed(args);
  GiveTrustTo(&options);
  options.application = "lmborrow";
  if (args.Has("d")) options.display = args.Value("d");
  return options;
}

int Return(const Args& args) {
  if (args.words().size() != 1) {
    return LmRefuseUsage("lmborrow", absl::InvalidArgumentError("-return takes one FEATURE"));
  }
  ToStdout(LmFirstLine());
  const std::string& feature = args.words()[0];
  std::vector<BorrowedLicense> meant;
  for (const BorrowedLicense& license : BorrowedHere()) {
    if (license.feature == feature) meant.push_back(license);
  }
  if (meant.empty()) {
    return LmRefuse("lmborrow",
                    absl::StrCat(Printable(feature), ": not borrowed to you on this machine"),
                    kNotBorrowed);
  }
  const auto options = OptionsOf(args);
  if (!options.ok()) return LmRefuse("lmborrow", options.status().message(), kLmNoLicenseFile);
  Result<Client> client = Client::Open(*options);
  if (!client) return TellStatus(client.status());
  for (const BorrowedLicense& license : meant) {
    const Status returned = client->ReturnBorrowed(license);
    if (!returned.ok()) return TellStatus(returned);
    ToStdout(absl::StrCat(Printable(license.feature), ": ", license.count,
                          license.count == 1 ? " license" : " licenses", " returned\n"));
  }
  (void)client->Close();
  return 0;
}

int Borrow(const Args& args) {
  std::vector<std::string> words = args.words();
  if (words.size() < 3) {
    return LmRefuseUsage("lmborrow", absl::InvalidArgumentError(
                                         "give VENDOR|all, a date and the features to borrow; "
                                         "Triad borrows at once and by name, LM_BORROW is not "
                                         "looked at by applications"));
  }
  // "20-aug-2027 13:00 f" and "20-aug-2027:13:00 f".
  std::string time;
  if (words.size() > 3 && words[2].find(':') == 2 && words[2].size() == 5) {
    time = words[2];
    words.erase(words.begin() + 2);
  }
  const auto until_ms = ParseBorrowEnd(words[1], time);
  if (!until_ms.ok()) return LmRefuseUsage("lmborrow", until_ms.status());
  std::vector<CheckoutRequest> requests;
  for (size_t i = 2; i < words.size(); ++i) {
    const auto feature = ParseFeatureArgument(words[i]);
    if (!feature.ok()) return LmRefuseUsage("lmborrow", feature.status());
    CheckoutRequest request;
    request.feature = feature->feature;
    request.count = feature->count.value_or(1);
    request.version = feature->version.value_or("");
    requests.push_back(std::move(request));
  }
  ToStdout(LmFirstLine());
  auto options = OptionsOf(args);
  if (!options.ok()) return LmRefuse("lmborrow", options.status().message(), kLmNoLicenseFile);
  if (words[0] != "all") options->vendor = words[0];
  Result<Client> client = Client::Open(*options);
  if (!client) return TellStatus(client.status());
  for (const CheckoutRequest& request : requests) {
    const Result<BorrowedLicense> borrowed = client->Borrow(request, *until_ms);
    if (!borrowed) return TellStatus(borrowed.status());
    ToStdout(absl::StrCat(
        Printable(borrowed->feature), ": ", borrowed->count,
        borrowed->count == 1 ? " license" : " licenses", " borrowed until ",
        absl::FormatTime("%d-%b-%Y %H:%M", absl::FromUnixMillis(*until_ms), absl::LocalTimeZone()),
        "\n"));
  }
  (void)client->Close();
  return 0;
}

}  // namespace

absl::StatusOr<int64_t> ParseBorrowEnd(absl::string_view date, absl::string_view time) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", Printable(date), "' is no date such as 20-aug-2027 or 20-aug-2027:13:00"));
  };
  std::vector<std::string> parts = absl::StrSplit(date, absl::MaxSplits(':', 1));
  const std::string clock = parts.size() == 2 ? parts[1] : std::string(time);
  const std::vector<std::string> fields = absl::StrSplit(parts[0], '-');
  int day = 0;
  int year = 0;
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &day) ||
      !absl::SimpleAtoi(fields[2], &year) || year < 1970 || year > 9999) {
    return wrong();
  }
  const auto* month =
      std::find(std::begin(kMonths), std::end(kMonths), absl::AsciiStrToLower(fields[1]));
  if (month == std::end(kMonths)) return wrong();
  int hour = 23;
  int minute = 59;
  if (!clock.empty()) {
    const std::vector<std::string> hm = absl::StrSplit(clock, ':');
    if (hm.size() != 2 || !absl::SimpleAtoi(hm[0], &hour) || !absl::SimpleAtoi(hm[1], &minute) ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59) {
      return wrong();
    }
  }
  const absl::CivilSecond end(year, static_cast<int>(month - std::begin(kMonths)) + 1, day, hour,
                              minute, 0);
  if (end.day() != day) return wrong();  // 31-feb
  return absl::ToUnixMillis(absl::FromCivil(end, absl::LocalTimeZone()));
}

std::string BorrowTable(const std::vector<BorrowedLicense>& borrowed) {
  std::string out = absl::StrFormat("%-15s %-23s %s\n", "Vendor", "Feature", "Expiration");
  absl::StrAppend(&out, absl::StrFormat("%-15s %-23s %s\n", "______", "________", "__________"));
  for (const BorrowedLicense& license : borrowed) {
    absl::StrAppend(
        &out,
        absl::StrFormat("%-15s %-23s %s\n", Printable(license.vendor), Printable(license.feature),
                        absl::FormatTime("%d-%b-%Y %H:%M", absl::FromUnixMillis(license.until_ms),
                                         absl::LocalTimeZone())));
  }
  return out;
}

int LmborrowVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(
      WithLmFlags({{"status"}, {"return"}, {"purge"}, {"clear"}, {"fqdn"}, {"d", Takes::kValue}}),
      Words::kAny, arguments);
  if (!args.ok()) return LmRefuseUsage("lmborrow", args.status());
  if (LmHelpOrVersion(*args, "lmborrow", kHelp)) return 0;
  if (args->Has("return")) return Return(*args);
  if (!args->Has("status") && !args->Has("purge") && !args->Has("clear")) return Borrow(*args);
  ToStdout(LmFirstLine());
  if (args->Has("purge")) return Purge();
  if (args->Has("clear")) return Clear();
  ToStdout(BorrowTable(BorrowedHere()));
  return 0;
}

}  // namespace triad::cli
