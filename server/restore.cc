#include "server/restore.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "license/backup_file.h"
#include "license/certificate.h"
#include "license/ledger.h"
#include "license/ledger_rows.h"
#include "server/limits.h"
#include "server/membership.h"
#include "server/usage.h"
#include "storage/log.h"

namespace triad::server {
namespace {

using license::LogPosition;
using license::RowKey;

constexpr size_t kIncarnationBytes = 16;
constexpr size_t kReadBytes = 256u << 10;
constexpr absl::string_view kMarker = "triad restoring 1\n";

absl::Status ReadPieces(storage::File* file, license::BackupReader* reader) {
  for (uint64_t offset = 0;;) {
    auto bytes = file->ReadAt(offset, kReadBytes);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return reader->Finish();
    if (absl::Status status = reader->Add(*bytes); !status.ok()) return status;
    offset += bytes->size();
  }
}

absl::Status WriteMarker(const DataPlace& place) {
  auto file = place.files->Open(RestoringPath(place.dir), /*create=*/true);
  if (!file.ok()) return file.status();
  absl::Status status = (*file)->WriteAt(0, kMarker);
  if (status.ok()) status = (*file)->Sync();
  return status.ok() ? place.files->SyncDirectory(place.dir) : status;
}

// What an earlier restore has made. The marker stays.
absl::Status Clear(const DataPlace& place) {
  for (const std::string& path : {place.dir + "/identity", RecoveringPath(place.dir)}) {
    if (!place.files->Exists(path)) continue;
    if (absl::Status status = place.files->Remove(path); !status.ok()) return status;
  }
  absl::Status status = place.files->SyncDirectory(place.dir);
  if (status.ok()) status = storage::Log::Destroy(place.files, place.dir);
  if (status.ok()) status = place.home->Destroy();
  return status.ok() ? place.home->DropIncoming() : status;
}

absl::Status BeginIn(const DataPlace& place, const RestoreAs& as) {
  if (place.files->Exists(RestoringPath(place.dir))) return Clear(place);
  const auto names = place.files->List(place.dir);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (std::find(as.others.begin(), as.others.end(), name) != as.others.end()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(place.dir, " holds something already (", name,
                     "): nothing is restored over it; move it away, or give another --data-dir"));
  }
  return WriteMarker(place);
}

// Rows and records into the store, piece by piece.
class Filler {
 public:
  explicit Filler(license::LedgerStore* store) : store_(store) {}

  absl::Status Take(const v1::BackupPiece& piece) {
    if (piece.has_head()) position_ = {piece.head().index(), piece.head().term()};
    if (piece.has_rows()) return TakeRows(piece.rows());
    if (piece.has_usage()) return TakeUsage(piece.usage());
    if (piece.has_end()) return TakeEnd();
    return absl::OkStatus();
  }

 private:
  // Not complete before its end: until then at position (0, 0).
  absl::Status TakeRows(const v1::BackupRows& piece) {
    std::vector<license::RowChange> rows;
    rows.reserve(static_cast<size_t>(piece.rows_size()));
    for (const auto& row : piece.rows()) {
      const auto key = license::DecodeRowKey(row.key());
      v1::LedgerHead head;
      if (key && key->kind == RowKey::Kind::kHead && head.ParseFromString(row.value())) {
        chain_ = head.usage();
      }
      rows.push_back({row.key(), row.value()});
    }
    return store_->Write(rows, LogPosition());
  }

  absl::Status TakeUsage(const v1::BackupUsage& piece) {
    license::UsageChanges usage;
    usage.first = chain_.first();
    uint64_t number = piece.first();
    for (const std::string& record : piece.records()) usage.rows.push_back({number++, record});
    usage.next = number;
    store_->AddUsage(std::move(usage));
    return store_->Write({}, LogPosition());
  }

  absl::Status TakeEnd() {
    license::UsageChanges usage;
    usage.first = chain_.first();
    usage.next = chain_.count() + 1;  // what is not there is missing
    store_->AddUsage(std::move(usage));
    absl::Status status = store_->Write({}, position_);
    return status.ok() ? store_->Sync() : status;
  }

