// Who belongs to the cluster: its birth, and whose streams are let in (design 4, "Identity").
//
// A cluster is born once. Each node has drawn its incarnation in `triadd init`; when all three have
// told each other, the cluster id is the hash of the three and is stored with them before the first
// vote. From then on only the incarnations in that record are let in. The record proves itself (the
// id is the hash of the members), so a node that was told of a birth it has a part in may adopt it.
//
// Why that is safe: a node stores one record and never changes it. Two different records share at
// most one node's consent each, and a quorum of either needs two nodes that stored it.
//
// Pure and single-threaded; the Node stores what TakeNewIdentity() returns before it does anything
// else.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "quorum/types.h"
#include "storage/identity.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

class Membership {
 public:
  struct Config {
    storage::Identity identity;
    std::vector<quorum::Slot> slots;  // one or three
    std::string license_hash;         // of this node's own files
    std::string server_set;
  };

  explicit Membership(Config config);

  bool born() const { return !identity_.cluster_id.empty(); }
  const storage::Identity& identity() const { return identity_; }

  v1::Hello MakeHello(quorum::Slot to) const;
  // A Hello came in: is the caller let in? `from` is its slot if so. May bring the birth about.
  v1::HelloAnswer OnHello(const v1::Hello& hello, quorum::Slot* from);
  // The answer to our own Hello to `peer`. TRUE: messages may flow on that link.
  bool OnHelloAnswer(quorum::Slot peer, const v1::HelloAnswer& answer);

  // The identity that must be stored now, once, after a birth.
  std::optional<storage::Identity> TakeNewIdentity();

  // One line when this node itself is not part of the cluster any more, or never can be: the daemon
  // must stop.
  const std::optional<std::string>& fatal() const { return fatal_; }
  // Why a peer and this node do not talk, by slot; for status and logs.
  const std::map<quorum::Slot, std::string>& refusals() const { return refusals_; }
  // Slots not yet heard of, before birth.
  std::vector<quorum::Slot> unmet() const;

 private:
  // Why the caller is refused; empty: let in.
  std::string Judge(const v1::Hello& hello);
  std::string JudgeBeforeBirth(const v1::Hello& hello);
  bool Adopt(const v1::Hello& hello);
  void BearWhenComplete();

  const Config config_;
  storage::Identity identity_;
  std::map<quorum::Slot, std::string> met_;  // incarnations heard before birth
  bool store_ = false;
  std::optional<std::string> fatal_;
  std::map<quorum::Slot, std::string> refusals_;
};

// The cluster id: SHA-256 over the members in slot order.
std::string ClusterId(const std::vector<storage::Member>& members);

}  // namespace triad::server
