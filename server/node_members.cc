// Changes of members: newcomers that ask, what the leader proposes, and which links may stay.
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "license/host_id.h"
#include "server/node.h"

namespace triad::server {
namespace {

using quorum::Member;
using quorum::Slot;

// "nodes 1, 2 vote, node 3 learns"
std::string Describe(const quorum::Members& members) {
  std::vector<int> voters, learners;
  for (const Member& member : members.list) {
    (member.voter ? voters : learners).push_back(ToInt(member.slot));
  }
  std::string text = absl::StrCat("voters are nodes ", absl::StrJoin(voters, ", "));
  if (!learners.empty()) absl::StrAppend(&text, "; learning: ", absl::StrJoin(learners, ", "));
  return text;
}

}  // namespace

// The cluster has let this node in: only now is its disk touched.
void Node::BeginAsLearner(const storage::Identity& identity) {
  env_.identity_writer->Begin(identity);
  Log(LogLevel::kNotice, "the cluster has let this node in under its new incarnation: it learns");
  StartCore();
  for (auto& [peer, link] : outgoing_) OnOutgoingUp(peer);
}

void Node::OnAsk(const v1::Hello& hello, v1::HelloAnswer* answer) {
  if (!core_ || answer->accepted() || !membership_.Asks(hello)) return;
  const Slot slot = static_cast<Slot>(hello.self().slot());
  const int64_t now = env_.clock->NowMs();
  v1::Hello judged = hello;
  judged.set_host_id_matches(hello.host_id_matches() && IsMachineOf(slot, hello.host_id()));
  replacement_.OnAsk(judged, now);
  const std::string waits = replacement_.WaitsFor(slot, ViewOfMembers(), now);
  if (!waits.empty()) answer->set_reason(waits);
}

// By the SERVER line in force: a node that comes back with an older file may take its machine for
// the licensed one. (A program that says none compares for itself.)
bool Node::IsMachineOf(Slot slot, const std::string& host_id) const {
  const auto& lines = ledger_->catalog().servers();
  const auto place = static_cast<size_t>(ToInt(slot)) - 1;
  if (host_id.empty() || place >= lines.size()) return true;
  const license::HostId& licensed = lines[place].host_id;
  if (licensed.type == license::HostId::Type::kAny) return true;
  const auto parsed = license::ParseHostId(host_id);
  return parsed.ok() && *parsed == licensed;
}

// Under the incarnation in force, and not only by a stream that nobody speaks on any more.
bool Node::IsConnected(Slot slot) const {
  if (core_->ticks_since_heard(slot) * kTickMs > kOldIncarnationSilentMs) return false;
  if (IsReachable(slot)) return true;
  for (const auto& [link, speaker] : incoming_) {
    if (speaker.slot == slot) return true;
  }
  return false;
}

Replacement::View Node::ViewOfMembers() const {
  Replacement::View view;
  view.leads_confirmed = ReadyToPropose();
  view.in_force = core_->members();
  // And applied: what is recorded of them, a waiver for example, is the ledger's.
  view.committed = core_->members_committed() &&
                   core_->members_index() <= quorum::Index(ledger_->applied().index);
  view.recorded = ledger_->members();
  view.connected = [this](Slot slot) { return IsConnected(slot); };
  view.caught_up = [this](Slot slot) { return core_->CaughtUp(slot); };
  return view;
}

void Node::TendMembers(int64_t now_ms) {
  if (!ReadyToPropose()) return;
  const bool whole = core_->members().voters() == config_.servers.size();
  if (whole && !replacement_.AnyAsked()) return;
  auto next = replacement_.Next(ViewOfMembers(), now_ms);
  if (!next) return;
  const quorum::Members proposed = MembersOf(*next);
  v1::Command command;
  *command.mutable_members() = *std::move(next);
  const auto position = core_->ProposeMembers(MakePayload(NewStamp(), &command));
  if (!position.ok()) return;  // tried again with the next tick
  Log(LogLevel::kNotice, absl::StrCat("proposing members: ", Describe(proposed)));
  WatchMembers();
}

// The identity says which license server this is: whoever has lost its disk asks to come back with
// the SERVER lines that are in force by then.
void Node::KeepServerSet() {
  const std::string server_set = absl::HexStringToBytes(ledger_->catalog().server_set());
  const auto identity = membership_.UseServerSet(server_set);
  if (!identity) return;
  env_.identity_writer->Store(*identity);
  Log(LogLevel::kNotice, "the SERVER lines in force name other machines than before");
}

// From the moment a change stands in the log its old incarnation is not heard any more; when it is
// cut away again, that one is let in again.
void Node::WatchMembers(bool applied) {
  if (!core_ || (!applied && core_->members() == seen_members_)) return;
  if (core_->members() != seen_members_ && !seen_members_.list.empty()) {
    Log(LogLevel::kInfo, Describe(core_->members()));
  }
  replacement_.OnMembers(seen_members_, core_->members());
  seen_members_ = core_->members();
  membership_.SetMembers(seen_members_, ledger_->members());
  std::vector<LinkId> cut;
  for (const auto& [link, speaker] : incoming_) {
    if (!membership_.LetIn(speaker.slot, speaker.incarnation)) cut.push_back(link);
  }
  for (LinkId link : cut) {
    OnIncomingClosed(link);
    env_.peers->CloseLink(link);
  }
  for (auto& [peer, link] : outgoing_) {
    if (link.accepted && !membership_.LetIn(peer, link.incarnation)) link.accepted = false;
  }
}

}  // namespace triad::server
