#include "storage/log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/limits.h"
#include "storage/log_contents.h"
#include "storage/recovery.h"
#include "storage/segment.h"

namespace triad::storage {
namespace {

using quorum::Entry;
using quorum::HardState;
using quorum::Index;
using quorum::Term;

// The next segment while it has no number yet.
constexpr absl::string_view kSpareName = "log-next.tmp";

// Says that everything up to `end` was synced, and that no batch is being written.
Watermark RestMark(uint64_t end, const LogState& state) {
  Watermark mark;
  mark.synced_end = end;
  mark.batch_end = end;
  mark.state = state;
  return mark;
}

class SegmentedLog final : public Log {
 public:
  SegmentedLog(FileSystem* files, std::string dir, LogOptions options)
      : files_(files), dir_(std::move(dir)), options_(options) {}

  // Makes what was found durable, leaves a torn tail behind and completes what a crash interrupted.
  absl::Status Start(Recovery recovery);
  // Refuses every write from now on.
  absl::Status Fail(absl::Status status);

  absl::Status Append(const std::optional<HardState>& hard_state,
                      absl::Span<const Entry> entries) override;
  absl::Status Idle() override;
  absl::Status Trim(const quorum::LogStart& start) override;

 private:
  absl::Status MakeDurable(Recovery& recovery);
  absl::Status WriteBatch();
  absl::Status Roll(uint64_t batch_bytes);
  absl::Status CreateSegment(uint64_t number, uint64_t previous_end, uint64_t batch_bytes);
  absl::Status WriteMark(Tail* tail, Watermark mark);
  absl::Status Close(Tail* tail, const LogState& state);
  absl::Status ExtendSpare();
  absl::Status RemoveBefore(Index index);

  std::string Path(absl::string_view name) const { return absl::StrCat(dir_, "/", name); }

  FileSystem* const files_;
  const std::string dir_;
  const LogOptions options_;

  absl::Status failed_;  // once not OK, it stays so
  LogContents contents_;
  std::vector<SegmentInfo> segments_;  // ascending; the last one is written to
  Tail tail_;
  bool marked_ = false;          // the newest watermark names tail_.end and no batch
  std::unique_ptr<File> spare_;  // kSpareName, zero-filled in steps
  uint64_t spare_bytes_ = 0;
  bool spare_refused_ = false;  // the disk is too full; not tried again before the next segment

