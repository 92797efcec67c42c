// The verbs that need no contact with the other nodes: `triadd init` and `triadd rejoin` draw this
// node's incarnation and store its identity, `triadd recover` makes a new cluster of the one node
// that is left, `triadd restore` of a backup. The first two do nothing to a directory that has such
// an identity already.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/daemon.h"
#include "server/recover.h"
#include "server/restore.h"
#include "server/site.h"
#include "server/system.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/ledger_db.h"

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

// To the user whose the directory is: init and rejoin may be run as root for the daemon's user.
absl::Status GiveToOwnerOf(const std::string& dir, const std::string& path) {
  struct stat owner {};
  if (stat(dir.c_str(), &owner) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", dir));
  }
  if (geteuid() != 0 || owner.st_uid == 0) return absl::OkStatus();
  if (chown(path.c_str(), owner.st_uid, owner.st_gid) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot give ", path, " to the user of ", dir));
}

// The directory's lock; one that stayed root's would keep the daemon out.
absl::StatusOr<std::unique_ptr<storage::DirectoryLock>> TakeLock(const std::string& dir) {
  auto lock = storage::DirectoryLock::Take(dir);
  if (!lock.ok()) return lock;
  const absl::Status status = GiveToOwnerOf(dir, dir + "/lock");
  if (!status.ok()) return status;
  return lock;
}

// recover writes a log and a ledger: run as root, it goes on as the user whose the directory is.
absl::Status BecomeOwnerOf(const std::string& dir) {
  struct stat owner {};
  if (stat(dir.c_str(), &owner) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", dir));
  }
  if (geteuid() != 0 || owner.st_uid == 0) return absl::OkStatus();
  if (setgid(owner.st_gid) == 0 && setuid(owner.st_uid) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot go on as the user of ", dir));
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
                     "give another --data-dir, or, if the vendor has put another machine on the "
                     "lines meanwhile, move what is in it elsewhere"));
  }
  return absl::OkStatus();
}

// Which node of which license server this host is, by its flags and license file.
struct Place {
  quorum::Slot slot = quorum::Slot::kNone;
  size_t nodes = 0;
  std::string server_set;
  absl::Status host_id;  // FAILED_PRECONDITION: it is not this machine's
};

absl::StatusOr<Place> FindPlace(const Flags& flags) {
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
  Place place;
  place.slot = *slot;
  place.nodes = lines.size();
  place.server_set = ServerSetOf(site->catalog);
  place.host_id = CheckHostId(lines[static_cast<size_t>(ToInt(*slot)) - 1], machine);
  return place;
}

storage::Identity DrawIdentity(const Place& place) {
  SystemRandom random;
  storage::Identity identity;
  identity.slot = ToInt(place.slot);
  identity.incarnation = random.Bytes(kIncarnationBytes);
  identity.server_set = place.server_set;
  return identity;
}

