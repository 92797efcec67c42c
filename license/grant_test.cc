// What a checkout is granted, and the most telling reason why not, seen through the ledger.
#include "license/grant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "license/ledger.h"
#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using testing::CheckinOf;
using testing::CheckoutOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ItemOf;
using testing::kDayMs;
using testing::kNoonMs;
using testing::OpenOf;
using testing::SetOf;
using ::testing::SizeIs;

class GrantTest : public ::testing::Test {
 protected:
  v1::Outcome Apply(const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(wall_ms_);
    record.mutable_stamp()->set_utc_offset_s(3600);
    *record.mutable_command() = command;
    v1::Outcome outcome = ledger_.Apply({ledger_.applied().index + 1, 1}, &record, nullptr);
    EXPECT_TRUE(ledger_.CheckInvariants().ok()) << ledger_.CheckInvariants();
    return outcome;
  }
  // Installs the lines and opens two sessions.
  void Serve(absl::string_view lines) {
    v1::Command command;
    *command.mutable_install() = SetOf(lines, ledger_.license_set_number());
    ASSERT_TRUE(Apply(command).has_done());
    ASSERT_THAT(ledger_.catalog().pools(), Not(IsEmpty()));
    Apply(OpenOf("s"));
    Apply(OpenOf("t"));
  }
  v1::Outcome Ask(const std::vector<v1::Checkout::Item>& items, absl::string_view name = "s") {
    return Apply(CheckoutOf(name, ++seq_, items));
  }
  v1::Outcome Ask(absl::string_view feature, uint64_t count = 1, v1::CountMode mode = v1::EXACT,
                  absl::string_view version = "") {
    return Ask({ItemOf(feature, count, mode, version)});
  }
  uint64_t Count(const v1::Outcome& outcome) { return outcome.granted().holdings(0).count(); }
  std::string PoolVersion(const v1::Outcome& outcome) {
    return ledger_.catalog().FindPool(outcome.granted().holdings(0).pool())->version;
  }

  Ledger ledger_{Ledger::Limits{.sessions_max = 3, .checkouts_max = 200}};
  uint64_t seq_ = 0;
  int64_t wall_ms_ = kNoonMs;
};

v1::Refused::Why WhyOf(const v1::Outcome& outcome) {
  return outcome.refused().why();
}

constexpr char kTwoPools[] =
    "INCREMENT f acme 2.0 permanent 4\n"
    "INCREMENT f acme 1.0 permanent 6\n";

TEST_F(GrantTest, AHoldingSaysWhatWhenAndWhere) {
  Serve("INCREMENT f acme 2.0 permanent 4\n");
  Ask("f");
  const v1::Outcome outcome = Ask("f", 2, v1::EXACT, "1.5");
  ASSERT_THAT(outcome.granted().holdings(), SizeIs(1));
  const v1::Holding& holding = outcome.granted().holdings(0);
  EXPECT_EQ(holding.handle(), kFirstHandle + 1);
  EXPECT_EQ(holding.feature(), "f");
  EXPECT_EQ(holding.version(), "1.5");
  EXPECT_EQ(holding.count(), 2u);
  EXPECT_EQ(holding.pool(), ledger_.catalog().pools()[0].id);
  EXPECT_EQ(holding.start_wall_ms(), kNoonMs);
  EXPECT_EQ(holding.start_utc_offset_s(), 3600);
  EXPECT_EQ(holding.granted_index(), ledger_.applied().index);
}

TEST_F(GrantTest, NoPoolIsTakenAboveItsLicenses) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  EXPECT_TRUE(Ask("f", 2).has_granted());
  const v1::Outcome outcome = Ask("f", 2);
  EXPECT_EQ(outcome.denied().code(), -4);
  EXPECT_EQ(outcome.denied().reason(), "all licenses in use");
  EXPECT_EQ(outcome.denied().feature(), "f");
  EXPECT_TRUE(Ask("f", 1).has_granted());
  EXPECT_EQ(ledger_.UsedOf(ledger_.catalog().pools()[0].id), 3u);
}

TEST_F(GrantTest, MalformedItemsAreRefused) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  const v1::Outcome none = Ask("f", 0);
  EXPECT_EQ(WhyOf(none), v1::Refused::MALFORMED);
  EXPECT_EQ(none.refused().reason(), "count must be 1 or more");
  EXPECT_EQ(WhyOf(Ask("f", 0, v1::UP_TO)), v1::Refused::MALFORMED);
  EXPECT_EQ(WhyOf(Ask("f", static_cast<uint64_t>(-1))), v1::Refused::MALFORMED);
  EXPECT_EQ(WhyOf(Ask("f", 1, static_cast<v1::CountMode>(3))), v1::Refused::MALFORMED);
  EXPECT_EQ(WhyOf(Ask("")), v1::Refused::MALFORMED);
  EXPECT_EQ(WhyOf(Ask(std::string(257, 'f'))), v1::Refused::MALFORMED);
  EXPECT_EQ(WhyOf(Ask(std::vector<v1::Checkout::Item>())), v1::Refused::MALFORMED);
  EXPECT_EQ(WhyOf(Ask(std::vector<v1::Checkout::Item>(65, ItemOf("f")))), v1::Refused::MALFORMED);
  EXPECT_TRUE(Ask("f", 0, v1::ALL).has_granted());
}

