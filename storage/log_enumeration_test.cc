// Fixed workloads on the log, stopped at every write and sync with every outcome of what was not
// synced, and every kind of damage to what was. Prints what it counted.
//
// TRIAD_ENUMERATION=deep: all bits, more outcomes, a second crash in every recovery.
#include <cstdio>

#include "gtest/gtest.h"
#include "storage/crash_states.h"
#include "storage/log.h"
#include "storage/log_testing.h"
#include "storage/segment.h"

namespace triad::storage {
namespace {

using quorum::HardState;
using quorum::Index;
using quorum::Slot;
using quorum::Term;

LogStep Append(std::vector<quorum::Entry> entries, std::optional<HardState> hard_state = {}) {
  LogStep step;
  step.entries = std::move(entries);
  step.hard_state = hard_state;
  return step;
}

LogStep Vote(uint64_t term, Slot slot) {
  return Append({}, HardState{Term(term), slot});
}

LogStep Trim(uint64_t index, uint64_t term) {
  LogStep step;
  step.what = LogStep::kTrim;
  step.index = Index(index);
  step.term = Term(term);
  return step;
}

LogStep Idle() {
  LogStep step;
  step.what = LogStep::kIdle;
  return step;
}

struct Workload {
  const char* name;
  LogModel start;  // made with Log::Create when it does not begin at 0
  std::vector<LogStep> steps;
};

// Everything that the log can do, the seldom things included: votes alone, new segments, batches of
// one and of several sectors, conflict cuts within and over segments, trims of each kind, a log
// that begins behind a snapshot.
std::vector<Workload> Workloads() {
  std::vector<Workload> all;
  all.push_back(
      {"appends, cuts, trims",
       {},
       {
           Vote(1, Slot::k1),
           Append(MakeEntries(1, 1, 1, 20)),
           Append(MakeEntries(2, 1, 2, 400), HardState{Term(1), Slot::k1}),
           Idle(),
           Append(MakeEntries(4, 1, 2, 1200)),
           Append(MakeEntries(6, 1, 4, 100), HardState{Term(2), Slot::k2}),
           Append(
               MakeEntries(7, 2, 1, 50)),  // a cut within the segment, shorter than what was there
           Vote(3, Slot::kNone),
           Append(MakeEntries(8, 2, 3, 1000)),
           Append(MakeEntries(11, 2, 2, 1000)),
           Idle(),
           Append(MakeEntries(5, 3, 1, 10), HardState{Term(3), Slot::k3}),  // over segments
           Trim(4, 1),
           Append(MakeEntries(6, 3, 3, 1300)),
           Append(MakeEntries(9, 3, 3, 1300)),
           Trim(8, 3),
           Append(MakeEntries(12, 3, 1, 30)),
       }});
  all.push_back({"snapshots of others",
                 {},
                 {
                     Append(MakeEntries(1, 1, 3, 700), HardState{Term(1), Slot::k1}),
                     Append(MakeEntries(4, 1, 3, 900)),
                     Trim(40, 9),  // ahead of the log
                     Append(MakeEntries(41, 9, 1, 3900), HardState{Term(9), Slot::k2}),
                     Append(MakeEntries(42, 9, 2, 500)),
                     Trim(41, 10),  // contradicts the log
                     Append(MakeEntries(42, 10, 1, 100), HardState{Term(10), Slot::k1}),
                     Append(MakeEntries(43, 10, 6, 1500)),  // a batch larger than a segment
                     Idle(),
                     Trim(45, 10),
                     Append(MakeEntries(47, 11, 2, 200)),
                 }});
  LogModel created;
  created.hard_state = {Term(7), Slot::k2};
  created.start = Index(100);
  created.start_term = Term(6);
  all.push_back({"begins behind a snapshot",
                 created,
                 {
                     Append(MakeEntries(101, 7, 2, 600)),
                     Vote(8, Slot::k1),
                     Append(MakeEntries(102, 8, 2, 1500)),
                     Append(MakeEntries(104, 8, 2, 1500)),
                     Idle(),
                     Trim(103, 8),
                     Append(MakeEntries(106, 8, 1, 10)),
                 }});
  for (const uint64_t seed : {11, 12, 13}) {
    Workload random{"by chance", {}, {}};
    LogChance chance(seed);
    LogModel model;
    for (int i = 0; i < (DeepEnumeration() ? 40 : 16); ++i) {
      random.steps.push_back(chance.Step(model));
      model.Do(random.steps.back());
    }
    all.push_back(std::move(random));
  }
  return all;
}

// Runs the workload until the power fails; `before` and `after` are the log without and with the
// call that was under way. False: the log was not even made.
bool RunUntilStopped(TestFileSystem* disk, const Workload& workload, LogModel* before,
                     LogModel* after) {
  *before = *after = workload.start;
  Log::Found found;
  auto log = workload.start.start == Index(0)
                 ? OpenLog(disk, &found)
                 : Log::Create(disk, kDir, kSmallSegments, workload.start.hard_state,
                               {workload.start.start, workload.start.start_term});
  if (!log.ok()) return false;
  for (const LogStep& step : workload.steps) {
    after->Do(step);
    if (!step.Do(log->get()).ok()) return true;
    *before = *after;
  }
  return true;
}

struct Counts {
  uint64_t stops = 0, outcomes = 0, second_stops = 0, second_outcomes = 0;
};

class LogEnumeration : public ::testing::Test {
 protected:
  // Opens the log, which must hold one of the two, and returns which.
  LogModel OpenEither(TestFileSystem* disk, bool made, std::unique_ptr<Log>* log) {
    Log::Found found;
    absl::StatusOr<std::unique_ptr<Log>> opened = OpenLog(disk, &found);
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(found.damage.value_or("none"), "none");
    if (!opened.ok()) return before_;
    *log = *std::move(opened);
    const std::string text = Text(found);
    if (text == before_text_) return before_;
    // Before it has a name, a log that is created behind a snapshot may not be there at all.
    if (!made && text == LogModel().Text()) return LogModel();
    EXPECT_EQ(text, after_text_);
    return after_;
  }

