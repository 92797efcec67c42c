// For tests: three Nodes on one thread, with a clock that is moved by hand, wires that can be cut
// and disks that sync when told. Messages arrive in order; nothing is random but what a fixed
// generator says. A killed node loses what it had not synced, of the ledger as well.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/digest.h"
#include "license/ledger_testing.h"
#include "server/ledger_disk.h"
#include "server/limits.h"
#include "server/membership.h"
#include "server/node.h"
#include "storage/memory_ledger.h"

namespace triad::server::testing {

// As license/catalog.h hashes the SERVER line of license::testing::SetOf.
inline constexpr char kServerHostIds[] = "3:ANY,";

class World {
 public:
  static constexpr uint32_t kTtlMs = 6'000;
  static constexpr uint32_t kGraceMs = 2'000;
  static constexpr size_t kChunkBytes = 100;  // small, so that a ledger takes several

  explicit World(int nodes = 3, absl::string_view lines = "FEATURE f acme 1.0 permanent 2\n")
      : nodes_(nodes), files_(license::testing::SetOf(lines, 0)) {
    for (int k = 1; k <= nodes; ++k) Boot(k);
  }

  // A wire of one node's own.
  struct Host : Clock,
                Random,
                PeerTransport,
                ClientTransport,
                LogWriter,
                LedgerWriter,
                IdentityWriter,
                SnapshotTransport,
                DiskSpace,
                Logger {
    World* world = nullptr;
    int slot = 0;
    uint32_t state = 0;
    storage::Identity identity;
    quorum::HardState hard_state;
    // Durable: where the log begins, and what follows.
    quorum::LogStart start;
    std::vector<quorum::Entry> log;
    struct Pending {
      uint64_t id;
      std::optional<quorum::HardState> hard_state;
      std::optional<quorum::LogStart> start;
      std::vector<quorum::Entry> entries;
    };
    std::deque<Pending> pending;
    bool disk_stuck = false;
    bool log_damaged = false;  // it starts in quarantine
    int begun = 0;             // how often it began anew under another incarnation
    storage::MemoryLedgerHome home;
    std::optional<LedgerDisk> ledger_disk;
    std::deque<std::function<void()>> ledger_work;  // done in its order, when not stuck
    bool ledger_stuck = false;
    int chunks_asked = 0;
    uint64_t most_applied = 0;                            // entries, in one Flush
    std::function<void(v1::SnapshotChunk*)> spoil_chunk;  // what the way does to what comes here
    int64_t free_bytes = int64_t{1} << 40;
    // What the node is started with.
    uint32_t version = license::kCommandVersion;
    int64_t finalise_after_ms = 0;
    uint64_t log_keep_entries = kLogKeepEntries;
    size_t apply_at_once = kApplyAtOnceMax;
    size_t usage_hold_bytes = kUsageHoldBytes;
    std::string other_host_id;       // not "": its machine is not the licensed one, and shows this
    bool believes_licensed = false;  // by a file of its own that is older than the set in force
    std::optional<v1::InstallLicenses> own_files;  // others than the other nodes'
    std::unique_ptr<Node> node;
    std::map<ConnectionId, std::vector<v1::ServerMessage>> told;
    std::vector<std::string> lines;
    int64_t wall_ahead_ms = 0;  // of the other hosts' clocks
    int32_t utc_offset_s = 0;

    int64_t NowMs() override { return world->now_ms_; }
    int64_t WallMs() override { return license::testing::kNoonMs + world->now_ms_ + wall_ahead_ms; }
    int32_t UtcOffsetSeconds() override { return utc_offset_s; }
    uint32_t Below(uint32_t bound) override {
      state = state * 1664525 + 1013904223;
      return bound == 0 ? 0 : (state >> 8) % bound;
    }
    std::string Bytes(size_t size) override {
      std::string bytes;
      // The upper bits: the lower ones come again after 65,536 draws, and with them an incarnation.
      while (bytes.size() < size) bytes.push_back(static_cast<char>(Below(1u << 24) >> 16));
      return bytes;
    }
    void Send(quorum::Slot to, v1::PeerMessage message) override {
      world->wire_.push_back({slot, ToInt(to), false, std::move(message)});
    }
    void Answer(LinkId link, v1::PeerMessage message) override {
      world->wire_.push_back({slot, static_cast<int>(link), true, std::move(message)});
    }
    void CloseLink(LinkId link) override {
      world->closed_.push_back({slot, static_cast<int>(link)});
    }
    void Send(ConnectionId connection, v1::ServerMessage message) override {
      told[connection].push_back(std::move(message));
    }
    void Write(uint64_t id, std::optional<quorum::HardState> state_in,
               std::optional<quorum::LogStart> start_in,
               std::vector<quorum::Entry> entries) override {
      pending.push_back({id, state_in, start_in, std::move(entries)});
    }
    void Write(std::vector<license::RowChange> changes, license::LogPosition applied) override {
      ledger_work.push_back([this, changes = std::move(changes), applied] {
        Must(ledger_disk->Write(changes, applied));
        node->OnLedgerWritten();
      });
    }
    void Sync() override {
      ledger_work.push_back([this] { node->OnLedgerSynced(*ledger_disk->Sync()); });
    }
    void ReadSnapshot(uint64_t view, std::string after, size_t bytes_max) override {
      (void)bytes_max;
      ledger_work.push_back([this, view, after] {
        node->OnSnapshotRead(*ledger_disk->ReadSnapshot(view, after, kChunkBytes));
      });
    }
    void CloseSnapshot(uint64_t view) override {
      ledger_work.push_back([this, view] { ledger_disk->CloseSnapshot(view); });
    }
    void StageRows(bool first, std::vector<license::RowChange> rows,
                   std::optional<license::LogPosition> complete) override {
      ledger_work.push_back([this, first, rows = std::move(rows), complete] {
        node->OnStaged(*ledger_disk->StageRows(first, rows, complete));
      });
    }
    void AdoptStaged() override {
      ledger_work.push_back([this] {
        Must(ledger_disk->AdoptStaged());
        node->OnLedgerWritten();
      });
    }
    void Fetch(quorum::Slot from, v1::SnapshotRequest request) override {
      ++chunks_asked;
      world->requests_.push_back({slot, ToInt(from), std::move(request)});
    }
    int64_t FreeBytes() override { return free_bytes; }
    static void Must(const absl::Status& status) {
      if (!status.ok()) std::abort();
    }
    void Store(const storage::Identity& to_store) override { identity = to_store; }
    void Begin(const storage::Identity& to_store) override {
      LoseDisk();
      identity = to_store;
      log_damaged = false;
      ++begun;
      ledger_disk->Begin(*home.Open());
    }
    void LoseDisk() {
      identity = {};
      hard_state = {};
      start = {};
      log.clear();
      home.Wipe();
    }
    void Log(LogLevel, absl::string_view line) override { lines.emplace_back(line); }
  };

