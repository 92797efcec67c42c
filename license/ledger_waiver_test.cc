// Waivers: thirty days of the cluster's own date for a node on other hardware.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckoutOf;
using ::testing::HasSubstr;
using testing::ItemOf;
using testing::kNoonMs;
using testing::OpenOf;
using testing::SetOf;

constexpr int64_t kDayMs = 24LL * 3'600 * 1'000;

class LedgerWaiverTest : public ::testing::Test {
 protected:
  LedgerWaiverTest() {
    v1::Command version;
    version.mutable_set_cluster_version()->set_version(kWaiverVersion);
    Apply(version);
    v1::Command install;
    *install.mutable_install() = SetOf(
        "FEATURE f acme 1.0 permanent 50\nFEATURE free acme 1.0 permanent uncounted HOSTID=ANY\n",
        0);
    Apply(install);
    Apply(OpenOf("s"));
  }

  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_cluster_ms(++cluster_ms_);
    record.mutable_stamp()->set_wall_ms(wall_ms_);
    *record.mutable_command() = command;
    events_.clear();
    v1::Outcome outcome = ledger_.Apply({++index_, 1}, &record, &events_);
    EXPECT_TRUE(ledger_.CheckInvariants().ok());
    return outcome;
  }
  // Nodes 1 to `count`, of which those in `waived` run on other machines.
  v1::Command MembersOf(int count, const std::vector<std::string>& waived,
                        const std::string& incarnations = "abc") {
    v1::Command command;
    for (int slot = 1; slot <= count; ++slot) {
      auto* node = command.mutable_members()->add_nodes();
      const auto i = static_cast<size_t>(slot) - 1;
      node->set_slot(static_cast<uint32_t>(slot));
      node->set_incarnation(std::string(16, incarnations[i]));
      node->set_voter(true);
      node->set_waiver(i < waived.size() && !waived[i].empty());
      if (node->waiver()) node->set_host_id(waived[i]);
    }
    return command;
  }
  v1::Outcome Ask(const std::string& feature = "f") {
    return Apply(CheckoutOf("s", ++seq_, {ItemOf(feature)}));
  }
  v1::Outcome PassTime() {
    v1::Command command;
    command.mutable_time_passes();
    return Apply(command);
  }

  Ledger ledger_;
  std::vector<LedgerEvent> events_;
  uint64_t index_ = 0;
  uint64_t cluster_ms_ = 0;
  int64_t wall_ms_ = kNoonMs;
  uint64_t seq_ = 0;
};

TEST_F(LedgerWaiverTest, LastsThirtyDaysOfTheHighestDateSeen) {
  Apply(MembersOf(1, {"00aa"}));
  EXPECT_EQ(ledger_.members().nodes(0).waiver_ends_wall_ms(), kNoonMs + 30 * kDayMs);
  EXPECT_EQ(ledger_.NextDueAt().wall_ms.value_or(0) <= kNoonMs + 30 * kDayMs, true);
  wall_ms_ = kNoonMs + 30 * kDayMs - 1;
  EXPECT_TRUE(Ask().has_granted());
  EXPECT_FALSE(ledger_.members().nodes(0).waiver_over());
  wall_ms_ = kNoonMs + 30 * kDayMs;
  PassTime();
  EXPECT_TRUE(ledger_.members().nodes(0).waiver_over());
  ASSERT_FALSE(events_.empty());
  EXPECT_EQ(events_.back().kind, LedgerEvent::Kind::kMembers) << "it is recorded";
  const v1::Outcome denied = Ask();
  EXPECT_EQ(denied.denied().code(), -9);
  EXPECT_THAT(denied.denied().reason(), HasSubstr("the waiver is over"));
  EXPECT_TRUE(Ask("free").has_granted()) << "uncounted lines are served";
  EXPECT_EQ(ledger_.checkouts().size(), 2u) << "nobody is thrown out";
  wall_ms_ = kNoonMs;
  EXPECT_TRUE(Ask().has_denied()) << "a clock that is set back wins nothing";
}

