// Licenses change while they are in use, on three real daemons and with real holders.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"
#include "tests/integration/raw_client.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::integration {
namespace {

class RereadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(cluster_.Start());
    ASSERT_TRUE(WaitFor([&] {
      const auto status = cluster_.Status(1);
      return status && status->cluster_version() >= 3;  // all nodes have met
    }));
  }

  // Node `node` has `count` licenses in its file from now on.
  void Write(int node, int count) {
    std::string unsigned_text;
    for (int other = 1; other <= 3; ++other) {
      absl::StrAppend(&unsigned_text, "SERVER ", cluster_.Host(other), " INTERNET=127.0.0.", other,
                      " ", cluster_.port(other), "\n");
    }
    absl::StrAppend(&unsigned_text, "VENDOR genesys.d\nUSE_SERVER\nFEATURE tserver_sdn genesys.d ",
                    "8.0 permanent ", count, "\n");
    std::ofstream(cluster_.LicenseFile(node)) << Signed(unsigned_text);
  }
  grpc::Status Reread(int node, v1::RereadResponse* response, bool dry_run = false,
                      uint32_t from = 0) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(15));
    v1::RereadRequest request;
    request.set_dry_run(dry_run);
    request.set_from(from);
    return v1::AdminService::NewStub(ChannelTo(cluster_.Address(node)))
        ->Reread(&context, request, response);
  }
  // The kinds of events that the holder has heard, without what is only about connections.
  std::vector<std::string> Heard() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return heard_;
  }
  ClientOptions Options() {
    ClientOptions options = OptionsFor(cluster_.path(), "holder");
    options.on_event = [this](const Event& event) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (event.kind == Event::Kind::kViolation) heard_.push_back("violation " + event.cause);
      if (event.kind == Event::Kind::kRestored) heard_.push_back("restored");
      if (event.kind == Event::Kind::kLost) heard_.emplace_back("lost");
    };
    return options;
  }
  uint64_t SetNumber(int node) {
    const auto status = cluster_.Status(node);
    return status ? status->license_set_number() : 0;
  }

  Cluster cluster_{Cluster::Options{}};
  std::mutex mutex_;
  std::vector<std::string> heard_;
};

TEST_F(RereadTest, GrowthIsThereForAllAtOnce) {
  Write(2, 25);
  v1::RereadResponse told;
  const grpc::Status status = Reread(2, &told);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(told.changes_size(), 1);
  EXPECT_EQ(told.changes(0).licenses_before(), 10u);
  EXPECT_EQ(told.changes(0).licenses_after(), 25u);
  auto client = Client::Open(Options());
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  EXPECT_TRUE(client->Checkout(Want("tserver_sdn", 25)).ok());
  // The others' files differ now, and they say with which line.
  EXPECT_TRUE(WaitFor([&] {
    const auto other = cluster_.Status(1);
    return other && other->warnings_size() > 0 &&
           absl::StrContains(other->warnings(0), "differ from the installed set, first at");
  }));
}

TEST_F(RereadTest, ShrinkingBelowUseIsToldToTheHolderWhoKeepsItAndGrowthRestores) {
  auto client = Client::Open(Options());
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  auto held = client->Checkout(Want("tserver_sdn", 8));
  ASSERT_TRUE(held.ok()) << held.status().ToString();
  Write(1, 5);
  v1::RereadResponse told;
  ASSERT_TRUE(Reread(1, &told, /*dry_run=*/true).ok());
  ASSERT_EQ(told.changes_size(), 1);
  ASSERT_EQ(told.changes(0).affected_size(), 1);
  EXPECT_EQ(told.changes(0).affected(0).holding().handle(), held->handle());
  EXPECT_EQ(SetNumber(1), 1u) << "a dry run installs nothing";
  EXPECT_TRUE(Heard().empty());
  ASSERT_TRUE(Reread(1, &told).ok());
  ASSERT_TRUE(WaitFor([&] { return !Heard().empty(); }));
  EXPECT_EQ(Heard()[0], "violation decreased in license file");
  EXPECT_EQ(cluster_.Used("tserver_sdn"), 8u);
  EXPECT_EQ(client->Checkout(Want("tserver_sdn")).status().code, -4);
  Write(1, 10);
  ASSERT_TRUE(Reread(1, &told).ok());
  ASSERT_TRUE(WaitFor([&] { return Heard().size() == 2; }));
  EXPECT_EQ(Heard()[1], "restored");
  EXPECT_EQ(held->state(), LicenseState::kHeld);
}

TEST_F(RereadTest, AnotherNodesFilesAreAskedFor) {
  Write(3, 12);
  v1::RereadResponse told;
  const grpc::Status status = Reread(1, &told, /*dry_run=*/false, /*from=*/3);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(told.from(), 3u);
  ASSERT_EQ(told.changes_size(), 1);
  EXPECT_EQ(told.changes(0).licenses_after(), 12u);
  EXPECT_TRUE(WaitFor([&] { return SetNumber(2) == 2; }));
}

TEST_F(RereadTest, FilesOfAnotherServerOrWithoutALineAreRefused) {
  std::ofstream(cluster_.LicenseFile(1)) << "# moved away\n";
  v1::RereadResponse told;
  const grpc::Status status = Reread(1, &told);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(absl::StrContains(status.error_message(), "nothing was changed"))
      << status.error_message();
  EXPECT_EQ(SetNumber(1), 1u);
}

TEST_F(RereadTest, InTheMiddleOfAFailoverItTakesEffectOnceOrSaysThatItDidNot) {
  const int leader = cluster_.WaitForLeader();
  const int node = cluster_.Others(leader)[0];
  Write(node, 15);
  v1::RereadResponse told;
  grpc::Status status;
  std::thread asks([&] { status = Reread(node, &told); });
  cluster_.Kill(leader);
  asks.join();
  ASSERT_NE(cluster_.WaitForLeader(), 0);
  ASSERT_TRUE(WaitFor([&] { return SetNumber(node) != 0; }));
  const uint64_t number = SetNumber(node);
  if (status.ok()) {
    EXPECT_EQ(number, 2u);
  } else if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    EXPECT_EQ(number, 1u) << status.error_message();
  } else {
    EXPECT_LE(number, 2u) << status.error_message();
  }
}

TEST_F(RereadTest, AReservationIsRecordedWithWhoMadeIt) {
  grpc::ClientContext context;
  v1::ActRequest request;
  auto* reserve = request.mutable_command()->mutable_reserve();
  reserve->set_feature("tserver_sdn");
  reserve->set_count(4);
  reserve->set_type("USER");
  reserve->set_name("nobody-here");
  v1::ActResponse response;
  const grpc::Status status =
      v1::AdminService::NewStub(grpc::CreateChannel(absl::StrCat("unix:", cluster_.Socket(2)),
                                                    grpc::InsecureChannelCredentials()))
          ->Act(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_TRUE(response.outcome().has_reserved()) << response.ShortDebugString();
  auto client = Client::Open(Options());
  ASSERT_TRUE(client.ok());
  EXPECT_EQ(client->Checkout(Want("tserver_sdn", 7)).status().code, -101);
  EXPECT_TRUE(client->Checkout(Want("tserver_sdn", 6)).ok());
}

}  // namespace
}  // namespace triad::integration
