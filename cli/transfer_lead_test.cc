#include "cli/transfer_lead.h"

#include <gtest/gtest.h>

#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

class TransferLead : public ::testing::Test {
 protected:
  int Transfer(const std::vector<std::string>& arguments) {
    return TransferLeadVerb(cluster_.With(arguments));
  }
  // What it prints for programs.
  std::string Json(std::vector<std::string> arguments, int exit_status) {
    arguments.emplace_back("--json");
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(Transfer(arguments), exit_status);
    return ::testing::internal::GetCapturedStdout();
  }

  FakeCluster cluster_{2};
};

TEST_F(TransferLead, TheLeaderIsAskedAndItEndsWhenAnotherNodeLeads) {
  cluster_.two.on_transfer = [this](uint32_t to) { cluster_.Lead(to); };
  EXPECT_EQ(Transfer({"--to=3"}), 0);
  EXPECT_EQ(cluster_.two.transfer_calls, 1);
  EXPECT_EQ(cluster_.one.transfer_calls, 0);
}

TEST_F(TransferLead, ANodeThatLeadsAlreadyIsSuccess) {
  EXPECT_EQ(Transfer({"--to=2"}), 0);
  EXPECT_EQ(cluster_.two.transfer_calls, 0);
}

TEST_F(TransferLead, ARefusalIsOneAndNoQuorumIsThree) {
  cluster_.two.transfer_result = grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not you");
  EXPECT_EQ(Transfer({}), 1);
  cluster_.LoseQuorum();
  EXPECT_EQ(Transfer({}), 3);
}

TEST_F(TransferLead, ProgramsAreToldWhoLeadsOrWhyNot) {
  EXPECT_EQ(Json({"--to=2"}, 0), "{\"leader\":2}\n");
  cluster_.two.transfer_result = grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not you");
  EXPECT_EQ(Json({"--to=3"}, 1),
            "{\"error\":\"not you; node 2 leads, and only its own host's admin socket can tell "
            "it\",\"certain\":true}\n");
  cluster_.two.transfer_result = grpc::Status::OK;
  cluster_.two.on_transfer = [this](uint32_t to) { cluster_.Lead(to); };
  EXPECT_EQ(Json({"--to=3"}, 0), "{\"leader\":3}\n");
}

TEST_F(TransferLead, WrongUsageIsTwo) {
  EXPECT_EQ(Transfer({"--to=4"}), 2);
  EXPECT_EQ(Transfer({"--to=x"}), 2);
  EXPECT_EQ(Transfer({"3"}), 2);
}

}  // namespace
}  // namespace triad::cli
