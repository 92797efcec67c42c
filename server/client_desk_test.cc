#include "server/client_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/limits.h"
#include "server/test_world.h"
#include "server/usage.h"

// What a client says, one malformed message at a time, against a whole node; the good cases are in
// node_test.cc.
namespace triad::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
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

// The answer to an open of a client that speaks `protocol`, from a node that speaks version 5.
v1::Failure::Why AnswerOf(World& world, uint64_t id, uint32_t protocol) {
  v1::ClientMessage message;
  message.set_id(id);
  message.mutable_open()->set_session(license::testing::SessionNamed(absl::StrCat("v", id)));
  message.mutable_open()->set_attachment(1);
  message.mutable_open()->set_protocol(protocol);
  world.Say(1, 5, std::move(message));
  world.Until([&] { return world.Answer(1, 5, id) != nullptr; });
  const v1::ServerMessage& answer = *world.Answer(1, 5, id);
  if (answer.has_opened()) {
    EXPECT_EQ(answer.opened().protocol(), license::kClientProtocol);
  }
  return answer.failure().why();
}

TEST_F(ClientDeskTest, AClientMoreThanOneVersionAwayIsRefusedAndToldWhy) {
  const uint32_t own = license::kClientProtocol;
  EXPECT_EQ(AnswerOf(world_, 1, own), v1::Failure::UNSPECIFIED);
  EXPECT_EQ(AnswerOf(world_, 2, 0), v1::Failure::UNSPECIFIED) << "the first does not say it";
  EXPECT_EQ(AnswerOf(world_, 3, own + 1), v1::Failure::UNSPECIFIED);
  EXPECT_EQ(AnswerOf(world_, 4, own + 2), v1::Failure::OTHER_VERSION);
  EXPECT_THAT(world_.Answer(1, 5, 4)->failure().reason(), HasSubstr("upgrade the license servers"));
  EXPECT_TRUE(world_.Answer(1, 5, 4)->failure().certain());
  v1::ClientMessage attach;
  attach.mutable_attach()->set_session(license::testing::SessionNamed("app"));
  attach.mutable_attach()->set_token(token_);
  attach.mutable_attach()->set_attachment(9);
  attach.mutable_attach()->set_protocol(own + 2);
  EXPECT_EQ(Ask(attach).failure().why(), v1::Failure::OTHER_VERSION);
}

