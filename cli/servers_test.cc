#include "cli/servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "cli/servers_testing.h"

namespace triad::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Servers, NodesThatAreDownDoNotKeepTheOthersFromAnswering) {
  FakeNode one(1);
  FakeNode three(3);
  const auto answers = AskStatus({one.address(), Nobody(), three.address()});
  ASSERT_EQ(answers.size(), 3u);
  ASSERT_TRUE(answers[0].status.has_value());
  EXPECT_EQ(answers[0].status->slot(), 1u);
  EXPECT_FALSE(answers[1].status.has_value());
  EXPECT_EQ(answers[1].error.message(), "Connection refused");
  EXPECT_TRUE(answers[2].status.has_value());
}

TEST(Servers, NodesThatTheSearchPathDoesNotNameAreAskedToo) {
  FakeNode one(1);
  FakeNode two(2);
  Name(&one, 1, one.address());
  Name(&one, 2, two.address());
  const auto answers = AskCluster({{one.address()}, "test"});
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].status->slot(), 2u);
}

TEST(Servers, AClusterOfThisMachineLeadsToNoOtherMachine) {
  FakeNode one(1);
  Name(&one, 1, one.address());
  Name(&one, 2, {"192.0.2.1", 27000});
  EXPECT_EQ(AskCluster({{one.address()}, "test"}).size(), 1u);
}

TEST(Servers, TheFirstClusterThatAnswersIsMeant) {
  FakeNode one(1);
  const client::Address nobody = Nobody();
  auto answers = AskFirstThatAnswers({{{nobody}, "a"}, {{one.address()}, "b"}});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_TRUE(answers[0].status.has_value());
  answers = AskFirstThatAnswers({{{nobody}, "a"}, {{Nobody()}, "b"}});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].address, nobody);
}

TEST(Servers, UsageIsAskedOfTheLeaderFirstAndOfOthersIfItFails) {
  FakeNode one(1);
  FakeNode two(2);
  two.status.set_role("leader");
  const auto nodes = AskStatus({one.address(), two.address()});
  v1::GetUsageRequest request;
  request.set_feature("f");
  EXPECT_EQ(AskUsage(nodes, request)->index(), 2u);
  EXPECT_EQ(one.usage_calls, 0);
  two.usage_result = grpc::Status(grpc::StatusCode::UNAVAILABLE, "no quorum: node 3 is missing");
  EXPECT_EQ(AskUsage(nodes, request)->index(), 1u);
  one.usage_result = two.usage_result;
  EXPECT_EQ(AskUsage(nodes, request).status().message(), "no quorum: node 3 is missing");
}

TEST(Servers, AllThatIsOutIsAskedOfAFollower) {
  FakeNode one(1);
  FakeNode two(2);
  FakeNode three(3);
  two.status.set_role("leader");
  one.status.set_role("learner");
  const auto nodes = AskStatus({one.address(), two.address(), three.address()});
  EXPECT_EQ(AskUsage(nodes, {})->index(), 3u);
  EXPECT_EQ(one.usage_calls + two.usage_calls, 0) << "a learner is behind, the leader has work";
  three.usage_result = grpc::Status(grpc::StatusCode::UNAVAILABLE, "no leader answers");
  EXPECT_EQ(AskUsage(nodes, {})->index(), 2u);
  v1::GetUsageRequest counts;
  counts.set_no_checkouts(true);
  EXPECT_EQ(AskUsage(nodes, counts)->index(), 2u);
  EXPECT_EQ(three.usage_calls, 2);
}

TEST(Servers, WhenNobodyAnswersUsageNamesEveryServer) {
  const client::Address nobody = Nobody();
  const auto usage = AskUsage(AskStatus({nobody}), {});
  EXPECT_EQ(usage.status().message(),
            absl::StrCat("no license server answers: ", client::FormatAddress(nobody),
                         ": Connection refused"));
}

TEST(Servers, TheVendorsVariablesAreFoundByTheirSuffix) {
  EXPECT_THAT(
      VendorVariablesAmong({"MLM_LICENSE_FILE=1@a", "LM_LICENSE_FILE=2@b", "PATH=/bin",
                            "genesys.d_LICENSE_FILE=3@c", "_LICENSE_FILE=x", "X_LICENSE_FILE"}),
      ElementsAre("MLM_LICENSE_FILE", "genesys.d_LICENSE_FILE"));
}

TEST(Servers, FlexNetsVariableMakesToolsWaitLongerButNeverLess) {
  EXPECT_EQ(StatusTimeoutMs(), 1'000);
  const std::pair<const char*, int64_t> kCases[] = {
      {"5000000", 5'000}, {"100000", 1'000}, {"9999999999", 60'000}, {"soon", 1'000}};
  for (const auto& [text, ms] : kCases) {
    setenv("FLEXLM_TIMEOUT", text, 1);
    EXPECT_EQ(StatusTimeoutMs(), ms) << text;
  }
  unsetenv("FLEXLM_TIMEOUT");
}

TEST(Servers, OtherMachinesNeedInsecure) {
  EXPECT_EQ(FindTheClusters("27000@192.0.2.1", false).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(FindTheClusters("27000@192.0.2.1", true).ok());
  EXPECT_TRUE(FindTheClusters("27000@127.0.0.1", false).ok());
}

TEST(Servers, AnEmptySearchPathSaysWhy) {
  const auto found = FindTheClusters("/nonexistent/license.dat", false);
  EXPECT_EQ(found.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("/nonexistent/license.dat"));
}

TEST(Servers, AClusterIsWrittenAsASearchPath) {
  const client::Cluster three = {{{"a", 1}, {"fd00::1", 2}, {"c", 3}}, ""};
  EXPECT_EQ(AsSearchPath(three), "1@a,2@[fd00::1],3@c");
  EXPECT_EQ(AsSearchPath(std::vector<client::Cluster>{three, {{{"d", 4}}, ""}}),
            "1@a,2@[fd00::1],3@c:4@d");
}

}  // namespace
}  // namespace triad::cli