  Host& host(int k) { return hosts_.at(k); }
  Node& node(int k) { return *hosts_.at(k).node; }
  bool up(int k) const { return hosts_.at(k).node != nullptr; }
  int64_t now_ms() const { return now_ms_; }

  // Both directions between two nodes.
  void Cut(int a, int b) {
    cut_.insert({a, b});
    cut_.insert({b, a});
  }
  // What `from` says does not come to `to`.
  void CutOneWay(int from, int to) { cut_.insert({from, to}); }
  // Time goes on for all, and node `k` sees nothing of it until the end.
  void StandStill(int k, int64_t ms) {
    for (const int64_t end = now_ms_ + ms; now_ms_ < end;) {
      now_ms_ += kTickMs;
      for (auto& [other, host] : hosts_) {
        if (other != k && host.node != nullptr) host.node->OnTimer();
      }
    }
    Advance(kTickMs);
  }
  void Isolate(int k) {
    for (int other = 1; other <= nodes_; ++other) {
      if (other != k) Cut(k, other);
    }
  }
  void HealAll() { cut_.clear(); }
  // Loses what was not synced; the others' streams from it break.
  void Kill(int k) {
    Host& killed = hosts_.at(k);
    killed.node.reset();
    killed.pending.clear();
    killed.ledger_work.clear();
    killed.ledger_disk.reset();
    killed.home.Crash([](uint32_t) { return 0; });
    for (auto& [other, host] : hosts_) {
      if (other == k || host.node == nullptr) continue;
      host.node->OnIncomingClosed(static_cast<LinkId>(k));
      host.node->OnOutgoingDown(static_cast<quorum::Slot>(k));
      host.node->Flush();
    }
  }
  void Boot(int k) {
    Host& host = hosts_[k];
    host.world = this;
    host.slot = k;
    host.state += static_cast<uint32_t>(k) * 7919;
    if (host.identity.slot == 0) {
      host.identity.slot = k;
      host.identity.incarnation = std::string(16, static_cast<char>('a' + k));
      host.identity.server_set = license::Sha256(kServerHostIds);
    }
    Membership::Config membership;
    membership.identity = host.identity;
    Node::Config config;
    for (int slot = 1; slot <= nodes_; ++slot) {
      membership.slots.push_back(static_cast<quorum::Slot>(slot));
      config.servers.push_back(
          {static_cast<quorum::Slot>(slot), absl::StrCat("127.0.0.", slot), 27000});
    }
    membership.license_hash = "h";
    membership.host_id = host.other_host_id;
    membership.host_id_matches = host.other_host_id.empty() || host.believes_licensed;
    config.self = static_cast<quorum::Slot>(k);
    config.desk = {static_cast<uint32_t>(k), kTtlMs, kGraceMs};
    config.own_files = host.own_files.value_or(files_);
    config.version = host.version;
    config.finalise_after_ms = host.finalise_after_ms;
    config.log_keep_entries = host.log_keep_entries;
    config.apply_at_once = host.apply_at_once;
    config.usage_hold_bytes = host.usage_hold_bytes;
    quorum::Recovered recovered;
    recovered.hard_state = host.hard_state;
    recovered.snapshot_index = host.start.index;
    recovered.snapshot_term = host.start.term;
    recovered.entries = host.log;
    std::unique_ptr<license::Ledger> ledger;
    if (host.identity.rejoining || host.log_damaged) {
      if (host.log_damaged) membership.quarantine_incarnation = host.Bytes(16);
      recovered = {};
      ledger = std::make_unique<license::Ledger>();
      host.ledger_disk.emplace(&host.home, nullptr);
    } else {
      ledger = OpenLedger(host, &recovered);
    }
    Environment env{&host, &host, &host, &host, &host, &host, &host, &host, &host, &host};
    host.node = std::make_unique<Node>(std::move(config), env, Membership(std::move(membership)),
                                       std::move(recovered), std::move(ledger));
    for (auto& [other, peer] : hosts_) {
      if (other == k || peer.node == nullptr) continue;
      host.node->OnOutgoingUp(static_cast<quorum::Slot>(other));
      peer.node->OnOutgoingUp(static_cast<quorum::Slot>(k));
    }
  }