absl::Status Init(const Flags& flags, Logger* logger) {
  const auto place = FindPlace(flags);
  if (!place.ok()) return place.status();
  if (!place->host_id.ok()) return place->host_id;
  absl::Status status = MakeDirectory(flags.data_dir);
  if (!status.ok()) return status;
  const auto lock = TakeLock(flags.data_dir);
  if (!lock.ok()) return lock.status();
  storage::FileSystem* files = storage::PosixFileSystem();
  const auto existing = storage::ReadIdentity(files, flags.data_dir);
  if (!existing.ok()) return existing.status();
  if (existing->has_value()) {
    status = CheckExisting(**existing, place->slot, place->server_set, flags.data_dir);
    if (status.ok()) {
      logger->Log(LogLevel::kNotice,
                  absl::StrCat("node ", ToInt(place->slot), " is initialised already in ",
                               flags.data_dir, ": nothing to do"));
    }
    return status;
  }
  status = storage::WriteIdentity(files, flags.data_dir, DrawIdentity(*place));
  if (status.ok()) status = GiveToOwnerOf(flags.data_dir, flags.data_dir + "/identity");
  if (!status.ok()) return status;
  logger->Log(LogLevel::kNotice,
              absl::StrCat("node ", ToInt(place->slot), " of ", place->nodes, " initialised in ",
                           flags.data_dir, ": start triadd on ",
                           place->nodes == 1 ? "this host" : "all three hosts"));
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------------
// rejoin

std::string OldName(const std::string& dir) {
  const std::string stamp = absl::FormatTime("%Y%m%d-%H%M%S", absl::Now(), absl::LocalTimeZone());
  std::string name = absl::StrCat(dir, ".old-", stamp);
  for (int more = 2; IsDirectory(name); ++more) name = absl::StrCat(dir, ".old-", stamp, "-", more);
  return name;
}

// Servers of this host that have their directories in this one: /var/lib/triad/NAME. Locked, so
// that none of them runs meanwhile.
struct Lodgers {
  std::vector<std::string> names;
  std::vector<std::unique_ptr<storage::DirectoryLock>> locks;
};

absl::StatusOr<Lodgers> FindLodgers(const std::string& dir) {
  Lodgers found;
  storage::FileSystem* files = storage::PosixFileSystem();
  const auto names = files->List(dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const std::string inner = absl::StrCat(dir, "/", name);
    if (!IsDirectory(inner) || !files->Exists(inner + "/identity")) continue;
    auto lock = TakeLock(inner);
    if (!lock.ok()) {
      return absl::FailedPreconditionError(absl::StrCat(std::string(lock.status().message()),
                                                        ", and would be moved: stop it meanwhile"));
    }
    found.names.push_back(name);
    found.locks.push_back(*std::move(lock));
  }
  return found;
}

// What is in the data directory goes to DIR.old-...; the lock that is held goes with it, so that a
// daemon which still runs on it is noticed before.
absl::Status MoveAway(const std::string& dir, Logger* logger) {
  const auto lodgers = FindLodgers(dir);
  if (!lodgers.ok()) return lodgers.status();
  const std::string name = OldName(dir);
  if (rename(dir.c_str(), name.c_str()) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot move ", dir, " to ", name, ": ", std::strerror(errno),
                     "; run it as a user who may, or move what is in it elsewhere by hand"));
  }
  absl::Status status = MakeDirectory(dir);
  if (status.ok()) status = GiveToOwnerOf(name, dir);
  for (const std::string& lodger : lodgers->names) {
    const std::string from = absl::StrCat(name, "/", lodger);
    const std::string to = absl::StrCat(dir, "/", lodger);
    if (!status.ok() || rename(from.c_str(), to.c_str()) == 0) continue;
    status = absl::ErrnoToStatus(errno, absl::StrCat("cannot move ", from, " back to ", to));
  }
  if (status.ok()) {
    logger->Log(LogLevel::kNotice, absl::StrCat("what was in ", dir, " is kept in ", name));
  }
  return status;
}

