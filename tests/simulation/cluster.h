// One run: three nodes (or one), applications, faults for a while, then healing, and what must then
// come true.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "license/signature.h"
#include "tests/simulation/checks.h"
#include "tests/simulation/clients.h"
#include "tests/simulation/host.h"
#include "tests/simulation/network.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/world.h"
#include "triad/v1/command.pb.h"

namespace triad::simulation {

class Faults;

inline constexpr uint64_t kFeatures = 3;  // a, b, c
inline constexpr uint64_t kLicenseSets = 4;

class Cluster {
 public:
  Cluster(uint64_t seed, Plan plan);
  ~Cluster();

  // FALSE: world().failure() says what was wrong.
  bool Run();

  World& world() { return world_; }
  const Plan& plan() const { return plan_; }
  Network& network() { return network_; }
  Checks& checks() { return *checks_; }
  Host& host(int slot) { return *hosts_[static_cast<size_t>(slot - 1)]; }
  const std::vector<std::unique_ptr<Machine>>& machines() const { return machines_; }
  const std::vector<App*>& apps() const { return app_list_; }
  bool faults_on() const;
  // One that believes so; null: none does.
  Host* Leader() const;
  uint64_t NextId() { return next_id_++; }

  // Where each node stands, a line each: for reports.
  std::vector<std::string> Describe();

  void BootLater(int slot, int64_t delay_us);
  void Resume(Machine* machine);
  // Whether the cluster bears it that this node loses its log now, or its ledger.
  bool MayLoseLog(int slot) const;
  bool MayLoseLedger(int slot) const;
  // Whether this one has what a recovery needs: its whole log and its ledger, and a vote.
  bool MayGoOnAlone(int slot) const;

  const v1::InstallLicenses& files() const { return LicenseSet(0); }
  const v1::InstallLicenses& LicenseSet(uint64_t number) const;
  const std::string& license_hash() const;
  const license::VendorKeys& vendor_keys() const;
  const std::map<std::string, uint64_t>& totals() const;

 private:
  void Heal();
  void LeaveOneOut();
  bool Progress();
  bool Quiet();
  bool Waited(int64_t limit_us, const std::function<bool()>& until, const std::string& what);
  bool AllVote() const;
  bool LedgersCanBeFetched(int without_log) const;
  int64_t FetchTimeUs() const;
  App* NewApp(Machine* machine);

  World world_;
  const Plan plan_;
  Network network_;
  std::unique_ptr<Checks> checks_;
  bool healed_ = false;
  std::unique_ptr<Faults> faults_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<std::unique_ptr<App>> apps_;
  std::vector<App*> app_list_;
  std::vector<bool> may_boot_;
  uint64_t next_id_ = 1;
};

}  // namespace triad::simulation
