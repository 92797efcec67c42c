// `triadd init`: draws this node's incarnation and stores its identity. Needs no contact; does
// nothing to a directory that has the same one already.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/daemon.h"
#include "server/site.h"
#include "server/system.h"
#include "storage/file_system.h"
#include "storage/identity.h"

namespace triad::server {
namespace {

constexpr size_t kIncarnationBytes = 16;

absl::Status MakeDirectory(const std::string& dir) {
  if (IsDirectory(dir)) {
    if (access(dir.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("data directory ", dir, " is not writable: ", std::strerror(errno),
                     "; run as the daemon's user, or give --data-dir"));
  }
  if (mkdir(dir.c_str(), 0700) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("cannot make data directory ", dir, ": ",
                                                    std::strerror(errno),
                                                    "; make it, or give --data-dir"));
}

absl::Status CheckExisting(const storage::Identity& identity, quorum::Slot slot,
                           const std::string& server_set, const std::string& dir) {
  if (identity.slot != ToInt(slot)) {
    return absl::FailedPreconditionError(absl::StrCat(dir, " is node ", identity.slot,
                                                      "'s, not node ", ToInt(slot),
                                                      "'s: give another --data-dir"));
  }
  if (identity.server_set != server_set) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir,
                     " belongs to another license server (other host ids on its SERVER lines): "
                     "give another --data-dir"));
  }
  return absl::OkStatus();
}

absl::Status Init(const Flags& flags, Logger* logger) {
  auto site = ReadSite(flags);
  if (!site.ok()) return site.status();
  if (site->files.license_files().empty()) {
    return absl::NotFoundError(site->problems.empty()
                                   ? absl::StrCat("no license file in ", flags.license)
                                   : site->problems.front());
  }
  const auto& lines = site->catalog.servers();
  const auto servers = ServersOf(site->catalog);
  if (!servers.ok()) return servers.status();
  const license::MachineIds machine = ReadMachineIds();
  const auto slot = FindSlot(flags, lines, machine);
  if (!slot.ok()) return slot.status();
  absl::Status status = CheckHostId(lines[static_cast<size_t>(ToInt(*slot)) - 1], machine);
  if (!status.ok()) return status;
  status = MakeDirectory(flags.data_dir);
  if (!status.ok()) return status;
  const auto lock = storage::DirectoryLock::Take(flags.data_dir);
  if (!lock.ok()) return lock.status();
  storage::FileSystem* files = storage::PosixFileSystem();
  const auto existing = storage::ReadIdentity(files, flags.data_dir);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) {
    status = CheckExisting(**existing, *slot, ServerSetOf(site->catalog), flags.data_dir);
    if (status.ok()) {
      logger->Log(LogLevel::kNotice,
                  absl::StrCat("node ", ToInt(*slot), " is initialised already in ", flags.data_dir,
                               ": nothing to do"));
    }
    return status;
  }
  SystemRandom random;
  storage::Identity identity;
  identity.slot = ToInt(*slot);
  identity.incarnation = random.Bytes(kIncarnationBytes);
  identity.server_set = ServerSetOf(site->catalog);
  status = storage::WriteIdentity(files, flags.data_dir, identity);
  if (!status.ok()) return status;
  logger->Log(
      LogLevel::kNotice,
      absl::StrCat("node ", ToInt(*slot), " of ", lines.size(), " initialised in ", flags.data_dir,
                   ": start triadd on ", lines.size() == 1 ? "this host" : "all three hosts"));
  return absl::OkStatus();
}

}  // namespace

int RunInit(const Flags& flags, Logger* logger) {
  const absl::Status status = Init(flags, logger);
  if (status.ok()) return kExitStopped;
  logger->Log(LogLevel::kError, absl::StrCat("init refused: ", std::string(status.message())));
  return kExitRefused;
}

}  // namespace triad::server
