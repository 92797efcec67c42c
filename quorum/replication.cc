// Appends, the commit rule, reads and handing over: paper 5.3, 5.4.2, 8; thesis 3.10, 6.4, 10.2.1.
#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "quorum/core_impl.h"

namespace triad::quorum {
namespace {

// The highest number that a majority of the voters has reached, `own` among them.
template <typename Reached, typename OfFollower>
Reached ReachedByMajority(Reached own, const std::vector<Progress>& followers, size_t majority,
                          OfFollower of_follower) {
  const auto count = [&](Reached number) {
    size_t voters = own >= number ? 1 : 0;
    for (const Progress& progress : followers) {
      if (progress.is_voter() && of_follower(progress) >= number) ++voters;
    }
    return voters;
  };
  Reached best = count(own) >= majority ? own : Reached();
  for (const Progress& progress : followers) {
    const Reached number = of_follower(progress);
    if (number > best && count(number) >= majority) best = number;
  }
  return best;
}

}  // namespace

absl::StatusOr<Core::Position> Core::Impl::Propose(
    absl::Span<const std::shared_ptr<const std::string>> payloads) {
  auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("propose: node ", ToInt(config.self), " does not lead term ",
                     hard_state.term.value(), "; known leader: node ", ToInt(KnownLeader())));
  }
  if (leader->transfer.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("propose: the lead is being handed to node ", ToInt(leader->transfer->to)));
  }
  if (payloads.empty()) return absl::InvalidArgumentError("propose: no command given");
  size_t cost = 0;
  for (const auto& payload : payloads) {
    TRIAD_CHECK(payload != nullptr, "a command without a payload was proposed");
    if (payload->size() > kEntryBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("propose: a command has ", payload->size(),
                                                     " bytes, the most is ", kEntryBytesMax));
    }
    cost += payload->size() + kEntryOverheadBytes;
  }
  if (leader->uncommitted_cost + cost > kUncommittedBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("propose: ", leader->uncommitted_cost,
                                                     " bytes are not committed yet, the most is ",
                                                     kUncommittedBytesMax));
  }
  leader->uncommitted_cost += cost;
  const Position position{hard_state.term, log.last_index() + 1};
  Index index = log.last_index();
  for (const auto& payload : payloads) {
    log.Append({hard_state.term, ++index, EntryKind::kCommand, payload});
  }
  return position;
}

absl::Status Core::Impl::RequestRead(uint64_t id) {
  auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("read: node ", ToInt(config.self), " does not lead term ",
                     hard_state.term.value(), "; known leader: node ", ToInt(KnownLeader())));
  }
  if (!leader->reads.Add(id)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("read: ", kReadsPendingMax, " reads wait already"));
  }
  return absl::OkStatus();
}

absl::Status Core::Impl::TransferLeadership(Slot to) {
  auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "transfer: node ", ToInt(config.self), " does not lead term ", hard_state.term.value()));
  }
  const Progress* target = to == Slot::kNone ? BestSuccessor(*leader) : leader->Find(to);
  if (target != nullptr && !target->is_voter()) target = nullptr;
  if (target == nullptr) {
    return absl::FailedPreconditionError(
        to == Slot::kNone
            ? "transfer: no other voter is there to take the lead"
            : absl::StrCat("transfer: node ", ToInt(to), " is no other voter of this cluster"));
  }
  leader->transfer = {target->slot(), config.election_min_ticks};
  MaybeHandOver(*leader);
  return absl::OkStatus();
}

const Progress* Core::Impl::BestSuccessor(const LeaderState& leader) const {
  const Progress* best = nullptr;
  for (const Progress& progress : leader.followers) {
    if (!progress.is_voter()) continue;
    // Who was silent for an election timeout would only cost that long again.
    if (now_ticks - progress.heard_at() >= config.election_min_ticks) continue;
    if (best == nullptr || progress.match() > best->match()) best = &progress;
  }
  return best;
}

// The target must have everything before it stands (thesis 3.10); until then appends go on.
void Core::Impl::MaybeHandOver(LeaderState& leader) {
  if (!leader.transfer.has_value()) return;
  const Slot to = leader.transfer->to;
  if (leader.Find(to)->match() != log.last_index()) return;
  SendNow(to, hard_state.term, TimeoutNow{});
}

