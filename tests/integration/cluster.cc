#include "tests/integration/cluster.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "grpcpp/grpcpp.h"

#ifndef TRIAD_TRIADD
#error "TRIAD_TRIADD: the path of triadd"
#endif

namespace triad::integration {
namespace {

constexpr size_t kLogBytesShown = 6'000;
// To a node that may be down.
constexpr int kConnectMs = 300;

bool CanBind(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return bound;
}

std::shared_ptr<grpc::Channel> AdminChannel(const std::string& host, int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(absl::StrCat("ipv4:", host, ":", port),
                                   grpc::InsecureChannelCredentials(), arguments);
}

std::chrono::system_clock::time_point In(int ms) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(ms);
}

std::string At(int port, const std::string& host) {
  return absl::StrCat(port, "@", host);
}

}  // namespace

int FreePort() {
  static std::set<int> given;
  static std::mt19937 draw{std::random_device{}()};
  std::uniform_int_distribution<int> ports(10'000, 32'000);
  for (;;) {
    const int port = ports(draw);
    if (CanBind(port) && given.insert(port).second) return port;
  }
}

const license::NamedPrivateKey& DemoKey() {
  static const license::NamedPrivateKey key{kVendor, license::GenerateKeyPair().value()};
  return key;
}

std::string SignedWith(const license::NamedPrivateKey& key, const std::string& text) {
  auto out = license::SignText("license.dat", text, key);
  if (!out.ok()) {
    std::cerr << out.status() << "\n" << text;
    std::abort();
  }
  return *std::move(out);
}

std::string Signed(const std::string& text) {
  return SignedWith(DemoKey(), text);
}

Cluster::Cluster(Options options) : options_(std::move(options)) {
  for (int node = 1; node <= options_.nodes; ++node) ports_[node] = FreePort();
  if (options_.cuttable) {
    proxy_ = std::make_unique<Proxy>();
    for (int from = 1; from <= options_.nodes; ++from) {
      for (int to = 1; to <= options_.nodes; ++to) {
        if (from == to) continue;
        PeerRoute& route = peers_[from][to];
        route.port = FreePort();
        route.id = proxy_->AddRoute(route.port, Host(to), ports_[to]);
      }
    }
  }
  clients_ = MakeClientNet();
  std::filesystem::create_directory(Keys());
  WriteFileOrDie(absl::StrCat(Keys(), "/", kVendor, ".pub"),
                 license::FormatPublicKey(kVendor, DemoKey().keys.public_key));
  for (int node = 1; node <= options_.nodes; ++node) {
    WriteFileOrDie(LicenseFile(node), LicenseText(node));
    channels_[node] = AdminChannel(Host(node), ports_[node]);
    stubs_[node] = v1::AdminService::NewStub(channels_[node]);
  }
}

Cluster::~Cluster() {
  for (auto& process : processes_) process.Kill();
  if (!::testing::Test::HasFailure()) return;
  for (int node = 1; node <= options_.nodes; ++node) {
    std::string log = Log(node);
    if (log.size() > kLogBytesShown) log = "..." + log.substr(log.size() - kLogBytesShown);
    std::cerr << "--- log of node " << node << " (" << Address(node) << ")\n" << log;
  }
}

std::string Cluster::Host(int node) const {
  if (options_.places.empty()) return absl::StrCat("127.0.0.", node);
  return options_.places[static_cast<size_t>(node) - 1].host;
}

std::string Cluster::Address(int node) const {
  return At(ports_[node], Host(node));
}

std::string Cluster::Directory(int node) const {
  return absl::StrCat(dir_.path(), "/data", node);
}

std::string Cluster::LicenseFile(int node) const {
  return absl::StrCat(dir_.path(), "/license", node, ".dat");
}

std::string Cluster::Socket(int node) const {
  return absl::StrCat(dir_.path(), "/admin", node, ".sock");
}

std::string Cluster::LicenseText(int node, const std::string& features) const {
  std::string text;
  for (int other = 1; other <= options_.nodes; ++other) {
    const int proxied = peers_[node][other].port;
    const std::string at =
        proxied == 0 ? absl::StrCat(Host(other), " INTERNET=", Host(other), " ", ports_[other])
                     : absl::StrCat("127.0.0.1 INTERNET=127.0.0.", other, " ", proxied);
    absl::StrAppend(&text, "SERVER ", at, "\n");
  }
  absl::StrAppend(&text, "VENDOR ", kVendor, "\nUSE_SERVER\n", features);
  return Signed(text) + options_.raw_lines;
}

