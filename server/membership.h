// Who belongs to the cluster: its birth, whose streams are let in, and how a node that has lost its
// disk or its log comes back (design 4, "Identity"; quorum-notes B.9).
//
// Birth. Each node has drawn its incarnation in `triadd init`. Each tells the others which
// incarnations it has met, and the cluster is born for a node when all three *say the same three*:
// the cluster id is the hash of them, stored with them before the first vote. It is not enough to
// have met them: a slot that was wiped and initialised again would then be met by a node that the
// news of the birth has not reached, and the two would be a second cluster beside the first. So:
//
//   A node says one set of three at a time, never goes back to an incarnation that another one of
//   its slot has followed, and says nothing but its record once it has one. A record that two
//   stores hold, or held until one was wiped, was said by the third; after a wipe nobody says a set
//   with the new incarnation but who has no record. So no second record can come to a majority.
//
// The record proves itself (the id is the hash of the members), so a node that was told of a birth
// it has a part in may adopt it.
//
// After the birth those are let in whom the log in force names (SetMembers), from the moment that a
// change is appended: an incarnation that was replaced is refused and told to rejoin. A node that
// is itself no voter counts nothing and knows nothing for sure (its log may be empty), so it lets
// in whoever names its cluster; those judge it in turn. One that is a voter only by a change that
// is not committed may find it cut away again: it lets in also whose slot that change does not
// name.
//
// Coming back. A node that rejoins, or one whose log is damaged (quarantine), asks under a new
// incarnation. Whoever has the change *applied*, so committed, that made it a learner, answers
// "admitted" with the record of the birth. It believes that answer if it comes from the slot it
// asked, of the same license set, with a record that proves itself, and, in quarantine, of the
// cluster that it was in; only then its disk is touched (TakeAdmission). Before, it is no part of
// anything, and it never takes part in a birth.
//
// Pure and single-threaded; the Node stores what TakeNewIdentity() or TakeAdmission() returns
// before it does anything else.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "quorum/members.h"
#include "quorum/types.h"
#include "server/limits.h"
#include "storage/identity.h"
#include "triad/v1/command.pb.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

class Membership {
 public:
  struct Config {
    storage::Identity identity;         // as it is stored
    std::vector<quorum::Slot> slots;    // one or three
    std::string license_hash;           // of this node's own files
    uint32_t protocol = kPeerProtocol;  // that this program speaks
    // Not "": log or ledger cannot be trusted, so the node asks to come back under this new
    // incarnation, and what is stored stays as it is until then.
    std::string quarantine_incarnation;
    std::string host_id;          // what this machine shows
    bool host_id_matches = true;  // it is that of its SERVER line
  };
  enum class Standing {
    kForming,      // initialised, the cluster is not born yet
    kRejoining,    // drawn by `triadd rejoin`, not let in yet
    kQuarantined,  // its log is damaged, not let in yet under the new incarnation
    kMember,       // has the cluster's record; whether it votes, the log says
  };

  explicit Membership(Config config);

  Standing standing() const;
  bool born() const { return standing() == Standing::kMember; }
  // In quarantine with the new incarnation and no cluster.
  const storage::Identity& identity() const { return identity_; }
  // The cluster that this node is of, or was of before the damage; "" when it never was.
  const std::string& cluster_id() const;

  // `in_force` by the log, committed or not; `committed` as the ledger has them (empty: those of
  // the birth). To be called when one of them changes; links that are not LetIn() any more must be
  // cut.
  void SetMembers(quorum::Members in_force, v1::Members committed);
  // Whether messages of that incarnation may be heard, and sent to it.
  bool LetIn(quorum::Slot slot, const std::string& incarnation) const;

