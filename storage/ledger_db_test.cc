#include "storage/ledger_db.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/shared_disk.h"

namespace triad::storage {
namespace {

using license::LedgerStore;
using license::LogPosition;
using license::RowChange;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using Rows = std::vector<std::pair<std::string, std::string>>;

class LedgerDbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    Open();
  }
  void TearDown() override {
    db_.reset();
    std::filesystem::remove_all(root_);
  }

  void Open() {
    db_.reset();
    auto db = OpenLedgerDb(dir_);
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  static absl::StatusOr<Rows> Load(LedgerStore* db) {
    Rows rows;
    absl::Status status = db->Load([&](absl::string_view key, absl::string_view value) {
      rows.emplace_back(std::string(key), std::string(value));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return rows;
  }
  Rows Load() { return Load(db_.get()).value(); }

  // The files of the database whose name ends so, newest last.
  static std::vector<std::string> FilesWith(const std::string& dir, absl::string_view suffix) {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(dir)) {
      const std::string path = entry.path().string();
      if (absl::string_view(path).substr(path.size() - suffix.size()) == suffix) {
        paths.push_back(path);
      }
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  static void Overwrite(const std::string& path, int64_t offset, absl::string_view data) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.write(data.data(), static_cast<std::streamsize>(data.size()));
    ASSERT_TRUE(file.good());
  }

  const std::string root_ = ::testing::TempDir() + "/triad_ledger_db_test";
  const std::string dir_ = root_ + "/ledger";
  std::unique_ptr<LedgerStore> db_;
};

TEST_F(LedgerDbTest, ANewOneHoldsNothingAtPositionZero) {
  EXPECT_EQ(db_->applied(), LogPosition());
  EXPECT_THAT(Load(), IsEmpty());
  Open();
  EXPECT_EQ(db_->applied(), LogPosition());
}

TEST_F(LedgerDbTest, RowsComeBackInKeyOrderWithTheirPosition) {
  ASSERT_TRUE(db_->Write({{"b", "2"}, {"a", "1"}, {"c", ""}}, {7, 2}).ok());
  ASSERT_TRUE(db_->Write({{"b", std::nullopt}, {std::string("\0k\xFF", 3), "v"}}, {8, 2}).ok());
  const auto expected =
      ElementsAre(Pair(std::string("\0k\xFF", 3), "v"), Pair("a", "1"), Pair("c", ""));
  EXPECT_THAT(Load(), expected);
  Open();
  EXPECT_THAT(Load(), expected);
  EXPECT_EQ(db_->applied(), (LogPosition{8, 2}));
}

// Numbers of the usage records from `from` on.
std::vector<uint64_t> UsageOf(LedgerStore* db, uint64_t from, size_t bytes_max, bool* last) {
  std::vector<license::UsageRow> rows;
  EXPECT_TRUE(db->ReadUsage(from, bytes_max, &rows, last).ok());
  std::vector<uint64_t> numbers;
  for (const license::UsageRow& row : rows) {
    numbers.push_back(row.number);
    EXPECT_EQ(row.bytes, absl::StrCat("record ", row.number));
  }
  return numbers;
}

license::UsageChanges UsageFrom(uint64_t from, uint64_t to, uint64_t first = 0) {
  license::UsageChanges changes;
  for (uint64_t n = from; n <= to; ++n) changes.rows.push_back({n, absl::StrCat("record ", n)});
  changes.first = first;
  return changes;
}

TEST_F(LedgerDbTest, UsageRecordsComeWithTheRowsAndInTheOrderOfTheirNumbers) {
  db_->AddUsage(UsageFrom(1, 2));
  db_->AddUsage(UsageFrom(3, 300));
  bool last = false;
  EXPECT_THAT(UsageOf(db_.get(), 1, 100, &last), IsEmpty());
  ASSERT_TRUE(db_->Write({{"a", "1"}}, {7, 2}).ok());
  Open();
  EXPECT_THAT(UsageOf(db_.get(), 255, 30, &last), ElementsAre(255, 256, 257));
  EXPECT_FALSE(last);
  EXPECT_THAT(UsageOf(db_.get(), 299, 1000, &last), ElementsAre(299, 300));
  EXPECT_TRUE(last);
  EXPECT_EQ(db_->usage().next, 301u);
  EXPECT_THAT(Load(), ElementsAre(Pair("a", "1")));
}

TEST_F(LedgerDbTest, PrunedUsageRecordsAreGone) {
  db_->AddUsage(UsageFrom(1, 10));
  ASSERT_TRUE(db_->Write({}, {1, 1}).ok());
  db_->AddUsage(UsageFrom(11, 11, 9));
  ASSERT_TRUE(db_->Write({}, {2, 1}).ok());
  Open();
  bool last = false;
  EXPECT_THAT(UsageOf(db_.get(), 1, 1000, &last), ElementsAre(9, 10, 11));
  EXPECT_EQ(db_->usage().first, 9u);
}

TEST_F(LedgerDbTest, MissingUsageRecordsAreKnownAndFilledIn) {
  db_->AddUsage(UsageFrom(5, 6));
  ASSERT_TRUE(db_->Write({}, {1, 1}).ok());
  ASSERT_TRUE(db_->FillUsage(UsageFrom(3, 5).rows).ok());
  Open();
  EXPECT_EQ(db_->usage().missing, (std::vector<license::UsageRange>{{1, 3}}));
  bool last = false;
  EXPECT_THAT(UsageOf(db_.get(), 1, 1000, &last), ElementsAre(3, 4, 5, 6));
}

TEST_F(LedgerDbTest, ABatchWithoutRowsMovesThePosition) {
  ASSERT_TRUE(db_->Write({}, {9, 3}).ok());
  ASSERT_TRUE(db_->Sync().ok());
  Open();
  EXPECT_EQ(db_->applied(), (LogPosition{9, 3}));
}

TEST_F(LedgerDbTest, TheFirstErrorOfTheReaderEndsTheReading) {
  ASSERT_TRUE(db_->Write({{"a", "1"}, {"b", "2"}}, {1, 1}).ok());
  int seen = 0;
  const absl::Status status = db_->Load([&](absl::string_view, absl::string_view) {
    ++seen;
    return absl::CancelledError("enough");
  });
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_EQ(seen, 1);
}

TEST_F(LedgerDbTest, TheKeyOfItsOwnRowIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(db_->Write({{std::string("\0applied", 8), "x"}}, {1, 1})));
  EXPECT_EQ(db_->applied(), LogPosition());
}

TEST_F(LedgerDbTest, ASecondOpenIsRefusedAndHarmless) {
  const absl::Status status = OpenLedgerDb(dir_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process has the ledger database"));
  EXPECT_TRUE(absl::IsFailedPrecondition(DestroyLedgerDb(dir_)));
  EXPECT_TRUE(db_->Write({{"a", "1"}}, {1, 1}).ok());
}

TEST_F(LedgerDbTest, DestroyLeavesAnEmptyOne) {
  ASSERT_TRUE(db_->Write({{"a", "1"}}, {1, 1}).ok());
  db_.reset();
  ASSERT_TRUE(DestroyLedgerDb(dir_).ok());
  EXPECT_TRUE(std::filesystem::is_empty(root_));
  ASSERT_TRUE(DestroyLedgerDb(dir_).ok());
  Open();
  EXPECT_EQ(db_->applied(), LogPosition());
  EXPECT_THAT(Load(), IsEmpty());
}

TEST_F(LedgerDbTest, WhatDestroyLeftHalfDoneIsFinishedByOpen) {
  db_.reset();
  std::filesystem::rename(dir_, dir_ + ".discarded");
  Open();
  EXPECT_EQ(FilesWith(root_, ".discarded").size(), 0u);
}

TEST_F(LedgerDbTest, ADamagedManifestIsDataLossAndADestroyHelps) {
  ASSERT_TRUE(db_->Write({{"a", "1"}}, {1, 1}).ok());
  db_.reset();
  for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
    if (absl::StrContains(entry.path().filename().string(), "MANIFEST")) {
      Overwrite(entry.path().string(), 10, "garbage");
    }
  }
  const absl::Status status = OpenLedgerDb(dir_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir_));
  ASSERT_TRUE(DestroyLedgerDb(dir_).ok());
  Open();
}

TEST_F(LedgerDbTest, AViewStandsStillAndIsReadInParts) {
  ASSERT_TRUE(db_->Write({{"a", "1"}, {"b", "22"}, {"c", "3"}}, {1, 1}).ok());
  auto view = db_->TakeView();
  ASSERT_TRUE(view.ok());
  ASSERT_TRUE(db_->Write({{"b", std::nullopt}, {"d", "4"}}, {2, 1}).ok());
  std::vector<RowChange> rows;
  bool last = true;
  ASSERT_TRUE((*view)->Read("", 5, &rows, &last).ok());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].key, "a");
  EXPECT_FALSE(last);
  ASSERT_TRUE((*view)->Read("b", 1, &rows, &last).ok());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key, "c");
  EXPECT_TRUE(last);
  EXPECT_EQ((*view)->applied(), (LogPosition{1, 1}));
}

