// Reads that wait for the lead to be confirmed (ReadIndex, thesis 6.4). Not thread-safe.
//
// A read is good when a majority has answered an append of a round that *began after* the read was
// asked for; it then holds for the commit index of that beginning. Rounds are never used twice
// (etcd 20418). All reads that wait when a round begins share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "quorum/types.h"

namespace triad::quorum {

struct ReadState;

class Reads {
 public:
  // False: too many wait already.
  bool Add(uint64_t id);

  bool HasWaiting() const { return !waiting_.empty(); }
  // A round was begun for which reads wait, and it is not confirmed yet.
  bool HasRound() const { return !rounds_.empty(); }

  // `round` begins now, `commit` is the commit index: all waiting reads belong to it.
  void Begin(Round round, Index commit);
  // A majority has answered `round`: it and all before it are good.
  void Confirm(Round round, std::vector<ReadState>& out);
  // The lead is lost and every read with it.
  void Lose(std::vector<ReadState>& out);

 private:
  struct Batch {
    Round round;
    Index index;
    std::vector<uint64_t> ids;
  };

  std::vector<uint64_t> waiting_;
  std::deque<Batch> rounds_;  // Invariant: rounds grow
  size_t in_rounds_ = 0;      // reads in rounds_
};

}  // namespace triad::quorum
