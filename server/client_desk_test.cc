#include "server/client_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/limits.h"
#include "server/test_world.h"

// What a client says, one malformed message at a time, against a whole node; the good cases are in
// node_test.cc.
namespace triad::server {
namespace {

using ::testing::HasSubstr;
using testing::World;

class ClientDeskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() == 1; }));
    token_ = world_.Open(1, 5, "app");
    ASSERT_NE(token_, "");
  }
  // What message `body` is answered with on connection 5.
  v1::ServerMessage Ask(v1::ClientMessage message) {
    message.set_id(900);
    world_.Say(1, 5, std::move(message));
    world_.Until([&] { return world_.Answer(1, 5, 900) != nullptr; });
    return *world_.Answer(1, 5, 900);
  }
  v1::ClientMessage CheckoutOf(uint64_t count) {
    v1::ClientMessage message;
    auto* request = message.mutable_request();
    request->set_session(license::testing::SessionNamed("app"));
    request->set_seq(1);
    auto* item = request->mutable_checkout()->add_items();
    item->set_feature("f");
    item->set_count(count);
    return message;
  }

  World world_{1};
  std::string token_;
};

TEST_F(ClientDeskTest, AnEmptyMessageIsMalformed) {
  EXPECT_EQ(Ask({}).failure().why(), v1::Failure::MALFORMED);
}

TEST_F(ClientDeskTest, ASessionIdOfAnotherLengthIsMalformed) {
  v1::ClientMessage message;
  message.mutable_open()->set_session("short");
  EXPECT_THAT(Ask(message).failure().reason(), HasSubstr("16 bytes"));
}

TEST_F(ClientDeskTest, AnOversizedMessageIsRefusedBeforeItIsLookedAt) {
  v1::ClientMessage message = CheckoutOf(1);
  message.mutable_request()->mutable_checkout()->mutable_items(0)->set_feature(
      std::string(kClientMessageBytesMax, 'f'));
  EXPECT_THAT(Ask(message).failure().reason(), HasSubstr("bytes"));
  EXPECT_EQ(world_.CheckoutsAt(1), 0u);
}

TEST_F(ClientDeskTest, CountsOfNothingMinusOneAndATrillionAreAnsweredNotGranted) {
  EXPECT_THAT(Ask(CheckoutOf(0)).failure().reason(), HasSubstr("1 or more"));
  for (const uint64_t count : {UINT64_MAX, uint64_t{1'000'000'000'000}}) {
    v1::ClientMessage message = CheckoutOf(count);
    message.mutable_request()->set_seq(count % 1000 + 2);
    message.set_id(901 + count % 2);
    const uint64_t id = message.id();
    world_.Say(1, 5, std::move(message));
    ASSERT_TRUE(world_.Until([&] { return world_.Answer(1, 5, id) != nullptr; }));
    EXPECT_FALSE(world_.Answer(1, 5, id)->outcome().has_granted());
  }
  EXPECT_EQ(world_.CheckoutsAt(1), 0u);
}

TEST_F(ClientDeskTest, ARequestWithoutASeqOrAnythingToDoIsMalformed) {
  v1::ClientMessage message;
  message.mutable_request()->set_session(license::testing::SessionNamed("app"));
  EXPECT_EQ(Ask(message).failure().why(), v1::Failure::MALFORMED);
}

TEST_F(ClientDeskTest, ABeatOfASessionThatIsNotAttachedHereIsAnsweredAtOnceAsUnknown) {
  v1::ClientMessage message;
  auto* beat = message.mutable_heartbeat()->add_beats();
  beat->set_session(license::testing::SessionNamed("other"));
  beat->set_number(1);
  const auto answer = Ask(message);
  ASSERT_EQ(answer.heartbeat().acks_size(), 1);
  EXPECT_TRUE(answer.heartbeat().acks(0).unknown());
}

TEST_F(ClientDeskTest, AForgedCloseEndsNothing) {
  v1::ClientMessage message;
  message.set_id(900);
  message.mutable_close()->set_session(license::testing::SessionNamed("app"));
  message.mutable_close()->set_token("wrong");
  world_.Say(1, 6, std::move(message));
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(1, 6, 900) != nullptr; }));
  EXPECT_EQ(world_.Answer(1, 6, 900)->failure().why(), v1::Failure::BAD_TOKEN);
  EXPECT_NE(world_.node(1).ledger().FindSession(license::testing::SessionNamed("app")), nullptr);
}

TEST_F(ClientDeskTest, ThePoolOfAGrantIsDescribedWithItsSignedLines) {
  const uint64_t id = world_.Checkout(1, 5, "app", 1);
  ASSERT_TRUE(world_.Until([&] { return world_.Answer(1, 5, id) != nullptr; }));
  v1::ClientMessage message;
  message.mutable_describe()->set_pool(
      world_.Answer(1, 5, id)->outcome().granted().holdings(0).pool());
  const auto answer = Ask(message);
  EXPECT_EQ(answer.pool().vendor(), "acme");
  ASSERT_EQ(answer.pool().lines_size(), 1);
  EXPECT_EQ(answer.pool().lines(0).signature().size(), 64u);
}

TEST_F(ClientDeskTest, ATokenIsKeptAsItsHashOnly) {
  const auto* session = world_.node(1).ledger().FindSession(license::testing::SessionNamed("app"));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->token_hash, HashToken(token_));
  EXPECT_NE(session->token_hash, token_);
}

}  // namespace
}  // namespace triad::server
