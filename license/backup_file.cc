#include "license/backup_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace triad::license {
namespace {

constexpr absl::string_view kBeginning = "triad backup 1\n";
// Of every version.
constexpr absl::string_view kKind = "triad backup ";
constexpr size_t kLengthBytes = 4;
constexpr size_t kSumBytes = 32;

std::string LengthBytes(size_t length) {
  std::string bytes;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes.push_back(static_cast<char>((length >> (8 * i)) & 0xff));
  }
  return bytes;
}

size_t LengthOf(absl::string_view bytes) {
  size_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= static_cast<size_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  }
  return length;
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("it is damaged: ", what));
}

}  // namespace

// ------------------------------------------------------------------------------------------
// Writing

std::string BackupWriter::Hashed(std::string bytes) {
  hash_.Add(bytes);
  return bytes;
}

std::string BackupWriter::Piece(const v1::BackupPiece& piece) {
  std::string bytes(begun_ ? absl::string_view() : kBeginning);
  begun_ = true;
  const std::string body = piece.SerializeAsString();
  absl::StrAppend(&bytes, LengthBytes(body.size()), body);
  return Hashed(std::move(bytes));
}

std::string BackupWriter::Finish() {
  std::string bytes = Hashed(LengthBytes(0));
  return absl::StrCat(bytes, hash_.Finish());
}

// ------------------------------------------------------------------------------------------
// Reading

size_t BackupReader::Wanted() const {
  switch (expects_) {
    case Expects::kBeginning:
      return kBeginning.size();
    case Expects::kLength:
      return kLengthBytes;
    case Expects::kPiece:
      return length_;
    case Expects::kSum:
      return kSumBytes;
    case Expects::kNothing:
      break;
  }
  return 0;
}

absl::Status BackupReader::Add(absl::string_view bytes) {
  while (status_.ok() && !bytes.empty()) {
    if (expects_ == Expects::kNothing) {
      status_ = Damaged("something stands behind its end");
      break;
    }
    const size_t take = std::min(bytes.size(), Wanted() - pending_.size());
    pending_.append(bytes.data(), take);
    bytes.remove_prefix(take);
    if (pending_.size() < Wanted()) break;
    const std::string part = std::exchange(pending_, {});
    status_ = Take(part);
  }
  return status_;
}

absl::Status BackupReader::Take(absl::string_view part) {
  switch (expects_) {
    case Expects::kBeginning:
      if (part != kBeginning) {
        return absl::StartsWith(part, kKind)
                   ? absl::UnimplementedError("a newer program has made it: upgrade triadd first")
                   : absl::InvalidArgumentError("it is no backup of Triad's");
      }
      hash_.Add(part);
      expects_ = Expects::kLength;
      return absl::OkStatus();
    case Expects::kLength:
      hash_.Add(part);
      length_ = LengthOf(part);
      if (length_ > kBackupPieceBytesMax) return Damaged("a piece is too long");
      if (length_ == 0 && last_ != v1::BackupPiece::kEnd) return Damaged("it has no end");
      expects_ = length_ == 0 ? Expects::kSum : Expects::kPiece;
      return absl::OkStatus();
    case Expects::kPiece:
      hash_.Add(part);
      expects_ = Expects::kLength;
      return TakePiece(part);
    case Expects::kSum:
      if (part != hash_.Finish()) return Damaged("its sum is another");
      expects_ = Expects::kNothing;
      return absl::OkStatus();
    case Expects::kNothing:
      break;
  }
  return absl::OkStatus();
}

absl::Status BackupReader::TakePiece(absl::string_view part) {
  v1::BackupPiece piece;
  if (!piece.ParseFromArray(part.data(), static_cast<int>(part.size()))) {
    return Damaged("a piece cannot be read");
  }
  if (absl::Status status = Check(piece); !status.ok()) return status;
  last_ = piece.body_case();
  return on_piece_(piece);
}

absl::Status BackupReader::Check(const v1::BackupPiece& piece) {
  if (piece.has_head() != (last_ == v1::BackupPiece::BODY_NOT_SET)) {
    return Damaged("its head is not where it belongs");
  }
  // The order of the fields is that of the pieces.
  if (piece.body_case() < last_ || last_ == v1::BackupPiece::kEnd) {
    return Damaged("its pieces are not in order");
  }
  switch (piece.body_case()) {
    case v1::BackupPiece::kHead:
      head_ = piece.head();
      if (head_.format() > kBackupFormat) {
        return absl::UnimplementedError("a newer program has made it: upgrade triadd first");
      }
      if (head_.format() == 0 || head_.index() == 0) return Damaged("its head says nothing");
      return absl::OkStatus();
    case v1::BackupPiece::kRows:
      return CheckRows(piece.rows());
    case v1::BackupPiece::kUsage:
      return CheckUsage(piece.usage());
    case v1::BackupPiece::kEnd:
      return CheckEnd(piece.end());
    case v1::BackupPiece::BODY_NOT_SET:
      break;
  }
  return Damaged("a piece says nothing");
}

absl::Status BackupReader::CheckRows(const v1::BackupRows& rows) {
  for (const auto& row : rows.rows()) {
    if (row.key() <= last_key_) return Damaged("its rows are not in order");
    last_key_ = row.key();
    row_hash_.Add(row.key());
    row_hash_.Add(row.value());
    ++rows_;
  }
  return absl::OkStatus();
}

absl::Status BackupReader::CheckUsage(const v1::BackupUsage& usage) {
  if (usage.first() == 0 || usage.first() < next_record_) {
    return Damaged("its usage records are not in order");
  }
  next_record_ = usage.first() + static_cast<uint64_t>(usage.records_size());
  records_ += static_cast<uint64_t>(usage.records_size());
  return absl::OkStatus();
}

absl::Status BackupReader::CheckEnd(const v1::BackupEnd& end) {
  if (end.rows() != rows_ || end.digest() != row_hash_.value()) {
    return Damaged("its rows are not those that were sent");
  }
  if (end.usage_records() != records_) return Damaged("usage records are missing");
  end_ = end;
  return absl::OkStatus();
}

absl::Status BackupReader::Finish() {
  if (!status_.ok() || expects_ == Expects::kNothing) return status_;
  const bool nothing = expects_ == Expects::kBeginning;
  const bool of_ours = absl::StartsWith(kBeginning, pending_) && !pending_.empty();
  status_ = nothing && !of_ours ? absl::InvalidArgumentError("it is no backup of Triad's")
                                : absl::DataLossError("it is cut off: the end is missing");
  return status_;
}

}  // namespace triad::license
