#include "storage/segment.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "storage/bytes.h"
#include "storage/limits.h"
#include "xxhash.h"

namespace triad::storage {
namespace {

using quorum::Index;
using quorum::Slot;
using quorum::Term;

constexpr absl::string_view kHeaderMagic = "TRIADLOG";
constexpr absl::string_view kWatermarkMagic = "TRIADMRK";
constexpr uint32_t kVersion = 1;
constexpr size_t kStateBytes = 48;
constexpr size_t kHeaderBytes = 96;     // before its checksum
constexpr size_t kWatermarkBytes = 96;  // before its checksum
constexpr size_t kIncarnationBytes = 16;
constexpr size_t kMemberBytes = 2 + kIncarnationBytes;

// Bound to the place: a block that the disk wrote elsewhere does not pass for one of here.
uint64_t Checksum(absl::string_view data, uint64_t segment, uint64_t offset) {
  return XXH3_64bits_withSeed(data.data(), data.size(), segment * 0x9E3779B97F4A7C15u + offset);
}

void AppendState(const LogState& state, std::string* out) {
  AppendNumber(state.last_index.value(), 8, out);
  AppendNumber(state.last_term.value(), 8, out);
  AppendNumber(state.hard_state.term.value(), 8, out);
  AppendNumber(static_cast<uint64_t>(state.hard_state.voted_for), 8, out);
  AppendNumber(state.start_index.value(), 8, out);
  AppendNumber(state.start_term.value(), 8, out);
}

// Guarded by a checksum already, so a slot above 3 cannot come from the disk.
LogState ReadState(absl::string_view data) {
  LogState state;
  state.last_index = Index(ReadNumber(data, 0, 8));
  state.last_term = Term(ReadNumber(data, 8, 8));
  state.hard_state.term = Term(ReadNumber(data, 16, 8));
  state.hard_state.voted_for = static_cast<Slot>(ReadNumber(data, 24, 8));
  state.start_index = Index(ReadNumber(data, 32, 8));
  state.start_term = Term(ReadNumber(data, 40, 8));
  return state;
}

// Whether `type` and `kind` are ones that this version writes.
bool IsKnown(uint8_t type, uint8_t kind) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::kEntry:
      return kind <= static_cast<uint8_t>(quorum::EntryKind::kMembers);
    case RecordType::kHardState:
      return kind <= quorum::kSlotsMax;
    case RecordType::kStart:
      return kind <= 1;
    case RecordType::kCut:
    case RecordType::kBatchEnd:
      return kind == 0;
  }
  return false;
}

}  // namespace

std::string SegmentName(uint64_t number) {
  return absl::StrCat("log-", absl::Hex(number, absl::kZeroPad16), ".seg");
}

std::optional<uint64_t> ParseSegmentName(absl::string_view name) {
  uint64_t number = 0;
  if (name.size() != 24 || !absl::SimpleHexAtoi(name.substr(4, 16), &number)) return std::nullopt;
  if (name != SegmentName(number)) return std::nullopt;  // no sign, no 0x, lower case
  return number;
}

std::string EncodeHeader(const SegmentHeader& header) {
  std::string page(kHeaderMagic);
  AppendNumber(kVersion, 4, &page);
  AppendNumber(kRecordsAt, 4, &page);
  AppendNumber(header.number, 8, &page);
  AppendNumber(header.bytes, 8, &page);
  AppendNumber(header.previous_end, 8, &page);
  AppendState(header.state, &page);
  AppendNumber(0, 8, &page);
  AppendNumber(Checksum(page, header.number, 0), 8, &page);
  page.resize(kPageBytes, '\0');
  return page;
}

absl::StatusOr<SegmentHeader> DecodeHeader(absl::string_view page) {
  if (page.size() < kPageBytes) return absl::DataLossError("file ends in its header");
  page = page.substr(0, kPageBytes);
  if (page.substr(0, 8) != kHeaderMagic) return absl::DataLossError("not a log segment");
  SegmentHeader header;
  header.number = ReadNumber(page, 16, 8);
  if (Checksum(page.substr(0, kHeaderBytes), header.number, 0) !=
      ReadNumber(page, kHeaderBytes, 8)) {
    return absl::DataLossError("wrong checksum of the segment header");
  }
  if (ReadNumber(page, 8, 4) != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("log format ", ReadNumber(page, 8, 4), " is of another version of triadd"));
  }
  if (!AllZero(page.substr(kHeaderBytes + 8)) || !AllZero(page.substr(kHeaderBytes - 8, 8)) ||
      ReadNumber(page, 12, 4) != kRecordsAt) {
    return absl::DataLossError("wrong bytes in the segment header");
  }
  header.bytes = ReadNumber(page, 24, 8);
  header.previous_end = ReadNumber(page, 32, 8);
  header.state = ReadState(page.substr(40, kStateBytes));
  return header;
}

std::string EncodeWatermark(uint64_t segment, const Watermark& mark) {
  std::string sector(kWatermarkMagic);
  AppendNumber(mark.sequence, 8, &sector);
  AppendNumber(mark.synced_end, 8, &sector);
  AppendNumber(mark.batch_end, 8, &sector);
  AppendNumber(mark.zero_sectors, 4, &sector);
  AppendNumber(mark.closed ? 1 : 0, 4, &sector);
  AppendState(mark.state, &sector);
  AppendNumber(0, 8, &sector);
  AppendNumber(Checksum(sector, segment, 1), 8, &sector);
  sector.resize(kSectorBytes, '\0');
  return sector;
}