void Core::Impl::TickLeader(LeaderState& leader) {
  if (leader.transfer.has_value() && --leader.transfer->ticks_left == 0) leader.transfer.reset();
  if (++leader.heartbeat_elapsed >= config.heartbeat_ticks) {
    BeginRound(leader);
    MaybeHandOver(leader);  // again: the message may have been lost
  }
  CheckQuorum(leader);  // last: it may end the lead
}

void Core::Impl::CheckQuorum(const LeaderState& leader) {
  size_t heard = 1;
  for (const Progress& progress : leader.followers) {
    if (progress.is_voter() && now_ticks - progress.heard_at() < config.election_min_ticks) ++heard;
  }
  if (heard < Majority()) BecomeFollower(hard_state.term, Slot::kNone);
}

void Core::Impl::BeginRound(LeaderState& leader) {
  ++round;
  leader.heartbeat_elapsed = 0;
  leader.commit_at_round = log.commit_index();
  for (Progress& progress : leader.followers) progress.owes_heartbeat = true;
  // Before an entry of this term is committed the commit index may be behind what an earlier
  // leader has answered from (thesis 6.4): the reads stay for a later round.
  if (LeadsConfirmed(leader)) leader.reads.Begin(round, log.commit_index());
}

// One round at a time: reads that come while it is under way share the next one.
bool Core::Impl::MayBeginReadRound(const LeaderState& leader) const {
  return leader.reads.HasWaiting() && !leader.reads.HasRound() && LeadsConfirmed(leader);
}

void Core::Impl::ConfirmReads(LeaderState& leader) {
  if (!leader.reads.HasRound()) return;
  const Round confirmed =
      ReachedByMajority(round, leader.followers, Majority(),
                        [](const Progress& progress) { return progress.round(); });
  leader.reads.Confirm(confirmed, reads_done);
}

bool Core::Impl::OwesMessage(const Progress& progress) const {
  if (progress.owes_heartbeat) return true;
  const Index next = progress.next();
  if (progress.MaySendEntries() && next <= log.last_index() &&
      (next <= log.snapshot_index() || EntryCost(log.At(next)) <= progress.CostWindow())) {
    return true;
  }
  return progress.state() == Progress::State::kReplicate &&
         std::min(log.commit_index(), next - 1) > progress.commit_sent();
}

void Core::Impl::SendAppends(Progress& progress) {
  bool sent = SendEntries(progress);
  // The commit index moved and there is nothing to carry it: it goes alone, because the follower
  // may have callers that wait for it.
  const Index prev = progress.next() - 1;
  if (!sent && progress.state() == Progress::State::kReplicate &&
      std::min(log.commit_index(), prev) > progress.commit_sent()) {
    SendAppend(progress, prev, log.commit_index(), {});
    progress.SentCommit(std::min(log.commit_index(), prev));
    sent = true;
  }
  if (!sent && progress.owes_heartbeat) SendHeartbeat(progress);
  progress.owes_heartbeat = false;
}

bool Core::Impl::SendEntries(Progress& progress) {
  bool sent = false;
  while (progress.MaySendEntries() && progress.next() <= log.last_index()) {
    const Index prev = progress.next() - 1;
    if (prev < log.snapshot_index()) {
      progress.BecomeSnapshot();
      break;
    }
    std::vector<Entry> entries;
    const size_t cost = log.CopyTo(progress.next(), progress.CostWindow(), entries);
    if (entries.empty()) break;  // the window is too full for the next one
    const Index last = entries.back().index;
    progress.SentEntries(last, cost, round, now_ticks);
    progress.SentCommit(std::min(log.commit_index(), last));
    SendAppend(progress, prev, log.commit_index(), std::move(entries));
    sent = true;
  }
  return sent;
}

// Asks for nothing that is not known to be there, so it can neither be refused nor reset next:
// behind match, or, while that is unknown, behind the place that is probed.
void Core::Impl::SendHeartbeat(Progress& progress) {
  Index prev = progress.match();
  if (progress.state() == Progress::State::kProbe) prev = progress.next() - 1;
  if (prev < log.snapshot_index()) {
    if (progress.state() == Progress::State::kProbe) progress.BecomeSnapshot();
    prev = log.snapshot_index();  // refused until the follower has got there by other means
  }
  SendAppend(progress, prev, std::min(log.commit_index(), progress.match()), {});
}

