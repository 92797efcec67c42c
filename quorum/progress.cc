#include "quorum/progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"

namespace triad::quorum {

Progress::Progress(Slot slot, Index next, uint64_t now, bool is_voter, Round since)
    : slot_(slot), is_voter_(is_voter), since_(since), next_(next), heard_at_(now), moved_at_(now) {
  TRIAD_CHECK(next_ > match_, "a follower's next entry must be behind what it holds");
}

bool Progress::MaySendEntries() const {
  switch (state_) {
    case State::kProbe:
      return !probe_sent_;
    case State::kReplicate:
      return inflight_count_ < kInflightMessagesMax && inflight_cost_ < kInflightBytesMax;
    case State::kSnapshot:
      return false;
  }
  return false;
}

size_t Progress::CostWindow() const {
  return kInflightBytesMax - inflight_cost_;
}

void Progress::SentEntries(Index last, size_t cost, Round round, uint64_t now) {
  TRIAD_CHECK(MaySendEntries(), "entries were sent past the window");
  TRIAD_CHECK(last >= next_, "entries were sent twice");
  if (state_ == State::kProbe) {
    probe_sent_ = true;
    return;
  }
  TRIAD_CHECK(cost <= CostWindow(), "an append is bigger than the window");
  if (inflight_count_ == 0) moved_at_ = now;
  inflight_[(inflight_begin_ + inflight_count_) % kInflightMessagesMax] = {last, cost, round};
  ++inflight_count_;
  inflight_cost_ += cost;
  next_ = last + 1;
}

void Progress::Heard(Round round, uint64_t now) {
  round_ = std::max(round_, round);
  heard_at_ = now;
}

void Progress::Accepted(Index match, Index snapshot_index, uint64_t now) {
  if (match > match_) {
    match_ = match;
    moved_at_ = now;
  }
  while (inflight_count_ > 0 && inflight_[inflight_begin_].last <= match_) {
    inflight_cost_ -= inflight_[inflight_begin_].cost;
    inflight_begin_ = (inflight_begin_ + 1) % kInflightMessagesMax;
    --inflight_count_;
  }
  next_ = std::max(next_, match_ + 1);
  // An answer to an older append says nothing about the place that is being probed.
  const bool meets = state_ == State::kProbe ? match + 1 >= next_ : match >= snapshot_index;
  if (state_ != State::kReplicate && meets) BecomeReplicate();
}

bool Progress::Refused(Index prev, Index meet) {
  // What it acknowledged it has: that refusal is late. (Or the follower forgot what it had synced;
  // then nothing here can help it, and doing nothing is safe.)
  if (prev <= match_) return false;
  if (state_ == State::kSnapshot) return false;
  if (state_ == State::kProbe && prev + 1 != next_) return false;  // late
  BecomeProbe(/*paused=*/false);
  next_ = std::max(match_ + 1, std::min(prev, meet + 1));
  return true;
}

bool Progress::HasLostInflight(Round round, uint64_t now, uint64_t patience_ticks) const {
  return state_ == State::kReplicate && inflight_count_ > 0 &&
         inflight_[inflight_begin_].round < round && now - moved_at_ >= patience_ticks;
}

void Progress::BecomeProbe(bool paused) {
  ClearInflight();
  state_ = State::kProbe;
  probe_sent_ = paused;
  next_ = match_ + 1;
  commit_sent_ = Index(0);
}

void Progress::BecomeReplicate() {
  TRIAD_CHECK(inflight_count_ == 0, absl::StrCat("appends to node ", ToInt(slot_),
                                                 " were in flight while it was probed"));
  state_ = State::kReplicate;
  next_ = match_ + 1;
}

void Progress::BecomeSnapshot() {
  ClearInflight();
  state_ = State::kSnapshot;
}

void Progress::ClearInflight() {
  inflight_begin_ = 0;
  inflight_count_ = 0;
  inflight_cost_ = 0;
}

void Progress::SentCommit(Index commit) {
  commit_sent_ = std::max(commit_sent_, commit);
}

}  // namespace triad::quorum
