#include "cli/checkout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace triad::cli {
namespace {

using ::testing::HasSubstr;

std::vector<CheckoutRequest> Requests(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithCheckoutFlags({{"up-to"}, {"all"}}), Words::kNone, arguments);
  EXPECT_TRUE(args.ok()) << args.status();
  if (!args.ok()) return {};
  const auto requests = RequestsOf(*args);
  EXPECT_TRUE(requests.ok()) << requests.status();
  return requests.ok() ? *requests : std::vector<CheckoutRequest>{};
}

Status Denied() {
  Status status;
  status.kind = ErrorKind::kDenied;
  status.code = -4;
  status.feature = "tserver_sdn";
  status.message = "all licenses in use";
  return status;
}

Status NoAnswer(ErrorKind kind, bool certain) {
  Status status;
  status.kind = kind;
  status.message = "no quorum";
  status.certain = certain;
  return status;
}

absl::StatusOr<CheckoutOptions> Terms(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithCheckoutFlags({}), Words::kCommand, arguments);
  EXPECT_TRUE(args.ok()) << args.status();
  return args.ok() ? TermsOf(*args) : args.status();
}

TEST(Checkout, WaitTakesItsSecondsOnlyBehindTheEqualsSign) {
  EXPECT_FALSE(Terms({"-f", "a"})->wait);
  EXPECT_TRUE(Terms({"-f", "a", "--wait", "sleep", "1"})->wait);
  EXPECT_EQ(Terms({"-f", "a", "--wait", "7"})->wait_limit_ms, 0) << "that is COMMAND";
  EXPECT_EQ(Terms({"-f", "a", "--wait=1.5"})->wait_limit_ms, 1500);
  EXPECT_FALSE(Terms({"-f", "a", "--wait=0"})->wait);
  EXPECT_FALSE(Terms({"-f", "a", "--wait=soon"}).ok());
}

TEST(Checkout, WhoeverStopsWaitingWasNotGranted) {
  Status status;
  status.kind = ErrorKind::kCancelled;
  status.code = -35;
  EXPECT_EQ(ExitOf(status), 1);
}

TEST(Checkout, CountAndVersionOfAFeatureStandAboveThoseForAll) {
  const auto requests = Requests({"-f", "a", "-f", "b:3", "-f", "c:4:8.0", "-n", "2", "-v", "8.1"});
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].count, 2u);
  EXPECT_EQ(requests[0].version, "8.1");
  EXPECT_EQ(requests[1].count, 3u);
  EXPECT_EQ(requests[1].version, "8.1");
  EXPECT_EQ(requests[2].count, 4u);
  EXPECT_EQ(requests[2].version, "8.0");
  EXPECT_EQ(Requests({"-f", "a"})[0].count, 1u);
  EXPECT_EQ(Requests({"-f", "a"})[0].mode, CountMode::kExact);
  EXPECT_EQ(Requests({"-f", "a", "--up-to"})[0].mode, CountMode::kUpTo);
  EXPECT_EQ(Requests({"-f", "a", "--all"})[0].mode, CountMode::kAll);
}

TEST(Checkout, WrongUsageIsTwo) {
  EXPECT_EQ(CheckoutVerb({}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "-n", "0"}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "-n", "-1"}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "--wait=soon"}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "--hold=x"}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "--all", "--up-to"}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "b"}), 2);
  EXPECT_EQ(CheckoutVerb({"-f", "a", "-c", "27000@192.0.2.1"}), 2);  // not --insecure
}

TEST(Checkout, AGrantIsALineForPeopleAndAnObjectForScripts) {
  const std::vector<Grant> one = {{"tserver_sdn", 3, 101, 2}};
  EXPECT_EQ(GrantText(one), "triad: tserver_sdn: license granted: 3, handle 101, node 2\n");
  EXPECT_EQ(GrantJson(one),
            "{\"granted\":true,\"feature\":\"tserver_sdn\",\"count\":3,\"handle\":101,\"node\":2}");
  const std::vector<Grant> two = {{"a", 1, 101, 2}, {"b", 2, 102, 2}};
  EXPECT_EQ(GrantText(two),
            "triad: a: license granted: 1, handle 101, node 2\n"
            "triad: b: license granted: 2, handle 102, node 2\n");
  EXPECT_EQ(GrantJson(two),
            "{\"granted\":true,\"items\":["
            "{\"granted\":true,\"feature\":\"a\",\"count\":1,\"handle\":101,\"node\":2},"
            "{\"granted\":true,\"feature\":\"b\",\"count\":2,\"handle\":102,\"node\":2}]}");
}

TEST(Checkout, ADenialHasFlexNetsNumber) {
  EXPECT_EQ(RefusalText(Denied()),
            "triad: tserver_sdn: license denied: all licenses in use (-4)\n");
  const std::string object =
      "{\"granted\":false,\"feature\":\"tserver_sdn\",\"reason\":\"all licenses in use\","
      "\"code\":-4";
  EXPECT_EQ(RefusalJson(Denied(), false), object + "}");
  EXPECT_EQ(RefusalJson(Denied(), true), object + ",\"items\":[" + object + "}]}");
  EXPECT_EQ(ExitOf(Denied()), 1);
}

TEST(Checkout, NoAnswerSaysWhetherItMayStillHappen) {
  EXPECT_EQ(RefusalJson(NoAnswer(ErrorKind::kNoQuorum, true), false),
            "{\"error\":\"no quorum\",\"certain\":true}");
  EXPECT_THAT(RefusalJson(NoAnswer(ErrorKind::kTimedOut, false), false),
              HasSubstr("\"certain\":false}"));
  EXPECT_EQ(ExitOf(NoAnswer(ErrorKind::kNoQuorum, true)), 3);
  EXPECT_EQ(ExitOf(NoAnswer(ErrorKind::kUnreachable, true)), 3);
  EXPECT_EQ(ExitOf(NoAnswer(ErrorKind::kOverloaded, true)), 3);
  EXPECT_EQ(ExitOf(NoAnswer(ErrorKind::kUsage, true)), 2);
  EXPECT_EQ(ExitOf(Status()), 0);
}

TEST(Checkout, AnEventIsOneLine) {
  Event event;
  event.kind = Event::Kind::kLost;
  event.feature = "tserver_sdn";
  event.handle = 101;
  event.reason = "freed by the cluster";
  EXPECT_EQ(EventText(event), "tserver_sdn: license lost, handle 101: freed by the cluster");
}

}  // namespace
}  // namespace triad::cli
