// TLS on the wire: what each certificate may do, and that strangers disturb nobody.
#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "license/certificate.h"
#include "tests/integration/cluster.h"
#include "triad/v1/admin.grpc.pb.h"
#include "triad/v1/license.grpc.pb.h"
#include "triad/v1/peer.grpc.pb.h"

namespace triad::integration {
namespace {

using grpc::StatusCode;
using license::Certified;
using license::KeyAndCertificate;
using license::Role;

constexpr int kScanners = 200;
constexpr int kCheckouts = 20;
constexpr int kCallMs = 10'000;
constexpr int64_t kHour = 3'600;

const KeyAndCertificate kNobody;

// A cluster with certificates, and the authority that made them.
class TlsCluster {
 public:
  TlsCluster() : cluster_(Cluster::Options{}) {
    const int64_t now = std::time(nullptr);
    authority_ = *license::MakeAuthority("test", {now - kHour, now + kHour});
    WriteFileOrDie(At("ca.crt"), authority_.certificate_pem);
    cluster_.InitAll();
    for (int node = 1; node <= 3; ++node) {
      Install(node, kHour);
      cluster_.StartNode(
          node, {"--tls-ca=" + At("ca.crt"), absl::StrCat("--tls-cert=", At("node"), node, ".crt"),
                 absl::StrCat("--tls-key=", At("node"), node, ".key")});
    }
  }

  Cluster& cluster() { return cluster_; }
  std::string At(const std::string& name) const {
    return absl::StrCat(cluster_.directory(), "/", name);
  }
  KeyAndCertificate Make(const Certified& who, int64_t good_for_s = kHour) const {
    const int64_t now = std::time(nullptr);
    return *license::MakeCertificate(authority_, who, {}, {now - 2 * kHour, now + good_for_s});
  }
  std::string Install(int node, int64_t good_for_s) const {
    const auto made = Make({Role::kNode, static_cast<uint32_t>(node), ""}, good_for_s);
    WriteFileOrDie(absl::StrCat(At("node"), node, ".crt"), made.certificate_pem);
    WriteFileOrDie(absl::StrCat(At("node"), node, ".key"), made.key_pem);
    return made.certificate_pem;
  }

  // To a node, as whoever has `own`, taking the one at the other end for `name`.
  std::shared_ptr<grpc::Channel> Channel(int node, const KeyAndCertificate& own,
                                         const std::string& name = license::kNodeName) const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = authority_.certificate_pem;
    options.pem_cert_chain = own.certificate_pem;
    options.pem_private_key = own.key_pem;
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride(name);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(Target(node), grpc::SslCredentials(options), arguments);
  }
  std::string Target(int node) const {
    return absl::StrCat("ipv4:", cluster_.Host(node), ":", cluster_.port(node));
  }

  bool WaitUntilServing() const {
    return WaitFor([this] {
      for (int node = 1; node <= 3; ++node) {
        grpc::ClientContext context;
        v1::NodeStatus status;
        const auto stub = v1::AdminService::NewStub(grpc::CreateChannel(
            "unix:" + cluster_.Socket(node), grpc::InsecureChannelCredentials()));
        if (!stub->GetStatus(&context, {}, &status).ok()) return false;
        if (!status.quorum() || status.license_set_number() == 0) return false;
      }
      return true;
    });
  }

  ClientOptions ForClient(const std::string& name) const {
    ClientOptions options = OptionsFor(cluster_.path(), name);
    options.tls_ca = At("ca.crt");
    return options;
  }

 private:
  Cluster cluster_;
  KeyAndCertificate authority_;
};

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(kCallMs));
}

// What one who has come this far may do, as statuses.
struct Rights {
  StatusCode license;  // to speak to the license service
  StatusCode look;
  StatusCode change;  // what an administrator may
  StatusCode peer;    // what node 2 may

