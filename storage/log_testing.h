// What the tests of the log share: a model of what a log holds, random things to do to both, and
// their comparison as text, so that a failure shows the difference.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "quorum/types.h"
#include "storage/log.h"
#include "storage/test_file_system.h"

namespace triad::storage {

inline constexpr char kDir[] = "/data";
inline constexpr LogOptions kSmallSegments = {.segment_bytes = 16u << 10};

inline quorum::Entry MakeEntry(uint64_t index, uint64_t term, std::string payload,
                               quorum::EntryKind kind = quorum::EntryKind::kCommand) {
  return {quorum::Term(term), quorum::Index(index), kind,
          std::make_shared<const std::string>(std::move(payload))};
}

// `count` entries from `first` on; payloads differ by index, term and `salt`.
inline std::vector<quorum::Entry> MakeEntries(uint64_t first, uint64_t term, size_t count,
                                              size_t bytes, absl::string_view salt = "") {
  std::vector<quorum::Entry> entries;
  for (uint64_t i = first; i < first + count; ++i) {
    std::string payload = absl::StrCat(salt, "entry ", i, " of term ", term, ";");
    while (payload.size() < bytes) payload += payload;
    entries.push_back(MakeEntry(i, term, payload.substr(0, bytes)));
  }
  return entries;
}

// One call of the log.
struct LogStep {
  enum { kAppend, kIdle, kTrim } what = kAppend;
  std::optional<quorum::HardState> hard_state;
  std::vector<quorum::Entry> entries;
  quorum::Index index;
  quorum::Term term;

  absl::Status Do(Log* log) const {
    if (what == kIdle) return log->Idle();
    if (what == kTrim) return log->TrimBefore(index, term);
    return log->Append(hard_state, entries);
  }
};

// What the log must hold.
struct LogModel {
  quorum::HardState hard_state;
  quorum::Index start;
  quorum::Term start_term;
  std::vector<quorum::Entry> entries;

  quorum::Index last() const { return entries.empty() ? start : entries.back().index; }

  void Do(const LogStep& step) {
    if (step.what == LogStep::kAppend) {
      if (step.hard_state.has_value()) hard_state = *step.hard_state;
      if (!step.entries.empty()) {
        while (last() >= step.entries[0].index) entries.pop_back();
        entries.insert(entries.end(), step.entries.begin(), step.entries.end());
      }
    } else if (step.what == LogStep::kTrim && step.index > start) {
      const uint64_t place = step.index - start - 1;
      const bool agrees = place < entries.size() && entries[place].term == step.term;
      entries.erase(entries.begin(),
                    agrees ? entries.begin() + static_cast<int64_t>(place) + 1 : entries.end());
      start = step.index;
      start_term = step.term;
    }
  }

  std::string Text() const {
    std::string text = absl::StrCat("term ", hard_state.term.value(), " vote ",
                                    quorum::ToInt(hard_state.voted_for), " start ", start.value(),
                                    "/", start_term.value(), "\n");
    for (const quorum::Entry& e : entries) {
      // Long payloads by their beginning, length and a sum that tells any two of them apart here.
      uint64_t sum = 0;
      for (const char c : *e.payload) sum = sum * 31 + static_cast<uint8_t>(c);
      absl::StrAppend(&text, e.index.value(), "/", e.term.value(), " ", static_cast<int>(e.kind),
                      " ", e.payload->substr(0, 24), " ", e.payload->size(), " ", absl::Hex(sum),
                      "\n");
    }
    return text;
  }
};

inline std::string Text(const Log::Found& found) {
  return LogModel{found.hard_state, found.snapshot_index, found.snapshot_term, found.entries}
      .Text();
}

inline absl::StatusOr<std::unique_ptr<Log>> OpenLog(FileSystem* files, Log::Found* found) {
  return Log::Open(files, kDir, kSmallSegments, found);
}

// Opens a log that must be undamaged and hold what `model` holds.
inline std::unique_ptr<Log> MustOpen(FileSystem* files, const LogModel& model,
                                     Log::Found* found_out = nullptr) {
  Log::Found found;
  absl::StatusOr<std::unique_ptr<Log>> log = OpenLog(files, &found);
  if (!log.ok()) {
    ADD_FAILURE() << log.status();
    return nullptr;
  }
  EXPECT_EQ(found.damage.value_or("none"), "none");
  EXPECT_EQ(Text(found), model.Text());
  if (found_out != nullptr) *found_out = found;
  return *std::move(log);
}

// Chance that is the same everywhere: the distributions of the standard library are not.
class LogChance {
 public:
  explicit LogChance(uint64_t seed) : engine_(seed) {}
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }

  // Something that a quorum core could ask of a log that holds `model`.
  LogStep Step(const LogModel& model) {
    LogStep step;
    const uint32_t dice = Below(10);
    if (dice == 0) {
      step.what = LogStep::kIdle;
    } else if (dice == 1) {
      step.what = LogStep::kTrim;
      MakeTrim(model, &step);
    } else {
      MakeAppend(model, &step);
    }
    return step;
  }

 private:
  void MakeTrim(const LogModel& model, LogStep* step) {
    term_ += Below(2);
    step->index = model.start + Below(static_cast<uint32_t>(model.last() - model.start) + 3);
    step->term = quorum::Term(term_);
    const uint64_t place = step->index - model.start;
    // Mostly a snapshot of our own entries; else one of another node that is ahead or differs.
    if (place > 0 && place <= model.entries.size() && Below(4) > 0) {
      step->term = model.entries[place - 1].term;
    }
  }

  void MakeAppend(const LogModel& model, LogStep* step) {
    term_ += Below(4) == 0 ? 1 : 0;
    if (Below(3) == 0) {
      step->hard_state = {quorum::Term(term_), static_cast<quorum::Slot>(Below(4))};
    }
    if (step->hard_state.has_value() && Below(2) == 0) return;
    const uint64_t held = model.last() - model.start;
    const uint64_t back = Below(4) == 0 ? Below(static_cast<uint32_t>(held) + 1) : 0;
    const size_t bytes = Below(20) == 0 ? 6000 : Below(700);
    step->entries = MakeEntries(model.last().value() - back + 1, term_, 1 + Below(5), bytes,
                                absl::StrCat("#", ++salt_, " "));
  }

  std::mt19937_64 engine_;
  uint64_t term_ = 1;
  uint64_t salt_ = 0;
};

}  // namespace triad::storage
