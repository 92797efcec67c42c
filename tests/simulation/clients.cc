#include "tests/simulation/clients.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/simulation/cluster.h"

namespace triad::simulation {
namespace {

using client::LicenseId;
using client::LicenseView;

constexpr int64_t kConnectTimeoutUs = 1'000 * kMs;  // as client/limits.h
constexpr int64_t kClientKeepaliveUs = 7'500 * kMs;
constexpr int64_t kRequestTimeoutMs = 5'000;
constexpr size_t kWaitingMax = 4;
// With queues: some wait for long, and what is held must come back for them.
constexpr size_t kWaitingInQueuesMax = 8;

}  // namespace

App::App(Cluster* cluster, Machine* machine, int number)
    : cluster_(cluster), world_(&cluster->world()), machine_(machine), number_(number) {
}

App::~App() = default;

// --- The process

void App::Start() {
  if (running()) return;
  ++epoch_;
  process_ = cluster_->NextId();
  world_->Note("app starts", number_, machine_->number);
  inbox_.clear();
  timer_us_ = INT64_MAX;
  closing_ = false;
  session_id_.clear();
  was_uncertain_ = false;
  client::Session::Config config;
  for (int slot = 1; slot <= cluster_->plan().nodes; ++slot) {
    config.servers.push_back(absl::StrCat("27000@host", slot));
  }
  config.identity.set_user(absl::StrCat("user", number_));
  config.identity.set_host(absl::StrCat("machine", machine_->number));
  config.identity.set_application("sim");
  if (cluster_->plan().check_signatures) config.vendor_keys = cluster_->vendor_keys();
  session_ = std::make_unique<client::Session>(std::move(config),
                                               client::Environment{this, this, this, this});
  session_->Start({}, [](const Status&) {});
  Schedule();
  ActLater();
}

void App::EndProcess(bool silently) {
  if (!running()) return;
  for (auto& [server, connection] : connections_) {
    if (connection.stream == nullptr) continue;
    silently ? connection.stream->Vanish(0) : connection.stream->Close(0);
  }
  ++epoch_;
  connections_.clear();
  inbox_.clear();
  licenses_.clear();
  waiting_.clear();
  session_.reset();
}

void App::Die(bool silently) {
  if (!running()) return;
  world_->Note(silently ? "app vanishes" : "app killed", number_);
  world_->counters.Count(silently ? Branch::kClientVanished : Branch::kClientKilled);
  EndProcess(silently);
  world_->After(world_->rng.Between(10 * kMs, 4 * kSecond), [this] { Start(); });
}

void App::Post(Event event) {
  if (!running()) return;
  if (machine_->paused) {
    inbox_.push_back(std::move(event));
    return;
  }
  event();
  Schedule();
}

void App::OnMachineResumed() {
  const uint64_t epoch = epoch_;
  while (epoch == epoch_ && !inbox_.empty()) {
    Event event = std::move(inbox_.front());
    inbox_.pop_front();
    event();
  }
  if (epoch != epoch_ || !running()) return;
  session_->OnTimer();
  cluster_->checks().OnResumed(*this);
  Schedule();
}

void App::Schedule() {
  if (!running()) return;
  if (session_->closed()) {
    const uint64_t epoch = epoch_;
    world_->After(1, [this, epoch] {
      if (epoch != epoch_) return;
      EndProcess(false);
      world_->After(world_->rng.Between(10 * kMs, 3 * kSecond), [this] { Start(); });
    });
    return;
  }
  const int64_t timer_ms = session_->NextTimer();
  if (timer_ms == INT64_MAX) return;
  const int64_t at = std::max(machine_->clock.TimeOf(timer_ms * 1000), world_->now_us());
  if (at >= timer_us_) return;
  timer_us_ = at;
  world_->At(at, [this, epoch = epoch_, at] {
    if (epoch != epoch_ || at != timer_us_) return;
    timer_us_ = INT64_MAX;
    Post([this] { session_->OnTimer(); });
  });
}

// --- What it does

void App::ActLater() {
  const int64_t think = cluster_->plan().think_us;
  world_->After(world_->rng.Skewed(think / 10, think * 4), [this, epoch = epoch_] {
    if (epoch != epoch_) return;
    Post([this] { Act(); });
    if (epoch == epoch_) ActLater();
  });
}

void App::Act() {
  if (closing_) return;
  Rng& rng = world_->rng;
  if (quiet_) return;
  if (cluster_->faults_on() && rng.Permille(cluster_->plan().kill_permille)) {
    Die(rng.Permille(400));
    return;
  }
  if (rng.Permille(cluster_->plan().close_permille)) {
    Close();
    return;
  }
  const bool queues = cluster_->plan().queues;
  if (waiting_.size() >= (queues ? kWaitingInQueuesMax : kWaitingMax)) return;
  if (queues && rng.Permille(50)) return CancelWaits();
  if (queues && !licenses_.empty() && rng.Permille(200)) return Resize();
  const bool full = licenses_.size() >= 4 || waiting_.size() >= kWaitingMax;
  if (!licenses_.empty() && rng.Permille(full ? 900 : 450)) {
    Checkin();
  } else if (waiting_.size() < kWaitingMax) {
    Checkout();
  }
}

void App::Checkout() {
  Rng& rng = world_->rng;
  std::vector<CheckoutRequest> items;
  const size_t count = rng.Permille(150) ? 2 : 1;
  for (size_t i = 0; i < count; ++i) {
    CheckoutRequest item;
    item.feature = std::string(1, static_cast<char>('a' + rng.Below(kFeatures)));
    item.count = 1 + rng.Below(2);
    const uint64_t mode = rng.Below(10);
    item.mode = mode < 7 ? CountMode::kExact : mode < 9 ? CountMode::kUpTo : CountMode::kAll;
    if (rng.Permille(30)) item.feature = "none";
    items.push_back(std::move(item));
  }
  client::Terms terms;
  terms.wait = cluster_->plan().queues && rng.Permille(500);
  if (terms.wait && rng.Permille(500)) terms.wait_limit_ms = rng.Between(100, 10'000);
  const uint64_t number = next_request_++;
  waiting_[number] = {terms.wait ? Ask::kWait : Ask::kCheckout, 0};
  world_->Note("checkout", number_, static_cast<int64_t>(number));
  session_->StartCheckout(
      items, kRequestTimeoutMs,
      [this, number](const Status& status, const std::vector<LicenseId>& licenses) {
        OnAnswer(number, status, licenses);
      },
      terms);
}

LicenseId App::PickLicense() {
  auto it = licenses_.begin();
  std::advance(it, static_cast<int64_t>(world_->rng.Below(licenses_.size())));
  return it->first;
}

void App::Checkin() {
  const LicenseId license = PickLicense();
  const uint64_t number = next_request_++;
  waiting_[number] = {Ask::kCheckin, license};
  world_->Note("checkin", number_, static_cast<int64_t>(number));
  session_->StartCheckin(license, kRequestTimeoutMs,
                         [this, number](const Status& status) { OnAnswer(number, status, {}); });
}

void App::Resize() {
  const LicenseId license = PickLicense();
  const uint64_t count = 1 + world_->rng.Below(4);
  const CountMode mode = world_->rng.Permille(300) ? CountMode::kUpTo : CountMode::kExact;
  const uint64_t number = next_request_++;
  waiting_[number] = {Ask::kResize, license};
  world_->Note("resize", number_, static_cast<int64_t>(number), static_cast<int64_t>(count));
  session_->StartResize(license, count, mode, kRequestTimeoutMs,
                        [this, number](const Status& status) { OnAnswer(number, status, {}); });
}

void App::CancelWaits() {
  world_->Note("cancels waits", number_);
  session_->CancelWaits();
}

void App::SetQuiet() {
  quiet_ = true;
  if (!running() || closing_ || !cluster_->plan().queues || world_->rng.Permille(500)) return;
  Post([this] { CancelWaits(); });
}

void App::Close() {
  world_->Note("goodbye", number_);
  world_->counters.Count(Branch::kClientClosed);
  closing_ = true;
  session_->StartClose([](const Status&) {});
}

void App::OnAnswer(uint64_t number, const Status& status, const std::vector<LicenseId>& licenses) {
  const auto it = waiting_.find(number);
  if (it == waiting_.end()) {
    world_->Fail(absl::StrCat("rule 7: app ", number_, " got a second reply to request ", number));
    return;
  }
  if (!status.certain) world_->counters.Count(Branch::kUncertain);
  const Asked asked = it->second;
  const bool checkout = asked.kind == Ask::kCheckout || asked.kind == Ask::kWait;
  // A check-in that was not answered goes on in the background: until then it is out. So does
  // leaving a queue.
  const bool goes_on = (!checkout && !status.ok()) || status.kind == ErrorKind::kCancelled;
  was_uncertain_ = was_uncertain_ || !status.certain || goes_on;
  world_->Note(status.ok() ? "answered" : "refused", number_, static_cast<int64_t>(number),
               status.code);
  std::vector<LicenseView> views;
  for (const LicenseId id : licenses) {
    const auto license = licenses_.find(id);
    if (license != licenses_.end()) views.push_back(license->second);
  }
  waiting_.erase(it);
  if (asked.kind == Ask::kResize && !Resizes(asked.license)) {
    const auto license = licenses_.find(asked.license);
    if (license != licenses_.end()) views.push_back(license->second);
  }
  cluster_->checks().OnAnswered(*this, number, status, views);
}

bool App::Resizes(LicenseId license) const {
  for (const auto& [number, asked] : waiting_) {
    if (asked.kind == Ask::kResize && asked.license == license) return true;
  }
  return false;
}

bool App::CountsAsConfirmed(uint64_t handle) {
  // A process that stands still counts nothing; see Checks::OnResumed.
  if (!running() || machine_->paused) return false;
  for (const auto& [id, view] : licenses_) {
    if (view.handle == handle && view.state == LicenseState::kHeld) {
      return session_->status().confirmed_ms > 0;
    }
  }
  return false;
}

std::string App::Restless() const {
  if (!running() || closing_) return "";
  for (const auto& [id, view] : licenses_) {
    if (view.state != LicenseState::kUnconfirmed) continue;
    return absl::StrCat("app ", number_, ": license ", view.handle, " is unconfirmed");
  }
  for (const auto& [number, asked] : waiting_) {
    if (asked.kind == Ask::kWait) continue;
    return absl::StrCat("app ", number_, ": request ", number, " is not answered");
  }
  // Whoever still waits has a place in the queue, and nobody else of it has.
  const size_t places = cluster_->checks().WaitersOf(session_id_);
  // (That somebody left a queue may be among what a cluster has lost for good.)
  if (places == waiting_.size() || cluster_->checks().any_lost()) return "";
  return absl::StrCat("app ", number_, " waits for ", waiting_.size(), " checkouts, and has ",
                      places, " places in queues");
}

// --- What the library tells it

void App::OnEvent(const triad::Event& event) {
  world_->Note(EventName(event.kind), number_, static_cast<int64_t>(event.handle));
  switch (event.kind) {
    case triad::Event::Kind::kUnconfirmed:
      return world_->counters.Count(Branch::kUnconfirmed);
    case triad::Event::Kind::kReconnected:
      return world_->counters.Count(Branch::kReconnected);
    case triad::Event::Kind::kLost:
      return world_->counters.Count(Branch::kLost);
    default:
      return;
  }
}

void App::OnLicense(LicenseId id, const LicenseView& view) {
  if (view.state == LicenseState::kReturned) {
    licenses_.erase(id);
  } else {
    licenses_[id] = view;
  }
}

void App::OnNote(int level, const std::string& line) {
  if (level <= 2) world_->trace.Text(world_->now_us(), 100 + number_, line);
}

uint32_t App::Below(uint32_t bound) {
  return static_cast<uint32_t>(world_->rng.Below(bound));
}

std::string App::Bytes(size_t size) {
  return world_->rng.Bytes(size);
}

// --- Its connections

void App::Connect(size_t server) {
  const uint64_t attempt = next_attempt_++;
  connections_[server] = {nullptr, attempt, 0};
  const int slot = static_cast<int>(server) + 1;
  Host* host = &cluster_->host(slot);
  const bool reachable = cluster_->network().Reachable(machine_->endpoint(), slot);
  const bool answers = reachable && !host->paused();
  // Refused at once by a machine without a process; no answer from behind a cut.
  const int64_t wait =
      answers ? 2 * cluster_->network().Latency(machine_->endpoint(), slot) : kConnectTimeoutUs;
  world_->After(wait, [this, server, attempt, host, answers, slot, epoch = epoch_] {
    if (epoch != epoch_) return;
    const auto it = connections_.find(server);
    if (it == connections_.end() || it->second.attempt != attempt) return;
    if (!answers || !host->running() ||
        !cluster_->network().Reachable(machine_->endpoint(), slot)) {
      connections_.erase(it);
      Post([this, server] { session_->OnDisconnected(server, "Connection refused"); });
      return;
    }
    const auto closed_here = [this, server, attempt, epoch] {
      if (epoch != epoch_) return;
      Post([this, server, attempt] {
        const auto found = connections_.find(server);
        if (found == connections_.end() || found->second.attempt != attempt) return;
        connections_.erase(found);
        session_->OnDisconnected(server, "Connection reset");
      });
    };
    auto id = std::make_shared<uint64_t>(0);
    it->second.stream =
        cluster_->network().Connect(machine_->endpoint(), slot, kClientKeepaliveUs, closed_here,
                                    [host, id, host_epoch = host->epoch()] {
                                      if (host_epoch == host->epoch()) host->OnClientClosed(*id);
                                    });
    *id = host->AcceptClient(
        it->second.stream, [this, server, attempt, epoch](v1::ServerMessage message) {
          if (epoch != epoch_) return;
          world_->Note("told", number_, static_cast<int64_t>(server), message.body_case());
          Post([this, server, attempt, message = std::move(message)] {
            const auto found = connections_.find(server);
            if (found == connections_.end() || found->second.attempt != attempt) return;
            if (message.failure().why() == v1::Failure::DISK_LOW) {
              world_->counters.Count(Branch::kDiskLow);
            }
            cluster_->checks().recorder().OnTold(world_->now_us(), process_, message);
            session_->OnMessage(server, message);
          });
        });
    it->second.id = *id;
    Post([this, server] { session_->OnConnected(server); });
  });
}

void App::Send(size_t server, v1::ClientMessage message) {
  const auto it = connections_.find(server);
  if (it == connections_.end() || it->second.stream == nullptr) return;
  cluster_->checks().recorder().OnSent(world_->now_us(), process_, message);
  if (message.has_request()) session_id_ = message.request().session();
  Host* host = &cluster_->host(static_cast<int>(server) + 1);
  const server::Caller caller{it->second.id, absl::StrCat("machine", machine_->number, ":5"),
                              false};
  it->second.stream->Send(0, [this, host, caller, message = std::move(message)]() mutable {
    world_->Note("asks", number_, host->slot(), message.body_case());
    host->Post([host, caller, message = std::move(message)]() mutable {
      host->node()->OnClientMessage(caller, std::move(message));
    });
  });
}

void App::Disconnect(size_t server) {
  const auto it = connections_.find(server);
  if (it == connections_.end()) return;
  if (it->second.stream != nullptr) it->second.stream->Close(0);
  connections_.erase(it);
}

}  // namespace triad::simulation
