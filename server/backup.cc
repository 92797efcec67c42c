#include "server/backup.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "license/backup_file.h"
#include "license/ledger_rows.h"
#include "server/limits.h"
#include "triad/v1/ledger.pb.h"

namespace triad::server {

using license::RowKey;

std::optional<v1::SnapshotRequest> BackupMaker::NextRows() const {
  if (rows_done_) return std::nullopt;
  v1::SnapshotRequest request;
  request.set_id(view_);
  request.set_after(after_);
  return request;
}

// The ledger's own head is its first row: it says what the file's head does not know yet.
absl::Status BackupMaker::TakeHead(const v1::SnapshotChunk& chunk) {
  v1::LedgerHead head;
  const auto key = license::DecodeRowKey(chunk.rows(0).key());
  if (!key || key->kind != RowKey::Kind::kHead || !head.ParseFromString(chunk.rows(0).value())) {
    return absl::InternalError("the ledger's rows do not begin with its head");
  }
  head_.set_format(license::kBackupFormat);
  head_.set_index(chunk.index());
  head_.set_term(chunk.term());
  head_.set_wall_ms(head.wall_ms());
  head_.set_utc_offset_s(head.utc_offset_s());
  head_.set_cluster_version(head.cluster_version());
  usage_last_ = head.usage().count();
  usage_after_ = head.usage().first() == 0 ? 0 : head.usage().first() - 1;
  usage_done_ = usage_after_ >= usage_last_;
  return absl::OkStatus();
}

absl::Status BackupMaker::AddRows(v1::SnapshotChunk chunk, std::vector<v1::BackupPiece>* pieces) {
  if (!chunk.refusal().empty()) return absl::UnavailableError(chunk.refusal());
  if (chunk.id() == 0 || chunk.rows_size() == 0) {
    return absl::UnavailableError(
        "the node has closed its view of the ledger: another backup was begun, or this one is read "
        "too slowly; begin anew");
  }
  if (view_ == 0) {
    if (absl::Status status = TakeHead(chunk); !status.ok()) return status;
    *pieces->emplace_back().mutable_head() = head_;
    view_ = chunk.id();
  }
  v1::BackupPiece& piece = pieces->emplace_back();
  for (auto& row : *chunk.mutable_rows()) {
    const auto key = license::DecodeRowKey(row.key());
    if (key && key->kind == RowKey::Kind::kSession) end_.set_sessions(end_.sessions() + 1);
    if (key && key->kind == RowKey::Kind::kCheckout) end_.set_checkouts(end_.checkouts() + 1);
    bytes_ += row.key().size() + row.value().size();
    after_ = row.key();
    auto* wire = piece.mutable_rows()->add_rows();
    wire->set_key(std::move(*row.mutable_key()));
    wire->set_value(std::move(*row.mutable_value()));
  }
  end_.set_rows(end_.rows() + static_cast<uint64_t>(chunk.rows_size()));
  if (chunk.last()) {
    rows_done_ = true;
    end_.set_digest(chunk.digest());
  }
  return absl::OkStatus();
}

std::optional<UsageQuery> BackupMaker::NextUsage() const {
  if (!rows_done_ || usage_done_) return std::nullopt;
  UsageQuery query;
  query.after = usage_after_;
  query.bytes_max = kUsagePageBytes;
  return query;
}

// Records that this node lacks are left out; a restored node knows which those are.
void BackupMaker::AddUsage(UsageRead read, std::vector<v1::BackupPiece>* pieces) {
  usage_done_ = read.last || read.rows.empty();
  v1::BackupUsage* usage = nullptr;
  uint64_t next = 0;
  for (license::UsageRow& row : read.rows) {
    if (row.number > usage_last_) break;
    if (usage == nullptr || row.number != next) {
      usage = pieces->emplace_back().mutable_usage();
      usage->set_first(row.number);
    }
    next = row.number + 1;
    usage_after_ = row.number;
    bytes_ += row.bytes.size();
    end_.set_usage_records(end_.usage_records() + 1);
    usage->add_records(std::move(row.bytes));
  }
  usage_done_ = usage_done_ || usage_after_ >= usage_last_ || read.rows.back().number > usage_last_;
}

v1::BackupPiece BackupMaker::End() const {
  v1::BackupPiece piece;
  *piece.mutable_end() = end_;
  return piece;
}

}  // namespace triad::server
