// Streams between machines, as TCP and gRPC make them: in order, delivered late rather than lost,
// until one end gives up or dies.
//
// A cut holds back what is under way; when it heals in time, everything arrives late, else the
// dialling end gives up by keepalive and the other end learns of it when it can. Messages that
// break the order of a stream (lost, doubled, late) are the caller's wish, per message.
//
// Endpoints are numbers: 1..3 the nodes, kMachineBase + n the clients' machines.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "tests/simulation/plan.h"
#include "tests/simulation/world.h"

namespace triad::simulation {

inline constexpr int kMachineBase = 10;

class Network;

// One connection. The dialler is end 0, the acceptor end 1.
class Stream {
 public:
  // `closed` of an end is called at most once, when that end learns that the stream is gone; not
  // when it closed it itself.
  Stream(Network* network, int dialler, int acceptor, int64_t keepalive_us, Event dialler_closed,
         Event acceptor_closed);

  // From end `from` to the other: `deliver` runs there, in order, if it is still there then.
  void Send(int from, Event deliver);
  // Beside the order of the stream.
  void SendLate(int from, int64_t extra_us, Event deliver);
  // End `end` closes: the other learns of it behind the last message.
  void Close(int end);
  // The machine of end `end` is gone without a word.
  void Vanish(int end);
  // The stream breaks in the middle: what is under way is lost, both ends are told.
  void Reset();
  bool open(int end) const { return open_[end]; }
  bool over() const { return !open_[0] && !open_[1]; }
  int endpoint(int end) const { return endpoint_[end]; }

 private:
  friend class Network;

  void Transmit(int from, Event arrive);
  void OnCut();
  void OnHealed(int from);
  void GiveUp();
  void Tell(int end);

  Network* const network_;
  const std::array<int, 2> endpoint_;
  const int64_t keepalive_us_;
  std::array<Event, 2> closed_;
  std::array<bool, 2> open_{true, true};
  std::array<int64_t, 2> last_arrival_us_{0, 0};
  std::array<std::deque<Event>, 2> held_;  // by sender: waits behind a cut
  bool broken_ = false;                    // nothing under way arrives any more
  std::weak_ptr<Stream> self_;
};

class Network {
 public:
  Network(World* world, const Plan* plan) : world_(world), plan_(plan) {}

  std::shared_ptr<Stream> Connect(int dialler, int acceptor, int64_t keepalive_us,
                                  Event dialler_closed, Event acceptor_closed);
  int64_t Latency(int from, int to);
  bool IsCut(int from, int to) const { return cut_.contains({from, to}); }
  bool Reachable(int a, int b) const { return !IsCut(a, b) && !IsCut(b, a); }
  void Cut(int from, int to);
  void Heal(int from, int to);
  void HealAll();
  // Breaks one stream of those that `endpoint` has.
  void ResetOne(int endpoint);
  World* world() { return world_; }
  const Plan& plan() const { return *plan_; }

 private:
  void ForgetDone();

  World* const world_;
  const Plan* const plan_;
  std::map<std::pair<int, int>, uint64_t> cut_;  // -> number of the cut
  uint64_t next_cut_ = 1;
  std::vector<std::shared_ptr<Stream>> streams_;
  size_t forget_at_ = 64;
};

}  // namespace triad::simulation
