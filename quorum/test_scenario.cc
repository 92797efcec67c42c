#include "quorum/test_scenario.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

constexpr uint32_t kHeartbeatTicks = 2;
constexpr uint32_t kElectionTicks = 10;
constexpr int kStandTicksMax = 100;
constexpr int kStepsMax = 10'000;

const char* Name(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "LEADER";
  }
  return "?";
}

std::string Name(const Members& members) {
  std::vector<std::string> names;
  for (const Member& member : members.list) {
    names.push_back(
        absl::StrCat(ToInt(member.slot), member.incarnation.substr(0, 1), member.voter ? "" : "?"));
  }
  return names.empty() ? "nobody known" : absl::StrJoin(names, " ");
}

uint64_t ParseNumber(const std::string& word) {
  uint64_t number = 0;
  return absl::SimpleAtoi(word, &number) ? number : 0;
}

// The number at `position`, if the command has one.
uint64_t NumberAt(const std::vector<std::string>& words, size_t position, uint64_t otherwise) {
  return words.size() > position ? ParseNumber(words[position]) : otherwise;
}

}  // namespace

std::string Scenario::Run(absl::string_view script) {
  std::string out;
  for (absl::string_view line : absl::StrSplit(absl::StripSuffix(script, "\n"), '\n')) {
    if (absl::StartsWith(line, "  ")) continue;  // a trace: made anew
    absl::StrAppend(&out, line, "\n");
    if (!absl::ConsumePrefix(&line, "> ")) continue;
    Words words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    trace_.clear();
    quiet_ = !words.empty() && words[0] == "quiet";
    if (quiet_) words.erase(words.begin());
    if (!words.empty()) Execute(words);
    out += trace_;
  }
  return out;
}

void Scenario::Say(const std::string& line, bool detail) {
  if (!quiet_ || !detail) absl::StrAppend(&trace_, "  ", line, "\n");
}

void Scenario::Fail(const std::string& what) {
  Say(absl::StrCat("FAILED: ", what));
  if (failure_.empty()) failure_ = what;
}

void Scenario::Execute(const Words& words) {
  if (ExecuteOnCluster(words) || ExecuteOnWay(words) || ExecuteOnNode(words)) return;
  Fail(absl::StrCat("unknown command: ", absl::StrJoin(words, " ")));
}

bool Scenario::ExecuteOnCluster(const Words& words) {
  const std::string& verb = words[0];
  if (verb == "nodes") {
    Born(NumberAt(words, 1, 3));
  } else if (verb == "start") {
    for (Node& node : nodes_) Start(node);
  } else if (verb == "settle") {
    Settle();
  } else if (verb == "pass") {
    for (uint64_t i = 0; i < NumberAt(words, 1, 1); ++i) {
      for (Node& node : nodes_) {
        if (node.core == nullptr) continue;
        node.core->Tick();
        AfterInput(node);
      }
      Settle();
    }
  } else if (verb == "late") {
    while (!kept_.empty()) {
      Parcel parcel = std::move(kept_.front());
      kept_.pop_front();
      Deliver(std::move(parcel));
    }
  } else if (verb == "heal") {
    cut_.clear();
  } else if (verb == "status") {
    Status();
  } else {
    return false;
  }
  return true;
}

bool Scenario::ExecuteOnWay(const Words& words) {
  if (words.size() < 2) return false;
  const std::string& verb = words[0];
  Slot from = Slot::kNone;
  Slot to = Slot::kNone;
  if (!Way(words[1], &from, &to)) return false;
  Parcel parcel;
  if (verb == "cut") {
    cut_.insert({from, to});
    if (words[1][1] == '=') cut_.insert({to, from});
  } else if (verb == "deliver" || verb == "drop") {
    // What delivering brings about waits its turn.
    for (uint64_t left = NumberAt(words, 2, on_way_.size()); left > 0; --left) {
      if (!TakeOldest(from, to, &parcel)) break;
      if (verb == "deliver") Deliver(std::move(parcel));
    }
  } else if (verb == "copy" || verb == "keep") {
    if (!TakeOldest(from, to, &parcel)) {
      Fail("nothing is on that way");
      return true;
    }
    if (verb == "copy") on_way_.push_front(parcel);
    kept_.push_back(std::move(parcel));
  } else if (verb == "break") {
    Node& node = nodes_[static_cast<size_t>(ToInt(to)) - 1];
    node.core->LinkDown(from);
    AfterInput(node);
  } else if (verb == "fetch") {
    Fetch(nodes_[static_cast<size_t>(ToInt(from)) - 1], nodes_[static_cast<size_t>(ToInt(to)) - 1]);
  } else {
    return false;
  }
  return true;
}

