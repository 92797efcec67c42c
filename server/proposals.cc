#include "server/proposals.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "license/ledger.h"
#include "server/limits.h"

namespace triad::server {
namespace {

bool IsCheckout(const v1::Command& command) {
  return command.has_request() && command.request().has_checkout();
}

// Given up after a time; the node's own commands are kept (detach) or dropped at once (expire).
bool AnswersAClient(Origin::Kind kind) {
  return kind == Origin::Kind::kOpen || kind == Origin::Kind::kAttach ||
         kind == Origin::Kind::kRequest || kind == Origin::Kind::kClose ||
         kind == Origin::Kind::kInstall || kind == Origin::Kind::kAdmin;
}

v1::Failure MakeFailure(v1::Failure::Why why, const std::string& reason, bool certain) {
  v1::Failure failure;
  failure.set_why(why);
  failure.set_reason(reason);
  failure.set_certain(certain);
  failure.set_retry_after_ms(kRetryAfterMs);
  return failure;
}

}  // namespace

std::shared_ptr<const std::string> MakePayload(const v1::Stamp& stamp, v1::Command* command) {
  v1::LogRecord record;
  *record.mutable_stamp() = stamp;
  if (const uint32_t version = license::RequiredVersion(*command); version > 1) {
    record.set_version(version);
  }
  record.mutable_command()->Swap(command);
  auto payload = std::make_shared<const std::string>(record.SerializeAsString());
  record.mutable_command()->Swap(command);
  return payload;
}

void Proposals::Submit(v1::Command command, Origin origin, int64_t now_ms) {
  const size_t room = IsCheckout(command) ? kPendingCheckoutsMax : kPendingCommandsMax;
  if (pending_.size() >= room && AnswersAClient(origin.kind)) {
    sink_->OnFailure(origin,
                     MakeFailure(v1::Failure::OVERLOADED,
                                 "this node has too many requests waiting: try again shortly",
                                 /*certain=*/true));
    return;
  }
  const uint64_t id = next_id_++;
  Pending& pending = pending_[id];
  pending.command = std::move(command);
  pending.origin = std::move(origin);
  pending.submitted_ms = now_ms;
  queued_.push_back(id);
}

std::vector<uint64_t> Proposals::TakeQueued(size_t count_max, size_t bytes_max) {
  std::vector<uint64_t> ids;
  size_t bytes = 0;
  while (!queued_.empty() && ids.size() < count_max) {
    const uint64_t id = queued_.front();
    auto it = pending_.find(id);
    if (it == pending_.end() || it->second.state != State::kQueued) {
      queued_.pop_front();  // failed meanwhile
      continue;
    }
    bytes += it->second.command.ByteSizeLong();
    if (!ids.empty() && bytes > bytes_max) break;
    queued_.pop_front();
    ids.push_back(id);
  }
  return ids;
}

void Proposals::Send(const Route& route, quorum::Core* core, const v1::Stamp& stamp,
                     int64_t now_ms) {
  for (auto it = batches_.begin(); it != batches_.end();) {
    if (now_ms - it->second.sent_ms < kRelayTimeoutMs) {
      ++it;
      continue;
    }
    Requeue(it->second);
    it = batches_.erase(it);
  }
  if (queued_.empty()) return;
  if (route.leads) {
    AppendQueued(core, stamp, route.objection);
  } else if (route.leader != quorum::Slot::kNone && route.leader_reachable &&
             now_ms >= relay_not_before_ms_) {
    RelayQueued(route.leader, now_ms);
  }
}

void Proposals::AppendQueued(quorum::Core* core, const v1::Stamp& stamp,
                             const Objection& objection) {
  for (;;) {
    std::vector<uint64_t> ids = TakeQueued(kRelayCommandsMax, kRelayBytesMax);
    if (ids.empty()) return;
    std::erase_if(ids, [&](uint64_t id) {
      auto failure = objection ? objection(pending_[id].command) : std::nullopt;
      if (failure) FailAs(id, *std::move(failure), /*taken_back=*/0);
      return !pending_.contains(id);
    });
    if (ids.empty()) continue;
    std::vector<std::shared_ptr<const std::string>> payloads;
    payloads.reserve(ids.size());
    for (uint64_t id : ids) payloads.push_back(MakePayload(stamp, &pending_[id].command));
    const auto position = core->Propose(payloads);
    if (!position.ok()) {
      // Handing over, or too much under way: nothing was appended. Wait for the next turn.
      queued_.insert(queued_.begin(), ids.begin(), ids.end());
      return;
    }
    quorum::Index index = position->first_index;
    for (uint64_t id : ids) {
      Pending& pending = pending_[id];
      pending.state = State::kAppended;
      ++pending.handed_on;
      pending.term = position->term;
      pending.index = index;
      Place(index, id);
      ++index;
    }
  }
}

void Proposals::RelayQueued(quorum::Slot leader, int64_t now_ms) {
  while (batches_.size() < kRelayBatchesMax) {
    std::vector<uint64_t> ids = TakeQueued(kRelayCommandsMax, kRelayBytesMax);
    if (ids.empty()) return;
    v1::PeerMessage message;
    auto* relay = message.mutable_relay();
    relay->set_first_id(next_batch_);
    for (uint64_t id : ids) {
      Pending& pending = pending_[id];
      *relay->add_commands() = pending.command;
      pending.state = State::kRelayed;
      ++pending.handed_on;
    }
    batches_[next_batch_++] = Batch{leader, now_ms, std::move(ids)};
    peers_->Send(leader, std::move(message));
  }
}

void Proposals::AppendRelayed(quorum::Slot from, v1::Relay relay, quorum::Core* core,
                              const v1::Stamp& stamp, const Objection& objection) {
  v1::PeerMessage message;
  auto* answer = message.mutable_relay_answer();
  answer->set_first_id(relay.first_id());
  std::vector<std::shared_ptr<const std::string>> payloads;
  payloads.reserve(static_cast<size_t>(relay.commands_size()));
  std::vector<bool> appended;
  for (v1::Command& command : *relay.mutable_commands()) {
    const auto failure = objection ? objection(command) : std::nullopt;
    appended.push_back(!failure);
    if (!failure) {
      payloads.push_back(MakePayload(stamp, &command));
      continue;
    }
    auto* failed = answer->add_failed();
    failed->set_position(static_cast<uint32_t>(appended.size() - 1));
    failed->set_why(static_cast<uint32_t>(failure->why()));
    failed->set_reason(failure->reason());
  }
  if (payloads.empty()) return peers_->Send(from, std::move(message));
  const auto position = core->Propose(payloads);
  if (position.ok()) {
    answer->set_term(position->term.value());
    uint64_t placed = 0;
    for (const bool is : appended) {
      answer->add_indexes(is ? (position->first_index + placed++).value() : 0);
    }
  } else {
    answer->set_refusal(std::string(position.status().message()));
  }
  peers_->Send(from, std::move(message));
}

void Proposals::OnRelayAnswer(quorum::Slot from, const v1::RelayAnswer& answer,
                              quorum::Index applied, int64_t now_ms) {
  auto it = batches_.find(answer.first_id());
  if (it == batches_.end() || it->second.to != from) return;  // sent again meanwhile
  const Batch batch = std::move(it->second);
  batches_.erase(it);
  if (!answer.refusal().empty()) relay_not_before_ms_ = now_ms + kRelayPauseMs;
  for (const auto& failed : answer.failed()) {
    if (failed.position() >= batch.ids.size()) continue;
    const uint64_t id = batch.ids[failed.position()];
    auto found = pending_.find(id);
    if (found == pending_.end() || found->second.state != State::kRelayed) continue;
    FailAs(id, MakeFailure(static_cast<v1::Failure::Why>(failed.why()), failed.reason(), true),
           /*taken_back=*/1);
  }
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    auto found = pending_.find(batch.ids[i]);
    if (found == pending_.end() || found->second.state != State::kRelayed) continue;
    Pending& pending = found->second;
    const bool appended = static_cast<int>(i) < answer.indexes_size();
    const quorum::Index index(appended ? answer.indexes(static_cast<int>(i)) : 0);
    if (!appended || index <= applied) {
      // Refused, or this node has passed that index already: ask again, Apply knows whether it was
      // done.
      Requeue(batch.ids[i]);
      continue;
    }
    pending.state = State::kAppended;
    pending.term = quorum::Term(answer.term());
    pending.index = index;
    Place(index, batch.ids[i]);
  }
}

