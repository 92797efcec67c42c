// The bytes of one log file: header page, two watermark pages, records. FORMAT.md has the tables.
//
// Pure encoding: no files, no state. What the records mean is in log_contents.h, which of them may
// be believed in recovery.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "quorum/members.h"
#include "quorum/types.h"

namespace triad::storage {

// What a disk writes whole or not at all.
inline constexpr uint64_t kSectorBytes = 512;
// Header and each watermark have a page of their own, so that one torn page never takes two.
inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kRecordsAt = 3 * kPageBytes;
inline constexpr uint64_t kRecordHeaderBytes = 40;
inline constexpr int kWatermarkSlots = 2;
// The payload of the record that ends a batch. The sector that it ends in is never all zero, so a
// zero one in its place means that the disk did not get there.
inline constexpr absl::string_view kBatchEndMark = "\xA5\xA5\xA5\xA5\xA5\xA5\xA5\xA5";

// All that the log knows beside the entries' contents, at one point of its records.
struct LogState {
  quorum::Index last_index;
  quorum::Term last_term;
  quorum::HardState hard_state;
  quorum::Index start_index;  // a snapshot covers the entries up to here
  quorum::Term start_term;
  bool operator==(const LogState&) const = default;
};

// The first page. It vouches for the segment before it: that one was synced up to `previous_end`
// before this file got its name.
struct SegmentHeader {
  uint64_t number = 0;        // 1, 2, 3, ... without a gap; also in the file's name
  uint64_t bytes = 0;         // of the whole file, preallocated
  uint64_t previous_end = 0;  // where the records of segment number - 1 end; 0 in segment 1
  LogState state;             // before the first record of this file
};

// Page 1 or 2. "When the write of [synced_end, batch_end) began, everything before it was durable."
struct Watermark {
  uint64_t sequence = 0;      // grows by one with every watermark of the segment
  uint64_t synced_end = 0;    // an offset in this file, the end of a batch
  uint64_t batch_end = 0;     // equal to synced_end: no batch was being written
  uint32_t zero_sectors = 0;  // sectors of the batch that are all zero as they were written
  bool closed = false;        // the next segment is durable and holds what follows
  LogState state;             // at synced_end
};

enum class RecordType : uint8_t {
  kEntry = 1,      // kind: EntryKind
  kHardState = 2,  // kind: the slot voted for
  kCut = 3,        // entries above `index` are no more; `term` is that of the entry at `index`
  kStart = 4,      // a snapshot covers up to `index`; kind 1: and there is nothing after it;
                   // payload: the members in force there
  kBatchEnd = 5,   // the records since the last one belong together; index and term: the last entry
};

struct Record {
  RecordType type = RecordType::kEntry;
  uint8_t kind = 0;
  quorum::Term term;
  quorum::Index index;
  absl::string_view payload;
};

// "log-000000000000002a.seg".
std::string SegmentName(uint64_t number);
// The number in such a name; nullopt for any other name.
std::optional<uint64_t> ParseSegmentName(absl::string_view name);

// One page. Decoding: DATA_LOSS with the reason; FAILED_PRECONDITION for a later version.
std::string EncodeHeader(const SegmentHeader& header);
absl::StatusOr<SegmentHeader> DecodeHeader(absl::string_view page);

// One sector, the first of its page; the rest of the page is neither written nor read, so that
// nothing can go wrong there which no later write would mend. Decoding: nullopt when the sector is
// all zero, that is unused; DATA_LOSS with the reason.
std::string EncodeWatermark(uint64_t segment, const Watermark& mark);
absl::StatusOr<std::optional<Watermark>> DecodeWatermark(uint64_t segment,
                                                         absl::string_view sector);
constexpr uint64_t WatermarkOffset(int slot) {
  return kPageBytes * (1 + static_cast<uint64_t>(slot));
}

// Bytes of a record in the file, padding included.
constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return kRecordHeaderBytes + (payload_bytes + 7) / 8 * 8;
}
// Appends the record that will stand at `offset` of segment `segment`.
void AppendRecord(uint64_t segment, uint64_t offset, const Record& record, std::string* out);
// Reads the record at `offset` of `file`, which must outlive the result. DATA_LOSS with the reason.
absl::StatusOr<Record> DecodeRecord(uint64_t segment, absl::string_view file, uint64_t offset);

// The members in the payload of a start record; nothing for none. Decoding: nullopt for what
// EncodeMembers does not write.
std::string EncodeMembers(const quorum::Members& members);
std::optional<quorum::Members> DecodeMembers(absl::string_view payload);

bool AllZero(absl::string_view data);
// How many sectors of the file have nothing but zeros in the part that `data`, which stands at
// `offset`, fills of them.
uint32_t CountZeroSectors(uint64_t offset, absl::string_view data);

}  // namespace triad::storage
