// The commands of this node's clients, from the moment they come in until their outcome is known
// here.
//
// A leader appends them to its own log; a follower relays them to the leader in batches and is told
// where they were appended. Either way the answer comes from this node's own Apply: an entry of the
// same term at that index carries the outcome; one of another term means that the command is
// certainly not in the log there, and it is sent again. Sending again is safe at any time: Apply
// does a command once. Nothing is deduplicated here.
//
// Pure and single-threaded: the Node calls it, it answers through Sink.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "quorum/core.h"
#include "server/environment.h"
#include "server/stamp.h"
#include "triad/v1/command.pb.h"

namespace triad::server {

// Where an outcome goes.
struct Origin {
  enum class Kind : uint8_t {
    kOpen,  // answered to (connection, message_id)
    kAttach,
    kRequest,
    kClose,
    kDetach,  // this node's own: kept until it is done
    kExpire,  // this node's own as leader: never sent again
    kInstall,
    kAdmin,
  };
  Kind kind = Kind::kRequest;
  ConnectionId connection = 0;
  uint64_t message_id = 0;
  std::string session;
  uint64_t attachment = 0;
  std::string token;  // of an open: told to the client, kept nowhere
};

class Proposals {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnOutcome(const Origin& origin, const v1::Outcome& outcome) = 0;
    virtual void OnFailure(const Origin& origin, const v1::Failure& failure) = 0;
  };

  // `first_id` is drawn anew for each run of the process: an answer to an earlier run's batch must
  // not be taken for one of this run's.
  Proposals(Sink* sink, PeerTransport* peers, uint64_t first_id)
      : sink_(sink), peers_(peers), next_batch_(first_id) {}

  // Takes a command in, or fails it at once (queue full). Sent by the next Send().
  void Submit(v1::Command command, Origin origin, int64_t now_ms);

  using Objection = std::function<std::optional<v1::Failure>(const v1::Command&)>;
  struct Route {
    bool leads = false;
    quorum::Slot leader = quorum::Slot::kNone;
    bool leader_reachable = false;
    // Leader: why a command must not be appended now.
    Objection objection = {};
  };
  // Appends or relays what is queued.
  void Send(const Route& route, quorum::Core* core, const v1::Stamp& stamp, int64_t now_ms);

  // A leader appends a follower's batch, and says where.
  void AppendRelayed(quorum::Slot from, v1::Relay relay, quorum::Core* core, const v1::Stamp& stamp,
                     const Objection& objection);
  void OnRelayAnswer(quorum::Slot from, const v1::RelayAnswer& answer, quorum::Index applied,
                     int64_t now_ms);

  // An entry was applied here.
  void OnApplied(quorum::Index index, quorum::Term term, const v1::Outcome& outcome);
  // The ledger has jumped over everything up to `index`: the outcomes of what stood there are not
  // known here. It is sent again; Apply does it once, and answers as it did.
  void OnJump(quorum::Index index);
  // Sessions whose clients have asked through this node to close them, and wait.
  std::set<std::string> Closing() const;
  // The leader changed or its link broke: what was relayed is sent again.
  void OnLeaderChanged();
  // This node does not lead any more: expiries that it has not appended are for the next leader to
  // judge.
  void DropExpiries();

  // Fails what has waited too long. `no_quorum`: one line that names what is missing, when there
  // has been no leader for kNoQuorumHoldMs; then everything that can be refused is.
  void Expire(int64_t now_ms, const std::string* no_quorum);

  size_t pending() const { return pending_.size(); }
  bool has_queued() const { return !queued_.empty(); }

 private:
  enum class State : uint8_t { kQueued, kRelayed, kAppended };
  struct Pending {
    v1::Command command;
    Origin origin;
    int64_t submitted_ms = 0;
    State state = State::kQueued;
    // Once handed on it may be in somebody's log until an Apply shows that it is not.
    int handed_on = 0;
    quorum::Term term;
    quorum::Index index;
  };
  struct Batch {
    quorum::Slot to = quorum::Slot::kNone;
    int64_t sent_ms = 0;
    std::vector<uint64_t> ids;
  };

  void AppendQueued(quorum::Core* core, const v1::Stamp& stamp, const Objection& objection);
  void RelayQueued(quorum::Slot leader, int64_t now_ms);
  void Place(quorum::Index index, uint64_t id);
  void Requeue(uint64_t id);
  void Requeue(const Batch& batch);
  void Fail(uint64_t id, v1::Failure::Why why, const std::string& reason);
  // `taken_back`: that many of the times it was handed on are known to have come to nothing.
  void FailAs(uint64_t id, v1::Failure failure, int taken_back);
  std::vector<uint64_t> TakeQueued(size_t count_max, size_t bytes_max);

  Sink* const sink_;
  PeerTransport* const peers_;
  uint64_t next_id_ = 1;
  uint64_t next_batch_;
  int64_t relay_not_before_ms_ = 0;
  absl::btree_map<uint64_t, Pending> pending_;
  std::deque<uint64_t> queued_;
  absl::btree_map<uint64_t, uint64_t> by_index_;  // index in the log -> id
  std::map<uint64_t, Batch> batches_;             // relayed, not answered
};

// The payload of a log entry; says which version of the program it needs.
std::shared_ptr<const std::string> MakePayload(const v1::Stamp& stamp, v1::Command* command);

}  // namespace triad::server
