// Which sessions are attached to this node, through which connection, and how far their heartbeats
// are confirmed.
//
// A heartbeat ends here: beats are gathered and reported to the leader in one message, and only
// what the leader has acknowledged is told to the client. A follower that is cut off therefore
// confirms nothing.
//
// Pure and single-threaded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/environment.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

class Attachments {
 public:
  // `first_report` is drawn anew for each run of the process: an answer to an earlier run's report
  // must not confirm beats of this one.
  explicit Attachments(uint64_t first_report = 1) : next_report_(first_report) {}

  // The session's newest attachment is through `connection`. FALSE when the connection has too
  // many.
  bool Bind(ConnectionId connection, const std::string& session, uint64_t attachment);
  // The session ended, or moved elsewhere with a higher attachment.
  void Unbind(absl::string_view session);
  bool IsBound(ConnectionId connection, absl::string_view session) const;
  std::optional<ConnectionId> ConnectionOf(absl::string_view session) const;

  // Returns the sessions, with their attachments, that lose their connection.
  std::vector<std::pair<std::string, uint64_t>> Close(ConnectionId connection);

  // FALSE: the session is not attached through this connection.
  bool OnBeat(ConnectionId connection, absl::string_view session, uint64_t number, int64_t now_ms);

  // The highest beat of the session that the leader has acknowledged.
  uint64_t Confirmed(absl::string_view session) const;

  // What the leader should hear, if anything; kept until answered or given up.
  std::optional<v1::SessionReport> TakeReport(int64_t now_ms);
  // Which connection is told what.
  std::map<ConnectionId, v1::HeartbeatAnswer> OnReportAnswer(const v1::SessionReportAnswer& answer,
                                                             int64_t now_ms);

  // For how long beats have come in without any of them being acknowledged.
  int64_t UnacknowledgedForMs(int64_t now_ms) const;
  std::vector<ConnectionId> connections() const;
  // All that are attached here, with their attachments.
  std::vector<std::pair<std::string, uint64_t>> sessions() const;
  size_t size() const { return sessions_.size(); }

 private:
  void ForgetSilenceWhenEmpty();

  struct Attached {
    ConnectionId connection = 0;
    uint64_t attachment = 0;
    uint64_t beat = 0;       // highest received
    uint64_t confirmed = 0;  // highest acknowledged by the leader
  };
  struct Report {
    int64_t sent_ms = 0;
    v1::SessionReport report;
  };

  std::map<std::string, Attached, std::less<>> sessions_;
  std::map<ConnectionId, std::set<std::string, std::less<>>> by_connection_;
  std::set<std::string, std::less<>> unreported_;
  std::map<uint64_t, Report> reports_;
  uint64_t next_report_;
  std::optional<int64_t> unacknowledged_since_ms_;
};

}  // namespace triad::server