  // The host got a new disk, `triadd rejoin` was run, and it is started.
  void Rejoin(int k) {
    if (up(k)) Kill(k);
    Host& host = hosts_.at(k);
    const std::string server_set = host.identity.server_set;
    host.LoseDisk();
    host.identity.slot = k;
    host.identity.incarnation = host.Bytes(16);
    host.identity.server_set = server_set;
    host.identity.rejoining = true;
    Boot(k);
  }

  // As data_directory.h does it: the store in force, a whole received one, or none.
  std::unique_ptr<license::Ledger> OpenLedger(Host& host, quorum::Recovered* recovered) {
    auto ledger = std::make_unique<license::Ledger>();
    auto store = host.home.Open();
    const auto usable = [&] {
      return store.ok() && ledger->Restore(**store).ok() &&
             ledger->applied().index >= host.start.index.value();
    };
    if (!usable()) {
      store = absl::UnknownError("");
      store = host.home.OpenIncoming(/*fresh=*/false);
      const bool whole = usable();
      store = absl::UnknownError("");
      if (whole) {
        Host::Must(host.home.Adopt());
      } else {
        Host::Must(host.home.Destroy());
        ledger = std::make_unique<license::Ledger>();
        recovered->ledger_missing = host.start.index > quorum::Index(0);
      }
      store = host.home.Open();
    }
    recovered->applied = quorum::Index(ledger->applied().index);
    host.ledger_disk.emplace(&host.home, *std::move(store));
    return ledger;
  }

