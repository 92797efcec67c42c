// The tables and their indexes by themselves; rows in ledger_rows_test.cc, use in ledger_test.cc.
#include "license/ledger_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "license/ledger_testing.h"

namespace triad::license {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::SessionNamed;

class LedgerStateTest : public ::testing::Test {
 protected:
  LedgerStateTest() {
    pool_.id = 7;
    pool_.feature = "f";
    other_pool_.id = 8;
    other_pool_.feature = "f";
  }
  Session& Add(absl::string_view name) {
    Session session;
    session.id = SessionNamed(name);
    return state_.AddSession(std::move(session));
  }

  LedgerState state_;
  Pool pool_;
  Pool other_pool_;
};

TEST_F(LedgerStateTest, ACheckoutStandsInEveryIndexUntilItIsRemoved) {
  Session& s = Add("s");
  Session& t = Add("t");
  state_.AddCheckout(s, {.pool = &pool_, .count = 3, .version = "1.0"});
  state_.AddCheckout(s, {.pool = &other_pool_, .count = 4, .version = ""});
  state_.AddCheckout(t, {.pool = &pool_, .count = 5, .version = ""});
  EXPECT_TRUE(state_.CheckInvariants().ok()) << state_.CheckInvariants();
  EXPECT_EQ(state_.FindUse(7)->used, 8u);
  EXPECT_THAT(state_.FindUse(7)->handles, ElementsAre(101u, 103u));
  EXPECT_THAT(s.handles, ElementsAre(101u, 102u));
  EXPECT_THAT(s.held, ElementsAre(Pair("f", 7u))) << "of both pools";
  EXPECT_EQ(state_.FindCheckout(101)->session, &s);
  state_.RemoveCheckout(102);
  EXPECT_EQ(state_.FindUse(8), nullptr);
  EXPECT_THAT(s.held, ElementsAre(Pair("f", 3u)));
  state_.RemoveCheckout(101);
  EXPECT_THAT(s.held, IsEmpty());
  EXPECT_EQ(state_.FindCheckout(101), nullptr);
  EXPECT_EQ(state_.AddCheckout(s, {.pool = &pool_, .count = 1, .version = ""}).handle, 104u)
      << "a handle is never used again";
  EXPECT_TRUE(state_.CheckInvariants().ok()) << state_.CheckInvariants();
}

TEST_F(LedgerStateTest, ARecountFindsWhatDiffers) {
  Session& s = Add("s");
  const Checkout& checkout = state_.AddCheckout(s, {.pool = &pool_, .count = 3, .version = ""});
  checkout.use->used += 1;
  EXPECT_EQ(state_.CheckInvariants().message(), "pool 7: 3 out, 4 counted");
  checkout.use->used -= 1;
  s.held["f"] = 2;
  EXPECT_EQ(state_.CheckInvariants().code(), absl::StatusCode::kInternal);
  s.held["f"] = 3;
  s.handles.insert(200);
  EXPECT_EQ(state_.CheckInvariants().code(), absl::StatusCode::kInternal);
  s.handles.erase(200);
  EXPECT_TRUE(state_.CheckInvariants().ok());
}

TEST_F(LedgerStateTest, ResultsAreKeptUntilAcknowledged) {
  Session& s = Add("s");
  v1::Outcome outcome;
  outcome.mutable_denied()->set_code(-4);
  for (uint64_t seq : {1, 2, 3}) state_.SetResult(s, seq, outcome);
  state_.Acknowledge(s, 2);
  EXPECT_EQ(state_.FindResult(s, 2), std::nullopt);
  EXPECT_EQ(state_.FindResult(s, 3)->denied().code(), -4);
  state_.Acknowledge(s, 1);
  EXPECT_EQ(s.acked, 2u);
}

TEST_F(LedgerStateTest, ASessionIsFoundByItsWholeId) {
  Session& s = Add("s");
  EXPECT_EQ(state_.FindSession(SessionNamed("s")), &s);
  EXPECT_EQ(state_.FindSession("s"), nullptr);
  EXPECT_EQ(state_.FindSession(SessionNamed("s") + "."), nullptr);
  state_.RemoveSession(s);
  EXPECT_EQ(state_.FindSession(SessionNamed("s")), nullptr);
}

using LedgerStateDeathTest = LedgerStateTest;

TEST_F(LedgerStateDeathTest, ViolatedHistoriesEndTheProcess) {
  Session& s = Add("s");
  EXPECT_DEATH(Add("s"), "added once");
  EXPECT_DEATH(state_.RemoveCheckout(101), "returned once");
  state_.SetResult(s, 1, {});
  EXPECT_DEATH(state_.SetResult(s, 1, {}), "answered once");
  state_.AddCheckout(s, {.pool = &pool_, .count = 1, .version = ""});
  EXPECT_DEATH(state_.RemoveSession(s), "holds nothing");
}

}  // namespace
}  // namespace triad::license