  bool operator==(const Rights&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Rights& rights) {
  return out << "license " << rights.license << ", look " << rights.look << ", change "
             << rights.change << ", peer " << rights.peer;
}

Rights RightsOver(const std::shared_ptr<grpc::Channel>& channel) {
  Rights rights{};
  {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::ClientMessage message;
    message.mutable_describe();
    v1::ServerMessage answer;
    rights.license =
        v1::LicenseService::NewStub(channel)->Call(&context, message, &answer).error_code();
    // The service's own word: there is no such session.
    if (rights.license == StatusCode::FAILED_PRECONDITION) rights.license = StatusCode::OK;
  }
  const auto admin = v1::AdminService::NewStub(channel);
  {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::NodeStatus answer;
    rights.look = admin->GetStatus(&context, {}, &answer).error_code();
  }
  {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::RereadRequest request;
    request.set_dry_run(true);
    v1::RereadResponse answer;
    rights.change = admin->Reread(&context, request, &answer).error_code();
  }
  {
    grpc::ClientContext context;
    SetDeadline(&context);
    v1::FilesRequest request;
    request.mutable_hello()->mutable_self()->set_slot(2);
    v1::FilesAnswer answer;
    rights.peer =
        v1::PeerService::NewStub(channel)->FetchFiles(&context, request, &answer).error_code();
  }
  return rights;
}

// What becomes of a link whose Hello says slot 2: TRUE if it is answered.
bool LinkIsAnswered(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  SetDeadline(&context);
  const auto stub = v1::PeerService::NewStub(channel);
  const auto stream = stub->Link(&context);
  v1::PeerBatch batch;
  batch.add_messages()->mutable_hello()->mutable_self()->set_slot(2);
  stream->Write(batch);
  v1::PeerBatch answer;
  const bool answered = stream->Read(&answer) && answer.messages_size() > 0;
  context.TryCancel();
  (void)stream->Finish();
  return answered;
}

constexpr Rights kAnybody = {StatusCode::OK, StatusCode::OK, StatusCode::PERMISSION_DENIED,
                             StatusCode::PERMISSION_DENIED};
constexpr Rights kAdministrator = {StatusCode::OK, StatusCode::OK, StatusCode::OK,
                                   StatusCode::PERMISSION_DENIED};
constexpr Rights kNode2 = {StatusCode::OK, StatusCode::OK, StatusCode::PERMISSION_DENIED,
                           StatusCode::OK};
constexpr Rights kStranger = {StatusCode::UNAVAILABLE, StatusCode::UNAVAILABLE,
                              StatusCode::UNAVAILABLE, StatusCode::UNAVAILABLE};

// The newest TLS that `fd` and this version agree on; 0: none.
bool Handshakes(const sockaddr_in& address, int version) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, version);
  SSL_CTX_set_max_proto_version(context, version);
  SSL* ssl = SSL_new(context);
  static constexpr unsigned char kH2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl, kH2, sizeof(kH2));
  const bool good =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1;
  SSL_free(ssl);
  SSL_CTX_free(context);
  close(fd);
  return good;
}

sockaddr_in AddressOf(const Cluster& cluster, int node) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(cluster.port(node)));
  inet_pton(AF_INET, cluster.Host(node).c_str(), &address.sin_addr);
  return address;
}

// Connections of somebody who means no good: silent, cut short in the handshake, or with rubbish.
class Strangers {
 public:
  explicit Strangers(const Cluster& cluster) {
    std::mt19937 draw(4711);
    for (int i = 0; i < kScanners; ++i) {
      const sockaddr_in address = AddressOf(cluster, i % 3 + 1);
      const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        close(fd);
        continue;
      }
      std::string bytes;
      // A TLS record of a handshake that promises 512 bytes.
      if (i % 4 == 1) bytes = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
      if (i % 4 == 2) {
        for (int k = 0; k < 2'000; ++k) bytes.push_back(static_cast<char>(draw() & 0xFF));
      }
      if (i % 4 == 3) bytes = "GET / HTTP/1.1\r\n\r\n";
      (void)!send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (i % 8 == 5) {
        close(fd);  // in the middle of its handshake
      } else {
        fds_.push_back(fd);
      }
    }
  }
  ~Strangers() {
    for (const int fd : fds_) close(fd);
  }
  size_t count() const { return fds_.size(); }

 private:
  std::vector<int> fds_;
};

class Tls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tls_ = new TlsCluster;
    ASSERT_TRUE(tls_->WaitUntilServing());
  }
  static void TearDownTestSuite() {
    delete tls_;
    tls_ = nullptr;
  }
  static TlsCluster* tls_;
};
TlsCluster* Tls::tls_ = nullptr;

TEST_F(Tls, ACertificateGivesWhatItsRoleMayDoAndNothingElse) {
  EXPECT_EQ(RightsOver(tls_->Channel(1, kNobody)), kAnybody);
  EXPECT_EQ(RightsOver(tls_->Channel(1, tls_->Make({Role::kClient, 0, "bob"}))), kAnybody);
  EXPECT_EQ(RightsOver(tls_->Channel(1, tls_->Make({Role::kAdmin, 0, "alice"}))), kAdministrator);
  EXPECT_EQ(RightsOver(tls_->Channel(1, tls_->Make({Role::kNode, 2, ""}))), kNode2);
  EXPECT_EQ(RightsOver(tls_->Channel(1, tls_->Make({Role::kNode, 3, ""}))), kAnybody)
      << "node 3 does not speak for node 2";
}

TEST_F(Tls, WhatIsNoCertificateOfOursIsNobodysNotEvenAStrangers) {
  const int64_t now = std::time(nullptr);
  const auto other = *license::MakeAuthority("test", {now - kHour, now + kHour});
  const auto forged =
      *license::MakeCertificate(other, {Role::kAdmin, 0, "alice"}, {}, {now - kHour, now + kHour});
  EXPECT_EQ(RightsOver(tls_->Channel(1, forged)), kStranger);
  EXPECT_EQ(RightsOver(tls_->Channel(1, tls_->Make({Role::kAdmin, 0, "alice"}, -60))), kStranger)
      << "expired";
  EXPECT_EQ(RightsOver(grpc::CreateChannel(tls_->Target(1), grpc::InsecureChannelCredentials())),
            kStranger)
      << "plaintext";
}