bool Scenario::ExecuteOnNode(const Words& words) {
  if (words.size() < 2) return false;
  Node* node = Find(words[1]);
  if (node == nullptr) return false;
  const std::string& verb = words[0];
  if (verb == "node") {
    Describe(words);
  } else if (verb == "hold") {
    node->held = true;
  } else if (verb == "sync" || verb == "free") {
    if (verb == "free") node->held = false;
    Sync(*node, verb == "free" ? node->writes.size() : NumberAt(words, 2, node->writes.size()));
  } else if (verb == "crash") {
    Crash(*node);
  } else if (verb == "restart" || verb == "admit") {
    Start(*node);
  } else if (verb == "wipe") {
    Wipe(*node);
  } else if (verb == "lose-ledger") {
    node->disk.ledger.reset();
  } else {
    return node->core != nullptr && ExecuteOnCore(*node, words);
  }
  return true;
}

bool Scenario::ExecuteOnCore(Node& node, const Words& words) {
  const std::string& verb = words[0];
  Core& core = *node.core;
  if (verb == "tick") {
    for (uint64_t i = 0; i < NumberAt(words, 2, 1); ++i) {
      core.Tick();
      AfterInput(node);
    }
  } else if (verb == "stand") {
    for (int i = 0; i < kStandTicksMax && core.role() == Role::kFollower; ++i) {
      core.Tick();
      AfterInput(node);
    }
  } else if (verb == "propose") {
    Propose(node, NumberAt(words, 2, 1));
  } else if (verb == "read") {
    const absl::Status status = core.RequestRead(NumberAt(words, 2, 0));
    if (!status.ok()) Say(absl::StrCat("refused: ", std::string(status.message())));
  } else if (verb == "transfer") {
    const absl::Status status = core.TransferLeadership(static_cast<Slot>(NumberAt(words, 2, 0)));
    if (!status.ok()) Say(absl::StrCat("refused: ", std::string(status.message())));
  } else if (verb == "members") {
    Members(node, words);
  } else if (verb == "stuck" || verb == "answers") {
    core.SetDiskStuck(verb == "stuck");
  } else if (verb == "slept") {
    core.StoodStill();
  } else if (verb == "compact") {
    core.Compact(Index(NumberAt(words, 2, 0)));
  } else {
    return false;
  }
  AfterInput(node);
  return true;
}

void Scenario::Born(size_t nodes) {
  nodes_ = std::vector<Node>(nodes);
  for (size_t i = 0; i < nodes; ++i) {
    Node& node = nodes_[i];
    node.slot = static_cast<Slot>(i + 1);
    node.disk.incarnation = Incarnation(node.slot);
    node.disk.birth = MakeMembers(nodes);
    node.disk.ledger = TestLedger{Index(), Term(), node.disk.birth};
  }
}

void Scenario::Describe(const Words& words) {
  TestDisk& disk = Find(words[1])->disk;
  for (size_t i = 2; i + 1 < words.size(); i += 2) {
    const uint64_t number = ParseNumber(words[i + 1]);
    if (words[i] == "term") {
      disk.hard_state.term = Term(number);
    } else if (words[i] == "vote") {
      disk.hard_state.voted_for = static_cast<Slot>(number);
    } else if (words[i] == "applied") {
      disk.ledger->index = Index(number);
      disk.ledger->term = disk.At(Index(number)).term;
    } else if (words[i] == "log") {
      for (; i + 1 < words.size() && ParseNumber(words[i + 1]) != 0; ++i) {
        const Index index = disk.last_index() + 1;
        const Term term(ParseNumber(words[i + 1]));
        disk.entries.push_back({term, index, EntryKind::kCommand, Payload(index, term)});
      }
      --i;
    } else {
      Fail(absl::StrCat("unknown: ", words[i]));
    }
  }
}

