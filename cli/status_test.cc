#include "cli/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace triad::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kNodes = 3;

client::Address AddressOf(uint32_t node) {
  return {absl::StrCat("127.0.0.", node), static_cast<int>(27000 + node)};
}

NodeAnswer Up(uint32_t node, const std::string& role, uint64_t term, uint32_t leader,
              uint64_t applied = 120) {
  NodeAnswer answer;
  answer.address = AddressOf(node);
  v1::NodeStatus status;
  status.set_slot(node);
  status.set_role(role);
  status.set_term(term);
  status.set_leader(leader);
  status.set_quorum(leader != 0);
  status.set_applied(applied);
  status.set_commit(applied);
  status.set_sessions(2);
  status.add_vendors("genesys.d");
  status.set_cluster_id("c");
  for (uint32_t other = 1; other <= kNodes; ++other) {
    auto* entry = status.add_nodes();
    entry->set_slot(other);
    entry->set_address(client::FormatAddress(AddressOf(other)));
    entry->set_connected(true);
  }
  answer.status = status;
  return answer;
}

NodeAnswer Down(uint32_t node) {
  NodeAnswer answer;
  answer.address = AddressOf(node);
  answer.error = absl::UnavailableError("Connection refused");
  return answer;
}

void CutLink(NodeAnswer* from, uint32_t to) {
  from->status->mutable_nodes(static_cast<int>(to) - 1)->set_connected(false);
}

TEST(Status, ThreeNodesUpCanLoseOne) {
  const ClusterView view =
      MergeStatus({Up(1, "follower", 7, 2), Up(2, "leader", 7, 2), Up(3, "follower", 7, 2, 118)});
  EXPECT_EQ(StatusText(view),
            "node  address          role      term  applied  lag\n"
            "1     27001@127.0.0.1  follower     7      120    0\n"
            "2     27002@127.0.0.2  leader       7      120    0\n"
            "3     27003@127.0.0.3  follower     7      118    2\n"
            "node 2 leads, 2 sessions, vendor genesys.d\n"
            "can lose 1\n");
  EXPECT_EQ(CheckStatus(view), 0);
  EXPECT_EQ(CheckText(view), "TRIAD OK: can lose 1\n");
}

// What deploy/packages/restart-in-turn goes by.
TEST(Status, JsonNamesTheNodesThatAreDrained) {
  NodeAnswer drained = Up(3, "follower", 7, 2);
  drained.status->set_draining(true);
  const std::string json =
      StatusJson(MergeStatus({Up(1, "follower", 7, 2), Up(2, "leader", 7, 2), drained}));
  const size_t third = json.find("\"node\":3");
  EXPECT_EQ(json.find("\"draining\":true"), json.find("\"draining\"", third)) << json;
  EXPECT_NE(json.find("\"node\":1"), std::string::npos) << json;
  EXPECT_NE(json.find("\"draining\":false"), std::string::npos) << json;
}

TEST(Status, ANodeThatIsDownIsShownAndNoneCanBeLost) {
  NodeAnswer leader = Up(2, "leader", 7, 2);
  CutLink(&leader, 3);
  const ClusterView view = MergeStatus({Up(1, "follower", 7, 2), leader, Down(3)});
  EXPECT_EQ(StatusText(view),
            "node  address          role      term  applied  lag\n"
            "1     27001@127.0.0.1  follower     7      120    0\n"
            "2     27002@127.0.0.2  leader       7      120    0\n"
            "3     27003@127.0.0.3  down         -        -    -\n"
            "node 2 leads, 2 sessions, vendor genesys.d\n"
            "cannot lose any: node 3 (27003@127.0.0.3) is down: Connection refused\n");
  EXPECT_EQ(CheckStatus(view), 1);
}