TEST_F(GrantTest, AnUnknownFeatureIsDenied) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  EXPECT_EQ(Ask("g").denied().code(), -5);
  EXPECT_EQ(Ask("g").denied().reason(), "no such feature exists");
}

TEST_F(GrantTest, AVersionThatIsNoneIsDenied) {
  Serve("INCREMENT f acme 1.0 permanent 3\n");
  EXPECT_EQ(Ask("f", 1, v1::EXACT, "one").denied().code(), -77);
}

TEST_F(GrantTest, AHigherVersionThanLicensedIsDenied) {
  Serve(kTwoPools);
  EXPECT_EQ(Ask("f", 1, v1::EXACT, "2.1").denied().code(), -25);
  EXPECT_EQ(PoolVersion(Ask("f", 1, v1::EXACT, "1.5")), "2.0");
  EXPECT_EQ(Ask("f", 5, v1::EXACT, "1.5").denied().code(), -26) << "of the pool that would do";
}

TEST_F(GrantTest, MoreThanExistInOnePoolIsDeniedAsSuch) {
  Serve(kTwoPools);
  EXPECT_EQ(Ask("f", 7).denied().code(), -26) << "pools are not put together";
  EXPECT_TRUE(Ask("f", 6).has_granted());
  EXPECT_EQ(Ask("f", 6).denied().code(), -4);
}

TEST_F(GrantTest, ALicenseIsGoodThroughItsLastDayWhereTheLeaderStands) {
  Serve("INCREMENT f acme 1.0 16-jun-2026 3\n");
  wall_ms_ = kNoonMs + kDayMs + 11 * 3600'000 - 1;  // 23:59:59.999, one hour east
  EXPECT_TRUE(Ask("f").has_granted());
  wall_ms_ += 1;
  EXPECT_EQ(Ask("f").denied().code(), -10);
  wall_ms_ -= kDayMs;
  EXPECT_EQ(Ask("f").denied().code(), -10) << "a clock set back gains nothing";
}

TEST_F(GrantTest, ALicenseThatHasNotStartedIsDenied) {
  Serve("INCREMENT f acme 1.0 permanent 3 START=1-jul-2026\n");
  EXPECT_EQ(Ask("f").denied().code(), -31);
  wall_ms_ += 20 * kDayMs;
  EXPECT_TRUE(Ask("f").has_granted());
}

TEST_F(GrantTest, ANodeLockedPoolNeedsOneOfItsHostIds) {
  Serve(
      "INCREMENT ether acme 1.0 permanent 9 HOSTID=\"0019d1000000 0019D1AABBCC\"\n"
      "INCREMENT other acme 1.0 permanent 9 HOSTID=0019d1000000\n"
      "INCREMENT host acme 1.0 permanent 9 HOSTID=HOSTNAME=desk1\n"
      "INCREMENT nohost acme 1.0 permanent 9 HOSTID=HOSTNAME=desk2\n"
      "INCREMENT user acme 1.0 permanent 9 HOSTID=USER=ann\n"
      "INCREMENT nouser acme 1.0 permanent 9 HOSTID=USER=bob\n"
      "INCREMENT net acme 1.0 permanent 9 HOSTID=INTERNET=10.0.*.*\n"
      "INCREMENT nonet acme 1.0 permanent 9 HOSTID=INTERNET=10.1.*.*\n"
      "INCREMENT any acme 1.0 permanent 9 HOSTID=ANY\n"
      "INCREMENT id acme 1.0 permanent 9 HOSTID=ID=1234-5678\n");
  for (const char* feature : {"ether", "host", "user", "net", "any", "id"}) {
    EXPECT_TRUE(Ask(feature).has_granted()) << feature;
  }
  for (const char* feature : {"other", "nohost", "nouser", "nonet"}) {
    EXPECT_EQ(Ask(feature).denied().code(), -9) << feature;
  }
}

