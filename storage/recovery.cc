#include "storage/recovery.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace triad::storage {
namespace {

using quorum::Entry;
using quorum::EntryKind;
using quorum::Index;

// One file, read whole.
struct Segment {
  std::string name;
  std::unique_ptr<File> file;
  std::string data;
  SegmentHeader header;
};

// What the two watermark pages of a segment say.
struct Watermarks {
  std::array<std::optional<Watermark>, kWatermarkSlots> valid;
  int invalid = 0;                // pages that are neither unused nor whole
  std::string why;                // the last of those
  std::optional<Watermark> best;  // the valid one with the highest sequence
  int next_slot = 0;              // not the best one's
};

Watermarks ReadWatermarks(const Segment& segment) {
  Watermarks marks;
  const absl::string_view data = segment.data;
  for (int slot = 0; slot < kWatermarkSlots; ++slot) {
    const uint64_t at = std::min<uint64_t>(WatermarkOffset(slot), data.size());
    absl::StatusOr<std::optional<Watermark>> mark =
        DecodeWatermark(segment.header.number, data.substr(at));
    if (!mark.ok()) {
      ++marks.invalid;
      if (!marks.best.has_value()) marks.next_slot = slot;
      marks.why = absl::StrCat(mark.status().message(), " at byte ", at);
    } else if (mark->has_value()) {
      marks.valid[slot] = **mark;
      if (!marks.best.has_value() || marks.best->sequence < (*mark)->sequence) {
        marks.best = **mark;
        marks.next_slot = 1 - slot;
      }
    }
  }
  return marks;
}

// How reading one batch ended.
struct BatchEnd {
  enum { kWhole, kBroken, kMisfit } what = kWhole;
  uint64_t at = 0;  // of the record that is broken or does not fit
  std::string why;
};

class Reader {
 public:
  Reader(FileSystem* files, std::string dir) : files_(files), dir_(std::move(dir)) {}

  absl::StatusOr<Recovery> Run();

 private:
  // Each returns false after it has called Damage().
  absl::StatusOr<bool> LoadSegment(uint64_t number, Segment* segment);
  bool ReadClosed(const Segment& segment, uint64_t end);
  bool ReadTail(Segment segment);
  bool CheckWatermarks(const Segment& segment, const Watermarks& marks, uint64_t offset);
  bool JudgeTail(const Segment& segment, const Watermarks& marks, uint64_t end,
                 const BatchEnd& broken);

  BatchEnd ReadBatch(const Segment& segment, uint64_t* offset, uint64_t limit);
  void TakeEntries(const std::vector<Record>& batch);
  void Finish();
  bool Damage(const std::string& name, uint64_t offset, absl::string_view why);
  void Note(absl::string_view note);

