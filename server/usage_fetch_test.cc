#include "server/usage_fetch.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "license/usage_record.h"

namespace triad::server {
namespace {

using quorum::Slot;

constexpr auto kOther = static_cast<Slot>(2);

// A chain of records, and a node that lacks some of it.
class UsageFetchTest : public ::testing::Test, public SnapshotTransport, public LedgerWriter {
 protected:
  UsageFetchTest() : fetch_(this, this, [](Slot) { return v1::Hello(); }) {
    std::string previous;
    for (uint64_t number = 1; number <= 20; ++number) {
      v1::UsageRecord record;
      record.set_number(number);
      record.set_user("ann");
      record.set_previous(previous);
      bytes_[number] = record.SerializeAsString();
      previous = license::UsageHash(bytes_[number]);
    }
    chain_.set_count(20);
    chain_.set_head(previous);
  }

  void Fetch(Slot, v1::SnapshotRequest) override {}
  void FetchUsage(Slot from, v1::UsageRequest request) override {
    EXPECT_EQ(from, kOther);
    requests_.push_back(std::move(request));
  }
  void Write(std::vector<license::RowChange>, license::LogPosition) override {}
  void Sync() override {}
  void ReadSnapshot(uint64_t, std::string, size_t) override {}
  void CloseSnapshot(uint64_t) override {}
  void StageRows(bool, std::vector<license::RowChange>,
                 std::optional<license::LogPosition>) override {}
  void AdoptStaged() override {}
  bool FindUsageGap() override {
    ++looked_;
    return true;
  }
  void FillUsage(std::vector<license::UsageRow> rows) override {
    for (const license::UsageRow& row : rows) filled_[row.number] = row.bytes;
  }

  v1::UsageChunk Chunk(uint64_t first, uint64_t to) const {
    v1::UsageChunk chunk;
    chunk.set_first(first);
    for (uint64_t number = first; number < to; ++number) chunk.add_records(bytes_.at(number));
    return chunk;
  }
  std::string HashOf(uint64_t number) const { return license::UsageHash(bytes_.at(number)); }

  std::map<uint64_t, std::string> bytes_;
  std::map<uint64_t, std::string> filled_;
  v1::UsageChain chain_;
  std::vector<v1::UsageRequest> requests_;
  int looked_ = 0;
  UsageFetch fetch_;
};

TEST_F(UsageFetchTest, WhatIsMissingIsAskedForChunkByChunkTheNewestFirst) {
  fetch_.Tick(kOther, 0);
  EXPECT_EQ(looked_, 1);
  fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, 0);
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].from(), 3u);
  EXPECT_EQ(requests_[0].to(), 11u);
  fetch_.OnChunk(kOther, Chunk(7, 11), 1);
  EXPECT_EQ(filled_.size(), 4u);
  fetch_.OnFilled(2);
  fetch_.Tick(kOther, 10);
  fetch_.OnGap({{3, 7}, HashOf(6)}, chain_, 10);
  fetch_.OnChunk(kOther, Chunk(3, 7), 11);
  EXPECT_EQ(filled_.size(), 8u);
  EXPECT_EQ(filled_.begin()->first, 3u);
  EXPECT_EQ(fetch_.complaint(), "");
}

TEST_F(UsageFetchTest, AtTheEndTheLedgersChainIsWhatRecordsMustFit) {
  fetch_.Tick(kOther, 0);
  fetch_.OnGap({{1, 21}, ""}, chain_, 0);
  fetch_.OnChunk(kOther, Chunk(1, 21), 1);
  EXPECT_EQ(filled_.size(), 20u);
}

TEST_F(UsageFetchTest, ARecordThatWasTamperedWithIsNotTaken) {
  v1::UsageRecord record;
  ASSERT_TRUE(record.ParseFromString(bytes_[8]));
  record.set_user("bob");
  v1::UsageChunk chunk = Chunk(7, 11);
  *chunk.mutable_records(1) = record.SerializeAsString();
  fetch_.Tick(kOther, 0);
  fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, 0);
  fetch_.OnChunk(kOther, chunk, 1);
  EXPECT_TRUE(filled_.empty());
  EXPECT_TRUE(absl::StrContains(fetch_.complaint(), "record 8 is not the one"))
      << fetch_.complaint();
}

TEST_F(UsageFetchTest, OtherRecordsThanAskedForAreNotTaken) {
  for (const auto& [first, to] : std::vector<std::pair<uint64_t, uint64_t>>{{7, 10}, {2, 11}}) {
    fetch_.Tick(kOther, 10'000 * static_cast<int64_t>(to));
    fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, 10'000 * static_cast<int64_t>(to));
    fetch_.OnChunk(kOther, Chunk(first, to), 10'000 * static_cast<int64_t>(to));
    EXPECT_TRUE(filled_.empty());
  }
}

TEST_F(UsageFetchTest, AnAnswerThatIsLostIsAskedForAgain) {
  fetch_.Tick(kOther, 0);
  fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, 0);
  fetch_.Tick(kOther, 60'000);
  fetch_.Tick(kOther, 70'000);
  EXPECT_EQ(looked_, 2);
  fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, 70'000);
  EXPECT_EQ(requests_.size(), 2u);
  fetch_.OnFailed(kOther, 70'001);
  fetch_.OnChunk(kOther, Chunk(7, 11), 70'002);
  EXPECT_TRUE(filled_.empty()) << "an answer that is not waited for any more";
}

// A gap that no node can fill must not be asked for, and told of, every second for ever.
TEST_F(UsageFetchTest, WhatNobodyHasIsAskedForEverMoreSeldom) {
  constexpr int64_t kHourMs = 3'600'000;
  for (int64_t now = 0; now < kHourMs; now += 500) {
    fetch_.Tick(kOther, now);
    fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, now);
    if (requests_.size() > fetch_.failures()) fetch_.OnChunk(kOther, Chunk(11, 11), now);
  }
  EXPECT_GE(requests_.size(), 6u) << "it gave up";
  EXPECT_LE(requests_.size(), 40u);
  EXPECT_EQ(fetch_.complaint(), "fetching usage records from node 2: it lacks them too");
}

TEST_F(UsageFetchTest, WhoHasAnsweredIsAskedOnAndAJumpBeginsAnew) {
  int64_t now = 0;
  const auto ask = [&](const v1::UsageChunk& chunk) {
    fetch_.Tick(kOther, now);
    fetch_.OnGap({{3, 11}, HashOf(10)}, chain_, now);
    fetch_.OnChunk(kOther, chunk, now);
    now += 1'000'000;
  };
  ask(Chunk(11, 11));
  EXPECT_EQ(fetch_.failures(), 1u);
  ask(Chunk(7, 11));
  fetch_.OnFilled(now);
  EXPECT_EQ(fetch_.failures(), 1u) << "the one that lacks them would be asked again";

  for (int i = 0; i < 12; ++i) ask(Chunk(11, 11));
  const int looked = looked_;
  now -= 999'000;  // a second after the last answer
  fetch_.Tick(kOther, now);
  EXPECT_EQ(looked_, looked);
  fetch_.Forget();
  fetch_.Tick(kOther, now);
  EXPECT_EQ(looked_, looked + 1);
}

TEST_F(UsageFetchTest, WhereNothingIsMissingNobodyIsAsked) {
  fetch_.Tick(kOther, 0);
  fetch_.OnGap({}, chain_, 0);
  EXPECT_TRUE(requests_.empty());
  fetch_.Tick(Slot::kNone, 100'000);
  EXPECT_EQ(looked_, 1);
}

}  // namespace
}  // namespace triad::server
