#include "cli/reserve.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/servers.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

class ReserveTest : public ::testing::Test {
 protected:
  ReserveTest() {
    Name(&node_, 1, node_.address());
    node_.status.set_leader(1);
    node_.status.set_role("leader");
  }
  std::vector<std::string> With(std::vector<std::string> arguments) {
    arguments.push_back("-c");
    arguments.push_back(AsSearchPath(client::Cluster{{node_.address()}, ""}));
    return arguments;
  }
  FakeNode node_{1};
};

TEST_F(ReserveTest, IsSentAsItWasTyped) {
  node_.act_outcome.mutable_reserved()->set_id(7);
  EXPECT_EQ(ReserveVerb(With({"tserver_sdn", "4", "user", "ann", "--for=8h"})), 0);
  EXPECT_EQ(node_.act.reserve().feature(), "tserver_sdn");
  EXPECT_EQ(node_.act.reserve().count(), 4u);
  EXPECT_EQ(node_.act.reserve().type(), "USER");
  EXPECT_EQ(node_.act.reserve().name(), "ann");
  EXPECT_EQ(node_.act.reserve().for_ms(), 8u * 3600 * 1000);
  EXPECT_EQ(node_.act.who(), "") << "the node says who it was";
}

TEST_F(ReserveTest, ADenialIsOne) {
  node_.act_outcome.mutable_denied()->set_code(-4);
  EXPECT_EQ(ReserveVerb(With({"tserver_sdn", "4", "USER", "ann"})), 1);
}

TEST_F(ReserveTest, WrongUsageIsTwo) {
  EXPECT_EQ(ReserveVerb(With({"tserver_sdn", "4", "USER"})), 2);
  EXPECT_EQ(ReserveVerb(With({"tserver_sdn", "0", "USER", "ann"})), 2);
  EXPECT_EQ(ReserveVerb(With({"tserver_sdn", "4", "PERSON", "ann"})), 2);
  EXPECT_EQ(ReserveVerb(With({"tserver_sdn", "4", "USER", "ann", "--for=x"})), 2);
  EXPECT_EQ(UnreserveVerb(With({"x"})), 2);
  EXPECT_EQ(UndoClockVerb(With({"now"})), 2);
}

TEST_F(ReserveTest, TakesBackByNumberAndUndoesTheClock) {
  node_.act_outcome.mutable_done();
  EXPECT_EQ(UnreserveVerb(With({"7"})), 0);
  EXPECT_EQ(node_.act.unreserve().id(), 7u);
  EXPECT_EQ(UndoClockVerb(With({})), 0);
  EXPECT_TRUE(node_.act.has_undo_clock());
}

}  // namespace
}  // namespace triad::cli
