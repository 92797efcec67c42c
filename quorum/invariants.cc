// What must hold between any two calls. CheckOrder is cheap and stays on in release builds;
// CheckInvariants walks through everything and is for tests.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "quorum/core_impl.h"

namespace triad::quorum {
namespace {

void CheckLog(const Log& log) {
  log.CheckOrder();
  Term term = log.snapshot_term();
  for (Index index = log.snapshot_index() + 1; index <= log.last_index(); ++index) {
    const Entry& entry = log.At(index);
    TRIAD_CHECK(entry.index == index, "the log has a hole");
    TRIAD_CHECK(entry.term >= term, "the terms in the log go back");
    term = entry.term;
  }
}

// The members in force are those of the newest members entry in the log; where the log has none
// behind the oldest known members, they are those.
void CheckMembers(const Log& log, const MembersLog& members_log) {
  TRIAD_CHECK(members_log.index() <= log.last_index(),
              "members of an entry that was cut are in force");
  for (Index index = members_log.index() + 1; index <= log.last_index(); ++index) {
    TRIAD_CHECK(index <= log.snapshot_index() || log.At(index).kind != EntryKind::kMembers,
                "a members entry is in the log and not in force");
  }
  if (members_log.at_base()) return;  // its own entry may lie before the log
  const Entry& entry = log.At(members_log.index());
  TRIAD_CHECK(
      entry.kind == EntryKind::kMembers && DecodeMembers(*entry.payload) == members_log.in_force(),
      "the members in force are not those of the newest entry");
}

}  // namespace

void Core::Impl::CheckInvariants() const {
  CheckLog(log);
  CheckMembers(log, members_log);
  TRIAD_CHECK(log.last_term() <= hard_state.term, "the log is ahead of the term");
  TRIAD_CHECK(hard_state_handed.term <= hard_state.term &&
                  hard_state_durable.term <= hard_state_handed.term,
              "the term on the disk is ahead");
  if (std::holds_alternative<FollowerState>(state)) return;
  TRIAD_CHECK(MayCampaign(), "a node stands or leads that may not");
  if (std::holds_alternative<PreCandidateState>(state)) return;
  TRIAD_CHECK(hard_state.voted_for == config.self, "a candidate did not vote for itself");
  if (const auto* leader = std::get_if<LeaderState>(&state)) CheckLeader(*leader);
}

void Core::Impl::CheckLeader(const LeaderState& leader) const {
  TRIAD_CHECK(hard_state_durable == hard_state, "a leader's own vote is not durable");
  TRIAD_CHECK(leader.noop > log.snapshot_index() ? log.TermAt(leader.noop) == hard_state.term
                                                 : LeadsConfirmed(leader),
              "a leader's first entry is not of its term");
  std::vector<std::pair<Slot, bool>> expected;
  for (const Member& member : members().list) {
    if (member.slot != config.self) expected.emplace_back(member.slot, member.voter);
  }
  std::vector<std::pair<Slot, bool>> followers;
  for (const Progress& progress : leader.followers) {
    followers.emplace_back(progress.slot(), progress.is_voter());
    TRIAD_CHECK(progress.match() <= log.last_index(), "a follower holds more than the leader");
    TRIAD_CHECK(progress.match() < progress.next() && progress.next() <= log.last_index() + 1,
                "a follower's next entry is out of range");
    TRIAD_CHECK(progress.round() <= round && progress.since() <= round,
                "a follower answered a round that was not asked");
  }
  TRIAD_CHECK(followers == expected, "the followers are not the members in force");
  size_t cost = 0;
  for (Index index = log.commit_index() + 1; index <= log.last_index(); ++index) {
    cost += EntryCost(log.At(index));
  }
  TRIAD_CHECK(cost == leader.uncommitted_cost, "the uncommitted bytes are miscounted");
}

}  // namespace triad::quorum