void Proposals::OnApplied(quorum::Index index, quorum::Term term, const v1::Outcome& outcome) {
  // Terms never fall along the log: what was appended in an older term at or above this index is
  // gone.
  while (!by_index_.empty()) {
    const auto [first_index, id] = *by_index_.begin();
    auto found = pending_.find(id);
    const bool matches = found != pending_.end() && found->second.state == State::kAppended &&
                         found->second.index.value() == first_index;
    if (!matches) {
      by_index_.erase(by_index_.begin());
      continue;
    }
    if (first_index == index.value() && found->second.term == term) {
      const Origin origin = std::move(found->second.origin);
      pending_.erase(found);
      by_index_.erase(by_index_.begin());
      sink_->OnOutcome(origin, outcome);
      continue;
    }
    if (first_index <= index.value() || found->second.term < term) {
      by_index_.erase(by_index_.begin());
      Requeue(id);
      continue;
    }
    return;
  }
}

// Two of this node's commands at one index: the older was appended by a leader whose entry there is
// gone, or else the newer could not stand there.
void Proposals::Place(quorum::Index index, uint64_t id) {
  const auto [it, inserted] = by_index_.try_emplace(index.value(), id);
  if (inserted) return;
  const uint64_t displaced = std::exchange(it->second, id);
  auto found = pending_.find(displaced);
  if (displaced != id && found != pending_.end() && found->second.state == State::kAppended &&
      found->second.index == index) {
    Requeue(displaced);
  }
}

