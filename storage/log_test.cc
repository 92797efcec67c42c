// The log as its users see it: what was appended is there again, and one sync is enough for it.
// Crashes are in log_crash_test.cc, damage in log_damage_test.cc.
#include "storage/log.h"

#include <algorithm>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/limits.h"
#include "storage/log_testing.h"
#include "storage/segment.h"

namespace triad::storage {
namespace {

using quorum::Entry;
using quorum::EntryKind;
using quorum::HardState;
using quorum::Index;
using quorum::Slot;
using quorum::Term;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Operation = TestFileSystem::Operation;

// A log and its model in step.
class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    disk_.RecordOperations();
    log_ = MustOpen(&disk_, model_);
  }

  void Do(const LogStep& step) {
    ASSERT_TRUE(step.Do(log_.get()).ok());
    model_.Do(step);
  }
  void Append(std::vector<Entry> entries, std::optional<HardState> hard_state = std::nullopt) {
    LogStep step;
    step.entries = std::move(entries);
    step.hard_state = hard_state;
    Do(step);
  }
  void Trim(uint64_t index, uint64_t term) {
    LogStep step;
    step.what = LogStep::kTrim;
    step.index = Index(index);
    step.term = Term(term);
    Do(step);
  }
  Log::Found Reopen() {
    Log::Found found;
    log_ = MustOpen(&disk_, model_, &found);
    return found;
  }
  std::vector<std::string> Files() { return *disk_.List(kDir); }
  // The kinds of the operations since `first`.
  std::vector<Operation::Kind> KindsSince(uint64_t first) {
    std::vector<Operation::Kind> kinds;
    for (uint64_t i = first; i < disk_.operation_count(); ++i) {
      kinds.push_back(disk_.operations()[i].kind);
    }
    return kinds;
  }

  TestFileSystem disk_;
  LogModel model_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTest, AnEmptyDirectoryBecomesALogAndSaysSoOnce) {
  TestFileSystem empty;
  Log::Found found;
  ASSERT_TRUE(OpenLog(&empty, &found).ok());
  EXPECT_TRUE(found.created);
  ASSERT_TRUE(OpenLog(&empty, &found).ok());
  EXPECT_FALSE(found.created);
}

// Whoever created a log here would find it whole at its second start, and vote a second time.
TEST_F(LogTest, WhereNoneMayBeCreatedAnEmptyDirectoryIsDamageAtEveryStartAndStaysEmpty) {
  TestFileSystem empty;
  LogOptions options = kSmallSegments;
  options.may_create = false;
  for (int start = 0; start < 3; ++start) {
    SCOPED_TRACE(start);
    // A segment that never got its number is no log, and is left alone.
    if (start == 2) empty.Damage(absl::StrCat(kDir, "/log-next.tmp"), "zeros");
    const std::vector<std::string> names = *empty.List(kDir);
    Log::Found found;
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(&empty, kDir, options, &found);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT(found.damage.value_or("none"), HasSubstr("/data holds no log"));
    EXPECT_FALSE(found.created);
    EXPECT_FALSE((*log)->Append(HardState{Term(1), Slot::k1}, {}).ok());
    EXPECT_FALSE((*log)->Append(std::nullopt, MakeEntries(1, 1, 1, 10)).ok());
    EXPECT_FALSE((*log)->TrimBefore(Index(1), Term(1)).ok());
    EXPECT_FALSE((*log)->Idle().ok());
    EXPECT_EQ(empty.operation_count(), 0u);
    EXPECT_EQ(*empty.List(kDir), names);
  }
}

TEST_F(LogTest, WhereNoneMayBeCreatedAnExistingLogOpensAsEver) {
  Append(MakeEntries(1, 1, 2, 20), HardState{Term(1), Slot::k1});
  LogOptions options = kSmallSegments;
  options.may_create = false;
  Log::Found found;
  ASSERT_TRUE(Log::Open(&disk_, kDir, options, &found).ok());
  EXPECT_EQ(found.damage.value_or("none"), "none");
  EXPECT_EQ(Text(found), model_.Text());
}

