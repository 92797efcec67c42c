#include "server/data_directory.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/membership.h"

namespace triad::server {
namespace {

using license::LogPosition;

// How what a store holds stands to the log.
enum class Standing {
  kUsable,  // the log goes on from there
  kBehind,  // the log begins later
  kAhead,   // the log has not got it, or has something else in its place
};

Standing StandingOf(LogPosition rows, const quorum::Recovered& log) {
  if (rows.index < log.snapshot_index.value()) return Standing::kBehind;
  if (rows.index == log.snapshot_index.value()) {
    return rows.term == log.snapshot_term.value() ? Standing::kUsable : Standing::kAhead;
  }
  const uint64_t offset = rows.index - log.snapshot_index.value() - 1;
  const bool known = offset < log.entries.size() && log.entries[offset].term.value() == rows.term;
  return known ? Standing::kUsable : Standing::kAhead;
}

class Opener {
 public:
  Opener(const DataPlace& place, Logger* logger) : place_(place), logger_(logger) {
    opened_.ledger = std::make_unique<license::Ledger>(place.limits);
  }

  absl::StatusOr<OpenedData> Run();

 private:
  absl::Status OpenLog();
  absl::Status ChooseLedger();
  absl::Status UseIncoming(bool* used);
  absl::Status OpenEmpty();
  bool Use(std::unique_ptr<license::LedgerStore> store, std::unique_ptr<license::Ledger> ledger);

  const DataPlace& place_;
  Logger* const logger_;
  OpenedData opened_;
  quorum::Members start_members_;
};

absl::StatusOr<OpenedData> Opener::Run() {
  auto identity = storage::ReadIdentity(place_.files, place_.dir);
  if (!identity.ok()) return identity.status();
  if (!identity->has_value()) {
    return absl::NotFoundError(absl::StrCat(
        place_.dir,
        " holds no identity: run triadd init for a new node, or triadd rejoin for one that "
        "lost its disk"));
  }
  opened_.identity = **std::move(identity);
  if (opened_.identity.rejoining) {
    if (opened_.identity.cluster_id.empty()) return std::move(opened_);
    return BeginAnew(place_, opened_.identity, logger_);
  }
  absl::Status status = OpenLog();
  if (status.ok() && !opened_.damage.has_value()) status = ChooseLedger();
  if (!status.ok()) return status;
  if (opened_.damage.has_value()) {
    opened_.log.reset();
    opened_.store.reset();
    opened_.ledger = std::make_unique<license::Ledger>(place_.limits);
    opened_.recovered = quorum::Recovered();
  }
  return std::move(opened_);
}

absl::Status Opener::OpenLog() {
  storage::Log::Found found;
  storage::LogOptions options = place_.log;
  options.may_create = opened_.identity.cluster_id.empty();
  auto log = storage::Log::Open(place_.files, place_.dir, options, &found);
  if (!log.ok()) return log.status();
  if (found.note) logger_->Log(LogLevel::kNotice, *found.note);
  opened_.damage = std::move(found.damage);
  opened_.log = *std::move(log);
  opened_.recovered.hard_state = found.hard_state;
  opened_.recovered.snapshot_index = found.snapshot_index;
  opened_.recovered.snapshot_term = found.snapshot_term;
  opened_.recovered.entries = std::move(found.entries);
  start_members_ = std::move(found.snapshot_members);
  return absl::OkStatus();
}

// Rows are written only for entries that are durable in the log. If the log has not got them, or
// has others in their place, it has lost something that this node has acknowledged: the ledger is
// the witness. A received snapshot is none: it may be ahead of a log that does not know of it yet.
absl::Status Opener::ChooseLedger() {
  auto store = place_.home->Open();
  auto ledger = std::make_unique<license::Ledger>(place_.limits);
  absl::Status status = store.status();
  if (status.ok()) status = ledger->Restore(**store);
  if (!status.ok() && !absl::IsDataLoss(status)) return status;
  if (status.ok()) {
    switch (StandingOf(ledger->applied(), opened_.recovered)) {
      case Standing::kUsable:
        Use(*std::move(store), std::move(ledger));
        return place_.home->DropIncoming();
      case Standing::kAhead:
        opened_.damage = absl::StrCat("the ledger in ", place_.dir,
                                      " holds what the log does not: the log has lost entries");
        return absl::OkStatus();
      case Standing::kBehind:
        store->reset();
        break;
    }
  } else {
    logger_->Log(LogLevel::kWarning, absl::StrCat(std::string(status.message()),
                                                  ": throwing it away and making it anew"));
    if (store.ok()) store->reset();
    status = place_.home->Destroy();
    if (!status.ok()) return status;
  }
  bool used = false;
  status = UseIncoming(&used);
  return !status.ok() || used ? status : OpenEmpty();
}

// A snapshot that was complete when the node stopped, and that the log begins with or reaches.
absl::Status Opener::UseIncoming(bool* used) {
  auto store = place_.home->OpenIncoming(/*fresh=*/false);
  if (absl::IsNotFound(store.status())) return absl::OkStatus();
  auto ledger = std::make_unique<license::Ledger>(place_.limits);
  absl::Status status = store.status();
  if (status.ok()) status = ledger->Restore(**store);
  if (!status.ok() && !absl::IsDataLoss(status)) return status;
  const bool usable = status.ok() && ledger->applied().index > 0 &&
                      StandingOf(ledger->applied(), opened_.recovered) == Standing::kUsable;
  if (store.ok()) store->reset();
  if (!usable) return place_.home->DropIncoming();
  status = place_.home->Adopt();
  if (!status.ok()) return status;
  auto adopted = place_.home->Open();
  if (!adopted.ok()) return adopted.status();
  logger_->Log(LogLevel::kNotice, absl::StrCat("the snapshot up to entry ", ledger->applied().index,
                                               " was received whole: "
                                               "going on from there"));
  *used = Use(*std::move(adopted), std::move(ledger));
  return absl::OkStatus();
}

absl::Status Opener::OpenEmpty() {
  absl::Status status = place_.home->Destroy();
  if (!status.ok()) return status;
  auto store = place_.home->Open();
  if (!store.ok()) return store.status();
  Use(*std::move(store), std::make_unique<license::Ledger>(place_.limits));
  opened_.recovered.ledger_missing = opened_.recovered.snapshot_index > quorum::Index(0);
  if (opened_.recovered.ledger_missing) {
    opened_.recovered.members = start_members_;
    logger_->Log(
        LogLevel::kWarning,
        absl::StrCat("the log begins behind entry ", opened_.recovered.snapshot_index.value(),
                     " and there is no ledger to go with it: fetching one from the "
                     "others"));
  }
  return absl::OkStatus();
}

bool Opener::Use(std::unique_ptr<license::LedgerStore> store,
                 std::unique_ptr<license::Ledger> ledger) {
  opened_.store = std::move(store);
  opened_.ledger = std::move(ledger);
  opened_.recovered.applied = quorum::Index(opened_.ledger->applied().index);
  opened_.recovered.members = MembersOf(opened_.ledger->members());
  return true;
}

// The first name of its kind that is not taken.
absl::StatusOr<std::string> DamagedDir(const DataPlace& place) {
  for (int number = 1; number < 1'000; ++number) {
    const std::string dir = absl::StrCat(place.dir, "/damaged-", number);
    if (!place.files->Exists(dir)) return dir;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(place.dir, " holds too many directories damaged-N: remove some"));
}

}  // namespace

std::string RecoveringPath(const std::string& dir) {
  return dir + "/recovering";
}

std::string RestoringPath(const std::string& dir) {
  return dir + "/restoring";
}

absl::StatusOr<OpenedData> OpenData(const DataPlace& place, Logger* logger) {
  if (!place.recovering && place.files->Exists(RecoveringPath(place.dir))) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a recovery of ", place.dir, " was interrupted: run triadd recover --accept-loss again"));
  }
  if (!place.restoring && place.files->Exists(RestoringPath(place.dir))) {
    return absl::FailedPreconditionError(
        absl::StrCat("a restore into ", place.dir, " was interrupted: run triad restore again"));
  }
  return Opener(place, logger).Run();
}