  v1::Hello MakeHello(quorum::Slot to) const;
  // A Hello came in: is the caller let in? `from` is its slot if so, kNone for one that rejoins.
  // May bring the birth about.
  v1::HelloAnswer OnHello(const v1::Hello& hello, quorum::Slot* from);
  // Whether the caller is a newcomer that a leader may let in.
  bool Asks(const v1::Hello& hello) const;
  // The answer to our own Hello to `peer`. TRUE: messages may flow on that link.
  bool OnHelloAnswer(quorum::Slot peer, const v1::HelloAnswer& answer);
  // TRUE once after what this node says of itself has changed: all peers must hear it.
  bool TakeHelloAgain();

  // The identity that must be stored now, once, after a birth.
  std::optional<storage::Identity> TakeNewIdentity();
  // The identity to begin anew under, once, when the cluster has let this node in.
  std::optional<storage::Identity> TakeAdmission();

  // Another license set is in force, whose SERVER lines are these: the vendor has put a new machine
  // in the place of one. The identity that must be stored now, if it is another.
  std::optional<storage::Identity> UseServerSet(const std::string& server_set);

  // One line when this node itself is not part of the cluster any more, or never can be: the daemon
  // must stop.
  const std::optional<std::string>& fatal() const { return fatal_; }
  // Why a peer and this node do not talk, by slot; for status and logs.
  const std::map<quorum::Slot, std::string>& refusals() const { return refusals_; }
  // That refusal is no fault: one of the two waits to be let in, and will be.
  bool IsWait(quorum::Slot slot) const { return identity_.rejoining || waits_.contains(slot); }
  // Slots not yet heard of, before birth.
  std::vector<quorum::Slot> unmet() const;

 private:
  bool IsSlot(quorum::Slot slot) const;
  bool VotesBy(const quorum::Members& members) const;
  // Why the caller is refused; empty: let in.
  std::string Judge(const v1::Hello& hello);
  std::string JudgeSelf(const v1::Hello& hello) const;
  std::string JudgeByStanding(const v1::Hello& hello);
  std::string JudgeBeforeBirth(const v1::Hello& hello);
  std::string JudgeMember(const v1::Hello& hello) const;
  std::string JudgeNewcomer(const v1::Hello& hello) const;
  bool IsAdmitted(const v1::Hello& hello) const;
  void OnAskAnswer(quorum::Slot peer, const v1::HelloAnswer& answer);
  std::string WhyNotBelieved(const v1::Hello& hello) const;
  bool Adopt(const v1::Hello& hello);
  void Note(std::map<quorum::Slot, std::string>* refusals, quorum::Slot slot,
            const std::string& text);
  void Meet(quorum::Slot slot, const v1::Hello& hello);
  void BearWhenComplete();

  const Config config_;
  storage::Identity identity_;
  // Before birth: the incarnations heard, which sets the others say, and which incarnations others
  // have followed.
  std::map<quorum::Slot, std::string> met_;
  std::map<quorum::Slot, std::map<quorum::Slot, std::string>> said_;
  std::map<quorum::Slot, std::vector<std::string>> followed_;
  bool say_again_ = false;
  bool store_ = false;
  bool begin_ = false;
  quorum::Members in_force_;
  v1::Members committed_;
  std::optional<std::string> fatal_;
  // Whom this node refuses, who refuses it, and both together: what they say of it comes first.
  std::map<quorum::Slot, std::string> refused_;
  std::set<quorum::Slot> waits_;
  std::map<quorum::Slot, std::string> refused_by_;
  std::map<quorum::Slot, std::string> refusals_;
};

// The cluster id: SHA-256 over the members in slot order.
std::string ClusterId(const std::vector<storage::Member>& members);

// Those of the birth, who all vote, as the log counts them; empty for an identity that came to the
// cluster later: such a node knows no members before its log or ledger says them.
quorum::Members BirthMembers(const storage::Identity& identity);
// Those of the birth, whether this node was there or came later: in force wherever the log has got
// and no change of members has.
quorum::Members RecordedMembers(const storage::Identity& identity);
quorum::Members MembersOf(const v1::Members& members);

}  // namespace triad::server
