// Power lost at every single operation, with any part of what was not synced: after each, the log
// is what the last acknowledged call left, or that plus the whole call that was under way.
#include "gtest/gtest.h"
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

// Everything that the log can do, the seldom things included: new segments, a batch of several
// sectors, a conflict cut within and over segments, trims of each kind.
std::vector<LogStep> Script() {
  return {
      Append(MakeEntries(1, 1, 3, 400), HardState{Term(1), Slot::k1}),
      Idle(),
      Append(MakeEntries(4, 1, 2, 1200)),
      Append(MakeEntries(6, 1, 4, 100), HardState{Term(2), Slot::k2}),
      Append(MakeEntries(7, 2, 1, 50)),  // a cut within the segment, shorter than what was there
      Append(MakeEntries(8, 2, 3, 1000)),
      Append(MakeEntries(11, 2, 2, 1000)),
      Idle(),
      Append(MakeEntries(5, 3, 1, 10), HardState{Term(3), Slot::kNone}),  // over segments
      Trim(4, 1),
      Append(MakeEntries(6, 3, 3, 1300)),
      Append(MakeEntries(9, 3, 3, 1300)),
      Trim(8, 3),
      Append(MakeEntries(12, 3, 1, 30)),
      Trim(40, 9),  // a snapshot ahead of the log
      Append(MakeEntries(41, 9, 1, 3900)),
      Append(MakeEntries(42, 9, 2, 500)),
      Trim(41, 10),  // a snapshot that contradicts the log
      Append(MakeEntries(42, 10, 1, 100)),
      Append(MakeEntries(43, 10, 6, 3000)),
      Trim(45, 10),
  };
}

// What is left of the unsynced: nothing, all, or by chance.
TestFileSystem::Choice Survivors(uint64_t seed) {
  if (seed == 0) return [](uint32_t) { return 0; };
  if (seed == 1) return [](uint32_t bound) { return bound - 1; };
  return [chance = LogChance(seed)](uint32_t bound) mutable { return chance.Below(bound); };
}

// Runs `steps` until the power fails; `before` and `after` are the log without and with the call
// that was under way.
void RunUntilStopped(TestFileSystem* disk, const std::vector<LogStep>& steps, LogModel* before,
                     LogModel* after) {
  Log::Found found;
  absl::StatusOr<std::unique_ptr<Log>> log = OpenLog(disk, &found);
  if (!log.ok()) return;
  for (const LogStep& step : steps) {
    after->Do(step);
    if (!step.Do(log->get()).ok()) return;
    *before = *after;
  }
}

// Opens the log, which must hold one of the two, and returns which.
LogModel OpenEither(TestFileSystem* disk, const LogModel& before, const LogModel& after,
                    std::unique_ptr<Log>* log) {
  Log::Found found;
  absl::StatusOr<std::unique_ptr<Log>> opened = OpenLog(disk, &found);
  EXPECT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(found.damage.value_or("none"), "none");
  if (!opened.ok()) return before;
  *log = *std::move(opened);
  if (Text(found) == before.Text()) return before;
  EXPECT_EQ(Text(found), after.Text());
  return after;
}

uint64_t OperationsOf(const std::vector<LogStep>& steps) {
  TestFileSystem disk;
  LogModel before, after;
  RunUntilStopped(&disk, steps, &before, &after);
  EXPECT_EQ(before.Text(), after.Text()) << "the script does not run through";
  return disk.operation_count();
}

// A short batch after the crash must not bring back what stood there before it.
void GoOn(TestFileSystem* disk, std::unique_ptr<Log> log, LogModel model) {
  const LogStep step = Append(MakeEntries(model.last().value() + 1, 77, 1, 5));
  ASSERT_TRUE(step.Do(log.get()).ok());
  model.Do(step);
  disk->Crash(Survivors(0));
  MustOpen(disk, model);
}