void Cluster::WriteLicense(int node, const std::string& features) const {
  WriteFileOrDie(LicenseFile(node), LicenseText(node, features));
}

std::vector<std::string> Cluster::Flags(int node) const {
  std::vector<std::string> flags = {"--license=" + LicenseFile(node), "--vendor-keys=" + Keys(),
                                    "--data-dir=" + Directory(node), absl::StrCat("--node=", node),
                                    "--admin-socket=" + Socket(node)};
  flags.insert(flags.end(), options_.flags.begin(), options_.flags.end());
  return flags;
}

std::vector<std::string> Cluster::Command(int node, const std::vector<std::string>& program) const {
  std::vector<std::string> argv;
  if (!options_.places.empty()) argv = options_.places[static_cast<size_t>(node) - 1].launcher;
  if (program.empty()) argv.emplace_back(TRIAD_TRIADD);
  argv.insert(argv.end(), program.begin(), program.end());
  return argv;
}

RunResult Cluster::Init(int node, const std::vector<std::string>& more) const {
  return Run("init", node, more);
}

RunResult Cluster::Run(const std::string& verb, int node,
                       const std::vector<std::string>& more) const {
  std::vector<std::string> argv = Command(node, {});
  argv.push_back(verb);
  for (const std::string& flag : Flags(node)) argv.push_back(flag);
  argv.insert(argv.end(), more.begin(), more.end());
  return RunToEnd(argv);
}

void Cluster::InitAll() {
  for (int node = 1; node <= options_.nodes; ++node) {
    const RunResult result = Init(node);
    EXPECT_EQ(result.exit_status, 0) << result.output;
  }
}

bool Cluster::Start() {
  InitAll();
  for (int node = 1; node <= options_.nodes; ++node) StartNode(node);
  const bool served = WaitFor([this] {
    for (int node = 1; node <= options_.nodes; ++node) {
      const auto status = Status(node);
      if (!status || !status->quorum() || status->license_set_number() == 0) return false;
    }
    return Leader() != 0;
  });
  EXPECT_TRUE(served) << "the cluster did not come up";
  return served && !::testing::Test::HasFailure();
}

void Cluster::StartNode(int node, const std::vector<std::string>& more) {
  Process::Options options;
  options.argv = Command(node, programs_[node]);
  for (const std::string& flag : Flags(node)) options.argv.push_back(flag);
  options.argv.insert(options.argv.end(), more.begin(), more.end());
  options.output = absl::StrCat(dir_.path(), "/log", node);
  stopped_[node] = false;
  processes_[node] = Process(options);
}

void Cluster::Signal(int node, int signal) {
  if (signal == SIGSTOP) stopped_[node] = true;
  if (signal == SIGCONT) stopped_[node] = false;
  processes_[node].Signal(signal);
}

std::string Cluster::Log(int node) const {
  return ReadFileOrEmpty(absl::StrCat(dir_.path(), "/log", node));
}

bool Cluster::WaitForLog(int node, const std::string& text) const {
  return WaitFor([&] { return absl::StrContains(Log(node), text); });
}

// -------------------------------------------------------------------------------------------------
// Looking

std::optional<v1::NodeStatus> Cluster::Status(int node, int timeout_ms) const {
  // gRPC connects while somebody waits for it; between failed calls nobody does.
  if (!channels_[node]->WaitForConnected(In(kConnectMs))) return std::nullopt;
  grpc::ClientContext context;
  context.set_deadline(In(timeout_ms));
  v1::NodeStatus status;
  if (!stubs_[node]->GetStatus(&context, {}, &status).ok()) return std::nullopt;
  return status;
}