TEST_F(LogTest, EntriesTermAndVoteAreThereAfterReopening) {
  Append({MakeEntry(1, 1, "", EntryKind::kNoop), MakeEntry(2, 1, "checkout"),
          MakeEntry(3, 1, std::string(3, '\0'), EntryKind::kMembers)},
         HardState{Term(1), Slot::k2});
  Append({}, HardState{Term(2), Slot::k3});
  EXPECT_EQ(Reopen().note, std::nullopt);
  Append(MakeEntries(4, 2, 2, 8));
  Reopen();
}

TEST_F(LogTest, AnAppendWithNothingInItTouchesNothing) {
  const uint64_t before = disk_.operation_count();
  Append({});
  EXPECT_EQ(disk_.operation_count(), before);
}

TEST_F(LogTest, ABatchIsOneWriteOneWatermarkAndOneSyncOfOneFile) {
  const uint64_t before = disk_.operation_count();
  Append(MakeEntries(1, 1, 10, 100), HardState{Term(1), Slot::k1});
  EXPECT_THAT(KindsSince(before),
              ElementsAre(Operation::kWrite, Operation::kWrite, Operation::kSync));
  EXPECT_EQ(disk_.operations()[before].path, disk_.operations()[before + 2].path);
  EXPECT_EQ(disk_.operations()[before + 1].path, disk_.operations()[before + 2].path);
}

TEST_F(LogTest, ASegmentIsDurableWithItsNameBeforeARecordIsInIt) {
  Append(MakeEntries(1, 1, 1, 3000));
  const uint64_t before = disk_.operation_count();
  Append(MakeEntries(2, 1, 1, 3000));
  EXPECT_THAT(
      KindsSince(before),
      ElementsAre(Operation::kCreate, Operation::kPreallocate, Operation::kWrite, Operation::kSync,
                  Operation::kRename, Operation::kSyncDirectory, Operation::kWrite,
                  Operation::kSync, Operation::kWrite, Operation::kWrite, Operation::kSync));
  EXPECT_THAT(Files(), ElementsAre(SegmentName(1), SegmentName(2)));
  Reopen();
}

