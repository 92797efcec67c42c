// Torn or damaged: whatever happens to the bytes of a log, what was acknowledged is either there or
// reported as damage, and what was never acknowledged is cut, not reported.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/bytes.h"
#include "storage/log.h"
#include "storage/log_testing.h"
#include "storage/segment.h"
#include "xxhash.h"

namespace triad::storage {
namespace {

using quorum::Entry;
using quorum::HardState;
using quorum::Index;
using quorum::Slot;
using quorum::Term;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string PathOf(uint64_t number) {
  return absl::StrCat(kDir, "/", SegmentName(number));
}

// The end of the last batch: its last byte is never zero.
uint64_t EndOf(const std::string& content) {
  return content.find_last_not_of('\0') + 1;
}

// Three segments without cuts or trims, and what became of the last one with its last batch.
class LogDamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::unique_ptr<Log> log = MustOpen(&disk_, LogModel());
    ASSERT_NO_FATAL_FAILURE(Append(log.get(), 3, 200, HardState{Term(2), Slot::k2}));
    for (int i = 0; i < 7; ++i) ASSERT_NO_FATAL_FAILURE(Append(log.get(), 3, 301));
    ASSERT_EQ(disk_.List(kDir)->size(), 3u);
    before_ = model_;
    before_content_ = disk_.Content(PathOf(kLast));
    ASSERT_NO_FATAL_FAILURE(Append(log.get(), 3, 555, HardState{Term(3), Slot::k1}));
    ASSERT_EQ(disk_.List(kDir)->size(), 3u);
    content_ = disk_.Content(PathOf(kLast));
    begin_ = EndOf(before_content_);
    end_ = EndOf(content_);
    ASSERT_TRUE(log->Idle().ok());
    idle_content_ = disk_.Content(PathOf(kLast));
  }

  void Append(Log* log, size_t count, size_t bytes, std::optional<HardState> hard_state = {}) {
    LogStep step;
    step.entries = MakeEntries(model_.last().value() + 1, 2, count, bytes);
    step.hard_state = hard_state;
    ASSERT_TRUE(step.Do(log).ok());
    model_.Do(step);
  }

  // Opens a copy of the log in which `path` has another content.
  struct Opened {
    Log::Found found;
    std::string text;
    std::unique_ptr<TestFileSystem> disk;
    std::unique_ptr<Log> log;
  };
  Opened OpenWith(const std::string& path, std::optional<std::string> content) {
    Opened opened;
    opened.disk = disk_.Copy();
    opened.disk->Damage(path, std::move(content));
    absl::StatusOr<std::unique_ptr<Log>> log = OpenLog(opened.disk.get(), &opened.found);
    EXPECT_TRUE(log.ok()) << log.status();
    if (log.ok()) opened.log = *std::move(log);
    opened.text = Text(opened.found);
    return opened;
  }
  // With damage, everything that is still handed out is true.
  void ExpectDamage(const Opened& opened, const std::string& path) {
    EXPECT_THAT(opened.found.damage.value_or("none"), StartsWith(path + ": at byte "));
    ASSERT_LE(opened.found.entries.size(), model_.entries.size());
    for (size_t i = 0; i < opened.found.entries.size(); ++i) {
      EXPECT_EQ(opened.found.entries[i].index, model_.entries[i].index);
      EXPECT_EQ(*opened.found.entries[i].payload, *model_.entries[i].payload);
    }
  }
  void ExpectSound(const Opened& opened, const LogModel& model) {
    EXPECT_EQ(opened.found.damage.value_or("none"), "none");
    EXPECT_EQ(opened.text, model.Text());
    MustOpen(opened.disk.get(), model);
  }

  static constexpr uint64_t kLast = 3;

  TestFileSystem disk_;
  LogModel model_;   // with the last batch
  LogModel before_;  // without it
  // The last segment before and with the last batch, and with the watermark of Idle().
  std::string before_content_, content_, idle_content_;
  uint64_t begin_ = 0, end_ = 0;  // of the last batch
};

