// For tests: three Nodes on one thread, with a clock that is moved by hand, wires that can be cut
// and disks that sync when told. Messages arrive in order; nothing is random but what a fixed
// generator says.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "license/ledger_testing.h"
#include "server/limits.h"
#include "server/membership.h"
#include "server/node.h"

namespace triad::server::testing {

class World {
 public:
  static constexpr uint32_t kTtlMs = 6'000;
  static constexpr uint32_t kGraceMs = 2'000;

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
                Logger {
    World* world = nullptr;
    int slot = 0;
    uint32_t state = 0;
    storage::Identity identity;
    quorum::HardState hard_state;
    std::vector<quorum::Entry> log;  // durable
    struct Pending {
      uint64_t id;
      std::optional<quorum::HardState> hard_state;
      std::vector<quorum::Entry> entries;
    };
    std::deque<Pending> pending;
    bool disk_stuck = false;
    std::unique_ptr<Node> node;
    std::map<ConnectionId, std::vector<v1::ServerMessage>> told;
    std::vector<std::string> lines;

    int64_t NowMs() override { return world->now_ms_; }
    int64_t WallMs() override { return license::testing::kNoonMs + world->now_ms_; }
    int32_t UtcOffsetSeconds() override { return 0; }
    uint32_t Below(uint32_t bound) override {
      state = state * 1664525 + 1013904223;
      return bound == 0 ? 0 : (state >> 8) % bound;
    }
    std::string Bytes(size_t size) override {
      std::string bytes;
      while (bytes.size() < size) bytes.push_back(static_cast<char>(Below(256)));
      return bytes;
    }
    void Send(quorum::Slot to, v1::PeerMessage message) override {
      world->wire_.push_back({slot, ToInt(to), false, std::move(message)});
    }
    void Answer(LinkId link, v1::PeerMessage message) override {
      world->wire_.push_back({slot, static_cast<int>(link), true, std::move(message)});
    }
    void CloseLink(LinkId) override {}
    void Send(ConnectionId connection, v1::ServerMessage message) override {
      told[connection].push_back(std::move(message));
    }
    void Write(uint64_t id, std::optional<quorum::HardState> state_in,
               std::optional<quorum::LogStart>, std::vector<quorum::Entry> entries) override {
      pending.push_back({id, state_in, std::move(entries)});
    }
    void Write(std::vector<license::RowChange>, license::LogPosition) override {
      world->written_.push_back(slot);
    }
    void Sync() override {}
    void ReadSnapshot(uint64_t, std::string, size_t) override {}
    void CloseSnapshot(uint64_t) override {}
    void StageRows(bool, std::vector<license::RowChange>,
                   std::optional<license::LogPosition>) override {}
    void AdoptStaged() override {}
    void Store(const storage::Identity& to_store) override { identity = to_store; }
    void Begin(const storage::Identity& to_store) override { identity = to_store; }
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
  void Isolate(int k) {
    for (int other = 1; other <= nodes_; ++other) {
      if (other != k) Cut(k, other);
    }
  }
  void HealAll() { cut_.clear(); }
  // Loses what was not synced; the others' streams from it break.
  void Kill(int k) {
    hosts_.at(k).node.reset();
    hosts_.at(k).pending.clear();
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
      host.identity.server_set = std::string(32, 's');
    }
    Membership::Config membership;
    membership.identity = host.identity;
    Node::Config config;
    for (int slot = 1; slot <= nodes_; ++slot) {
      membership.slots.push_back(static_cast<quorum::Slot>(slot));
      config.servers.push_back(
          {static_cast<quorum::Slot>(slot), absl::StrCat("127.0.0.", slot), 27000});
    }
    membership.server_set = host.identity.server_set;
    membership.license_hash = "h";
    config.self = static_cast<quorum::Slot>(k);
    config.desk = {static_cast<uint32_t>(k), kTtlMs, kGraceMs};
    config.own_files = files_;
    quorum::Recovered recovered;
    recovered.hard_state = host.hard_state;
    recovered.entries = host.log;
    Environment env{&host, &host, &host, &host, &host, &host, &host, &host};
    host.node = std::make_unique<Node>(std::move(config), env, Membership(std::move(membership)),
                                       std::move(recovered), std::make_unique<license::Ledger>());
    for (auto& [other, peer] : hosts_) {
      if (other == k || peer.node == nullptr) continue;
      host.node->OnOutgoingUp(static_cast<quorum::Slot>(other));
      peer.node->OnOutgoingUp(static_cast<quorum::Slot>(k));
    }
  }

  // Delivers and syncs until nothing moves.
  void Settle() {
    for (int round = 0; round < 10'000; ++round) {
      bool moved = false;
      for (auto& [k, host] : hosts_) {
        if (host.node == nullptr) continue;
        host.node->Flush();
        moved |= Sync(host);
      }
      for (int slot : std::exchange(written_, {})) {
        if (hosts_.at(slot).node != nullptr) hosts_.at(slot).node->OnLedgerWritten();
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
    for (auto& entry : write.entries) {
      host.log.resize(entry.index.value() - 1);
      host.log.push_back(std::move(entry));
    }
    host.node->OnLogDurable(write.id);
    return true;
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
  std::vector<int> written_;
  std::set<std::pair<int, int>> cut_;
  uint64_t next_message_ = 1;
};

}  // namespace triad::server::testing
