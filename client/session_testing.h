// For tests of Session: a cluster, its wires and a clock, all in one thread, and what the
// application was told.
//
// The cluster does what the protocol promises (exactly once by session and seq, attachments that
// only grow, numbered heartbeats) in the simplest way; how each node misbehaves is a switch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/session.h"
#include "gtest/gtest.h"

namespace triad::client {

enum class Mode {
  kServes,
  kSilent,    // takes messages and does nothing
  kMute,      // does what it is asked, answers nothing
  kNoQuorum,  // refuses, certainly
  kTooOld,    // refuses requests: not all nodes know such a command yet, as far as it knows
};

class FakeCluster {
 public:
  struct SessionRow {
    std::string token;
    uint64_t attachment = 0;
    size_t node = 0;
    bool touched = false;
    uint64_t acked = 0;
    std::map<uint64_t, v1::Outcome> results;
    std::map<uint64_t, v1::Holding> holdings;
    std::map<uint64_t, v1::Checkout> waiting;  // by ticket
  };

  std::optional<v1::ServerMessage> Handle(size_t node, const v1::ClientMessage& in) {
    ++index;
    v1::ServerMessage out;
    out.set_id(in.id());
    if (in.has_heartbeat()) return OnHeartbeat(node, in, out);
    if (modes[node] == Mode::kNoQuorum) {
      Fail(out, v1::Failure::NO_QUORUM, "no quorum: waiting for node 2 or 3");
    } else if (modes[node] == Mode::kTooOld && in.has_request()) {
      Fail(out, v1::Failure::REFUSED, "not possible yet");
    } else if (judges_versions && (in.has_open() || in.has_attach()) &&
               !license::SpeakTogether(in.open().protocol() + in.attach().protocol(),
                                       protocols[node])) {
      Fail(out, v1::Failure::OTHER_VERSION, "more than one version apart (-83)");
    } else if (in.has_open()) {
      OnOpen(node, in.open(), out);
    } else if (in.has_attach()) {
      OnAttach(node, in.attach(), out);
    } else if (in.has_request()) {
      OnRequest(in.request(), out);
    } else if (in.has_close()) {
      sessions.erase(in.close().session());
      out.mutable_outcome()->mutable_done();
    } else if (in.has_describe()) {
      *out.mutable_pool() = pool;
    }
    return out;
  }

  uint64_t InUse() const {
    uint64_t used = 0;
    for (const auto& [id, row] : sessions) {
      for (const auto& [handle, holding] : row.holdings) used += holding.count();
    }
    return used;
  }
  SessionRow& only() { return sessions.begin()->second; }

  // The first that waits is granted, whatever is free. The event about it.
  v1::ServerMessage GrantWaiting() {
    ++index;
    SessionRow& row = only();
    v1::ServerMessage out;
    const auto [ticket, checkout] = *row.waiting.begin();
    row.waiting.erase(row.waiting.begin());
    out.mutable_event()->set_session(sessions.begin()->first);
    out.mutable_event()->set_kind(v1::SessionEvent::GRANTED);
    out.mutable_event()->set_ticket(ticket);
    Grant(row, checkout, out.mutable_event()->mutable_granted(), ticket);
    return out;
  }
  v1::ServerMessage Push(v1::SessionEvent::Kind kind, uint64_t handle, const std::string& reason) {
    v1::ServerMessage out;
    out.mutable_event()->set_session(sessions.begin()->first);
    out.mutable_event()->set_kind(kind);
    out.mutable_event()->set_handle(handle);
    out.mutable_event()->set_reason(reason);
    return out;
  }

  std::vector<Mode> modes = std::vector<Mode>(3, Mode::kServes);
  std::map<std::string, SessionRow> sessions;
  std::vector<uint32_t> protocols = std::vector<uint32_t>(3, license::kClientProtocol);
  bool judges_versions = true;  // a node that is too far from a client refuses it
  uint64_t licenses = 10;
  uint64_t index = 0;
  uint64_t next_handle = 101;
  uint32_t ttl_ms = 60'000;
  uint32_t reset_grace_ms = 10'000;
  bool acknowledges = true;  // heartbeats
  int executed = 0;
  std::set<std::string> unknown;  // features that are not there
  int overloaded = 0;             // so many requests are refused for now
  v1::PoolDescription pool;

 private:
  static void Fail(v1::ServerMessage& out, v1::Failure::Why why, const std::string& reason) {
    out.mutable_failure()->set_why(why);
    out.mutable_failure()->set_reason(reason);
    out.mutable_failure()->set_certain(true);
  }

