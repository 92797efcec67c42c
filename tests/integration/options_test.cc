// What an options file says, on three real daemons: seen by applications, by lmstat and in status,
// changed by a reread, kept over a failover.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw_client.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::integration {
namespace {

constexpr char kFeatures[] =
    "INCREMENT barred genesys.d 1.0 permanent 5\n"
    "INCREMENT listed genesys.d 1.0 permanent 5\n"
    "INCREMENT capped genesys.d 1.0 permanent 5\n"
    "INCREMENT kept genesys.d 1.0 permanent 5\n"
    "INCREMENT slow genesys.d 1.0 permanent 1\n"
    "INCREMENT over genesys.d 1.0 permanent 2 OVERDRAFT=2\n";
constexpr char kOptions[] =
    "GROUP sales bob cid\n"
    "EXCLUDE barred USER ann\n"
    "INCLUDE listed GROUP sales\n"
    "MAX 2 capped USER ann\n"
    "RESERVE 4 kept GROUP sales\n"
    "LINGER slow 3600\n"
    "TIMEOUT slow 60\n";

class OptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write(kOptions);
    ASSERT_TRUE(cluster_.Start());
    ASSERT_TRUE(WaitFor([&] {
      const auto status = cluster_.Status(1);
      return status && status->cluster_version() >= 3;  // all nodes have met
    }));
  }

  // All three nodes find it beside their license files.
  void Write(const std::string& options) {
    std::ofstream(absl::StrCat(cluster_.directory(), "/", kVendor, ".opt")) << options;
  }
  v1::RereadResponse Reread(bool dry_run = false) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
    v1::RereadRequest request;
    request.set_dry_run(dry_run);
    v1::RereadResponse response;
    const grpc::Status status = v1::AdminService::NewStub(ChannelTo(cluster_.Address(2)))
                                    ->Reread(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // An application of that user's, which notes what it hears of violations.
  Client Open(const std::string& user) {
    ClientOptions options = OptionsFor(cluster_.path(), user);
    options.on_event = [this](const Event& event) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (event.kind == Event::Kind::kViolation) heard_.push_back("violation " + event.cause);
      if (event.kind == Event::Kind::kRestored) heard_.push_back("restored");
      if (event.kind == Event::Kind::kLost) heard_.emplace_back("lost");
    };
    auto client = Client::Open(options);
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    return *std::move(client);
  }
  std::vector<std::string> Heard() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return heard_;
  }
  static int CodeOf(Client& client, const std::string& feature, uint64_t count = 1) {
    auto license = client.Checkout(Want(feature, count));
    if (!license.ok()) return license.status().code;
    EXPECT_TRUE(license->CheckIn().ok());
    return 0;
  }
  std::optional<v1::Feature> FeatureNamed(const std::string& name) {
    const v1::Usage usage = cluster_.UsageOfAny();
    for (const v1::Feature& feature : usage.features()) {
      if (feature.name() == name) return feature;
    }
    return std::nullopt;
  }
  std::string Lmstat(const std::string& feature) {
    return RunToEnd({TRIAD_TOOL, "lmstat", "-c", cluster_.path(), "-f", feature}).output;
  }

  Cluster cluster_{Cluster::Options{.features = kFeatures}};
  std::mutex mutex_;
  std::vector<std::string> heard_;
};