TEST_F(GrantTest, TheMostTellingReasonIsGiven) {
  Serve(
      "INCREMENT f acme 3.0 1-jan-2026 9\n"
      "INCREMENT f acme 2.0 permanent 9 HOSTID=0019d1000000\n"
      "INCREMENT f acme 1.0 permanent 2\n"
      "INCREMENT g acme 3.0 1-jan-2026 9\n"
      "INCREMENT g acme 2.0 permanent 9 HOSTID=0019d1000000\n");
  EXPECT_EQ(Ask("f", 3).denied().code(), -26) << "of the pool that would do";
  EXPECT_EQ(Ask("f", 1, v1::EXACT, "1.5").denied().code(), -25);
  EXPECT_EQ(Ask("g").denied().code(), -10);
  Ask("f", 2);
  EXPECT_EQ(Ask("f").denied().code(), -4);
}

TEST_F(GrantTest, UncountedPoolsAlwaysGrant) {
  Serve("INCREMENT f acme 1.0 permanent uncounted HOSTID=ANY\n");
  EXPECT_EQ(Count(Ask("f", 9000)), 9000u);
  EXPECT_EQ(Count(Ask({ItemOf("f", 9999)}, "t")), 9999u);
  EXPECT_EQ(Count(Ask("f", 0, v1::ALL)), 999u);
}

TEST_F(GrantTest, ExactTakesTheFirstPoolWithEnough) {
  Serve(kTwoPools);
  EXPECT_EQ(PoolVersion(Ask("f", 3)), "2.0");
  EXPECT_EQ(PoolVersion(Ask("f", 3)), "1.0");
  EXPECT_EQ(PoolVersion(Ask("f", 1)), "2.0");
}

TEST_F(GrantTest, UpToTakesWhatIsFreeOfOnePool) {
  Serve(kTwoPools);
  v1::Outcome outcome = Ask("f", 4, v1::UP_TO);
  EXPECT_EQ(PoolVersion(outcome), "2.0") << "the first that has it all";
  EXPECT_EQ(Count(outcome), 4u);
  outcome = Ask("f", 9, v1::UP_TO);
  EXPECT_EQ(PoolVersion(outcome), "1.0");
  EXPECT_EQ(Count(outcome), 6u);
  EXPECT_EQ(Ask("f", 9, v1::UP_TO).denied().code(), -4);
}

TEST_F(GrantTest, AllTakesThePoolWithMostFree) {
  Serve(kTwoPools);
  v1::Outcome outcome = Ask("f", 0, v1::ALL);
  EXPECT_EQ(PoolVersion(outcome), "1.0");
  EXPECT_EQ(Count(outcome), 6u);
  EXPECT_EQ(Count(Ask("f", 0, v1::ALL)), 4u);
}

TEST_F(GrantTest, OfEqualPoolsAllTakesTheFirst) {
  Serve("INCREMENT f acme 2.0 permanent 4\nINCREMENT f acme 1.0 permanent 4\n");
  EXPECT_EQ(PoolVersion(Ask("f", 0, v1::ALL)), "2.0");
}

TEST_F(GrantTest, SeveralFeaturesAreGrantedInOrderOrNotAtAll) {
  Serve("INCREMENT f acme 1.0 permanent 4\nINCREMENT g acme 1.0 permanent 4\n");
  const v1::Outcome denied = Ask({ItemOf("f", 2), ItemOf("g", 3), ItemOf("g", 2)});
  EXPECT_EQ(denied.denied().code(), -4) << "items of one request count together";
  EXPECT_EQ(denied.denied().feature(), "g");
  EXPECT_THAT(ledger_.checkouts(), IsEmpty());
  const v1::Outcome granted = Ask({ItemOf("g", 2), ItemOf("f", 1), ItemOf("g", 2)});
  ASSERT_THAT(granted.granted().holdings(), SizeIs(3));
  EXPECT_EQ(granted.granted().holdings(0).feature(), "g");
  EXPECT_EQ(granted.granted().holdings(1).feature(), "f");
  EXPECT_EQ(granted.granted().holdings(0).handle(), kFirstHandle) << "a denial costs no handle";
  EXPECT_EQ(granted.granted().holdings(2).handle(), kFirstHandle + 2);
}

