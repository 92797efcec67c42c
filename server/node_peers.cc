// The links to the other nodes: who is let in, and what their messages do.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/node.h"
#include "server/peer_codec.h"

namespace triad::server {

using quorum::Slot;

bool Node::IsReachable(Slot peer) const {
  const auto it = outgoing_.find(peer);
  return it != outgoing_.end() && it->second.accepted;
}

v1::Hello Node::MakeHello(Slot to) const {
  v1::Hello hello = membership_.MakeHello(to);
  hello.set_version(config_.version);
  return hello;
}

// The identity may have changed: a birth is stored, told to the others, and the core begins.
void Node::AfterHello() {
  if (auto identity = membership_.TakeNewIdentity()) {
    env_.identity_writer->Store(*identity);
    Log(LogLevel::kNotice, absl::StrCat("the cluster is formed, with ", config_.servers.size(),
                                        config_.servers.size() == 1 ? " node" : " nodes"));
    // Whoever was met before the birth must be judged by the record: all say hello again.
    incoming_.clear();
    for (auto& [peer, link] : outgoing_) OnOutgoingUp(peer);
  }
  if (auto identity = membership_.TakeAdmission(); identity && !fatal()) BeginAsLearner(*identity);
  if (membership_.born() && !core_ && !fatal()) StartCore();
  if (membership_.TakeHelloAgain()) {
    for (auto& [peer, link] : outgoing_) OnOutgoingUp(peer);
  }
  TellRefusals();
  desk_.set_not_ready(core_ ? "" : NotReady());
}

void Node::TellRefusals() {
  for (const auto& [slot, reason] : membership_.refusals()) {
    if (told_refusals_[slot] == reason || membership_.fatal()) continue;
    Log(membership_.IsWait(slot) ? LogLevel::kNotice : LogLevel::kError, reason);
  }
  told_refusals_ = membership_.refusals();
}

void Node::OnIncoming(LinkId link, v1::PeerMessage message) {
  if (message.has_hello()) {
    Slot from = Slot::kNone;
    v1::PeerMessage answer;
    *answer.mutable_hello_answer() = membership_.OnHello(message.hello(), &from);
    if (message.hello().rejoin()) OnAsk(message.hello(), answer.mutable_hello_answer());
    AfterHello();
    // After a birth that this very Hello brought about, the answer says so.
    *answer.mutable_hello_answer()->mutable_hello() =
        MakeHello(static_cast<Slot>(message.hello().self().slot()));
    // A link that was let in before the birth may be one that is not of the cluster.
    incoming_.erase(link);
    if (from != Slot::kNone) incoming_[link] = {from, message.hello().self().incarnation()};
    env_.peers->Answer(link, std::move(answer));
    return;
  }
  auto it = incoming_.find(link);
  if (it != incoming_.end()) OnPeerMessage(it->second.slot, std::move(message));
}

void Node::OnIncomingClosed(LinkId link) {
  auto it = incoming_.find(link);
  if (it == incoming_.end()) return;
  const Slot peer = it->second.slot;
  incoming_.erase(it);
  for (const auto& [other, speaker] : incoming_) {
    if (speaker.slot == peer) return;  // it has dialled again already
  }
  if (core_) core_->LinkDown(peer);
}

void Node::OnOutgoingUp(Slot peer) {
  outgoing_[peer].accepted = false;
  v1::PeerMessage message;
  *message.mutable_hello() = MakeHello(peer);
  env_.peers->Send(peer, std::move(message));
}

void Node::OnOutgoing(Slot peer, const v1::PeerMessage& message) {
  if (!message.has_hello_answer()) return;
  const v1::HelloAnswer& answer = message.hello_answer();
  const bool accepted = membership_.OnHelloAnswer(peer, answer);
  const bool known = IsReachable(peer);
  outgoing_[peer] = {accepted, answer.hello().self().incarnation(), answer.hello().version()};
  if (accepted && !known) Note(absl::StrCat("Connected to node ", HostOf(peer)));
  AfterHello();
}

void Node::OnOutgoingDown(Slot peer) {
  if (IsReachable(peer)) Note(absl::StrCat("Lost connection to node ", HostOf(peer)));
  outgoing_.erase(peer);
  if (!core_) return;
  // The lease hangs on the stream that the leader dialled; a leader's own window hangs on this one.
  if (Leads()) core_->LinkDown(peer);
  if (peer == seen_leader_) {
    proposals_.OnLeaderChanged();
    reads_.ForgetLeader();
  }
}

void Node::OnRelay(Slot from, v1::Relay relay) {
  if (!ReadyToPropose()) return RefuseRelay(from, relay, "not the leader");
  if (relays_.size() >= kRelaysHeldMax) return RefuseRelay(from, relay, "too much is under way");
  relays_.emplace_back(from, std::move(relay));
}

void Node::RefuseRelay(Slot to, const v1::Relay& relay, const char* why) {
  v1::PeerMessage answer;
  answer.mutable_relay_answer()->set_first_id(relay.first_id());
  answer.mutable_relay_answer()->set_refusal(why);
  env_.peers->Send(to, std::move(answer));
}

// What followers have relayed since the last round.
void Node::AppendRelays() {
  for (auto& [from, relay] : std::exchange(relays_, {})) {
    if (!Leads()) {
      RefuseRelay(from, relay, "not the leader");
      continue;
    }
    proposals_.AppendRelayed(from, std::move(relay), &*core_, NewStamp(),
                             [this](const v1::Command& command) { return Objection(command); });
  }
}

void Node::OnPeerMessage(Slot from, v1::PeerMessage message) {
  if (!core_ || fatal()) return;
  heard_ms_[from] = env_.clock->NowMs();
  switch (message.body_case()) {
    case v1::PeerMessage::kQuorum: {
      auto decoded = Decode(from, config_.self, std::move(*message.mutable_quorum()));
      if (decoded.ok()) {
        core_->Step(*std::move(decoded));
        WatchMembers();
      } else {
        Log(LogLevel::kWarning,
            absl::StrCat("from node ", ToInt(from), ": ", std::string(decoded.status().message())));
      }
      return;
    }
    case v1::PeerMessage::kRelay:
      return OnRelay(from, std::move(*message.mutable_relay()));
    case v1::PeerMessage::kRelayAnswer:
      return proposals_.OnRelayAnswer(from, message.relay_answer(),
                                      quorum::Index(ledger_->applied().index), env_.clock->NowMs());
    case v1::PeerMessage::kReport:
      return OnSessionReport(from, message.report());
    case v1::PeerMessage::kReportAnswer:
      return desk_.OnReportAnswer(message.report_answer());
    case v1::PeerMessage::kRead:
      return OnReadRequest(from, message.read().id());
    case v1::PeerMessage::kReadAnswer:
      return OnReadAnswer(message.read_answer());
    case v1::PeerMessage::kOrder:
      return OnOrder(from, message.order());
    default:
      return;
  }
}

// Only to those who let this node in: before that they could not know who is speaking.
void Node::SendQuorum(const std::vector<quorum::Message>& messages) {
  for (const quorum::Message& message : messages) {
    if (IsReachable(message.to)) env_.peers->Send(message.to, Encode(message));
  }
}

}  // namespace triad::server
