// The leader's side of a replacement: which change of members to propose next, if any (quorum-notes
// B.10; the argument of safety stands in quorum/members.h, and quorum::Core keeps to it by itself).
//
// A newcomer asks again and again (Hello with `rejoin`). When its slot's old incarnation is not
// connected any more, and the newcomer has asked this leader twice, the leader proposes it as
// learner in that one's place (C2); when it has caught up, as voter (C3). Twice, because who was
// let in asks no more, and the late word of one that is gone must not put out the one that came
// after it. One that has drawn yet another incarnation takes the place of the learner that it was.
//
// What it is not: it remembers nothing across a change of the lead and needs to: members come from
// the log, newcomers ask again.
//
// Pure and single-threaded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "quorum/members.h"
#include "quorum/types.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

class Replacement {
 public:
  // What the leader sees of the cluster at this moment.
  struct View {
    // It leads, and has committed an entry of its own term.
    bool leads_confirmed = false;
    quorum::Members in_force;
    bool committed = false;  // the entry that brought `in_force`
    v1::Members recorded;    // as the ledger has them: what is known of a member beside its vote
    // The incarnation in force of that slot has a stream here that is not silent.
    std::function<bool(quorum::Slot)> connected;
    std::function<bool(quorum::Slot)> caught_up;
  };

  // Other members are in force than before: who asked for a slot before it was filled must ask
  // again.
  void OnMembers(const quorum::Members& before, const quorum::Members& now);
  // A newcomer asks, to whatever node.
  void OnAsk(const v1::Hello& hello, int64_t now_ms);

  bool AnyAsked() const { return !newcomers_.empty(); }
  // The members to propose now.
  std::optional<v1::Members> Next(const View& view, int64_t now_ms) const;
  // What the newcomer of `slot` waits for, in one line; "": nothing, it is next.
  std::string WaitsFor(quorum::Slot slot, const View& view, int64_t now_ms) const;

 private:
  struct Newcomer {
    std::string incarnation;
    std::string host_id;
    bool host_id_matches = true;
    int64_t first_ms = 0;  // since when it asks
    int64_t asked_ms = 0;
  };

  // The one that asks for `slot` at this time and is not in force.
  const Newcomer* Asking(quorum::Slot slot, const View& view, int64_t now_ms) const;

  std::map<quorum::Slot, Newcomer> newcomers_;
};

}  // namespace triad::server