  std::optional<v1::ServerMessage> OnHeartbeat(size_t node, const v1::ClientMessage& in,
                                               v1::ServerMessage& out) {
    for (const auto& beat : in.heartbeat().beats()) {
      auto it = sessions.find(beat.session());
      const bool here = it != sessions.end() && it->second.node == node;
      if (here && (!acknowledges || modes[node] == Mode::kNoQuorum)) continue;
      auto* ack = out.mutable_heartbeat()->add_acks();
      ack->set_session(beat.session());
      ack->set_unknown(!here);
      if (here) ack->set_number(beat.number());
    }
    if (out.heartbeat().acks_size() == 0) return std::nullopt;
    return out;
  }

  void Opened(size_t node, const std::string& id, v1::ServerMessage& out) {
    const SessionRow& row = sessions[id];
    auto* opened = out.mutable_opened();
    opened->set_node(static_cast<uint32_t>(node + 1));
    opened->set_reset_grace_ms(reset_grace_ms);
    opened->set_protocol(protocols[node]);
    auto* state = opened->mutable_state();
    state->set_session(id);
    state->set_index(index);
    state->set_attachment(row.attachment);
    state->set_ttl_ms(ttl_ms);
    for (const auto& [handle, holding] : row.holdings) *state->add_holdings() = holding;
    for (const auto& [ticket, checkout] : row.waiting) {
      auto* waiting = state->add_waiting();
      waiting->set_ticket(ticket);
      waiting->set_position(1);
    }
  }

  void OnOpen(size_t node, const v1::Open& open, v1::ServerMessage& out) {
    SessionRow& row = sessions[open.session()];
    if (row.touched || open.attachment() <= row.attachment) {
      return Fail(out, v1::Failure::STALE_ATTACHMENT, "stale");
    }
    row.attachment = open.attachment();
    row.node = node;
    row.token = absl::StrCat("token", open.attachment());
    Opened(node, open.session(), out);
    out.mutable_opened()->set_token(row.token);
  }

  void OnAttach(size_t node, const v1::Attach& attach, v1::ServerMessage& out) {
    auto it = sessions.find(attach.session());
    if (it == sessions.end()) return Fail(out, v1::Failure::SESSION_UNKNOWN, "no such session");
    if (it->second.token != attach.token()) return Fail(out, v1::Failure::BAD_TOKEN, "bad token");
    if (attach.attachment() <= it->second.attachment) {
      return Fail(out, v1::Failure::STALE_ATTACHMENT, "stale");
    }
    it->second.attachment = attach.attachment();
    it->second.node = node;
    Opened(node, attach.session(), out);
  }

  void OnRequest(const v1::ClientRequest& request, v1::ServerMessage& out) {
    auto it = sessions.find(request.session());
    if (it == sessions.end()) return Fail(out, v1::Failure::SESSION_UNKNOWN, "no such session");
    SessionRow& row = it->second;
    if (!request.token().empty() && request.token() != row.token) {
      return Fail(out, v1::Failure::BAD_TOKEN, "bad token");
    }
    if (overloaded > 0) {
      --overloaded;
      Fail(out, v1::Failure::OVERLOADED, "queue full");
      out.mutable_failure()->set_retry_after_ms(300);
      return;
    }
    EXPECT_LT(request.acked(), request.seq());
    row.acked = std::max(row.acked, request.acked());
    EXPECT_GT(request.seq(), row.acked) << "answered before, and asked again";
    auto result = row.results.find(request.seq());
    if (result == row.results.end()) {
      result = row.results.emplace(request.seq(), Execute(row, request)).first;
    }
    row.results.erase(row.results.begin(), row.results.upper_bound(row.acked));
    *out.mutable_outcome() = result->second;
  }

  v1::Outcome Execute(SessionRow& row, const v1::ClientRequest& request) {
    ++executed;
    row.touched = true;
    v1::Outcome outcome;
    if (request.has_checkin()) {
      if (row.holdings.erase(request.checkin().handle()) > 0) {
        outcome.mutable_done();
      } else {
        outcome.mutable_denied()->set_code(-41);
        outcome.mutable_denied()->set_reason("never checked out");
      }
      return outcome;
    }
    if (!request.has_checkout()) {
      Change(row, request, outcome);
      return outcome;
    }
    uint64_t wanted = 0;
    for (const auto& item : request.checkout().items()) wanted += item.count();
    for (const auto& item : request.checkout().items()) {
      if (unknown.count(item.feature()) == 0) continue;
      outcome.mutable_denied()->set_code(-5);
      outcome.mutable_denied()->set_reason("no such feature exists");
      outcome.mutable_denied()->set_feature(item.feature());
      return outcome;
    }
    if (InUse() + wanted > licenses && request.checkout().wait()) {
      outcome.mutable_queued()->set_ticket(next_handle);
      outcome.mutable_queued()->set_position(1);
      row.waiting[next_handle++] = request.checkout();
      return outcome;
    }
    if (InUse() + wanted > licenses) {
      outcome.mutable_denied()->set_code(-4);
      outcome.mutable_denied()->set_reason("all licenses in use");
      outcome.mutable_denied()->set_feature(request.checkout().items(0).feature());
      return outcome;
    }
    Grant(row, request.checkout(), outcome.mutable_granted(), 0);
    return outcome;
  }

