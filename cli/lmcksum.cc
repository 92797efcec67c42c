#include "cli/lmcksum.h"

#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/lm_tools.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/text.h"
#include "client/machine.h"
#include "license/checksum.h"
#include "license/denial.h"

namespace triad::cli {
namespace {

constexpr int kNoLicenseFile = -1;
constexpr int kBadSyntax = -2;

std::string Verdict(const license::CheckedLine& line) {
  if (line.bad_number) return "BAD: ck= is not a number from 0 to 255";
  if (!line.ck) return absl::StrCat("no ck=; it would be ck=", line.computed);
  if (line.foreign) {
    return absl::StrCat("ck=", *line.ck, " is FlexNet's, as the line's signature: not compared");
  }
  if (*line.ck == line.computed) return "OK";
  return absl::StrCat("BAD: ck=", *line.ck, ", the line gives ", line.computed,
                      ": it was changed or mistyped");
}

}  // namespace

std::string LmcksumText(absl::string_view path, absl::string_view bytes, bool* bad) {
  std::string out = absl::StrCat("lmcksum: using license file \"", path, "\"\n\n");
  for (const license::CheckedLine& line : license::CheckLines(bytes)) {
    const std::string verdict = Verdict(line);
    *bad = *bad || verdict.rfind("BAD", 0) == 0;
    absl::StrAppend(&out, line.line, ": ", verdict, ": ", Printable(line.echo), "\n");
  }
  return out;
}

std::string LmcksumHelp() {
  return "usage: lmcksum [-c LICENSE_PATH] [-k]\n"
         "    one line per license line: OK or BAD, where it has a ck=\n"
         "    -k              taken and ignored: case in keys does not count\n"
         "exit: 0, or 254 (-2) when a line is BAD, 255 (-1) without a license file\n";
}

int LmcksumVerb(const std::vector<std::string>& arguments) {
  const FlagTable table = {{"c", Takes::kValue}, {"k"}, {"verbose"}, {"v"}, {"help"}};
  const auto args = ParseArgs(table, Words::kNone, arguments);
  if (!args.ok()) {
    ToStderr(absl::StrCat("lmcksum: ", args.status().message(), "; see lmcksum -help\n"));
    return LmExit(license::ToNumber(license::DenialCode::kBadParameter));
  }
  ToStdout(LmFirstLine());
  if (args->Has("help")) {
    ToStdout(LmcksumHelp());
    return 0;
  }
  bool bad = false;
  bool any = false;
  for (const std::string& path : LicenseFilesOnPath(args->Value("c"))) {
    const auto text = client::RealMachine().read_file(path);
    if (!text.ok()) {
      ToStderr(absl::StrCat("lmcksum: ", path, ": ", text.status().message(), "\n"));
      continue;
    }
    any = true;
    ToStdout(LmcksumText(path, *text, &bad));
  }
  if (!any) {
    ToStdout(absl::StrCat("Error: there is no license file on the search path: give one with -c. (",
                          kNoLicenseFile, ")\n"));
    return LmExit(kNoLicenseFile);
  }
  return bad ? LmExit(kBadSyntax) : 0;
}

}  // namespace triad::cli