std::optional<v1::Usage> Cluster::Usage(int node, bool stale, bool counts_only) const {
  if (!Status(node)) return std::nullopt;
  grpc::ClientContext context;
  context.set_deadline(In(3'000));
  v1::GetUsageRequest request;
  request.set_stale(stale);
  request.set_no_checkouts(counts_only);
  v1::Usage usage;
  if (!stubs_[node]->GetUsage(&context, request, &usage).ok()) return std::nullopt;
  return usage;
}

v1::Usage Cluster::UsageOfAny(bool counts_only) const {
  v1::Usage usage;
  const bool answered = WaitFor([&] {
    for (int node = 1; node <= options_.nodes; ++node) {
      if (stopped_[node]) continue;
      if (auto found = Usage(node, /*stale=*/false, counts_only)) {
        usage = *std::move(found);
        return true;
      }
    }
    return false;
  });
  EXPECT_TRUE(answered) << "no node tells who uses what";
  return usage;
}

int Cluster::Leader() const {
  int leader = 0;
  uint64_t term = 0;
  for (int node = 1; node <= options_.nodes; ++node) {
    if (stopped_[node]) continue;
    const auto status = Status(node);
    if (!status || status->role() != "leader" || status->term() < term) continue;
    leader = node;
    term = status->term();
  }
  return leader;
}

int Cluster::WaitForLeader() const {
  int leader = 0;
  EXPECT_TRUE(WaitFor([&] { return (leader = Leader()) != 0; })) << "no node leads";
  return leader;
}

std::array<int, 2> Cluster::Others(int node) const {
  return {node == 1 ? 2 : 1, node == 3 ? 2 : 3};
}

bool Cluster::WaitForAgreement() const {
  return WaitFor([this] {
    std::set<uint64_t> applied;
    std::set<std::string> holdings;
    for (int node = 1; node <= options_.nodes; ++node) {
      if (stopped_[node] || processes_[node].pid() <= 0) continue;
      const auto usage = Usage(node, /*stale=*/true);
      const auto status = Status(node);
      if (!usage || !status || status->applied() != usage->index()) return false;
      applied.insert(usage->index());
      holdings.insert(Holdings(*usage));
    }
    return applied.size() == 1 && holdings.size() == 1;
  });
}

uint64_t Cluster::Used(const std::string& feature) const {
  const v1::Usage usage = UsageOfAny(/*counts_only=*/true);
  for (const auto& each : usage.features()) {
    if (each.name() == feature) return each.used();
  }
  return 0;
}

// -------------------------------------------------------------------------------------------------
// The network

void Cluster::SetFlow(int from, int to, bool forward) {
  PeerRoute& dialled = peers_[from][to];
  PeerRoute& accepted = peers_[to][from];
  dialled.there = forward;
  accepted.back = forward;
  proxy_->SetForward(dialled.id, dialled.there, dialled.back);
  proxy_->SetForward(accepted.id, accepted.there, accepted.back);
}

void Cluster::Cut(int from, int to) {
  SetFlow(from, to, false);
}

void Cluster::CutOff(int node) {
  for (int other : Others(node)) {
    SetFlow(node, other, false);
    SetFlow(other, node, false);
  }
}

void Cluster::Heal() {
  for (int from = 1; from <= options_.nodes; ++from) {
    for (int to = 1; to <= options_.nodes; ++to) {
      if (from != to) SetFlow(from, to, true);
    }
  }
}

Cluster::ClientNet Cluster::MakeClientNet() {
  ClientNet net;
  std::vector<std::string> addresses;
  for (int node = 1; node <= options_.nodes; ++node) {
    net.node[node] = Address(node);
    if (proxy_ != nullptr) {
      const int port = FreePort();
      net.route[node] = proxy_->AddRoute(port, Host(node), ports_[node]);
      net.node[node] = At(port, "127.0.0.1");
    }
    addresses.push_back(net.node[node]);
  }
  net.path = absl::StrJoin(addresses, ",");
  return net;
}

CheckoutRequest Want(const std::string& feature, uint64_t count) {
  CheckoutRequest request;
  request.feature = feature;
  request.count = count;
  return request;
}

ClientOptions OptionsFor(const std::string& path, const std::string& name) {
  ClientOptions options;
  options.license_path = path;
  options.user = name;
  options.application = name;
  options.vendor_keys = {{kVendor, DemoKey().keys.public_key}};
  return options;
}

std::string Holdings(const v1::Usage& usage, bool with_node) {
  std::vector<std::string> lines;
  for (const auto& feature : usage.features()) {
    for (const auto& pool : feature.pools()) {
      for (const auto& use : pool.uses()) {
        lines.push_back(absl::StrCat(feature.name(), " ", use.holding().handle(), " ",
                                     use.holding().count(), " ", use.user(), " ",
                                     use.holding().start_wall_ms(), " ",
                                     with_node ? absl::StrCat(use.node()) : ""));
      }
    }
  }
  std::sort(lines.begin(), lines.end());
  return absl::StrJoin(lines, "\n");
}

}  // namespace triad::integration