TEST(Status, ALearnerIsNoVoterWhateverItSaysOfItself) {
  NodeAnswer leader = Up(2, "leader", 7, 2);
  for (auto& node : *leader.status->mutable_nodes()) node.set_member("voter");
  EXPECT_EQ(MergeStatus({Up(1, "follower", 7, 2), leader, Up(3, "follower", 7, 2)}).CanLose(), 1);
  EXPECT_EQ(MergeStatus({Up(1, "follower", 7, 2), leader, Up(3, "learner", 7, 2)}).Verdict(),
            "cannot lose any: node 3 (27003@127.0.0.3) is learner");
  leader.status->mutable_nodes(2)->set_member("learner");
  EXPECT_EQ(MergeStatus({Up(1, "follower", 7, 2), leader, Up(3, "follower", 7, 2)}).Verdict(),
            "cannot lose any: node 3 (27003@127.0.0.3) is learner");
  EXPECT_EQ(MergeStatus({Up(1, "follower", 7, 2), leader, Up(3, "quarantine", 7, 0)}).Verdict(),
            "cannot lose any: node 3 (27003@127.0.0.3) is quarantine");
}

TEST(Status, WithoutQuorumItSaysWhatIsMissing) {
  NodeAnswer alone = Up(1, "candidate", 8, 0);
  alone.status->set_waiting_for(
      "node 2 (27002@127.0.0.2) does not answer, node 3 (27003@127.0.0.3) does not answer");
  const ClusterView view = MergeStatus({alone, Down(2), Down(3)});
  EXPECT_FALSE(view.quorum);
  EXPECT_EQ(view.leader, 0u);
  EXPECT_EQ(view.Verdict(),
            "no quorum: waiting for node 2 (27002@127.0.0.2: Connection refused), node 3 "
            "(27003@127.0.0.3: Connection refused)");
  EXPECT_EQ(CheckStatus(view), 2);
}

TEST(Status, WhenNothingAnswersTheCheckIsUnknown) {
  const ClusterView view = MergeStatus({Down(1), Down(2), Down(3)});
  EXPECT_EQ(CheckStatus(view), 3);
  EXPECT_FALSE(view.quorum);
  EXPECT_THAT(view.Verdict(), HasSubstr("node 1 (27001@127.0.0.1: Connection refused)"));
  EXPECT_EQ(view.nodes.size(), 3u);
}

TEST(Status, ALeaderThatAnotherHasReplacedDoesNotLead) {
  const ClusterView view =
      MergeStatus({Up(1, "leader", 7, 1), Up(2, "leader", 8, 2), Up(3, "follower", 8, 2)});
  EXPECT_EQ(view.leader, 2u);
  EXPECT_EQ(view.term, 8u);
  EXPECT_EQ(view.nodes[0].role, "candidate");
  EXPECT_EQ(view.CanLose(), 0);
}

TEST(Status, ALeaderOfAnOldTermAloneIsNoQuorum) {
  NodeAnswer candidate = Up(2, "candidate", 9, 0);
  candidate.status->set_waiting_for("an election is under way");
  const ClusterView view = MergeStatus({Up(1, "leader", 7, 1), candidate, Down(3)});
  EXPECT_FALSE(view.quorum);
}

TEST(Status, WithAMajorityUpItWaitsForAnElectionAndSaysWhyThereIsNone) {
  NodeAnswer candidate = Up(2, "candidate", 9, 0);
  candidate.status->set_waiting_for("slot 1 is known: run triadd rejoin");
  EXPECT_EQ(MergeStatus({Up(1, "candidate", 8, 0), candidate, Down(3)}).Verdict(),
            "no quorum: waiting for an election: slot 1 is known: run triadd rejoin");
}

TEST(Status, AClusterThatFormsNeedsAll) {
  const NodeAnswer first = Up(1, "forming", 0, 0);
  const NodeAnswer second = Up(2, "forming", 0, 0);
  EXPECT_EQ(MergeStatus({first, second, Down(3)}).Verdict(),
            "no quorum: waiting for node 3 (27003@127.0.0.3: Connection refused)");
  EXPECT_EQ(MergeStatus({first, second, Up(3, "forming", 0, 0)}).Verdict(),
            "no quorum: waiting for the cluster to form");
}