TEST_F(LedgerWaiverTest, OneOfThreeThatIsOverStopsNothingAndTwoStopCountedLines) {
  Apply(MembersOf(3, {"", "", "00cc"}));
  wall_ms_ += 31 * kDayMs;
  EXPECT_TRUE(Ask().has_granted());
  EXPECT_TRUE(ledger_.members().nodes(2).waiver_over());
  Apply(MembersOf(3, {"", "00bb", "00cc"}, "aBc"));
  EXPECT_TRUE(Ask().has_granted()) << "node 2 has just got one";
  wall_ms_ += 31 * kDayMs;
  EXPECT_EQ(Ask().denied().reason(),
            "license server 2, 3 run on other hardware than was licensed, and the waiver is over");
  Apply(MembersOf(3, {"", "", "00cc"}, "aBc"));
  EXPECT_TRUE(Ask().has_granted()) << "node 2 runs on the licensed machine again";
}

TEST_F(LedgerWaiverTest, ANewIncarnationOnTheSameMachineWinsNoDay) {
  Apply(MembersOf(1, {"00aa"}));
  wall_ms_ += 20 * kDayMs;
  Apply(MembersOf(1, {"00aa"}, "A"));
  EXPECT_EQ(ledger_.members().nodes(0).waiver_ends_wall_ms(), kNoonMs + 30 * kDayMs);
  wall_ms_ += 20 * kDayMs;
  PassTime();
  Apply(MembersOf(1, {"00aa"}, "B"));
  EXPECT_TRUE(ledger_.members().nodes(0).waiver_over());
  Apply(MembersOf(1, {"00bb"}, "C"));
  EXPECT_FALSE(ledger_.members().nodes(0).waiver_over()) << "another machine";
}

// What the entry itself says of it does not count: only Apply dates.
TEST_F(LedgerWaiverTest, AnEntryCannotSayWhenItEnds) {
  v1::Command members = MembersOf(1, {"00aa"});
  members.mutable_members()->mutable_nodes(0)->set_waiver_ends_wall_ms(INT64_MAX);
  Apply(members);
  EXPECT_EQ(ledger_.members().nodes(0).waiver_ends_wall_ms(), kNoonMs + 30 * kDayMs);
}

TEST(LedgerWaiver, OneFromBeforeTheClusterKnewOfAnEndBeginsWhenItDoes) {
  Ledger ledger;
  const auto apply = [&ledger](uint64_t index, const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(kNoonMs + static_cast<int64_t>(index));
    *record.mutable_command() = command;
    ledger.Apply({index, 1}, &record, nullptr);
  };
  v1::Command members;
  auto* node = members.mutable_members()->add_nodes();
  node->set_slot(1);
  node->set_incarnation(std::string(16, 'a'));
  node->set_voter(true);
  node->set_waiver(true);
  node->set_host_id("00aa");
  apply(1, members);
  EXPECT_EQ(ledger.members().nodes(0).waiver_ends_wall_ms(), 0);
  v1::Command version;
  version.mutable_set_cluster_version()->set_version(kWaiverVersion);
  apply(2, version);
  v1::Command time;
  time.mutable_time_passes();
  apply(3, time);
  EXPECT_EQ(ledger.members().nodes(0).waiver_ends_wall_ms(), kNoonMs + 3 + kWaiverMs);
}

constexpr char kLines[] = "FEATURE f acme 1.0 permanent 50\n";

// Three machines, of which the third's host id is `third`.
std::string Servers(const std::string& third) {
  return "SERVER lic1 0000000000a1 27000\nSERVER lic2 0000000000a2 27000\nSERVER lic3 " + third +
         " 27000\n";
}

v1::Command InstallOf(const v1::InstallLicenses& set) {
  v1::Command install;
  *install.mutable_install() = set;
  return install;
}

class RelicenseTest : public LedgerWaiverTest {
 protected:
  explicit RelicenseTest(uint32_t version = kRelicenseVersion) {
    v1::Command to;
    to.mutable_set_cluster_version()->set_version(version);
    Apply(to);
    Apply(InstallOf(testing::SetOn(Servers("0000000000a3"), kLines, 1)));
    Apply(MembersOf(3, {"", "", "0000000000bb"}));
  }
  void Reissue(const std::string& third) {
    Apply(InstallOf(testing::SetOn(Servers(third), kLines, ledger_.license_set_number())));
  }
};

