#include "cli/backup.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/status.h"
#include "license/backup_file.h"
#include "license/certificate.h"

namespace triad::cli {
namespace {

// A backup holds who uses what, and with what token: as secret as a data directory.
constexpr mode_t kBackupMode = 0600;

struct Taken {
  v1::BackupHead head;
  v1::BackupEnd end;
  uint64_t bytes = 0;
};

// Not the cluster's: of whom an error is decides what is said of it.
absl::Status OfFile(const absl::Status& status) {
  return status.ok() ? status : absl::FailedPreconditionError(status.message());
}

// What comes is checked as it will be checked when it is restored, and written as it comes.
absl::StatusOr<Taken> Take(const std::string& target, const std::string& path) {
  auto file = NewFile::Create(path, kBackupMode);
  if (!file.ok()) return OfFile(file.status());
  license::BackupWriter writer;
  license::BackupReader check([](const v1::BackupPiece&) { return absl::OkStatus(); });
  Taken taken;
  const auto write = [&](const std::string& bytes) {
    absl::Status status = check.Add(bytes);
    if (status.ok()) status = OfFile((*file)->Write(bytes));
    taken.bytes += bytes.size();
    return status;
  };
  absl::Status status =
      AskBackup(target, [&](const v1::BackupPiece& piece) { return write(writer.Piece(piece)); });
  if (status.ok()) status = write(writer.Finish());
  if (status.ok()) status = check.Finish();
  if (status.ok()) status = OfFile((*file)->Finish());
  if (!status.ok()) return status;
  taken.head = check.head();
  taken.end = check.end();
  return taken;
}

std::string TextOf(const Taken& taken, const std::string& path) {
  return absl::StrCat("triad: ", path, ": ", taken.end.checkouts(), " checkouts of ",
                      taken.end.sessions(), " sessions and ", taken.end.usage_records(),
                      " usage records as of ", license::FormatTime(taken.head.wall_ms() / 1'000),
                      ", entry ", taken.head.index(), " of term ", taken.head.term(), ", by node ",
                      taken.head.node(), "; ", taken.bytes, " bytes\n");
}

std::string JsonOf(const Taken& taken, const std::string& path) {
  JsonObject object;
  object.String("file", path).Unsigned("bytes", taken.bytes);
  object.String("cluster", absl::BytesToHexString(taken.head.cluster_id()));
  object.Unsigned("node", taken.head.node()).Unsigned("index", taken.head.index());
  object.Unsigned("term", taken.head.term());
  object.String("time", license::FormatTime(taken.head.wall_ms() / 1'000));
  object.Unsigned("sessions", taken.end.sessions()).Unsigned("checkouts", taken.end.checkouts());
  object.Unsigned("usage_records", taken.end.usage_records());
  return absl::StrCat(object.Text(), "\n");
}

// Beside this program, as in the build tree; else where the package puts it.
std::string DaemonPath() {
  char self[4'096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  if (length > 0 && static_cast<size_t>(length) < sizeof(self)) {
    const absl::string_view path(self, static_cast<size_t>(length));
    std::string beside = absl::StrCat(path.substr(0, path.rfind('/')), "/triadd");
    if (access(beside.c_str(), X_OK) == 0) return beside;
  }
  return "triadd";
}

}  // namespace

int BackupVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithClusterFlags({{"json"}, {"admin-socket", Takes::kValue}}),
                              Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage("backup", args.status());
  if (args->words().size() != 1) {
    return RefuseUsage("backup",
                       absl::InvalidArgumentError("takes one file, which is not there yet"));
  }
  const std::string& path = args->words().front();
  const bool json = args->Has("json");
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return RefuseSearchPath(found.status(), json);
  const std::vector<NodeAnswer> answers = AskFirstThatAnswers(found->clusters);
  const ClusterView view = MergeStatus(answers);
  if (!view.any_answer) return RefuseUnreachable(view.Verdict(), /*certain=*/true, json);
  const auto taken = Take(AdminTarget(*args, answers), path);
  if (absl::IsUnavailable(taken.status()) || absl::IsDeadlineExceeded(taken.status())) {
    return RefuseUnreachable(
        absl::StrCat("backup: ", taken.status().message(), "; there is no file"),
        /*certain=*/true, json);
  }
  if (!taken.ok()) return RefuseAct("backup", taken.status(), json);
  if (json) ToStdout(JsonOf(*taken, path));
  json ? ToStderr(TextOf(*taken, path)) : ToStdout(TextOf(*taken, path));
  return kExitDone;
}

absl::StatusOr<std::vector<std::string>> RestoreCommand(const std::string& triadd,
                                                        const std::vector<std::string>& arguments) {
  const FlagTable table = WithClusterFlags(
      {{"data-dir", Takes::kValue}, {"node", Takes::kValue}, {"session-ttl", Takes::kValue}});
  const auto args = ParseArgs(table, Words::kAny, arguments);
  if (!args.ok()) return args.status();
  if (args->words().size() != 1) return absl::InvalidArgumentError("takes one backup's file");
  if (!args->Has("data-dir")) {
    return absl::InvalidArgumentError(
        "--data-dir=DIR says where: a directory that holds nothing yet");
  }
  std::vector<std::string> command = {triadd, "restore", args->words().front()};
  for (const char* flag : {"data-dir", "node", "session-ttl"}) {
    if (args->Has(flag)) command.push_back(absl::StrCat("--", flag, "=", args->Value(flag)));
  }
  return command;
}

int RestoreVerb(const std::vector<std::string>& arguments) {
  const auto command = RestoreCommand(DaemonPath(), arguments);
  if (!command.ok()) return RefuseUsage("restore", command.status());
  std::vector<char*> argv;
  for (const std::string& word : *command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  Complain(absl::StrCat("restore: cannot run ", command->front(), ": ", std::strerror(errno),
                        "; it is in the package triad-server"));
  return kExitNo;
}

}  // namespace triad::cli
