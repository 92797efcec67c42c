// Everything on one port: health and reflection answer beside licenses and administration.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/cluster.h"

namespace triad::integration {
namespace {

// A protobuf message of one string field.
std::string OneString(int field, const std::string& value) {
  std::string bytes(1, static_cast<char>(field << 3 | 2));
  bytes.push_back(static_cast<char>(value.size()));
  return bytes + value;
}

// Sends one message on a stream of `method`, which need not be compiled in, and returns the first
// that comes back; "" when there is none. Then, if `then` is given, calls it and returns the second
// instead.
std::string Ask(const std::string& target, const std::string& method, const std::string& request,
                const std::function<void()>& then = nullptr) {
  grpc::GenericStub stub(grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  auto stream = stub.PrepareCall(&context, method, &queue);
  const auto done = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  stream->StartCall(nullptr);
  if (!done()) return "";
  const grpc::Slice slice(request);
  const grpc::ByteBuffer out(&slice, 1);
  stream->Write(out, nullptr);
  if (!done()) return "";
  grpc::ByteBuffer in;
  stream->Read(&in, nullptr);
  if (!done()) return "";
  if (then) {
    then();
    stream->Read(&in, nullptr);
    if (!done()) return "";
  }
  std::vector<grpc::Slice> slices;
  std::string answer;
  if (in.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) {
      answer.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  context.TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  done();
  return answer;
}

// grpc.health.v1: field 1 of the answer is the status, 1 is SERVING, 2 is NOT_SERVING.
std::string Health(const std::string& target, const std::string& service) {
  return Ask(target, "/grpc.health.v1.Health/Check", service.empty() ? "" : OneString(1, service));
}

TEST(Services, HealthSaysWhetherTheNodeLivesAndWhetherLicensesAreServed) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  const int leader = cluster.WaitForLeader();
  const std::string target = absl::StrCat(cluster.Host(leader), ":", cluster.port(leader));
  EXPECT_EQ(Health(target, ""), "\x08\x01");
  EXPECT_TRUE(WaitFor([&] { return Health(target, "triad.v1.LicenseService") == "\x08\x01"; }));
  for (const int other : cluster.Others(leader)) cluster.Kill(other);
  EXPECT_TRUE(WaitFor([&] { return Health(target, "triad.v1.LicenseService") == "\x08\x02"; }));
  EXPECT_EQ(Health(target, ""), "\x08\x01") << "the node itself lives";
}

TEST(Services, AWatchIsToldWhenLicensesAreNotServedAnyMore) {
  Cluster cluster(Cluster::Options{});
  ASSERT_TRUE(cluster.Start());
  const int leader = cluster.WaitForLeader();
  const std::string target = absl::StrCat(cluster.Host(leader), ":", cluster.port(leader));
  ASSERT_TRUE(WaitFor([&] { return Health(target, "triad.v1.LicenseService") == "\x08\x01"; }));
  EXPECT_EQ(Ask(target, "/grpc.health.v1.Health/Watch", OneString(1, "triad.v1.LicenseService"),
                [&] {
                  for (const int other : cluster.Others(leader)) cluster.Kill(other);
                }),
            "\x08\x02");
}

TEST(Services, ReflectionNamesTheServices) {
  Cluster::Options options;
  options.nodes = 1;
  Cluster cluster(options);
  ASSERT_TRUE(cluster.Start());
  const std::string answer =
      Ask(absl::StrCat(cluster.Host(1), ":", cluster.port(1)),
          "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", OneString(7, ""));
  for (const char* service : {"triad.v1.LicenseService", "triad.v1.AdminService",
                              "triad.v1.PeerService", "grpc.health.v1.Health"}) {
    EXPECT_TRUE(absl::StrContains(answer, service)) << service;
  }
}

}  // namespace
}  // namespace triad::integration
