#include "cli/keys.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

constexpr char kDefaultVendorKeys[] = "/etc/triad/vendors.d";

int Fail(absl::string_view verb, const absl::Status& status) {
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    Complain(absl::StrCat(verb, ": ", line));
  }
  return kExitNo;
}

// The first of `needed` that was not given, as an error.
absl::Status CheckGiven(const Args& args, const std::vector<absl::string_view>& needed) {
  for (absl::string_view flag : needed) {
    if (!args.Has(flag)) return absl::InvalidArgumentError(absl::StrCat("--", flag, " is missing"));
  }
  return absl::OkStatus();
}

// A vendor's name becomes a file's name and a word in license files.
bool IsVendorName(absl::string_view vendor) {
  const license::PublicKey none = {};
  const auto parsed = license::ParsePublicKey("", license::FormatPublicKey(vendor, none));
  return parsed.ok() && parsed->vendor == vendor && !absl::StrContains(vendor, "/") &&
         vendor[0] != '.' && vendor[0] != '#' && vendor[0] != '-';
}

absl::StatusOr<license::VendorKeys> ReadVendorKeys(const std::string& directory) {
  const auto files = ListFiles(directory, ".pub");
  if (!files.ok()) return files.status();
  license::VendorKeys keys;
  for (const std::string& path : *files) {
    const auto text = ReadFile(path);
    if (!text.ok()) return text.status();
    const auto key = license::ParsePublicKey(path, *text);
    if (!key.ok()) return key.status();
    keys.emplace(key->vendor, key->key);
  }
  return keys;
}

}  // namespace

std::string VerifyText(const license::LicenseFile& file, const license::VendorKeys& keys,
                       bool* good) {
  std::string text;
  // Lines that could not be read are no FeatureLine; their complaints say what they are.
  for (const license::Diagnostic& diagnostic : file.diagnostics) {
    absl::StrAppend(&text, Printable(diagnostic.ToString()), "\n");
    if (diagnostic.severity == license::Severity::kError) *good = false;
  }
  std::vector<const license::FeatureLine*> lines;
  for (const license::FeatureLine& line : file.features) lines.push_back(&line);
  for (const license::FeatureLine& line : file.packages) lines.push_back(&line);
  std::sort(lines.begin(), lines.end(),
            [](const auto* a, const auto* b) { return a->position.line < b->position.line; });
  for (const license::FeatureLine* line : lines) {
    const license::Verdict verdict = license::Verify(*line, file.servers, keys);
    const bool is_good = verdict == license::Verdict::kGood;
    absl::StrAppend(&text, file.name, ":", line->position.line, ": ", Printable(line->feature),
                    ": ", is_good ? "good" : Printable(license::Explain(verdict, *line)), "\n");
    *good = *good && is_good;
  }
  return text;
}

int KeygenVerb(const std::vector<std::string>& arguments) {
  const auto args =
      ParseArgs({{"vendor", Takes::kValue}, {"out", Takes::kValue}}, Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("keygen", args.status());
  const absl::Status given = CheckGiven(*args, {"vendor", "out"});
  if (!given.ok()) return RefuseUsage("keygen", given);
  const std::string vendor = args->Value("vendor");
  if (!IsVendorName(vendor)) {
    return RefuseUsage(
        "keygen", absl::InvalidArgumentError(absl::StrCat(
                      "--vendor=", vendor, ": a vendor's name is one word, as on VENDOR lines")));
  }
  const auto keys = license::GenerateKeyPair();
  if (!keys.ok()) return Fail("keygen", keys.status());
  absl::Status status = MakeDirectory(args->Value("out"));
  if (!status.ok()) return Fail("keygen", status);
  const std::string base = absl::StrCat(args->Value("out"), "/", vendor);
  status = WriteNewFile(base + ".key", license::FormatPrivateKey(vendor, *keys), 0600);
  if (status.ok()) {
    status = WriteNewFile(base + ".pub", license::FormatPublicKey(vendor, keys->public_key), 0644);
  }
  if (absl::IsAlreadyExists(status)) {
    status = absl::AlreadyExistsError(
        absl::StrCat(status.message(), ": a key is never overwritten; give another --out"));
  }
  if (!status.ok()) return Fail("keygen", status);
  ToStdout(absl::StrCat("triad: wrote ", base, ".key (keep it secret) and ", base,
                        ".pub (install it where licenses are served), key ",
                        license::KeyId(keys->public_key), "\n"));
  return kExitDone;
}

int SignVerb(const std::vector<std::string>& arguments) {
  const auto args =
      ParseArgs({{"key", Takes::kValue}, {"in", Takes::kValue}, {"out", Takes::kValue}},
                Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("sign", args.status());
  const absl::Status given = CheckGiven(*args, {"key", "in", "out"});
  if (!given.ok()) return RefuseUsage("sign", given);
  const auto key_text = ReadFile(args->Value("key"));
  if (!key_text.ok()) return Fail("sign", key_text.status());
  const auto key = license::ParsePrivateKey(args->Value("key"), *key_text);
  if (!key.ok()) return Fail("sign", key.status());
  const auto text = ReadFile(args->Value("in"));
  if (!text.ok()) return Fail("sign", text.status());
  const auto result = license::SignText(args->Value("in"), *text, *key);
  if (!result.ok()) return Fail("sign", result.status());
  const absl::Status written = ReplaceFile(args->Value("out"), *result);
  if (!written.ok()) return Fail("sign", written);
  const license::LicenseFile file = license::ReadLicenseFile(args->Value("out"), *result);
  const auto of_vendor = [&](const license::FeatureLine& line) {
    return line.vendor == key->vendor;
  };
  const auto lines = std::count_if(file.features.begin(), file.features.end(), of_vendor) +
                     std::count_if(file.packages.begin(), file.packages.end(), of_vendor);
  ToStdout(absl::StrCat("triad: wrote ", args->Value("out"), ": ",
                        Counted(static_cast<size_t>(lines), "line"), " signed with key ",
                        license::KeyId(key->keys.public_key), " of ", key->vendor, "\n"));
  return kExitDone;
}

int VerifyVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs({{"vendor-keys", Takes::kValue}}, Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage("verify", args.status());
  if (args->words().empty()) {
    return RefuseUsage("verify", absl::InvalidArgumentError("which license file?"));
  }
  const std::string directory =
      args->Has("vendor-keys") ? args->Value("vendor-keys") : kDefaultVendorKeys;
  const auto keys = ReadVendorKeys(directory);
  if (!keys.ok()) return Fail("verify", keys.status());
  bool good = true;
  for (const std::string& path : args->words()) {
    const auto text = ReadFile(path);
    if (!text.ok()) {
      Fail("verify", text.status());
      good = false;
      continue;
    }
    const license::LicenseFile file = license::ReadLicenseFile(path, *text);
    ToStdout(VerifyText(file, *keys, &good));
    if (file.features.empty() && file.packages.empty()) {
      ToStdout(absl::StrCat(path, ": no FEATURE or INCREMENT line to verify\n"));
    }
  }
  return good ? kExitDone : kExitNo;
}

}  // namespace triad::cli
