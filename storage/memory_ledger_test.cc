#include "storage/memory_ledger.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace triad::storage {
namespace {

using license::LedgerStore;
using license::LogPosition;
using license::RowChange;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> KeysOf(LedgerStore& store) {
  std::vector<std::string> keys;
  EXPECT_TRUE(store
                  .Load([&](absl::string_view key, absl::string_view) {
                    keys.emplace_back(key);
                    return absl::OkStatus();
                  })
                  .ok());
  return keys;
}

TEST(MemoryLedger, ACrashTakesBackWholeBatchesFromTheEndAndNothingThatWasSynced) {
  for (uint32_t left = 0; left <= 2; ++left) {
    MemoryLedgerHome home;
    auto store = *home.Open();
    ASSERT_TRUE(store->Write({{"a", "1"}, {"b", "1"}}, {1, 1}).ok());
    ASSERT_TRUE(store->Sync().ok());
    ASSERT_TRUE(store->Write({{"a", std::nullopt}, {"c", "2"}}, {2, 1}).ok());
    ASSERT_TRUE(store->Write({{"d", "3"}}, {3, 1}).ok());
    home.Crash([left](uint32_t bound) {
      EXPECT_EQ(bound, 3u);
      return left;
    });
    EXPECT_TRUE(absl::IsUnavailable(store->Write({}, {4, 1})));
    store = *home.Open();
    EXPECT_EQ(store->applied(), (LogPosition{1 + left, 1}));
    const std::vector<std::vector<std::string>> expected = {
        {"a", "b"}, {"b", "c"}, {"b", "c", "d"}};
    EXPECT_EQ(KeysOf(*store), expected[left]);
  }
}

TEST(MemoryLedger, AViewStandsStillAndIsReadInParts) {
  MemoryLedgerHome home;
  auto store = *home.Open();
  ASSERT_TRUE(store->Write({{"a", "1"}, {"b", "22"}, {"c", "3"}}, {1, 1}).ok());
  auto view = *store->TakeView();
  ASSERT_TRUE(store->Write({{"b", std::nullopt}}, {2, 1}).ok());
  std::vector<RowChange> rows;
  bool last = true;
  ASSERT_TRUE(view->Read("", 5, &rows, &last).ok());
  EXPECT_EQ(rows.size(), 2u);
  EXPECT_FALSE(last);
  ASSERT_TRUE(view->Read("b", 5, &rows, &last).ok());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key, "c");
  EXPECT_TRUE(last);
  EXPECT_EQ(view->applied(), (LogPosition{1, 1}));
}

TEST(MemoryLedger, AReceivedStoreTakesThePlaceOfTheOneInForce) {
  MemoryLedgerHome home;
  EXPECT_TRUE(absl::IsNotFound(home.OpenIncoming(false).status()));
  ASSERT_TRUE((*home.Open())->Write({{"old", "1"}}, {1, 1}).ok());
  auto incoming = *home.OpenIncoming(true);
  ASSERT_TRUE(incoming->Write({{"new", "1"}}, {9, 2}).ok());
  ASSERT_TRUE(incoming->Sync().ok());
  incoming.reset();
  ASSERT_TRUE(home.Adopt().ok());
  EXPECT_FALSE(home.incoming_exists());
  home.Crash([](uint32_t) { return 0; });
  auto store = *home.Open();
  EXPECT_EQ(store->applied(), (LogPosition{9, 2}));
  EXPECT_THAT(KeysOf(*store), ElementsAre("new"));
}

TEST(MemoryLedger, ADamagedOneDoesNotOpenUntilItIsThrownAway) {
  MemoryLedgerHome home;
  ASSERT_TRUE((*home.Open())->Write({{"a", "1"}}, {1, 1}).ok());
  home.Damage();
  EXPECT_TRUE(absl::IsDataLoss(home.Open().status()));
  ASSERT_TRUE(home.Destroy().ok());
  EXPECT_THAT(KeysOf(**home.Open()), IsEmpty());
}

}  // namespace
}  // namespace triad::storage
