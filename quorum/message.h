// What one core says to another. Plain structs: server/ translates them to and from the wire.
//
// Terms: Message::term is the sender's current term, except in a pre-vote request, which carries
// the term that the sender would campaign for, and in a granted pre-vote response, which carries
// the requested term back.
#pragma once

#include <variant>
#include <vector>

#include "quorum/types.h"

namespace triad::quorum {

struct VoteRequest {
  bool pre_vote = false;
  bool leadership_transfer = false;  // asked for by the leader itself: lease does not count
  Index last_index;
  Term last_term;
};

struct VoteResponse {
  bool pre_vote = false;
  bool granted = false;
};

// Also the heartbeat, with no entries.
struct AppendRequest {
  Index prev_index;
  Term prev_term;
  std::vector<Entry> entries;
  Index commit;
  Round round;  // echoed; answers a read or a lease check that was asked before this was sent
  // The leader's log begins behind this index. An append behind this very index that is refused
  // means: what the follower needs is compacted away, it must fetch a snapshot.
  Index log_start;
};

// The answer to an append of a lower term only tells the old leader our term: refused, all else 0.
struct AppendResponse {
  bool accepted = false;
  // accepted: prev_index + number of entries, durable here; never the follower's last index.
  // refused: the prev_index that was refused, by which the leader knows a late refusal.
  Index match;
  Index hint_index;  // refused: where the follower's log could meet the leader's
  Term hint_term;
  Round round;
};

// The leader hands over: campaign at once, without pre-vote.
struct TimeoutNow {};

struct Message {
  Slot from = Slot::kNone;
  Slot to = Slot::kNone;
  Term term;
  std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, TimeoutNow> body;
};

// Whether a message can be read at all: numbers up to kNumberMax, entries contiguous after
// prev_index, their terms rising from prev_term to the message's, every payload there and within
// kEntryBytesMax, members readable. The core drops what is not; a history that Raft does not allow
// is another matter.
bool IsWellFormed(const Message& message);

}  // namespace triad::quorum
