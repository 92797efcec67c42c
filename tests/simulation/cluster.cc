#include "tests/simulation/cluster.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "license/catalog.h"
#include "tests/simulation/faults.h"

namespace triad::simulation {
namespace {

constexpr char kLines[] =
    "FEATURE a acme 1.0 permanent 2\n"
    "FEATURE b acme 1.0 permanent 4\n"
    "INCREMENT c acme 1.0 permanent 3\n"
    "INCREMENT c acme 1.0 permanent 2\n";

constexpr int64_t kElectionTimeoutUs = 300 * kMs;

// The same key in every run: signatures stand in the log, and the trace is compared.
struct Licenses {
  Licenses() {
    const auto key = license::ParsePrivateKey(
        "key", absl::StrCat("# simulator\ntriad-private-key acme ", std::string(64, '7'), "\n"));
    if (!key.ok()) abort();
    const std::string text = absl::StrCat("SERVER lic1 ANY 27000\nVENDOR acme\n", kLines);
    v1::InstallLicenses::File& file = *files.add_license_files();
    file.set_name("license.dat");
    file.set_content(license::SignText("license.dat", text, *key).value());
    const license::PublicKey& bytes = key->keys.public_key;
    v1::InstallLicenses::VendorKey& vendor = *files.add_vendor_keys();
    vendor.set_vendor("acme");
    vendor.set_public_key(std::string(bytes.begin(), bytes.end()));
    keys.emplace("acme", bytes);
    license::LicenseSources sources;
    sources.license_files.push_back({file.name(), file.content()});
    sources.keys = keys;
    hash = license::Catalog::Build(sources).license_hash();
  }
  v1::InstallLicenses files;
  license::VendorKeys keys;
  std::string hash;
  const std::map<std::string, uint64_t> totals{{"a", 2}, {"b", 4}, {"c", 5}};
};

const Licenses& TheLicenses() {
  static const Licenses* const licenses = new Licenses();
  return *licenses;
}

}  // namespace

const v1::InstallLicenses& Cluster::files() const {
  return TheLicenses().files;
}
const std::string& Cluster::license_hash() const {
  return TheLicenses().hash;
}
const license::VendorKeys& Cluster::vendor_keys() const {
  return TheLicenses().keys;
}
const std::map<std::string, uint64_t>& Cluster::totals() const {
  return TheLicenses().totals;
}

Cluster::Cluster(uint64_t seed, Plan plan) : world_(seed), plan_(plan), network_(&world_, &plan_) {
  checks_ = std::make_unique<Checks>(this);
  faults_ = std::make_unique<Faults>(this);
  may_boot_.assign(static_cast<size_t>(plan_.nodes) + 1, true);
  for (int slot = 1; slot <= plan_.nodes; ++slot) {
    hosts_.push_back(std::make_unique<Host>(this, slot));
  }
  for (int i = 0; i < plan_.machines; ++i) {
    machines_.push_back(
        std::make_unique<Machine>(&world_, i, world_.rng.Between(1, 1'000'000) * kMs));
  }
  for (int i = 0; i < plan_.apps; ++i) {
    NewApp(machines_[static_cast<size_t>(i % plan_.machines)].get());
  }
}

Cluster::~Cluster() = default;

App* Cluster::NewApp(Machine* machine) {
  apps_.push_back(std::make_unique<App>(this, machine, static_cast<int>(apps_.size())));
  app_list_.push_back(apps_.back().get());
  return app_list_.back();
}

bool Cluster::faults_on() const {
  return faults_->on();
}

void Cluster::BootLater(int slot, int64_t delay_us) {
  world_.After(delay_us, [this, slot] {
    if (may_boot_[static_cast<size_t>(slot)]) host(slot).Boot();
  });
}

void Cluster::Resume(Machine* machine) {
  if (!machine->paused) return;
  world_.Note("machine resumes", machine->number);
  machine->paused = false;
  for (App* app : app_list_) {
    if (&app->machine() == machine) app->OnMachineResumed();
  }
}

bool Cluster::Waited(int64_t limit_us, const std::function<bool()>& until,
                     const std::string& what) {
  const int64_t end = world_.now_us() + limit_us;
  while (!until()) {
    if (world_.now_us() >= end) {
      world_.Fail(absl::StrCat("liveness: ", what, " within ", limit_us / kMs, " ms"));
      return false;
    }
    if (!world_.RunUntil(std::min(end, world_.now_us() + 20 * kMs))) return false;
  }
  return true;
}

// The faults are over; only these nodes run, and they reach each other.
void Cluster::Heal(const std::vector<int>& slots) {
  world_.Note("heal all");
  faults_->Stop();
  network_.HealAll();
  for (const auto& machine : machines_) Resume(machine.get());
  for (int slot = 1; slot <= plan_.nodes; ++slot) {
    Host& node = host(slot);
    const bool runs = std::find(slots.begin(), slots.end(), slot) != slots.end();
    may_boot_[static_cast<size_t>(slot)] = runs;
    node.disk().Unstick();
    node.set_turn_extra_us(0);
    node.disk().set_slow(1);
    node.Resume();
    if (!runs) node.Kill(true);
    if (runs && !node.running()) node.Boot();
  }
}

// A newcomer is served by the healed majority.
bool Cluster::Progress(const std::vector<int>& slots) {
  if (!Waited(
          10 * kElectionTimeoutUs,
          [&] {
            for (const int slot : slots) {
              Host& node = host(slot);
              if (node.running() && node.node()->core() != nullptr &&
                  node.node()->core()->leads_confirmed()) {
                return true;
              }
            }
            return false;
          },
          "no confirmed leader after healing")) {
    return false;
  }
  const uint64_t before = checks_->commands();
  machines_.push_back(std::make_unique<Machine>(&world_, static_cast<int>(machines_.size()),
                                                world_.rng.Between(1, 1'000'000) * kMs));
  App* probe = NewApp(machines_.back().get());
  probe->set_quiet(true);
  probe->Start();
  return Waited(
      10 * kElectionTimeoutUs, [&] { return checks_->commands() > before; },
      "no new command committed after healing");
}

bool Cluster::Quiet() {
  for (App* app : app_list_) app->set_quiet(true);
  return Waited(
      30 * kSecond,
      [&] {
        for (App* app : app_list_) {
          if (!app->Settled()) return false;
        }
        for (const auto& node : hosts_) {
          if (!node->running() || node->node()->ledger().applied().index != checks_->committed()) {
            return false;
          }
        }
        return true;
      },
      "applications and nodes have not come to rest");
}

bool Cluster::Run() {
  for (const auto& node : hosts_) {
    node->Init();
    BootLater(node->slot(), world_.rng.Between(0, 500 * kMs));
  }
  for (App* app : app_list_) {
    world_.After(world_.rng.Between(0, 2 * kSecond), [app] { app->Start(); });
  }
  if (!world_.RunUntil(1 * kSecond)) return false;
  faults_->Start();
  if (!world_.RunUntil(plan_.safety_us)) return false;

  std::vector<int> all;
  for (int slot = 1; slot <= plan_.nodes; ++slot) all.push_back(slot);
  std::vector<int> majority = all;
  // Before its birth a cluster needs all three.
  const bool born = checks_->committed() > 0;
  if (plan_.nodes == 3 && born && world_.fault_rng.Permille(600)) {
    majority.erase(majority.begin() + static_cast<int64_t>(world_.fault_rng.Below(3)));
  }
  Heal(majority);
  if (!Progress(majority)) return false;
  if (!world_.RunUntil(world_.now_us() + world_.rng.Between(0, 2 * kSecond))) return false;
  Heal(all);
  if (!Quiet()) return false;
  checks_->OnEnd();
  return !world_.failed();
}

}  // namespace triad::simulation
