#include "server/disk_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "license/ledger.h"
#include "server/system.h"
#include "storage/memory_ledger.h"

namespace triad::server {
namespace {

using quorum::Entry;
using quorum::Index;
using quorum::Term;

// A log that notes what it is told, and holds the first write until it is let go.
class NotedLog : public storage::Log {
 public:
  struct Write {
    bool hard_state;
    std::vector<uint64_t> indexes;
    uint64_t start = 0;  // of a Trim
    bool operator==(const Write&) const = default;
  };
  struct Notes {
    std::vector<Write> writes;
    absl::Notification first_begun;
    absl::Notification go_on;
    absl::Status status;
  };
  explicit NotedLog(Notes* notes) : notes_(notes) {}

  absl::Status Append(const std::optional<quorum::HardState>& hard_state,
                      absl::Span<const Entry> entries) override {
    if (!hard_state.has_value() && entries.empty()) return notes_->status;
    Write write{hard_state.has_value(), {}};
    for (const Entry& entry : entries) write.indexes.push_back(entry.index.value());
    notes_->writes.push_back(std::move(write));
    if (notes_->writes.size() == 1) {
      notes_->first_begun.Notify();
      notes_->go_on.WaitForNotification();
    }
    return notes_->status;
  }
  absl::Status Idle() override { return absl::OkStatus(); }
  absl::Status Trim(const quorum::LogStart& start) override {
    notes_->writes.push_back({false, {}, start.index.value()});
    return notes_->status;
  }

 private:
  Notes* const notes_;
};

std::vector<Entry> EntriesAt(uint64_t index) {
  return {{Term(1), Index(index), quorum::EntryKind::kCommand,
           std::make_shared<const std::string>("x")}};
}

TEST(LogThread, WhatGathersWhileASyncRunsIsCoveredByOneAndACutBeginsAnew) {
  NotedLog::Notes notes;
  StderrLogger logger;
  std::vector<uint64_t> durable;
  {
    LogThread thread(std::make_unique<NotedLog>(&notes), &logger,
                     [&](uint64_t id) { durable.push_back(id); });
    thread.Write(1, std::nullopt, std::nullopt, EntriesAt(10));
    notes.first_begun.WaitForNotification();
    thread.Write(2, std::nullopt, std::nullopt, EntriesAt(11));
    thread.Write(3, std::nullopt, std::nullopt, EntriesAt(12));
    thread.Write(4, std::nullopt, std::nullopt, EntriesAt(12));  // cuts the log back
    thread.Write(5, quorum::HardState{}, std::nullopt, EntriesAt(13));
    notes.go_on.Notify();
  }
  using W = NotedLog::Write;
  EXPECT_EQ(notes.writes,
            (std::vector<W>{{false, {10}}, {false, {11, 12}}, {false, {12}}, {true, {13}}}));
  EXPECT_EQ(durable, (std::vector<uint64_t>{1, 3, 4, 5}));
}

TEST(LogThread, ANewStartStandsBehindTermAndVoteAndBeforeItsEntries) {
  NotedLog::Notes notes;
  notes.go_on.Notify();
  StderrLogger logger;
  std::vector<uint64_t> durable;
  {
    LogThread thread(std::make_unique<NotedLog>(&notes), &logger,
                     [&](uint64_t id) { durable.push_back(id); });
    thread.Write(1, quorum::HardState{}, quorum::LogStart{Index(9), Term(1), {}}, EntriesAt(10));
    notes.first_begun.WaitForNotification();
  }
  using W = NotedLog::Write;
  EXPECT_EQ(notes.writes, (std::vector<W>{{true, {}}, {false, {}, 9}, {false, {10}}}));
  EXPECT_EQ(durable, (std::vector<uint64_t>{1}));
}

TEST(LogThread, AProbeComesBackOnlyBehindTheWritesBeforeIt) {
  NotedLog::Notes notes;
  StderrLogger logger;
  absl::Mutex mutex;
  std::vector<std::string> done;
  const auto note = [&](const std::string& what) {
    absl::MutexLock lock(&mutex);
    done.push_back(what);
  };
  {
    LogThread thread(std::make_unique<NotedLog>(&notes), &logger,
                     [&](uint64_t id) { note(absl::StrCat("write ", id)); });
    thread.Write(1, std::nullopt, std::nullopt, EntriesAt(10));
    notes.first_begun.WaitForNotification();
    thread.Probe([&] { note("probe"); });
    {
      absl::MutexLock lock(&mutex);
      EXPECT_TRUE(done.empty());  // the disk hangs in the first write
    }
    notes.go_on.Notify();
  }
  EXPECT_EQ(done, (std::vector<std::string>{"write 1", "probe"}));
}

TEST(LedgerThread, DoesItAllInOrderAndOneSnapshotCanMoveHouse) {
  storage::MemoryLedgerHome from, to;
  StderrLogger logger;
  license::Ledger ledger;
  ledger.Apply({1, 1}, nullptr, nullptr);
  uint64_t digest = 0;
  std::vector<std::string> done;
  std::vector<license::RowChange> rows;
  LedgerResults results;
  results.written = [&] { done.push_back("written"); };
  results.synced = [&](license::LogPosition at) { done.push_back(absl::StrCat("to ", at.index)); };
  results.read = [&](SnapshotRows read) {
    done.push_back(absl::StrCat("read of ", read.applied.index, read.last ? ", last" : ""));
    rows = std::move(read.rows);
  };
  results.staged = [&](std::unique_ptr<license::Ledger> staged) {
    done.push_back("staged");
    digest = staged->Digest();
  };
  {
    LedgerThread thread(LedgerDisk(&from, *from.Open()), &logger, results);
    thread.Write(ledger.TakeChanges(), ledger.applied());
    thread.Sync();
    thread.ReadSnapshot(0, "", 1 << 20);
  }
  {
    LedgerThread thread(LedgerDisk(&to, *to.Open()), &logger, results);
    thread.StageRows(true, rows, ledger.applied());
    thread.AdoptStaged();
    thread.Write({}, {2, 1});
  }
  EXPECT_THAT(done, ::testing::ElementsAre("written", "to 1", "read of 1, last", "staged",
                                           "written", "written"));
  EXPECT_EQ(digest, ledger.Digest());
  EXPECT_EQ((*to.Open())->applied(), (license::LogPosition{2, 1}));
}

TEST(LogThreadDeathTest, AFailedSyncEndsTheProcessAndNothingIsCalledDurable) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        NotedLog::Notes notes;
        notes.status = absl::DataLossError("log-1: sync failed");
        notes.go_on.Notify();
        StderrLogger logger;
        LogThread thread(std::make_unique<NotedLog>(&notes), &logger, [](uint64_t) { _exit(3); });
        thread.Write(1, std::nullopt, std::nullopt, EntriesAt(1));
        absl::Notification never;
        never.WaitForNotification();
      },
      ::testing::ExitedWithCode(kExitDiskFailed), "log-1: sync failed");
}

}  // namespace
}  // namespace triad::server