TEST_F(GrantTest, OneSessionHolds9999OfAFeatureAtMost) {
  Serve("INCREMENT f acme 1.0 permanent 30000\nINCREMENT g acme 1.0 permanent 5000\n");
  v1::Outcome outcome = Ask("f", 10000);
  EXPECT_EQ(outcome.denied().code(), -87);
  EXPECT_THAT(outcome.denied().reason(),
              HasSubstr("more than 9999 licenses of one feature for one session"));
  EXPECT_EQ(Ask("g", 10000).denied().code(), -87) << "before more than exist";
  EXPECT_EQ(Ask("g", 9999).denied().code(), -26);
  EXPECT_EQ(Count(Ask("f", 9000)), 9000u);
  EXPECT_EQ(Ask("f", 1000).denied().code(), -87) << "all its checkouts together";
  EXPECT_EQ(Ask({ItemOf("f", 500), ItemOf("f", 500)}).denied().code(), -87);
  EXPECT_EQ(Count(Ask("f", 5000, v1::UP_TO)), 999u);
  EXPECT_EQ(Ask("f", 1, v1::UP_TO).denied().code(), -87);
  EXPECT_EQ(Ask("f", 0, v1::ALL).denied().code(), -87);
  EXPECT_EQ(Count(Ask({ItemOf("f", 0, v1::ALL)}, "t")), 9999u) << "each session";
  Apply(CheckinOf("s", ++seq_, kFirstHandle));
  EXPECT_EQ(Count(Ask("f", 9000)), 9000u) << "what is returned may be taken again";
}

TEST_F(GrantTest, AFullCheckoutTableRefusesForGoodAndStillTakesReturns) {
  Serve("INCREMENT f acme 1.0 permanent 30000\n");
  const std::vector<v1::Checkout::Item> fifty(50, ItemOf("f"));
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(Ask(fifty).has_granted());
  const v1::Outcome full = Ask("f");
  EXPECT_EQ(WhyOf(full), v1::Refused::TOO_MANY_PENDING);
  EXPECT_THAT(full.refused().reason(), HasSubstr("200 checkouts"));
  EXPECT_TRUE(Apply(CheckinOf("s", seq_ + 1, kFirstHandle)).has_done());
  EXPECT_EQ(WhyOf(Apply(CheckoutOf("s", seq_, {ItemOf("f")}))), v1::Refused::TOO_MANY_PENDING);
  seq_ += 1;
  EXPECT_TRUE(Ask("f").has_granted());
}

TEST(GrantLimitTest, ASessionHoldsALimitedNumberOfCheckouts) {
  Ledger ledger;
  LogPosition position{0, 1};
  auto apply = [&](const v1::Command& command) {
    v1::LogRecord record;
    record.mutable_stamp()->set_wall_ms(kNoonMs);
    *record.mutable_command() = command;
    position.index += 1;
    return ledger.Apply(position, &record, nullptr);
  };
  v1::Command install;
  *install.mutable_install() =
      SetOf("INCREMENT f acme 1.0 permanent 9000\nINCREMENT g acme 1.0 permanent 9000\n", 0);
  apply(install);
  apply(OpenOf("s"));
  uint64_t seq = 0;
  const size_t step = 50;
  for (size_t held = 0; held < kCheckoutsPerSessionMax; held += step) {
    const std::vector<v1::Checkout::Item> items(step, ItemOf(held < 5000 ? "f" : "g"));
    ++seq;
    ASSERT_TRUE(apply(CheckoutOf("s", seq, items, seq - 1)).has_granted());
  }
  EXPECT_EQ(WhyOf(apply(CheckoutOf("s", ++seq, {ItemOf("f")}))), v1::Refused::TOO_MANY_PENDING);
  EXPECT_TRUE(ledger.CheckInvariants().ok());
}

TEST_F(GrantTest, EnoughInAllPoolsTogetherButInNoneAloneIsDeniedAsSuch) {
  Serve(kTwoPools);  // 4 and 6
  EXPECT_EQ(Count(Ask("f", 3)), 3u);
  EXPECT_EQ(Count(Ask("f", 3)), 3u);  // now 1 and 3 are left
  const v1::Outcome no = Ask("f", 4);
  EXPECT_EQ(no.denied().code(), -93);
  EXPECT_EQ(no.denied().reason(),
            "licenses are available in a different license pool: 4 are free, but a checkout takes "
            "its licenses from one pool");
  EXPECT_EQ(Ask("f", 5).denied().code(), -4) << "not even together";
  EXPECT_TRUE(MayWait(no)) << "one pool may come to have them";
  Serve("INCREMENT f acme 2.0 permanent 3 MINIMUM=2\n");
  Ask("f", 2, v1::EXACT, "2.0");
  EXPECT_EQ(Ask("f", 1, v1::EXACT, "2.0").denied().code(), -4) << "there is one pool only";
}

TEST_F(GrantTest, PlatformsAreThoseNamed) {
  Serve("INCREMENT f acme 1.0 permanent 4 PLATFORMS=\"x64_lsb i86_n\"\n");
  EXPECT_EQ(Ask("f").denied().code(), -89);
  v1::Command open = OpenOf("w");
  open.mutable_open()->mutable_identity()->set_platform("X64_LSB");
  Apply(open);
  EXPECT_TRUE(Ask({ItemOf("f")}, "w").has_granted());
}

}  // namespace
}  // namespace triad::license
