#include "tests/simulation/faults.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace triad::simulation {

Faults::Faults(Cluster* cluster)
    : cluster_(cluster), world_(&cluster->world()), rng_(&cluster->world().fault_rng) {
}

void Faults::Start() {
  on_ = true;
  const FaultRates& rates = cluster_->plan().rates;
  Every(rates.crash_us, [this] { Crash(false); });
  Every(rates.power_us, [this] { Crash(true); });
  Every(rates.pause_us, [this] { Pause(); });
  Every(rates.cut_us, [this] { Cut(); });
  Every(rates.isolate_us, [this] { Isolate(); });
  Every(rates.client_cut_us, [this] { CutClient(); });
  Every(rates.reset_us, [this] { Reset(); });
  Every(rates.stuck_us, [this] { Stick(); });
  Every(rates.disk_error_us, [this] { DiskError(); });
  Every(rates.disk_full_us, [this] { FillDisk(); });
  Every(rates.damage_us, [this] { Damage(); });
  Every(cluster_->plan().read_us, [this] { Read(); });
  Every(rates.install_us, [this] { Install(); });
  Every(rates.upgrade_us, [this] { Upgrade(); });
  Every(rates.clock_us, [this] { StepClock(); });
  Every(rates.slow_us, [this] { SlowDown(); });
  Every(rates.stop_us, [this] { StopNode(); });
  Every(rates.transfer_us, [this] { Transfer(); });
  Every(rates.client_pause_us, [this] { PauseMachine(); });
  if (rates.loss_us > 0) world_->At(rates.loss_us, [this] { LoseTwo(); });
}

void Faults::Every(int64_t mean_us, std::function<void()> fault) {
  if (mean_us == 0) return;
  world_->After(rng_->Between(mean_us / 4, mean_us * 2), [this, mean_us, fault] {
    if (!on_) return;
    fault();
    Every(mean_us, fault);
  });
}

Host& Faults::AnyHost() {
  return cluster_->host(
      static_cast<int>(1 + rng_->Below(static_cast<uint64_t>(cluster_->plan().nodes))));
}

int64_t Faults::Duration(int64_t low_us, int64_t high_us) {
  return rng_->Skewed(low_us, high_us);
}

void Faults::Crash(bool power_lost) {
  Host& host = AnyHost();
  if (!host.running()) return;
  host.Kill(power_lost);
  cluster_->BootLater(host.slot(), Duration(5 * kMs, 5 * kSecond));
}

void Faults::Pause() {
  Host& host = AnyHost();
  if (!host.running() || host.paused()) return;
  world_->counters.Count(Branch::kPauseNode);
  host.Pause();
  world_->After(Duration(10 * kMs, 6 * kSecond), [&host] { host.Resume(); });
}

// A node from another or from all, one way or both; or a client's machine from nodes.
void Faults::Cut() {
  const int nodes = cluster_->plan().nodes;
  const int victim = AnyHost().slot();
  std::vector<int> others;
  if (rng_->Permille(300)) {
    const auto& machines = cluster_->machines();
    others.push_back(machines[rng_->Below(machines.size())]->endpoint());
  } else {
    const bool all = rng_->Permille(500);
    const int one = static_cast<int>(1 + rng_->Below(static_cast<uint64_t>(nodes)));
    for (int slot = 1; slot <= nodes; ++slot) {
      if (slot != victim && (all || slot == one)) others.push_back(slot);
    }
    if (all && rng_->Permille(300)) {
      for (const auto& machine : cluster_->machines()) others.push_back(machine->endpoint());
    }
  }
  const bool one_way = rng_->Permille(300);
  const bool outward = rng_->Permille(500);
  world_->counters.Count(one_way ? Branch::kOneWayCut : Branch::kCut);
  const int64_t duration = Duration(20 * kMs, 8 * kSecond);
  for (const int other : others) {
    if (!one_way || outward) cluster_->network().Cut(victim, other);
    if (!one_way || !outward) cluster_->network().Cut(other, victim);
    world_->After(duration, [this, victim, other] {
      cluster_->network().Heal(victim, other);
      cluster_->network().Heal(other, victim);
    });
  }
}