void Proposals::OnJump(quorum::Index index) {
  while (!by_index_.empty() && by_index_.begin()->first <= index.value()) {
    const auto [at, id] = *by_index_.begin();
    by_index_.erase(by_index_.begin());
    auto found = pending_.find(id);
    if (found != pending_.end() && found->second.state == State::kAppended &&
        found->second.index.value() == at) {
      Requeue(id);
    }
  }
}

std::set<std::string> Proposals::Closing() const {
  std::set<std::string> sessions;
  for (const auto& [id, pending] : pending_) {
    if (pending.origin.kind == Origin::Kind::kClose) sessions.insert(pending.origin.session);
  }
  return sessions;
}

void Proposals::DropExpiries() {
  std::vector<uint64_t> dropped;
  for (const auto& [id, pending] : pending_) {
    if (pending.origin.kind == Origin::Kind::kExpire && pending.state == State::kQueued) {
      dropped.push_back(id);
    }
  }
  for (uint64_t id : dropped) Fail(id, v1::Failure::NO_QUORUM, "the lead was lost");
}

void Proposals::OnLeaderChanged() {
  relay_not_before_ms_ = 0;
  for (const auto& [first, batch] : batches_) Requeue(batch);
  batches_.clear();
}

void Proposals::Requeue(const Batch& batch) {
  for (uint64_t id : batch.ids) {
    auto it = pending_.find(id);
    if (it != pending_.end() && it->second.state == State::kRelayed) Requeue(id);
  }
}

void Proposals::Requeue(uint64_t id) {
  Pending& pending = pending_[id];
  if (pending.origin.kind == Origin::Kind::kExpire) {
    // It names the term that it was proposed in: another one must be judged anew.
    Fail(id, v1::Failure::NO_QUORUM, "the lead was lost");
    return;
  }
  pending.state = State::kQueued;
  queued_.push_back(id);
}

void Proposals::Fail(uint64_t id, v1::Failure::Why why, const std::string& reason) {
  auto it = pending_.find(id);
  const Origin origin = std::move(it->second.origin);
  const bool certain = it->second.handed_on == 0;
  pending_.erase(it);
  sink_->OnFailure(origin, MakeFailure(why, reason, certain));
}

void Proposals::FailAs(uint64_t id, v1::Failure failure, int taken_back) {
  auto it = pending_.find(id);
  const Origin origin = std::move(it->second.origin);
  failure.set_certain(it->second.handed_on <= taken_back);
  pending_.erase(it);
  sink_->OnFailure(origin, failure);
}

void Proposals::Expire(int64_t now_ms, const std::string* no_quorum) {
  std::vector<uint64_t> over;
  for (const auto& [id, pending] : pending_) {
    if (!AnswersAClient(pending.origin.kind)) continue;
    if (no_quorum == nullptr && now_ms - pending.submitted_ms < kRequestTimeoutMs) break;
    over.push_back(id);
  }
  if (queued_.size() > 2 * pending_.size() + kRelayCommandsMax) {
    // Mostly what has failed meanwhile.
    std::erase_if(queued_, [this](uint64_t id) { return !pending_.contains(id); });
  }
  for (uint64_t id : over) {
    if (no_quorum != nullptr) {
      Fail(id, v1::Failure::NO_QUORUM, *no_quorum);
    } else {
      Fail(id, v1::Failure::TIMED_OUT, "no answer in time: the request may still take effect");
    }
  }
}

}  // namespace triad::server