std::shared_ptr<const std::string> Scenario::Payload(Index index, Term term) {
  auto& payload = payloads_[{index, term}];
  if (payload == nullptr) {
    payload = std::make_shared<const std::string>(absl::StrCat(index.value(), ".", term.value()));
  }
  return payload;
}

void Scenario::Start(Node& node) {
  TestDisk& disk = node.disk;
  Config config = MakeConfig(node.slot, nodes_.size());
  config.incarnation = disk.incarnation;
  config.heartbeat_ticks = kHeartbeatTicks;
  config.election_min_ticks = kElectionTicks;
  config.election_spread_ticks = 0;
  config.retry_spread_ticks = 1;
  Recovered recovered;
  recovered.hard_state = disk.hard_state;
  recovered.snapshot_index = disk.snapshot_index;
  recovered.snapshot_term = disk.snapshot_term;
  recovered.entries = disk.entries;
  recovered.ledger_missing = !disk.ledger.has_value();
  disk.staged.reset();  // its start of the log is not durable
  node.ledger = disk.ledger.value_or(TestLedger());
  if (disk.ledger.has_value()) {
    recovered.applied = disk.ledger->index;
    recovered.members = disk.ledger->members;
  } else {
    recovered.members = disk.start_members;
  }
  node.core = std::make_unique<Core>(std::move(config), std::move(recovered));
  node.role = Role::kFollower;
  node.term = disk.hard_state.term;
  node.snapshot_source = Slot::kNone;
  AfterInput(node);
}

void Scenario::Crash(Node& node) {
  node.core.reset();
  node.writes.clear();
  node.held = false;
}

void Scenario::Wipe(Node& node) {
  Crash(node);
  node.disk = TestDisk();
  node.disk.incarnation = Incarnation(node.slot, ++node.life);
  node.disk.ledger = TestLedger();
}

void Scenario::Fetch(Node& from, Node& to) {
  const TestLedger ledger = from.ledger;
  Say(absl::StrCat(ToInt(to.slot), " installs ", ledger.index.value(), "/", ledger.term.value(),
                   " with ", Name(ledger.members)));
  to.disk.staged = to.ledger = ledger;
  to.core->InstallSnapshot(ledger.index, ledger.term, ledger.members);
  AfterInput(to);
}

void Scenario::Members(Node& node, const Words& words) {
  quorum::Members members;
  for (size_t i = 2; i < words.size(); ++i) {
    const Slot slot = static_cast<Slot>(words[i][0] - '0');
    members.list.push_back({slot, Incarnation(slot, words[i][1]), words[i].size() == 2});
  }
  const auto position = node.core->ProposeMembers(EncodeMembers(members));
  if (!position.ok()) Say(absl::StrCat("refused: ", std::string(position.status().message())));
}

void Scenario::Propose(Node& node, size_t count) {
  std::vector<std::shared_ptr<const std::string>> payloads;
  for (size_t i = 1; i <= count; ++i) {
    payloads.push_back(Payload(node.core->last_index() + i, node.core->term()));
  }
  const auto position = node.core->Propose(payloads);
  if (!position.ok()) Say(absl::StrCat("refused: ", std::string(position.status().message())));
}

