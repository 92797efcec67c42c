// `triad`, and FlexNet's names for it: what is to be done is the first word, or the name that the
// program was called by.
#include <grpc/support/log.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/backup.h"
#include "cli/certs.h"
#include "cli/checkout.h"
#include "cli/denials.h"
#include "cli/drain.h"
#include "cli/exit_status.h"
#include "cli/features.h"
#include "cli/keys.h"
#include "cli/lm_acts.h"
#include "cli/lm_logs.h"
#include "cli/lm_tools.h"
#include "cli/lmborrow.h"
#include "cli/lmcksum.h"
#include "cli/lmdiag.h"
#include "cli/lmhostid.h"
#include "cli/lmpath.h"
#include "cli/lmstat.h"
#include "cli/lmver.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/reread.h"
#include "cli/reserve.h"
#include "cli/run.h"
#include "cli/status.h"
#include "cli/transfer_lead.h"
#include "cli/usage.h"
#include "cli/who.h"

namespace triad::cli {
namespace {

struct Verb {
  absl::string_view name;
  absl::string_view takes;
  absl::string_view does;
  int (*run)(const std::vector<std::string>& arguments);
};

constexpr Verb kVerbs[] = {
    {"status", "[--json] [--check]", "cluster, nodes, roles, lag, quorum", StatusVerb},
    {"features", "[--json] [--watch[=SECONDS]]", "what is licensed and in use", FeaturesVerb},
    {"who", "[FEATURE...] [--json] [--watch[=SECONDS]]",
     "who holds what, and what is set aside for whom", WhoVerb},
    {"queue", "[FEATURE...] [--json] [--watch[=SECONDS]]", "who waits for licenses", QueueVerb},
    {"denials", "[FEATURE...] [--from=TIME] [--to=TIME] [--json] [--watch[=SECONDS]]",
     "who was told no, why, and who had the licenses; of the last day", DenialsVerb},
    {"usage", "[--from=TIME] [--to=TIME] [--csv|--json] [--hide-users] [--verify]",
     "what happened to licenses, of any span of time; or whether its records are whole", UsageVerb},
    {"report",
     "[--from=TIME] [--to=TIME] [--items=FILE] [--window=SECONDS] [--in=FILE]\n"
     "        [--csv|--json|--html=FILE]",
     "licenses against use: peaks, averages, denials, what was bought and is used", ReportVerb},
    {"checkout",
     "-f FEATURE[:COUNT[:VERSION]] [-f ...] [-n COUNT] [-v VERSION]\n"
     "        [--up-to|--all] [--wait[=SECONDS]] [--hold=SECONDS] [--json]",
     "takes licenses (several -f: all or none) and holds them until a signal", CheckoutVerb},
    {"run",
     "-f FEATURE[:COUNT[:VERSION]] [-f ...] [-n COUNT] [-v VERSION]\n"
     "        [--wait[=SECONDS]] [--on-lost=continue|stop] -- COMMAND...",
     "holds licenses while COMMAND runs", RunVerb},
    {"keygen", "--vendor=NAME --out=DIR", "makes a vendor's keys: NAME.key, NAME.pub", KeygenVerb},
    {"sign", "--key=FILE --in=FILE --out=FILE", "signs a license file's lines", SignVerb},
    {"verify", "FILE... [--vendor-keys=DIR]", "says of each line whether its signature is good",
     VerifyVerb},
    {"certs",
     "ca | node K [--host=NAME]... | admin NAME | client NAME | client-bundle\n"
     "        [--dir=DIR] [--out=DIR] [--days=N]",
     "makes an authority and the certificates by which programs know each other", CertsVerb},
    {"transfer-lead", "[--to=NODE] [--json] [--admin-socket=PATH]",
     "hands the lead to another node", TransferLeadVerb},
    {"drain", "[--node=NODE] [--undo] [--json] [--admin-socket=PATH]",
     "before maintenance: a node leads no more and sends its clients to others", DrainVerb},
    {"backup", "FILE [--json] [--admin-socket=PATH]",
     "the whole cluster as it is now, in a file that is not there yet", BackupVerb},
    {"restore", "FILE --data-dir=DIR [--node=NODE] [--session-ttl=TIME]",
     "all nodes are lost: makes one of a backup, which the others rejoin", RestoreVerb},
    {"reread", "[--dry-run] [--from=NODE] [--json] [--admin-socket=PATH]",
     "what other license files would change and for whom; then the change", RereadVerb},
    {"reserve", "FEATURE COUNT TYPE NAME [--for=TIME] [--json]",
     "sets licenses aside for a USER, HOST, DISPLAY, INTERNET, PROJECT, GROUP, HOST_GROUP",
     ReserveVerb},
    {"unreserve", "RESERVATION [--json]", "takes back what reserve has set aside", UnreserveVerb},
    {"undo-clock", "[--json]",
     "after a server's clock had jumped forward and is right again: dates go back with it",
     UndoClockVerb},
    {"lmstat", "[-a] [-A] [-f [F]] [-S [V]] [-s [HOST]] [-i [F]] [-c PATH] [-help]",
     "as FlexNet's lmstat", LmstatVerb},
    {"lmdown", "[-c PATH] [-vendor V] [-q] [-all] [-force]", "stops servers", LmdownVerb},
    {"lmreread", "[-c PATH] [-vendor V] [-all]", "license and options files are read again",
     LmrereadVerb},
    {"lmremove", "[-c PATH] FEATURE USER HOST DISPLAY | -h FEATURE HOST PORT HANDLE",
     "frees licenses of others", LmremoveVerb},
    {"lmhostid", "[-uuid] [-n] [-help]", "this machine's host ids, as FlexNet's lmhostid",
     LmhostidVerb},
    {"lmdiag", "[-c PATH] [-n] [FEATURE]", "whether licenses can be checked out, and why not",
     LmdiagVerb},
    {"lmver", "FILE", "the version in a program", LmverVerb},
    {"lmcksum", "[-c PATH] [-help]", "compares each license line with its ck=", LmcksumVerb},
    {"lmborrow", "-status | -return FEATURE | VENDOR DATE FEATURE...", "licenses taken home",
     LmborrowVerb},
    {"lmpath", "-add V LIST | -override V LIST | -status", "which servers are asked", LmpathVerb},
    {"lmnewlog", "[-c PATH] VENDOR FILE", "keeps the report log as FILE", LmnewlogVerb},
    {"lmswitch", "[-c PATH] VENDOR FILE", "the debug log goes on in FILE", LmswitchVerb},
    {"lmswitchr", "[-c PATH] VENDOR FILE", "the report log goes on in FILE", LmswitchrVerb},
};

std::string HelpText() {
  std::string text = "usage: triad [-c WHERE] VERB [FLAGS]\n\n";
  for (const Verb& verb : kVerbs) {
    absl::StrAppend(&text, "  ", verb.name, " ", verb.takes, "\n        ", verb.does, "\n");
  }
  return absl::StrCat(
      text,
      "\n"
      "-c WHERE, before or after the verb: a license file, a directory of *.lic files,\n"
      "port@host or port@host,port@host,port@host. Without it: VENDOR_LICENSE_FILE and\n"
      "LM_LICENSE_FILE in the environment, ~/.flexlmrc, /etc/triad/license.dat.\n"
      "--tls-ca=FILE, --tls-cert=FILE, --tls-key=FILE: whom to trust as servers, and the own\n"
      "certificate; without them TRIAD_TLS_CA, _CERT, _KEY, ~/.config/triad/, /etc/triad/tls/.\n"
      "--insecure speaks plaintext to other machines. --version, --help.\n"
      "\n"
      "exit: 0 done, 1 the licensing answer was no, 2 wrong usage, 3 cluster not reachable\n"
      "or no quorum; run: COMMAND's, or 124 denied, 125 other failure, 126 and 127 as env(1);\n"
      "status --check: 1 cannot lose any, 2 no quorum, 3 unknown\n");
}

bool IsLmVerb(absl::string_view name) {
  for (const Verb& verb : kVerbs) {
    if (verb.name == name && name.substr(0, 2) == "lm") return true;
  }
  return false;
}

std::string LmutilHelp() {
  std::string text = "usage: lmutil TOOL [ARGUMENTS]; lmutil TOOL -help\n";
  for (const Verb& verb : kVerbs) {
    if (IsLmVerb(verb.name)) absl::StrAppend(&text, "    ", verb.name, " ", verb.takes, "\n");
  }
  return text;
}

bool AsksForHelp(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    if (argument == "--") return false;
    if (argument == "--help" || argument == "-help" || argument == "-h") return true;
  }
  return false;
}

int Dispatch(const std::vector<std::string>& arguments) {
  const FlagTable common = {{"c", Takes::kValue},
                            {"insecure"},
                            {"tls-ca", Takes::kValue},
                            {"tls-cert", Takes::kValue},
                            {"tls-key", Takes::kValue},
                            {"help"},
                            {"h"},
                            {"version"}};
  const auto line = SplitVerb(common, arguments);
  if (!line.ok()) return RefuseUsage("", line.status());
  const bool help = line->verb == "help" || AsksForHelp(line->arguments);
  for (const std::string& argument : line->arguments) {
    if (line->verb.empty() && argument == "--version") {
      ToStdout(absl::StrCat("triad ", TRIAD_VERSION, "\n"));
      return kExitDone;
    }
  }
  if (help && line->verb.rfind("lm", 0) != 0) {
    ToStdout(HelpText());
    return kExitDone;
  }
  for (const Verb& verb : kVerbs) {
    if (verb.name == line->verb) return verb.run(line->arguments);
  }
  return RefuseUsage("", absl::InvalidArgumentError(
                             line->verb.empty() ? "what is to be done?"
                                                : absl::StrCat("unknown verb: ", line->verb)));
}

}  // namespace

// The program under the name `called`; a link named lmstat is `triad lmstat`, and lmutil takes the
// tool's name as its first word.
int Main(const std::string& called, std::vector<std::string> arguments) {
  const std::string name = called.substr(called.rfind('/') + 1);
  if (name == "lmutil" && (arguments.empty() || arguments[0] == "-help")) {
    ToStdout(absl::StrCat(LmFirstLine(), LmutilHelp()));
    return kExitDone;
  }
  if (name == "lmutil" && !IsLmVerb(arguments[0])) {
    return LmRefuseUsage("lmutil",
                         absl::InvalidArgumentError(absl::StrCat("no tool ", arguments[0])));
  }
  if (name.rfind("lm", 0) == 0 && name != "lmutil") arguments.insert(arguments.begin(), name);
  const int exit = Dispatch(arguments);
  if (exit == kExitDone && !StdoutIsGood()) {
    Complain("cannot write to stdout");
    return kExitNo;
  }
  return exit;
}

}  // namespace triad::cli

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like others
  // gRPC prints to stderr on its own; what a user should hear, the tool says itself.
  gpr_set_log_function([](gpr_log_func_args*) {});
  return triad::cli::Main(argc > 0 ? argv[0] : "triad",
                          std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