TEST_F(LedgerDbTest, AReceivedStoreTakesThePlaceOfTheOneInForce) {
  ASSERT_TRUE(db_->Write({{"old", "1"}}, {1, 1}).ok());
  db_.reset();
  const auto home = NewRocksLedgerHome(dir_, {});
  EXPECT_TRUE(absl::IsNotFound(home->OpenIncoming(false).status()));
  for (const char* key : {"dropped", "new"}) {
    auto incoming = home->OpenIncoming(true);
    ASSERT_TRUE(incoming.ok()) << incoming.status();
    ASSERT_TRUE((*incoming)->Write({{key, "1"}}, {9, 2}).ok());
    ASSERT_TRUE((*incoming)->Sync().ok());
  }
  EXPECT_EQ((*home->OpenIncoming(false))->applied(), (LogPosition{9, 2}));
  ASSERT_TRUE(home->Adopt().ok());
  auto adopted = home->Open();
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ((*adopted)->applied(), (LogPosition{9, 2}));
  EXPECT_THAT(*Load(adopted->get()), ElementsAre(Pair("new", "1")));
  adopted->reset();
  EXPECT_TRUE(absl::IsNotFound(home->OpenIncoming(false).status()));
  ASSERT_TRUE(home->MoveTo(root_ + "/away").ok());
  EXPECT_FALSE(std::filesystem::exists(dir_));
  EXPECT_EQ((*OpenLedgerDb(root_ + "/away/ledger"))->applied(), (LogPosition{9, 2}));
}

