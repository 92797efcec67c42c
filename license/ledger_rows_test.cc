// The ledger as rows: what is written, and whether a ledger made from it is the same.
#include "license/ledger_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ItemOf;
using testing::kNoonMs;
using testing::MemoryStore;
using testing::OpenOf;
using testing::SessionNamed;
using testing::SetOf;
using ::testing::SizeIs;

constexpr char kTen[] = "INCREMENT f acme 1.0 permanent 10\n";
constexpr uint64_t kTerm = 5;

class LedgerRowsTest : public ::testing::Test {
 protected:
  void Apply(const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(kNoonMs);
    *record.mutable_command() = command;
    ledger_.Apply({ledger_.applied().index + 1, kTerm}, &record, nullptr);
  }
  void Install(absl::string_view lines) {
    v1::Command command;
    *command.mutable_install() = SetOf(lines, ledger_.license_set_number());
    Apply(command);
  }
  void Detach(absl::string_view name, uint64_t attachment) {
    v1::Command command;
    command.mutable_detach()->set_session(SessionNamed(name));
    command.mutable_detach()->set_attachment(attachment);
    Apply(command);
  }
  void Close(absl::string_view name) {
    v1::Command command;
    command.mutable_close()->set_session(SessionNamed(name));
    Apply(command);
  }

  Ledger ledger_;
};

TEST(RowKey, EncodedKeysAreReadBackAndOrderedLikeTheirRows) {
  using Key = RowKey::Kind;
  const SessionId low{0, 1};
  const SessionId high{0x80ull << 56, 0};
  const std::vector<RowKey> rows = {{Key::kHead},
                                    {Key::kLicenseSet},
                                    {Key::kMembers},
                                    {Key::kReservation, {}, 7},
                                    {Key::kSession, low},
                                    {Key::kSession, high},
                                    {Key::kResult, low, 1},
                                    {Key::kResult, low, 256},
                                    {Key::kResult, high, 0},
                                    {Key::kCheckout, {}, 101},
                                    {Key::kCheckout, {}, ~uint64_t{0}},
                                    {Key::kViolation, {}, 1},
                                    {Key::kWaiting, {}, 1}};
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(DecodeRowKey(EncodeRowKey(rows[i])), rows[i]) << i;
    if (i == 0) continue;
    EXPECT_LT(rows[i - 1], rows[i]) << i;
    EXPECT_LT(EncodeRowKey(rows[i - 1]), EncodeRowKey(rows[i])) << i;
  }
}

TEST(RowKey, OtherKeysAreNoRows) {
  for (const char* key : {"", "X", "Hx", "S", "Sshort", "T0123456789abcdef", "U1234567",
                          "U123456789", "S0123456789abcdef0"}) {
    EXPECT_EQ(DecodeRowKey(key), std::nullopt) << key;
  }
}

TEST_F(LedgerRowsTest, WhatCameAndWentBetweenTwoTakesLeavesNoRow) {
  Install(kTen);
  Apply(OpenOf("s"));
  ledger_.TakeChanges();
  Apply(OpenOf("t"));
  Apply(CheckoutOf("t", 1, {ItemOf("f")}));
  Close("t");
  const std::vector<RowChange> changes = ledger_.TakeChanges();
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].key, "H");
  EXPECT_THAT(ledger_.TakeChanges(), IsEmpty());
}

TEST_F(LedgerRowsTest, RowsAreNetAndInKeyOrder) {
  Install(kTen);
  Apply(OpenOf("s"));
  Apply(CheckoutOf("s", 1, {ItemOf("f")}));
  std::vector<RowChange> changes = ledger_.TakeChanges();
  const std::string id = SessionNamed("s");
  const std::string seq1("\0\0\0\0\0\0\0\1", 8);
  const std::string handle101("\0\0\0\0\0\0\0e", 8);
  std::vector<std::string> keys;
  for (const RowChange& change : changes) keys.push_back(change.key);
  EXPECT_THAT(keys, ElementsAre("H", "L", "S" + id, "T" + id + seq1, "U" + handle101));
  Apply(CheckinOf("s", 2, 101, 1));
  changes = ledger_.TakeChanges();
  ASSERT_THAT(changes, SizeIs(5)) << "and the license set is not written again";
  EXPECT_EQ(changes[2].key, "T" + id + seq1);
  EXPECT_FALSE(changes[2].value.has_value());
  EXPECT_TRUE(changes[3].value.has_value());
  EXPECT_EQ(changes[4].key, "U" + handle101);
  EXPECT_FALSE(changes[4].value.has_value());
}

TEST_F(LedgerRowsTest, TheDigestDoesNotDependOnWhenRowsAreTaken) {
  Install(kTen);
  Apply(OpenOf("s"));
  const uint64_t opened = ledger_.Digest();
  ledger_.TakeChanges();
  EXPECT_EQ(ledger_.Digest(), opened);
  Apply(CheckoutOf("s", 1, {ItemOf("f")}));
  EXPECT_NE(ledger_.Digest(), opened);
}

