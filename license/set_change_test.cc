#include "license/set_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using ::testing::HasSubstr;
using testing::OpenOf;
using testing::SetOf;

class SetChangeTest : public ::testing::Test {
 protected:
  v1::Outcome Apply(v1::Command command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(testing::kNoonMs);
    *record.mutable_command() = std::move(command);
    ++index_;
    return ledger_.Apply({index_, 1}, &record, nullptr);
  }
  void Install(const v1::InstallLicenses& set) {
    v1::Command command;
    *command.mutable_install() = set;
    Apply(command);
  }
  void Hold(const std::string& name, const std::string& feature, uint64_t count) {
    Apply(OpenOf(name));
    v1::Command command;
    auto* request = command.mutable_request();
    request->set_session(testing::SessionNamed(name));
    request->set_seq(1);
    auto* item = request->mutable_checkout()->add_items();
    item->set_feature(feature);
    item->set_count(count);
    ASSERT_TRUE(Apply(command).has_granted());
  }
  // What `next` would change; its catalog is kept, because the change points into it.
  SetChange To(const v1::InstallLicenses& next) {
    LicenseSources sources;
    for (const auto& file : next.license_files()) {
      sources.license_files.push_back({file.name(), file.content()});
    }
    for (const auto& key : next.vendor_keys()) {
      PublicKey bytes{};
      std::copy(key.public_key().begin(), key.public_key().end(), bytes.begin());
      sources.keys.emplace(key.vendor(), bytes);
    }
    next_ = Catalog::Build(sources);
    return CompareSets(ledger_, next, next_);
  }

  Ledger ledger_;
  Catalog next_;
  uint64_t index_ = 0;
};

TEST_F(SetChangeTest, PoolsGrowShrinkComeAndVanish) {
  Install(
      SetOf("INCREMENT grows acme 1.0 permanent 3\nINCREMENT shrinks acme 1.0 permanent 5\n"
            "INCREMENT goes acme 1.0 permanent 1\nINCREMENT stays acme 1.0 permanent 1\n",
            0));
  Hold("app", "shrinks", 4);
  const SetChange change =
      To(SetOf("INCREMENT grows acme 1.0 permanent 7\nINCREMENT shrinks acme 1.0 permanent 2\n"
               "INCREMENT comes acme 1.0 permanent 1\nINCREMENT stays acme 1.0 permanent 1\n",
               1));
  EXPECT_EQ(change.refusal, "");
  EXPECT_FALSE(change.unchanged);
  std::string told;
  for (const PoolChange& pool : change.pools) {
    told += pool.pool().feature + " " + std::to_string(pool.seats_before) + "->" +
            std::to_string(pool.seats_after) + " used " + std::to_string(pool.used) +
            (pool.TooMany(ledger_.today()) ? " too many\n" : "\n");
  }
  EXPECT_THAT(told, HasSubstr("grows 3->7 used 0\n"));
  EXPECT_THAT(told, HasSubstr("shrinks 5->2 used 4 too many\n"));
  EXPECT_THAT(told, HasSubstr("comes 0->1 used 0\n"));
  EXPECT_THAT(told, HasSubstr("goes 1->0 used 0\n"));
  EXPECT_EQ(change.pools.size(), 4u);
}

TEST_F(SetChangeTest, APoolInUseThatVanishesOrExpiresIsTooMany) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3\nINCREMENT g acme 1.0 permanent 3\n", 0));
  Hold("one", "f", 1);
  Hold("two", "g", 1);
  const SetChange change = To(SetOf("INCREMENT g acme 1.0 1-jan-2020 3\n", 1));
  ASSERT_EQ(change.pools.size(), 2u);
  EXPECT_TRUE(change.pools[0].TooMany(ledger_.today()));
  EXPECT_TRUE(change.pools[1].TooMany(ledger_.today()));
}

TEST_F(SetChangeTest, TheSameFilesAreUnchanged) {
  const v1::InstallLicenses set = SetOf("INCREMENT f acme 1.0 permanent 3\n", 0);
  Install(set);
  EXPECT_TRUE(To(set).unchanged);
  EXPECT_TRUE(To(set).pools.empty());
}

TEST_F(SetChangeTest, OptionsFilesAreComparedByLine) {
  v1::InstallLicenses set = SetOf("INCREMENT f acme 1.0 permanent 3\n", 0);
  auto* file = set.add_option_files();
  file->set_name("acme");
  file->set_content("NOLOG IN\nNOLOG OUT\n");
  Install(set);
  set.mutable_option_files(0)->set_content("NOLOG IN\nNOLOG DENIED\n");
  EXPECT_EQ(To(set).options, "options file of acme changes, first in line 2");
  EXPECT_FALSE(To(set).unchanged);
  set.clear_option_files();
  EXPECT_EQ(To(set).options, "options file of acme goes");
}

