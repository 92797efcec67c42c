// Seats kept in etcd as one would keep them there: a key per seat, taken by a transaction that
// creates it if it is absent, and given back by one that deletes it if it is there.
//
// Driven like TriadSeats: asynchronous calls from one thread, a connection per session.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/hosts.h"
#include "bench/load.h"
#include "etcd.grpc.pb.h"
#include "tests/integration/process.h"

namespace triad::bench {

// Three members with etcd's own defaults: every write is synced.
class EtcdCluster {
 public:
  // On loopback, or each on a host of its own.
  explicit EtcdCluster(const Hosts* hosts = nullptr);
  static bool IsInstalled();
  // False: etcd is not installed, or did not come up; stderr says which.
  bool Start();
  // "host:port" of a member's client port, 1..3.
  const std::string& address(int member) const { return addresses_[static_cast<size_t>(member)]; }
  // 1..3; 0: none known.
  int Leader() const;
  // All answer, and take the same one for their leader.
  bool IsWhole() const;
  integration::Process& process(int member) { return processes_[static_cast<size_t>(member)]; }
  void StartMember(int member);

 private:
  // Its id and its leader's; 0, 0: no answer.
  std::pair<uint64_t, uint64_t> IdAndLeader(int member) const;

  const Hosts* const hosts_;
  integration::TempDir dir_;
  std::array<int, 4> client_ports_{};
  std::array<int, 4> peer_ports_{};
  std::array<std::string, 4> host_of_;
  std::array<std::string, 4> addresses_;
  std::array<std::shared_ptr<grpc::Channel>, 4> channels_;
  std::array<integration::Process, 4> processes_;
};

class EtcdSeats final : public Seats {
 public:
  EtcdSeats(Loop& loop, const std::vector<std::string>& addresses, int sessions);
  ~EtcdSeats() override;  // cancels what is under way
  int sessions() const override { return static_cast<int>(stubs_.size()); }
  void Operate(int session, Done done) override;
  const std::string& wrong() const { return wrong_; }
  static int64_t unjudged() { return 0; }  // each answer is judged when it comes

 private:
  struct Call;
  void Send(int session, bool take, int64_t seat, Done done);
  void OnAnswer(Call* call, bool ok);

  Loop& loop_;
  std::vector<std::unique_ptr<etcdserverpb::KV::Stub>> stubs_;
  // Keys of our own: what a failed operation of another run has left may be there or not.
  const int run_ = next_run_++;
  static int next_run_;
  std::vector<int64_t> free_;  // seats; as many as were ever out at once
  int64_t seats_ = 0;
  std::set<Call*> under_way_;
  std::string wrong_;
};

}  // namespace triad::bench