  // A short batch after the crash must not bring back what stood there before it.
  void GoOn(TestFileSystem* disk, Log* log, LogModel model) {
    const LogStep step = Append(MakeEntries(model.last().value() + 1, 77, 1, 5));
    ASSERT_TRUE(step.Do(log).ok());
    model.Do(step);
    disk->Crash([](uint32_t) { return 0; });
    MustOpen(disk, model);
  }

  void Recover(TestFileSystem* disk, bool made) {
    std::unique_ptr<Log> log;
    const LogModel model = OpenEither(disk, made, &log);
    if (!HasFailure()) GoOn(disk, log.get(), model);
  }

  // The power fails again while the log is opened.
  void CrashAgain(const TestFileSystem& crashed, bool made, Counts* counts) {
    for (uint64_t stop = 0; stop < 60 && !HasFailure(); ++stop) {
      std::unique_ptr<TestFileSystem> disk = crashed.Copy();
      disk->StopAt(stop);
      Log::Found found;
      if (OpenLog(disk.get(), &found).ok()) return;
      ++counts->second_stops;
      const CrashLimits few = {.all_max = 8, .pairs_max = 0, .singles_max = 4, .random = 2};
      counts->second_outcomes += CrashStates(*disk, DeepEnumeration() ? CrashLimits() : few, stop)
                                     .ForEach([&](std::unique_ptr<TestFileSystem> again) {
                                       SCOPED_TRACE(absl::StrCat("the recovery stopped at ", stop));
                                       if (!HasFailure()) Recover(again.get(), made);
                                     });
    }
  }

