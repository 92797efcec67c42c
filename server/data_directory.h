// What a data directory holds, opened: identity, log and ledger, and what they say of each other.
//
// The daemon and the simulator start a node through this, so what is decided here about damage and
// about half-finished snapshots is tried with every crash that the simulator can think of. Free
// functions; the caller holds the directory's lock. Changes the disk only where it says so.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "license/ledger.h"
#include "license/ledger_store.h"
#include "quorum/core.h"
#include "server/environment.h"
#include "storage/file_system.h"
#include "storage/identity.h"
#include "storage/log.h"
#include "triad/v1/command.pb.h"

namespace triad::server {

// Where a node's data are, and with which sizes. `files` and `home` must outlive what is opened.
struct DataPlace {
  storage::FileSystem* files = nullptr;
  license::LedgerHome* home = nullptr;
  std::string dir;
  storage::LogOptions log;  // may_create is not looked at: the identity says it
  license::Ledger::Limits limits;
  // The caller is `triadd recover`, which goes on with what it began.
  bool recovering = false;
  // The caller is restoring a backup, of which the recovery is the last step.
  bool restoring = false;
};

// There while a recovery is half done (server/recover.h): the directory is not to be started from.
std::string RecoveringPath(const std::string& dir);

// There while a restore is half done (server/restore.h): likewise.
std::string RestoringPath(const std::string& dir);

struct OpenedData {
  storage::Identity identity;
  // Null while the node may not take part: `damage`, or a rejoining identity that no cluster has
  // let in yet. The ledger is empty then, and the disk is as it was.
  std::unique_ptr<storage::Log> log;
  std::unique_ptr<license::LedgerStore> store;
  std::unique_ptr<license::Ledger> ledger;  // never null
  // With ledger_missing the log begins behind what any ledger here holds: nothing may be applied
  // before a snapshot has come from another node. The store is empty then. `members` is empty as
  // long as they are those of the birth.
  quorum::Recovered recovered;
  // What this node has promised or acknowledged cannot be read (one line): it must not vote or
  // acknowledge under its incarnation any more, only come back under a new one (BeginAnew).
  std::optional<std::string> damage;
};

// Opens everything in `place.dir`. A damaged ledger is thrown away and made anew: of a received
// snapshot that was complete, of the log, or (ledger_missing) of the others. NOT_FOUND: there is no
// identity. FAILED_PRECONDITION: a recovery was begun here and is not done.
absl::StatusOr<OpenedData> OpenData(const DataPlace& place, Logger* logger);

// The members in force at the end of the log, as they were recorded; empty: those of the birth.
v1::Members NewestMembers(const OpenedData& opened);

// The cluster has let this node in under `identity`, whose incarnation has never promised anything:
// stores it, moves what is left of log and ledger to `DIR/damaged-N`, and begins with an empty log
// and ledger. A crash at any point is gone on with by the next OpenData: from the first step on the
// identity is the new one, marked as rejoining until all is done.
absl::StatusOr<OpenedData> BeginAnew(const DataPlace& place, storage::Identity identity,
                                     Logger* logger);

}  // namespace triad::server