TEST_F(SetChangeTest, ASetWithoutAUsableLineIsRefused) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3\n", 0));
  EXPECT_THAT(To(v1::InstallLicenses()).refusal, HasSubstr("no license line"));
}

TEST_F(SetChangeTest, OtherServersAreRefused) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3\n", 0));
  v1::InstallLicenses other = SetOf("INCREMENT f acme 1.0 permanent 3\n", 1);
  other.mutable_license_files(0)->set_content(
      SignText("license.dat",
               "SERVER lic1 ID=1234 27000\nVENDOR acme\nINCREMENT f acme 1.0 permanent 3\n",
               testing::AcmeKey())
          .value());
  EXPECT_THAT(To(other).refusal, HasSubstr("other host ids"));
}

class RelicensedSetTest : public SetChangeTest {
 protected:
  RelicensedSetTest() {
    Install(SetFor("0000000000a2", 0));
    Version(kRelicenseVersion);
    Waive("0000000000bb");
  }
  static v1::InstallLicenses SetFor(const std::string& second, uint64_t replaces) {
    return testing::SetOn("SERVER lic1 0000000000a1 27000\nSERVER lic2 " + second +
                              " 27000\nSERVER lic3 0000000000a3 27000\n",
                          "INCREMENT f acme 1.0 permanent 3\n", replaces);
  }
  void Version(uint32_t version) {
    v1::Command command;
    command.mutable_set_cluster_version()->set_version(version);
    Apply(command);
  }
  // Node 2 is let in on another machine.
  void Waive(const std::string& host_id) {
    v1::Command command;
    for (uint32_t slot = 1; slot <= 3; ++slot) {
      auto* node = command.mutable_members()->add_nodes();
      node->set_slot(slot);
      node->set_incarnation(std::string(16, 'i'));
      node->set_voter(true);
    }
    command.mutable_members()->mutable_nodes(1)->set_waiver(true);
    command.mutable_members()->mutable_nodes(1)->set_host_id(host_id);
    Apply(command);
  }
};

TEST_F(RelicensedSetTest, AFileForTheMachineOfAWaiverIsTakenAndEndsIt) {
  const SetChange change = To(SetFor("0000000000bb", 1));
  EXPECT_EQ(change.refusal, "");
  EXPECT_FALSE(change.unchanged);
  EXPECT_TRUE(change.pools.empty()) << "the same licenses, for another machine";
  ASSERT_EQ(change.waivers.size(), 1u);
  EXPECT_THAT(change.waivers[0], HasSubstr("its waiver is over"));
}

TEST_F(RelicensedSetTest, AFileForAThirdMachineIsRefusedAndSaysWhichOneItIsFor) {
  EXPECT_THAT(To(SetFor("0000000000bc", 1)).refusal,
              HasSubstr("SERVER line 2 names host id 0000000000bc, and the waiver of node 2 is for "
                        "0000000000bb"));
  EXPECT_TRUE(To(SetFor("0000000000bc", 1)).waivers.empty());
}

TEST_F(RelicensedSetTest, WithoutAWaiverNoLineMayChange) {
  v1::InstallLicenses other = testing::SetOn(
      "SERVER lic1 0000000000cc 27000\nSERVER lic2 0000000000bb 27000\n"
      "SERVER lic3 0000000000a3 27000\n",
      "INCREMENT f acme 1.0 permanent 3\n", 1);
  EXPECT_THAT(To(other).refusal,
              HasSubstr("SERVER line 1 has host id 0000000000cc, and 0000000000a1 in the set"));
  Install(SetFor("0000000000bb", 1));
  EXPECT_THAT(To(SetFor("0000000000a2", 2)).refusal, HasSubstr("other host ids"))
      << "the way back is a waiver of its own";
}

TEST_F(SetChangeTest, AWaiverEndsWhenTheUpgradeIsFinal) {
  Install(
      testing::SetOn("SERVER lic1 0000000000a1 27000\n", "INCREMENT f acme 1.0 permanent 3\n", 0));
  v1::Command command;
  auto* node = command.mutable_members()->add_nodes();
  node->set_slot(1);
  node->set_incarnation(std::string(16, 'i'));
  node->set_voter(true);
  node->set_waiver(true);
  node->set_host_id("0000000000bb");
  Apply(command);
  EXPECT_THAT(To(testing::SetOn("SERVER lic1 0000000000bb 27000\n",
                                "INCREMENT f acme 1.0 permanent 3\n", 1))
                  .refusal,
              HasSubstr("the upgrade is final"));
}

TEST(FirstDifferentLine, CountsFromOne) {
  EXPECT_EQ(FirstDifferentLine("a\nb\n", "a\nb\n"), 0);
  EXPECT_EQ(FirstDifferentLine("a\nb\n", "a\nc\n"), 2);
  EXPECT_EQ(FirstDifferentLine("a\n", "a\nb\n"), 2);
}

}  // namespace
}  // namespace triad::license