  // Delivers and syncs until nothing moves.
  void Settle() {
    for (int round = 0; round < 10'000; ++round) {
      bool moved = false;
      for (auto& [k, host] : hosts_) {
        if (host.node == nullptr) continue;
        const uint64_t before = host.node->ledger().applied().index;
        host.node->Flush();
        const uint64_t applied = host.node->ledger().applied().index;
        host.most_applied = std::max(host.most_applied, applied - std::min(applied, before));
        moved |= Sync(host);
      }
      for (auto& [k, host] : hosts_) moved |= DoLedgerWork(host);
      moved |= CarrySnapshots();
      for (const auto& [by, dialler] : std::exchange(closed_, {})) {
        auto other = hosts_.find(dialler);
        if (other == hosts_.end() || other->second.node == nullptr) continue;
        other->second.node->OnOutgoingDown(static_cast<quorum::Slot>(by));
        if (up(by)) other->second.node->OnOutgoingUp(static_cast<quorum::Slot>(by));
        moved = true;
      }
      auto wire = std::exchange(wire_, {});
      moved |= !wire.empty();
      for (auto& parcel : wire) Deliver(std::move(parcel));
      if (!moved) return;
    }
  }
  void Advance(int64_t ms) {
    for (int64_t end = now_ms_ + ms; now_ms_ < end;) {
      now_ms_ += kTickMs;
      for (auto& [k, host] : hosts_) {
        if (host.node != nullptr) host.node->OnTimer();
      }
      Settle();
    }
  }
  // Moves time until `condition`; FALSE when it does not come within `limit_ms`.
  bool Until(const std::function<bool()>& condition, int64_t limit_ms = 20'000) {
    for (const int64_t end = now_ms_ + limit_ms; now_ms_ < end; Advance(kTickMs)) {
      if (condition()) return true;
    }
    return condition();
  }
  // The node that leads and can serve; 0: none.
  int Leader() {
    for (auto& [k, host] : hosts_) {
      if (host.node == nullptr) continue;
      const auto status = host.node->Status();
      if (status.role() == "leader" && host.node->ledger().license_set_number() > 0) return k;
    }
    return 0;
  }
  int AFollower() {
    const int leader = Leader();
    return leader == 1 ? 2 : 1;
  }

  // --- A client, by hand
  // -------------------------------------------------------------------------------------------
  void Say(int k, ConnectionId connection, v1::ClientMessage message) {
    node(k).OnClientMessage({connection, "127.0.0.1:5", false}, std::move(message));
    Settle();
  }
  // The answer to message `id`, if it has come.
  const v1::ServerMessage* Answer(int k, ConnectionId connection, uint64_t id) {
    for (const auto& message : hosts_.at(k).told[connection]) {
      if (message.id() == id) return &message;
    }
    return nullptr;
  }
  std::string Open(int k, ConnectionId connection, const std::string& name,
                   uint64_t attachment = 1) {
    v1::ClientMessage message;
    message.set_id(next_message_++);
    message.mutable_open()->set_session(license::testing::SessionNamed(name));
    message.mutable_open()->set_attachment(attachment);
    const uint64_t id = message.id();
    Say(k, connection, std::move(message));
    Until([&] { return Answer(k, connection, id) != nullptr; });
    const auto* answer = Answer(k, connection, id);
    return answer != nullptr && answer->has_opened() ? answer->opened().token() : "";
  }
  uint64_t Checkout(int k, ConnectionId connection, const std::string& name, uint64_t seq,
                    const std::string& token = "", uint64_t acked = 0) {
    v1::ClientMessage message;
    message.set_id(next_message_++);
    auto* request = message.mutable_request();
    request->set_session(license::testing::SessionNamed(name));
    request->set_token(token);
    request->set_seq(seq);
    request->set_acked(acked);
    auto* item = request->mutable_checkout()->add_items();
    item->set_feature("f");
    item->set_count(1);
    const uint64_t id = message.id();
    Say(k, connection, std::move(message));
    return id;
  }
  void Beat(int k, ConnectionId connection, const std::string& name, uint64_t number) {
    v1::ClientMessage message;
    message.set_id(next_message_++);
    auto* beat = message.mutable_heartbeat()->add_beats();
    beat->set_session(license::testing::SessionNamed(name));
    beat->set_number(number);
    Say(k, connection, std::move(message));
  }
  // The highest beat that node `k` has told this connection is acknowledged.
  uint64_t Acked(int k, ConnectionId connection) {
    uint64_t highest = 0;
    for (const auto& message : hosts_.at(k).told[connection]) {
      for (const auto& ack : message.heartbeat().acks()) highest = std::max(highest, ack.number());
    }
    return highest;
  }
  size_t CheckoutsAt(int k) { return node(k).ledger().checkouts().size(); }

