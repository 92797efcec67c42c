#include "server/replacement.h"

#include "absl/strings/str_cat.h"
#include "server/limits.h"

namespace triad::server {
namespace {

using quorum::Member;
using quorum::Slot;

// In the words of the log: the members in force, with what the ledger knows of each incarnation.
v1::Members Record(const quorum::Members& members, const v1::Members& recorded) {
  v1::Members result;
  for (const Member& member : members.list) {
    v1::Members::Node* node = result.add_nodes();
    for (const auto& known : recorded.nodes()) {
      if (known.incarnation() == member.incarnation) *node = known;
    }
    node->set_slot(static_cast<uint32_t>(member.slot));
    node->set_incarnation(member.incarnation);
    node->set_voter(member.voter);
  }
  return result;
}

// The node of `slot` in `members`, put in its place in the order of slots if there is none.
v1::Members::Node* NodeOf(Slot slot, v1::Members* members) {
  const auto number = static_cast<uint32_t>(slot);
  int place = 0;
  for (; place < members->nodes_size() && members->nodes(place).slot() <= number; ++place) {
    if (members->nodes(place).slot() == number) return members->mutable_nodes(place);
  }
  members->add_nodes()->set_slot(number);
  for (int last = members->nodes_size() - 1; last > place; --last) {
    members->mutable_nodes()->SwapElements(last, last - 1);
  }
  return members->mutable_nodes(place);
}

}  // namespace

void Replacement::OnMembers(const quorum::Members& before, const quorum::Members& now) {
  for (const Member& member : now.list) {
    const Member* was = before.Find(member.slot);
    if (was == nullptr || was->incarnation != member.incarnation) newcomers_.erase(member.slot);
  }
}

void Replacement::OnAsk(const v1::Hello& hello, int64_t now_ms) {
  Newcomer& newcomer = newcomers_[static_cast<Slot>(hello.self().slot())];
  const bool is_new = newcomer.incarnation != hello.self().incarnation() ||
                      now_ms - newcomer.asked_ms > kNewcomerAsksMs;
  newcomer = {hello.self().incarnation(), hello.host_id(), hello.host_id_matches(),
              is_new ? now_ms : newcomer.first_ms, now_ms};
}

const Replacement::Newcomer* Replacement::Asking(Slot slot, const View& view,
                                                 int64_t now_ms) const {
  const auto it = newcomers_.find(slot);
  if (it == newcomers_.end() || now_ms - it->second.asked_ms > kNewcomerAsksMs) return nullptr;
  const Member* member = view.in_force.Find(slot);
  const bool in_force = member != nullptr && member->incarnation == it->second.incarnation;
  return in_force ? nullptr : &it->second;
}

std::string Replacement::WaitsFor(Slot slot, const View& view, int64_t now_ms) const {
  const int number = ToInt(slot);
  if (Asking(slot, view, now_ms) == nullptr) {
    return newcomers_.contains(slot) && now_ms - newcomers_.at(slot).asked_ms <= kNewcomerAsksMs
               ? absl::StrCat("node ", number, " is being let in")
               : absl::StrCat("node ", number, " has not asked lately");
  }
  if (!view.leads_confirmed) {
    return absl::StrCat("node ", number, " waits to be let in by the leader");
  }
  if (!view.committed) {
    return absl::StrCat("node ", number, " waits: another change of members is under way");
  }
  const Member* member = view.in_force.Find(slot);
  if (member == nullptr) return "";
  const Newcomer& newcomer = newcomers_.at(slot);
  if (newcomer.asked_ms - newcomer.first_ms < kHelloAgainMs / 2) {
    return absl::StrCat("node ", number, " waits: it is let in when it has asked once more");
  }
  if (view.connected(slot)) {
    return absl::StrCat("node ", number, " is connected under its old incarnation: stop that one");
  }
  for (const auto& other : view.recorded.nodes()) {
    if (newcomer.host_id_matches || !other.waiver() ||
        other.slot() == static_cast<uint32_t>(slot)) {
      continue;
    }
    return absl::StrCat(
        "node ", number, " waits: its machine has another host id than its SERVER ",
        "line, and node ", other.slot(), " runs on a waiver already, one at a time: ",
        "put one of them on its licensed machine, or ask the vendor for a new file");
  }
  // Every grant is on two disks before anybody hears of it; only `triadd recover` may change that.
  if (member->voter && view.in_force.voters() == 2) {
    return absl::StrCat("node ", number, " waits: without its old incarnation one voter would be ",
                        "left; let another node catch up first, or run triadd recover on the last");
  }
  return "";
}

std::optional<v1::Members> Replacement::Next(const View& view, int64_t now_ms) const {
  if (!view.leads_confirmed || !view.committed) return std::nullopt;
  v1::Members next = Record(view.in_force, view.recorded);
  // Whoever can vote soonest comes first: until then the loss of one node more is a standstill.
  for (const Member& member : view.in_force.list) {
    if (member.voter || Asking(member.slot, view, now_ms) != nullptr) continue;
    if (!view.caught_up(member.slot)) continue;
    NodeOf(member.slot, &next)->set_voter(true);
    return next;
  }
  for (const auto& [slot, newcomer] : newcomers_) {
    if (Asking(slot, view, now_ms) == nullptr || !WaitsFor(slot, view, now_ms).empty()) continue;
    v1::Members::Node* node = NodeOf(slot, &next);
    node->set_incarnation(newcomer.incarnation);
    node->set_voter(false);
    node->set_host_id(newcomer.host_id);
    node->set_waiver(!newcomer.host_id_matches);
    return next;
  }
  return std::nullopt;
}

}  // namespace triad::server
