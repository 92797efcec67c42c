#include "server/disk_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/system.h"

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
  absl::Status TrimBefore(Index, Term) override { return absl::OkStatus(); }

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