void Core::Impl::SendAppend(const Progress& progress, Index prev, Index commit_known,
                            std::vector<Entry> entries) {
  const std::optional<Term> prev_term = log.TermAt(prev);
  TRIAD_CHECK(prev_term.has_value(), "an append follows an entry that the leader does not hold");
  SendNow(progress.slot(), hard_state.term,
          AppendRequest{prev, *prev_term, std::move(entries), commit_known, round,
                        log.snapshot_index()});
}

void Core::Impl::MaybeCommit(LeaderState& leader) {
  // Its own entries count only once they are synced (etcd 14370).
  const Index index = ReachedByMajority(log.durable_index(), leader.followers, Majority(),
                                        [](const Progress& progress) { return progress.match(); });
  if (index <= log.commit_index()) return;
  // Entries of earlier terms are committed only by one of this term behind them (paper 5.4.2).
  if (log.TermAt(index) != hard_state.term) return;
  for (Index i = log.commit_index() + 1; i <= index; ++i) {
    leader.uncommitted_cost -= EntryCost(log.At(i));
  }
  log.CommitTo(index);
}

void Core::Impl::AcceptEntries(Index prev, std::vector<Entry> entries) {
  const Index first_new = log.AppendAfter(prev, std::move(entries));
  members_log.TruncateFrom(first_new);
  for (Index index = first_new; index <= log.last_index(); ++index) NoteMembers(log.At(index));
}

void Core::Impl::HandleAppendRequest(Message& message, AppendRequest& request) {
  HearLeader(message.from);
  const Index prev = request.prev_index;
  const std::optional<Term> prev_term = log.TermAt(prev);
  AppendResponse response;
  response.round = request.round;
  // Below the start of our log everything is committed, so it is the leader's too.
  if (prev < log.snapshot_index() || prev_term == request.prev_term) {
    const Index last = prev + request.entries.size();
    AcceptEntries(prev, std::move(request.entries));
    std::get<FollowerState>(state).needs_snapshot = false;
    log.CommitTo(std::min(request.commit, last));
    response.accepted = true;
    response.match = last;
  } else {
    TRIAD_CHECK(prev > log.commit_index(), absl::StrCat("the leader, node ", ToInt(message.from),
                                                        ", has another entry than "
                                                        "the committed one at ",
                                                        prev.value(),
                                                        ": a voter forgot what it had "
                                                        "synced, or two nodes share an identity"));
    // The leader cannot go back any further.
    if (prev == request.log_start) std::get<FollowerState>(state).needs_snapshot = true;
    response.match = prev;
    response.hint_index = log.LastIndexNotAbove(prev, request.prev_term);
    response.hint_term = log.TermAt(response.hint_index).value_or(Term(0));
  }
  SendAfterWrite(message.from, hard_state.term, response);
}

void Core::Impl::HandleAppendResponse(const Message& message, const AppendResponse& response) {
  auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr) return;
  // Round 0: sent to an older term of ours, it answers nothing of this one.
  if (response.round == Round(0) || response.round > round) return;
  if (response.match > log.last_index()) return;  // about entries that never were
  Progress* progress = leader->Find(message.from);
  // Before this follower's first round the slot may have been another incarnation's.
  if (progress == nullptr || response.round < progress->since()) return;
  progress->Heard(response.round, now_ticks);
  if (response.accepted) {
    const bool moved = response.match > progress->match();
    progress->Accepted(response.match, log.snapshot_index(), now_ticks);
    if (progress->HasLostInflight(response.round, now_ticks, config.heartbeat_ticks)) {
      progress->BecomeProbe(/*paused=*/false);
    }
    if (moved) {
      MaybeCommit(*leader);
      MaybeHandOver(*leader);
    }
  } else {
    progress->Refused(response.match,
                      log.LastIndexNotAbove(response.hint_index, response.hint_term));
  }
  ConfirmReads(*leader);
}

}  // namespace triad::quorum
