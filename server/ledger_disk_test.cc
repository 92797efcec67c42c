#include "server/ledger_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_testing.h"
#include "server/limits.h"
#include "storage/memory_ledger.h"
#include "triad/v1/usage.pb.h"

namespace triad::server {
namespace {

using license::Ledger;
using license::LogPosition;
using license::RowChange;

// A ledger with a few sessions.
std::unique_ptr<Ledger> Filled(uint64_t sessions) {
  auto ledger = std::make_unique<Ledger>();
  for (uint64_t i = 1; i <= sessions; ++i) {
    v1::LogRecord record;
    *record.mutable_command() = license::testing::OpenOf(absl::StrCat("s", i));
    ledger->Apply({i, 1}, &record, nullptr);
  }
  return ledger;
}

class LedgerDiskTest : public ::testing::Test {
 protected:
  LedgerDiskTest() : disk_(&home_, *home_.Open()) {}

  // All rows of a view of `from`, as another node would send them.
  static std::vector<RowChange> RowsOf(LedgerDisk& from, size_t bytes_max, LogPosition* position) {
    std::vector<RowChange> rows;
    uint64_t view = 0;
    for (bool last = false; !last;) {
      auto part = from.ReadSnapshot(view, rows.empty() ? "" : rows.back().key, bytes_max);
      EXPECT_TRUE(part.ok());
      view = part->view;
      *position = part->applied;
      last = part->last;
      rows.insert(rows.end(), part->rows.begin(), part->rows.end());
    }
    from.CloseSnapshot(view);
    return rows;
  }

  storage::MemoryLedgerHome home_;
  LedgerDisk disk_;
};

TEST_F(LedgerDiskTest, ASnapshotIsWhatWasWrittenWhenItBegan) {
  auto ledger = Filled(20);
  ASSERT_TRUE(disk_.Write(ledger->TakeChanges(), ledger->applied()).ok());
  auto first = disk_.ReadSnapshot(0, "", 300);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->last);
  ASSERT_TRUE(disk_.Write({{first->rows.back().key, std::nullopt}}, {21, 1}).ok());
  std::vector<RowChange> rows = first->rows;
  auto rest = disk_.ReadSnapshot(first->view, rows.back().key, 1 << 20);
  ASSERT_TRUE(rest.ok());
  EXPECT_TRUE(rest->last);
  EXPECT_EQ(rest->applied, (LogPosition{20, 1}));
  rows.insert(rows.end(), rest->rows.begin(), rest->rows.end());

  auto staged = disk_.StageRows(true, rows, rest->applied);
  ASSERT_TRUE(staged.ok());
  ASSERT_NE(*staged, nullptr);
  EXPECT_EQ((*staged)->Digest(), ledger->Digest());
}

TEST_F(LedgerDiskTest, ViewsAreBoundedAndTheOneThatWaitedLongestGoes) {
  std::vector<uint64_t> views;
  for (size_t i = 0; i <= kSnapshotViewsMax; ++i) {
    if (i == 1) {
      ASSERT_TRUE(disk_.Write({}, {1, 1}).ok());
    }
    views.push_back(disk_.ReadSnapshot(0, "", 10)->view);
    // The first one is in use.
    EXPECT_EQ(disk_.ReadSnapshot(views[0], "", 10)->view, views[0]);
  }
  EXPECT_EQ(disk_.open_views(), kSnapshotViewsMax);
  EXPECT_EQ(disk_.ReadSnapshot(views[1], "", 10)->view, 0u);
  EXPECT_EQ(disk_.ReadSnapshot(views[0], "", 10)->view, views[0]);
  disk_.CloseSnapshot(views[0]);
  EXPECT_EQ(disk_.ReadSnapshot(views[0], "", 10)->view, 0u);
}

TEST_F(LedgerDiskTest, AStagedSnapshotInPartsIsAdoptedAndSurvivesACrash) {
  auto ledger = Filled(20);
  ASSERT_TRUE(disk_.Write(ledger->TakeChanges(), ledger->applied()).ok());
  LogPosition position;
  const std::vector<RowChange> rows = RowsOf(disk_, 400, &position);

  storage::MemoryLedgerHome home;
  LedgerDisk other(&home, *home.Open());
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool last = i + 1 == rows.size();
    auto staged = other.StageRows(i == 0, {rows[i]}, last ? std::optional(position) : std::nullopt);
    ASSERT_TRUE(staged.ok());
    EXPECT_EQ(*staged != nullptr, last);
  }
  ASSERT_TRUE(other.AdoptStaged().ok());
  home.Crash([](uint32_t) { return 0; });
  Ledger restored;
  ASSERT_TRUE(restored.Restore(**home.Open()).ok());
  EXPECT_EQ(restored.Digest(), ledger->Digest());
}