absl::StatusOr<std::optional<Watermark>> DecodeWatermark(uint64_t segment,
                                                         absl::string_view sector) {
  if (sector.size() < kSectorBytes) return absl::DataLossError("file ends in a watermark");
  sector = sector.substr(0, kSectorBytes);
  if (AllZero(sector)) return std::nullopt;
  if (sector.substr(0, 8) != kWatermarkMagic ||
      Checksum(sector.substr(0, kWatermarkBytes), segment, 1) !=
          ReadNumber(sector, kWatermarkBytes, 8)) {
    return absl::DataLossError("wrong checksum of a watermark");
  }
  if (!AllZero(sector.substr(kWatermarkBytes + 8))) {
    return absl::DataLossError("wrong bytes behind a watermark");
  }
  Watermark mark;
  mark.sequence = ReadNumber(sector, 8, 8);
  mark.synced_end = ReadNumber(sector, 16, 8);
  mark.batch_end = ReadNumber(sector, 24, 8);
  mark.zero_sectors = static_cast<uint32_t>(ReadNumber(sector, 32, 4));
  mark.closed = ReadNumber(sector, 36, 4) != 0;
  mark.state = ReadState(sector.substr(40, kStateBytes));
  return mark;
}

void AppendRecord(uint64_t segment, uint64_t offset, const Record& record, std::string* out) {
  const size_t begin = out->size();
  AppendNumber(record.payload.size(), 4, out);
  AppendNumber(static_cast<uint64_t>(record.type), 1, out);
  AppendNumber(record.kind, 1, out);
  AppendNumber(0, 2, out);
  AppendNumber(record.term.value(), 8, out);
  AppendNumber(record.index.value(), 8, out);
  AppendNumber(XXH3_64bits(record.payload.data(), record.payload.size()), 8, out);
  AppendNumber(Checksum(absl::string_view(*out).substr(begin), segment, offset), 8, out);
  out->append(record.payload.data(), record.payload.size());
  out->resize(begin + RecordBytes(record.payload.size()), '\0');
}

absl::StatusOr<Record> DecodeRecord(uint64_t segment, absl::string_view file, uint64_t offset) {
  if (file.size() < kRecordHeaderBytes || offset > file.size() - kRecordHeaderBytes) {
    return absl::DataLossError("file ends in a record header");
  }
  const absl::string_view header = file.substr(offset, kRecordHeaderBytes);
  if (AllZero(header)) return absl::DataLossError("zeros in place of a record header");
  if (Checksum(header.substr(0, kRecordHeaderBytes - 8), segment, offset) !=
      ReadNumber(header, kRecordHeaderBytes - 8, 8)) {
    return absl::DataLossError("wrong checksum of a record header");
  }
  const uint64_t length = ReadNumber(header, 0, 4);
  const auto type = static_cast<uint8_t>(header[4]);
  Record record;
  record.type = static_cast<RecordType>(type);
  record.kind = static_cast<uint8_t>(header[5]);
  record.term = Term(ReadNumber(header, 8, 8));
  record.index = Index(ReadNumber(header, 16, 8));
  if (!IsKnown(type, record.kind) || ReadNumber(header, 6, 2) != 0 || length > kPayloadBytesMax) {
    return absl::DataLossError("a record that no version of triadd writes");
  }
  const uint64_t room = file.size() - offset;
  if (RecordBytes(length) > room) {
    return absl::DataLossError(absl::StrCat("file ends in the record at index ",
                                            record.index.value(), ", term ", record.term.value()));
  }
  record.payload = file.substr(offset + kRecordHeaderBytes, length);
  const absl::string_view padding = file.substr(offset + kRecordHeaderBytes + length,
                                                RecordBytes(length) - kRecordHeaderBytes - length);
  if (XXH3_64bits(record.payload.data(), record.payload.size()) != ReadNumber(header, 24, 8) ||
      !AllZero(padding)) {
    return absl::DataLossError(absl::StrCat("wrong checksum of the content at index ",
                                            record.index.value(), ", term ", record.term.value()));
  }
  return record;
}

std::string EncodeMembers(const quorum::Members& members) {
  std::string out;
  for (const quorum::Member& member : members.list) {
    AppendNumber(static_cast<uint64_t>(ToInt(member.slot)), 1, &out);
    AppendNumber(member.voter ? 1 : 0, 1, &out);
    std::string incarnation = member.incarnation;
    incarnation.resize(kIncarnationBytes, '\0');
    out += incarnation;
  }
  return out;
}

std::optional<quorum::Members> DecodeMembers(absl::string_view payload) {
  quorum::Members members;
  if (payload.size() % kMemberBytes != 0) return std::nullopt;
  for (; !payload.empty(); payload.remove_prefix(kMemberBytes)) {
    const uint64_t slot = ReadNumber(payload, 0, 1);
    const uint64_t voter = ReadNumber(payload, 1, 1);
    if (slot < 1 || slot > quorum::kSlotsMax || voter > 1) return std::nullopt;
    members.list.push_back({static_cast<quorum::Slot>(slot),
                            std::string(payload.substr(2, kIncarnationBytes)), voter == 1});
  }
  return members;
}

bool AllZero(absl::string_view data) {
  // Comparing with itself one byte further: memcmp is the fastest loop there is.
  return data.empty() ||
         (data[0] == '\0' && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

uint32_t CountZeroSectors(uint64_t offset, absl::string_view data) {
  uint32_t zeros = 0;
  for (size_t at = 0; at < data.size();) {
    const size_t part = static_cast<size_t>(kSectorBytes - (offset + at) % kSectorBytes);
    zeros += AllZero(data.substr(at, part));
    at += part;
  }
  return zeros;
}

}  // namespace triad::storage