void Scenario::Status() {
  for (const Node& node : nodes_) {
    if (node.core == nullptr) {
      Say(absl::StrCat(ToInt(node.slot), node.disk.incarnation.substr(0, 1), " is down"));
      continue;
    }
    const Core& core = *node.core;
    std::string line = absl::StrCat(ToInt(node.slot), node.disk.incarnation.substr(0, 1), " ",
                                    Name(core.role()), " t", core.term().value());
    if (core.leader() != Slot::kNone) absl::StrAppend(&line, " of ", ToInt(core.leader()));
    absl::StrAppend(&line, ", log ", core.snapshot_index().value(), "..", core.last_index().value(),
                    " commit ", core.commit_index().value(), " applied ",
                    core.applied_index().value(), ", members ", Name(core.members()),
                    core.members_committed() ? "" : " uncommitted");
    Say(line);
  }
}

void Scenario::Settle() {
  for (int i = 0; i < kStepsMax && !on_way_.empty(); ++i) {
    Parcel parcel = std::move(on_way_.front());
    on_way_.pop_front();
    Deliver(std::move(parcel));
  }
  if (!on_way_.empty()) Fail("messages without end");
}

void Scenario::Deliver(Parcel parcel) {
  Node& to = nodes_[static_cast<size_t>(ToInt(parcel.message.to)) - 1];
  const Node& from = nodes_[static_cast<size_t>(ToInt(parcel.message.from)) - 1];
  if (to.core == nullptr) return;
  if (to.disk.incarnation != parcel.to || from.disk.incarnation != parcel.from ||
      !Knows(to, from)) {
    Say(absl::StrCat(quorum::Describe(parcel.message), ": between strangers, dropped"),
        /*detail=*/true);
    return;
  }
  to.core->Step(std::move(parcel.message));
  AfterInput(to);
}

bool Scenario::TakeOldest(Slot from, Slot to, Parcel* parcel) {
  const auto it = std::find_if(on_way_.begin(), on_way_.end(), [&](const Parcel& other) {
    return other.message.from == from && other.message.to == to;
  });
  if (it == on_way_.end()) return false;
  *parcel = std::move(*it);
  on_way_.erase(it);
  return true;
}

void Scenario::AfterInput(Node& node) {
  Core& core = *node.core;
  for (int i = 0; core.HasReady() && i < kStepsMax; ++i) {
    if (core.role() != node.role || core.term() != node.term) {
      node.role = core.role();
      node.term = core.term();
      Say(absl::StrCat(ToInt(node.slot), " is ", Name(node.role), " t", node.term.value()));
    }
    Act(node, core.TakeReady());
  }
  if (core.role() != node.role || core.term() != node.term) {
    node.role = core.role();
    node.term = core.term();
    Say(absl::StrCat(ToInt(node.slot), " is ", Name(node.role), " t", node.term.value()));
  }
  if (core.role() == Role::kLeader &&
      leaders_.emplace(core.term(), node.slot).first->second != node.slot) {
    Fail("two leaders in one term");
  }
  if (core.snapshot_source() != node.snapshot_source) {
    node.snapshot_source = core.snapshot_source();
    if (node.snapshot_source != Slot::kNone) {
      Say(absl::StrCat(ToInt(node.slot), " needs a snapshot of ", ToInt(node.snapshot_source)));
    }
  }
  core.CheckInvariants();
}

void Scenario::Act(Node& node, Ready ready) {
  for (const Message& message : ready.send_now) Send(message);
  if (ready.write_id != 0) {
    std::string line = absl::StrCat(ToInt(node.slot), " writes");
    if (ready.hard_state.has_value()) {
      absl::StrAppend(&line, " term ", ready.hard_state->term.value(), " vote ",
                      ToInt(ready.hard_state->voted_for));
    }
    if (ready.start.has_value()) {
      absl::StrAppend(&line, " start ", ready.start->index.value(), "/", ready.start->term.value());
    }
    Say(absl::StrCat(line, DescribeEntries(ready.entries)), /*detail=*/true);
    node.writes.push_back({ready.write_id, ready.hard_state, ready.start, std::move(ready.entries),
                           std::move(ready.send_after_write)});
  } else if (!node.writes.empty()) {
    auto& after = node.writes.back().after;
    after.insert(after.end(), ready.send_after_write.begin(), ready.send_after_write.end());
  } else {
    for (const Message& message : ready.send_after_write) Send(message);
  }
  for (const Entry& entry : ready.committed) Apply(node, entry);
  for (const ReadState& read : ready.reads) {
    Say(absl::StrCat(ToInt(node.slot), " read ", read.id,
                     read.confirmed ? absl::StrCat(" is good at ", read.index.value())
                                    : std::string(" is lost")));
  }
  if (!node.held) Sync(node, node.writes.size());
}