TEST_F(LogTest, ABatchLargerThanASegmentGetsOneOfItsOwnSize) {
  Append(MakeEntries(1, 1, 3, 50'000));
  Append(MakeEntries(4, 1, 1, 10));
  Reopen();
  EXPECT_EQ(disk_.Content(absl::StrCat(kDir, "/", SegmentName(2))).size() % kPageBytes, 0u);
}

TEST_F(LogTest, AnAppendBelowTheLastEntryCutsThere) {
  Append(MakeEntries(1, 1, 5, 20));
  Append(MakeEntries(3, 2, 1, 20));
  EXPECT_EQ(model_.entries.size(), 3u);
  Reopen();
  Append(MakeEntries(1, 3, 2, 20));
  Reopen();
  Append(MakeEntries(3, 3, 2, 20));
  Reopen();
}

TEST_F(LogTest, ACutReachesBackOverSegments) {
  for (uint64_t i = 1; i <= 6; ++i) Append(MakeEntries(i, 1, 1, 3000));
  ASSERT_EQ(Files().size(), 6u);
  Append(MakeEntries(2, 2, 1, 10));
  Reopen();
  Append(MakeEntries(3, 2, 3, 10));
  Reopen();
}

TEST_F(LogTest, TrimRemovesWholeSegmentsAndKeepsTermVoteAndTheRest) {
  Append({}, HardState{Term(7), Slot::k3});
  for (uint64_t i = 1; i <= 6; ++i) Append(MakeEntries(i, 7, 1, 2500));
  const size_t files = Files().size();
  Trim(4, 7);
  EXPECT_EQ(Files().size(), files - 4);  // entry 5 begins the fifth
  EXPECT_EQ(Reopen().snapshot_index, Index(4));
  Append(MakeEntries(7, 7, 1, 10));
  Reopen();
  Trim(7, 7);
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_TRUE(Reopen().entries.empty());
  Append(MakeEntries(8, 7, 1, 10));
  Reopen();
}

TEST_F(LogTest, TheMembersAtItsStartAreThereAsLongAsItBeginsThere) {
  Append(MakeEntries(1, 2, 3, 3000), HardState{Term(2), Slot::k3});
  const quorum::Members first = {
      {{Slot::k1, "incarnation of 1", true}, {Slot::k2, "incarnation of 2", false}}};
  const quorum::Members second = {{{Slot::k1, "incarnation of 1", true}}};
  LogStep trim;
  trim.what = LogStep::kTrim;
  trim.index = Index(2);
  trim.term = Term(2);
  ASSERT_TRUE(log_->Trim({Index(2), Term(2), first}).ok());
  model_.Do(trim);
  EXPECT_EQ(Reopen().snapshot_members, first);
  for (uint64_t i = 4; i < 12; ++i) Append(MakeEntries(i, 2, 1, 3000));
  EXPECT_EQ(Reopen().snapshot_members, first);
  trim.index = Index(9);
  ASSERT_TRUE(log_->Trim({Index(9), Term(2), second}).ok());
  model_.Do(trim);
  EXPECT_EQ(Reopen().snapshot_members, second);
}

TEST_F(LogTest, TrimToASnapshotAheadOfTheLogStartsAnewAfterIt) {
  Append(MakeEntries(1, 1, 3, 2000));
  Trim(100, 5);
  Reopen();
  Append(MakeEntries(101, 5, 2, 10));
  Reopen();
}

TEST_F(LogTest, TrimToASnapshotThatContradictsTheLogDropsTheRestOfIt) {
  Append(MakeEntries(1, 1, 3, 2000));
  Append(MakeEntries(4, 1, 5, 2000));
  Trim(2, 4);
  EXPECT_TRUE(Reopen().entries.empty());
  Append(MakeEntries(3, 4, 1, 10));
  Reopen();
  for (uint64_t i = 4; i < 8; ++i) Append(MakeEntries(i, 4, 1, 3000));
  Trim(6, 4);
  Reopen();
}

TEST_F(LogTest, TrimBelowTheStartDoesNothing) {
  Append(MakeEntries(1, 1, 3, 20));
  Trim(2, 1);
  const uint64_t before = disk_.operation_count();
  Trim(1, 1);
  Trim(2, 1);
  EXPECT_EQ(disk_.operation_count(), before);
}

TEST_F(LogTest, ReplacingWhatASnapshotCoversIsRefusedForGood) {
  Append(MakeEntries(1, 1, 5, 20));
  Trim(3, 1);
  const absl::Status status = log_->Append(std::nullopt, MakeEntries(3, 2, 1, 20));
  EXPECT_THAT(std::string(status.message()), HasSubstr("a committed entry would be lost"));
  EXPECT_FALSE(log_->Append(std::nullopt, MakeEntries(6, 2, 1, 20)).ok());
  Reopen();
}

TEST_F(LogTest, AHoleInTheEntriesIsRefusedForGood) {
  Append(MakeEntries(1, 1, 1, 20));
  EXPECT_FALSE(log_->Append(std::nullopt, MakeEntries(3, 1, 1, 20)).ok());
  EXPECT_FALSE(log_->Append(std::nullopt, MakeEntries(2, 1, 1, 20)).ok());
  Reopen();
}

TEST_F(LogTest, IdleWritesTheWatermarkOnceAndWithoutASync) {
  Append(MakeEntries(1, 1, 1, 20));
  ASSERT_TRUE(log_->Idle().ok());  // and prepares the next segment
  Append(MakeEntries(2, 1, 1, 20));
  const uint64_t before = disk_.operation_count();
  ASSERT_TRUE(log_->Idle().ok());
  ASSERT_TRUE(log_->Idle().ok());
  EXPECT_THAT(KindsSince(before), ElementsAre(Operation::kWrite));
  Reopen();
}

TEST_F(LogTest, IdlePreparesTheNextSegmentAndAppendTakesIt) {
  Append(MakeEntries(1, 1, 1, 3000));
  ASSERT_TRUE(log_->Idle().ok());
  EXPECT_EQ(disk_.Content(absl::StrCat(kDir, "/log-next.tmp")).size(), kSegmentBytesMin);
  const uint64_t before = disk_.operation_count();
  Append(MakeEntries(2, 1, 1, 3000));
  EXPECT_EQ(KindsSince(before)[0], Operation::kPreallocate);  // of nothing: it has the size already
  EXPECT_THAT(Files(), ElementsAre(SegmentName(1), SegmentName(2)));
  Reopen();
}

// Under steady load there is no quiet moment, so each append does its share of the next segment:
// none has to zero-fill and sync all of it.
TEST(Log, WithoutAnyPauseNoAppendPreparesMuchOfTheNextSegment) {
  TestFileSystem disk;
  disk.RecordOperations();
  const LogOptions options = {.segment_bytes = 8 * kSpareStepBytes};
  Log::Found found;
  absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(&disk, kDir, options, &found);
  ASSERT_TRUE(log.ok()) << log.status();
  const std::string spare = absl::StrCat(kDir, "/log-next.tmp");
  const size_t batch = kSpareStepBytes / 4;
  uint64_t filled = 0;  // of the next segment, and synced
  for (uint64_t i = 1; i <= 80; ++i) {
    SCOPED_TRACE(i);
    const uint64_t first = disk.operation_count();
    ASSERT_TRUE((*log)->Append(std::nullopt, MakeEntries(i, 1, 1, batch)).ok());
    uint64_t size = filled;
    bool synced = true;
    for (uint64_t o = first; o < disk.operation_count(); ++o) {
      const Operation& operation = disk.operations()[o];
      if (operation.path == spare && operation.kind == Operation::kPreallocate) {
        size = std::max(size, operation.size);
        synced = false;
      }
      if (operation.path == spare && operation.kind == Operation::kSync) synced = true;
    }
    EXPECT_TRUE(synced);
    EXPECT_LE(size - filled, 2 * kSpareStepBytes);
    filled = disk.Exists(spare) ? size : 0;
  }
  EXPECT_TRUE(disk.Exists(absl::StrCat(kDir, "/", SegmentName(3))));
}

TEST_F(LogTest, ATooFullDiskStopsThePreparationNotTheLog) {
  Append(MakeEntries(1, 1, 1, 20));
  disk_.FailAt(disk_.operation_count() + 2, absl::ResourceExhaustedError("disk full"));
  EXPECT_TRUE(log_->Idle().ok());
  Append(MakeEntries(2, 1, 1, 20));
  Reopen();
}

TEST(LogOnAFullDisk, TheNextSegmentIsSmallerThanNoneAndThenEveryWriteFails) {
  TestFileSystem disk;
  LogOptions options;
  options.segment_bytes = 256 << 10;
  Log::Found found;
  auto log = *Log::Open(&disk, kDir, options, &found);
  disk.SetFreeBytes(40 << 10);
  LogModel model;
  absl::Status status;
  for (uint64_t i = 1; status.ok(); ++i) {
    LogStep step;
    step.entries = MakeEntries(i, 1, 1, 2000);
    status = step.Do(log.get());
    if (status.ok()) model.Do(step);
    ASSERT_LT(i, 1000u);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_GT(disk.List(kDir)->size(), 2u);
  EXPECT_FALSE(log->Append(HardState{Term(9), Slot::k1}, {}).ok());
  // Nothing acknowledged is lost, and with room again the log goes on.
  disk.Crash([](uint32_t) { return 0; });
  disk.SetFreeBytes(std::nullopt);
  log = MustOpen(&disk, model);
  LogStep step;
  step.entries = MakeEntries(model.last().value() + 1, 1, 1, 5000);
  ASSERT_TRUE(step.Do(log.get()).ok());
  model.Do(step);
  MustOpen(&disk, model);
}

TEST(LogOnAFullDisk, ASpareThatGotOnlyAPartOfItsRoomIsUsedAsItIs) {
  TestFileSystem disk;
  LogOptions options;
  options.segment_bytes = 3 * kSpareStepBytes;
  Log::Found found;
  auto log = *Log::Open(&disk, kDir, options, &found);
  disk.SetFreeBytes(static_cast<int64_t>(kSpareStepBytes + (300 << 10)));
  LogModel model;
  // Two steps of 1 MB; the second finds no room.
  for (uint64_t i = 1; i <= 12; ++i) {
    LogStep step;
    step.entries = MakeEntries(i, 1, 1, 300 << 10);
    ASSERT_TRUE(step.Do(log.get()).ok()) << i;
    model.Do(step);
    ASSERT_TRUE(log->Idle().ok());
  }
  EXPECT_EQ(disk.Content(absl::StrCat(kDir, "/", SegmentName(2))).size(), kSpareStepBytes);
  MustOpen(&disk, model);
}

TEST_F(LogTest, AfterAnyFailedWriteOrSyncEveryLaterCallFails) {
  for (int failing = 0; failing < 3; ++failing) {
    SCOPED_TRACE(failing);
    TestFileSystem disk;
    LogModel model;
    std::unique_ptr<Log> log = MustOpen(&disk, model);
    LogStep step;
    step.entries = MakeEntries(1, 1, 2, 900);
    ASSERT_TRUE(step.Do(log.get()).ok());
    model.Do(step);
    disk.FailAt(disk.operation_count() + static_cast<uint64_t>(failing),
                absl::DataLossError("input/output error"));
    EXPECT_TRUE(absl::IsDataLoss(log->Append(std::nullopt, MakeEntries(3, 1, 2, 900))));
    const uint64_t before = disk.operation_count();
    EXPECT_THAT(std::string(log->Append(std::nullopt, MakeEntries(3, 1, 1, 10)).message()),
                HasSubstr("input/output error"));
    EXPECT_FALSE(log->Idle().ok());
    EXPECT_FALSE(log->TrimBefore(Index(1), Term(1)).ok());
    EXPECT_EQ(disk.operation_count(), before);
    disk.Crash([](uint32_t) { return 0; });
    MustOpen(&disk, model);
  }
}

TEST_F(LogTest, DestroyLeavesNoLog) {
  for (uint64_t i = 1; i <= 4; ++i) Append(MakeEntries(i, 1, 1, 3000));
  ASSERT_TRUE(Log::Destroy(&disk_, kDir).ok());
  model_ = LogModel();
  EXPECT_TRUE(Reopen().created);
}

TEST_F(LogTest, DestroyCutShortLeavesDamageNotAShorterLog) {
  for (uint64_t i = 1; i <= 4; ++i) Append(MakeEntries(i, 1, 1, 3000));
  disk_.StopAt(disk_.operation_count() + 2);
  EXPECT_FALSE(Log::Destroy(&disk_, kDir).ok());
  disk_.Crash([](uint32_t bound) { return bound - 1; });
  Log::Found found;
  ASSERT_TRUE(OpenLog(&disk_, &found).ok());
  EXPECT_THAT(found.damage.value_or("none"),
              HasSubstr(SegmentName(4) + ": at byte 0: the file is"));
}

TEST_F(LogTest, MoveToKeepsTheFilesElsewhereAndLeavesNoLog) {
  Append(MakeEntries(1, 1, 3, 6000));
  Append(MakeEntries(4, 1, 3, 6000));
  const std::vector<std::string> files = Files();
  ASSERT_GE(files.size(), 2u);
  ASSERT_TRUE(Log::MoveTo(&disk_, kDir, absl::StrCat(kDir, "/away")).ok());
  EXPECT_THAT(Files(), ::testing::IsEmpty());
  Log::Found found;
  ASSERT_TRUE(Log::Open(&disk_, absl::StrCat(kDir, "/away"), {.may_create = false}, &found).ok());
  EXPECT_EQ(Text(found), model_.Text());
}

TEST_F(LogTest, MoveToCutShortLeavesDamageNotAShorterLog) {
  for (uint64_t i = 1; i <= 4; ++i) Append(MakeEntries(i, 1, 1, 12000));
  disk_.StopAt(disk_.operation_count() + 5);
  EXPECT_FALSE(Log::MoveTo(&disk_, kDir, absl::StrCat(kDir, "/away")).ok());
  disk_.Crash([](uint32_t bound) { return bound - 1; });
  Log::Found found;
  ASSERT_TRUE(OpenLog(&disk_, &found).ok());
  EXPECT_TRUE(found.damage.has_value());
}

TEST(Log, ALogMayBeginBehindASnapshot) {
  TestFileSystem disk;
  LogModel model;
  model.hard_state = {Term(7), Slot::k2};
  model.start = Index(100);
  model.start_term = Term(6);
  auto log =
      Log::Create(&disk, kDir, kSmallSegments, model.hard_state, {model.start, model.start_term});
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_TRUE(absl::IsAlreadyExists(Log::Create(&disk, kDir, kSmallSegments, {}, {}).status()));
  disk.Crash([](uint32_t) { return 0; });
  std::unique_ptr<Log> reopened = MustOpen(&disk, model);
  LogStep step;
  step.entries = MakeEntries(101, 7, 9, 4000);
  ASSERT_TRUE(step.Do(reopened.get()).ok());
  model.Do(step);
  step.entries = MakeEntries(105, 8, 3, 40);
  ASSERT_TRUE(step.Do(reopened.get()).ok());
  model.Do(step);
  MustOpen(&disk, model);
}

TEST(Log, WhateverIsAskedOfItIsFoundAgain) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    TestFileSystem disk;
    LogModel model;
    LogChance chance(seed);
    std::unique_ptr<Log> log = MustOpen(&disk, model);
    for (int i = 0; i < 60 && !::testing::Test::HasFailure(); ++i) {
      const LogStep step = chance.Step(model);
      const absl::Status status = step.Do(log.get());
      ASSERT_TRUE(status.ok()) << status;
      model.Do(step);
      if (chance.Below(5) == 0) log = MustOpen(&disk, model);
    }
    MustOpen(&disk, model);
  }
}

TEST(Log, WorksOnTheMachinesOwnFiles) {
  const std::string dir = ::testing::TempDir() + "/triad_log_test";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  LogModel model;
  LogChance chance(1);
  const LogOptions options = {.segment_bytes = 64u << 10};
  for (int round = 0; round < 5; ++round) {
    Log::Found found;
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(PosixFileSystem(), dir, options, &found);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(found.damage, std::nullopt);
    EXPECT_EQ(Text(found), model.Text());
    for (int i = 0; i < 100; ++i) {
      const LogStep step = chance.Step(model);
      ASSERT_TRUE(step.Do(log->get()).ok());
      model.Do(step);
    }
  }
  std::filesystem::remove_all(dir);
}

TEST(Log, ASparseFileOfATerabyteIsDamageAndNotRead) {
  const std::string dir = ::testing::TempDir() + "/triad_log_sparse_test";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  Log::Found found;
  ASSERT_TRUE(Log::Open(PosixFileSystem(), dir, kSmallSegments, &found).ok());
  std::filesystem::resize_file(dir + "/" + SegmentName(1), uint64_t{1} << 40);
  ASSERT_TRUE(Log::Open(PosixFileSystem(), dir, kSmallSegments, &found).ok());
  EXPECT_THAT(found.damage.value_or("none"), HasSubstr("1099511627776 bytes"));
  std::filesystem::remove_all(dir);
}

TEST(Log, ADirectoryThatIsNotThereIsNamed) {
  Log::Found found;
  const auto log = Log::Open(PosixFileSystem(), "/nonexistent/triad", LogOptions(), &found);
  EXPECT_TRUE(absl::IsNotFound(log.status()));
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("/nonexistent/triad"));
}

}  // namespace
}  // namespace triad::storage
