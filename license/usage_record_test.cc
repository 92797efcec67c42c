#include "license/usage_record.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "license/digest.h"
#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using testing::ItemOf;
using testing::OpenOf;
using testing::SetOf;

// A ledger of a cluster that records usage, with a set of licenses.
class UsageRecords : public ::testing::Test {
 protected:
  void SetUp() override {
    v1::Command version;
    version.mutable_set_cluster_version()->set_version(kUsageVersion);
    Do(version);
    v1::Command install;
    *install.mutable_install() = SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
    Do(install);
    Do(OpenOf("s"));
  }

  v1::Outcome Do(const v1::Command& command, Ledger* ledger = nullptr) {
    v1::LogRecord record;
    *record.mutable_command() = command;
    record.mutable_stamp()->set_cluster_ms(++now_);
    record.mutable_stamp()->set_wall_ms(testing::kNoonMs + static_cast<int64_t>(now_));
    record.mutable_stamp()->set_utc_offset_s(7200);
    if (ledger == nullptr) ledger = &ledger_;
    return ledger->Apply({ledger->applied().index + 1, 1}, &record, nullptr);
  }

  std::vector<v1::UsageRecord> Take() {
    std::vector<v1::UsageRecord> records;
    for (const UsageRow& row : ledger_.TakeUsage().rows) {
      bytes_.push_back(row.bytes);
      v1::UsageRecord record;
      EXPECT_TRUE(record.ParseFromString(row.bytes));
      EXPECT_EQ(record.number(), row.number);
      records.push_back(record);
    }
    return records;
  }

  Ledger ledger_;
  uint64_t now_ = 0;
  std::vector<std::string> bytes_;
};

TEST_F(UsageRecords, ACheckoutSaysWhoWhatWhenAndHowMuchIsOut) {
  Take();
  Do(CheckoutOf("s", 1, {ItemOf("f", 2, v1::EXACT, "1.0")}));
  const auto records = Take();
  ASSERT_EQ(records.size(), 1u);
  const v1::UsageRecord& record = records[0];
  EXPECT_EQ(record.kind(), v1::UsageRecord::CHECKED_OUT);
  EXPECT_EQ(record.number(), 2u);
  EXPECT_EQ(record.index(), 4u);
  EXPECT_EQ(record.wall_ms(), testing::kNoonMs + 4);
  EXPECT_EQ(record.utc_offset_s(), 7200);
  EXPECT_EQ(record.feature(), "f");
  EXPECT_EQ(record.vendor(), "acme");
  EXPECT_EQ(record.version(), "1.0");
  EXPECT_EQ(record.count(), 2u);
  EXPECT_EQ(record.handle(), 101u);
  EXPECT_EQ(record.user(), "ann");
  EXPECT_EQ(record.host(), "desk1");
  EXPECT_EQ(record.address(), "10.0.0.7");
  EXPECT_EQ(record.used(), 2u);
  EXPECT_EQ(record.licensed(), 2u);
}

TEST_F(UsageRecords, AnInstallIsTheFirstRecordAndFollowsNone) {
  const auto records = Take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].kind(), v1::UsageRecord::LICENSES_CHANGED);
  EXPECT_EQ(records[0].count(), 1u);
  EXPECT_EQ(records[0].previous(), "");
}

TEST_F(UsageRecords, ADenialSaysWhoHeldTheLicenses) {
  Do(CheckoutOf("s", 1, {ItemOf("f", 2)}));
  Do(OpenOf("t"));
  Take();
  Do(CheckoutOf("t", 1, {ItemOf("f", 1, v1::EXACT, "1.0")}));
  const auto records = Take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].kind(), v1::UsageRecord::DENIED);
  EXPECT_EQ(records[0].code(), -4);
  EXPECT_EQ(records[0].reason(), "all licenses in use");
  EXPECT_EQ(records[0].count(), 1u);
  EXPECT_EQ(records[0].version(), "1.0");
  EXPECT_EQ(records[0].held_by(), "ann@desk1 (2)");
  EXPECT_EQ(records[0].used(), 2u);
}

TEST_F(UsageRecords, AnEndedSessionsCheckInSaysWhoItWas) {
  Do(CheckoutOf("s", 1, {ItemOf("f")}));
  Take();
  v1::Command close;
  close.mutable_close()->set_session(testing::SessionNamed("s"));
  Do(close);
  const auto records = Take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].kind(), v1::UsageRecord::CHECKED_IN);
  EXPECT_EQ(records[0].reason(), "closed");
  EXPECT_EQ(records[0].user(), "ann");
  EXPECT_EQ(records[0].used(), 0u);
  EXPECT_NE(records[0].start_wall_ms(), 0);
}

