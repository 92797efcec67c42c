#include "server/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "license/digest.h"
#include "license/protocol.h"
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

std::vector<storage::Member> RecordOf(const v1::Hello& hello) {
  std::vector<storage::Member> members;
  for (const auto& member : hello.members()) {
    members.push_back({static_cast<int>(member.slot()), member.incarnation()});
  }
  return members;
}

std::string RejoinText(int slot) {
  return absl::StrCat("slot ", slot, " is known: run triadd rejoin");
}

std::string OtherClusterText(int a, int b) {
  return absl::StrCat("nodes ", a, " and ", b, " belong to different clusters: ",
                      "on the one that is wrong, run triadd rejoin");
}

std::string WaitsText(int slot) {
  return absl::StrCat("node ", slot, " waits to be let in under a new incarnation");
}

}  // namespace

std::string ClusterId(const std::vector<storage::Member>& members) {
  std::string text = "triad cluster 1\n";
  for (const auto& member : members)
    absl::StrAppend(&text, member.slot, ":", member.incarnation, "\n");
  return license::Sha256(text);
}

quorum::Members BirthMembers(const storage::Identity& identity) {
  const auto* self = FindMember(identity.members, identity.slot);
  if (self == nullptr || self->incarnation != identity.incarnation) return {};
  return RecordedMembers(identity);
}

quorum::Members RecordedMembers(const storage::Identity& identity) {
  quorum::Members members;
  for (const auto& member : identity.members) {
    members.list.push_back({static_cast<Slot>(member.slot), member.incarnation, /*voter=*/true});
  }
  return members;
}

quorum::Members MembersOf(const v1::Members& members) {
  quorum::Members result;
  for (const auto& node : members.nodes()) {
    result.list.push_back({static_cast<Slot>(node.slot()), node.incarnation(), node.voter()});
  }
  return result;
}

Membership::Membership(Config config) : config_(std::move(config)), identity_(config_.identity) {
  if (!config_.quarantine_incarnation.empty()) {
    identity_.incarnation = config_.quarantine_incarnation;
    identity_.cluster_id.clear();
    identity_.members.clear();
    identity_.rejoining = true;
  }
  if (standing() == Standing::kMember) in_force_ = BirthMembers(identity_);
  if (standing() != Standing::kForming) return;
  met_[static_cast<Slot>(identity_.slot)] = identity_.incarnation;
  BearWhenComplete();  // a cluster of one needs nobody
}

Membership::Standing Membership::standing() const {
  if (!identity_.cluster_id.empty()) return Standing::kMember;
  if (!identity_.rejoining) return Standing::kForming;
  return config_.quarantine_incarnation.empty() ? Standing::kRejoining : Standing::kQuarantined;
}

const std::string& Membership::cluster_id() const {
  return standing() == Standing::kQuarantined ? config_.identity.cluster_id : identity_.cluster_id;
}

bool Membership::IsSlot(Slot slot) const {
  return std::find(config_.slots.begin(), config_.slots.end(), slot) != config_.slots.end();
}

bool Membership::VotesBy(const quorum::Members& members) const {
  const auto* self = members.Find(static_cast<Slot>(identity_.slot));
  return self != nullptr && self->voter && self->incarnation == identity_.incarnation;
}

void Membership::SetMembers(quorum::Members in_force, v1::Members committed) {
  in_force_ = std::move(in_force);
  committed_ = std::move(committed);
}

bool Membership::LetIn(Slot slot, const std::string& incarnation) const {
  if (!born()) return false;
  if (!VotesBy(in_force_)) return true;
  const auto* member = in_force_.Find(slot);
  if (member != nullptr) return member->incarnation == incarnation;
  // It counts nowhere here. The change that made this node a voter may never be committed, and the
  // others may have gone on without it, under a leader whom this log cannot know. (Where no members
  // are recorded, those of the birth are in force: nothing to take back.)
  return committed_.nodes_size() > 0 && !VotesBy(MembersOf(committed_));
}

