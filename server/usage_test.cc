#include "server/usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "license/ledger_testing.h"

namespace triad::server {
namespace {

using license::testing::CheckinOf;
using license::testing::CloseOf;
using license::testing::OpenOf;
using license::testing::SetOf;

class UsageTest : public ::testing::Test {
 protected:
  v1::Outcome Apply(v1::Command command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(license::testing::kNoonMs);
    *record.mutable_command() = std::move(command);
    ++index_;
    return ledger_.Apply({index_, 1}, &record, nullptr);
  }
  void Install(const v1::InstallLicenses& set) {
    v1::Command command;
    *command.mutable_install() = set;
    Apply(command);
  }
  void Checkout(const std::string& name, uint64_t seq, const std::string& feature, uint64_t count) {
    v1::Command command;
    auto* request = command.mutable_request();
    request->set_session(license::testing::SessionNamed(name));
    request->set_seq(seq);
    auto* item = request->mutable_checkout()->add_items();
    item->set_feature(feature);
    item->set_count(count);
    ASSERT_TRUE(Apply(command).has_granted());
  }

  license::Ledger ledger_;
  uint64_t index_ = 0;
};

TEST_F(UsageTest, InStepsItIsTheSameAsAtOnce) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 9\nINCREMENT g acme 1.0 permanent 9\n", 0));
  Apply(OpenOf("app"));
  for (uint64_t seq = 1; seq <= 5; ++seq) Checkout("app", seq, "f", 1);
  for (uint64_t seq = 6; seq <= 8; ++seq) Checkout("app", seq, "g", 2);
  const std::string whole = BuildUsage(ledger_, {}).SerializeAsString();
  for (const size_t at_once : {1, 2, 3, 5, 8, 9}) {
    UsageBuilder builder({});
    int uses = 0;
    for (bool done = false; !done;) {
      done = builder.Step(ledger_, at_once);
      int now = 0;
      for (const auto& feature : builder.usage().features()) now += feature.pools(0).uses_size();
      EXPECT_LE(now - uses, static_cast<int>(at_once));
      uses = now;
    }
    EXPECT_EQ(builder.usage().SerializeAsString(), whole) << at_once;
  }
}

TEST_F(UsageTest, WhatChangesBetweenStepsIsMissingOrThereOnceAndHarmsNothing) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 9\nINCREMENT g acme 1.0 permanent 9\n", 0));
  Apply(OpenOf("app"));
  for (uint64_t seq = 1; seq <= 4; ++seq) Checkout("app", seq, "f", 1);
  const auto handles = ledger_.HandlesOf(ledger_.catalog().pools()[0].id);
  UsageBuilder builder({});
  EXPECT_FALSE(builder.Step(ledger_, 2));
  // One told already, and the next: it stands where the list goes on.
  Apply(CheckinOf("app", 5, handles[0]));
  Apply(CheckinOf("app", 6, handles[2]));
  Checkout("app", 7, "f", 1);
  Checkout("app", 8, "g", 1);
  while (!builder.Step(ledger_, 2)) continue;
  const v1::Usage& usage = builder.usage();
  std::vector<uint64_t> told;
  for (const v1::Use& use : usage.features(0).pools(0).uses()) {
    told.push_back(use.holding().handle());
  }
  const auto now = ledger_.HandlesOf(ledger_.catalog().pools()[0].id);
  EXPECT_THAT(told, ::testing::ElementsAre(handles[0], handles[1], handles[3], now.back()));
  EXPECT_EQ(usage.features(0).used(), 4u) << "counts are of the first step";

  // The licenses themselves go: what was not told of that pool yet is not told.
  UsageBuilder other({});
  EXPECT_FALSE(other.Step(ledger_, 1));
  Apply(CloseOf("app"));
  Install(SetOf("INCREMENT h acme 1.0 permanent 9\n", 0));
  while (!other.Step(ledger_, 1)) continue;
  EXPECT_EQ(other.usage().features(0).pools(0).uses_size(), 1);
}

