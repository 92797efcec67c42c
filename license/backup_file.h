// A backup as a file: one ledger at one index with its usage records, in pieces of bounded size.
//
//   "triad backup 1\n"
//   pieces: 4 bytes length, little-endian, above 0; a v1.BackupPiece of that length. First the
//     head, then rows in the order of their keys, then usage records in the order of their
//     numbers, then the end
//   4 bytes of zero
//   32 bytes: SHA-256 of everything before them
//
// Pure: bytes in, bytes out; whoever reads and writes files hands them over. Neither signed nor
// encrypted: whoever can write it can write another one. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "license/digest.h"
#include "license/ledger_rows.h"
#include "triad/v1/backup.pb.h"

namespace triad::license {

inline constexpr uint32_t kBackupFormat = 1;
// A row may be a license set of 3 MB; else a piece is cut at some 256 KB.
inline constexpr size_t kBackupPieceBytesMax = 8u << 20;

// What is to be written, one after the other.
class BackupWriter {
 public:
  // The bytes of the next piece; in front of the first those of the file's beginning.
  std::string Piece(const v1::BackupPiece& piece);
  // The bytes behind the last.
  std::string Finish();

 private:
  std::string Hashed(std::string bytes);

  bool begun_ = false;
  Sha256Stream hash_;
};

// Takes a backup apart and checks everything that can be checked without making a ledger of it: the
// sum over the file, the order of pieces, rows and records, the sum over the rows, and that nothing
// stands behind the end.
class BackupReader {
 public:
  // Called for each piece, in order; what it returns ends the reading. What it is called with
  // counts only when Finish has said so.
  using OnPiece = std::function<absl::Status(const v1::BackupPiece& piece)>;

  explicit BackupReader(OnPiece on_piece) : on_piece_(std::move(on_piece)) {}

  // The next bytes of the file, however many. DATA_LOSS: damaged. INVALID_ARGUMENT: no backup.
  // UNIMPLEMENTED: one of a newer program. All later calls say the same.
  absl::Status Add(absl::string_view bytes);
  // There are no more. DATA_LOSS: it ends too early.
  absl::Status Finish();

  const v1::BackupHead& head() const { return head_; }
  const v1::BackupEnd& end() const { return end_; }  // set once Finish is OK

 private:
  enum class Expects { kBeginning, kLength, kPiece, kSum, kNothing };

  absl::Status Take(absl::string_view part);
  size_t Wanted() const;
  absl::Status TakePiece(absl::string_view part);
  absl::Status Check(const v1::BackupPiece& piece);
  absl::Status CheckRows(const v1::BackupRows& rows);
  absl::Status CheckUsage(const v1::BackupUsage& usage);
  absl::Status CheckEnd(const v1::BackupEnd& end);

  const OnPiece on_piece_;
  absl::Status status_;
  Expects expects_ = Expects::kBeginning;
  size_t length_ = 0;  // of the piece that is expected
  std::string pending_;
  Sha256Stream hash_;
  v1::BackupPiece::BodyCase last_ = v1::BackupPiece::BODY_NOT_SET;
  v1::BackupHead head_;
  v1::BackupEnd end_;
  RowHash row_hash_;
  std::string last_key_;
  uint64_t rows_ = 0;
  uint64_t next_record_ = 0;
  uint64_t records_ = 0;
};

}  // namespace triad::license