v1::Hello Membership::MakeHello(Slot to) const {
  v1::Hello hello;
  hello.set_protocol(config_.protocol);
  hello.set_to_slot(static_cast<uint32_t>(to));
  hello.mutable_self()->set_slot(static_cast<uint32_t>(identity_.slot));
  hello.mutable_self()->set_incarnation(identity_.incarnation);
  hello.set_cluster_id(cluster_id());
  hello.set_server_set(identity_.server_set);
  hello.set_license_hash(config_.license_hash);
  for (const auto& member : identity_.members) {
    auto* wire = hello.add_members();
    wire->set_slot(static_cast<uint32_t>(member.slot));
    wire->set_incarnation(member.incarnation);
  }
  if (born()) return hello;
  for (const auto& [slot, incarnation] : met_) {
    auto* wire = hello.add_members();
    wire->set_slot(static_cast<uint32_t>(slot));
    wire->set_incarnation(incarnation);
  }
  hello.set_rejoin(identity_.rejoining);
  hello.set_host_id(config_.host_id);
  hello.set_host_id_matches(config_.host_id_matches);
  return hello;
}

v1::HelloAnswer Membership::OnHello(const v1::Hello& hello, Slot* from) {
  const std::string refusal = Judge(hello);
  const Slot slot = static_cast<Slot>(hello.self().slot());
  v1::HelloAnswer answer;
  answer.set_accepted(refusal.empty());
  answer.set_reason(refusal);
  answer.set_admitted(hello.rejoin() && refusal.empty());
  *answer.mutable_hello() = MakeHello(slot);
  *from = refusal.empty() && !hello.rejoin() ? slot : Slot::kNone;
  return answer;
}

bool Membership::OnHelloAnswer(Slot peer, const v1::HelloAnswer& answer) {
  const v1::Hello& hello = answer.hello();
  if (hello.self().slot() != static_cast<uint32_t>(peer)) {
    Note(&refused_, peer,
         absl::StrCat("node ", ToInt(peer), " answers as node ", hello.self().slot(),
                      ": check the order of the SERVER lines"));
    return false;
  }
  if (identity_.rejoining) {
    OnAskAnswer(peer, answer);
    return false;
  }
  const std::string refusal = Judge(hello);
  if (!refusal.empty() || hello.rejoin()) return false;
  Note(&refused_by_, peer, answer.accepted() ? "" : answer.reason());
  return answer.accepted();
}

// `text` "": no more.
void Membership::Note(std::map<Slot, std::string>* refusals, Slot slot, const std::string& text) {
  if (text.empty()) {
    refusals->erase(slot);
  } else {
    (*refusals)[slot] = text;
  }
  refusals_ = refused_by_;
  refusals_.insert(refused_.begin(), refused_.end());
}

// --------------------------------------------------------------------------------------------
// Coming back

void Membership::OnAskAnswer(Slot peer, const v1::HelloAnswer& answer) {
  const std::string doubt = WhyNotBelieved(answer.hello());
  if (!doubt.empty() || !answer.accepted() || !answer.admitted()) {
    Note(&refused_by_, peer, doubt.empty() ? answer.reason() : doubt);
    return;
  }
  refused_by_.clear();
  Note(&refused_, peer, "");
  identity_.cluster_id = answer.hello().cluster_id();
  identity_.members = RecordOf(answer.hello());
  identity_.rejoining = false;
  begin_ = true;
}

// What an answer must prove before a disk is touched for it. That the change is committed it can
// only say; no node of the cluster that the record names says it falsely.
std::string Membership::WhyNotBelieved(const v1::Hello& hello) const {
  std::string doubt = JudgeSelf(hello);
  if (!doubt.empty()) return doubt;
  const int slot = static_cast<int>(hello.self().slot());
  if (hello.cluster_id().empty() || hello.rejoin()) {
    return absl::StrCat("node ", slot, " is in no cluster yet that this node could come back to");
  }
  if (standing() == Standing::kQuarantined && hello.cluster_id() != config_.identity.cluster_id) {
    return OtherClusterText(slot, identity_.slot);
  }
  const std::vector<storage::Member> members = RecordOf(hello);
  const auto* own = FindMember(members, identity_.slot);
  if (ClusterId(members) != hello.cluster_id() ||
      (own != nullptr && own->incarnation == identity_.incarnation)) {
    return absl::StrCat("node ", slot, " shows no sound record of its cluster");
  }
  return "";
}