TEST(LogCrash, AtEveryOperationNothingAcknowledgedIsLost) {
  const std::vector<LogStep> steps = Script();
  const uint64_t operations = OperationsOf(steps);
  ASSERT_GT(operations, 100u);
  for (uint64_t stop = 0; stop < operations; ++stop) {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      SCOPED_TRACE(absl::StrCat("stopped at operation ", stop, ", seed ", seed));
      TestFileSystem disk;
      LogModel before, after;
      disk.StopAt(stop);
      RunUntilStopped(&disk, steps, &before, &after);
      disk.Crash(Survivors(seed));
      std::unique_ptr<Log> log;
      const LogModel model = OpenEither(&disk, before, after, &log);
      if (::testing::Test::HasFailure()) return;
      GoOn(&disk, std::move(log), model);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(LogCrash, AtEveryOperationOfTheRecoveryToo) {
  const std::vector<LogStep> steps = Script();
  const uint64_t operations = OperationsOf(steps);
  for (uint64_t stop = 0; stop < operations; ++stop) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      TestFileSystem crashed;
      LogModel before, after;
      crashed.StopAt(stop);
      RunUntilStopped(&crashed, steps, &before, &after);
      crashed.Crash(Survivors(seed));
      for (uint64_t second = 0; second < 20; ++second) {
        SCOPED_TRACE(absl::StrCat("stopped at operation ", stop, ", seed ", seed,
                                  ", recovery stopped at ", second));
        std::unique_ptr<TestFileSystem> disk = crashed.Copy();
        disk->StopAt(second);
        Log::Found found;
        const bool finished = OpenLog(disk.get(), &found).ok();
        disk->Crash(Survivors(seed + 2 * second));
        std::unique_ptr<Log> log;
        const LogModel model = OpenEither(disk.get(), before, after, &log);
        if (::testing::Test::HasFailure()) return;
        GoOn(disk.get(), std::move(log), model);
        if (::testing::Test::HasFailure()) return;
        if (finished) break;
      }
    }
  }
}

// What the process wrote and did not sync is still readable when only the process dies. The next
// one takes it for durable, so it must be that before Open returns.
TEST(LogCrash, WhatOpenFoundSurvivesAPowerLossRightAfterIt) {
  const std::vector<LogStep> steps = Script();
  const uint64_t operations = OperationsOf(steps);
  for (uint64_t stop = 0; stop < operations; ++stop) {
    SCOPED_TRACE(absl::StrCat("stopped at operation ", stop));
    TestFileSystem disk;
    LogModel before, after;
    disk.StopAt(stop);
    RunUntilStopped(&disk, steps, &before, &after);
    disk.Restart();
    std::unique_ptr<Log> log;
    const LogModel model = OpenEither(&disk, before, after, &log);
    disk.Crash(Survivors(0));
    MustOpen(&disk, model);
    if (::testing::Test::HasFailure()) return;
  }
}

// A failed sync reports clean pages that never reach the disk; whoever went on would lose a batch.
TEST(LogCrash, AFailedSyncAnywhereLosesNothingAcknowledged) {
  const std::vector<LogStep> steps = Script();
  const uint64_t operations = OperationsOf(steps);
  for (uint64_t fail = 0; fail < operations; ++fail) {
    SCOPED_TRACE(absl::StrCat("failed operation ", fail));
    TestFileSystem disk;
    LogModel before, after;
    disk.FailAt(fail, absl::DataLossError("input/output error"));
    RunUntilStopped(&disk, steps, &before, &after);
    disk.Crash(Survivors(0));
    std::unique_ptr<Log> log;
    OpenEither(&disk, before, after, &log);
    if (::testing::Test::HasFailure()) return;
  }
}

// The same, but only the process dies of it: the next one reads from memory what is not on the
// disk, in pages that the kernel takes for clean. Whatever Open then hands out must get there.
TEST(LogCrash, WhatAFailedSyncLeftInMemoryOnlyIsOnTheDiskWhenOpenReturns) {
  const std::vector<LogStep> steps = Script();
  const uint64_t operations = OperationsOf(steps);
  for (uint64_t fail = 0; fail < operations; ++fail) {
    SCOPED_TRACE(absl::StrCat("failed operation ", fail));
    TestFileSystem disk;
    LogModel before, after;
    disk.FailAt(fail, absl::DataLossError("input/output error"));
    RunUntilStopped(&disk, steps, &before, &after);
    disk.Restart();
    std::unique_ptr<Log> log;
    const LogModel model = OpenEither(&disk, before, after, &log);
    disk.Crash(Survivors(0));
    log = MustOpen(&disk, model);
    if (::testing::Test::HasFailure()) return;
    GoOn(&disk, std::move(log), model);
    // And what notices the loss of the newest file is on the disk again too.
    const std::vector<std::string> names = *disk.List(kDir);
    disk.Damage(absl::StrCat(kDir, "/", names.back()), std::nullopt);
    Log::Found found;
    ASSERT_TRUE(OpenLog(&disk, &found).ok());
    EXPECT_EQ(found.damage.has_value(), names.size() > 1);
    if (::testing::Test::HasFailure()) return;
  }
}