TEST_F(UsageTest, PoolsOfOneNameAreOneFeature) {
  Install(
      SetOf("INCREMENT f acme 1.0 permanent 3\nINCREMENT f acme 2.0 31-dec-2030 4\n"
            "FEATURE g acme 1.0 31-dec-2029 1\n",
            0));
  Apply(OpenOf("app"));
  Checkout("app", 1, "f", 2);
  const v1::Usage usage = BuildUsage(ledger_, {});
  ASSERT_EQ(usage.features_size(), 2);
  const v1::Feature& f = usage.features(0);
  EXPECT_EQ(f.name(), "f");
  EXPECT_EQ(f.issued(), 7u);
  EXPECT_EQ(f.used(), 2u);
  EXPECT_EQ(f.expires(), "permanent");
  EXPECT_EQ(f.pools_size(), 2);
  EXPECT_EQ(usage.features(1).expires(), "31-dec-2029");
}

TEST_F(UsageTest, WhatIsSetAsideAndWhoWaitsIsCounted) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3\n", 0));
  Apply(OpenOf("app"));
  Checkout("app", 1, "f", 1);
  ASSERT_TRUE(Apply(license::testing::ReserveOf("f", 2, "USER", "bob")).has_reserved());
  v1::Command waits = license::testing::CheckoutOf("app", 2, {license::testing::ItemOf("f", 1)});
  waits.mutable_request()->mutable_checkout()->set_wait(true);
  ASSERT_TRUE(Apply(waits).has_queued());
  const v1::Usage usage = BuildUsage(ledger_, {});
  EXPECT_EQ(usage.features(0).used(), 1u);
  EXPECT_EQ(usage.features(0).reserved(), 2u);
  EXPECT_EQ(usage.features(0).queued(), 1u);
}

TEST_F(UsageTest, WhoWaitsAndForWhomIsSetAsideIsNamed) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3\n", 0));
  Apply(OpenOf("app"));
  Checkout("app", 1, "f", 1);
  const uint64_t id = Apply(license::testing::ReserveOf("f", 2, "USER", "bob")).reserved().id();
  v1::Command waits = license::testing::CheckoutOf("app", 2, {license::testing::ItemOf("f", 1)});
  waits.mutable_request()->mutable_checkout()->set_wait(true);
  const uint64_t ticket = Apply(waits).queued().ticket();
  const v1::Usage usage = BuildUsage(ledger_, {});
  const v1::Feature& feature = usage.features(0);
  ASSERT_EQ(feature.waiting_size(), 1);
  EXPECT_EQ(feature.waiting(0).ticket(), ticket);
  EXPECT_EQ(feature.waiting(0).position(), 1u);
  EXPECT_EQ(feature.waiting(0).pool(), feature.pools(0).id());
  ASSERT_EQ(feature.pools(0).reservations_size(), 1);
  EXPECT_EQ(feature.pools(0).reservations(0).id(), id);
  EXPECT_EQ(feature.pools(0).reservations(0).name(), "bob");
  EXPECT_EQ(feature.free(), 0u);
}

TEST_F(UsageTest, WhatLingersTellsForHowLong) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3 LINGER=60\n", 0));
  Apply(OpenOf("app"));
  Checkout("app", 1, "f", 1);
  const uint64_t handle = ledger_.checkouts().begin()->first;
  Apply(license::testing::CheckinOf("app", 2, handle));
  const v1::Usage usage = BuildUsage(ledger_, {});
  EXPECT_EQ(usage.features(0).lingering(), 1u);
  EXPECT_EQ(usage.features(0).free(), 2u);
  ASSERT_EQ(usage.features(0).pools(0).uses_size(), 1);
  EXPECT_EQ(usage.features(0).pools(0).uses(0).linger_ms(), 60'000u);
  EXPECT_EQ(usage.features(0).pools(0).uses(0).lingered_ms(), 0u);
}

