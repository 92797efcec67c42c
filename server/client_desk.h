// What clients ask, and what they are told: checks that a message is well-formed and who it is
// from, makes the command, and turns its outcome into the answer.
//
// It decides nothing about licenses; that is the ledger's, after the log. Refused here are only the
// malformed and the too large.
//
// Pure and single-threaded.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "license/ledger.h"
#include "license/protocol.h"
#include "server/attachments.h"
#include "server/environment.h"
#include "server/proposals.h"
#include "triad/v1/license.pb.h"

namespace triad::server {

// Who is at the other end of a connection, as the transport sees it.
struct Caller {
  ConnectionId connection = 0;
  std::string address;  // "192.0.2.7:51234"
  bool unary = false;   // answered once; sessions opened by it are kept by their time to live alone
};

class ClientDesk : public Proposals::Sink {
 public:
  struct Config {
    uint32_t slot = 0;
    uint32_t session_ttl_ms = 60'000;
    uint32_t reset_grace_ms = 10'000;
    uint32_t protocol = license::kClientProtocol;  // that this program speaks
  };

  ClientDesk(Config config, const Environment* env, const license::Ledger* ledger,
             Proposals* proposals, Attachments* attachments);

  void OnConnected(ConnectionId connection) { open_.insert(connection); }
  void OnMessage(const Caller& caller, v1::ClientMessage message);
  // The connection was closed or reset: the short grace of its sessions begins, unless this node
  // cut it itself.
  void OnClosed(ConnectionId connection, bool cut_here);
  // The node stops: connections that close from now on say nothing about the applications.
  void Stop(absl::string_view reason);
  // Asks every client attached here to go to another node.
  void MoveAway(absl::string_view reason);
  // While the node is not part of a cluster, every request is refused with this line.
  void set_not_ready(std::string reason) { not_ready_ = std::move(reason); }

  void OnLedgerEvent(const license::LedgerEvent& event);
  // The ledger has jumped: events of its sessions are not known, so what they have come to is told
  // from the new state, as the differences from `before`.
  void OnJump(const license::Ledger& before);
  void OnReportAnswer(const v1::SessionReportAnswer& answer);

  void OnOutcome(const Origin& origin, const v1::Outcome& outcome) override;
  void OnFailure(const Origin& origin, const v1::Failure& failure) override;

 private:
  // FALSE: the client's program and this one are too far apart; it has been told.
  bool CheckProtocol(const Caller& caller, uint64_t id, uint32_t protocol);
  void OnOpen(const Caller& caller, uint64_t id, v1::Open open);
  void OnAttach(const Caller& caller, uint64_t id, const v1::Attach& attach);
  void OnRequest(const Caller& caller, uint64_t id, v1::ClientRequest request);
  void OnHeartbeat(const Caller& caller, uint64_t id, const v1::Heartbeat& heartbeat);
  void OnClose(const Caller& caller, uint64_t id, const v1::Close& close);
  void OnDescribe(const Caller& caller, uint64_t id, const v1::Describe& describe);

  bool MayStateClocks() const;
  Origin MakeOrigin(Origin::Kind kind, const Caller& caller, uint64_t id,
                    const std::string& session) const;
  void Tell(const std::string& session, v1::SessionEvent event);
  void TellDifferences(const v1::SessionState& before, const v1::SessionState& now);
  void TellEnded(const std::string& session, absl::string_view reason);
  void AnswerSession(const Origin& origin, const v1::SessionState& state);
  void SubmitDetach(const std::string& session, uint64_t attachment);
  void Fail(ConnectionId connection, uint64_t id, v1::Failure::Why why, absl::string_view reason);
  bool KnowsToken(absl::string_view session, absl::string_view token) const;

  const Config config_;
  const Environment* const env_;
  const license::Ledger* const ledger_;
  Proposals* const proposals_;
  Attachments* const attachments_;
  std::set<ConnectionId> open_;
  std::set<ConnectionId> unary_;
  // The newest of those that their application, or its machine, has ended.
  std::set<ConnectionId> hung_up_;
  std::string not_ready_;
  bool stopping_ = false;
};

// SHA-256; what the log keeps of a token.
std::string HashToken(absl::string_view token);

}  // namespace triad::server
