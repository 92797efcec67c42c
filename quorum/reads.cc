#include "quorum/reads.h"

#include <utility>

#include "quorum/check.h"
#include "quorum/core.h"
#include "quorum/limits.h"

namespace triad::quorum {

bool Reads::Add(uint64_t id) {
  if (waiting_.size() + in_rounds_ >= kReadsPendingMax) return false;
  waiting_.push_back(id);
  return true;
}

void Reads::Begin(Round round, Index commit) {
  TRIAD_CHECK(rounds_.empty() || rounds_.back().round < round, "a read round was used twice");
  if (waiting_.empty()) return;
  in_rounds_ += waiting_.size();
  rounds_.push_back({round, commit, std::exchange(waiting_, {})});
}

void Reads::Confirm(Round round, std::vector<ReadState>& out) {
  while (!rounds_.empty() && rounds_.front().round <= round) {
    const Batch& batch = rounds_.front();
    for (uint64_t id : batch.ids) out.push_back({id, /*confirmed=*/true, batch.index});
    in_rounds_ -= batch.ids.size();
    rounds_.pop_front();
  }
}

void Reads::Lose(std::vector<ReadState>& out) {
  for (const Batch& batch : rounds_) {
    for (uint64_t id : batch.ids) out.push_back({id, /*confirmed=*/false, Index()});
  }
  for (uint64_t id : waiting_) out.push_back({id, /*confirmed=*/false, Index()});
  rounds_.clear();
  waiting_.clear();
  in_rounds_ = 0;
}

}  // namespace triad::quorum