TEST_F(OptionsTest, EveryLineIsSeenByApplicationsAndHoldsOverAFailover) {
  Client ann = Open("ann");
  Client bob = Open("bob");
  const auto expect_all = [&] {
    EXPECT_EQ(CodeOf(ann, "barred"), -38);
    EXPECT_EQ(CodeOf(bob, "barred"), 0);
    EXPECT_EQ(CodeOf(ann, "listed"), -39);
    EXPECT_EQ(CodeOf(bob, "listed"), 0);
    EXPECT_EQ(CodeOf(ann, "capped", 3), -87);
    EXPECT_EQ(CodeOf(ann, "capped", 2), 0);
    EXPECT_EQ(CodeOf(ann, "kept", 2), -101);
    EXPECT_EQ(CodeOf(ann, "kept"), 0);
    EXPECT_EQ(CodeOf(bob, "kept", 5), 0);
  };
  expect_all();
  EXPECT_EQ(FeatureNamed("kept")->reserved(), 4u);
  const v1::RereadResponse same = Reread(/*dry_run=*/true);
  EXPECT_TRUE(same.unchanged());
  ASSERT_EQ(same.diagnostics_size(), 2);  // the INCLUDE, and:
  EXPECT_TRUE(absl::StrContains(same.diagnostics(1), "TIMEOUT of 60 seconds is raised to 900"));
  const std::string listing = Lmstat("kept");
  EXPECT_TRUE(absl::StrContains(listing, "Total of 5 licenses issued")) << listing;

  // What lingers is out, for the next one, too.
  ASSERT_EQ(CodeOf(bob, "slow"), 0);
  ASSERT_TRUE(WaitFor([&] {
    const auto slow = FeatureNamed("slow");
    return slow->used() == 1 && slow->pools(0).uses_size() == 1 &&
           slow->pools(0).uses(0).holding().lingers_until_ms() > 0;
  }));
  EXPECT_EQ(CodeOf(ann, "slow"), -4);

  cluster_.Kill(cluster_.WaitForLeader());
  ASSERT_NE(cluster_.WaitForLeader(), 0);
  expect_all();
  EXPECT_EQ(CodeOf(ann, "slow"), -4) << "it lingers on";
  EXPECT_EQ(CodeOf(bob, "slow"), 0) << "whose it was may have it again";
}

TEST_F(OptionsTest, ARereadChangesThemAndTakesNothingFromAnyone) {
  Client ann = Open("ann");
  Client bob = Open("bob");
  auto two = ann.Checkout(Want("capped", 2));
  ASSERT_TRUE(two.ok()) << two.status().ToString();

  Write("EXCLUDE capped USER ann\nEXLCUDE listed USER ann\nRESERVE 6 kept USER cid\n");
  const v1::RereadResponse dry = Reread(/*dry_run=*/true);
  EXPECT_TRUE(absl::StrContains(dry.options_changes(), "changes, first in line 1"))
      << dry.options_changes();
  EXPECT_EQ(dry.license_set_number(), 0u);
  EXPECT_EQ(CodeOf(ann, "barred"), -38) << "a dry run changes nothing";

  const v1::RereadResponse told = Reread();
  ASSERT_EQ(told.diagnostics_size(), 2);
  EXPECT_TRUE(absl::StrContains(told.diagnostics(0), "opt:2:1: ")) << told.diagnostics(0);
  EXPECT_TRUE(absl::StrContains(told.diagnostics(0), "EXCLUDE")) << told.diagnostics(0);
  EXPECT_TRUE(absl::StrContains(told.diagnostics(1), "opt:3:1: ")) << told.diagnostics(1);
  EXPECT_EQ(CodeOf(ann, "barred"), 0);
  EXPECT_EQ(CodeOf(ann, "listed"), 0) << "a line that is wrong shuts nobody out";
  EXPECT_EQ(CodeOf(ann, "capped"), -38);
  EXPECT_EQ(two->state(), LicenseState::kHeld);
  EXPECT_EQ(CodeOf(bob, "kept"), -101);
  EXPECT_EQ(FeatureNamed("kept")->reserved(), 5u) << "as many as there are";
  EXPECT_TRUE(Heard().empty());
}

TEST_F(OptionsTest, LessOverdraftThanIsOutIsAViolationUntilThereIsMoreAgain) {
  Client ann = Open("ann");
  auto four = ann.Checkout(Want("over", 4));
  ASSERT_TRUE(four.ok()) << four.status().ToString();
  Write("MAX_OVERDRAFT over 1\n");
  Reread();
  ASSERT_TRUE(WaitFor([&] { return !Heard().empty(); }));
  EXPECT_EQ(Heard()[0], "violation decreased in configuration");
  EXPECT_EQ(four->state(), LicenseState::kHeld);
  EXPECT_EQ(FeatureNamed("over")->used(), 4u);
  EXPECT_EQ(CodeOf(ann, "over"), -4) << "nothing new from there";
  Write("");
  Reread();
  ASSERT_TRUE(WaitFor([&] { return Heard().size() == 2; }));
  EXPECT_EQ(Heard()[1], "restored");
}

}  // namespace
}  // namespace triad::integration