TEST_F(UsageTest, WhatIsOutOfAVanishedFeatureIsShownStill) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3\n", 0));
  Apply(OpenOf("app"));
  Checkout("app", 1, "f", 2);
  Install(SetOf("INCREMENT g acme 1.0 permanent 3\n", 1));
  const v1::Usage usage = BuildUsage(ledger_, {});
  ASSERT_EQ(usage.features_size(), 2);
  EXPECT_TRUE(usage.features(1).gone());
  EXPECT_EQ(usage.features(1).name(), "f");
  EXPECT_EQ(usage.features(1).used(), 2u);
  EXPECT_EQ(usage.features(1).pools(0).uses_size(), 1);
}

TEST_F(UsageTest, LatinOneInFilesDoesNotMakeTheAnswerUnreadable) {
  Install(SetOf("INCREMENT f acme 1.0 permanent 3 VENDOR_STRING=M\xfcnchen\n",
                "RESERVE 1 f USER J\xfcrgen\n", 0));
  v1::Usage told;
  ASSERT_TRUE(told.ParseFromString(BuildUsage(ledger_, {}).SerializeAsString()));
  EXPECT_EQ(told.features(0).pools(0).vendor_string(), "M\xc3\xbcnchen");
  EXPECT_EQ(told.features(0).pools(0).reservations(0).name(), "J\xc3\xbcrgen");
}

TEST_F(UsageTest, UsesNameWhoHoldsThem) {
  Install(SetOf("FEATURE f acme 1.0 permanent 3\n", 0));
  v1::Command open = OpenOf("app");
  open.mutable_open()->mutable_identity()->set_user("ann");
  open.mutable_open()->mutable_identity()->set_host("box");
  Apply(open);
  Checkout("app", 1, "f", 2);
  const v1::Usage usage = BuildUsage(ledger_, {});
  ASSERT_EQ(usage.features(0).pools(0).uses_size(), 1);
  const v1::Use& use = usage.features(0).pools(0).uses(0);
  EXPECT_EQ(use.user(), "ann");
  EXPECT_EQ(use.host(), "box");
  EXPECT_EQ(use.holding().count(), 2u);
  EXPECT_EQ(use.holding().handle(), license::kFirstHandle);
}

TEST_F(UsageTest, OneFeatureAndCountsOnlyCanBeAskedFor) {
  Install(SetOf("FEATURE f acme 1.0 permanent 3\nFEATURE g acme 1.0 permanent 3\n", 0));
  Apply(OpenOf("app"));
  Checkout("app", 1, "g", 1);
  v1::GetUsageRequest request;
  request.set_feature("g");
  request.set_no_checkouts(true);
  const v1::Usage usage = BuildUsage(ledger_, request);
  ASSERT_EQ(usage.features_size(), 1);
  EXPECT_EQ(usage.features(0).used(), 1u);
  EXPECT_EQ(usage.features(0).pools(0).uses_size(), 0);
}

TEST_F(UsageTest, ALineThatIsOverIsTold) {
  Install(SetOf("FEATURE f acme 1.0 1-jan-2020 3\nFEATURE g acme 1.0 permanent 9\n", 0));
  const auto expired = ExpiredLines(ledger_);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_THAT(expired[0], ::testing::AllOf(::testing::HasSubstr("license.dat:3:"),
                                           ::testing::HasSubstr("f: expired on 1-jan-2020")));
}

TEST_F(UsageTest, OwnFilesThatDifferAreToldWithTheFirstLineThatDiffers) {
  const auto set = SetOf("FEATURE f acme 1.0 permanent 3\n", 0);
  Install(set);
  EXPECT_TRUE(DifferencesFromInstalled(set, ledger_).empty());
  const auto other = SetOf("FEATURE f acme 1.0 permanent 3\nFEATURE g acme 1.0 permanent 9\n", 0);
  ASSERT_EQ(DifferencesFromInstalled(other, ledger_).size(), 1u);
  EXPECT_THAT(DifferencesFromInstalled(other, ledger_)[0],
              ::testing::HasSubstr("license.dat:4 (g)"));
  EXPECT_THAT(DifferencesFromInstalled({}, ledger_)[0], ::testing::HasSubstr("no usable line"));
}

}  // namespace
}  // namespace triad::server
