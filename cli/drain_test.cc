#include "cli/drain.h"

#include <gtest/gtest.h>

#include "cli/servers.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

class DrainTest : public ::testing::Test {
 protected:
  DrainTest() {
    for (FakeNode* node : {&one_, &two_, &three_}) {
      Name(node, 1, one_.address());
      Name(node, 2, two_.address());
      Name(node, 3, three_.address());
      node->status.set_term(7);
    }
    Lead(1);
  }
  void Lead(uint32_t leader) {
    for (FakeNode* node : {&one_, &two_, &three_}) {
      node->status.set_leader(leader);
      node->status.set_role(node->status.slot() == leader ? "leader" : "follower");
    }
  }
  int Drain(std::vector<std::string> arguments) {
    arguments.push_back("-c");
    arguments.push_back(
        AsSearchPath(client::Cluster{{one_.address(), two_.address(), three_.address()}, ""}));
    return DrainVerb(arguments);
  }

  FakeNode one_{1};
  FakeNode two_{2};
  FakeNode three_{3};
};

TEST_F(DrainTest, ItEndsWhenAnotherNodeLeads) {
  one_.on_drain = [this] { Lead(3); };
  EXPECT_EQ(Drain({}), 0);
  EXPECT_FALSE(one_.drain_request.undo());
  EXPECT_EQ(one_.drain_request.node(), 0u);
}

TEST_F(DrainTest, AnotherNodeIsNamedAndUndone) {
  EXPECT_EQ(Drain({"--node=2"}), 0);
  EXPECT_EQ(one_.drain_request.node(), 2u);
  EXPECT_EQ(Drain({"--node=2", "--undo"}), 0);
  EXPECT_TRUE(one_.drain_request.undo());
}

TEST_F(DrainTest, WrongUsageIsTwo) {
  EXPECT_EQ(Drain({"--node=4"}), 2);
  EXPECT_EQ(Drain({"now"}), 2);
}

}  // namespace
}  // namespace triad::cli