 private:
  struct Parcel {
    int from;
    int to;
    bool answer;
    v1::PeerMessage message;
  };

  bool Sync(Host& host) {
    if (host.disk_stuck || host.pending.empty()) return false;
    Host::Pending write = std::move(host.pending.front());
    host.pending.pop_front();
    if (write.hard_state) host.hard_state = *write.hard_state;
    if (write.start) Trim(host, *write.start);
    for (auto& entry : write.entries) {
      host.log.resize(entry.index.value() - host.start.index.value() - 1);
      host.log.push_back(std::move(entry));
    }
    host.node->OnLogDurable(write.id);
    return true;
  }
  // What follows the new start stays where the log holds it; else everything goes.
  static void Trim(Host& host, quorum::LogStart start) {
    const uint64_t drop = start.index.value() - host.start.index.value();
    const bool holds =
        drop >= 1 && drop <= host.log.size() && host.log[drop - 1].term == start.term;
    host.log.erase(host.log.begin(),
                   holds ? host.log.begin() + static_cast<int64_t>(drop) : host.log.end());
    host.start = start;
  }
  bool DoLedgerWork(Host& host) {
    if (host.node == nullptr || host.ledger_stuck || host.ledger_work.empty()) return false;
    const auto work = std::move(host.ledger_work.front());
    host.ledger_work.pop_front();
    work();
    return true;
  }
  bool CarrySnapshots() {
    auto requests = std::exchange(requests_, {});
    auto chunks = std::exchange(chunks_, {});
    for (auto& request : requests) {
      Host& asking = hosts_.at(request.from);
      if (asking.node == nullptr) continue;
      if (cut_.contains({request.from, request.to}) || hosts_.at(request.to).node == nullptr) {
        asking.node->OnSnapshotFailed(static_cast<quorum::Slot>(request.to));
        continue;
      }
      hosts_.at(request.to)
          .node->OnSnapshotRequest(request.request, [this, to = request.from,
                                                     from = request.to](v1::SnapshotChunk chunk) {
            chunks_.push_back({from, to, std::move(chunk)});
          });
    }
    for (auto& chunk : chunks) {
      Host& asking = hosts_.at(chunk.to);
      if (asking.node == nullptr) continue;
      if (asking.spoil_chunk) asking.spoil_chunk(&chunk.chunk);
      asking.node->OnSnapshotChunk(static_cast<quorum::Slot>(chunk.from), std::move(chunk.chunk));
    }
    return !requests.empty() || !chunks.empty();
  }
  void Deliver(Parcel parcel) {
    if (cut_.contains({parcel.from, parcel.to}) || !hosts_.contains(parcel.to)) return;
    Host& host = hosts_.at(parcel.to);
    if (host.node == nullptr || hosts_.at(parcel.from).node == nullptr) return;
    if (parcel.answer) {
      host.node->OnOutgoing(static_cast<quorum::Slot>(parcel.from), parcel.message);
    } else {
      host.node->OnIncoming(static_cast<LinkId>(parcel.from), std::move(parcel.message));
    }
  }

  const int nodes_;
  const v1::InstallLicenses files_;
  int64_t now_ms_ = 1'000'000;
  std::map<int, Host> hosts_;
  std::deque<Parcel> wire_;
  struct Request {
    int from;
    int to;
    v1::SnapshotRequest request;
  };
  struct Chunk {
    int from;
    int to;
    v1::SnapshotChunk chunk;
  };
  std::vector<Request> requests_;
  std::vector<Chunk> chunks_;
  std::set<std::pair<int, int>> cut_;
  std::vector<std::pair<int, int>> closed_;  // by whom, and whose stream
  uint64_t next_message_ = 1;
};

}  // namespace triad::server::testing
