#include "cli/certs.h"

#include <sys/stat.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/files.h"
#include "cli/output.h"
#include "license/certificate.h"

namespace triad::cli {
namespace {

using license::Certified;
using license::KeyAndCertificate;
using license::Role;

constexpr char kDefaultDir[] = "triad-certs";
constexpr int kAuthorityDays = 3'650;
constexpr int kDefaultDays = 730;
constexpr int kDaysMax = 36'500;
// A machine whose clock is a little behind takes a new certificate, too.
constexpr int64_t kBackdateSeconds = 3'600;
constexpr int64_t kDaySeconds = 86'400;
constexpr mode_t kKeyMode = 0600;
constexpr mode_t kCertificateMode = 0644;

int Fail(const absl::Status& status) {
  Complain(absl::StrCat("certs: ", status.message()));
  return kExitNo;
}

int Refuse(const std::string& why) {
  return RefuseUsage("certs", absl::InvalidArgumentError(why));
}

license::Validity For(int64_t days) {
  const int64_t now_s = absl::ToUnixSeconds(absl::Now());
  return {now_s - kBackdateSeconds, now_s + days * kDaySeconds};
}

// In an order that shows a half-made set by what is missing: the key first.
absl::Status WriteSet(const std::string& dir, const std::string& name, const std::string& ca,
                      const KeyAndCertificate& own) {
  const std::string base = absl::StrCat(dir, "/", name);
  absl::Status status = WriteNewFile(absl::StrCat(base, ".key"), own.key_pem, kKeyMode);
  if (status.ok()) {
    status = WriteNewFile(absl::StrCat(base, ".crt"), own.certificate_pem, kCertificateMode);
  }
  if (status.ok() && !ca.empty()) {
    status = WriteNewFile(absl::StrCat(dir, "/ca.crt"), ca, kCertificateMode);
  }
  return status;
}

// A directory that is only the owner's, since keys are in it.
absl::Status MakeNewDirectory(const std::string& dir) {
  struct stat found = {};
  if (stat(dir.c_str(), &found) == 0) {
    return absl::AlreadyExistsError(absl::StrCat(
        dir, " is there already: nothing is overwritten; give another --out, or move it away"));
  }
  absl::Status status = MakeDirectory(dir);
  if (status.ok() && chmod(dir.c_str(), 0700) != 0) {
    status = absl::UnavailableError(absl::StrCat(dir, ": cannot be kept from others"));
  }
  return status;
}

int MakeTheAuthority(const std::string& dir, int64_t days) {
  absl::Status status = MakeDirectory(dir);
  if (!status.ok()) return Fail(status);
  auto made = license::MakeAuthority("Triad authority", For(days));
  status = made.status();
  if (status.ok()) status = WriteSet(dir, "ca", "", *made);
  if (absl::IsAlreadyExists(status)) {
    status = absl::AlreadyExistsError(
        absl::StrCat(status.message(), ": an authority is never overwritten; give another --dir"));
  }
  if (!status.ok()) return Fail(status);
  ToStdout(absl::StrCat("triad: wrote ", dir, "/ca.key (keep it secret and off the servers) and ",
                        dir, "/ca.crt, good for ", days,
                        " days\nnext: triad certs node 1, node 2, node 3, admin NAME, "
                        "client-bundle\n"));
  return kExitDone;
}

absl::StatusOr<KeyAndCertificate> ReadAuthority(const std::string& dir) {
  const auto key = ReadFile(absl::StrCat(dir, "/ca.key"));
  const auto certificate = ReadFile(absl::StrCat(dir, "/ca.crt"));
  if (absl::IsNotFound(key.status()) || absl::IsNotFound(certificate.status())) {
    return absl::NotFoundError(
        absl::StrCat(dir, " holds no authority: make one with triad certs ca, or give its --dir"));
  }
  if (!key.ok()) return key.status();
  if (!certificate.ok()) return certificate.status();
  return KeyAndCertificate{*key, *certificate};
}

struct Wanted {
  Certified who;
  std::string dir;   // where the authority is
  std::string out;   // "": a usual place in `dir`
  std::string file;  // node, admin, client
  std::vector<std::string> hosts;
  int64_t days = 0;
};

std::string WhereToPut(const Wanted& wanted) {
  switch (wanted.who.role) {
    case Role::kNode:
      return absl::StrCat("copy its three files to /etc/triad/tls/ of node ", wanted.who.slot,
                          "; node.key is for triadd's user alone");
    case Role::kAdmin:
      return "copy its three files to ~/.config/triad/ of the administrator";
    default:
      return "copy its three files to ~/.config/triad/ of the user, or /etc/triad/tls/ of the "
             "machine";
  }
}

int MakeOne(const Wanted& wanted) {
  const auto authority = ReadAuthority(wanted.dir);
  if (!authority.ok()) return Fail(authority.status());
  const auto made =
      license::MakeCertificate(*authority, wanted.who, wanted.hosts, For(wanted.days));
  if (!made.ok()) return Fail(made.status());
  absl::Status status = MakeNewDirectory(wanted.out);
  if (status.ok()) status = WriteSet(wanted.out, wanted.file, authority->certificate_pem, *made);
  if (!status.ok()) return Fail(status);
  ToStdout(absl::StrCat("triad: wrote ", wanted.out, "/", wanted.file, ".key, ", wanted.file,
                        ".crt and ca.crt: ", wanted.who.ToString(), ", good for ", wanted.days,
                        " days\n", WhereToPut(wanted), "\n"));
  return kExitDone;
}

// What a client machine needs to know the servers: the authority's certificate, and no secret.
int MakeBundle(const std::string& dir, const std::string& out) {
  const auto certificate = ReadFile(absl::StrCat(dir, "/ca.crt"));
  if (!certificate.ok()) {
    return Fail(absl::NotFoundError(
        absl::StrCat(dir, " holds no authority: make one with triad certs ca, or give its --dir")));
  }
  absl::Status status = MakeNewDirectory(out);
  if (status.ok()) {
    status = WriteNewFile(absl::StrCat(out, "/ca.crt"), *certificate, kCertificateMode);
  }
  if (status.ok() && chmod(out.c_str(), 0755) != 0) {
    status = absl::UnavailableError(absl::StrCat(out, ": cannot be opened to others"));
  }
  if (!status.ok()) return Fail(status);
  ToStdout(absl::StrCat("triad: wrote ", out,
                        "/ca.crt\ncopy it to /etc/triad/tls/ of each client machine; it is no "
                        "secret\n"));
  return kExitDone;
}

constexpr char kWhat[] =
    "what is to be made: ca | node 1, 2 or 3 | admin NAME | client NAME | client-bundle";

// The second word, for which role; kNone and a complaint if it is not one.
absl::StatusOr<Wanted> Parse(const std::vector<std::string>& words) {
  Wanted wanted;
  wanted.file = words[0];
  if (words.size() != 2) {
    return absl::InvalidArgumentError(absl::StrCat(words[0], ": whose? ", kWhat));
  }
  if (words[0] == "node") {
    wanted.who = license::ParseRoleUri(absl::StrCat("triad:node:", words[1]));
    if (wanted.who.role == Role::kNode) return wanted;
    return absl::InvalidArgumentError(absl::StrCat("node ", words[1], ": takes 1, 2 or 3"));
  }
  wanted.who.role = words[0] == "admin" ? Role::kAdmin : Role::kClient;
  wanted.who.name = words[1];
  if (license::IsCertifiedName(words[1])) return wanted;
  return absl::InvalidArgumentError(
      absl::StrCat(words[0], " ", words[1], ": a name has at most 64 letters, digits and . _ @ -"));
}

}  // namespace

int CertsVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs({{"dir", Takes::kValue},
                               {"out", Takes::kValue},
                               {"host", Takes::kValue, /*repeats=*/true},
                               {"days", Takes::kValue}},
                              Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage("certs", args.status());
  const std::vector<std::string>& words = args->words();
  if (words.empty()) return Refuse(kWhat);
  const std::string& what = words[0];
  const std::string dir = args->Has("dir") ? args->Value("dir") : kDefaultDir;
  int64_t days = what == "ca" ? kAuthorityDays : kDefaultDays;
  if (args->Has("days") &&
      (!absl::SimpleAtoi(args->Value("days"), &days) || days < 1 || days > kDaysMax)) {
    return Refuse(absl::StrCat("--days=", args->Value("days"), ": takes 1 to ", kDaysMax));
  }
  if (args->Has("host") && what != "node") return Refuse("--host is of certs node only");
  if (what == "ca" || what == "client-bundle") {
    if (words.size() > 1) return Refuse(absl::StrCat("unexpected argument: ", words[1]));
    if (what == "ca") {
      return args->Has("out") ? Refuse("certs ca takes --dir, not --out")
                              : MakeTheAuthority(dir, days);
    }
    return MakeBundle(dir, args->Has("out") ? args->Value("out") : dir + "/client-bundle");
  }
  if (what != "node" && what != "admin" && what != "client") {
    return Refuse(absl::StrCat("unknown: ", what, "; ", kWhat));
  }
  auto wanted = Parse(words);
  if (!wanted.ok()) return RefuseUsage("certs", wanted.status());
  wanted->dir = dir;
  wanted->hosts = args->Values("host");
  wanted->days = days;
  wanted->out = args->Has("out")
                    ? args->Value("out")
                    : absl::StrCat(dir, "/", what, what == "node" ? "" : "-", words[1]);
  return MakeOne(*wanted);
}

}  // namespace triad::cli