void Scenario::Apply(Node& node, const Entry& entry) {
  std::string line =
      absl::StrCat(ToInt(node.slot), " applies ", entry.index.value(), "/", entry.term.value());
  TestLedger& ledger = node.ledger;
  if (entry.index != ledger.index + 1) Fail("an entry is applied out of order");
  ledger.index = entry.index;
  ledger.term = entry.term;
  if (entry.kind == EntryKind::kMembers) {
    ledger.members = *DecodeMembers(*entry.payload);
    absl::StrAppend(&line, ": members ", Name(ledger.members));
  }
  if (!node.disk.staged.has_value()) node.disk.ledger = ledger;
  Say(line);
  const auto [it, first] = applied_.emplace(entry.index, entry);
  if (it->second.term != entry.term) Fail("another entry was applied elsewhere");
}

void Scenario::Sync(Node& node, size_t count) {
  std::vector<Message> after;
  uint64_t id = 0;
  for (; count > 0 && !node.writes.empty(); --count) {
    Write& write = node.writes.front();
    Store(node, write);
    id = write.id;
    after.insert(after.end(), write.after.begin(), write.after.end());
    node.writes.pop_front();
  }
  if (id == 0) return;
  for (const Message& message : after) Send(message);
  node.core->Advance(id);
  AfterInput(node);
}

void Scenario::Store(Node& node, const Write& write) {
  TestDisk& disk = node.disk;
  if (write.hard_state.has_value()) disk.hard_state = *write.hard_state;
  if (write.start.has_value()) disk.Begin(*write.start);
  if (disk.staged.has_value() && disk.snapshot_index >= disk.staged->index) {
    disk.staged.reset();
    disk.ledger = node.ledger;
  }
  if (write.entries.empty()) return;
  disk.entries.resize(write.entries.front().index - disk.snapshot_index - 1);
  disk.entries.insert(disk.entries.end(), write.entries.begin(), write.entries.end());
}

void Scenario::Send(const Message& message) {
  const Node& from = *Find(absl::StrCat(ToInt(message.from)));
  const Node& to = *Find(absl::StrCat(ToInt(message.to)));
  const bool lost = cut_.contains({message.from, message.to});
  const bool stranger = !Knows(from, to);
  Say(absl::StrCat(quorum::Describe(message), lost       ? "  (lost)"
                                              : stranger ? "  (to a stranger, dropped)"
                                                         : ""),
      /*detail=*/true);
  if (lost || stranger) return;
  on_way_.push_back({message, from.disk.incarnation, to.disk.incarnation});
}

bool Scenario::Knows(const Node& node, const Node& other) const {
  if (node.core == nullptr) return true;
  const quorum::Members& members = node.core->members();
  const Member* self = members.Find(node.slot);
  if (self == nullptr || self->incarnation != node.disk.incarnation) return true;
  const Member* member = members.Find(other.slot);
  return member != nullptr && member->incarnation == other.disk.incarnation;
}

Scenario::Node* Scenario::Find(const std::string& word) {
  const uint64_t slot = ParseNumber(word);
  return slot >= 1 && slot <= nodes_.size() ? &nodes_[slot - 1] : nullptr;
}

bool Scenario::Way(const std::string& word, Slot* from, Slot* to) {
  if (word.size() != 3 || (word[1] != '>' && word[1] != '=')) return false;
  const Node* first = Find(word.substr(0, 1));
  const Node* second = Find(word.substr(2, 1));
  if (first == nullptr || second == nullptr) return false;
  *from = first->slot;
  *to = second->slot;
  return true;
}

}  // namespace triad::quorum