TEST_F(LedgerRowsTest, ARestoredLedgerContinuesIdentically) {
  Install(kTen);
  Apply(OpenOf("s"));
  Apply(CheckoutOf("s", 1, {ItemOf("f", 3, v1::EXACT, "1.0")}));
  Apply(OpenOf("t", 7, 2));
  Detach("t", 7);
  Install("INCREMENT g acme 1.0 permanent 4\n");
  Apply(testing::MembersOf("ABc"));
  Apply(testing::MembersOf("ABC"));
  v1::Command version;
  version.mutable_set_cluster_version()->set_version(2);
  Apply(version);
  v1::Command recovered;
  recovered.mutable_recovered()->set_hold_ms(5);
  Apply(recovered);
  MemoryStore store;
  ASSERT_TRUE(store.Write(ledger_.TakeChanges(), ledger_.applied()).ok());
  Ledger other;
  ASSERT_TRUE(other.Restore(store).ok());
  EXPECT_TRUE(other.CheckInvariants().ok());
  EXPECT_EQ(other.Digest(), ledger_.Digest());
  EXPECT_EQ(other.applied(), ledger_.applied());
  EXPECT_EQ(other.today(), ledger_.today());
  EXPECT_EQ(other.members().SerializeAsString(), ledger_.members().SerializeAsString());
  EXPECT_EQ(other.cluster_version(), 2u);
  EXPECT_EQ(other.no_grants_until_ms(), ledger_.no_grants_until_ms());
  EXPECT_THAT(other.TakeChanges(), IsEmpty());
  v1::LogRecord record;
  for (const v1::Command& command :
       {CheckoutOf("s", 1, {ItemOf("f", 3)}), CheckoutOf("s", 2, {ItemOf("g", 3)}),
        CheckinOf("s", 3, 101)}) {
    *record.mutable_command() = command;
    const LogPosition next{other.applied().index + 1, kTerm};
    EXPECT_EQ(other.Apply(next, &record, nullptr).SerializeAsString(),
              ledger_.Apply(next, &record, nullptr).SerializeAsString());
    EXPECT_EQ(other.Digest(), ledger_.Digest());
  }
}

TEST_F(LedgerRowsTest, TheMembersAreARowOfTheirOwnAndOfTheDigest) {
  Apply(OpenOf("s"));
  ledger_.TakeChanges();
  const uint64_t before = ledger_.Digest();
  Apply(testing::MembersOf("ABc"));
  const std::vector<RowChange> changes = ledger_.TakeChanges();
  ASSERT_THAT(changes, SizeIs(2));
  EXPECT_EQ(changes[1].key, "M");
  const uint64_t learner = ledger_.Digest();
  EXPECT_NE(learner, before);
  Apply(testing::MembersOf("ABC"));
  EXPECT_NE(ledger_.Digest(), learner);
  EXPECT_THAT(ledger_.TakeChanges(), SizeIs(2));
}

TEST_F(LedgerRowsTest, AnEmptyStoreRestoresAnEmptyLedger) {
  Apply(OpenOf("s"));
  MemoryStore store;
  EXPECT_TRUE(ledger_.Restore(store).ok());
  EXPECT_EQ(ledger_.Digest(), Ledger().Digest());
}

TEST_F(LedgerRowsTest, RowsThatDoNotFitTogetherAreDataLossAndChangeNothing) {
  Install(kTen);
  Apply(OpenOf("s"));
  Apply(CheckoutOf("s", 1, {ItemOf("f")}));
  const uint64_t digest = ledger_.Digest();
  MemoryStore good;
  ASSERT_TRUE(good.Write(ledger_.TakeChanges(), ledger_.applied()).ok());
  const std::string session_key = "S" + SessionNamed("s");
  using Spoil = std::function<void(MemoryStore&)>;
  const std::vector<std::pair<Spoil, std::string>> spoils = {
      {[](MemoryStore& store) { store.rows.erase("H"); }, "\"H\""},
      {[](MemoryStore& store) { store.rows.erase("L"); }, "\"L\""},
      {[](MemoryStore& store) { store.rows["X"] = ""; }, "\"X\""},
      {[](MemoryStore& store) { store.rows["M"] = "\x0a\x7f"; }, "\"M\""},
      {[](MemoryStore& store) { store.rows["M"] = ""; }, "\"M\""},
      {[](MemoryStore& store) { store.rows["Ushort"] = ""; }, "\"Ushort\""},
      {[&](MemoryStore& store) { store.rows.erase(session_key); }, "\"Ts..."},
      {[&](MemoryStore& store) { store.rows[session_key] = "\x0a\x7f"; }, "\"Ss..."},
      {[](MemoryStore& store) { store.rows.rbegin()->second = ""; }, "\"U"},
      {[](MemoryStore& store) {
         ASSERT_TRUE(store.Write({}, {store.applied().index + 1, 5}).ok());
       },
       "\"H\""},
  };
  for (const auto& [spoil, names] : spoils) {
    MemoryStore store = good;
    spoil(store);
    const absl::Status status = ledger_.Restore(store);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << names;
    EXPECT_THAT(std::string(status.message()), HasSubstr(names));
    EXPECT_EQ(ledger_.Digest(), digest);
  }
  EXPECT_TRUE(ledger_.Restore(good).ok());
}

}  // namespace
}  // namespace triad::license