  // Resize, SetIdle, CancelWait, Borrow, ReturnBorrowed.
  void Change(SessionRow& row, const v1::ClientRequest& request, v1::Outcome& outcome) {
    if (request.has_resize()) {
      v1::Holding& holding = row.holdings.at(request.resize().handle());
      if (InUse() - holding.count() + request.resize().count() > licenses) {
        outcome.mutable_denied()->set_code(-4);
        outcome.mutable_denied()->set_reason("all licenses in use");
        return;
      }
      holding.set_count(request.resize().count());
      *outcome.mutable_granted()->add_holdings() = holding;
      return;
    }
    outcome.mutable_done();
    if (request.has_set_idle()) {
      row.holdings.at(request.set_idle().handle()).set_idle(request.set_idle().idle());
    } else if (request.has_cancel_wait()) {
      row.waiting.erase(request.cancel_wait().ticket());
      std::erase_if(row.holdings, [&](const auto& entry) {
        return entry.second.ticket() == request.cancel_wait().ticket();
      });
    } else if (request.has_return_borrowed()) {
      row.holdings.erase(request.return_borrowed().handle());
    } else if (request.has_borrow()) {
      v1::Checkout checkout;
      *checkout.add_items() = request.borrow().item();
      Grant(row, checkout, outcome.mutable_granted(), 0);
      v1::Holding* holding = outcome.mutable_granted()->mutable_holdings(0);
      holding->set_borrowed_until_wall_ms(request.borrow().until_wall_ms());
      row.holdings[holding->handle()] = *holding;
    }
  }

  void Grant(SessionRow& row, const v1::Checkout& checkout, v1::Granted* granted, uint64_t ticket) {
    for (const auto& item : checkout.items()) {
      v1::Holding holding;
      holding.set_ticket(ticket);
      holding.set_handle(next_handle++);
      holding.set_feature(item.feature());
      holding.set_version(item.version());
      holding.set_count(item.count());
      holding.set_pool(7);
      holding.set_granted_index(index);
      row.holdings[holding.handle()] = holding;
      *granted->add_holdings() = holding;
    }
  }
};

struct World : Transport, Clock, Random, Observer {
  explicit World(size_t servers = 3, Session::Config given = {}) {
    for (size_t i = 0; i < servers; ++i) given.servers.push_back(absl::StrCat("2700", i, "@h"));
    config = std::move(given);
    session = std::make_unique<Session>(config, Environment{this, this, this, this});
  }

  // --- Transport, Clock, Random, Observer ---
  void Connect(size_t server) override {
    ++connects;
    connecting.insert(server);
  }
  void Send(size_t server, v1::ClientMessage message) override {
    EXPECT_TRUE(up.count(server)) << "sent on a stream that is down";
    outbox.emplace_back(server, std::move(message));
  }
  void Disconnect(size_t server) override {
    up.erase(server);
    connecting.erase(server);
  }
  void Abandon(size_t server) override {
    dead.erase(server);
    Disconnect(server);
  }
  int64_t NowMs() override { return now; }
  uint32_t Below(uint32_t) override { return 0; }
  std::string Bytes(size_t size) override {
    return std::string(size, static_cast<char>('a' + sessions_drawn++));
  }
  void OnEvent(const Event& event) override {
    events.push_back(event);
    names.push_back(absl::StrCat(EventName(event.kind), " ", event.handle));
  }
  void OnLicense(LicenseId id, const LicenseView& view) override { licenses[id] = view; }
  void OnNote(int, const std::string& line) override { notes.push_back(line); }