TEST(Protocol, OneVersionApartSpeakTogether) {
  EXPECT_TRUE(license::SpeakTogether(0, 1));
  EXPECT_TRUE(license::SpeakTogether(0, 2));
  EXPECT_TRUE(license::SpeakTogether(3, 2));
  EXPECT_FALSE(license::SpeakTogether(0, 3));
  EXPECT_FALSE(license::SpeakTogether(5, 3));
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

// --- What a client is told without having asked

class SessionEventsTest : public ::testing::Test {
 protected:
  static constexpr ConnectionId kHolder = 5;
  static constexpr ConnectionId kWaiter = 6;

  // At a follower `h` holds both licenses, and `w` waits for one.
  void SetUp() override {
    ASSERT_TRUE(world_.Until([&] { return world_.Leader() != 0; }));
    at_ = world_.AFollower();
    ASSERT_TRUE(world_.Until([&] { return world_.node(at_).ledger().cluster_version() >= 3; }));
    ASSERT_NE(world_.Open(at_, kHolder, "h"), "");
    ASSERT_NE(world_.Open(at_, kWaiter, "w"), "");
    const auto held = Ask(kHolder, "h", 1, 2, 0, false);
    ASSERT_EQ(held.outcome().granted().holdings_size(), 1) << held.ShortDebugString();
    handle_ = held.outcome().granted().holdings(0).handle();
  }
  v1::ServerMessage Ask(ConnectionId connection, const std::string& name, uint64_t seq,
                        uint64_t count, uint32_t wait_ms, bool wait) {
    v1::ClientMessage message;
    const uint64_t id = 900 + ++asked_;
    message.set_id(id);
    auto* request = message.mutable_request();
    request->set_session(license::testing::SessionNamed(name));
    request->set_seq(seq);
    request->set_acked(seq - 1);
    auto* checkout = request->mutable_checkout();
    *checkout->add_items() = license::testing::ItemOf("f", count);
    checkout->set_wait(wait);
    checkout->set_wait_ms(wait_ms);
    world_.Say(at_, connection, std::move(message));
    world_.Until([&] { return world_.Answer(at_, connection, id) != nullptr; });
    return *world_.Answer(at_, connection, id);
  }
  uint64_t Wait(uint32_t wait_ms) {
    return Ask(kWaiter, "w", 1, 1, wait_ms, true).outcome().queued().ticket();
  }
  // "KIND code" of what this connection was told.
  std::vector<std::string> Told(ConnectionId connection) {
    std::vector<std::string> told;
    for (const v1::ServerMessage& message : world_.host(at_).told[connection]) {
      if (!message.has_event()) continue;
      told.push_back(absl::StrCat(v1::SessionEvent::Kind_Name(message.event().kind()), " ",
                                  message.event().code()));
    }
    return told;
  }
  void Reread(absl::string_view lines) {
    auto files = std::make_shared<Node::ReadFiles>();
    files->files = license::testing::SetOf(lines, 0);
    files->catalog = license::Catalog::Build(SourcesOf(files->files));
    files->from = static_cast<uint32_t>(at_);
    bool done = false;
    world_.node(at_).Reread(files, /*dry_run=*/false,
                            [&done](const auto& told) { done = told.ok(); });
    ASSERT_TRUE(world_.Until([&done] { return done; }));
  }

  World world_;
  int at_ = 0;
  uint64_t handle_ = 0;
  uint64_t asked_ = 0;
};

TEST_F(SessionEventsTest, ADenialIsTheAnswerAndNoEvent) {
  const auto denied = Ask(kWaiter, "w", 1, 1, 0, false);
  EXPECT_EQ(denied.outcome().denied().code(), -4);
  EXPECT_EQ(denied.outcome().denied().feature(), "f");
  EXPECT_THAT(Told(kWaiter), IsEmpty());
}

TEST_F(SessionEventsTest, AGrantOutOfTheQueueIsToldToWhoWaited) {
  const uint64_t ticket = Wait(0);
  ASSERT_NE(ticket, 0u);
  v1::ClientMessage message;
  auto* request = message.mutable_request();
  request->set_session(license::testing::SessionNamed("h"));
  request->set_seq(2);
  request->mutable_checkin()->set_handle(handle_);
  world_.Say(at_, kHolder, std::move(message));
  ASSERT_TRUE(world_.Until([&] { return !Told(kWaiter).empty(); }));
  EXPECT_THAT(Told(kWaiter), ElementsAre("GRANTED 0"));
  const v1::SessionEvent& event = world_.host(at_).told[kWaiter].back().event();
  EXPECT_EQ(event.ticket(), ticket);
  EXPECT_EQ(event.granted().holdings(0).handle(), ticket);
  EXPECT_THAT(Told(kHolder), IsEmpty());
}

TEST_F(SessionEventsTest, WhoCanNeverBeServedIsToldTheNumberOfTheReason) {
  Wait(0);
  Reread("FEATURE g acme 1.0 permanent 2\n");
  ASSERT_TRUE(world_.Until([&] { return !Told(kWaiter).empty(); }));
  EXPECT_THAT(Told(kWaiter), ElementsAre("DEQUEUED -5"));
  EXPECT_THAT(Told(kHolder), ElementsAre("VIOLATION 0"));
}

// TimePasses: whoever leads when the time has come proposes it.
TEST_F(SessionEventsTest, AWaitEndsInTimeAlsoIfTheLeaderDiesBefore) {
  Wait(3'000);
  world_.Advance(1'000);
  world_.Kill(world_.Leader());
  ASSERT_TRUE(world_.Until([&] { return !Told(kWaiter).empty(); }));
  EXPECT_THAT(Told(kWaiter), ElementsAre("DEQUEUED 0"));
  EXPECT_TRUE(world_.node(at_).ledger().waiters().empty());
}

TEST_F(SessionEventsTest, AWaitEndsOnceIfALeaderThatIsCutOffProposedItsEnd) {
  Wait(3'000);
  const int old = world_.Leader();
  // Cut off just before: it proposes, and nobody hears of it.
  world_.Advance(2'900);
  world_.Isolate(old);
  ASSERT_TRUE(world_.Until([&] { return !Told(kWaiter).empty(); }));
  EXPECT_FALSE(world_.node(old).ledger().waiters().empty());
  world_.HealAll();
  ASSERT_TRUE(world_.Until([&] { return world_.node(old).ledger().waiters().empty(); }));
  EXPECT_THAT(Told(kWaiter), ElementsAre("DEQUEUED 0"));
  // It leads again, and does what is due then.
  const auto again = Ask(kWaiter, "w", 2, 1, 3'000, true);
  ASSERT_TRUE(again.outcome().has_queued()) << again.ShortDebugString();
  for (int k = 1; k <= 3; ++k) {
    if (k != old && k != at_) world_.Kill(k);
  }
  ASSERT_TRUE(world_.Until([&] { return Told(kWaiter).size() == 2; }));
}

}  // namespace
}  // namespace triad::server
