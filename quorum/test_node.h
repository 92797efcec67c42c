// One core in a test: a disk that syncs at once or when told, what was sent and applied, and short
// ways to write messages. Chance is always 0, so an election timeout is election_min_ticks.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorum/core.h"
#include "triad/v1/command.pb.h"

namespace triad::quorum {

inline Entry MakeEntry(uint64_t index, uint64_t term, size_t bytes = 1) {
  return {Term(term), Index(index), EntryKind::kCommand,
          std::make_shared<const std::string>(bytes, 'x')};
}

// A log from index 1 on with these terms.
inline std::vector<Entry> MakeLog(std::initializer_list<uint64_t> terms) {
  std::vector<Entry> entries;
  for (uint64_t term : terms) entries.push_back(MakeEntry(entries.size() + 1, term));
  return entries;
}

// What each slot's first incarnation is called.
inline std::string Incarnation(Slot slot, char life = 'a') {
  return std::string(15, life) + static_cast<char>('0' + ToInt(slot));
}

// Slots 1 to `voters`, all in their first incarnation.
inline Members MakeMembers(size_t voters = 3) {
  Members members;
  for (size_t i = 1; i <= voters; ++i) {
    const Slot slot = static_cast<Slot>(i);
    members.list.push_back({slot, Incarnation(slot), true});
  }
  return members;
}

// The payload of an entry that puts these in force.
inline std::shared_ptr<const std::string> EncodeMembers(const Members& members) {
  v1::LogRecord record;
  auto* body = record.mutable_command()->mutable_members();
  for (const Member& member : members.list) {
    auto* node = body->add_nodes();
    node->set_slot(static_cast<uint32_t>(ToInt(member.slot)));
    node->set_incarnation(member.incarnation);
    node->set_voter(member.voter);
  }
  return std::make_shared<const std::string>(record.SerializeAsString());
}

inline Entry MembersEntry(uint64_t index, uint64_t term, const Members& members) {
  return {Term(term), Index(index), EntryKind::kMembers, EncodeMembers(members)};
}

// A cluster of one or three as it was born; chance is always 0.
inline Config MakeConfig(Slot self = Slot::k1, size_t slots = 3) {
  Config config;
  config.self = self;
  config.incarnation = Incarnation(self);
  config.slots = {Slot::k1};
  if (slots == 3) config.slots = {Slot::k1, Slot::k2, Slot::k3};
  config.random = [](uint32_t) { return 0u; };
  return config;
}

// Members that are not given are those of the birth.
inline Recovered WithMembers(Recovered recovered, size_t voters = 3) {
  if (recovered.members.list.empty()) recovered.members = MakeMembers(voters);
  return recovered;
}

inline std::vector<uint64_t> TermsOf(const std::vector<Entry>& entries) {
  std::vector<uint64_t> terms;
  for (const Entry& entry : entries) terms.push_back(entry.term.value());
  return terms;
}

class TestNode {
 public:
  // Members that are not given are those of the birth.
  explicit TestNode(Recovered recovered = {}, Slot self = Slot::k1, size_t voters = 3)
      : TestNode(MakeConfig(self, voters), WithMembers(std::move(recovered), voters)) {}
  TestNode(Config config, Recovered recovered)
      : core_(config, recovered),
        stored_(recovered.entries),
        start_{recovered.snapshot_index, recovered.snapshot_term},
        self_(config.self),
        voters_(config.slots.size()) {
    Settle();
  }

  Core& operator*() { return core_; }
  Core* operator->() { return &core_; }

  // Does what every Ready asks for, with syncs that take no time.
  void Settle() {
    while (core_.HasReady()) {
      Ready ready = Take();
      Release(ready);
    }
    core_.CheckInvariants();
  }
  // The next Ready; nothing is written yet. send_now is counted as sent, committed as applied.
  Ready Take() {
    Ready ready = core_.TakeReady();
    Move(ready.send_now, sent_);
    Move(ready.committed, applied_);
    Move(ready.reads, reads_);
    return ready;
  }
  // Writes and syncs it, and lets go what waits for that.
  void Release(Ready& ready) {
    if (ready.start.has_value()) Begin(*ready.start);
    if (!ready.entries.empty()) {
      stored_.resize(ready.entries.front().index - start_.index - 1);
      stored_.insert(stored_.end(), ready.entries.begin(), ready.entries.end());
    }
    Move(ready.send_after_write, sent_);
    if (ready.write_id != 0) core_.Advance(ready.write_id);
  }
  void Step(Message message) {
    core_.Step(std::move(message));
    Settle();
  }
  void Tick(uint64_t ticks = 1) {
    for (uint64_t i = 0; i < ticks; ++i) {
      core_.Tick();
      Settle();
    }
  }
  absl::StatusOr<Core::Position> Propose(size_t count = 1, size_t bytes = 1) {
    const std::vector<std::shared_ptr<const std::string>> payloads(
        count, std::make_shared<const std::string>(bytes, 'p'));
    return core_.Propose(payloads);
  }

