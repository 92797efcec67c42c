// The same request may come twice, late, out of order, through several nodes, across a change of
// leader: it counts once, and the answer is the same.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw_client.h"

namespace triad::integration {
namespace {

class ExactlyOnce : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(cluster_.Start()); }

  // Opens the session through `stream`; its token.
  std::string Open(RawStream& stream) {
    const auto answer = stream.Ask(OpenMessage(session_, 1));
    EXPECT_TRUE(answer && answer->has_opened()) << Describe(answer);
    return answer ? answer->opened().token() : "";
  }
  std::string Granted(const std::optional<v1::ServerMessage>& answer) {
    EXPECT_TRUE(answer && answer->outcome().has_granted()) << Describe(answer);
    return Essence(answer);
  }

  // Whoever reads a journal must not be able to speak for a session.
  void ExpectNowhereInTheJournals(const std::string& token) const {
    ASSERT_FALSE(token.empty());
    for (const int node : {1, 2, 3}) {
      const std::string log = cluster_.Log(node);
      EXPECT_TRUE(absl::StrContains(log, "leads in term")) << log;
      for (const std::string& form :
           {token, absl::BytesToHexString(token), absl::Base64Escape(token),
            absl::WebSafeBase64Escape(token), absl::CEscape(token)}) {
        EXPECT_FALSE(absl::StrContains(log, form)) << node;
      }
    }
  }

  Cluster cluster_{Cluster::Options{}};
  const std::string session_ = NewSessionId();
};

TEST_F(ExactlyOnce, ARequestSentTwiceCountsOnceAndGetsTheSameAnswer) {
  RawStream stream(cluster_.Address(1));
  Open(stream);
  // Both are under way together.
  v1::ClientMessage first = CheckoutMessage(session_, 1, 0, "tserver_sdn", 3);
  v1::ClientMessage second = first;
  first.set_id(11);
  second.set_id(12);
  ASSERT_TRUE(stream.Send(first));
  ASSERT_TRUE(stream.Send(second));
  const std::string answer = Granted(stream.WaitForAnswer(11));
  EXPECT_EQ(Essence(stream.WaitForAnswer(12)), answer);
  // And once more, long afterwards.
  EXPECT_EQ(Essence(stream.Ask(first)), answer);
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 3u);
}

TEST_F(ExactlyOnce, ARequestThatComesAfterItsAnswerWasAcknowledgedIsRefusedNotExecuted) {
  RawStream stream(cluster_.Address(2));
  Open(stream);
  Granted(stream.Ask(CheckoutMessage(session_, 1, 0, "tserver_sdn")));
  Granted(stream.Ask(CheckoutMessage(session_, 2, 1, "tserver_sdn")));
  const auto late = stream.Ask(CheckoutMessage(session_, 1, 0, "tserver_sdn"));
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->has_failure()) << Describe(late);
  EXPECT_TRUE(late->failure().certain());
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 2u);
}

TEST_F(ExactlyOnce, RequestsOutOfOrderAreEachDoneOnce) {
  RawStream stream(cluster_.Address(3));
  Open(stream);
  std::vector<std::string> answers;
  for (uint64_t seq : {4, 2, 3, 1}) {
    answers.push_back(Granted(stream.Ask(CheckoutMessage(session_, seq, 0, "tserver_sdn"))));
  }
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 4u);
  size_t i = 0;
  for (uint64_t seq : {4, 2, 3, 1}) {
    EXPECT_EQ(Essence(stream.Ask(CheckoutMessage(session_, seq, 0, "tserver_sdn"))), answers[i++]);
  }
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 4u);
}

TEST_F(ExactlyOnce, ARequestThroughAllNodesAtOnceCountsOnceAndGetsTheSameAnswer) {
  RawStream one(cluster_.Address(1));
  RawStream two(cluster_.Address(2));
  RawStream three(cluster_.Address(3));
  const std::string token = Open(one);
  uint64_t used = 0;
  for (uint64_t seq = 1; seq <= 9; ++seq) {
    v1::ClientMessage request = CheckoutMessage(session_, seq, seq - 1, "tserver_sdn", 1, token);
    request.set_id(seq);
    ASSERT_TRUE(one.Send(request));
    ASSERT_TRUE(two.Send(request));
    ASSERT_TRUE(three.Send(request));
    const std::string answer = Granted(one.WaitForAnswer(seq));
    EXPECT_EQ(Essence(two.WaitForAnswer(seq)), answer);
    EXPECT_EQ(Essence(three.WaitForAnswer(seq)), answer);
    EXPECT_EQ(cluster_.Used("tserver_sdn"), ++used);
  }
  // A check-in twice, likewise: the second is not another's.
  const auto granted = one.Ask(CheckoutMessage(session_, 10, 9, "tserver_sdn", 1, token));
  ASSERT_TRUE(granted && granted->outcome().has_granted()) << Describe(granted);
  const uint64_t handle = granted->outcome().granted().holdings(0).handle();
  const std::string done = Essence(one.Ask(CheckinMessage(session_, 11, 10, handle, token)));
  EXPECT_EQ(Essence(two.Ask(CheckinMessage(session_, 11, 10, handle, token))), done);
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 9u);
}

