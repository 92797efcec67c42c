// Makes things go wrong as the plan says, and right again.
//
// What it never does is break more than the design promises to bear: see the single faults.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/cluster.h"

namespace triad::simulation {

class Faults {
 public:
  explicit Faults(Cluster* cluster);
  void Start();
  // From now on nothing new goes wrong; what is wrong is mended by the cluster.
  void Stop() { on_ = false; }
  bool on() const { return on_; }

 private:
  void Every(int64_t mean_us, std::function<void()> fault);
  Host& AnyHost();
  int64_t Duration(int64_t low_us, int64_t high_us);

  void Crash(bool power_lost);
  void Pause();
  void Cut();
  void Isolate();
  void CutClient();
  void CutFor(int64_t duration_us, int a, int b);
  void Reset();
  void Stick();
  void DiskError();
  void FillDisk();
  void Damage();
  void DamageLog(Host& host);
  void Read();
  void Install();
  void Upgrade();
  void Wipe(Host& host);
  void DamageLedger(Host& host);
  void Misdirect(Host& host);
  // Of its log, oldest first.
  std::vector<std::string> Segments(Host& host);
  void LoseTwo();
  void StepClock();
  void SlowDown();
  void StopNode();
  void Transfer();
  void PauseMachine();

  Cluster* const cluster_;
  World* const world_;
  Rng* const rng_;
  bool on_ = false;
};

}  // namespace triad::simulation