  // Messages since the last call, of one kind: the bodies for `to` (kNone: anybody).
  template <typename Body>
  std::vector<Body> TakeSent(Slot to = Slot::kNone) {
    std::vector<Body> bodies;
    for (const Message& message : sent_) {
      const auto* body = std::get_if<Body>(&message.body);
      if (body != nullptr && (to == Slot::kNone || message.to == to)) bodies.push_back(*body);
    }
    sent_.clear();
    return bodies;
  }
  std::vector<Message> TakeMessages() { return std::exchange(sent_, {}); }
  // All that was applied since the start, and the log on disk (behind start()).
  const std::vector<Entry>& applied() const { return applied_; }
  const std::vector<Entry>& stored() const { return stored_; }
  const LogStart& start() const { return start_; }
  std::vector<ReadState> TakeReads() { return std::exchange(reads_, {}); }

  // Passes the election timeout and wins with the vote of the next node; its no-op is not
  // acknowledged by anybody.
  void Lead() {
    for (int i = 0; i < 200 && core_.role() == Role::kFollower; ++i) Tick();
    const Slot voter = self_ == Slot::k1 ? Slot::k2 : Slot::k1;
    if (voters_ > 1) {
      Step({voter, self_, core_.term() + 1, VoteResponse{true, true}});
      Step({voter, self_, core_.term(), VoteResponse{false, true}});
    }
    sent_.clear();
  }
  // Leads, and the no-op is committed.
  void LeadConfirmed() {
    Lead();
    Ack(Slot::k2, core_.last_index().value());
    sent_.clear();
  }
  // `from` holds everything up to `match`, in answer to the latest round that was sent.
  void Ack(Slot from, uint64_t match, uint64_t round = 1) {
    AppendResponse response;
    response.accepted = true;
    response.match = Index(match);
    response.round = Round(round);
    Step({from, self_, core_.term(), response});
  }

 private:
  // What storage does with Ready::start.
  void Begin(LogStart start) {
    const uint64_t gone = start.index - start_.index;
    const bool held = gone == 0 || (gone <= stored_.size() && stored_[gone - 1].term == start.term);
    const size_t erased = held ? gone : stored_.size();
    stored_.erase(stored_.begin(), stored_.begin() + static_cast<ptrdiff_t>(erased));
    start_ = start;
  }
  template <typename T>
  static void Move(std::vector<T>& from, std::vector<T>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    from.clear();
  }
  Core core_;
  std::vector<Message> sent_;
  std::vector<Entry> applied_;
  std::vector<Entry> stored_;
  LogStart start_;
  std::vector<ReadState> reads_;
  Slot self_;
  size_t voters_;
};

// A node that was in `term` and holds `entries`, `applied` of them applied.
inline Recovered At(uint64_t term, std::vector<Entry> entries = {}, uint64_t applied = 0,
                    Slot voted_for = Slot::kNone) {
  Recovered recovered;
  recovered.hard_state = {Term(term), voted_for};
  recovered.entries = std::move(entries);
  recovered.applied = Index(applied);
  return recovered;
}

// A node whose log begins behind an entry of `start_term`, with the ledger there.
inline Recovered CompactedAt(uint64_t start, uint64_t start_term, uint64_t term) {
  Recovered recovered = WithMembers(At(term));
  recovered.snapshot_index = recovered.applied = Index(start);
  recovered.snapshot_term = Term(start_term);
  return recovered;
}

// Messages to node 1.
inline Message AppendFrom(Slot from, uint64_t term, uint64_t prev, uint64_t prev_term,
                          std::vector<Entry> entries = {}, uint64_t commit = 0,
                          uint64_t round = 1) {
  return {from, Slot::k1, Term(term),
          AppendRequest{Index(prev), Term(prev_term), std::move(entries), Index(commit),
                        Round(round), Index()}};
}
inline Message VoteFrom(Slot from, uint64_t term, uint64_t last_index, uint64_t last_term,
                        bool pre_vote = false, bool transfer = false) {
  return {from, Slot::k1, Term(term),
          VoteRequest{pre_vote, transfer, Index(last_index), Term(last_term)}};
}
inline Message RefusalFrom(Slot from, uint64_t term, uint64_t prev, uint64_t hint_index,
                           uint64_t hint_term, uint64_t round = 1) {
  return {from, Slot::k1, Term(term),
          AppendResponse{false, Index(prev), Index(hint_index), Term(hint_term), Round(round)}};
}

}  // namespace triad::quorum