std::string Membership::JudgeNewcomer(const v1::Hello& hello) const {
  const int slot = static_cast<int>(hello.self().slot());
  if (standing() == Standing::kForming) {
    return absl::StrCat("node ", slot, " asks to come back, and there is no cluster yet: run ",
                        "triadd init on it, in an empty data directory");
  }
  if (!born()) return absl::StrCat("node ", identity_.slot, " is not let in yet itself");
  if (!hello.cluster_id().empty() && hello.cluster_id() != identity_.cluster_id) {
    return OtherClusterText(slot, identity_.slot);
  }
  if (IsAdmitted(hello)) return "";
  const auto* member = in_force_.Find(static_cast<Slot>(slot));
  if (member != nullptr && member->voter && member->incarnation == hello.self().incarnation()) {
    return absl::StrCat("node ", slot, " votes under this incarnation and may not forget what it ",
                        "has promised: run triadd rejoin again");
  }
  return WaitsText(slot);
}

bool Membership::Asks(const v1::Hello& hello) const {
  const int slot = static_cast<int>(hello.self().slot());
  return hello.rejoin() && slot != identity_.slot && IsSlot(static_cast<Slot>(slot)) &&
         JudgeSelf(hello).empty() && JudgeNewcomer(hello) == WaitsText(slot);
}

// A learner by the committed members, and not on its way to be anything else.
bool Membership::IsAdmitted(const v1::Hello& hello) const {
  const auto is_learner = [&hello](const quorum::Members& members) {
    const auto* member = members.Find(static_cast<Slot>(hello.self().slot()));
    return member != nullptr && !member->voter && member->incarnation == hello.self().incarnation();
  };
  return is_learner(in_force_) && is_learner(MembersOf(committed_));
}

// --------------------------------------------------------------------------------------------
// Callers

// What holds for every caller, whatever cluster it is of.
std::string Membership::JudgeSelf(const v1::Hello& hello) const {
  const int slot = static_cast<int>(hello.self().slot());
  // Nodes are upgraded one after the other.
  if (!license::SpeakTogether(hello.protocol(), config_.protocol)) {
    return absl::StrCat("node ", slot, " speaks version ", hello.protocol(),
                        " between nodes, this one ", config_.protocol, ": upgrade the older");
  }
  if (hello.self().incarnation().size() != kIncarnationBytes) {
    return absl::StrCat("node ", slot, " has no incarnation");
  }
  // Two of one cluster need no such proof, and one of them may know a newer license set.
  const bool same_cluster = !cluster_id().empty() && hello.cluster_id() == cluster_id();
  if (!same_cluster && hello.server_set() != identity_.server_set) {
    return absl::StrCat("nodes ", slot, " and ", identity_.slot,
                        " have different host ids on their SERVER lines: they are not of one "
                        "license set; copy the same license file to all");
  }
  return "";
}

std::string Membership::Judge(const v1::Hello& hello) {
  const int slot = static_cast<int>(hello.self().slot());
  const Slot caller = static_cast<Slot>(slot);
  if (slot == identity_.slot || !IsSlot(caller)) {
    return absl::StrCat("a caller says that it is node ", slot, "; this is node ", identity_.slot,
                        ": check --node and the order of the SERVER lines");
  }
  std::string refusal = JudgeSelf(hello);
  if (refusal.empty()) refusal = JudgeByStanding(hello);
  Note(&refused_, caller, refusal);
  if (hello.rejoin() && refusal == WaitsText(slot)) {
    waits_.insert(caller);
  } else {
    waits_.erase(caller);
  }
  return refusal;
}

std::string Membership::JudgeByStanding(const v1::Hello& hello) {
  if (hello.rejoin()) return JudgeNewcomer(hello);
  switch (standing()) {
    case Standing::kMember:
      return JudgeMember(hello);
    case Standing::kForming:
      return JudgeBeforeBirth(hello);
    case Standing::kRejoining:
    case Standing::kQuarantined:
      break;
  }
  return WaitsText(identity_.slot);
}