void Faults::CutFor(int64_t duration_us, int a, int b) {
  Network& network = cluster_->network();
  network.Cut(a, b);
  network.Cut(b, a);
  world_->After(duration_us, [&network, a, b] {
    network.Heal(a, b);
    network.Heal(b, a);
  });
}

// A node, often the leader, and clients that reach no other: what it tells them must not outlive
// what the others do meanwhile. Sometimes it stands still as well.
void Faults::Isolate() {
  const int nodes = cluster_->plan().nodes;
  Host* victim = &AnyHost();
  if (rng_->Permille(500)) victim = cluster_->Leader() != nullptr ? cluster_->Leader() : victim;
  const int64_t ttl_us = cluster_->plan().ttl_ms * kMs;
  const int64_t duration = rng_->Between(ttl_us / 2, ttl_us * 9 / 4);
  world_->counters.Count(Branch::kIsolated);
  world_->Note("isolated", victim->slot());
  for (int slot = 1; slot <= nodes; ++slot) {
    if (slot == victim->slot()) continue;
    CutFor(duration, victim->slot(), slot);
    for (const auto& machine : cluster_->machines()) {
      if (rng_->Permille(700)) CutFor(duration, machine->endpoint(), slot);
    }
  }
  if (rng_->Permille(300) && victim->running() && !victim->paused()) {
    victim->Pause();
    world_->After(rng_->Between(100 * kMs, duration), [victim] { victim->Resume(); });
  }
}

// A node closes the connection of a client that it thinks does not read; and it may be right, for
// nothing gets through to that machine.
void Faults::CutClient() {
  const auto& machines = cluster_->machines();
  const Plan& plan = cluster_->plan();
  if (rng_->Permille(500)) {
    const int machine = machines[rng_->Below(machines.size())]->endpoint();
    const int64_t duration = rng_->Between(plan.reset_grace_ms * kMs, plan.ttl_ms * kMs);
    for (int slot = 1; slot <= plan.nodes; ++slot) {
      CutFor(duration, machine, slot);
      if (cluster_->host(slot).running()) cluster_->host(slot).CutClients(machine);
    }
    return;
  }
  Host& host = AnyHost();
  if (host.running()) host.CutClients(machines[rng_->Below(machines.size())]->endpoint());
}

void Faults::Reset() {
  if (rng_->Permille(300)) {
    const auto& machines = cluster_->machines();
    world_->counters.Count(Branch::kClientReset);
    cluster_->network().ResetOne(machines[rng_->Below(machines.size())]->endpoint());
    return;
  }
  world_->counters.Count(Branch::kLinkReset);
  cluster_->network().ResetOne(AnyHost().slot());
}

void Faults::Stick() {
  Host& host = AnyHost();
  world_->counters.Count(Branch::kDiskStuck);
  world_->Note("disk stuck", host.slot());
  host.disk().Stick(world_->now_us() + Duration(100 * kMs, 15 * kSecond));
}

void Faults::DiskError() {
  Host& host = AnyHost();
  if (!host.running()) return;
  world_->counters.Count(Branch::kDiskError);
  world_->Note("disk fails", host.slot());
  host.disk().FailNext();
}

