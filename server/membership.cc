#include "server/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/digest.h"
#include "server/limits.h"

namespace triad::server {
namespace {

using quorum::Slot;

constexpr size_t kIncarnationBytes = 16;

const storage::Member* FindMember(const std::vector<storage::Member>& members, int slot) {
  for (const auto& member : members) {
    if (member.slot == slot) return &member;
  }
  return nullptr;
}

std::vector<storage::Member> MembersOf(const v1::Hello& hello) {
  std::vector<storage::Member> members;
  for (const auto& member : hello.members()) {
    members.push_back({static_cast<int>(member.slot()), member.incarnation()});
  }
  return members;
}

std::string RejoinText(int slot) {
  return absl::StrCat("slot ", slot, " is known: run triadd rejoin");
}

}  // namespace

std::string ClusterId(const std::vector<storage::Member>& members) {
  std::string text = "triad cluster 1\n";
  for (const auto& member : members)
    absl::StrAppend(&text, member.slot, ":", member.incarnation, "\n");
  return license::Sha256(text);
}

Membership::Membership(Config config) : config_(std::move(config)), identity_(config_.identity) {
  met_[static_cast<Slot>(identity_.slot)] = identity_.incarnation;
  BearWhenComplete();  // a cluster of one needs nobody
}

v1::Hello Membership::MakeHello(Slot to) const {
  v1::Hello hello;
  hello.set_protocol(kPeerProtocol);
  hello.set_to_slot(static_cast<uint32_t>(to));
  hello.mutable_self()->set_slot(static_cast<uint32_t>(identity_.slot));
  hello.mutable_self()->set_incarnation(identity_.incarnation);
  hello.set_cluster_id(identity_.cluster_id);
  hello.set_server_set(config_.server_set);
  hello.set_license_hash(config_.license_hash);
  for (const auto& member : identity_.members) {
    auto* wire = hello.add_members();
    wire->set_slot(static_cast<uint32_t>(member.slot));
    wire->set_incarnation(member.incarnation);
  }
  return hello;
}

v1::HelloAnswer Membership::OnHello(const v1::Hello& hello, Slot* from) {
  const std::string refusal = Judge(hello);
  const Slot slot = static_cast<Slot>(hello.self().slot());
  v1::HelloAnswer answer;
  answer.set_accepted(refusal.empty());
  answer.set_reason(refusal);
  *answer.mutable_hello() = MakeHello(slot);
  *from = refusal.empty() ? slot : Slot::kNone;
  return answer;
}

bool Membership::OnHelloAnswer(Slot peer, const v1::HelloAnswer& answer) {
  const v1::Hello& hello = answer.hello();
  if (hello.self().slot() != static_cast<uint32_t>(peer)) {
    refusals_[peer] = absl::StrCat("node ", ToInt(peer), " answers as node ", hello.self().slot(),
                                   ": check the order of the SERVER lines");
    return false;
  }
  const std::string refusal = Judge(hello);
  if (!refusal.empty()) return false;
  if (!answer.accepted()) {
    refusals_[peer] = answer.reason();
    return false;
  }
  return true;
}

std::string Membership::Judge(const v1::Hello& hello) {
  const int slot = static_cast<int>(hello.self().slot());
  const Slot caller = static_cast<Slot>(slot);
  if (slot == identity_.slot ||
      std::find(config_.slots.begin(), config_.slots.end(), caller) == config_.slots.end()) {
    return absl::StrCat("a caller says that it is node ", slot, "; this is node ", identity_.slot,
                        ": check --node and the order of the SERVER lines");
  }
  std::string refusal;
  if (hello.protocol() != kPeerProtocol) {
    refusal = absl::StrCat("node ", slot, " speaks version ", hello.protocol(),
                           " between nodes, this one ", kPeerProtocol, ": upgrade the older");
  } else if (hello.self().incarnation().size() != kIncarnationBytes) {
    refusal = absl::StrCat("node ", slot, " has no incarnation");
  } else if (hello.server_set() != config_.server_set) {
    refusal = absl::StrCat("nodes ", slot, " and ", identity_.slot,
                           " have different host ids on their SERVER lines: they are not of one "
                           "license set; copy the same license file to all");
  } else if (!born()) {
    refusal = JudgeBeforeBirth(hello);
  } else if (!hello.cluster_id().empty() && hello.cluster_id() != identity_.cluster_id) {
    refusal = absl::StrCat(
        "nodes ", slot, " and ", identity_.slot,
        " belong to different clusters: ", "on the one that is wrong, run triadd rejoin");
  } else {
    const auto* member = FindMember(identity_.members, slot);
    if (member == nullptr || member->incarnation != hello.self().incarnation()) {
      refusal = RejoinText(slot);
    }
  }
  if (refusal.empty()) {
    refusals_.erase(caller);
  } else {
    refusals_[caller] = refusal;
  }
  return refusal;
}

std::string Membership::JudgeBeforeBirth(const v1::Hello& hello) {
  const int slot = static_cast<int>(hello.self().slot());
  if (!hello.cluster_id().empty()) {
    if (Adopt(hello)) return "";
    // The other two have gone on without this identity.
    fatal_ = RejoinText(identity_.slot);
    return *fatal_;
  }
  if (hello.license_hash() != config_.license_hash) {
    return absl::StrCat("nodes ", slot, " and ", identity_.slot,
                        " were initialised with different license files: copy the same file to all "
                        "three hosts and start them again");
  }
  met_[static_cast<Slot>(slot)] = hello.self().incarnation();
  BearWhenComplete();
  return "";
}

bool Membership::Adopt(const v1::Hello& hello) {
  const std::vector<storage::Member> members = MembersOf(hello);
  if (members.size() != config_.slots.size() || ClusterId(members) != hello.cluster_id())
    return false;
  const auto* self = FindMember(members, identity_.slot);
  const auto* caller = FindMember(members, static_cast<int>(hello.self().slot()));
  if (self == nullptr || self->incarnation != identity_.incarnation) return false;
  if (caller == nullptr || caller->incarnation != hello.self().incarnation()) return false;
  identity_.members = members;
  identity_.cluster_id = hello.cluster_id();
  store_ = true;
  return true;
}

void Membership::BearWhenComplete() {
  if (born() || met_.size() != config_.slots.size()) return;
  for (const auto& [slot, incarnation] : met_) {
    identity_.members.push_back({ToInt(slot), incarnation});
  }
  identity_.cluster_id = ClusterId(identity_.members);
  store_ = true;
}

std::optional<storage::Identity> Membership::TakeNewIdentity() {
  if (!store_) return std::nullopt;
  store_ = false;
  return identity_;
}

std::vector<Slot> Membership::unmet() const {
  std::vector<Slot> missing;
  if (born()) return missing;
  for (Slot slot : config_.slots) {
    if (!met_.contains(slot)) missing.push_back(slot);
  }
  return missing;
}

}  // namespace triad::server
