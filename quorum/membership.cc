// Changes of members: proposed by a leader, in force from the moment they are in the log. The rules
// and why they are safe stand in members.h.
#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "quorum/core_impl.h"

namespace triad::quorum {

bool Core::Impl::IsVoter() const {
  const Member* self = members().Find(config.self);
  return self != nullptr && self->voter && self->incarnation == config.incarnation;
}

void Core::Impl::NoteMembers(const Entry& entry) {
  if (entry.kind != EntryKind::kMembers) return;
  std::optional<Members> members = DecodeMembers(*entry.payload);
  TRIAD_CHECK(members.has_value(),
              absl::StrCat("the members in entry ", entry.index.value(), " cannot be read"));
  members_log.Append(entry.index, *std::move(members));
}

absl::Status Core::Impl::MayChangeMembers(const LeaderState& leader) const {
  if (leader.transfer.has_value()) {
    return absl::FailedPreconditionError("members: the lead is being handed over");
  }
  if (!LeadsConfirmed(leader)) {
    return absl::FailedPreconditionError(
        absl::StrCat("members: no entry of term ", hard_state.term.value(), " is committed yet"));
  }
  if (members_log.index() > log.commit_index()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "members: the change at ", members_log.index().value(), " is not committed yet"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Core::Position> Core::Impl::ProposeMembers(
    std::shared_ptr<const std::string> payload) {
  auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "members: node ", ToInt(config.self), " does not lead term ", hard_state.term.value()));
  }
  if (absl::Status status = MayChangeMembers(*leader); !status.ok()) return status;
  TRIAD_CHECK(payload != nullptr, "members without a payload were proposed");
  std::optional<Members> next = DecodeMembers(*payload);
  if (!next.has_value() || payload->size() > kEntryBytesMax) {
    return absl::InvalidArgumentError("members: the payload cannot be read");
  }
  const Members before = members();
  if (absl::Status status = CheckMembersChange(before, *next); !status.ok()) return status;
  if (*next->Find(config.self) != *before.Find(config.self)) {
    return absl::InvalidArgumentError(
        absl::StrCat("members: the leader, node ", ToInt(config.self), ", cannot replace itself"));
  }
  for (const Member& member : next->list) {
    if (member.slot != config.self && !IsPeer(member.slot)) {
      return absl::InvalidArgumentError(
          absl::StrCat("members: there is no node ", ToInt(member.slot), " in this cluster"));
    }
    // Promoted too early it would be asked for what it does not have, and the cluster would stand
    // still until it has.
    if (member.voter && !before.IsVoter(member.slot) && !CaughtUp(member.slot)) {
      return absl::FailedPreconditionError(
          absl::StrCat("members: node ", ToInt(member.slot), " has not caught up yet"));
    }
  }
  const size_t cost = payload->size() + kEntryOverheadBytes;
  if (leader->uncommitted_cost + cost > kUncommittedBytesMax) {
    return absl::ResourceExhaustedError("members: too much is not committed yet");
  }
  leader->uncommitted_cost += cost;
  const Index index = log.last_index() + 1;
  log.Append({hard_state.term, index, EntryKind::kMembers, std::move(payload)});
  members_log.Append(index, *std::move(next));
  FollowMembers(*leader, before);
  return Position{hard_state.term, index};
}

// What is known about the incarnation that a slot had before says nothing about the one it has now.
void Core::Impl::FollowMembers(LeaderState& leader, const Members& before) {
  const Round since = round + 1;
  std::vector<Progress> followers;
  for (const Member& member : members().list) {
    if (member.slot == config.self) continue;
    const Member* old = before.Find(member.slot);
    Progress* known = leader.Find(member.slot);
    if (known != nullptr && old != nullptr && old->incarnation == member.incarnation) {
      followers.push_back(*known);
      if (member.voter) followers.back().BecomeVoter();
    } else {
      followers.emplace_back(member.slot, log.last_index() + 1, now_ticks, member.voter, since);
    }
  }
  leader.followers = std::move(followers);
  BeginRound(leader);
}

bool Core::Impl::CaughtUp(Slot peer) const {
  const auto* leader = std::get_if<LeaderState>(&state);
  if (leader == nullptr || !LeadsConfirmed(*leader)) return false;
  const Progress* progress = leader->Find(peer);
  return progress != nullptr && progress->state() == Progress::State::kReplicate &&
         progress->match() >= leader->commit_at_round;
}

}  // namespace triad::quorum