std::string Membership::JudgeMember(const v1::Hello& hello) const {
  const int slot = static_cast<int>(hello.self().slot());
  if (!hello.cluster_id().empty()) {
    if (hello.cluster_id() != identity_.cluster_id) return OtherClusterText(slot, identity_.slot);
    if (LetIn(static_cast<Slot>(slot), hello.self().incarnation())) return "";
    return RejoinText(slot);
  }
  // It has a part in the birth but has not heard of it yet, or it has none.
  const auto* born = FindMember(identity_.members, slot);
  if (born == nullptr || born->incarnation != hello.self().incarnation()) return RejoinText(slot);
  return LetIn(static_cast<Slot>(slot), born->incarnation) ? "" : RejoinText(slot);
}

// --------------------------------------------------------------------------------------------
// Birth

std::string Membership::JudgeBeforeBirth(const v1::Hello& hello) {
  const int slot = static_cast<int>(hello.self().slot());
  const auto& followed = followed_[static_cast<Slot>(slot)];
  if (std::find(followed.begin(), followed.end(), hello.self().incarnation()) != followed.end()) {
    return absl::StrCat("node ", slot, " was initialised again since: this is an old message");
  }
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
  Meet(static_cast<Slot>(slot), hello);
  BearWhenComplete();
  return "";
}

bool Membership::Adopt(const v1::Hello& hello) {
  const std::vector<storage::Member> members = RecordOf(hello);
  if (members.size() != config_.slots.size() || ClusterId(members) != hello.cluster_id())
    return false;
  const auto* self = FindMember(members, identity_.slot);
  const auto* caller = FindMember(members, static_cast<int>(hello.self().slot()));
  if (self == nullptr || self->incarnation != identity_.incarnation) return false;
  if (caller == nullptr || caller->incarnation != hello.self().incarnation()) return false;
  identity_.members = members;
  identity_.cluster_id = hello.cluster_id();
  in_force_ = BirthMembers(identity_);
  store_ = true;
  return true;
}

void Membership::Meet(Slot slot, const v1::Hello& hello) {
  std::string& met = met_[slot];
  if (met != hello.self().incarnation()) {
    if (!met.empty()) followed_[slot].push_back(met);
    met = hello.self().incarnation();
    say_again_ = true;
  }
  auto& said = said_[slot];
  said.clear();
  for (const auto& member : hello.members()) {
    said[static_cast<Slot>(member.slot())] = member.incarnation();
  }
}

void Membership::BearWhenComplete() {
  if (born() || met_.size() != config_.slots.size()) return;
  for (Slot slot : config_.slots) {
    if (ToInt(slot) != identity_.slot && said_[slot] != met_) return;
  }
  for (const auto& [slot, incarnation] : met_) {
    identity_.members.push_back({ToInt(slot), incarnation});
  }
  identity_.cluster_id = ClusterId(identity_.members);
  in_force_ = BirthMembers(identity_);
  store_ = true;
}

bool Membership::TakeHelloAgain() {
  return std::exchange(say_again_, false);
}

std::optional<storage::Identity> Membership::TakeNewIdentity() {
  if (!std::exchange(store_, false)) return std::nullopt;
  return identity_;
}

std::optional<storage::Identity> Membership::TakeAdmission() {
  if (!std::exchange(begin_, false)) return std::nullopt;
  return identity_;
}

std::optional<storage::Identity> Membership::UseServerSet(const std::string& server_set) {
  if (!born() || server_set.empty() || identity_.server_set == server_set) return std::nullopt;
  identity_.server_set = server_set;
  return identity_;
}

std::vector<Slot> Membership::unmet() const {
  std::vector<Slot> missing;
  if (standing() != Standing::kForming) return missing;
  for (Slot slot : config_.slots) {
    if (!met_.contains(slot)) missing.push_back(slot);
  }
  return missing;
}

}  // namespace triad::server