void Faults::FillDisk() {
  const int nodes = cluster_->plan().nodes;
  const int first = AnyHost().slot();
  // Two short of space are what stops checkouts; and they last longer than full ones.
  const bool low = rng_->Permille(700);
  const int count = low && rng_->Permille(600) ? std::min(nodes, 2) : 1;
  const int64_t duration = Duration(200 * kMs, 8 * kSecond);
  for (int i = 0; i < count; ++i) {
    Host& host = cluster_->host((first - 1 + i) % nodes + 1);
    const int64_t floor = cluster_->plan().disk_floor_bytes;
    world_->counters.Count(low ? Branch::kDiskShort : Branch::kDiskFull);
    world_->Note(low ? "disk short" : "disk full", host.slot());
    host.disk().files().SetFreeBytes(low ? rng_->Between(floor / 2, floor - 1)
                                         : rng_->Between(0, 40'000));
    world_->After(duration, [&host] { host.disk().files().SetFreeBytes(std::nullopt); });
  }
}

// What was synced is not there any more, or not as it was. The cluster bears the loss of one log
// until that node is whole again, and of every ledger but one that reaches the others' logs.
void Faults::Damage() {
  Host& host = AnyHost();
  if (cluster_->plan().nodes < 3) return;
  const uint64_t what = rng_->Below(10);
  if (what >= 1 && what < 5) {
    DamageLedger(host);
  } else if (!cluster_->MayLoseLog(host.slot())) {
    return;
  } else if (what == 0) {
    Wipe(host);
  } else if (what < 7) {
    return Misdirect(host);
  } else {
    DamageLog(host);
  }
  cluster_->BootLater(host.slot(), Duration(5 * kMs, 3 * kSecond));
}

// A sector of the next write goes to a wrong place, which nobody sees before the power fails.
void Faults::Misdirect(Host& host) {
  if (!host.running()) return;
  const std::vector<std::string> segments = Segments(host);
  if (segments.empty()) return;
  int64_t distance = rng_->Between(1, 20);
  if (rng_->Permille(500)) distance = -distance;
  world_->counters.Count(Branch::kSectorMisdirected);
  world_->Note("sector misdirected", host.slot(), distance);
  host.disk().files().MisdirectNextSync(segments.back(), static_cast<uint32_t>(rng_->Below(1'000)),
                                        distance, /*late=*/true);
  host.set_latent_damage();
  world_->After(Duration(20 * kMs, 2 * kSecond), [this, &host] {
    if (!host.running()) return;
    host.Kill(true);
    cluster_->BootLater(host.slot(), Duration(5 * kMs, 3 * kSecond));
  });
}

std::vector<std::string> Faults::Segments(Host& host) {
  std::vector<std::string> segments;
  const auto names = host.disk().files().List("d");
  if (!names.ok()) return segments;
  for (const std::string& name : *names) {
    if (name.find(".seg") != name.npos) segments.push_back("d/" + name);
  }
  return segments;
}

void Faults::DamageLedger(Host& host) {
  if (!cluster_->MayLoseLedger(host.slot())) return;
  if (host.running()) host.Kill(rng_->Permille(500));
  world_->counters.Count(Branch::kLedgerDamaged);
  world_->Note("ledger damaged", host.slot());
  host.disk().home().Damage();
  host.set_ledger_lost(true);
}

void Faults::DamageLog(Host& host) {
  if (host.running()) host.Kill(rng_->Permille(500));
  storage::TestFileSystem& files = host.disk().files();
  const std::vector<std::string> segments = Segments(host);
  if (segments.empty()) return;
  // The newest are the most interesting.
  const size_t place = rng_->Permille(700) ? segments.size() - 1 : rng_->Below(segments.size());
  const std::string& path = segments[place];
  const std::string content = files.Content(path);
  if (content.empty()) return;
  world_->counters.Count(Branch::kBitFlipped);
  world_->Note("bit flipped", host.slot());
  host.set_damaged();
  for (uint64_t flips = 1 + rng_->Below(3); flips > 0; --flips) {
    files.FlipBit(path, rng_->Below(content.size() * 8));
  }
}

void Faults::Wipe(Host& host) {
  if (host.running()) host.Kill(true);
  world_->counters.Count(Branch::kWiped);
  host.Wipe(rng_->Permille(700));
}

// An administrator at any node, with a license set that has other counts.
void Faults::Install() {
  Host& host = AnyHost();
  if (!host.running()) return;
  const v1::InstallLicenses& set = cluster_->LicenseSet(rng_->Below(kLicenseSets));
  host.Post([this, &host, set] {
    v1::InstallLicenses install = set;
    install.set_replaces(host.node()->ledger().license_set_number());
    if (install.replaces() == 0) return;
    host.node()->ProposeInstall(std::move(install), [this](const absl::Status& status) {
      world_->counters.Count(status.ok() ? Branch::kInstall : Branch::kInstallRefused);
    });
  });
}

void Faults::Upgrade() {
  Host& host = AnyHost();
  if (!host.running() || host.paused() || host.stopping()) return;
  if (host.version() == license::kCommandVersion) return;
  world_->counters.Count(Branch::kUpgrade);
  host.set_version(license::kCommandVersion);
  host.Stop();
}

void Faults::Read() {
  Host& host = AnyHost();
  if (!host.running()) return;
  const uint64_t committed = cluster_->checks().committed();
  host.Post([this, &host, committed] {
    host.node()->Read([this, &host, committed](const absl::Status& status) {
      if (status.ok()) {
        cluster_->checks().OnRead(host, committed);
      } else {
        world_->counters.Count(Branch::kReadFailed);
      }
    });
  });
}

// Two machines are gone with all that was on them; somebody runs `triadd recover --accept-loss` on
// the third, and `triadd rejoin` on their successors.
void Faults::LoseTwo() {
  constexpr int64_t kDecidedUs = 2 * kSecond;
  if (!on_ || world_->now_us() + kDecidedUs >= cluster_->plan().safety_us) return;
  Host& left = AnyHost();
  if (!cluster_->MayGoOnAlone(left.slot())) {
    world_->After(500 * kMs, [this] { LoseTwo(); });
    return;
  }
  world_->counters.Count(Branch::kTwoLost);
  world_->Note("two lost", left.slot());
  const int64_t decided_us = rng_->Between(10 * kMs, kDecidedUs);
  for (int slot = 1; slot <= 3; ++slot) {
    if (slot == left.slot()) continue;
    Host& lost = cluster_->host(slot);
    if (lost.running()) lost.Kill(true);
    lost.Wipe(/*rejoin=*/true);
    cluster_->BootLater(slot, decided_us + Duration(5 * kMs, 8 * kSecond));
  }
  if (left.running()) left.Kill(rng_->Permille(500));
  world_->After(decided_us, [&left] { left.GoOnAlone(); });
}

void Faults::StepClock() {
  const auto& machines = cluster_->machines();
  const int64_t ppm = rng_->Between(-cluster_->plan().drift_ppm, cluster_->plan().drift_ppm);
  const int64_t step = rng_->Between(-48 * 3'600'000, 48 * 3'600'000);
  const bool steps = rng_->Permille(500);
  MachineClock& clock =
      rng_->Permille(500) ? AnyHost().clock() : machines[rng_->Below(machines.size())]->clock;
  world_->counters.Count(steps ? Branch::kClockStep : Branch::kClockDrift);
  steps ? clock.StepWall(step) : clock.SetRate(ppm);
}

void Faults::SlowDown() {
  Host& host = AnyHost();
  world_->counters.Count(Branch::kSlowNode);
  world_->Note("slow", host.slot());
  host.set_turn_extra_us(Duration(1 * kMs, 100 * kMs));
  host.disk().set_slow(rng_->Between(1, 10));
  world_->After(Duration(500 * kMs, 6 * kSecond), [&host] {
    host.set_turn_extra_us(0);
    host.disk().set_slow(1);
  });
}

void Faults::StopNode() {
  Host& host = AnyHost();
  if (!host.running() || host.paused() || host.stopping()) return;
  world_->counters.Count(Branch::kStop);
  host.Stop();
}

void Faults::Transfer() {
  for (int slot = 1; slot <= cluster_->plan().nodes; ++slot) {
    Host& host = cluster_->host(slot);
    if (!host.running() || host.paused()) continue;
    const int to = static_cast<int>(rng_->Below(4));
    world_->counters.Count(Branch::kTransfer);
    host.Post([&host, to] { (void)host.node()->TransferLead(static_cast<quorum::Slot>(to)); });
  }
}

void Faults::PauseMachine() {
  const auto& machines = cluster_->machines();
  Machine* machine = machines[rng_->Below(machines.size())].get();
  if (machine->paused) return;
  world_->counters.Count(Branch::kPauseClient);
  world_->Note("machine pauses", machine->number);
  machine->paused = true;
  world_->After(Duration(50 * kMs, 12 * kSecond), [this, machine] { cluster_->Resume(machine); });
}

}  // namespace triad::simulation
