// The connections to the servers of one cluster: which are up, which are worth asking.
//
// Connects to all at once and keeps reconnecting, jittered, so that a dead first host costs nothing
// and a spare is ready; patiently as soon as there is one. It knows nothing of sessions and
// requests.
//
// Pure (transport, clock and randomness are handed in). Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/environment.h"
#include "client/limits.h"

namespace triad::client {

class Links {
 public:
  Links(std::vector<std::string> names, const Environment& environment);

  void Start();
  // The longest pause between two attempts to connect.
  void SetReconnectMax(int64_t ms) { reconnect_ms_max_ = ms; }
  void Stop();  // disconnects all; nothing happens any more
  void OnConnected(size_t server);
  void OnDisconnected(size_t server, absl::string_view reason);
  // Reconnects what is due.
  void Tick();
  // When every connection has been silent for so long, takes one that `may` allows for dead and
  // connects anew to its server. What was sent there will not be answered.
  std::optional<size_t> RenewSilent(const std::function<bool(size_t)>& may);
  int64_t NextTimer() const;  // INT64_MAX: none

  // Sends, and notes that an answer is due.
  void Send(size_t server, v1::ClientMessage message);
  void OnHeard(size_t server);
  // The server said that it has no quorum; or that it serves.
  void OnNoQuorum(size_t server, absl::string_view reason);
  void OnServes(size_t server) { links_[server].no_quorum_ms = kNever; }
  // The server asked its clients to go elsewhere.
  void OnMoveAway(size_t server);

  size_t size() const { return links_.size(); }
  const std::string& name(size_t server) const { return links_[server].name; }
  bool connected(size_t server) const { return links_[server].state == State::kConnected; }
  int connected_count() const;
  // Something was sent and nothing has been heard since for `ms`.
  bool SilentFor(size_t server, int64_t ms) const;
  // No connection stands, and every server has failed at least once.
  bool AllFailed() const;
  // At least one said so since `since_ms`, and every other connected one did too or is silent. What
  // one said does not count while it was `asked` again since: its next answer may be another.
  bool AllSayNoQuorum(int64_t since_ms, const std::function<bool(size_t)>& asked) const;
  // The latest reason of a server that has no quorum; "" for none since `since_ms`.
  std::string NoQuorumReason(int64_t since_ms) const;
  bool SaidNoQuorumSince(size_t server, int64_t since_ms) const {
    return links_[server].no_quorum_ms >= since_ms;
  }

  // The connected server to ask next: after `last` in turn, the promising ones first (not silent,
  // not just without quorum, not asking to be left). nullopt: none that `may` allows.
  std::optional<size_t> Pick(size_t last, const std::function<bool(size_t)>& may) const;
  // "27000@lic1: connection refused; 27000@lic2: connected".
  std::string Describe() const;

 private:
  static constexpr int64_t kNever = INT64_MIN / 2;
  enum class State { kIdle, kConnecting, kConnected };
  struct Link {
    std::string name;
    State state = State::kIdle;
    bool failed = false;  // at least once
    std::string reason;   // of the last failure
    int64_t since_ms = 0;
    int64_t retry_ms = 0;  // kIdle: connects then
    int64_t backoff_ms = 0;
    std::optional<int64_t> waiting_since_ms;  // sent, and nothing heard since
    int64_t no_quorum_ms = kNever;
    std::string no_quorum_reason;
    int64_t avoid_until_ms = kNever;
  };

  int Rank(size_t server) const;
  // Since when every connection that stands has been silent; nullopt: one is not, or none stands.
  std::optional<int64_t> AllSilentSince() const;
  void Connect(size_t server);

  const Environment env_;
  std::vector<Link> links_;
  bool running_ = false;
  int64_t reconnect_ms_max_ = kReconnectMsMax;
  std::optional<int64_t> renew_ms_;  // all are silent: one is made anew then
  int64_t renew_interval_ms_ = kAllSilentMs;
};

}  // namespace triad::client