TEST_F(RelicenseTest, TheVendorsNewLineEndsTheWaiverAndNothingThatIsOut) {
  ASSERT_TRUE(Ask().has_granted());
  (void)ledger_.TakeUsage();
  Reissue("0000000000BB");
  EXPECT_FALSE(ledger_.members().nodes(2).waiver());
  EXPECT_EQ(ledger_.members().nodes(2).waiver_ends_wall_ms(), 0);
  EXPECT_EQ(ledger_.members().nodes(2).host_id(), "0000000000bb");
  EXPECT_EQ(ledger_.checkouts().size(), 1u);
  EXPECT_EQ(ledger_.NextDueAt().wall_ms.value_or(0) < kNoonMs + 30 * kDayMs, true);
  bool recorded = false;
  for (const auto& row : ledger_.TakeUsage().rows) {
    v1::UsageRecord record;
    ASSERT_TRUE(record.ParseFromString(row.bytes));
    recorded = recorded || record.kind() == v1::UsageRecord::NODES_CHANGED;
  }
  EXPECT_TRUE(recorded) << "whose machine it was and is, is in the records";
  wall_ms_ += 31 * kDayMs;
  EXPECT_TRUE(Ask().has_granted());
}

TEST_F(RelicenseTest, OneThatWasOverCountsAgain) {
  Apply(MembersOf(3, {"", "0000000000cc", "0000000000bb"}, "aBc"));
  wall_ms_ += 31 * kDayMs;
  ASSERT_EQ(Ask().denied().code(), -9);
  Reissue("0000000000bb");
  EXPECT_TRUE(Ask().has_granted());
  EXPECT_TRUE(ledger_.members().nodes(1).waiver_over()) << "the other's is what it was";
}

TEST_F(RelicenseTest, OnlyTheMachineThatTheWaiverIsForAndOnlyOnItsOwnLine) {
  EXPECT_FALSE(ledger_.MayRelicense(3, *ParseHostId("0000000000bc")));
  EXPECT_FALSE(ledger_.MayRelicense(3, *ParseHostId("ANY")));
  EXPECT_FALSE(ledger_.MayRelicense(2, *ParseHostId("0000000000bb")));
  EXPECT_TRUE(ledger_.MayRelicense(3, *ParseHostId("0000000000bb")));
  Reissue("0000000000bc");
  EXPECT_TRUE(ledger_.members().nodes(2).waiver());
}

// The members were proposed before the set was in force, and are applied behind it.
TEST_F(RelicenseTest, AnEntryThatStillSaysSoGivesNoNewWaiver) {
  Reissue("0000000000bb");
  Apply(MembersOf(3, {"", "", "0000000000bb"}, "abC"));
  EXPECT_FALSE(ledger_.members().nodes(2).waiver());
}

TEST_F(RelicenseTest, RowsMakeTheSameLedger) {
  testing::MemoryStore store;
  Reissue("0000000000bb");
  ASSERT_TRUE(store.Write(ledger_.TakeChanges(), ledger_.applied()).ok());
  Ledger restored;
  ASSERT_TRUE(restored.Restore(store).ok());
  EXPECT_EQ(restored.Digest(), ledger_.Digest());
  EXPECT_FALSE(restored.members().nodes(2).waiver());
}

class OldRelicenseTest : public RelicenseTest {
 protected:
  OldRelicenseTest() : RelicenseTest(kRelicenseVersion - 1) {}
};

// Programs of the version before would not do it, and all must do the same.
TEST_F(OldRelicenseTest, NotBeforeAllProgramsKnowOfIt) {
  EXPECT_FALSE(ledger_.MayRelicense(3, *ParseHostId("0000000000bb")));
  Reissue("0000000000bb");
  EXPECT_TRUE(ledger_.members().nodes(2).waiver());
  v1::Command version;
  version.mutable_set_cluster_version()->set_version(kRelicenseVersion);
  Apply(version);
  PassTime();
  EXPECT_FALSE(ledger_.members().nodes(2).waiver());
}

TEST_F(LedgerWaiverTest, TheRecordSaysForWhichMachineAndUntilWhen) {
  (void)ledger_.TakeUsage();
  Apply(MembersOf(1, {"00aa"}));
  const auto records = ledger_.TakeUsage().rows;
  ASSERT_FALSE(records.empty());
  v1::UsageRecord record;
  ASSERT_TRUE(record.ParseFromString(records.back().bytes));
  EXPECT_THAT(record.reason(), HasSubstr("node 1 (waiver for 00aa until "));
}

}  // namespace
}  // namespace triad::license