  LogModel before_, after_;
  std::string before_text_, after_text_;
};

TEST_F(LogEnumeration, StoppedAnywhereNothingAcknowledgedIsLostAndNothingInvented) {
  Counts counts;
  CrashLimits limits;
  if (DeepEnumeration())
    limits = {.all_max = 8192, .pairs_max = 40, .singles_max = 999, .random = 200};
  for (const Workload& workload : Workloads()) {
    for (uint64_t stop = 0;; ++stop) {
      TestFileSystem disk;
      disk.StopAt(stop);
      const bool made = RunUntilStopped(&disk, workload, &before_, &after_);
      if (!disk.stopped()) break;
      before_text_ = before_.Text();
      after_text_ = after_.Text();
      ++counts.stops;
      uint64_t outcome = 0;
      counts.outcomes += CrashStates(disk, limits, stop).ForEach([&](auto crashed) {
        if (HasFailure()) return;
        SCOPED_TRACE(
            absl::StrCat(workload.name, ", stopped at operation ", stop, ", outcome ", outcome));
        // The recovery of the first few, and then of some, is stopped as well.
        const bool again = DeepEnumeration() ? outcome < 64 || outcome % 8 == 0
                                             : outcome < 2 || outcome % 64 == 33;
        if (again) CrashAgain(*crashed, made, &counts);
        ++outcome;
        Recover(crashed.get(), made);
      });
      if (HasFailure()) return;
    }
  }
  std::printf(
      "log: %lu stops with %lu outcomes of what was not synced; %lu stops with %lu "
      "outcomes in the recoveries\n",
      counts.stops, counts.outcomes, counts.second_stops, counts.second_outcomes);
  EXPECT_GE(counts.stops, 400u);
}

// --- Damage to what was synced

class LogDamageEnumeration : public ::testing::Test {
 protected:
  // One image of a disk: the state after a workload, with or without Idle() behind its last step.
  void Load(const Workload& workload, bool idle) {
    disk_ = std::make_unique<TestFileSystem>();
    idle_ = idle;
    older_.clear();
    model_ = before_ = workload.start;
    Log::Found found;
    std::unique_ptr<Log> log =
        workload.start.start == Index(0)
            ? *OpenLog(disk_.get(), &found)
            : *Log::Create(disk_.get(), kDir, kSmallSegments, workload.start.hard_state,
                           {workload.start.start, workload.start.start_term});
    for (const LogStep& step : workload.steps) {
      before_ = model_;
      ASSERT_TRUE(step.Do(log.get()).ok());
      model_.Do(step);
      const std::vector<std::string> names = *disk_->List(kDir);
      for (const std::string& name : names) older_[name].push_back(Content(name));
    }
    if (idle) {
      ASSERT_TRUE(log->Idle().ok());
    }
    disk_->Restart();
    text_ = model_.Text();
    before_text_ = before_.Text();
    files_ = *disk_->List(kDir);
    std::erase(files_, "log-next.tmp");
    segment_numbers_.clear();
    for (const std::string& name : files_) segment_numbers_.push_back(*ParseSegmentName(name));
  }
  static std::string PathOf(const std::string& name) { return absl::StrCat(kDir, "/", name); }
  std::string Content(const std::string& name) { return disk_->Content(PathOf(name)); }

  // `erasing`: the fault takes something away, as a write that never happened would have.
  void Try(const std::string& name, std::optional<std::string> content, bool erasing) {
    if (HasFailure()) return;
    ++damages_;
    std::unique_ptr<TestFileSystem> disk = disk_->Copy();
    disk->Damage(PathOf(name), std::move(content));
    Log::Found found;
    auto log = OpenLog(disk.get(), &found);
    ASSERT_TRUE(log.ok()) << log.status();
    if (found.damage.has_value()) {
      ++reported_;
      EXPECT_FALSE((*log)->Append(HardState{Term(99), Slot::k1}, {}).ok());
      return;
    }
    const std::string text = Text(found);
    if (text == text_) {
      ++harmless_;
      return;
    }
    // FORMAT.md, "What this leaves open": of the last batch, before the next watermark is there, a
    // sector that turns into what it was before is taken for torn.
    if (erasing && !idle_ && text == before_text_) {
      ++taken_for_torn_;
      return;
    }
    EXPECT_EQ(text, text_);
  }

  void FlipBits(const std::string& name, const std::string& good, uint64_t from, uint64_t to,
                uint64_t stride) {
    for (uint64_t bit = from * 8; bit < to * 8; bit += stride) {
      SCOPED_TRACE(absl::StrCat(name, " byte ", bit / 8, " bit ", bit % 8));
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      Try(name, std::move(bad), false);
    }
  }

  // Every bit of headers and lengths; of payloads and zeros every one, or some.
  void FlipAll(const std::string& name, uint64_t number, const std::string& good) {
    const bool deep = DeepEnumeration();
    for (const uint64_t page : {uint64_t{0}, kPageBytes, 2 * kPageBytes}) {
      FlipBits(name, good, page, page + 112, 1);
      FlipBits(name, good, page + 112, page + kPageBytes, deep ? 1 : 251);
    }
    uint64_t at = kRecordsAt;
    for (;;) {
      const absl::StatusOr<Record> record = DecodeRecord(number, good, at);
      if (!record.ok()) break;
      FlipBits(name, good, at, at + kRecordHeaderBytes, deep ? 1 : 3);
      const uint64_t end = at + RecordBytes(record->payload.size());
      FlipBits(name, good, at + kRecordHeaderBytes, end, deep ? 1 : 97);
      at = end;
    }
    FlipBits(name, good, at, good.size(), deep ? 7 : 509);
  }

  void ZeroAll(const std::string& name, const std::string& good) {
    for (const uint64_t unit : {kSectorBytes, kPageBytes}) {
      for (uint64_t at = 0; at < good.size(); at += unit) {
        SCOPED_TRACE(absl::StrCat(name, ": ", unit, " zeros at ", at));
        std::string bad = good;
        bad.replace(at, unit, std::min<uint64_t>(unit, bad.size() - at), '\0');
        if (bad != good) Try(name, std::move(bad), true);
      }
    }
  }