  FileSystem* const files_;
  const std::string dir_;
  Recovery recovery_;
};

absl::StatusOr<Recovery> Reader::Run() {
  absl::StatusOr<std::vector<std::string>> names = files_->List(dir_);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    if (std::optional<uint64_t> number = ParseSegmentName(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  if (numbers.empty()) return std::move(recovery_);

  std::optional<Segment> previous;
  for (const uint64_t number : numbers) {
    Segment segment;
    bool intact = true;
    if (previous.has_value() && number != previous->header.number + 1) {
      intact = Damage(SegmentName(previous->header.number + 1), 0, "the file is missing");
    } else {
      absl::StatusOr<bool> loaded = LoadSegment(number, &segment);
      if (!loaded.ok()) return loaded.status();
      intact = *loaded;
    }
    if (!previous.has_value() && intact) recovery_.contents = LogContents(segment.header.state);
    if (previous.has_value()) {
      // Where the header cannot be read, everything before it is still read as far as it goes.
      const uint64_t end = intact ? segment.header.previous_end : previous->data.size();
      intact = ReadClosed(*previous, end) && intact;
      if (intact && recovery_.contents.state() != segment.header.state) {
        intact = Damage(segment.name, 0, "the segment does not follow the one before it");
      }
    }
    if (!intact) break;
    if (previous.has_value() && number == numbers.back()) {
      const Watermarks marks = ReadWatermarks(*previous);
      recovery_.previous.number = previous->header.number;
      recovery_.previous.end = segment.header.previous_end;
      recovery_.previous.watermark_sequence = marks.best.has_value() ? marks.best->sequence : 0;
      recovery_.previous.watermark_slot = marks.next_slot;
      recovery_.previous.file = std::move(previous->file);
      recovery_.previous_state = segment.header.state;
    }
    recovery_.segments.push_back({number, segment.header.state.last_index});
    previous = std::move(segment);
  }
  if (!recovery_.found.damage.has_value()) ReadTail(*std::move(previous));
  Finish();
  return std::move(recovery_);
}

absl::StatusOr<bool> Reader::LoadSegment(uint64_t number, Segment* segment) {
  segment->name = SegmentName(number);
  absl::StatusOr<std::unique_ptr<File>> file = files_->Open(dir_ + "/" + segment->name, false);
  if (!file.ok()) return file.status();
  segment->file = *std::move(file);
  absl::StatusOr<uint64_t> size = segment->file->Size();
  if (!size.ok()) return Damage(segment->name, 0, size.status().message());
  // The header first: a file that has grown may be larger than the memory.
  absl::StatusOr<std::string> page = segment->file->ReadAt(0, kPageBytes);
  if (!page.ok()) return Damage(segment->name, 0, page.status().message());
  absl::StatusOr<SegmentHeader> header = DecodeHeader(*page);
  if (absl::IsFailedPrecondition(header.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(dir_, "/", segment->name, ": ", header.status().message()));
  }
  if (!header.ok()) return Damage(segment->name, 0, header.status().message());
  segment->header = *header;
  if (header->number != number) {
    return Damage(segment->name, 0, absl::StrCat("by its header this is segment ", header->number));
  }
  // No crash does that: the whole size was synced before the file got its name.
  if (*size != header->bytes || *size < kRecordsAt) {
    return Damage(segment->name, std::min(*size, header->bytes),
                  absl::StrCat("the file has ", *size, " bytes, by its header ", header->bytes));
  }
  absl::StatusOr<std::string> data = segment->file->ReadAt(0, *size);
  if (!data.ok()) return Damage(segment->name, 0, data.status().message());
  if (data->size() != *size) return Damage(segment->name, data->size(), "the file became shorter");
  segment->data = *std::move(data);
  return true;
}

// A segment that has a successor: everything in it was synced before the successor got its name.
bool Reader::ReadClosed(const Segment& segment, uint64_t end) {
  uint64_t offset = kRecordsAt;
  while (offset < end) {
    const BatchEnd batch = ReadBatch(segment, &offset, end);
    if (batch.what != BatchEnd::kWhole) return Damage(segment.name, batch.at, batch.why);
  }
  return true;
}

bool Reader::ReadTail(Segment segment) {
  const Watermarks marks = ReadWatermarks(segment);
  uint64_t offset = kRecordsAt;
  BatchEnd batch;
  while (batch.what == BatchEnd::kWhole) {
    if (!CheckWatermarks(segment, marks, offset)) return false;
    batch = ReadBatch(segment, &offset, segment.data.size());
  }
  for (const std::optional<Watermark>& mark : marks.valid) {
    if (!mark.has_value() || mark->synced_end <= offset) continue;
    return Damage(
        segment.name, batch.at,
        absl::StrCat(batch.why, ", though all before byte ", mark->synced_end, " was synced"));
  }
  // Checksums are right but the content cannot be: no crash writes that.
  if (batch.what == BatchEnd::kMisfit) return Damage(segment.name, batch.at, batch.why);
  if (marks.best.has_value() && marks.best->closed) {
    return Damage(SegmentName(segment.header.number + 1), 0, "the file is missing");
  }
  if (!JudgeTail(segment, marks, offset, batch)) return false;
  Tail& tail = recovery_.tail;
  tail.number = segment.header.number;
  tail.bytes = segment.header.bytes;
  tail.end = offset;
  tail.torn = !AllZero(absl::string_view(segment.data).substr(offset));
  tail.watermark_sequence = marks.best.has_value() ? marks.best->sequence : 0;
  tail.watermark_slot = marks.next_slot;
  tail.file = std::move(segment.file);
  uint64_t proven = marks.best.has_value() ? offset : kRecordsAt;
  for (int slot = 0; slot < kWatermarkSlots; ++slot) {
    if (!marks.valid[slot].has_value()) continue;
    proven = std::min(proven, marks.valid[slot]->synced_end);
    recovery_.watermarks[slot] = segment.data.substr(WatermarkOffset(slot), kSectorBytes);
  }
  recovery_.unproven_at = proven;
  recovery_.unproven = segment.data.substr(proven, offset - proven);
  return true;
}

// At the end of every batch: a watermark of this place must have known the same state.
bool Reader::CheckWatermarks(const Segment& segment, const Watermarks& marks, uint64_t offset) {
  for (const std::optional<Watermark>& mark : marks.valid) {
    if (!mark.has_value() || mark->synced_end != offset) continue;
    if (mark->state == recovery_.contents.state()) continue;
    return Damage(segment.name, offset, "the records are not those that the watermark speaks of");
  }
  return true;
}

// Whole batches end at `end`, and no watermark is above it. FORMAT.md, "Torn or damaged".
bool Reader::JudgeTail(const Segment& segment, const Watermarks& marks, uint64_t end,
                       const BatchEnd& broken) {
  const absl::string_view data = segment.data;
  if (marks.invalid == kWatermarkSlots) return Damage(segment.name, kPageBytes, marks.why);
  if (AllZero(data.substr(end))) {
    if (marks.invalid > 0) {
      Note(absl::StrCat(dir_, "/", segment.name, ": ", marks.why,
                        "; all records are intact, it is written anew"));
    }
    return true;
  }
  const auto damage = [&](absl::string_view why) {
    return Damage(segment.name, broken.at, absl::StrCat(broken.why, ", and ", why));
  };
  if (marks.invalid > 0) return damage(marks.why);
  const uint64_t synced_end = marks.best.has_value() ? marks.best->synced_end : kRecordsAt;
  const uint64_t batch_end = marks.best.has_value() ? marks.best->batch_end : kRecordsAt;
  std::string evidence;
  if (end == batch_end) {
    evidence = "its own watermark was never written";
  } else if (end != synced_end) {
    return damage("a later batch than the last watermark's was synced");
  } else if (batch_end < end || batch_end > data.size()) {
    return damage("the last watermark speaks of a batch that cannot be");
  } else if (!AllZero(data.substr(batch_end))) {
    return damage("a later batch was begun");
  } else if (CountZeroSectors(end, data.substr(end, batch_end - end)) > marks.best->zero_sectors) {
    evidence = "a sector of it was never written";
  } else {
    return damage("nothing of its batch looks unwritten");
  }
  Note(absl::StrCat(dir_, "/", segment.name, ": cut a torn batch at byte ", end, " after entry ",
                    recovery_.contents.state().last_index.value(), ": ", evidence));
  return true;
}

// Applies one whole batch at `*offset` and moves it behind; otherwise leaves both alone.
BatchEnd Reader::ReadBatch(const Segment& segment, uint64_t* offset, uint64_t limit) {
  const absl::string_view data =
      absl::string_view(segment.data).substr(0, std::min<uint64_t>(limit, segment.data.size()));
  std::vector<Record> batch;
  std::vector<uint64_t> places;
  uint64_t at = *offset;
  do {
    absl::StatusOr<Record> record = DecodeRecord(segment.header.number, data, at);
    if (!record.ok()) return {BatchEnd::kBroken, at, std::string(record.status().message())};
    batch.push_back(*record);
    places.push_back(at);
    at += RecordBytes(record->payload.size());
  } while (batch.back().type != RecordType::kBatchEnd);

  LogContents contents = recovery_.contents;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (absl::Status s = contents.Apply(batch[i]); !s.ok()) {
      return {BatchEnd::kMisfit, places[i], std::string(s.message())};
    }
  }
  recovery_.contents = std::move(contents);
  TakeEntries(batch);
  *offset = at;
  return {};
}

void Reader::TakeEntries(const std::vector<Record>& batch) {
  std::vector<Entry>& entries = recovery_.found.entries;
  for (const Record& record : batch) {
    if (record.type == RecordType::kEntry) {
      entries.push_back({record.term, record.index, static_cast<EntryKind>(record.kind),
                         std::make_shared<const std::string>(record.payload)});
    } else if (record.type == RecordType::kCut) {
      while (!entries.empty() && entries.back().index > record.index) entries.pop_back();
    } else if (record.type == RecordType::kStart) {
      if (record.kind == 1) entries.clear();
      recovery_.found.snapshot_members = *DecodeMembers(record.payload);
    }
  }
}

void Reader::Finish() {
  const LogState& state = recovery_.contents.state();
  Log::Found& found = recovery_.found;
  found.hard_state = state.hard_state;
  found.snapshot_index = state.start_index;
  found.snapshot_term = state.start_term;
  // The records go back at least to the start, wherever the first file that is left begins. (Not:
  // "that file begins at or before the start". After a cut a later segment may begin below an
  // earlier one, and a trim that a crash interrupted leaves the earlier one at the front.)
  const bool reaches_start =
      state.last_index == state.start_index ||
      (!found.entries.empty() && found.entries.front().index <= state.start_index + 1);
  const auto first = std::find_if(found.entries.begin(), found.entries.end(),
                                  [&](const Entry& e) { return e.index > state.start_index; });
  found.entries.erase(found.entries.begin(), first);
  if (recovery_.segments.empty() || found.damage.has_value()) return;
  if (state.last_index < state.start_index) {
    Damage(SegmentName(recovery_.segments.back().number), 0, "the log ends before its snapshot");
  } else if (!reaches_start) {
    Damage(SegmentName(recovery_.segments.front().number - 1), 0, "the file is missing");
    found.entries.clear();
  }
}

// The first finding counts: what follows it is its consequence.
bool Reader::Damage(const std::string& name, uint64_t offset, absl::string_view why) {
  if (!recovery_.found.damage.has_value()) {
    recovery_.found.damage = absl::StrCat(dir_, "/", name, ": at byte ", offset, ": ", why);
  }
  return false;
}

void Reader::Note(absl::string_view note) {
  std::optional<std::string>& all = recovery_.found.note;
  all = all.has_value() ? absl::StrCat(*all, "; ", note) : std::string(note);
}

}  // namespace

absl::StatusOr<Recovery> Recover(FileSystem* files, const std::string& dir) {
  return Reader(files, dir).Run();
}

}  // namespace triad::storage