TEST_F(Tls, ALinkIsForTheNodeThatItsCertificateNames) {
  EXPECT_TRUE(LinkIsAnswered(tls_->Channel(1, tls_->Make({Role::kNode, 2, ""}))));
  EXPECT_FALSE(LinkIsAnswered(tls_->Channel(1, tls_->Make({Role::kNode, 3, ""}))));
  EXPECT_FALSE(LinkIsAnswered(tls_->Channel(1, tls_->Make({Role::kNode, 1, ""}))));
  EXPECT_FALSE(LinkIsAnswered(tls_->Channel(1, tls_->Make({Role::kAdmin, 0, "alice"}))));
  EXPECT_FALSE(LinkIsAnswered(tls_->Channel(1, kNobody)));
  EXPECT_TRUE(tls_->cluster().WaitForLog(1, "its certificate is that of"));
}

TEST_F(Tls, WhoeverDialsANodeGetsThatNodeOrNone) {
  EXPECT_EQ(RightsOver(tls_->Channel(1, kNobody, license::NodeName(1))), kAnybody);
  EXPECT_EQ(RightsOver(tls_->Channel(1, kNobody, license::NodeName(2))), kStranger);
}

TEST_F(Tls, OnlyTls12And13) {
  const sockaddr_in address = AddressOf(tls_->cluster(), 1);
  EXPECT_TRUE(Handshakes(address, TLS1_3_VERSION));
  EXPECT_TRUE(Handshakes(address, TLS1_2_VERSION));
  EXPECT_FALSE(Handshakes(address, TLS1_1_VERSION));
  EXPECT_FALSE(Handshakes(address, TLS1_VERSION));
}

TEST_F(Tls, ApplicationsHoldLicensesAmongStrangers) {
  auto client = Client::Open(tls_->ForClient("app"));
  ASSERT_TRUE(client.ok()) << client.status().ToString();
  const Strangers strangers(tls_->cluster());
  EXPECT_GT(strangers.count(), static_cast<size_t>(kScanners / 2));
  for (int i = 0; i < kCheckouts; ++i) {
    auto license = client->Checkout(Want("tserver_sdn", 1));
    ASSERT_TRUE(license.ok()) << license.status().ToString();
    EXPECT_TRUE(license->CheckIn().ok());
  }
  auto another = Client::Open(tls_->ForClient("another"));
  EXPECT_TRUE(another.ok()) << another.status().ToString();
}

// Each says what is wrong in one line.
TEST_F(Tls, ToolsTellWhatIsWrongWithTrust) {
  const auto status = [](const std::vector<std::string>& more) {
    std::vector<std::string> argv = {TRIAD_TOOL, "-c", tls_->cluster().path(), "status"};
    argv.insert(argv.end(), more.begin(), more.end());
    return RunToEnd(argv, {"HOME=" + tls_->cluster().directory()});
  };
  const RunResult good = status({"--tls-ca=" + tls_->At("ca.crt")});
  EXPECT_EQ(good.exit_status, 0) << good.output;
  const RunResult plain = status({});
  EXPECT_EQ(plain.exit_status, 3) << plain.output;
  EXPECT_TRUE(absl::StrContains(plain.output, "speaks TLS")) << plain.output;
  const int64_t now = std::time(nullptr);
  WriteFileOrDie(tls_->At("other.crt"),
                 license::MakeAuthority("test", {now - kHour, now + kHour})->certificate_pem);
  const RunResult other = status({"--tls-ca=" + tls_->At("other.crt")});
  EXPECT_EQ(other.exit_status, 3) << other.output;
  EXPECT_TRUE(absl::StrContains(other.output, "its certificate is not")) << other.output;
  const RunResult none = status({"--tls-ca=/no/such/ca.crt"});
  EXPECT_TRUE(absl::StrContains(none.output, "/no/such/ca.crt")) << none.output;
}

std::string CertificateShown(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  SetDeadline(&context);
  v1::NodeStatus answer;
  if (!v1::AdminService::NewStub(channel)->GetStatus(&context, {}, &answer).ok()) return "";
  const auto pem = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  return pem.empty() ? "" : std::string(pem[0].data(), pem[0].size());
}

TEST_F(Tls, CertificatesAreReplacedWhileTheNodeRuns) {
  Cluster& cluster = tls_->cluster();
  const std::string before = CertificateShown(tls_->Channel(1, kNobody));
  WriteFileOrDie(tls_->At("node1.crt"), "rubbish");
  cluster.Signal(1, SIGHUP);
  ASSERT_TRUE(cluster.WaitForLog(1, "new certificates are not taken, the old stay in use"));
  EXPECT_EQ(CertificateShown(tls_->Channel(1, kNobody)), before);

  const std::string made = tls_->Install(1, 2 * kHour);
  cluster.Signal(1, SIGHUP);
  ASSERT_TRUE(cluster.WaitForLog(1, "new certificate, good until"));
  EXPECT_EQ(CertificateShown(tls_->Channel(1, kNobody)), made);
  EXPECT_NE(made, before);
  EXPECT_TRUE(tls_->WaitUntilServing());
}

}  // namespace
}  // namespace triad::integration