absl::Status Rejoin(const Flags& flags, Logger* logger) {
  const auto place = FindPlace(flags);
  if (!place.ok()) return place.status();
  if (place->nodes == 1) {
    return absl::FailedPreconditionError(
        "the license file has one SERVER line: there is no other node to come back to");
  }
  const std::string& dir = flags.data_dir;
  absl::Status status = MakeDirectory(dir);
  if (!status.ok()) return status;
  auto lock = TakeLock(dir);
  if (!lock.ok()) return lock.status();
  storage::FileSystem* files = storage::PosixFileSystem();
  const auto existing = storage::ReadIdentity(files, dir);
  if (existing.ok() && existing->has_value()) {
    const storage::Identity& identity = **existing;
    status = CheckExisting(identity, place->slot, place->server_set, dir);
    if (!status.ok()) return status;
    if (identity.rejoining && identity.cluster_id.empty()) {
      logger->Log(LogLevel::kNotice, absl::StrCat("node ", identity.slot, " in ", dir,
                                                  " waits to be let in already: start triadd"));
      return status;
    }
  }
  const auto names = files->List(dir);
  const bool only_the_lock = names.ok() && names->size() == 1;
  if (!only_the_lock) {
    status = MoveAway(dir, logger);
    if (!status.ok()) return status;
  }
  storage::Identity identity = DrawIdentity(*place);
  identity.rejoining = true;
  status = storage::WriteIdentity(files, dir, identity);
  if (status.ok()) status = GiveToOwnerOf(dir, dir + "/identity");
  if (!status.ok()) return status;
  if (!place->host_id.ok()) {
    logger->Log(LogLevel::kWarning,
                absl::StrCat(std::string(place->host_id.message()),
                             "; it may come back on a recorded waiver until then"));
  }
  logger->Log(LogLevel::kNotice, absl::StrCat("node ", identity.slot, " has a new incarnation in ",
                                              dir, ": start triadd, and the others let it in"));
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------------
// recover

// The machine as the members' record is to have it. A wrong host id is told: it means a waiver.
void SetMachine(const license::ServerLine& line, Logger* logger, RecoverAs* as) {
  const license::MachineIds machine = ReadMachineIds();
  const absl::Status host_id = CheckHostId(line, machine);
  SystemClock clock;
  as->wall_ms = clock.WallMs();
  as->utc_offset_s = clock.UtcOffsetSeconds();
  as->host_id_matches = host_id.ok();
  as->host_id = host_id.ok() ? line.host_id.ToString() : ShownHostId(machine);
  if (host_id.ok()) return;
  logger->Log(LogLevel::kWarning, absl::StrCat(std::string(host_id.message()),
                                               ": it goes on on a waiver, which is recorded"));
}

absl::Status RecoverHere(const Flags& flags, Logger* logger) {
  const std::string& dir = flags.data_dir;
  if (!IsDirectory(dir)) return absl::NotFoundError(absl::StrCat("there is no ", dir));
  if (const absl::Status status = BecomeOwnerOf(dir); !status.ok()) return status;
  const auto lock = storage::DirectoryLock::Take(dir);
  if (!lock.ok()) return lock.status();
  const auto home =
      storage::NewRocksLedgerHome(absl::StrCat(dir, "/ledger"), storage::LedgerDbOptions());
  DataPlace place;
  place.files = storage::PosixFileSystem();
  place.home = home.get();
  place.dir = dir;
  const auto ttl_ms = static_cast<uint32_t>(flags.session_ttl_ms);
  const auto outlook = LookBeforeRecover(place, ttl_ms, logger);
  if (!outlook.ok()) return outlook.status();
  const LogLevel level = LogLevel::kWarning;
  for (absl::string_view line : absl::StrSplit(outlook->Explain(), '\n', absl::SkipEmpty())) {
    logger->Log(level, line);
  }
  if (!flags.accept_loss) {
    return absl::FailedPreconditionError(
        "nothing was changed; if this is what you want, run triadd recover --accept-loss");
  }
  RecoverAs as;
  as.session_ttl_ms = ttl_ms;
  const size_t slot = static_cast<size_t>(outlook->slot);
  if (slot <= outlook->servers.size()) SetMachine(outlook->servers[slot - 1], logger, &as);
  SystemRandom random;
  const auto identity = Recover(place, as, &random, logger);
  if (!identity.ok()) return identity.status();
  logger->Log(LogLevel::kNotice, absl::StrCat("node ", identity->slot, " is a cluster of its own ",
                                              "now: start triadd here, and run triadd rejoin on "
                                              "the others"));
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------------
// restore

absl::Status OfFile(const std::string& path, const absl::Status& status) {
  return {status.code(), absl::StrCat(path, ": ", std::string(status.message()))};
}

// The only SERVER line, --node, or the one that names this machine.
absl::StatusOr<int> RestoredSlot(const Flags& flags, const BackupContents& contents) {
  const auto slot = FindSlot(flags, contents.servers, ReadMachineIds());
  if (!slot.ok()) return slot.status();
  return ToInt(*slot);
}

void SayWhatIsLost(const Flags& flags, const BackupContents& contents, int slot, Logger* logger) {
  logger->Log(LogLevel::kWarning,
              "what the cluster agreed on after that is lost: sessions, grants and returns that "
              "applications may have been told of");
  logger->Log(LogLevel::kWarning,
              "applications that it knows resume; for one time to live nothing new is granted, so "
              "that holders it has forgotten find out in time");
  logger->Log(
      LogLevel::kNotice,
      contents.servers.size() == 1
          ? absl::StrCat(flags.data_dir,
                         " holds the license server, as a new cluster: start triadd")
          : absl::StrCat(flags.data_dir, " holds node ", slot,
                         ", a new cluster of its own: start triadd here, and run triadd rejoin on "
                         "the others"));
}

absl::Status RestoreHere(const Flags& flags, Logger* logger) {
  const std::string& dir = flags.data_dir;
  storage::FileSystem* files = storage::PosixFileSystem();
  // Opened first: as the daemon's user it may not be readable any more.
  const auto file = files->Open(flags.backup, /*create=*/false);
  if (!file.ok()) return file.status();
  const auto contents = ReadBackup(file->get());
  if (!contents.ok()) return OfFile(flags.backup, contents.status());
  logger->Log(LogLevel::kNotice, absl::StrCat(flags.backup, ": ", contents->Describe()));
  const auto slot = RestoredSlot(flags, *contents);
  if (!slot.ok()) return slot.status();
  if (const absl::Status status = MakeDirectory(dir); !status.ok()) return status;
  if (const absl::Status status = BecomeOwnerOf(dir); !status.ok()) return status;
  const auto lock = storage::DirectoryLock::Take(dir);
  if (!lock.ok()) return lock.status();
  const auto lodgers = FindLodgers(dir);
  if (!lodgers.ok()) return lodgers.status();
  RestoreAs as;
  as.slot = *slot;
  as.others = lodgers->names;
  as.others.emplace_back("lock");
  as.recover.session_ttl_ms = static_cast<uint32_t>(flags.session_ttl_ms);
  as.recover.how = contents->Describe();
  SetMachine(contents->servers[static_cast<size_t>(*slot) - 1], logger, &as.recover);
  const auto home =
      storage::NewRocksLedgerHome(absl::StrCat(dir, "/ledger"), storage::LedgerDbOptions());
  DataPlace place;
  place.files = files;
  place.home = home.get();
  place.dir = dir;
  SystemRandom random;
  const auto identity = Restore(place, file->get(), *contents, as, &random, logger);
  if (absl::IsDataLoss(identity.status())) return OfFile(flags.backup, identity.status());
  if (!identity.ok()) return identity.status();
  SayWhatIsLost(flags, *contents, *slot, logger);
  return absl::OkStatus();
}

int Exit(absl::string_view verb, const absl::Status& status, Logger* logger) {
  if (status.ok()) return kExitStopped;
  logger->Log(LogLevel::kError, absl::StrCat(verb, " refused: ", std::string(status.message())));
  return kExitRefused;
}

}  // namespace

int RunInit(const Flags& flags, Logger* logger) {
  return Exit("init", Init(flags, logger), logger);
}

int RunRejoin(const Flags& flags, Logger* logger) {
  return Exit("rejoin", Rejoin(flags, logger), logger);
}

int RunRestore(const Flags& flags, Logger* logger) {
  return Exit("restore", RestoreHere(flags, logger), logger);
}

int RunRecover(const Flags& flags, Logger* logger) {
  return Exit("recover", RecoverHere(flags, logger), logger);
}

}  // namespace triad::server
