#include "tests/simulation/cluster.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "license/catalog.h"
#include "tests/simulation/faults.h"

namespace triad::simulation {
namespace {

// The first is what all nodes begin with; the others replace it.
constexpr const char* kLines[kLicenseSets] = {
    "FEATURE a acme 1.0 permanent 2\n"
    "FEATURE b acme 1.0 permanent 4\n"
    "INCREMENT c acme 1.0 permanent 3\n"
    "INCREMENT c acme 1.0 permanent 2\n",
    "FEATURE a acme 1.0 permanent 1\n"
    "FEATURE b acme 1.0 permanent 8\n"
    "INCREMENT c acme 1.0 permanent 3\n",
    "FEATURE a acme 1.0 permanent 4\n"
    "FEATURE b acme 1.0 permanent 2\n",
    "FEATURE b acme 1.0 permanent 4\n"
    "INCREMENT c acme 1.0 permanent 1\n"
    "INCREMENT c acme 1.0 permanent 1\n",
};

constexpr int64_t kElectionTimeoutUs = 300 * kMs;
constexpr int64_t kFetchUs = 8 * kSecond;

// The same key in every run: signatures stand in the log, and the trace is compared.
struct Licenses {
  Licenses() {
    const auto key = license::ParsePrivateKey(
        "key", absl::StrCat("# simulator\ntriad-private-key acme ", std::string(64, '7'), "\n"));
    if (!key.ok()) abort();
    const license::PublicKey& bytes = key->keys.public_key;
    keys.emplace("acme", bytes);
    for (uint64_t i = 0; i < kLicenseSets; ++i) {
      const std::string text = absl::StrCat("SERVER lic1 ANY 27000\nVENDOR acme\n", kLines[i]);
      v1::InstallLicenses::File& file = *sets[i].add_license_files();
      file.set_name("license.dat");
      file.set_content(license::SignText("license.dat", text, *key).value());
      v1::InstallLicenses::VendorKey& vendor = *sets[i].add_vendor_keys();
      vendor.set_vendor("acme");
      vendor.set_public_key(std::string(bytes.begin(), bytes.end()));
    }
    license::LicenseSources sources;
    sources.license_files.push_back({"license.dat", sets[0].license_files(0).content()});
    sources.keys = keys;
    hash = license::Catalog::Build(sources).license_hash();
  }
  v1::InstallLicenses sets[kLicenseSets];
  license::VendorKeys keys;
  std::string hash;
  const std::map<std::string, uint64_t> totals{{"a", 2}, {"b", 4}, {"c", 5}};
};

const Licenses& TheLicenses() {
  static const Licenses* const licenses = new Licenses();
  return *licenses;
}

// Enough of an incarnation to tell it from others.
std::string ShortHex(absl::string_view incarnation) {
  return absl::BytesToHexString(incarnation.substr(0, 3));
}

// " 1:0a1b2c voter 2:..."
std::string MembersText(const quorum::Members& members) {
  std::string text;
  for (const auto& member : members.list) {
    absl::StrAppend(&text, " ", quorum::ToInt(member.slot), ":", ShortHex(member.incarnation),
                    member.voter ? " voter" : "");
  }
  return text;
}

}  // namespace

const v1::InstallLicenses& Cluster::LicenseSet(uint64_t number) const {
  return TheLicenses().sets[number];
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
    hosts_.back()->set_version(plan_.version);
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

Host* Cluster::Leader() const {
  for (const auto& node : hosts_) {
    const quorum::Core* core = node->running() ? node->node()->core() : nullptr;
    if (core != nullptr && core->role() == quorum::Role::kLeader) return node.get();
  }
  return nullptr;
}

std::vector<std::string> Cluster::Describe() {
  std::vector<std::string> lines;
  for (const auto& node : hosts_) {
    const quorum::Core* core = node->running() ? node->node()->core() : nullptr;
    const LogMirror& durable = node->disk().durable();
    std::string line = absl::StrCat(
        "node ", node->slot(), node->running() ? "" : " (down)", node->paused() ? " (paused)" : "",
        node->damaged() ? " (damaged)" : "", ": disk ", durable.start.value(), "..",
        durable.last_index().value(), " term ", durable.hard_state.term.value());
    if (core != nullptr) {
      absl::StrAppend(&line, ", role ", static_cast<int>(core->role()), " term ",
                      core->term().value(), " leader ", quorum::ToInt(core->leader()), " log ",
                      core->snapshot_index().value(), "..", core->last_index().value(), " commit ",
                      core->commit_index().value(), " applied ", core->applied_index().value(),
                      " members", MembersText(core->members()), " fetches from ",
                      quorum::ToInt(core->snapshot_source()), ", incarnation ",
                      ShortHex(node->incarnation_id()));
    } else if (!node->refusal().empty()) {
      absl::StrAppend(&line, ", ", node->refusal());
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

void Cluster::BootLater(int slot, int64_t delay_us) {
  // A stop that was under way when all was healed is no fault any more.
  if (healed_) delay_us = std::min(delay_us, 10 * kMs);
  world_.After(delay_us, [this, slot] {
    if (may_boot_[static_cast<size_t>(slot)]) host(slot).Boot();
  });
}

// Before the birth there is nothing to repair a node from; and all must vote.
bool Cluster::AllVote() const {
  const auto& members = checks_->ledger().members();
  for (const auto& member : members.nodes()) {
    if (!member.voter()) return false;
  }
  // None are recorded: those of the birth.
  return checks_->committed() > 0 &&
         (members.nodes_size() == 0 || members.nodes_size() == plan_.nodes);
}

bool Cluster::MayGoOnAlone(int slot) const {
  const Host& host = *hosts_[static_cast<size_t>(slot - 1)];
  return AllVote() && host.HasLog() && !host.lacks_ledger();
}

// What is committed is on two of three logs, so one may be lost; and then somebody must still have
// a ledger for those who have none.
bool Cluster::MayLoseLog(int slot) const {
  for (const auto& node : hosts_) {
    if (node->slot() != slot && !node->HasLog()) return false;
  }
  return AllVote() && LedgersCanBeFetched(slot);
}

bool Cluster::MayLoseLedger(int slot) const {
  Host& host = *hosts_[static_cast<size_t>(slot - 1)];
  if (!AllVote() || !host.HasLog()) return false;
  const bool before = host.ledger_lost();
  host.set_ledger_lost(true);
  int without_log = 0;
  for (const auto& node : hosts_) {
    if (!node->HasLog()) without_log = node->slot();
  }
  const bool bearable = LedgersCanBeFetched(without_log);
  host.set_ledger_lost(before);
  return bearable;
}

// A node that has its log and its ledger, and whose log reaches the start of every log that has no
// ledger to go with it.
bool Cluster::LedgersCanBeFetched(int without_log) const {
  const auto has_log = [without_log](const Host& node) {
    return node.slot() != without_log && node.HasLog();
  };
  const auto covers = [](Host& node, Host& needy) {
    const LogMirror& log = node.disk().durable();
    const LogMirror& other = needy.disk().issued();
    return log.start >= other.start || log.TermAt(other.start) == other.start_term;
  };
  for (const auto& node : hosts_) {
    if (!has_log(*node) || node->lacks_ledger()) continue;
    bool all = true;
    for (const auto& needy : hosts_) {
      if (has_log(*needy) && needy->lacks_ledger()) all = all && covers(*node, *needy);
    }
    if (all) return true;
  }
  return false;
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

// The faults are over: all nodes that can run do, and reach each other.
void Cluster::Heal() {
  world_.Note("heal all");
  healed_ = true;
  faults_->Stop();
  network_.HealAll();
  for (const auto& machine : machines_) Resume(machine.get());
  for (const auto& node : hosts_) {
    may_boot_[static_cast<size_t>(node->slot())] = true;
    node->disk().Mend();
    node->disk().files().SetFreeBytes(std::nullopt);
    node->set_turn_extra_us(0);
    node->Resume();
    const bool told_to_rejoin = node->out() || node->put_out();
    if (told_to_rejoin && plan_.nodes == 3) node->Rejoin();  // the operator's part
    if (!node->running() && !node->out()) node->Boot();
  }
}

// Two nodes suffice: the third is down, or cut off in one of the ways in which a network does that.
void Cluster::LeaveOneOut() {
  // Before its birth a cluster needs all three.
  if (plan_.nodes < 3 || checks_->committed() == 0) return;
  Rng& rng = world_.fault_rng;
  const int third = static_cast<int>(1 + rng.Below(3));
  const int a = third % 3 + 1;
  const int b = a % 3 + 1;
  uint64_t way = rng.Below(6);
  if (!MayLoseLog(third)) return;  // one is out already, or the only ledger would be
  for (const auto& node : hosts_) {
    if (node->lacks_ledger() && way > 1) way = 5;  // each of the other two needs all of the other
  }
  world_.Note("left out", third, static_cast<int64_t>(way));
  switch (way) {
    case 0:
      return;  // none
    case 1:
      may_boot_[static_cast<size_t>(third)] = false;
      host(third).Kill(true);
      return;
    case 2:  // a partial partition: two pairs of three are connected
      world_.counters.Count(Branch::kPartialHealed);
      network_.Cut(third, a);
      network_.Cut(a, third);
      return;
    case 3:  // it hears all and is not heard
      network_.Cut(third, a);
      network_.Cut(third, b);
      return;
    case 4:
      network_.Cut(a, third);
      network_.Cut(b, third);
      return;
    default:
      for (const int other : {a, b}) {
        network_.Cut(third, other);
        network_.Cut(other, third);
      }
  }
}

// A leader is there, and a newcomer is served.
bool Cluster::Progress() {
  const auto leads = [this] {
    for (const auto& node : hosts_) {
      const bool has_core = node->running() && node->node()->core() != nullptr;
      if (has_core && node->node()->core()->leads_confirmed()) return true;
    }
    return false;
  };
  // A node whose ledger must come from another may be needed, and cannot help before it has: two
  // answers that do not come, and the snapshot itself. Who needs one is known when somebody leads.
  for (const int64_t end = world_.now_us() + 10 * kElectionTimeoutUs;
       world_.now_us() < end && !leads();) {
    if (!world_.RunUntil(world_.now_us() + 20 * kMs)) return false;
  }
  if (!Waited(1 + FetchTimeUs(), leads, "no confirmed leader after healing")) return false;
  const uint64_t before = checks_->commands();
  machines_.push_back(std::make_unique<Machine>(&world_, static_cast<int>(machines_.size()),
                                                world_.rng.Between(1, 1'000'000) * kMs));
  App* probe = NewApp(machines_.back().get());
  probe->SetQuiet();
  probe->Start();
  const auto served = [this, before] { return checks_->commands() > before; };
  for (const int64_t end = world_.now_us() + 10 * kElectionTimeoutUs;
       world_.now_us() < end && !served();) {
    if (!world_.RunUntil(world_.now_us() + 20 * kMs)) return false;
  }
  return Waited(1 + FetchTimeUs(), served, "no new command committed after healing");
}

int64_t Cluster::FetchTimeUs() const {
  for (const auto& node : hosts_) {
    const quorum::Core* core = node->running() ? node->node()->core() : nullptr;
    if (core == nullptr) continue;
    if (core->ledger_missing() || core->snapshot_source() != quorum::Slot::kNone) return kFetchUs;
  }
  return 0;
}

// Nothing new is asked; everything that was is answered, everyone knows where they stand.
bool Cluster::Quiet() {
  for (App* app : app_list_) app->SetQuiet();
  std::string restless;
  const auto rest = [this, &restless] {
    restless.clear();
    for (App* app : app_list_) {
      if (restless.empty()) restless = app->Restless();
    }
    for (const auto& node : hosts_) {
      if (node->out() || !restless.empty()) continue;
      if (!node->running() || node->node()->ledger().applied().index != checks_->committed()) {
        restless = absl::StrCat("node ", node->slot(), " is behind");
      }
    }
    return restless.empty();
  };
  for (const int64_t end = world_.now_us() + 30 * kSecond; world_.now_us() < end && !rest();) {
    if (!world_.RunUntil(world_.now_us() + 20 * kMs)) return false;
  }
  return Waited(0, rest, absl::StrCat("not come to rest: ", restless));
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

  Heal();
  LeaveOneOut();
  if (!Progress()) return false;
  if (!world_.RunUntil(world_.now_us() + world_.rng.Between(0, 2 * kSecond))) return false;
  Heal();
  if (!Quiet()) return false;
  checks_->OnEnd();
  checks_->JudgeHistory();
  return !world_.failed();
}

}  // namespace triad::simulation