TEST(LedgerDbOnAFullDisk, AWriteFailsOrTheProcessIsToldToEnd) {
  SharedDisk disk;
  const auto env = NewEnvOver(&disk);
  absl::Mutex mutex;
  std::vector<std::string> broken;
  LedgerDbOptions options;
  options.env = env.get();
  options.write_buffer_bytes = 64 << 10;
  options.broken = [&](const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    broken.emplace_back(status.message());
  };
  auto db = OpenLedgerDb("/data/ledger", options);
  ASSERT_TRUE(db.ok()) << db.status();
  disk.disk()->SetFreeBytes(100 << 10);
  absl::Status status;
  uint64_t written = 0;
  while (status.ok() && written < 1000) {
    status =
        (*db)->Write({{absl::StrCat("row ", written), std::string(4000, 'x')}}, {written + 1, 1});
    if (status.ok()) ++written;
    absl::MutexLock lock(&mutex);
    if (!broken.empty()) break;
  }
  EXPECT_LT(written, 1000u);
  absl::MutexLock lock(&mutex);
  EXPECT_TRUE(!broken.empty() || absl::IsResourceExhausted(status)) << status;
  for (const std::string& line : broken) EXPECT_THAT(line, HasSubstr("no space left"));
}

// Large enough that RocksDB flushes tables in between.
class LargeLedgerDbTest : public LedgerDbTest {
 protected:
  // Row "count" always says how many batches there were, so it must agree with the position.
  void Fill(uint64_t batches) {
    for (uint64_t i = 1; i <= batches; ++i) {
      std::string value(64 << 10, static_cast<char>('a' + i % 26));
      for (size_t k = 0; k < value.size(); k += 7) value[k] = static_cast<char>(i * k >> 3);
      ASSERT_TRUE(
          db_->Write({{absl::StrCat("row ", i % 100), value}, {"count", absl::StrCat(i)}}, {i, 1})
              .ok());
    }
  }
};

TEST_F(LargeLedgerDbTest, AMissingOrDamagedTableIsDataLoss) {
  Fill(400);
  Open();  // replays the WAL into tables
  db_.reset();
  const std::vector<std::string> tables = FilesWith(dir_, ".sst");
  ASSERT_GE(tables.size(), 1u);
  const std::string copy = root_ + "/copy";
  for (const bool missing : {true, false}) {
    for (const std::string& table : tables) {
      std::filesystem::remove_all(copy);
      std::filesystem::copy(dir_, copy);
      const std::string victim = copy + table.substr(dir_.size());
      if (missing) {
        std::filesystem::remove(victim);
      } else {
        Overwrite(victim, 100, "garbage");
      }
      // A damaged block shows when it is read, at the latest by Load.
      auto db = OpenLedgerDb(copy);
      const absl::Status status = db.ok() ? Load(db->get()).status() : db.status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    }
  }
}

// What a power loss leaves: of the unsynced WAL some beginning. Never rows of one batch with the
// position of another.
TEST_F(LargeLedgerDbTest, AnyLossAtTheEndOfTheWalLeavesRowsAndPositionInStep) {
  Fill(600);
  ASSERT_GE(FilesWith(dir_, ".sst").size(), 1u);
  const std::string copy = root_ + "/copy";
  int opened = 0, earlier = 0;
  for (uint64_t part = 0; part <= 16; ++part) {
    SCOPED_TRACE(part);
    std::filesystem::remove_all(copy);
    std::filesystem::copy(dir_, copy);  // while it is open: as a crash would find it
    const std::string wal = FilesWith(copy, ".log").back();
    std::filesystem::resize_file(wal, std::filesystem::file_size(wal) * part / 16);
    auto db = OpenLedgerDb(copy);
    if (!db.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(db.status())) << db.status();
      continue;
    }
    ++opened;
    earlier += (*db)->applied().index < 600;
    auto rows = Load(db->get());
    ASSERT_TRUE(rows.ok());
    uint64_t count = 0;
    for (const auto& [key, value] : *rows) {
      if (key == "count") {
        ASSERT_TRUE(absl::SimpleAtoi(value, &count));
      }
    }
    EXPECT_EQ(count, (*db)->applied().index);
  }
  EXPECT_GE(opened, 10);
  EXPECT_GE(earlier, 5);
}

}  // namespace
}  // namespace triad::storage