  // Of the batch being written; kept to use their memory again.
  std::vector<Record> records_;
  std::string buffer_;
};

// Also where an attempt to get more has left the file larger.
absl::Status PreallocateExactly(File* file, uint64_t bytes) {
  absl::StatusOr<uint64_t> size = file->Size();
  if (!size.ok()) return size.status();
  if (*size > bytes) {
    if (absl::Status s = file->Truncate(bytes); !s.ok()) return s;
  }
  return file->Preallocate(bytes);
}

absl::StatusOr<std::vector<uint64_t>> SegmentsNewestFirst(FileSystem* files,
                                                          const std::string& dir) {
  absl::StatusOr<std::vector<std::string>> names = files->List(dir);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    if (std::optional<uint64_t> number = ParseSegmentName(name)) numbers.push_back(*number);
  }
  std::sort(numbers.rbegin(), numbers.rend());
  return numbers;
}

absl::Status SegmentedLog::Fail(absl::Status status) {
  if (!status.ok() && failed_.ok()) {
    failed_ = absl::FailedPreconditionError(
        absl::StrCat("the log in ", dir_, " is closed since: ", status.message()));
  }
  return status;
}

absl::Status SegmentedLog::Start(Recovery recovery) {
  const std::string spare = Path(kSpareName);
  if (files_->Exists(spare)) {
    if (absl::Status s = files_->Remove(spare); !s.ok()) return s;
  }
  contents_ = std::move(recovery.contents);
  if (recovery.segments.empty()) return CreateSegment(1, 0, 0);
  segments_ = std::move(recovery.segments);
  tail_ = std::move(recovery.tail);

  if (absl::Status s = MakeDurable(recovery); !s.ok()) return s;
  // What is torn is left as it is, and never overwritten: zeros over it could fail to reach the
  // disk and be read back all the same (FORMAT.md, "Cutting").
  if (tail_.torn) return Roll(0);
  if (absl::Status s = WriteMark(&tail_, RestMark(tail_.end, contents_.state())); !s.ok()) return s;
  if (absl::Status s = tail_.file->Sync(); !s.ok()) return s;
  tail_.watermark_slot = 1 - tail_.watermark_slot;
  marked_ = true;
  return absl::OkStatus();
}

// The process may have died where the machine did not: then what was just read, and the names of
// the files, may be in memory only, and nothing of it may be acknowledged before it is on the disk.
// A sync alone does not see to that. If the process died of a failed sync, the kernel has marked
// the pages clean; they are read as they were written, the next sync writes none of them and
// succeeds (Rebello et al., "Can Applications Recover from fsync Failures?", ATC'20). So all that
// no later write proves to have been synced is written once more, the same bytes to the same place,
// which makes the pages dirty again. A power loss amid that leaves each sector old or new, as in
// the write that it repeats.
absl::Status SegmentedLog::MakeDurable(Recovery& recovery) {
  File& file = *tail_.file;
  if (!recovery.unproven.empty()) {
    if (absl::Status s = file.WriteAt(recovery.unproven_at, recovery.unproven); !s.ok()) return s;
  }
  for (int slot = 0; slot < kWatermarkSlots; ++slot) {
    const std::string& sector = recovery.watermarks[static_cast<size_t>(slot)];
    if (sector.empty()) continue;
    if (absl::Status s = file.WriteAt(WatermarkOffset(slot), sector); !s.ok()) return s;
  }
  if (absl::Status s = file.Sync(); !s.ok()) return s;
  if (absl::Status s = files_->SyncDirectory(dir_); !s.ok()) return s;
  // Also where it is closed by what was read: that may be in memory only.
  if (recovery.previous.file == nullptr) return absl::OkStatus();
  return Close(&recovery.previous, recovery.previous_state);
}

absl::Status SegmentedLog::Append(const std::optional<HardState>& hard_state,
                                  absl::Span<const Entry> entries) {
  if (!failed_.ok()) return failed_;
  if (!hard_state.has_value() && entries.empty()) return absl::OkStatus();
  records_.clear();
  if (hard_state.has_value()) {
    records_.push_back({RecordType::kHardState,
                        static_cast<uint8_t>(hard_state->voted_for),
                        hard_state->term,
                        Index(0),
                        {}});
  }
  if (!entries.empty() && entries[0].index <= contents_.state().last_index) {
    const Index cut = entries[0].index.value() == 0 ? Index(0) : entries[0].index - 1;
    const std::optional<Term> term = contents_.TermAt(cut);
    if (entries[0].index <= contents_.state().start_index || !term.has_value()) {
      return Fail(absl::InternalError(
          absl::StrCat("asked to replace entry ", entries[0].index.value(), " in ", dir_,
                       ", though a snapshot covers up to ", contents_.state().start_index.value(),
                       ": a committed entry would be lost")));
    }
    records_.push_back({RecordType::kCut, 0, *term, cut, {}});
  }
  for (const Entry& entry : entries) {
    if (entry.payload->size() > kPayloadBytesMax) {
      return Fail(absl::InvalidArgumentError(
          absl::StrCat("entry ", entry.index.value(), " has ", entry.payload->size(),
                       " bytes; the log takes ", kPayloadBytesMax)));
    }
    records_.push_back({RecordType::kEntry, static_cast<uint8_t>(entry.kind), entry.term,
                        entry.index, absl::string_view(*entry.payload)});
  }
  return Fail(WriteBatch());
}

// Writes records_ and their end as one batch: one write, its watermark, one sync.
absl::Status SegmentedLog::WriteBatch() {
  uint64_t bytes = RecordBytes(kBatchEndMark.size());
  for (const Record& record : records_) bytes += RecordBytes(record.payload.size());
  if (tail_.end + bytes > tail_.bytes) {
    if (absl::Status s = Roll(bytes); !s.ok()) return s;
  }
  Watermark mark;
  mark.synced_end = tail_.end;
  mark.batch_end = tail_.end + bytes;
  mark.state = contents_.state();
  for (const Record& record : records_) {
    if (absl::Status s = contents_.Apply(record); !s.ok()) {
      return absl::InternalError(absl::StrCat("asked to write what cannot be: ", s.message()));
    }
  }
  records_.push_back({RecordType::kBatchEnd, 0, contents_.state().last_term,
                      contents_.state().last_index, kBatchEndMark});
  buffer_.clear();
  buffer_.reserve(bytes);
  for (const Record& record : records_) {
    AppendRecord(tail_.number, tail_.end + buffer_.size(), record, &buffer_);
  }
  if (absl::Status s = tail_.file->WriteAt(tail_.end, buffer_); !s.ok()) return s;
  mark.zero_sectors = CountZeroSectors(tail_.end, buffer_);
  if (absl::Status s = WriteMark(&tail_, mark); !s.ok()) return s;
  if (absl::Status s = tail_.file->Sync(); !s.ok()) return s;
  // Never overwrite the newest watermark that is known to be on the disk.
  tail_.watermark_slot = 1 - tail_.watermark_slot;
  tail_.end += bytes;
  marked_ = false;
  records_.clear();
  if (buffer_.capacity() > kBufferKeepBytes) std::string().swap(buffer_);
  // Under steady load there is no quiet moment: then the next segment grows as this one fills.
  if (tail_.end < spare_bytes_ + kSpareStepBytes) return absl::OkStatus();
  return ExtendSpare();
}

// Overwrites the older of the two watermarks of `tail`.
absl::Status SegmentedLog::WriteMark(Tail* tail, Watermark mark) {
  mark.sequence = ++tail->watermark_sequence;
  return tail->file->WriteAt(WatermarkOffset(tail->watermark_slot),
                             EncodeWatermark(tail->number, mark));
}

// Goes on in the next segment, which is durable with its name before this one is closed.
absl::Status SegmentedLog::Roll(uint64_t batch_bytes) {
  Tail full = std::move(tail_);
  if (absl::Status s = CreateSegment(full.number + 1, full.end, batch_bytes); !s.ok()) return s;
  return Close(&full, contents_.state());
}

// Notes in a full segment that there is a next one, so that its loss is found.
absl::Status SegmentedLog::Close(Tail* tail, const LogState& state) {
  Watermark mark = RestMark(tail->end, state);
  mark.closed = true;
  if (absl::Status s = WriteMark(tail, mark); !s.ok()) return s;
  return tail->file->Sync();
}

absl::Status SegmentedLog::CreateSegment(uint64_t number, uint64_t previous_end,
                                         uint64_t batch_bytes) {
  const std::string spare = Path(kSpareName);
  if (spare_ == nullptr) {
    absl::StatusOr<std::unique_ptr<File>> file = files_->Open(spare, /*create=*/true);
    if (!file.ok()) return file.status();
    spare_ = *std::move(file);
  }
  SegmentHeader header;
  header.number = number;
  const uint64_t needed = (kRecordsAt + batch_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  header.bytes = std::max(options_.segment_bytes, needed);
  header.previous_end = previous_end;
  header.state = contents_.state();
  absl::Status status = spare_->Preallocate(header.bytes);
  if (absl::IsResourceExhausted(status)) {
    // A disk that is nearly full: what is prepared already, or just room for the batch. What keeps
    // sessions alive and gives licenses back goes on until the last page.
    header.bytes = std::max({needed, kSegmentBytesMin, spare_bytes_});
    status = PreallocateExactly(spare_.get(), header.bytes);
  }
  if (!status.ok()) return status;
  if (absl::Status s = spare_->WriteAt(0, EncodeHeader(header)); !s.ok()) return s;
  if (absl::Status s = spare_->Sync(); !s.ok()) return s;
  if (absl::Status s = files_->Rename(spare, Path(SegmentName(number))); !s.ok()) return s;
  if (absl::Status s = files_->SyncDirectory(dir_); !s.ok()) return s;
  tail_ = Tail();
  tail_.file = std::move(spare_);
  tail_.number = number;
  tail_.bytes = header.bytes;
  tail_.end = kRecordsAt;
  marked_ = true;  // the header says it
  spare_bytes_ = 0;
  spare_refused_ = false;
  segments_.push_back({number, header.state.last_index});
  return absl::OkStatus();
}

absl::Status SegmentedLog::Idle() {
  if (!failed_.ok()) return failed_;
  if (!marked_) {
    if (absl::Status s = WriteMark(&tail_, RestMark(tail_.end, contents_.state())); !s.ok())
      return Fail(s);
    marked_ = true;
  }
  return Fail(ExtendSpare());
}

// Zero-fills a bit of the next segment and syncs it, so that Roll has little left to do of either.
// A full disk is no error here: Roll will meet it if it lasts.
absl::Status SegmentedLog::ExtendSpare() {
  if (spare_refused_ || spare_bytes_ >= options_.segment_bytes) return absl::OkStatus();
  if (spare_ == nullptr) {
    absl::StatusOr<std::unique_ptr<File>> file = files_->Open(Path(kSpareName), /*create=*/true);
    if (!file.ok()) return file.status();
    spare_ = *std::move(file);
  }
  const uint64_t bytes = std::min(spare_bytes_ + kSpareStepBytes, options_.segment_bytes);
  absl::Status status = spare_->Preallocate(bytes);
  if (absl::IsResourceExhausted(status)) {
    spare_refused_ = true;
    return absl::OkStatus();
  }
  if (status.ok()) status = spare_->Sync();
  if (status.ok()) spare_bytes_ = bytes;
  return status;
}

absl::Status SegmentedLog::Trim(const quorum::LogStart& start) {
  if (!failed_.ok()) return failed_;
  if (start.index <= contents_.state().start_index) return absl::OkStatus();
  // The snapshot is the truth: what does not agree with it at `index` was never committed.
  const bool agrees = contents_.TermAt(start.index) == start.term;
  const std::string members = EncodeMembers(start.members);
  records_.clear();
  records_.push_back(
      {RecordType::kStart, static_cast<uint8_t>(agrees ? 0 : 1), start.term, start.index, members});
  if (absl::Status s = WriteBatch(); !s.ok()) return Fail(s);
  return Fail(RemoveBefore(start.index));
}

// The newest segment that begins at or before `index` is enough to read the log from; the record of
// the new start is durable. Oldest first and one by one, so that a crash leaves no gap.
absl::Status SegmentedLog::RemoveBefore(Index index) {
  size_t keep = segments_.size() - 1;
  while (keep > 0 && segments_[keep].base > index) --keep;
  while (keep > 0) {
    const std::string path = Path(SegmentName(segments_.front().number));
    if (absl::Status s = files_->Remove(path); !s.ok()) return s;
    if (absl::Status s = files_->SyncDirectory(dir_); !s.ok()) return s;
    segments_.erase(segments_.begin());
    --keep;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Log>> Log::Open(FileSystem* files, const std::string& dir,
                                               LogOptions options, Found* found) {
  options.segment_bytes = std::max(options.segment_bytes, kSegmentBytesMin);
  absl::StatusOr<Recovery> recovery = Recover(files, dir);
  if (!recovery.ok()) return recovery.status();
  *found = std::move(recovery->found);
  // Before anything is written: a log created here would pass for the lost one at the next start.
  if (recovery->segments.empty() && !found->damage.has_value() && !options.may_create) {
    found->damage = absl::StrCat(
        dir, " holds no log, though this node belongs to a formed cluster: its log was lost");
  }
  found->created = recovery->segments.empty() && !found->damage.has_value();
  if (found->created) recovery->contents = LogContents(LogState{});
  auto log = std::make_unique<SegmentedLog>(files, dir, options);
  if (found->damage.has_value()) {
    (void)log->Fail(absl::DataLossError(*found->damage));
    return log;
  }
  if (absl::Status s = log->Start(*std::move(recovery)); !s.ok()) return s;
  return log;
}

absl::StatusOr<std::unique_ptr<Log>> Log::Create(FileSystem* files, const std::string& dir,
                                                 LogOptions options, HardState hard_state,
                                                 const quorum::LogStart& start) {
  options.segment_bytes = std::max(options.segment_bytes, kSegmentBytesMin);
  absl::StatusOr<std::vector<uint64_t>> numbers = SegmentsNewestFirst(files, dir);
  if (!numbers.ok()) return numbers.status();
  if (!numbers->empty()) return absl::AlreadyExistsError(absl::StrCat(dir, " holds a log"));
  Recovery recovery;
  LogState state;
  state.hard_state = hard_state;
  state.last_index = state.start_index = start.index;
  state.last_term = state.start_term = start.term;
  recovery.contents = LogContents(state);
  auto log = std::make_unique<SegmentedLog>(files, dir, options);
  if (absl::Status s = log->Start(std::move(recovery)); !s.ok()) return s;
  return log;
}

// Newest first: the one before it says that it must be there, so a crash in the middle leaves
// damage, not a shorter log.
absl::Status Log::Destroy(FileSystem* files, const std::string& dir) {
  absl::StatusOr<std::vector<uint64_t>> numbers = SegmentsNewestFirst(files, dir);
  if (!numbers.ok()) return numbers.status();
  for (const uint64_t number : *numbers) {
    if (absl::Status s = files->Remove(absl::StrCat(dir, "/", SegmentName(number))); !s.ok()) {
      return s;
    }
    if (absl::Status s = files->SyncDirectory(dir); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status Log::MoveTo(FileSystem* files, const std::string& dir, const std::string& to) {
  absl::StatusOr<std::vector<uint64_t>> numbers = SegmentsNewestFirst(files, dir);
  if (!numbers.ok()) return numbers.status();
  if (numbers->empty()) return absl::OkStatus();
  if (absl::Status s = files->MakeDirectory(to); !s.ok()) return s;
  if (absl::Status s = files->SyncDirectory(dir); !s.ok()) return s;
  for (const uint64_t number : *numbers) {
    const std::string name = "/" + SegmentName(number);
    if (absl::Status s = files->Rename(dir + name, to + name); !s.ok()) return s;
    if (absl::Status s = files->SyncDirectory(to); !s.ok()) return s;
    if (absl::Status s = files->SyncDirectory(dir); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace triad::storage