// The newest watermark on the disk is never the one that is overwritten, so after a failed sync
// both get there before the next one is written.
TEST(LogCrash, AfterAFailedSyncOpenFirstPutsRecordsAndWatermarksBack) {
  TestFileSystem disk;
  Log::Found found;
  std::unique_ptr<Log> log = *OpenLog(&disk, &found);
  ASSERT_TRUE(log->Append(std::nullopt, MakeEntries(1, 1, 2, 700)).ok());
  disk.FailAt(disk.operation_count() + 2, absl::DataLossError("input/output error"));
  ASSERT_FALSE(log->Append(std::nullopt, MakeEntries(3, 1, 2, 700)).ok());
  const std::string path = absl::StrCat(kDir, "/", SegmentName(1));
  const std::string content = disk.Content(path);
  disk.Restart();
  // Records, two watermarks, sync.
  disk.StopAt(disk.operation_count() + 4);
  EXPECT_FALSE(OpenLog(&disk, &found).ok());
  disk.Crash(Survivors(0));
  EXPECT_TRUE(disk.Content(path) == content);
}

TEST(LogCrash, AFailedWriteOrSyncInTheRecoveryIsNotBelievedByTheNextOne) {
  const std::vector<LogStep> steps = Script();
  const uint64_t operations = OperationsOf(steps);
  for (uint64_t stop = 0; stop < operations; ++stop) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      TestFileSystem crashed;
      LogModel before, after;
      crashed.StopAt(stop);
      RunUntilStopped(&crashed, steps, &before, &after);
      crashed.Crash(Survivors(seed));
      for (uint64_t fail = 0; fail < 20; ++fail) {
        SCOPED_TRACE(absl::StrCat("stopped at operation ", stop, ", seed ", seed,
                                  ", recovery failed at ", fail));
        std::unique_ptr<TestFileSystem> disk = crashed.Copy();
        disk->FailAt(fail, absl::DataLossError("input/output error"));
        Log::Found found;
        const bool finished = OpenLog(disk.get(), &found).ok();
        disk->Restart();
        std::unique_ptr<Log> log;
        const LogModel model = OpenEither(disk.get(), before, after, &log);
        if (::testing::Test::HasFailure()) return;
        // The next batch is torn: what is on the disk behind it must not make damage of it.
        const LogStep step = Append(MakeEntries(model.last().value() + 1, 77, 1, 600));
        LogModel longer = model;
        longer.Do(step);
        disk->StopAt(disk->operation_count() + 2);
        ASSERT_FALSE(step.Do(log.get()).ok());
        disk->Crash(Survivors(seed * 20 + fail));
        const LogModel last = OpenEither(disk.get(), model, longer, &log);
        if (::testing::Test::HasFailure()) return;
        GoOn(disk.get(), std::move(log), last);
        if (::testing::Test::HasFailure()) return;
        if (finished) break;
      }
    }
  }
}

TEST(LogCrash, RandomHistoriesWithManyCrashes) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    LogChance chance(seed * 1000);
    TestFileSystem disk;
    LogModel model;
    for (int life = 0; life < 8; ++life) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", life ", life));
      LogModel after = model;
      disk.StopAt(disk.operation_count() + chance.Below(60));
      Log::Found found;
      absl::StatusOr<std::unique_ptr<Log>> log = OpenLog(&disk, &found);
      while (log.ok()) {
        const LogStep step = chance.Step(model);
        after.Do(step);
        if (!step.Do(log->get()).ok()) break;
        model = after;
      }
      if (chance.Below(4) == 0) {
        disk.Restart();
      } else {
        disk.Crash(Survivors(chance.Below(1000)));
      }
      std::unique_ptr<Log> reopened;
      model = OpenEither(&disk, model, after, &reopened);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace triad::storage
