#include "server/recover.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "quorum/members.h"
#include "server/membership.h"
#include "triad/v1/command.pb.h"

namespace triad::server {
namespace {

using quorum::Entry;
using quorum::Slot;

constexpr size_t kIncarnationBytes = 16;
constexpr size_t kMarkerBytesMax = 1'024;
constexpr absl::string_view kMarkerFirst = "triad recovering 1\nincarnation ";

// The incarnation that a recovery which was begun has drawn; nullopt: none was begun, or what it
// left behind cannot be read (it then has done nothing yet that counts, or is done again).
absl::StatusOr<std::optional<std::string>> ReadMarker(const DataPlace& place) {
  const std::string path = RecoveringPath(place.dir);
  if (!place.files->Exists(path)) return std::nullopt;
  auto file = place.files->Open(path, /*create=*/false);
  if (!file.ok()) return file.status();
  auto text = (*file)->ReadAt(0, kMarkerBytesMax);
  if (!text.ok()) return text.status();
  absl::string_view rest = *text;
  if (!absl::ConsumePrefix(&rest, kMarkerFirst) || !absl::ConsumeSuffix(&rest, "\n") ||
      rest.size() != 2 * kIncarnationBytes ||
      rest.find_first_not_of("0123456789abcdef") != absl::string_view::npos) {
    return std::nullopt;
  }
  return absl::HexStringToBytes(rest);
}

absl::Status WriteMarker(const DataPlace& place, const std::string& incarnation) {
  const std::string path = RecoveringPath(place.dir);
  const std::string temporary = path + ".tmp";
  auto file = place.files->Open(temporary, /*create=*/true);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->Truncate(0);
  if (status.ok()) {
    status =
        (*file)->WriteAt(0, absl::StrCat(kMarkerFirst, absl::BytesToHexString(incarnation), "\n"));
  }
  if (status.ok()) status = (*file)->Sync();
  if (status.ok()) status = place.files->Rename(temporary, path);
  return status.ok() ? place.files->SyncDirectory(place.dir) : status;
}

absl::Status RemoveMarker(const DataPlace& place) {
  const absl::Status status = place.files->Remove(RecoveringPath(place.dir));
  return status.ok() ? place.files->SyncDirectory(place.dir) : status;
}

uint64_t LastIndex(const quorum::Recovered& log) {
  return log.snapshot_index.value() + log.entries.size();
}

uint64_t LastTerm(const quorum::Recovered& log) {
  return log.entries.empty() ? log.snapshot_term.value() : log.entries.back().term.value();
}

absl::StatusOr<OpenedData> OpenForRecovery(DataPlace place, Logger* logger) {
  place.recovering = true;
  auto opened = OpenData(place, logger);
  if (!opened.ok()) return opened.status();
  const storage::Identity& identity = opened->identity;
  if (identity.cluster_id.empty()) {
    return absl::FailedPreconditionError(
        identity.rejoining
            ? absl::StrCat(place.dir,
                           " waits to be let in and holds nothing to go on with: run "
                           "recover on the node that has the data")
            : absl::StrCat(place.dir, " belongs to no cluster yet: there is nothing to recover"));
  }
  if (opened->damage) {
    return absl::FailedPreconditionError(
        absl::StrCat("its log is damaged: ", *opened->damage,
                     "; run recover on another node, or restore a backup"));
  }
  if (opened->recovered.ledger_missing) {
    return absl::FailedPreconditionError(
        absl::StrCat("the log begins behind entry ", opened->recovered.snapshot_index.value(),
                     " and the ledger that goes with it is lost: run recover on another node, or "
                     "restore a backup"));
  }
  if (LastIndex(opened->recovered) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(place.dir, " holds an empty log: there is nothing to go on with"));
  }
  return opened;
}

bool IsVoter(const OpenedData& opened) {
  const v1::Members newest = NewestMembers(opened);
  const quorum::Members members =
      newest.nodes_size() == 0 ? BirthMembers(opened.identity) : MembersOf(newest);
  const auto* self = members.Find(static_cast<Slot>(opened.identity.slot));
  return self != nullptr && self->voter && self->incarnation == opened.identity.incarnation;
}

Entry EntryOf(quorum::Term term, quorum::Index index, quorum::EntryKind kind, v1::Command command,
              const RecoverAs& as) {
  v1::LogRecord record;
  record.mutable_stamp()->set_wall_ms(as.wall_ms);
  record.mutable_stamp()->set_utc_offset_s(as.utc_offset_s);
  record.set_version(license::RequiredVersion(command));
  *record.mutable_command() = std::move(command);
  return {term, index, kind, std::make_shared<const std::string>(record.SerializeAsString())};
}

// This node alone votes, under its new incarnation; then the hold. In a term of their own, in which
// it has voted for itself: nobody of the old cluster can have led in it with this node's vote.
absl::Status AppendRecovery(const OpenedData& opened, const std::string& incarnation,
                            const RecoverAs& as) {
  const quorum::Term term(
      std::max(opened.recovered.hard_state.term.value(), LastTerm(opened.recovered)) + 1);
  const quorum::Index last(LastIndex(opened.recovered));
  const auto slot = static_cast<uint32_t>(opened.identity.slot);
  const v1::Members newest = NewestMembers(opened);
  v1::Command members;
  v1::Members::Node* self = members.mutable_members()->add_nodes();
  for (const auto& node : newest.nodes()) {
    if (node.slot() == slot) *self = node;
  }
  self->set_slot(slot);
  self->set_incarnation(incarnation);
  self->set_voter(true);
  // A waiver that the node had is for the machine that it was on: Apply compares.
  self->set_host_id(as.host_id);
  self->set_waiver(!as.host_id_matches);
  v1::Command recovered;
  recovered.mutable_recovered()->set_hold_ms(as.session_ttl_ms);
  recovered.mutable_recovered()->set_how(as.how);
  const std::vector<Entry> entries = {
      EntryOf(term, last + 1, quorum::EntryKind::kMembers, std::move(members), as),
      EntryOf(term, last + 2, quorum::EntryKind::kCommand, std::move(recovered), as)};
  const quorum::HardState state{term, static_cast<Slot>(slot)};
  const absl::Status status = opened.log->Append(state, entries);
  // The log then knows that all of it was synced.
  return status.ok() ? opened.log->Idle() : status;
}

}  // namespace

