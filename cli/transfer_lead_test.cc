#include "cli/transfer_lead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/servers.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

// Three nodes of which the second leads.
class TransferLead : public ::testing::Test {
 protected:
  TransferLead() {
    for (FakeNode* node : {&one_, &two_, &three_}) {
      Name(node, 1, one_.address());
      Name(node, 2, two_.address());
      Name(node, 3, three_.address());
      for (auto& other : *node->status.mutable_nodes()) other.set_connected(true);
      node->status.set_term(7);
    }
    Lead(2);
  }

  void Lead(uint32_t leader) {
    for (FakeNode* node : {&one_, &two_, &three_}) {
      node->status.set_leader(leader);
      node->status.set_role(node->status.slot() == leader ? "leader" : "follower");
    }
  }

  int Transfer(std::vector<std::string> arguments) {
    arguments.push_back("-c");
    arguments.push_back(
        AsSearchPath(client::Cluster{{one_.address(), two_.address(), three_.address()}, ""}));
    return TransferLeadVerb(arguments);
  }

  FakeNode one_{1};
  FakeNode two_{2};
  FakeNode three_{3};
};

TEST_F(TransferLead, TheLeaderIsAskedAndItEndsWhenAnotherNodeLeads) {
  two_.on_transfer = [this](uint32_t to) { Lead(to); };
  EXPECT_EQ(Transfer({"--to=3"}), 0);
  EXPECT_EQ(two_.transfer_calls, 1);
  EXPECT_EQ(one_.transfer_calls, 0);
}

TEST_F(TransferLead, ANodeThatLeadsAlreadyIsSuccess) {
  EXPECT_EQ(Transfer({"--to=2"}), 0);
  EXPECT_EQ(two_.transfer_calls, 0);
}

TEST_F(TransferLead, ARefusalIsOneAndNoQuorumIsThree) {
  two_.transfer_result = grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not you");
  EXPECT_EQ(Transfer({}), 1);
  for (FakeNode* node : {&one_, &two_, &three_}) {
    node->status.set_quorum(false);
    node->status.set_role("candidate");
  }
  EXPECT_EQ(Transfer({}), 3);
}

TEST_F(TransferLead, WrongUsageIsTwo) {
  EXPECT_EQ(Transfer({"--to=4"}), 2);
  EXPECT_EQ(Transfer({"--to=x"}), 2);
  EXPECT_EQ(Transfer({"3"}), 2);
}

}  // namespace
}  // namespace triad::cli
