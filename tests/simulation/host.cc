#include "tests/simulation/host.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "license/digest.h"
#include "server/limits.h"
#include "server/membership.h"
#include "server/recover.h"
#include "storage/identity.h"
#include "tests/simulation/cluster.h"

namespace triad::simulation {
namespace {

constexpr char kDir[] = "d";
// As license/catalog.h hashes the SERVER line that the cluster's license files have.
constexpr char kServerHostIds[] = "3:ANY,";
constexpr int64_t kPeerKeepaliveUs = 1'000 * kMs;  // as server/wire.cc
constexpr int64_t kStopTimeoutUs = 1'500 * kMs;    // as server/daemon.cc
constexpr int64_t kRedialUs = 20 * kMs;
constexpr int64_t kCallTimeoutUs = 1'500 * kMs;

quorum::Slot ToSlot(int slot) {
  return static_cast<quorum::Slot>(slot);
}

}  // namespace

Host::Host(Cluster* cluster, int slot)
    : cluster_(cluster),
      world_(&cluster->world()),
      slot_(slot),
      clock_(world_, world_->rng.Between(1, 1'000'000) * kMs),
      disk_(world_, &cluster->plan()) {
}

void Host::Wipe(bool rejoin) {
  world_->Note("wiped", slot_, rejoin ? 1 : 0);
  latent_damage_ = false;
  disk_.Wipe();
  set_damaged();
  came_back_ = true;
  cluster_->checks().OnWiped(*this);
  refusal_.clear();
  rejoin ? Rejoin() : Init();
}

void Host::Rejoin() {
  if (running()) Kill(false);
  world_->Note("rejoin", slot_);
  put_out_ = false;
  disk_.Wipe();
  cluster_->checks().OnWiped(*this);
  refusal_.clear();
  ++incarnation_;
  storage::Identity identity;
  identity.slot = slot_;
  identity.incarnation = world_->rng.Bytes(16);
  identity.server_set = license::Sha256(kServerHostIds);
  identity.rejoining = true;
  const absl::Status status = storage::WriteIdentity(&disk_.files(), kDir, identity);
  if (!status.ok()) world_->Fail(absl::StrCat("rejoin: ", std::string(status.message())));
}

void Host::GoOnAlone() {
  if (running()) Kill(false);
  world_->Note("recover", slot_);
  disk_.files().SetFreeBytes(std::nullopt);
  for (int tries = 0;; ++tries) {
    if (tries < 3) MayStopDisk();
    server::RecoverAs as;
    as.session_ttl_ms = cluster_->plan().ttl_ms;
    const auto identity = server::Recover(Place(), as, /*random=*/this, /*logger=*/this);
    if (identity.ok()) {
      disk_.files().Restart();
      ++incarnation_;
      incarnation_id_ = identity->incarnation;
      break;
    }
    if (!absl::IsUnavailable(identity.status())) {
      return world_->Fail(absl::StrCat("recover: ", std::string(identity.status().message())));
    }
    disk_.LosePower();  // in the middle of it
  }
  goes_on_alone_ = true;
  Boot();
}

void Host::Init() {
  ++incarnation_;
  storage::Identity identity;
  identity.slot = slot_;
  identity.incarnation = world_->rng.Bytes(16);
  identity.server_set = license::Sha256(kServerHostIds);
  const absl::Status status = storage::WriteIdentity(&disk_.files(), kDir, identity);
  if (!status.ok()) world_->Fail(absl::StrCat("init: ", std::string(status.message())));
}

// --- The process

void Host::Boot() {
  if (running() || out()) return;
  world_->Note("boot", slot_);
  ++epoch_;
  refusal_.clear();
  paused_ = false;
  die_ = false;
  stop_since_us_.reset();
  inbox_.clear();
  turn_scheduled_ = false;
  auto opened = Open();
  if (!opened.ok()) {
    if (disk_.files().free_bytes().has_value()) {  // full: again when there is room
      world_->trace.Text(world_->now_us(), slot_, opened.status().message());
      disk_.files().Restart();
      cluster_->BootLater(slot_, 200 * kMs);
      return;
    }
    refusal_ = std::string(opened.status().message());
    world_->trace.Text(world_->now_us(), slot_, absl::StrCat("refuses to start: ", refusal_));
    cluster_->checks().OnRefusal(*this);
    return;
  }
  MakeNode(*std::move(opened));
  for (int peer = 1; peer <= cluster_->plan().nodes; ++peer) {
    if (peer != slot_) Dial(peer);
  }
  ScheduleTurn();
  Tick(epoch_);
}

server::DataPlace Host::Place() {
  server::DataPlace place;
  place.files = &disk_.files();
  place.home = &disk_.home();
  place.dir = kDir;
  place.log.segment_bytes = cluster_->plan().segment_bytes;
  place.limits.sessions_max = cluster_->plan().sessions_max;
  return place;
}

absl::StatusOr<server::OpenedData> Host::Open() {
  auto opened = server::OpenData(Place(), this);
  if (!opened.ok()) return opened;
  if (opened->damage) {
    world_->trace.Text(world_->now_us(), slot_, *opened->damage);
    cluster_->checks().OnDamage(*this, *opened->damage);
    if (cluster_->plan().nodes == 1) return absl::DataLossError(*opened->damage);
  }
  LogMirror mirror;
  mirror.hard_state = opened->recovered.hard_state;
  mirror.start = opened->recovered.snapshot_index;
  mirror.start_term = opened->recovered.snapshot_term;
  mirror.entries = opened->recovered.entries;
  // Stopped before the new identity was stored: all is as it was.
  const bool as_before = before_ && opened->identity.incarnation == before_->incarnation;
  if (as_before && !before_->possible.empty()) {
    disk_.set_possible(std::exchange(before_->possible, {}));
  }
  put_out_ = as_before && !opened->damage;
  if (opened->log != nullptr && std::exchange(goes_on_alone_, false)) {
    cluster_->checks().OnNewCluster(*this, mirror);
  } else if (opened->log != nullptr) {
    cluster_->checks().OnRecovered(*this, mirror);
  }
  // Found whole; one that was let in anew is whole when it votes again.
  if (opened->log != nullptr && !came_back_ && !latent_damage_) damaged_ = false;
  Disk::Callbacks callbacks;
  callbacks.durable = [this](uint64_t id) { Post([this, id] { node_->OnLogDurable(id); }); };
  callbacks.failed = [this](const absl::Status& failure) {
    world_->trace.Text(world_->now_us(), slot_, failure.message());
    EndProcess(false);
    cluster_->BootLater(slot_, world_->rng.Between(50 * kMs, 2 * kSecond));
  };
  disk_.Start(std::move(opened->log), std::move(opened->store), Place().limits, std::move(mirror),
              std::move(callbacks));
  return opened;
}

void Host::MakeNode(server::OpenedData opened) {
  const storage::Identity& identity = opened.identity;
  ledger_missing_ = opened.recovered.ledger_missing;
  ledger_lost_ = false;
  const Plan& plan = cluster_->plan();
  server::Membership::Config membership;
  membership.identity = identity;
  if (opened.damage) membership.quarantine_incarnation = world_->rng.Bytes(16);
  incarnation_id_ = identity.incarnation;
  membership.license_hash = "h";
  server::Node::Config config;
  config.self = ToSlot(slot_);
  for (int slot = 1; slot <= plan.nodes; ++slot) {
    membership.slots.push_back(ToSlot(slot));
    config.servers.push_back({ToSlot(slot), absl::StrCat("host", slot), 27000});
  }
  config.version = version_;
  config.log_keep_entries = plan.log_keep_entries;
  config.log_keep_bytes = plan.log_keep_bytes;
  config.apply_at_once = plan.apply_at_once;
  config.usage_hold_bytes = plan.usage_hold_bytes;
  config.disk_floor_bytes = plan.disk_floor_bytes;
  config.desk = {static_cast<uint32_t>(slot_), plan.ttl_ms, plan.reset_grace_ms};
  config.own_files = cluster_->files();
  config.own_files.set_from_node(static_cast<uint32_t>(slot_));
  if (plan.own_keys_differ && slot_ > 1) {
    // Of another vendor altogether, and another again on the third.
    std::string key(config.own_files.vendor_keys(0).public_key());
    key[0] = static_cast<char>(key[0] ^ slot_);
    config.own_files.mutable_vendor_keys(0)->set_public_key(key);
  }
  config.own_license_hash = cluster_->license_hash();
  const server::Environment env{this, this, this, this, this, this, this, this, this, this};
  node_ = std::make_unique<server::Node>(std::move(config), env,
                                         server::Membership(std::move(membership)),
                                         std::move(opened.recovered), std::move(opened.ledger));
  if (ledger_missing_) world_->counters.Count(Branch::kLedgerFetched);
  cluster_->checks().OnBoot(*this);
}

void Host::Kill(bool power_lost) {
  if (!running()) return;
  world_->Note(power_lost ? "power lost" : "killed", slot_);
  world_->counters.Count(power_lost ? Branch::kPowerLoss : Branch::kCrash);
  EndProcess(power_lost);
  if (power_lost) clock_.Restart(world_->rng.Between(1, 100'000) * kMs);
}

void Host::EndProcess(bool power_lost) {
  if (!running()) return;
  const auto end = [power_lost](Stream& stream, int side) {
    power_lost ? stream.Vanish(side) : stream.Close(side);
  };
  for (auto& [peer, dialled] : dialled_) {
    if (dialled.stream != nullptr) end(*dialled.stream, 0);
  }
  for (auto& [link, stream] : links_) end(*stream, 1);
  for (auto& [id, connection] : connections_) end(*connection.stream, 1);
  dialled_.clear();
  links_.clear();
  connections_.clear();
  cluster_->checks().OnProcessEnd(*this);
  ++epoch_;
  inbox_.clear();
  node_.reset();
  disk_.End(power_lost);
  if (power_lost) latent_damage_ = false;
}

bool Host::lacks_ledger() const {
  if (ledger_lost_) return disk_.issued().start > quorum::Index(0);
  return ledger_missing_ && (node_ == nullptr || node_->ledger().applied().index == 0);
}

void Host::Pause() {
  if (!running() || paused_) return;
  world_->Note("pause", slot_);
  paused_ = true;
}

void Host::Resume() {
  if (!paused_) return;
  world_->Note("resume", slot_);
  paused_ = false;
  if (running()) ScheduleTurn();
}

void Host::Stop() {
  if (!running() || stopping()) return;
  world_->Note("stop", slot_);
  stop_since_us_ = world_->now_us();
  Post([this] { node_->BeginStop(); });
}

// --- The loop

void Host::Post(Event event) {
  if (!running()) return;
  inbox_.push_back(std::move(event));
  ScheduleTurn();
}

int64_t Host::TurnLatency() {
  return world_->rng.Skewed(cluster_->plan().turn_low_us, cluster_->plan().turn_high_us) +
         static_cast<int64_t>(world_->rng.Below(static_cast<uint64_t>(turn_extra_us_)));
}

void Host::ScheduleTurn() {
  if (turn_scheduled_ || paused_) return;
  turn_scheduled_ = true;
  world_->After(TurnLatency(), [this, epoch = epoch_] {
    if (epoch != epoch_) return;
    turn_scheduled_ = false;
    if (!paused_) Turn();
  });
}

void Host::Tick(uint64_t epoch) {
  world_->After(server::kTickMs * kMs + static_cast<int64_t>(world_->rng.Below(
                                            static_cast<uint64_t>(turn_extra_us_) + 20)),
                [this, epoch] {
                  if (epoch != epoch_) return;
                  if (!paused_) Turn();
                  if (epoch == epoch_) Tick(epoch);
                });
}

void Host::Turn() {
  const uint64_t epoch = epoch_;
  std::deque<Event> batch = std::exchange(inbox_, {});
  for (Event& event : batch) event();
  node_->OnTimer();
  node_->Flush();
  if (die_) {
    EndProcess(true);
    cluster_->BootLater(slot_, world_->rng.Between(10 * kMs, 2 * kSecond));
    return;
  }
  cluster_->checks().OnTurn(*this);
  if (epoch != epoch_) return;
  if (node_->fatal()) {
    const bool disk_failed = node_->disk_failed();
    if (!disk_failed) refusal_ = *node_->fatal();
    world_->trace.Text(world_->now_us(), slot_, *node_->fatal());
    cluster_->checks().OnFatal(*this, *node_->fatal());
    EndProcess(false);
    if (disk_failed) cluster_->BootLater(slot_, world_->rng.Between(50 * kMs, 2 * kSecond));
    return;
  }
  if (stopping() && (node_->MayStop() || world_->now_us() - *stop_since_us_ >= kStopTimeoutUs)) {
    if (node_->MayStop()) world_->counters.Count(Branch::kLeadHandedOver);
    world_->Note("stopped", slot_);
    EndProcess(false);
    cluster_->BootLater(slot_, world_->rng.Between(10 * kMs, 3 * kSecond));
  }
}

// --- Peers

void Host::DialLater(int peer) {
  Dialled& dialled = dialled_[peer];
  const int64_t most = std::min<int64_t>(500 * kMs, (50 * kMs) << std::min(dialled.failures, 4));
  const int64_t wait = kRedialUs + (dialled.failures == 0 ? 0 : world_->rng.Between(0, most));
  world_->After(wait, [this, peer, epoch = epoch_] {
    if (epoch == epoch_) Dial(peer);
  });
}

void Host::Dial(int peer) {
  world_->After(cluster_->network().Latency(slot_, peer), [this, peer, epoch = epoch_] {
    if (epoch != epoch_) return;
    Dialled& dialled = dialled_[peer];
    Host& other = cluster_->host(peer);
    if (paused_ || !other.running() || other.paused() ||
        !cluster_->network().Reachable(slot_, peer)) {
      ++dialled.failures;
      DialLater(peer);
      return;
    }
    dialled.failures = 0;
    const server::LinkId link = cluster_->NextId();
    dialled.link = link;
    dialled.stream = cluster_->network().Connect(
        slot_, peer, kPeerKeepaliveUs,
        [this, peer, epoch] {
          if (epoch != epoch_) return;
          dialled_[peer].up = false;
          dialled_[peer].stream = nullptr;
          Post([this, peer] { node_->OnOutgoingDown(ToSlot(peer)); });
          DialLater(peer);
        },
        [other = &other, link, other_epoch = other.epoch()] {
          if (other_epoch == other->epoch()) other->OnLinkClosed(link);
        });
    dialled.up = true;
    other.links_[link] = dialled.stream;
    Post([this, peer] { node_->OnOutgoingUp(ToSlot(peer)); });
  });
}

void Host::OnLinkClosed(server::LinkId link) {
  links_.erase(link);
  Post([this, link] { node_->OnIncomingClosed(link); });
}

void Host::Send(quorum::Slot to, v1::PeerMessage message) {
  if (die_) return;
  const int peer = quorum::ToInt(to);
  cluster_->checks().OnPeerSend(*this, peer, message);
  auto it = dialled_.find(peer);
  if (it == dialled_.end() || !it->second.up || it->second.stream == nullptr) return;
  Stream& stream = *it->second.stream;
  const server::LinkId link = it->second.link;
  const Plan& plan = cluster_->plan();
  const bool raw = !message.has_hello() && cluster_->faults_on();
  if (raw && world_->rng.PerMillion(plan.lost_ppm)) {
    world_->counters.Count(Branch::kMessageLost);
    return;
  }
  if (raw && world_->rng.PerMillion(plan.twice_ppm)) {
    world_->counters.Count(Branch::kMessageTwice);
    Transmit(stream, message, peer, link);
  }
  if (raw && world_->rng.PerMillion(plan.late_ppm)) {
    world_->counters.Count(Branch::kMessageLate);
    Host* other = &cluster_->host(peer);
    stream.SendLate(0, world_->rng.Skewed(0, 400 * kMs),
                    [other, link, message = std::move(message)]() mutable {
                      other->Post([other, link, message = std::move(message)]() mutable {
                        other->node_->OnIncoming(link, std::move(message));
                      });
                    });
    return;
  }
  Transmit(stream, std::move(message), peer, link);
}

void Host::Transmit(Stream& stream, v1::PeerMessage message, int peer, server::LinkId link) {
  Host* other = &cluster_->host(peer);
  stream.Send(0, [this, other, link, message = std::move(message)]() mutable {
    world_->Note("peer", slot_ * 10 + other->slot_, message.body_case());
    other->Post([other, link, message = std::move(message)]() mutable {
      other->node_->OnIncoming(link, std::move(message));
    });
  });
}

void Host::Answer(server::LinkId link, v1::PeerMessage message) {
  if (die_) return;
  auto it = links_.find(link);
  if (it == links_.end()) return;
  Host* other = &cluster_->host(it->second->endpoint(0));
  it->second->Send(1, [this, other, message = std::move(message)]() mutable {
    const int self = slot_;
    other->Post([other, self, message = std::move(message)] {
      other->node_->OnOutgoing(ToSlot(self), message);
    });
  });
}

void Host::CloseLink(server::LinkId link) {
  auto it = links_.find(link);
  if (it == links_.end()) return;
  it->second->Close(1);
  links_.erase(it);
  Post([this, link] { node_->OnIncomingClosed(link); });
}

// --- Clients

server::ConnectionId Host::AcceptClient(std::shared_ptr<Stream> stream,
                                        std::function<void(v1::ServerMessage)> to_client) {
  const server::ConnectionId id = cluster_->NextId();
  connections_[id] = {std::move(stream), std::move(to_client)};
  Post([this, id] { node_->OnClientConnected(id); });
  return id;
}

void Host::OnClientClosed(server::ConnectionId connection) {
  if (connections_.erase(connection) == 0) return;
  Post([this, connection] { node_->OnClientClosed(connection); });
}

void Host::CutClients(int machine) {
  std::vector<server::ConnectionId> cut;
  for (const auto& [id, connection] : connections_) {
    if (connection.stream->endpoint(0) == machine) cut.push_back(id);
  }
  for (const server::ConnectionId id : cut) {
    world_->counters.Count(Branch::kConnectionCut);
    connections_.at(id).stream->Close(1);
    connections_.erase(id);
    Post([this, id] { node_->OnClientClosed(id, /*cut_here=*/true); });
  }
}

void Host::Send(server::ConnectionId connection, v1::ServerMessage message) {
  if (message.has_move_away()) world_->counters.Count(Branch::kMovedAway);
  auto it = connections_.find(connection);
  if (it == connections_.end()) return;
  it->second.stream->Send(
      1, [to_client = it->second.to_client, message = std::move(message)]() mutable {
        to_client(std::move(message));
      });
}

// --- Chance, disk, log

uint32_t Host::Below(uint32_t bound) {
  return static_cast<uint32_t>(world_->rng.Below(bound));
}

std::string Host::Bytes(size_t size) {
  return world_->rng.Bytes(size);
}

void Host::Write(uint64_t write_id, std::optional<quorum::HardState> hard_state,
                 std::optional<quorum::LogStart> start, std::vector<quorum::Entry> entries) {
  if (die_) return;
  cluster_->checks().OnLogWrite(*this, start, entries);
  disk_.WriteLog({write_id, hard_state, start, std::move(entries)});
}

void Host::Write(std::vector<license::RowChange> changes, license::LogPosition applied) {
  disk_.DoOnLedger([this, changes = std::move(changes), applied](server::LedgerDisk& disk) {
    const absl::Status status = disk.Write(changes, applied);
    if (status.ok()) Post([this] { node_->OnLedgerWritten(); });
    return status;
  });
}

void Host::Sync() {
  disk_.DoOnLedger([this](server::LedgerDisk& disk) {
    const auto position = disk.Sync();
    if (position.ok()) {
      Post([this, position = *position] { node_->OnLedgerSynced(position); });
    }
    return position.status();
  });
}

void Host::ReadSnapshot(uint64_t view, std::string after, size_t bytes_max) {
  const size_t bytes = std::min(bytes_max, cluster_->plan().chunk_bytes);
  disk_.DoOnLedger([this, view, after = std::move(after), bytes](server::LedgerDisk& disk) {
    auto rows = disk.ReadSnapshot(view, after, bytes);
    const absl::Status status = rows.status();
    if (status.ok()) {
      Post([this, rows = *std::move(rows)]() mutable { node_->OnSnapshotRead(std::move(rows)); });
    }
    return status;
  });
}

void Host::CloseSnapshot(uint64_t view) {
  disk_.DoOnLedger([view](server::LedgerDisk& disk) {
    disk.CloseSnapshot(view);
    return absl::OkStatus();
  });
}

void Host::StageRows(bool first, std::vector<license::RowChange> rows,
                     std::optional<license::LogPosition> complete) {
  disk_.DoOnLedger([this, first, rows = std::move(rows), complete](server::LedgerDisk& disk) {
    auto ledger = disk.StageRows(first, rows, complete);
    const absl::Status status = ledger.status();
    if (status.ok()) {
      Post([this, ledger = *std::move(ledger)]() mutable { node_->OnStaged(std::move(ledger)); });
    }
    return status;
  });
}

void Host::AdoptStaged() {
  disk_.DoOnLedger([this](server::LedgerDisk& disk) {
    const absl::Status status = disk.AdoptStaged();
    if (status.ok()) Post([this] { node_->OnLedgerWritten(); });
    return status;
  });
}

// A call of its own, on a connection of its own: it fails where a stream would stall.
void Host::Fetch(quorum::Slot from, v1::SnapshotRequest request) {
  const int peer = quorum::ToInt(from);
  auto over = std::make_shared<bool>(false);
  const auto fail = [this, from, over, epoch = epoch_](int64_t after_us) {
    world_->After(after_us, [this, from, over, epoch] {
      if (epoch != epoch_ || std::exchange(*over, true)) return;
      Post([this, from] { node_->OnSnapshotFailed(from); });
    });
  };
  const auto arrive = [this, from, peer, over, epoch = epoch_](v1::SnapshotChunk chunk) {
    if (cluster_->network().IsCut(peer, slot_)) return;
    if (chunk.rows_size() > 0 && world_->rng.PerMillion(cluster_->plan().spoil_ppm)) {
      world_->counters.Count(Branch::kChunkSpoiled);
      chunk.mutable_rows(0)->mutable_value()->append("x");
    }
    world_->After(cluster_->network().Latency(peer, slot_),
                  [this, from, over, epoch, chunk = std::move(chunk)]() mutable {
                    if (epoch != epoch_ || std::exchange(*over, true)) return;
                    world_->counters.Count(Branch::kSnapshotChunk);
                    Post([this, from, chunk = std::move(chunk)]() mutable {
                      node_->OnSnapshotChunk(from, std::move(chunk));
                    });
                  });
  };
  fail(kCallTimeoutUs);
  world_->After(cluster_->network().Latency(slot_, peer),
                [this, peer, fail, arrive, request = std::move(request)]() mutable {
                  Host* other = &cluster_->host(peer);
                  if (!cluster_->network().Reachable(slot_, peer)) return;
                  if (!other->running()) return fail(1 * kMs);
                  other->Post([other, arrive, request = std::move(request)] {
                    other->node_->OnSnapshotRequest(request, arrive);
                  });
                });
}

int64_t Host::FreeBytes() {
  return disk_.files().free_bytes().value_or(int64_t{1} << 40);
}

void Host::MayStopDisk() {
  if (!cluster_->faults_on() || !world_->fault_rng.Permille(200)) return;
  storage::TestFileSystem& files = disk_.files();
  files.StopAt(files.operation_count() + world_->fault_rng.Below(14));
}

void Host::Die(const absl::Status& status) {
  world_->trace.Text(world_->now_us(), slot_, status.message());
  die_ = true;
}

void Host::Store(const storage::Identity& identity) {
  MayStopDisk();
  const absl::Status status = storage::WriteIdentity(&disk_.files(), kDir, identity);
  if (!status.ok()) Die(status);
}

void Host::Begin(const storage::Identity& identity) {
  MayStopDisk();
  came_back_ = true;
  ++incarnation_;
  const Before before = {incarnation_id_, disk_.possible()};
  incarnation_id_ = identity.incarnation;
  world_->counters.Count(Branch::kLetIn);
  cluster_->checks().OnWiped(*this);
  auto opened = server::BeginAnew(Place(), identity, this);
  if (!opened.ok()) {
    // (One that rejoins has stored its new incarnation long before.)
    if (before.incarnation != identity.incarnation) before_ = before;
    disk_.Begin(nullptr, nullptr);
    return Die(opened.status());
  }
  put_out_ = false;
  disk_.Begin(std::move(opened->log), std::move(opened->store));
}

void Host::Log(server::LogLevel level, absl::string_view line) {
  if (level == server::LogLevel::kDebug) return;
  world_->trace.Text(world_->now_us(), slot_, line);
  if (absl::StrContains(line, "torn")) world_->counters.Count(Branch::kTornTailCut);
  if (absl::StartsWith(line, "this node stood still")) {
    world_->counters.Count(Branch::kStoodStill);
  } else if (absl::StartsWith(line, "the disk has not finished")) {
    world_->counters.Count(Branch::kLeadLostToDisk);
  }
}

}  // namespace triad::simulation