std::string RecoveryOutlook::Explain() const {
  std::string text = absl::StrCat(
      "node ", slot, " has the log up to entry ", last_index, " of term ", last_term, ", with ",
      sessions, " sessions that hold ", checkouts, " checkouts.\n", uncertain,
      " entries at its end it does not know to be agreed; they will count as agreed.\n",
      "What the other two nodes agreed on after entry ", last_index,
      " is lost: sessions, grants and returns that applications may have been told of.\n");
  if (!was_voter) {
    absl::StrAppend(&text,
                    "This node was no voter when it stopped: it may lack much more than the "
                    "last moments. If another node has its data, recover that one.\n");
  }
  absl::StrAppend(
      &text, "Node ", slot, " goes on alone as a new cluster. Sessions that it knows resume; for ",
      (hold_ms + 999) / 1'000,
      " s nothing new is granted, so that holders it has forgotten find out in time.\n",
      "The other nodes must not come back as they are: two of them would go on as the old cluster, "
      "beside this one. Stop them, and run triadd rejoin on each.\n");
  return text;
}

absl::StatusOr<RecoveryOutlook> LookBeforeRecover(const DataPlace& place, uint32_t session_ttl_ms,
                                                  Logger* logger) {
  auto opened = OpenForRecovery(place, logger);
  if (!opened.ok()) return opened.status();
  RecoveryOutlook outlook;
  outlook.slot = opened->identity.slot;
  outlook.was_voter = IsVoter(*opened);
  outlook.last_index = LastIndex(opened->recovered);
  outlook.last_term = LastTerm(opened->recovered);
  outlook.uncertain = outlook.last_index - opened->ledger->applied().index;
  for (const Entry& entry : opened->recovered.entries) {
    if (entry.index.value() <= opened->ledger->applied().index) continue;
    v1::LogRecord record;
    const bool is_command =
        entry.kind != quorum::EntryKind::kNoop && record.ParseFromString(*entry.payload);
    opened->ledger->Apply({entry.index.value(), entry.term.value()}, is_command ? &record : nullptr,
                          nullptr);
  }
  outlook.sessions = opened->ledger->sessions().size();
  outlook.checkouts = opened->ledger->checkouts().size();
  outlook.servers = opened->ledger->catalog().servers();
  outlook.hold_ms = session_ttl_ms;
  for (const auto& [id, session] : opened->ledger->sessions()) {
    outlook.hold_ms = std::max(outlook.hold_ms, session->ttl_ms);
  }
  return outlook;
}

// The order: marker, log, identity, marker gone. With the identity first, a daemon could lead the
// new cluster without the hold; with the log first and no marker, it could go on in the old cluster
// with entries that nobody there has agreed on.
absl::StatusOr<storage::Identity> Recover(const DataPlace& place, const RecoverAs& as,
                                          Random* random, Logger* logger) {
  auto begun = ReadMarker(place);
  if (!begun.ok()) return begun.status();
  auto opened = OpenForRecovery(place, logger);
  if (!opened.ok()) return opened.status();
  storage::Identity identity = opened->identity;
  const std::string incarnation = *begun ? **begun : random->Bytes(kIncarnationBytes);
  absl::Status status;
  if (identity.incarnation != incarnation) {
    if (!*begun) status = WriteMarker(place, incarnation);
    if (status.ok()) status = AppendRecovery(*opened, incarnation, as);
    if (!status.ok()) return status;
    identity.incarnation = incarnation;
    identity.members = {{identity.slot, incarnation}};
    identity.cluster_id = ClusterId(identity.members);
    status = storage::WriteIdentity(place.files, place.dir, identity);
    if (!status.ok()) return status;
  }
  status = RemoveMarker(place);
  if (!status.ok()) return status;
  return identity;
}

}  // namespace triad::server
