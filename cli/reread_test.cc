#include "cli/reread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/servers.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

using ::testing::HasSubstr;

v1::RereadResponse Shrinks() {
  v1::RereadResponse response;
  response.set_from(2);
  auto* change = response.add_changes();
  change->set_feature("tserver_sdn");
  change->set_version("8.0");
  change->set_expires("permanent");
  change->set_was_there(true);
  change->set_is_there(true);
  change->set_licenses_before(10);
  change->set_licenses_after(5);
  change->set_in_use(7);
  auto* use = change->add_affected();
  use->set_user("ann");
  use->set_host("host7");
  use->mutable_holding()->set_count(7);
  use->mutable_holding()->set_handle(101);
  return response;
}

TEST(RereadText, SaysWhatChangesAndForWhom) {
  v1::RereadResponse response = Shrinks();
  response.add_diagnostics("a.dat:3:1: warning: odd");
  EXPECT_EQ(RereadText(response, /*dry_run=*/true),
            "feature      version  licenses  in use  expires    what\n"
            "tserver_sdn  8.0      10 -> 5        7  permanent  shrinks\n"
            "tserver_sdn 8.0: 7 in use, 5 are left; these keep what they have, and are told of a "
            "violation:\n"
            "    ann@host7  7, handle 101\n"
            "a.dat:3:1: warning: odd\n"
            "triad: nothing was changed: these would be the files of node 2\n");
}

TEST(RereadText, SaysWhatWasDone) {
  v1::RereadResponse response;
  response.set_from(1);
  response.set_license_set_number(4);
  EXPECT_EQ(RereadText(response, false),
            "triad: the files of node 1 are in force on all nodes: license set 4\n");
  response.set_unchanged(true);
  EXPECT_EQ(RereadText(response, false),
            "triad: the files of node 1 are what is in force already\n");
  response.set_refusal("no license line");
  EXPECT_THAT(RereadText(response, true), HasSubstr("would be refused: no license line"));
}

TEST(RereadJson, HasTheSame) {
  EXPECT_THAT(RereadJson(Shrinks(), true),
              HasSubstr(R"("before":10,"after":5,"in_use":7,"affected":[{"user":"ann")"));
}

class Reread : public ::testing::Test {
 protected:
  Reread() { Name(&node_, 1, node_.address()); }
  int Run(std::vector<std::string> arguments) {
    arguments.push_back("-c");
    arguments.push_back(AsSearchPath(client::Cluster{{node_.address()}, ""}));
    return RereadVerb(arguments);
  }
  void SetUp() override {
    node_.status.set_leader(1);
    node_.status.set_role("leader");
  }
  FakeNode node_{1};
};

TEST_F(Reread, AsksTheNodeAndPassesOnWhoseFilesAndWhetherToLookOnly) {
  EXPECT_EQ(Run({"--dry-run", "--from=3", "--json"}), 0);
  EXPECT_TRUE(node_.reread_request.dry_run());
  EXPECT_EQ(node_.reread_request.from(), 3u);
}

TEST_F(Reread, ARefusalIsOneWhatMayHaveHappenedIsThree) {
  node_.reread_result = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "other host ids");
  EXPECT_EQ(Run({}), 1);
  node_.reread_result = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the lead was lost");
  EXPECT_EQ(Run({"--json"}), 3);
  node_.reread_result = grpc::Status::OK;
  node_.reread_response.set_refusal("other host ids");
  EXPECT_EQ(Run({"--dry-run"}), 1);
  node_.status.set_quorum(false);
  EXPECT_EQ(Run({}), 3);
}

TEST_F(Reread, WrongUsageIsTwo) {
  EXPECT_EQ(Run({"--from=4"}), 2);
  EXPECT_EQ(Run({"word"}), 2);
}

}  // namespace
}  // namespace triad::cli