  void CutAll(const std::string& name, const std::string& good) {
    for (uint64_t size = 0; size < good.size(); size += DeepEnumeration() ? 7 : 256) {
      SCOPED_TRACE(absl::StrCat(name, " cut to ", size));
      Try(name, good.substr(0, size), false);
    }
    SCOPED_TRACE(absl::StrCat(name, " cut, longer, gone"));
    Try(name, good.substr(0, good.size() - 1), false);
    Try(name, good + std::string(kPageBytes, '\0'), false);
    // Without a file there is no log, if it is the only one: whoever opens it must know better
    // (LogOptions::may_create).
    if (files_.size() > 1) Try(name, std::nullopt, false);
  }

  // Two sectors that have changed places; one that was written over another; sectors of one file
  // in another.
  void MisdirectAll(const std::string& name, const std::string& good) {
    const uint64_t sectors = good.size() / kSectorBytes;
    const auto sector = [](const std::string& content, uint64_t n) {
      return content.substr(n * kSectorBytes, kSectorBytes);
    };
    for (uint64_t a = 0; a < sectors; ++a) {
      for (uint64_t b = 0; b < sectors; ++b) {
        if (a == b || sector(good, a) == sector(good, b)) continue;
        SCOPED_TRACE(absl::StrCat(name, " sectors ", a, " and ", b));
        std::string bad = good;
        bad.replace(b * kSectorBytes, kSectorBytes, sector(good, a));
        // A sector of zeros in the place of one of the last batch.
        Try(name, bad, AllZero(sector(good, a)));
        if (a > b) continue;
        bad.replace(a * kSectorBytes, kSectorBytes, sector(good, b));
        Try(name, std::move(bad), AllZero(sector(good, a)) || AllZero(sector(good, b)));
      }
    }
    for (const std::string& other : files_) {
      if (other == name) continue;
      const std::string content = Content(other);
      for (uint64_t n = 0; n < std::min<uint64_t>(sectors, content.size() / kSectorBytes); ++n) {
        SCOPED_TRACE(absl::StrCat(name, " sector ", n, " of ", other));
        std::string bad = good;
        bad.replace(n * kSectorBytes, kSectorBytes, sector(content, n));
        if (bad != good) Try(name, std::move(bad), AllZero(sector(content, n)));
      }
      Try(name, content, false);
    }
  }

  // A write that was reported done and never happened: a sector as it was at some time before.
  void LoseWrites(const std::string& name, const std::string& good) {
    for (uint64_t at = 0; at < good.size(); at += kSectorBytes) {
      std::string last = good.substr(at, kSectorBytes);
      for (auto content = older_[name].rbegin(); content != older_[name].rend(); ++content) {
        if (content->compare(at, kSectorBytes, last) == 0) continue;
        last = content->substr(at, kSectorBytes);
        SCOPED_TRACE(absl::StrCat(name, ": an older sector at ", at));
        std::string bad = good;
        bad.replace(at, kSectorBytes, last);
        if (bad != good) Try(name, std::move(bad), true);
      }
    }
  }

  std::unique_ptr<TestFileSystem> disk_;
  bool idle_ = false;
  LogModel model_, before_;
  std::string text_, before_text_;
  std::vector<std::string> files_;
  std::vector<uint64_t> segment_numbers_;
  std::map<std::string, std::vector<std::string>> older_;  // each file after each step
  uint64_t damages_ = 0, reported_ = 0, harmless_ = 0, taken_for_torn_ = 0;
};

TEST_F(LogDamageEnumeration, WhatWasSyncedIsNeverOpenedAsIfWhole) {
  uint64_t images = 0;
  for (const Workload& workload : Workloads()) {
    for (const bool idle : {true, false}) {
      ASSERT_NO_FATAL_FAILURE(Load(workload, idle));
      SCOPED_TRACE(absl::StrCat(workload.name, idle ? ", idle" : ", busy"));
      ++images;
      for (size_t i = 0; i < files_.size(); ++i) {
        const std::string good = Content(files_[i]);
        FlipAll(files_[i], segment_numbers_[i], good);
        ZeroAll(files_[i], good);
        CutAll(files_[i], good);
        MisdirectAll(files_[i], good);
        LoseWrites(files_[i], good);
        if (HasFailure()) return;
      }
    }
  }
  std::printf(
      "log: %lu damages to %lu images: %lu reported, %lu without effect, %lu taken for a "
      "torn last batch\n",
      damages_, images, reported_, harmless_, taken_for_torn_);
  EXPECT_GE(damages_, 20'000u);
}

}  // namespace
}  // namespace triad::storage
