#include "server/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_testing.h"
#include "storage/memory_ledger.h"
#include "storage/test_file_system.h"

namespace triad::server {
namespace {

using license::LogPosition;
using quorum::Entry;
using quorum::Index;
using quorum::Term;
using ::testing::HasSubstr;

class Lines final : public Logger {
 public:
  void Log(LogLevel, absl::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

class DataDirectoryTest : public ::testing::Test {
 protected:
  DataDirectoryTest() {
    place_.files = &disk_;
    place_.home = &home_;
    place_.dir = "/data";
    place_.log.segment_bytes = 16 << 10;
    identity_.slot = 1;
    identity_.incarnation = std::string(16, 'a');
    identity_.server_set = std::string(32, 's');
    identity_.cluster_id = std::string(32, 'c');
    identity_.members = {{1, identity_.incarnation}};
    EXPECT_TRUE(storage::WriteIdentity(&disk_, "/data", identity_).ok());
    storage::Log::Found found;
    auto log = storage::Log::Open(&disk_, "/data", place_.log, &found);
    EXPECT_TRUE(log.ok());
    log_ = *std::move(log);
  }

  // Entries without commands.
  void Append(uint64_t first, uint64_t last, uint64_t term) {
    std::vector<Entry> entries;
    for (uint64_t i = first; i <= last; ++i) {
      entries.push_back(
          {Term(term), Index(i), quorum::EntryKind::kNoop, std::make_shared<const std::string>()});
    }
    ASSERT_TRUE(log_->Append(quorum::HardState{Term(term), quorum::Slot::k1}, entries).ok());
  }
  // What a ledger is after that many entries of one term.
  static void Fill(license::LedgerStore& store, uint64_t last, uint64_t term) {
    license::Ledger ledger;
    for (uint64_t i = 1; i <= last; ++i) ledger.Apply({i, term}, nullptr, nullptr);
    ASSERT_TRUE(store.Write(ledger.TakeChanges(), {last, term}).ok());
    ASSERT_TRUE(store.Sync().ok());
  }
  void FillCurrent(uint64_t last, uint64_t term) { Fill(**home_.Open(), last, term); }
  void FillIncoming(uint64_t last, uint64_t term) {
    Fill(**home_.OpenIncoming(/*fresh=*/true), last, term);
  }
  OpenedData Open() {
    log_.reset();
    auto opened = OpenData(place_, &lines_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : OpenedData();
  }

  storage::TestFileSystem disk_;
  storage::MemoryLedgerHome home_;
  Lines lines_;
  DataPlace place_;
  storage::Identity identity_;
  std::unique_ptr<storage::Log> log_;
};

TEST_F(DataDirectoryTest, WithoutAnIdentityNothingIsTouched) {
  place_.dir = "/elsewhere";
  EXPECT_TRUE(absl::IsNotFound(OpenData(place_, &lines_).status()));
  EXPECT_TRUE(disk_.List("/elsewhere")->empty());
  EXPECT_FALSE(home_.exists());
}

TEST_F(DataDirectoryTest, TheLedgerIsUsedAndAHalfReceivedSnapshotThrownAway) {
  Append(1, 5, 2);
  FillCurrent(3, 2);
  ASSERT_TRUE((*home_.OpenIncoming(true))->Write({{"x", "y"}}, {}).ok());
  const OpenedData opened = Open();
  ASSERT_NE(opened.log, nullptr);
  EXPECT_EQ(opened.recovered.applied, Index(3));
  EXPECT_EQ(opened.ledger->applied(), (LogPosition{3, 2}));
  EXPECT_EQ(opened.recovered.entries.size(), 5u);
  EXPECT_FALSE(home_.incoming_exists());
}

TEST_F(DataDirectoryTest, ALedgerAheadOfTheLogIsTheWitnessOfALostLog) {
  Append(1, 5, 2);
  FillCurrent(6, 2);
  const OpenedData opened = Open();
  EXPECT_THAT(opened.damage.value_or(""), HasSubstr("the log has lost entries"));
  EXPECT_EQ(opened.log, nullptr);
  EXPECT_EQ(opened.store, nullptr);
  EXPECT_EQ(opened.ledger->applied(), LogPosition());
}

TEST_F(DataDirectoryTest, ALedgerOfAnotherTermThanTheLogIsOneToo) {
  Append(1, 5, 2);
  FillCurrent(4, 1);
  EXPECT_TRUE(Open().damage.has_value());
}

TEST_F(DataDirectoryTest, ADamagedLedgerIsMadeAnewFromAWholeLog) {
  Append(1, 5, 2);
  FillCurrent(3, 2);
  home_.Damage();
  const OpenedData opened = Open();
  EXPECT_EQ(opened.recovered.applied, Index(0));
  EXPECT_FALSE(opened.recovered.ledger_missing);
  EXPECT_EQ(opened.recovered.entries.size(), 5u);
}

TEST_F(DataDirectoryTest, ADamagedLedgerOfATrimmedLogIsMissing) {
  Append(1, 5, 2);
  FillCurrent(4, 2);
  // Whose votes count, the log still says.
  const quorum::Members members = {{{quorum::Slot::k1, std::string(16, 'a'), true},
                                    {quorum::Slot::k3, std::string(16, 'z'), false}}};
  ASSERT_TRUE(log_->Trim({Index(3), Term(2), members}).ok());
  home_.Damage();
  const OpenedData opened = Open();
  EXPECT_EQ(opened.recovered.members, members);
  EXPECT_TRUE(opened.recovered.ledger_missing);
  EXPECT_EQ(opened.recovered.applied, Index(0));
  EXPECT_EQ(opened.recovered.snapshot_index, Index(3));
  EXPECT_EQ(opened.store->applied(), LogPosition());
}

// Every point at which a snapshot's arrival may stop.
TEST_F(DataDirectoryTest, ASnapshotThatTheLogDoesNotBeginWithYetIsThrownAway) {
  Append(1, 5, 2);
  FillCurrent(3, 2);
  FillIncoming(9, 3);
  const OpenedData opened = Open();
  EXPECT_FALSE(opened.damage.has_value());
  EXPECT_EQ(opened.recovered.applied, Index(3));
  EXPECT_FALSE(home_.incoming_exists());
}

TEST_F(DataDirectoryTest, ASnapshotThatTheLogBeginsWithIsAdopted) {
  Append(1, 5, 2);
  FillCurrent(3, 2);
  FillIncoming(9, 3);
  ASSERT_TRUE(log_->TrimBefore(Index(9), Term(3)).ok());
  const OpenedData opened = Open();
  EXPECT_FALSE(opened.recovered.ledger_missing);
  EXPECT_EQ(opened.recovered.applied, Index(9));
  EXPECT_EQ(opened.store->applied(), (LogPosition{9, 3}));
  EXPECT_FALSE(home_.incoming_exists());
}

TEST_F(DataDirectoryTest, ASnapshotIsAdoptedAlsoWhereTheOldLedgerIsGone) {
  Append(1, 5, 2);
  FillIncoming(9, 3);
  ASSERT_TRUE(log_->TrimBefore(Index(9), Term(3)).ok());
  EXPECT_EQ(Open().recovered.applied, Index(9));
}

TEST_F(DataDirectoryTest, AnAdoptedSnapshotIsFoundAsTheLedger) {
  Append(1, 5, 2);
  FillIncoming(9, 3);
  ASSERT_TRUE(log_->TrimBefore(Index(9), Term(3)).ok());
  ASSERT_TRUE(home_.Adopt().ok());
  EXPECT_EQ(Open().recovered.applied, Index(9));
}

TEST_F(DataDirectoryTest, ADamagedSnapshotIsFetchedAgain) {
  Append(1, 5, 2);
  FillCurrent(3, 2);
  FillIncoming(9, 3);
  ASSERT_TRUE(log_->TrimBefore(Index(9), Term(3)).ok());
  home_.DamageIncoming();
  const OpenedData opened = Open();
  EXPECT_TRUE(opened.recovered.ledger_missing);
  EXPECT_FALSE(home_.incoming_exists());
}

TEST_F(DataDirectoryTest, AMissingLogOfAFormedClusterIsDamageAndStaysSo) {
  ASSERT_TRUE(storage::Log::Destroy(&disk_, "/data").ok());
  EXPECT_TRUE(Open().damage.has_value());
  EXPECT_TRUE(Open().damage.has_value());
}

TEST_F(DataDirectoryTest, ANodeThatRejoinsHasNoLogBeforeItIsLetIn) {
  ASSERT_TRUE(storage::Log::Destroy(&disk_, "/data").ok());
  identity_.rejoining = true;
  identity_.cluster_id.clear();
  identity_.members.clear();
  ASSERT_TRUE(storage::WriteIdentity(&disk_, "/data", identity_).ok());
  const OpenedData opened = Open();
  EXPECT_EQ(opened.log, nullptr);
  EXPECT_FALSE(opened.damage.has_value());
  EXPECT_TRUE(opened.identity.rejoining);
  EXPECT_EQ(disk_.List("/data")->size(), 1u);
}

TEST_F(DataDirectoryTest, BeginAnewKeepsWhatWasDamagedAndBeginsEmpty) {
  Append(1, 60, 2);
  FillCurrent(3, 2);
  storage::Identity fresh = identity_;
  fresh.incarnation = std::string(16, 'b');
  auto begun = BeginAnew(place_, fresh, &lines_);
  ASSERT_TRUE(begun.ok()) << begun.status();
  EXPECT_EQ(begun->identity, fresh);
  begun->log.reset();
  EXPECT_FALSE(disk_.List("/data/damaged-1")->empty());
  const OpenedData opened = Open();
  EXPECT_EQ(opened.identity, fresh);
  EXPECT_FALSE(opened.damage.has_value());
  EXPECT_EQ(opened.recovered.hard_state, quorum::HardState());
  EXPECT_TRUE(opened.recovered.entries.empty());
  EXPECT_EQ(opened.ledger->applied(), LogPosition());
}

// Old log under the old incarnation, or an empty one under the new: never a part of the old one.
TEST_F(DataDirectoryTest, BeginAnewMayBeStoppedAnywhere) {
  for (int i = 0; i < 6; ++i) Append(static_cast<uint64_t>(i) * 90 + 1, (i + 1) * 90, 2);
  FillCurrent(3, 2);
  storage::Identity fresh = identity_;
  fresh.incarnation = std::string(16, 'b');
  int whole = 0, stops = 0;
  for (bool finished = false; !finished; ++stops) {
    for (uint32_t left = 0; left < 2; ++left) {
      SCOPED_TRACE(absl::StrCat("stopped at ", stops, ", unsynced ", left ? "there" : "lost"));
      auto disk = disk_.Copy();
      storage::MemoryLedgerHome home;
      Fill(**home.Open(), 3, 2);
      DataPlace place = place_;
      place.files = disk.get();
      place.home = &home;
      disk->StopAt(static_cast<uint64_t>(stops));
      finished = BeginAnew(place, fresh, &lines_).ok();
      disk->Crash([left](uint32_t bound) { return left * (bound - 1); });
      auto opened = OpenData(place, &lines_);
      ASSERT_TRUE(opened.ok()) << opened.status();
      ASSERT_EQ(opened->damage.value_or(""), "");
      if (opened->identity == identity_) {
        EXPECT_EQ(opened->recovered.entries.size(), 540u);
        ++whole;
      } else {
        EXPECT_EQ(opened->identity, fresh);
        EXPECT_TRUE(opened->recovered.entries.empty());
        EXPECT_EQ(opened->recovered.hard_state, quorum::HardState());
      }
    }
  }
  EXPECT_GE(whole, 4);
  EXPECT_GE(stops, 20);
}

}  // namespace
}  // namespace triad::server