TEST_F(ExactlyOnce, ARequestAcrossAChangeOfLeaderCountsOnceAndGetsTheSameAnswer) {
  const int leader = cluster_.WaitForLeader();
  const auto [left, right] = cluster_.Others(leader);
  RawStream at_leader(cluster_.Address(leader));
  RawStream at_left(cluster_.Address(left));
  RawStream at_right(cluster_.Address(right));
  const std::string token = Open(at_left);
  const std::string before =
      Granted(at_leader.Ask(CheckoutMessage(session_, 1, 0, "tserver_sdn", 2, token)));
  // Sent through all three and the leader killed under them: whether it was appended, committed
  // or neither, the two that are left find one answer.
  v1::ClientMessage torn = CheckoutMessage(session_, 2, 0, "tserver_sdn", 3, token);
  torn.set_id(77);
  ASSERT_TRUE(at_leader.Send(torn));
  ASSERT_TRUE(at_left.Send(torn));
  ASSERT_TRUE(at_right.Send(torn));
  cluster_.Kill(leader);
  std::string answer;
  EXPECT_TRUE(WaitFor([&] {
    const auto got = at_left.Ask(torn);
    if (!got || !got->outcome().has_granted()) return false;
    answer = Essence(got);
    return true;
  }));
  EXPECT_EQ(Granted(at_right.Ask(torn)), answer);
  EXPECT_EQ(Granted(at_right.Ask(CheckoutMessage(session_, 1, 0, "tserver_sdn", 2, token))), before)
      << "the answer of before the change of leader";
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 5u);
  // And the first leader, back as a follower, gives it too.
  cluster_.StartNode(leader);
  std::string there;
  EXPECT_TRUE(WaitFor([&] {
    const auto got = RawCall(cluster_.Address(leader), torn);
    if (!got.status.ok()) return false;
    there = Essence(got.message);
    return true;
  }));
  EXPECT_EQ(there, answer);
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 5u);
  ExpectNowhereInTheJournals(token);
}

TEST_F(ExactlyOnce, AUnaryRequestSentTwiceThroughTwoNodesCountsOnce) {
  const auto opened = RawCall(cluster_.Address(1), OpenMessage(session_, 1));
  ASSERT_TRUE(opened.status.ok()) << opened.status.error_message();
  const std::string token = opened.message.opened().token();
  const auto request = CheckoutMessage(session_, 1, 0, "tserver_sdn", 4, token);
  const auto first = RawCall(cluster_.Address(2), request);
  const auto second = RawCall(cluster_.Address(3), request);
  ASSERT_TRUE(first.status.ok()) << first.status.error_message();
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();
  EXPECT_EQ(Granted(second.message), Granted(first.message));
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 4u);
}

TEST_F(ExactlyOnce, ASessionOpenedTwiceThroughTwoNodesIsOneSession) {
  RawStream one(cluster_.Address(1));
  RawStream two(cluster_.Address(2));
  const auto first = one.Ask(OpenMessage(session_, 1));
  const auto second = two.Ask(OpenMessage(session_, 2));
  ASSERT_TRUE(first && first->has_opened()) << Describe(first);
  ASSERT_TRUE(second && second->has_opened()) << Describe(second);
  // The second has replaced the first's token: the session is node 2's now.
  const auto with_old =
      one.Ask(CheckoutMessage(session_, 1, 0, "tserver_sdn", 1, first->opened().token()));
  ASSERT_TRUE(with_old);
  EXPECT_TRUE(with_old->has_failure()) << Describe(with_old);
  Granted(two.Ask(CheckoutMessage(session_, 1, 0, "tserver_sdn")));
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 1u);
  const auto status = cluster_.Status(1);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->sessions(), 1u);
}

}  // namespace
}  // namespace triad::integration