TEST_F(UsageRecords, ARequestAnsweredAgainIsNotRecordedAgain) {
  Do(CheckoutOf("s", 1, {ItemOf("f")}));
  Take();
  Do(CheckoutOf("s", 1, {ItemOf("f")}));
  EXPECT_TRUE(Take().empty());
}

TEST_F(UsageRecords, AnActThatIsAskedForAgainIsRecordedOnce) {
  Take();
  v1::Command act;
  act.mutable_admin()->set_id("0123456789abcdef");
  act.mutable_admin()->set_who("root");
  act.mutable_admin()->mutable_noted()->set_what("drain node 2");
  Do(act);
  EXPECT_EQ(Take().size(), 1u);
  Do(act);
  EXPECT_TRUE(Take().empty());
  act.mutable_admin()->set_id("another 16 bytes");
  Do(act);
  EXPECT_EQ(Take().size(), 1u);
}

TEST_F(UsageRecords, HideUserKeepsNamesOutOfTheRecordsThemselves) {
  v1::Command install;
  *install.mutable_install() = SetOf("FEATURE f acme 1.0 permanent 2\n", 1);
  v1::InstallLicenses::File& options = *install.mutable_install()->add_option_files();
  options.set_name("acme");
  options.set_content("REPORTLOG +/var/log/x HIDE_USER\n");
  Do(install);
  Do(OpenOf("t"));
  Take();
  Do(CheckoutOf("s", 1, {ItemOf("f", 2)}));
  Do(CheckoutOf("t", 1, {ItemOf("f", 1)}));
  const auto records = Take();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].user().substr(0, 5), "user-");
  EXPECT_EQ(records[0].user(), records[1].user());
  for (const v1::UsageRecord& record : records) {
    EXPECT_EQ(record.SerializeAsString().find("ann"), std::string::npos);
  }
}

TEST_F(UsageRecords, NothingIsRecordedBeforeAllNodesDo) {
  Ledger old;
  v1::Command install;
  *install.mutable_install() = SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
  Do(install, &old);
  EXPECT_TRUE(old.TakeUsage().rows.empty());
  EXPECT_EQ(old.usage_chain().count(), 0u);
}

TEST_F(UsageRecords, ThoseOfAClusterThatBeginsToRecordBeginWithTheLicensesInForce) {
  Ledger old;
  v1::Command install;
  *install.mutable_install() = SetOf("FEATURE f acme 1.0 permanent 2\n", 0);
  install.mutable_install()->set_from_node(2);
  Do(install, &old);
  v1::Command version;
  version.mutable_set_cluster_version()->set_version(kUsageVersion);
  Do(version, &old);
  const auto rows = old.TakeUsage().rows;
  ASSERT_EQ(rows.size(), 1u);
  v1::UsageRecord record;
  ASSERT_TRUE(record.ParseFromString(rows[0].bytes));
  EXPECT_EQ(record.kind(), v1::UsageRecord::LICENSES_CHANGED);
  EXPECT_EQ(record.count(), 1u);
  EXPECT_EQ(record.node(), 2u);
}

TEST_F(UsageRecords, AnAddressIsWrittenAsPeopleDo) {
  for (const auto& [peer, address] :
       std::vector<std::pair<std::string, std::string>>{{"ipv4:10.0.0.7:4711", "10.0.0.7:4711"},
                                                        {"ipv6:%5B::1%5D:4711", "[::1]:4711"},
                                                        {"unix:/run/triad/admin.sock", "local"},
                                                        {"10.0.0.7", "10.0.0.7"}}) {
    const std::string name = absl::StrCat("p", address);
    v1::Command open = OpenOf(name.substr(0, 10));
    open.mutable_open()->mutable_identity()->set_peer_address(peer);
    Do(open);
    Take();
    Do(CheckoutOf(name.substr(0, 10), 1, {ItemOf("none")}));
    const auto records = Take();
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].address(), address);
  }
}

TEST_F(UsageRecords, TheChainGoesOnInARestoredLedger) {
  Do(CheckoutOf("s", 1, {ItemOf("f")}));
  Take();
  testing::MemoryStore store;
  ASSERT_TRUE(store.Write(ledger_.TakeChanges(), ledger_.applied()).ok());
  Ledger restored;
  ASSERT_TRUE(restored.Restore(store).ok());
  const uint64_t now = now_;
  Do(CheckinOf("s", 2, 101));
  now_ = now;
  Do(CheckinOf("s", 2, 101), &restored);
  EXPECT_EQ(restored.usage_chain().SerializeAsString(), ledger_.usage_chain().SerializeAsString());
  EXPECT_EQ(restored.Digest(), ledger_.Digest());
  EXPECT_EQ(restored.TakeUsage().rows, ledger_.TakeUsage().rows);
}

