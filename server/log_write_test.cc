#include "server/log_write.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace triad::server {
namespace {

using quorum::Entry;
using quorum::HardState;
using quorum::Index;
using quorum::LogStart;
using quorum::Slot;
using quorum::Term;

std::vector<Entry> EntriesAt(uint64_t index, uint64_t term = 1) {
  return {{Term(term), Index(index), quorum::EntryKind::kCommand,
           std::make_shared<const std::string>("x")}};
}

TEST(LogWrite, WhatFollowsOneAnotherIsOneWrite) {
  std::deque<LogWrite> waiting;
  waiting.push_back({1, std::nullopt, std::nullopt, EntriesAt(10)});
  waiting.push_back({2, std::nullopt, std::nullopt, {}});
  waiting.push_back({3, std::nullopt, std::nullopt, EntriesAt(11)});
  const LogWrite joined = TakeJoined(&waiting);
  EXPECT_EQ(joined.id, 3u);
  EXPECT_EQ(joined.entries.size(), 2u);
  EXPECT_TRUE(waiting.empty());
}

TEST(LogWrite, ACutAndAGapBeginAnotherWrite) {
  for (const uint64_t next : {10, 9, 12}) {
    std::deque<LogWrite> waiting;
    waiting.push_back({1, std::nullopt, std::nullopt, EntriesAt(10)});
    waiting.push_back({2, std::nullopt, std::nullopt, EntriesAt(next, 2)});
    EXPECT_EQ(TakeJoined(&waiting).id, 1u) << next;
    EXPECT_EQ(TakeJoined(&waiting).entries.front().index, Index(next));
  }
}

TEST(LogWrite, ANewerVoteTakesTheOldersPlaceOnlyBeforeEntries) {
  std::deque<LogWrite> waiting;
  waiting.push_back({1, HardState{Term(4), Slot::k1}, std::nullopt, {}});
  waiting.push_back({2, HardState{Term(5), Slot::k2}, std::nullopt, EntriesAt(10)});
  waiting.push_back({3, HardState{Term(6), Slot::k3}, std::nullopt, EntriesAt(11)});
  const LogWrite joined = TakeJoined(&waiting);
  EXPECT_EQ(joined.id, 2u);
  EXPECT_EQ(joined.hard_state, (HardState{Term(5), Slot::k2}));
  EXPECT_EQ(waiting.size(), 1u);
}

TEST(LogWrite, ANewStartBeginsAnotherWriteAndMayBeFollowed) {
  std::deque<LogWrite> waiting;
  waiting.push_back({1, std::nullopt, std::nullopt, EntriesAt(10)});
  waiting.push_back({2, std::nullopt, LogStart{Index(10), Term(1), {}}, {}});
  waiting.push_back({3, std::nullopt, std::nullopt, EntriesAt(11)});
  EXPECT_EQ(TakeJoined(&waiting).id, 1u);
  const LogWrite started = TakeJoined(&waiting);
  EXPECT_EQ(started.id, 3u);
  EXPECT_TRUE(started.start.has_value());
}

}  // namespace
}  // namespace triad::server