TEST_F(LedgerDiskTest, RowsThatDoNotFitTogetherAreThrownAway) {
  auto ledger = Filled(3);
  std::vector<RowChange> rows = ledger->TakeChanges();
  rows.erase(rows.begin());  // the head
  auto staged = disk_.StageRows(true, rows, ledger->applied());
  ASSERT_TRUE(staged.ok()) << staged.status();
  EXPECT_EQ(*staged, nullptr);
  EXPECT_FALSE(home_.incoming_exists());
  // The rest of what was thrown away is not taken for the beginning of something new.
  EXPECT_EQ(*disk_.StageRows(false, rows, ledger->applied()), nullptr);
  EXPECT_FALSE(home_.incoming_exists());
}

// A store of usage records alone: one a minute, of 100 bytes.
class UsageStore final : public license::LedgerStore {
 public:
  explicit UsageStore(uint64_t records) {
    for (uint64_t number = 1; number <= records; ++number) {
      v1::UsageRecord record;
      record.set_number(number);
      record.set_wall_ms(static_cast<int64_t>(number) * 60'000);
      record.set_previous(absl::StrCat("hash of ", number - 1));
      rows_.push_back({number, record.SerializeAsString()});
    }
  }
  LogPosition applied() const override { return {}; }
  absl::Status Load(
      const std::function<absl::Status(absl::string_view, absl::string_view)>&) override {
    return absl::OkStatus();
  }
  absl::Status Write(const std::vector<RowChange>&, LogPosition) override {
    return absl::OkStatus();
  }
  absl::Status Sync() override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<license::LedgerView>> TakeView() override {
    return absl::UnimplementedError("");
  }
  license::UsageHeld usage() const override {
    return {rows_.front().number, rows_.back().number + 1, {}};
  }
  absl::Status ReadUsage(uint64_t from, size_t bytes_max, std::vector<license::UsageRow>* rows,
                         bool* last) override {
    rows->clear();
    *last = false;
    size_t bytes = 0;
    for (const license::UsageRow& row : rows_) {
      if (row.number < from) continue;
      bytes += row.bytes.size();
      if (!rows->empty() && bytes > bytes_max) return absl::OkStatus();
      rows->push_back(row);
    }
    *last = true;
    return absl::OkStatus();
  }
  uint64_t UsageBytes() override { return rows_.size() * 100; }

 private:
  std::vector<license::UsageRow> rows_;
};

class UsageOnDisk : public ::testing::Test {
 protected:
  UsageOnDisk() : disk_(&home_, std::make_unique<UsageStore>(100)) {}
  uint64_t FirstOf(uint64_t after, int64_t from_ms) {
    UsageQuery query;
    query.after = after;
    query.from_ms = from_ms;
    query.bytes_max = 1;
    const auto read = disk_.ReadUsage(query);
    EXPECT_TRUE(read.ok());
    return read->rows.empty() ? 0 : read->rows.front().number;
  }
  storage::MemoryLedgerHome home_;
  LedgerDisk disk_;
};

TEST_F(UsageOnDisk, RecordsAreFoundByTheirDateAndTheirNumber) {
  EXPECT_EQ(FirstOf(0, 0), 1u);
  EXPECT_EQ(FirstOf(0, 60'000), 1u);
  EXPECT_EQ(FirstOf(0, 60'001), 2u);
  EXPECT_EQ(FirstOf(0, 50 * 60'000), 50u);
  EXPECT_EQ(FirstOf(70, 50 * 60'000), 71u);
  EXPECT_EQ(FirstOf(0, 100 * 60'000), 100u);
  EXPECT_EQ(FirstOf(0, 100 * 60'000 + 1), 0u);
  EXPECT_EQ(FirstOf(100, 0), 0u);
}

TEST_F(UsageOnDisk, WhatIsTooOldIsPrunedUpToTheFirstThatIsNot) {
  const auto plan = disk_.PlanPrune({30 * 60'000, 0});
  ASSERT_TRUE(plan.ok() && plan->has_value());
  EXPECT_EQ((*plan)->before(), 30u);
  EXPECT_EQ((*plan)->hash(), "hash of 29");
  EXPECT_EQ((*plan)->reason(), "too old");
}

TEST_F(UsageOnDisk, WhatIsTooMuchIsPrunedAndTheLastOneStays) {
  const auto plan = disk_.PlanPrune({0, 5'000});
  ASSERT_TRUE(plan.ok() && plan->has_value());
  EXPECT_EQ((*plan)->before(), 56u) << "nine tenths of what may stay";
  EXPECT_EQ((*plan)->reason(), "too many");
  const auto all = disk_.PlanPrune({1'000 * 60'000, 1});
  ASSERT_TRUE(all.ok() && all->has_value());
  EXPECT_EQ((*all)->before(), 100u);
}

TEST_F(UsageOnDisk, WithinTheLimitsAllStay) {
  EXPECT_FALSE(disk_.PlanPrune({0, 0})->has_value());
  EXPECT_FALSE(disk_.PlanPrune({60'000, 10'000})->has_value());
}

}  // namespace
}  // namespace triad::server