v1::Members NewestMembers(const OpenedData& opened) {
  for (auto entry = opened.recovered.entries.rbegin(); entry != opened.recovered.entries.rend();
       ++entry) {
    v1::LogRecord record;
    if (entry->kind == quorum::EntryKind::kMembers && record.ParseFromString(*entry->payload) &&
        record.command().has_members()) {
      return record.command().members();
    }
  }
  return opened.ledger->members();
}

// The order: the new identity first. Whatever log is found from then on is one that this
// incarnation has promised nothing with, even if half of its files are moved already and the rest
// looks whole. The other way round a crash in the middle could leave a shorter log under the old
// incarnation.
absl::StatusOr<OpenedData> BeginAnew(const DataPlace& place, storage::Identity identity,
                                     Logger* logger) {
  identity.rejoining = true;
  absl::Status status = storage::WriteIdentity(place.files, place.dir, identity);
  if (!status.ok()) return status;
  auto damaged = DamagedDir(place);
  if (!damaged.ok()) return damaged.status();
  status = storage::Log::MoveTo(place.files, place.dir, *damaged);
  if (status.ok()) status = place.home->MoveTo(*damaged);
  if (!status.ok()) return status;
  if (place.files->Exists(*damaged)) {
    logger->Log(LogLevel::kWarning,
                absl::StrCat("what was here is kept in ", *damaged, "; it is not needed any more"));
  }
  storage::Log::Found found;
  storage::LogOptions options = place.log;
  options.may_create = true;
  auto log = storage::Log::Open(place.files, place.dir, options, &found);
  if (!log.ok()) return log.status();
  auto store = place.home->Open();
  if (!store.ok()) return store.status();
  identity.rejoining = false;
  status = storage::WriteIdentity(place.files, place.dir, identity);
  if (!status.ok()) return status;
  OpenedData opened;
  opened.identity = std::move(identity);
  opened.log = *std::move(log);
  opened.store = *std::move(store);
  opened.ledger = std::make_unique<license::Ledger>(place.limits);
  return opened;
}

}  // namespace triad::server
