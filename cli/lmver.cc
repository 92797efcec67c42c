#include "cli/lmver.h"

#include <cctype>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

constexpr char kHelp[] =
    "usage: lmver FILE\n"
    "    the version of Triad, or of FlexNet, that stands in a program, library or daemon\n";
constexpr absl::string_view kNames[] = {"Triad v", "FlexNet Licensing v", "FLEXlm v"};
constexpr size_t kVersionBytesMax = 60;

// "0.1.0 build 7 x64_lsb" and the like: as long as it reads as words.
std::string TextAt(absl::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, kVersionBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (isalnum(byte) == 0 && c != '.' && c != '_' && c != ' ' && c != '-') break;
    text.push_back(c);
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

std::string VersionIn(absl::string_view bytes) {
  for (const absl::string_view name : kNames) {
    for (size_t at = bytes.find(name); at != absl::string_view::npos;
         at = bytes.find(name, at + 1)) {
      const absl::string_view rest = bytes.substr(at + name.size());
      if (rest.empty() || isdigit(static_cast<unsigned char>(rest[0])) == 0) continue;
      return absl::StrCat(name, TextAt(rest));
    }
  }
  return "";
}

int LmverVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithLmFlags({}), Words::kAny, arguments);
  if (!args.ok()) return LmRefuseUsage("lmver", args.status());
  if (LmHelpOrVersion(*args, "lmver", kHelp)) return 0;
  if (args->words().size() != 1) {
    return LmRefuseUsage("lmver", absl::InvalidArgumentError("give one FILE"));
  }
  ToStdout(LmFirstLine());
  const std::string& path = args->words()[0];
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && bytes.empty()) {
    return LmRefuse("lmver", absl::StrCat(Printable(path), ": cannot be read"), kLmCannotReadFile);
  }
  const std::string version = VersionIn(bytes);
  if (version.empty()) {
    return LmRefuse("lmver",
                    absl::StrCat(Printable(path), ": holds no version of Triad or FlexNet"),
                    kLmBadParameter);
  }
  ToStdout(absl::StrCat(version, "\n"));
  return 0;
}

}  // namespace triad::cli
