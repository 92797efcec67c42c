// A real cluster on loopback for a test: license files signed by a demo vendor, data directories,
// triadd processes, and, if wished, a network between them and to them that can be cut.
//
// Usage and Status of a node may be called from any thread, all else from one.
//
// Nothing is left behind: processes die and directories go with the object, or with the test. If
// the test has failed, the end of each node's log is printed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "license/signature.h"
#include "tests/integration/process.h"
#include "tests/integration/proxy.h"
#include "triad/client.h"
#include "triad/v1/admin.grpc.pb.h"

namespace triad::integration {

inline constexpr const char* kVendor = "genesys.d";

// A free port outside the range from which the kernel takes ports for outgoing connections: a node
// that is down keeps its port.
int FreePort();

// The demo vendor's keys: drawn once per test process.
const license::NamedPrivateKey& DemoKey();
std::string Signed(const std::string& text);
std::string SignedWith(const license::NamedPrivateKey& key, const std::string& text);

class Cluster {
 public:
  struct Options {
    int nodes = 3;
    // FEATURE and INCREMENT lines, unsigned.
    std::string features = "FEATURE tserver_sdn genesys.d 8.0 permanent 10\n";
    // Appended as they are.
    std::string raw_lines;
    std::vector<std::string> flags;  // for every triadd
    bool cuttable = false;           // all connections go through proxies
    // Where a node is, by node, from 0; none: on loopback, 127.0.0.1 and so on. With addresses
    // beyond loopback, `flags` must have --insecure.
    struct Place {
      std::string host;
      std::vector<std::string> launcher;  // goes before the daemon's command
    };
    std::vector<Place> places;
  };
  // A way for clients to the nodes, which can be cut without touching other clients.
  struct ClientNet {
    std::array<Proxy::RouteId, 4> route{};
    std::string path;                 // p@h,p@h,p@h
    std::array<std::string, 4> node;  // p@h, by slot
  };

  explicit Cluster(Options options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // `triadd init` on all nodes.
  void InitAll();
  // InitAll, starts all, and waits until they serve. False: the test has failed.
  [[nodiscard]] bool Start();

  // --- one node, 1..3 ---
  std::string Directory(int node) const;  // its data directory
  std::string LicenseFile(int node) const;
  std::string Keys() const { return dir_.path() + "/keys"; }
  std::string Socket(int node) const;
  int port(int node) const { return ports_[node]; }
  std::string Host(int node) const;
  std::string Address(int node) const;  // p@h, as the node itself listens
  // The flags that the test's options and this harness give it.
  std::vector<std::string> Flags(int node) const;
  RunResult Init(int node, const std::vector<std::string>& more = {}) const;
  // `triadd VERB`, to its end.
  RunResult Run(const std::string& verb, int node, const std::vector<std::string>& more = {}) const;
  void StartNode(int node, const std::vector<std::string>& more = {});
  // From now on the node is started by `program` (with its first arguments) in place of triadd.
  void UseProgram(int node, std::vector<std::string> program) {
    programs_[node] = std::move(program);
  }
  void Kill(int node) { processes_[node].Kill(); }
  void Signal(int node, int signal);  // SIGSTOP and SIGCONT too
  Process& process(int node) { return processes_[node]; }
  std::string Log(int node) const;
  bool WaitForLog(int node, const std::string& text) const;

  // --- looking, from outside ---
  // nullopt: no answer.
  std::optional<v1::NodeStatus> Status(int node, int timeout_ms = 1'000) const;
  std::optional<v1::Usage> Usage(int node, bool stale = false, bool counts_only = false) const;
  // From any node; waits for one.
  v1::Usage UsageOfAny(bool counts_only = false) const;
  // The node that leads with the highest term, among those that answer and are not stopped; 0:
  // none.
  int Leader() const;
  int WaitForLeader() const;
  // Two different nodes, by slot, that are not `node`.
  std::array<int, 2> Others(int node) const;
  // All running nodes have applied the same index, and say the same of who holds what.
  bool WaitForAgreement() const;
  uint64_t Used(const std::string& feature) const;

  // --- the network, if cuttable ---
  Proxy& proxy() { return *proxy_; }
  // Nothing that `from` says reaches `to`. Nodes only; clients have their own net.
  void Cut(int from, int to);
  void CutOff(int node);  // from the other nodes, both ways
  void Heal();
  // A new one, if cuttable; else the nodes' own addresses.
  ClientNet MakeClientNet();

  // Of the first client net.
  const std::string& path() const { return clients_.path; }
  const ClientNet& clients() const { return clients_; }
  const std::string& directory() const { return dir_.path(); }
  // The license file as node `node` has it: with the addresses by which it reaches its peers.
  std::string LicenseText(int node) const { return LicenseText(node, options_.features); }
  std::string LicenseText(int node, const std::string& features) const;
  // Other FEATURE and INCREMENT lines, for the next start or reread.
  void WriteLicense(int node, const std::string& features) const;

 private:
  // The program where the node is; none: triadd.
  std::vector<std::string> Command(int node, const std::vector<std::string>& program) const;
  void SetFlow(int from, int to, bool forward);

  const Options options_;
  TempDir dir_;
  std::array<int, 4> ports_{};
  std::unique_ptr<Proxy> proxy_;
  struct PeerRoute {
    int port = 0;
    Proxy::RouteId id = 0;
    bool there = true;
    bool back = true;
  };
  std::array<std::array<PeerRoute, 4>, 4> peers_;  // dialler, target
  ClientNet clients_;
  std::array<Process, 4> processes_;
  std::array<std::vector<std::string>, 4> programs_;  // empty: TRIAD_TRIADD
  std::array<bool, 4> stopped_{};                     // by SIGSTOP
  std::array<std::shared_ptr<grpc::Channel>, 4> channels_;
  std::array<std::unique_ptr<v1::AdminService::Stub>, 4> stubs_;
};

// Options for a client of `path`, under a name that shows in usage.
ClientOptions OptionsFor(const std::string& path, const std::string& name = "app");

CheckoutRequest Want(const std::string& feature, uint64_t count = 1);

// All uses of a usage, one a line: "feature handle count user node start".
std::string Holdings(const v1::Usage& usage, bool with_node = false);

}  // namespace triad::integration