TEST(Status, ALeaderThatIsNotSeenFromHereIsBelievedWhereAFollowerHasALinkToIt) {
  ClusterView view = MergeStatus({Up(1, "follower", 7, 2), Down(2), Up(3, "follower", 7, 2)});
  EXPECT_TRUE(view.quorum);
  EXPECT_EQ(view.leader, 2u);
  EXPECT_EQ(view.nodes[1].role, "down");
  EXPECT_EQ(view.CanLose(), 0);
  EXPECT_THAT(view.warnings, ElementsAre("node 2 leads, but does not answer here"));

  NodeAnswer first = Up(1, "follower", 7, 2);
  NodeAnswer third = Up(3, "follower", 7, 2);
  CutLink(&first, 2);
  CutLink(&third, 2);
  view = MergeStatus({first, Down(2), third});
  EXPECT_FALSE(view.quorum);  // it has just died
}

TEST(Status, AMemberWithoutALinkToTheLeaderDoesNotCount) {
  NodeAnswer leader = Up(2, "leader", 7, 2);
  CutLink(&leader, 1);
  const ClusterView view = MergeStatus({Up(1, "follower", 7, 2), leader, Up(3, "follower", 7, 2)});
  EXPECT_EQ(view.Verdict(), "cannot lose any: node 1 (27001@127.0.0.1) has no link to the leader");
}

TEST(Status, NodesKeepTheirNumbersWhateverTheOrderOfTheSearchPath) {
  const ClusterView view = MergeStatus({Up(3, "leader", 7, 3), Down(1), Up(2, "follower", 7, 3)});
  ASSERT_EQ(view.nodes.size(), 3u);
  EXPECT_EQ(view.nodes[0].role, "down");
  EXPECT_EQ(view.nodes[0].error, "Connection refused");
  EXPECT_EQ(view.nodes[2].role, "leader");
}

TEST(Status, WarningsNameTheirNode) {
  NodeAnswer second = Up(2, "leader", 7, 2);
  second.status->add_warnings("license file differs");
  NodeAnswer third = Up(3, "follower", 7, 2);
  third.status->set_cluster_id("other");
  const ClusterView view = MergeStatus({Up(1, "follower", 7, 2), second, third});
  EXPECT_THAT(StatusText(view), HasSubstr("warning: node 2: license file differs\n"));
  EXPECT_THAT(StatusText(view), HasSubstr("different clusters"));
}

TEST(Status, TheJsonHasTheMembersThatScriptsReadOn) {
  NodeAnswer leader = Up(2, "leader", 7, 2);
  CutLink(&leader, 3);
  const std::string json = StatusJson(MergeStatus({Up(1, "follower", 7, 2), leader, Down(3)}));
  EXPECT_THAT(json, HasSubstr("{\"quorum\":true,\"leader\":2,\"term\":7,\"nodes\":["
                              "{\"node\":1,\"address\":\"27001@127.0.0.1\",\"role\":\"follower\","
                              "\"applied\":120,"));
  EXPECT_THAT(json, HasSubstr("{\"node\":3,\"address\":\"27003@127.0.0.3\",\"role\":\"down\","
                              "\"applied\":null,"));
  EXPECT_THAT(json, Not(HasSubstr("\"certain\"")));
  const std::string none = StatusJson(MergeStatus({Down(1), Down(2), Down(3)}));
  EXPECT_THAT(none, HasSubstr("{\"quorum\":false,\"leader\":null,"));
  EXPECT_THAT(none, HasSubstr("\"certain\":true"));
}

TEST(Status, OneServerAloneHasAQuorumAndCannotBeLost) {
  NodeAnswer only = Up(1, "leader", 1, 1);
  only.status->mutable_nodes()->DeleteSubrange(1, 2);
  const ClusterView view = MergeStatus({only});
  EXPECT_TRUE(view.quorum);
  EXPECT_EQ(view.Verdict(), "cannot lose any: there is one SERVER line only");
}

}  // namespace
}  // namespace triad::cli