  license::LedgerStore* const store_;
  LogPosition position_;
  v1::UsageChain chain_;
};

absl::Status FillLedger(const DataPlace& place, storage::File* file, const BackupContents& contents,
                        quorum::Members* members) {
  auto store = place.home->Open();
  if (!store.ok()) return store.status();
  Filler filler(store->get());
  license::BackupReader reader(
      [&filler](const v1::BackupPiece& piece) { return filler.Take(piece); });
  absl::Status status = ReadPieces(file, &reader);
  if (!status.ok()) return status;
  license::Ledger ledger(place.limits);
  status = ledger.Restore(**store);
  if (!status.ok() || ledger.Digest() != contents.end.digest() ||
      ledger.applied() != LogPosition{contents.head.index(), contents.head.term()}) {
    return absl::DataLossError(
        absl::StrCat("its rows make no ledger",
                     status.ok() ? "" : absl::StrCat(": ", std::string(status.message()))));
  }
  *members = MembersOf(ledger.members());
  return absl::OkStatus();
}

}  // namespace

std::string BackupContents::Describe() const {
  const int64_t wall_s = head.wall_ms() / 1'000;
  return absl::StrCat("a backup of ", license::FormatTime(wall_s), ", by node ", head.node(),
                      " of cluster ", absl::BytesToHexString(head.cluster_id()).substr(0, 12),
                      ": entry ", head.index(), " of term ", head.term(), ", ", end.sessions(),
                      " sessions that hold ", end.checkouts(), " checkouts, ", end.usage_records(),
                      " usage records");
}

absl::StatusOr<BackupContents> ReadBackup(storage::File* file) {
  BackupContents contents;
  std::optional<v1::InstallLicenses> set;
  const std::string set_key = license::EncodeRowKey({RowKey::Kind::kLicenseSet});
  license::BackupReader reader([&](const v1::BackupPiece& piece) {
    for (const auto& row : piece.rows().rows()) {
      if (row.key() == set_key) set.emplace().ParseFromString(row.value());
    }
    return absl::OkStatus();
  });
  if (absl::Status status = ReadPieces(file, &reader); !status.ok()) return status;
  contents.head = reader.head();
  contents.end = reader.end();
  if (contents.head.cluster_version() > license::kCommandVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "its cluster used commands of version ", contents.head.cluster_version(),
        ", this program knows those up to ", license::kCommandVersion, ": upgrade triadd first"));
  }
  if (!set) return absl::FailedPreconditionError("it holds no license set: nothing to go on with");
  const license::Catalog catalog = license::Catalog::Build(SourcesOf(*set), {});
  contents.servers = catalog.servers();
  contents.server_set = absl::HexStringToBytes(catalog.server_set());
  return contents;
}

// The order: marker, ledger, log, identity, recovery, marker gone.
absl::StatusOr<storage::Identity> Restore(const DataPlace& place, storage::File* file,
                                          const BackupContents& contents, const RestoreAs& as,
                                          Random* random, Logger* logger) {
  absl::Status status = BeginIn(place, as);
  if (!status.ok()) return status;
  quorum::Members members;
  status = FillLedger(place, file, contents, &members);
  if (!status.ok()) return status;
  const quorum::Term term(contents.head.term());
  {
    auto log = storage::Log::Create(place.files, place.dir, place.log,
                                    quorum::HardState{term, quorum::Slot::kNone},
                                    {quorum::Index(contents.head.index()), term, members});
    if (!log.ok()) return log.status();
  }
  // Nobody's: the recovery draws the one that counts.
  storage::Identity identity;
  identity.slot = as.slot;
  identity.incarnation = random->Bytes(kIncarnationBytes);
  identity.server_set = contents.server_set;
  identity.members = {{identity.slot, identity.incarnation}};
  identity.cluster_id = ClusterId(identity.members);
  status = storage::WriteIdentity(place.files, place.dir, identity);
  if (!status.ok()) return status;
  DataPlace own = place;
  own.restoring = true;
  auto recovered = Recover(own, as.recover, random, logger);
  if (!recovered.ok()) return recovered;
  status = place.files->Remove(RestoringPath(place.dir));
  if (status.ok()) status = place.files->SyncDirectory(place.dir);
  if (!status.ok()) return status;
  return recovered;
}

}  // namespace triad::server
