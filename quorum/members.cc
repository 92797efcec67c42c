#include "quorum/members.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "quorum/check.h"
#include "triad/v1/command.pb.h"

namespace triad::quorum {

const Member* Members::Find(Slot slot) const {
  for (const Member& member : list) {
    if (member.slot == slot) return &member;
  }
  return nullptr;
}

bool Members::IsVoter(Slot slot) const {
  const Member* member = Find(slot);
  return member != nullptr && member->voter;
}

size_t Members::voters() const {
  return static_cast<size_t>(
      std::count_if(list.begin(), list.end(), [](const Member& member) { return member.voter; }));
}

std::optional<Members> DecodeMembers(absl::string_view payload) {
  v1::LogRecord record;
  if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      !record.command().has_members()) {
    return std::nullopt;
  }
  Members members;
  for (const v1::Members::Node& node : record.command().members().nodes()) {
    if (node.slot() < 1 || node.slot() > kSlotsMax || node.incarnation().empty()) {
      return std::nullopt;
    }
    const Slot slot = static_cast<Slot>(node.slot());
    if (members.Find(slot) != nullptr) return std::nullopt;
    members.list.push_back({slot, node.incarnation(), node.voter()});
  }
  if (members.voters() == 0) return std::nullopt;
  std::sort(members.list.begin(), members.list.end(),
            [](const Member& a, const Member& b) { return a.slot < b.slot; });
  return members;
}

absl::Status CheckMembersChange(const Members& now, const Members& next) {
  size_t steps = 0;
  for (const Member& member : next.list) {
    const Member* before = now.Find(member.slot);
    if (before != nullptr && *before == member) continue;
    ++steps;
    const bool is_new = before == nullptr || before->incarnation != member.incarnation;
    if (is_new && member.voter) {
      return absl::InvalidArgumentError(absl::StrCat(
          "members: the new incarnation of node ", ToInt(member.slot), " must begin as a learner"));
    }
    if (!is_new && before->voter) {
      return absl::InvalidArgumentError(
          absl::StrCat("members: node ", ToInt(member.slot), " cannot become a learner again"));
    }
  }
  for (const Member& member : now.list) {
    if (next.Find(member.slot) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("members: node ", ToInt(member.slot), " cannot be left out"));
    }
  }
  if (now.voters() == 2 && next.voters() == 1) {
    return absl::InvalidArgumentError("members: one of two voters cannot be replaced");
  }
  if (steps != 1) {
    return absl::InvalidArgumentError(absl::StrCat("members: one step at a time, not ", steps));
  }
  return absl::OkStatus();
}

const Members& MembersLog::At(Index index) const {
  for (size_t i = changes_.size(); i-- > 1;) {
    if (changes_[i].index <= index) return changes_[i].members;
  }
  return changes_.front().members;
}

void MembersLog::Append(Index index, Members members) {
  TRIAD_CHECK(index > changes_.back().index, "members were appended before older ones");
  changes_.push_back({index, std::move(members)});
}

void MembersLog::TruncateFrom(Index index) {
  while (changes_.size() > 1 && changes_.back().index >= index) changes_.pop_back();
}

void MembersLog::CompactTo(Index index) {
  size_t older = 0;
  while (older + 1 < changes_.size() && changes_[older + 1].index <= index) ++older;
  changes_.erase(changes_.begin(), changes_.begin() + static_cast<ptrdiff_t>(older));
}

void MembersLog::Jump(Index index, Members members, bool keep_later) {
  std::vector<Change> changes = {{index, std::move(members)}};
  for (Change& change : changes_) {
    if (keep_later && change.index > index) changes.push_back(std::move(change));
  }
  changes_ = std::move(changes);
}

}  // namespace triad::quorum