TEST_F(LogDamageTest, EveryFlippedByteOfTheSyncedPartIsDamageAndElsewhereHarmless) {
  for (uint64_t number = 1; number <= kLast; ++number) {
    const std::string good = disk_.Content(PathOf(number));
    const uint64_t end = EndOf(good);
    for (uint64_t at = 0; at < good.size(); ++at) {
      const char masks[] = {static_cast<char>(1 << (at % 8)), '\xFF'};
      for (const char mask : masks) {
        if (mask == '\xFF' && good[at] == '\0') continue;  // the long zeros once are enough
        SCOPED_TRACE(absl::StrCat("segment ", number, " byte ", at));
        std::string bad = good;
        bad[at] ^= mask;
        const Opened opened = OpenWith(PathOf(number), bad);
        if (at < kPageBytes || (at >= kRecordsAt && at < end)) {
          ExpectDamage(opened, PathOf(number));
        } else {
          ExpectSound(opened, model_);
        }
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST_F(LogDamageTest, EveryFlippedByteOfTheLastBatchIsDamageAlsoBeforeTheIdleWatermark) {
  for (uint64_t at = begin_; at < end_; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(absl::StrCat("byte ", at, " bit ", bit));
      std::string bad = content_;
      bad[at] ^= static_cast<char>(1 << bit);
      ExpectDamage(OpenWith(PathOf(kLast), bad), PathOf(kLast));
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// The full size was synced before the file got its name, so no crash leaves another one.
TEST_F(LogDamageTest, AFileOfAnotherSizeThanItsHeaderSaysIsDamageAlsoInItsLastBatch) {
  for (uint64_t size = 0; size < content_.size(); ++size) {
    SCOPED_TRACE(absl::StrCat("size ", size));
    ExpectDamage(OpenWith(PathOf(kLast), content_.substr(0, size)), PathOf(kLast));
    ExpectDamage(OpenWith(PathOf(1), disk_.Content(PathOf(1)).substr(0, size)), PathOf(1));
    if (::testing::Test::HasFailure()) return;
  }
  for (const uint64_t more : {uint64_t{1}, kPageBytes}) {
    ExpectDamage(OpenWith(PathOf(kLast), content_ + std::string(more, '\0')), PathOf(kLast));
  }
}

// A sector is written whole or not at all: zeros from its middle on are no torn write.
TEST_F(LogDamageTest, ZerosFromAnySectorOfTheLastBatchOnAreTorn) {
  const uint64_t last_sector = (end_ - 1) / kSectorBytes * kSectorBytes;
  for (uint64_t from = kRecordsAt; from < end_; ++from) {
    SCOPED_TRACE(absl::StrCat("zeros from byte ", from));
    std::string zeros = content_;
    zeros.replace(from, end_ - from, end_ - from, '\0');
    const Opened opened = OpenWith(PathOf(kLast), zeros);
    if (from < begin_ || from > last_sector) {
      ExpectDamage(opened, PathOf(kLast));
    } else {
      ExpectSound(opened, before_);
    }
    zeros = idle_content_;
    zeros.replace(from, end_ - from, end_ - from, '\0');
    ExpectDamage(OpenWith(PathOf(kLast), zeros), PathOf(kLast));
    if (::testing::Test::HasFailure()) return;
  }
}

// Composes the file from sectors of before and after the batch, all ways there are.
TEST_F(LogDamageTest, AnySubsetOfTheLastBatchsSectorsIsTornAndOnlyAllOfThemAreTheBatch) {
  std::vector<uint64_t> sectors;
  for (uint64_t s = 0; s < content_.size() / kSectorBytes; ++s) {
    if (content_.compare(s * kSectorBytes, kSectorBytes, before_content_, s * kSectorBytes,
                         kSectorBytes) != 0) {
      sectors.push_back(s);
    }
  }
  ASSERT_GE(sectors.size(), 5u);  // one of them is the watermark's
  for (uint32_t subset = 0; subset < (1u << sectors.size()); ++subset) {
    SCOPED_TRACE(absl::StrCat("subset ", absl::Hex(subset)));
    std::string mixed = before_content_;
    for (size_t i = 0; i < sectors.size(); ++i) {
      if ((subset >> i & 1) == 0) continue;
      mixed.replace(sectors[i] * kSectorBytes, kSectorBytes, content_, sectors[i] * kSectorBytes,
                    kSectorBytes);
    }
    const bool whole = (subset | 1) == (1u << sectors.size()) - 1;
    const bool untouched = (subset | 1) == 1;
    const Opened opened = OpenWith(PathOf(kLast), mixed);
    ExpectSound(opened, whole ? model_ : before_);
    EXPECT_EQ(opened.found.note.has_value(), !whole && !untouched);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST_F(LogDamageTest, AZeroedSectorOrPageOfTheSyncedPartIsDamage) {
  for (uint64_t number = 1; number <= kLast; ++number) {
    const std::string good = disk_.Content(PathOf(number));
    for (const uint64_t unit : {kSectorBytes, kPageBytes}) {
      for (uint64_t at = kRecordsAt; at < EndOf(good); at += unit) {
        SCOPED_TRACE(absl::StrCat("segment ", number, " byte ", at));
        std::string bad = good;
        bad.replace(at, unit, unit, '\0');
        ExpectDamage(OpenWith(PathOf(number), bad), PathOf(number));
      }
    }
  }
}

TEST_F(LogDamageTest, AMissingSegmentIsDamageWhicheverItIs) {
  for (uint64_t number = 1; number <= kLast; ++number) {
    SCOPED_TRACE(number);
    ExpectDamage(OpenWith(PathOf(number), std::nullopt), PathOf(number));
  }
}

TEST_F(LogDamageTest, AMissingLastSegmentIsDamageAlsoIfThePowerFailedWhenItWasNew) {
  TestFileSystem disk;
  std::unique_ptr<Log> log = MustOpen(&disk, LogModel());
  ASSERT_TRUE(log->Append(std::nullopt, MakeEntries(1, 1, 1, 3000)).ok());
  // Create, preallocate, header, sync, rename, directory; then not the word in the old segment.
  disk.StopAt(disk.operation_count() + 6);
  ASSERT_FALSE(log->Append(std::nullopt, MakeEntries(2, 1, 1, 3000)).ok());
  disk.Crash([](uint32_t) { return 0; });
  Log::Found found;
  ASSERT_TRUE(OpenLog(&disk, &found).ok());
  EXPECT_EQ(found.damage, std::nullopt);
  disk.Damage(PathOf(2), std::nullopt);
  ASSERT_TRUE(OpenLog(&disk, &found).ok());
  EXPECT_THAT(found.damage.value_or("none"),
              HasSubstr(SegmentName(2) + ": at byte 0: the file is"));
}

TEST_F(LogDamageTest, ASegmentUnderAnothersNameIsDamage) {
  for (uint64_t number = 2; number <= kLast; ++number) {
    ExpectDamage(OpenWith(PathOf(number), disk_.Content(PathOf(number - 1))), PathOf(number));
  }
}

TEST_F(LogDamageTest, AnOlderStateOfAnOlderSegmentIsDamage) {
  // The second segment as it was one batch earlier: whole, but not what its successor vouches for.
  std::string content = disk_.Content(PathOf(2));
  TestFileSystem disk;
  std::unique_ptr<Log> log = MustOpen(&disk, LogModel());
  std::vector<std::string> states;
  LogModel model;
  for (int i = 0; i < 8; ++i) {
    LogStep step;
    step.entries = MakeEntries(model.last().value() + 1, 2, 3, i == 0 ? 200 : 301);
    if (i == 0) step.hard_state = HardState{Term(2), Slot::k2};
    ASSERT_TRUE(step.Do(log.get()).ok());
    model.Do(step);
    states.push_back(disk.Content(PathOf(2)));
  }
  int older = 0;
  for (const std::string& state : states) {
    if (state.empty() || EndOf(state) == EndOf(content)) continue;
    ExpectDamage(OpenWith(PathOf(2), state), PathOf(2));
    ++older;
  }
  EXPECT_GE(older, 1);
}

TEST_F(LogDamageTest, AnUnreadableFileIsDamage) {
  std::unique_ptr<TestFileSystem> disk = disk_.Copy();
  disk->FailReads(PathOf(2));
  Log::Found found;
  ASSERT_TRUE(OpenLog(disk.get(), &found).ok());
  EXPECT_THAT(found.damage.value_or("none"), HasSubstr("input/output error"));
}

TEST_F(LogDamageTest, ADamagedLogIsLeftAloneAndTakesNothing) {
  std::string bad = disk_.Content(PathOf(2));
  bad[kRecordsAt + 50] ^= 1;
  const Opened opened = OpenWith(PathOf(2), bad);
  EXPECT_FALSE(opened.log->Append(HardState{Term(9), Slot::k1}, {}).ok());
  EXPECT_FALSE(opened.log->TrimBefore(Index(1), Term(2)).ok());
  EXPECT_THAT(std::string(opened.log->Idle().message()), HasSubstr(SegmentName(2)));
  EXPECT_EQ(opened.disk->operation_count(), 0u);
}

TEST_F(LogDamageTest, ABatchWithZerosInItIsNotTakenForTorn) {
  LogModel model = before_;
  LogStep step;
  step.entries = {MakeEntry(model.last().value() + 1, 2, std::string(1600, '\0') + "x")};
  std::unique_ptr<TestFileSystem> disk = disk_.Copy();
  disk->Damage(PathOf(kLast), before_content_);
  std::unique_ptr<Log> log = MustOpen(disk.get(), before_);
  ASSERT_TRUE(step.Do(log.get()).ok());
  model.Do(step);
  const std::string good = disk->Content(PathOf(kLast));
  ASSERT_GE(CountZeroSectors(begin_, good.substr(begin_, EndOf(good) - begin_)), 2u);
  ExpectSound(OpenWith(PathOf(kLast), good), model);
  // Its header and its last byte, which zeros elsewhere must not excuse.
  for (const uint64_t at : {begin_ + 8, begin_ + 40 + 1600}) {
    std::string bad = good;
    bad[at] ^= 4;
    EXPECT_NE(OpenWith(PathOf(kLast), bad).found.damage, std::nullopt);
  }
  // One more zero sector than it was written with: torn after all.
  std::string torn = good;
  torn.replace(begin_, kSectorBytes - begin_ % kSectorBytes, kSectorBytes - begin_ % kSectorBytes,
               '\0');
  ExpectSound(OpenWith(PathOf(kLast), torn), before_);
}

TEST_F(LogDamageTest, ATornBatchBesideADamagedWatermarkIsNotJudged) {
  const uint64_t sector = (end_ - 1) / kSectorBytes * kSectorBytes;
  std::string torn = content_.substr(0, sector) + std::string(content_.size() - sector, '\0');
  ExpectSound(OpenWith(PathOf(kLast), torn), before_);
  for (int slot = 0; slot < kWatermarkSlots; ++slot) {
    std::string bad = torn;
    bad[WatermarkOffset(slot) + 20] ^= 1;
    ExpectDamage(OpenWith(PathOf(kLast), bad), PathOf(kLast));
  }
}

// Whatever one bit did to the watermarks, once the log was opened it is over: an ordinary torn
// batch after it is nothing but torn.
TEST_F(LogDamageTest, AFlippedBitInAWatermarkPageIsForgottenByTheNextTornBatch) {
  for (uint64_t at = kPageBytes; at < kRecordsAt; ++at) {
    SCOPED_TRACE(absl::StrCat("byte ", at));
    std::string bad = idle_content_;
    bad[at] ^= static_cast<char>(1 << (at % 8));
    Opened opened = OpenWith(PathOf(kLast), bad);
    ASSERT_EQ(opened.found.damage.value_or("none"), "none");
    // A batch of which all sectors but the last one get to the disk, its watermark not.
    const std::string now = opened.disk->Content(PathOf(kLast));
    const std::vector<Entry> entries = MakeEntries(model_.last().value() + 1, 3, 1, 520);
    ASSERT_TRUE(opened.log->Append(std::nullopt, entries).ok());
    ASSERT_FALSE(opened.disk->Exists(PathOf(kLast + 1)));
    std::string torn = opened.disk->Content(PathOf(kLast));
    torn.replace(kPageBytes, 2 * kPageBytes, now, kPageBytes, 2 * kPageBytes);
    const uint64_t last = (EndOf(torn) - 1) / kSectorBytes * kSectorBytes;
    torn.replace(last, kSectorBytes, kSectorBytes, '\0');
    opened.disk->Damage(PathOf(kLast), torn);
    MustOpen(opened.disk.get(), model_);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST_F(LogDamageTest, AFlippedBitInAnUnusedWatermarkOfANewLogIsMendedWhenItIsOpened) {
  for (int slot = 0; slot < kWatermarkSlots; ++slot) {
    SCOPED_TRACE(slot);
    TestFileSystem disk;
    MustOpen(&disk, LogModel());
    std::string bad = disk.Content(PathOf(1));
    bad[WatermarkOffset(slot) + 300] ^= 1;
    disk.Damage(PathOf(1), bad);
    std::unique_ptr<Log> log = MustOpen(&disk, LogModel());
    const std::string now = disk.Content(PathOf(1));
    ASSERT_TRUE(log->Append(std::nullopt, MakeEntries(1, 1, 1, 520)).ok());
    // The last sector and the watermark do not get to the disk.
    std::string torn = disk.Content(PathOf(1));
    torn.replace(kPageBytes, 2 * kPageBytes, now, kPageBytes, 2 * kPageBytes);
    const uint64_t last = (EndOf(torn) - 1) / kSectorBytes * kSectorBytes;
    torn.replace(last, kSectorBytes, kSectorBytes, '\0');
    disk.Damage(PathOf(1), torn);
    MustOpen(&disk, LogModel());
  }
}

TEST_F(LogDamageTest, ABatchThatIsFollowedByAnotherWasSyncedWhateverItLooksLike) {
  std::unique_ptr<TestFileSystem> disk = disk_.Copy();
  disk->Damage(PathOf(kLast), content_);
  LogModel model = model_;
  std::unique_ptr<Log> log = MustOpen(disk.get(), model);
  ASSERT_TRUE(log->Append(std::nullopt, MakeEntries(model.last().value() + 1, 3, 1, 30)).ok());
  // The later batch is on the disk, its watermark is not, and a sector of ours is gone.
  std::string bad = disk->Content(PathOf(kLast));
  bad.replace(kPageBytes, 2 * kPageBytes, content_, kPageBytes, 2 * kPageBytes);
  const uint64_t sector = (begin_ / kSectorBytes + 1) * kSectorBytes;
  bad.replace(sector, kSectorBytes, kSectorBytes, '\0');
  const Opened opened = OpenWith(PathOf(kLast), bad);
  ExpectDamage(opened, PathOf(kLast));
  EXPECT_THAT(opened.found.damage.value_or("none"), HasSubstr("a later batch was begun"));
}

TEST_F(LogDamageTest, ATornBatchNeverComesBackAfterAShorterOne) {
  // The torn batch has its first record and its last whole; only a sector between is gone.
  std::string torn = content_;
  const uint64_t sector = (begin_ / kSectorBytes + 2) * kSectorBytes;
  torn.replace(sector, kSectorBytes, kSectorBytes, '\0');
  const Opened opened = OpenWith(PathOf(kLast), torn);
  ExpectSound(opened, before_);
  EXPECT_THAT(opened.found.note.value_or("none"), HasSubstr("a sector of it was never written"));
  LogModel model = before_;
  std::unique_ptr<Log> log = MustOpen(opened.disk.get(), model);
  LogStep step;
  step.entries = MakeEntries(model.last().value() + 1, 3, 1, 1);
  ASSERT_TRUE(step.Do(log.get()).ok());
  model.Do(step);
  opened.disk->Crash([](uint32_t) { return 0; });
  MustOpen(opened.disk.get(), model);
  // What is torn is never written over; the log went on in the next file.
  EXPECT_TRUE(opened.disk->Exists(PathOf(kLast + 1)));
}

TEST_F(LogDamageTest, ARecordAtAnotherPlaceIsNoRecord) {
  // The last batch once more behind itself, as a misdirected write would leave it.
  std::string twice = idle_content_;
  const uint64_t size = std::min<uint64_t>(end_ - begin_, twice.size() - end_);
  twice.replace(end_, size, content_, begin_, size);
  const Opened opened = OpenWith(PathOf(kLast), twice);
  ExpectSound(opened, model_);
  EXPECT_NE(opened.found.note, std::nullopt);
}

TEST_F(LogDamageTest, ALaterFormatIsRefusedByName) {
  std::string later = disk_.Content(PathOf(1));
  later[8] = 2;
  std::string sum;
  AppendNumber(XXH3_64bits_withSeed(later.data(), 96, 0x9E3779B97F4A7C15u), 8, &sum);
  later.replace(96, 8, sum);
  std::unique_ptr<TestFileSystem> disk = disk_.Copy();
  disk->Damage(PathOf(1), later);
  Log::Found found;
  const absl::Status status = OpenLog(disk.get(), &found).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(SegmentName(1) + ": log format 2"));
}

}  // namespace
}  // namespace triad::storage
