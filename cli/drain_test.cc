#include "cli/drain.h"

#include <gtest/gtest.h>

#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

class DrainTest : public ::testing::Test {
 protected:
  int Drain(const std::vector<std::string>& arguments) {
    return DrainVerb(cluster_.With(arguments));
  }

  FakeCluster cluster_{1};
};

TEST_F(DrainTest, ItEndsWhenAnotherNodeLeads) {
  cluster_.one.on_drain = [this] { cluster_.Lead(3); };
  EXPECT_EQ(Drain({}), 0);
  EXPECT_FALSE(cluster_.one.drain_request.undo());
  EXPECT_EQ(cluster_.one.drain_request.node(), 0u);
}

TEST_F(DrainTest, AnotherNodeIsNamedAndUndone) {
  EXPECT_EQ(Drain({"--node=2"}), 0);
  EXPECT_EQ(cluster_.one.drain_request.node(), 2u);
  EXPECT_EQ(Drain({"--node=2", "--undo"}), 0);
  EXPECT_TRUE(cluster_.one.drain_request.undo());
}

TEST_F(DrainTest, WrongUsageIsTwo) {
  EXPECT_EQ(Drain({"--node=4"}), 2);
  EXPECT_EQ(Drain({"now"}), 2);
}

}  // namespace
}  // namespace triad::cli
