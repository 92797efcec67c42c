#include "quorum/message.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "quorum/limits.h"

namespace triad::quorum {
namespace {

Entry EntryOf(uint64_t term, uint64_t index) {
  return {Term(term), Index(index), EntryKind::kCommand, std::make_shared<const std::string>("x")};
}

Message AppendOf(AppendRequest request) {
  return {Slot::k1, Slot::k2, Term(5), std::move(request)};
}

AppendRequest Good() {
  AppendRequest request;
  request.prev_index = Index(7);
  request.prev_term = Term(3);
  request.entries = {EntryOf(3, 8), EntryOf(5, 9)};
  return request;
}

TEST(Message, AnAppendWithRisingIndexesAndTermsIsWellFormed) {
  EXPECT_TRUE(IsWellFormed(AppendOf(Good())));
}

TEST(Message, AnAppendThatNoLeaderSendsIsNot) {
  AppendRequest gap = Good();
  gap.entries[1].index = Index(10);
  EXPECT_FALSE(IsWellFormed(AppendOf(gap)));
  AppendRequest falling = Good();
  falling.entries = {EntryOf(4, 8), EntryOf(3, 9)};
  EXPECT_FALSE(IsWellFormed(AppendOf(falling)));
  AppendRequest future = Good();
  future.entries[1].term = Term(6);
  EXPECT_FALSE(IsWellFormed(AppendOf(future)));
  AppendRequest origin = Good();
  origin.prev_index = Index(0);
  EXPECT_FALSE(IsWellFormed(AppendOf(origin))) << "before the first entry there is no term";
  AppendRequest empty = Good();
  empty.entries[0].payload = nullptr;
  EXPECT_FALSE(IsWellFormed(AppendOf(empty)));
}

TEST(Message, NumbersThatWouldOverflowAreNotWellFormed) {
  AppendRequest request = Good();
  request.commit = Index(UINT64_MAX);
  EXPECT_FALSE(IsWellFormed(AppendOf(request)));
  AppendResponse response;
  response.match = Index(UINT64_MAX);
  EXPECT_FALSE(IsWellFormed({Slot::k1, Slot::k2, Term(5), response}));
  EXPECT_FALSE(IsWellFormed({Slot::k1, Slot::k2, Term(UINT64_MAX), TimeoutNow{}}));
}

TEST(Message, AVoteForALogFromTheFutureIsNotWellFormed) {
  VoteRequest vote;
  vote.last_term = Term(6);
  EXPECT_FALSE(IsWellFormed({Slot::k1, Slot::k2, Term(5), vote}));
}

}  // namespace
}  // namespace triad::quorum