  // --- the test's hand ---
  void Up(size_t server) {
    ASSERT_TRUE(connecting.count(server));
    connecting.erase(server);
    up.insert(server);
    session->OnConnected(server);
    Pump();
  }
  void UpAll() {
    for (size_t i = 0; i < config.servers.size(); ++i) {
      if (connecting.count(i)) Up(i);
    }
  }
  void Down(size_t server, const std::string& reason = "Connection refused") {
    up.erase(server);
    connecting.erase(server);
    session->OnDisconnected(server, reason);
    Pump();
  }
  void Answer(size_t server, const v1::ServerMessage& message) {
    session->OnMessage(server, message);
  }
  // Everything that was sent reaches the nodes, and their answers the session.
  void Pump() {
    while (!outbox.empty()) {
      auto [server, message] = std::move(outbox.front());
      outbox.pop_front();
      log.emplace_back(server, message);
      const Mode mode = cluster.modes[server];
      if (!up.count(server) || dead.count(server) || mode == Mode::kSilent) continue;
      std::optional<v1::ServerMessage> answer = cluster.Handle(server, message);
      if (answer.has_value() && mode != Mode::kMute && up.count(server)) Answer(server, *answer);
    }
  }
  // Lets time pass, timer by timer.
  void Pass(int64_t ms) {
    const int64_t end = now + ms;
    if (auto_up) UpAll();
    Pump();
    for (int turns = 0; session->NextTimer() <= end; ++turns) {
      ASSERT_LT(turns, 10'000) << "it spins";
      now = std::max(now, session->NextTimer());
      session->OnTimer();
      if (auto_up) UpAll();
      Pump();
    }
    now = end;
  }
  // Starts and attaches to server 0.
  void Attach() {
    session->Start({}, [this](const Status& status) { started = status; });
    Up(0);
    UpAll();
    ASSERT_TRUE(started.has_value() && started->ok());
  }

  struct Call {
    std::optional<Status> status;
    std::vector<LicenseId> licenses;
  };
  std::shared_ptr<Call> Checkout(uint64_t count = 1, int64_t timeout_ms = 5000) {
    auto call = std::make_shared<Call>();
    session->StartCheckout({{"f", "1.0", count, CountMode::kExact}}, timeout_ms,
                           [call](const Status& status, const std::vector<LicenseId>& ids) {
                             EXPECT_FALSE(call->status.has_value()) << "told twice";
                             call->status = status;
                             call->licenses = ids;
                           });
    Pump();
    return call;
  }
  std::shared_ptr<Call> CheckoutOn(const Terms& terms,
                                   const std::vector<CheckoutRequest>& requests) {
    auto call = std::make_shared<Call>();
    session->StartCheckout(
        requests, 5000,
        [call](const Status& status, const std::vector<LicenseId>& ids) {
          EXPECT_FALSE(call->status.has_value()) << "told twice";
          call->status = status;
          call->licenses = ids;
        },
        terms);
    Pump();
    return call;
  }
  std::shared_ptr<Call> Resize(LicenseId id, uint64_t count) {
    auto call = std::make_shared<Call>();
    session->StartResize(id, count, CountMode::kExact, 5000,
                         [call](const Status& status) { call->status = status; });
    Pump();
    return call;
  }
  std::shared_ptr<Call> Checkin(LicenseId id) {
    auto call = std::make_shared<Call>();
    session->StartCheckin(id, 5000, [call](const Status& status) { call->status = status; });
    Pump();
    return call;
  }
  std::shared_ptr<Call> Close() {
    auto call = std::make_shared<Call>();
    session->StartClose([call](const Status& status) { call->status = status; });
    Pump();
    return call;
  }
  // A checkout that must succeed.
  LicenseId Hold(uint64_t count = 1) {
    auto call = Checkout(count);
    EXPECT_TRUE(call->status.has_value() && call->status->ok());
    return call->licenses.empty() ? 0 : call->licenses[0];
  }
  // Server numbers that got a message of this kind, in order.
  std::vector<size_t> Receivers(v1::ClientMessage::BodyCase kind) const {
    std::vector<size_t> servers;
    for (const auto& [server, message] : log) {
      if (message.body_case() == kind) servers.push_back(server);
    }
    return servers;
  }

  Session::Config config;
  FakeCluster cluster;
  int64_t now = 1'000'000;
  std::set<size_t> connecting, up;
  bool auto_up = true;    // reconnections succeed
  std::set<size_t> dead;  // connections that carry nothing any more, until they are abandoned
  int connects = 0;
  int sessions_drawn = 0;
  std::deque<std::pair<size_t, v1::ClientMessage>> outbox;
  std::vector<std::pair<size_t, v1::ClientMessage>> log;
  std::vector<Event> events;
  std::vector<std::string> names;
  std::vector<std::string> notes;
  std::map<LicenseId, LicenseView> licenses;
  std::optional<Status> started;
  std::unique_ptr<Session> session;  // last: it uses the others
};

}  // namespace triad::client