class UsageChains : public UsageRecords {
 protected:
  void SetUp() override {
    UsageRecords::SetUp();
    for (uint64_t i = 0; i < 4; ++i) {
      Do(CheckoutOf("s", 2 * i + 1, {ItemOf("f")}));
      Do(CheckinOf("s", 2 * i + 2, 101 + i));
    }
    Take();
  }
  // The first complaint, "" for none.
  std::string Verify() {
    UsageVerifier verifier;
    for (const std::string& bytes : bytes_) {
      const absl::Status status = verifier.Add(bytes);
      if (!status.ok()) return std::string(status.message());
    }
    return std::string(verifier.End(ledger_.usage_chain()).message());
  }
};

TEST_F(UsageChains, AnUntouchedOneIsGood) {
  EXPECT_EQ(bytes_.size(), 9u);
  EXPECT_EQ(Verify(), "");
}

TEST_F(UsageChains, AChangedRecordIsNamed) {
  v1::UsageRecord record;
  ASSERT_TRUE(record.ParseFromString(bytes_[4]));
  record.set_user("bob");
  bytes_[4] = record.SerializeAsString();
  EXPECT_EQ(Verify(), "record 5 was changed: record 6 holds another hash of it");
}

TEST_F(UsageChains, AMissingRecordIsNamed) {
  bytes_.erase(bytes_.begin() + 4);
  EXPECT_EQ(Verify(), "record 5 is missing: record 6 stands in its place");
}

TEST_F(UsageChains, AChangedLastRecordIsFoundByTheLedgersHead) {
  v1::UsageRecord record;
  ASSERT_TRUE(record.ParseFromString(bytes_.back()));
  record.set_count(7);
  bytes_.back() = record.SerializeAsString();
  EXPECT_EQ(Verify(), "record 9 is not the one that the chain ends with: it was changed");
}

TEST_F(UsageChains, ACutOffEndIsFoundByTheLedgersHead) {
  bytes_.pop_back();
  EXPECT_EQ(Verify(), "the last record is 8, and the chain ends with 9");
}

TEST_F(UsageChains, ACutOffBeginningIsFound) {
  v1::UsageRecord record;
  ASSERT_TRUE(record.ParseFromString(bytes_[3]));
  bytes_.erase(bytes_.begin(), bytes_.begin() + 3);
  record.set_number(1);
  bytes_[0] = record.SerializeAsString();
  EXPECT_EQ(Verify(), "record 1 follows another: its beginning was cut off");
}

TEST_F(UsageChains, PruningIsRecordedWithTheHashOfWhatIsGone) {
  v1::Command prune;
  prune.mutable_prune_usage()->set_before(4);
  prune.mutable_prune_usage()->set_hash(UsageHash(bytes_[2]));
  prune.mutable_prune_usage()->set_reason("older than 400 days");
  EXPECT_TRUE(Do(prune).has_done());
  EXPECT_EQ(ledger_.usage_chain().first(), 4u);
  const auto records = Take();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].kind(), v1::UsageRecord::PRUNED);
  EXPECT_EQ(records[0].count(), 4u);
  EXPECT_EQ(records[0].pruned_hash(), UsageHash(bytes_[2]));
  EXPECT_EQ(ledger_.TakeUsage().first, 4u);
  bytes_.erase(bytes_.begin(), bytes_.begin() + 3);
  EXPECT_EQ(Verify(), "");
}

TEST_F(UsageChains, PruningGoesForwardOnlyAndNotBeyondTheEnd) {
  v1::Command prune;
  for (const uint64_t before : {uint64_t{0}, uint64_t{1}, uint64_t{10}}) {
    prune.mutable_prune_usage()->set_before(before);
    EXPECT_TRUE(Do(prune).has_refused()) << before;
  }
  prune.mutable_prune_usage()->set_before(5);
  EXPECT_TRUE(Do(prune).has_done());
  EXPECT_TRUE(Do(prune).has_refused());
}

TEST(UsageRecord, AHashedNameStaysTheSameAndNeedsTheKey) {
  EXPECT_EQ(HashedName("key", "ann"), HashedName("key", "ann"));
  EXPECT_NE(HashedName("key", "ann"), HashedName("key", "bob"));
  EXPECT_NE(HashedName("key", "ann"), HashedName("other", "ann"));
  EXPECT_EQ(HashedName("key", ""), "");
  EXPECT_EQ(HashedName("key", "ann").size(), 17u);
}

}  // namespace
}  // namespace triad::license
