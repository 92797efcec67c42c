#include "quorum/test_cluster.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

constexpr uint64_t kTick = 10;  // in units of now_
constexpr size_t kTraceLines = 200;
// A write that takes longer than an election timeout hangs.
constexpr uint64_t kStuckTicks = 30;
// Walking through a whole log after every event would be most of the work.
constexpr uint64_t kEventsPerWalk = 256;

}  // namespace

std::string DescribeEntries(const std::vector<Entry>& entries) {
  constexpr size_t kShown = 4;
  std::string text;
  for (const Entry& entry : entries) {
    if (entries.size() > kShown) break;
    absl::StrAppend(&text, entry.kind == EntryKind::kMembers ? " M" : " ", entry.index.value(), "/",
                    entry.term.value());
  }
  if (entries.size() > kShown) {
    absl::StrAppend(&text, " ", entries.front().index.value(), "..", entries.back().index.value());
  }
  return entries.empty() ? "" : absl::StrCat(" [", text.substr(1), "]");
}

std::string Describe(const Message& message) {
  const std::string head =
      absl::StrCat(ToInt(message.from), ">", ToInt(message.to), " t", message.term.value(), " ");
  if (const auto* body = std::get_if<VoteRequest>(&message.body)) {
    return absl::StrCat(head, body->pre_vote ? "pre-vote?" : "vote?",
                        body->leadership_transfer ? " transfer" : "", " last ",
                        body->last_index.value(), "/", body->last_term.value());
  }
  if (const auto* body = std::get_if<VoteResponse>(&message.body)) {
    return absl::StrCat(head, body->pre_vote ? "pre-vote " : "vote ", body->granted ? "yes" : "no");
  }
  if (const auto* body = std::get_if<AppendRequest>(&message.body)) {
    const std::string start =
        body->log_start == Index() ? "" : absl::StrCat(" start ", body->log_start.value());
    return absl::StrCat(head, "append behind ", body->prev_index.value(), "/",
                        body->prev_term.value(), DescribeEntries(body->entries), " commit ",
                        body->commit.value(), start, " r", body->round.value());
  }
  if (const auto* body = std::get_if<AppendResponse>(&message.body)) {
    if (body->accepted) {
      return absl::StrCat(head, "has ", body->match.value(), " r", body->round.value());
    }
    if (body->round == Round()) return absl::StrCat(head, "says its term");
    return absl::StrCat(head, "lacks ", body->match.value(), " try ", body->hint_index.value(), "/",
                        body->hint_term.value(), " r", body->round.value());
  }
  return absl::StrCat(head, "stand now");
}

TestCluster::TestCluster(uint64_t seed, size_t nodes, Faults faults)
    : random_(seed), faults_(faults), checker_(MakeMembers(nodes)), nodes_(nodes) {
  for (size_t i = 0; i < nodes; ++i) {
    nodes_[i].slot = static_cast<Slot>(i + 1);
    nodes_[i].disk.incarnation = Incarnation(nodes_[i].slot);
    nodes_[i].disk.birth = MakeMembers(nodes);
    nodes_[i].disk.ledger = TestLedger{Index(), Term(), MakeMembers(nodes)};
    nodes_[i].tick_interval = kTick - 1 + random_.Below(3);
  }
  for (Node& node : nodes_) Start(node);
  Schedule(kTick, {.what = What::kClient});
}

void TestCluster::Schedule(uint64_t delay, Event event) {
  events_.emplace(std::pair{now_ + delay, ++event_count_}, std::move(event));
}

void TestCluster::Note(const std::string& line) {
  trace_.push_back(absl::StrCat(now_ / kTick, ".", now_ % kTick, " ", line));
  if (trace_.size() > kTraceLines) trace_.pop_front();
}

std::string TestCluster::Trace() const {
  return absl::StrJoin(trace_, "\n");
}

void TestCluster::Mix(uint64_t value) {
  trace_hash_ = (trace_hash_ ^ value) * 0x9E3779B97F4A7C15u;
  trace_hash_ ^= trace_hash_ >> 29;
}

void TestCluster::Run(uint64_t ticks) {
  until_ = now_ + ticks * kTick;
  while (HandleOne()) {
  }
}

bool TestCluster::HandleOne() {
  if (!failure().empty() || events_.empty() || events_.begin()->first.first > until_) return false;
  auto first = events_.extract(events_.begin());
  now_ = first.key().first;
  Handle(std::move(first.mapped()));
  return true;
}

void TestCluster::Handle(Event event) {
  if (event.what == What::kClient) {
    Client();
    Maintain();
    Misfortune();
    Schedule(kTick, std::move(event));
    return;
  }
  Node& node = At(event.node);
  if (event.what == What::kStart) {
    if (node.core == nullptr && node.life == event.life && !node.rejoining) Start(node);
    return;
  }
  // A network does not care which life it delivers to; all else belongs to one life.
  if (node.core == nullptr || (event.what != What::kDeliver && event.life != node.life)) return;
  if (event.what == What::kDeliver &&
      (event.to != node.disk.incarnation || !Knows(node, event.message.from, event.from))) {
    ++coverage_.strangers;
    return;
  }
  if (node.paused_until > now_) {
    const uint64_t delay = node.paused_until - now_;
    Schedule(delay, std::move(event));
    return;
  }
  if (node.notices_pause) {
    node.notices_pause = false;
    node.core->StoodStill();
  }
  Mix(now_ * 31 + static_cast<uint64_t>(event.what) * 7 + static_cast<uint64_t>(event.node));
  switch (event.what) {
    case What::kTick:
      if (node.syncing > 0 && !node.stuck && now_ - node.sync_began > kStuckTicks * kTick) {
        node.stuck = true;
        if (node.core->role() == Role::kLeader) ++coverage_.leaders_stuck;
        node.core->SetDiskStuck(true);
      }
      node.core->Tick();
      Schedule(node.tick_interval, std::move(event));
      break;
    case What::kDeliver:
      if (keep_trace_) Note(absl::StrCat("deliver ", Describe(event.message)));
      node.core->Step(std::move(event.message));
      break;
    case What::kLinkDown:
      if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " lost link ", ToInt(event.peer)));
      node.core->LinkDown(event.peer);
      break;
    case What::kDisk:
      FinishSync(node);
      break;
    case What::kReady:
      node.ready_scheduled = false;
      Drain(node);
      break;
    case What::kSnapshot:
      node.fetching = false;
      Install(node, event.ledger);
      break;
    case What::kStart:
    case What::kClient:
      break;
  }
  AfterInput(node);
  if (node.core != nullptr && event_count_ % kEventsPerWalk == 0) node.core->CheckInvariants();
}

void TestCluster::AfterInput(Node& node) {
  Observe(node);
  MaybeFetch(node);
  if (!node.core->HasReady() || node.ready_scheduled) return;
  if (!random_.Permille(faults_.lazy_ready)) return Drain(node);
  node.ready_scheduled = true;
  Schedule(1 + random_.Below(2 * kTick),
           {.what = What::kReady, .node = node.slot, .life = node.life});
}

void TestCluster::Drain(Node& node) {
  for (int i = 0; node.core->HasReady(); ++i) {
    if (i == 100) return checker_.Fail("HasReady() does not end");
    Act(node, node.core->TakeReady());
    Observe(node);
  }
}

void TestCluster::Act(Node& node, Ready ready) {
  for (const Message& message : ready.send_now) {
    checker_.OnSendNow(message, node.disk);
    Send(message);
  }
  if (ready.write_id != 0) {
    node.writes.push_back({ready.write_id, ready.hard_state, ready.start, std::move(ready.entries),
                           std::move(ready.send_after_write)});
    StartSync(node);
  } else if (ready.hard_state.has_value() || ready.start.has_value() || !ready.entries.empty()) {
    checker_.Fail("something is to be written under no write id");
  } else if (!node.writes.empty()) {
    auto& after = node.writes.back().after;
    after.insert(after.end(), ready.send_after_write.begin(), ready.send_after_write.end());
  } else {
    for (const Message& message : ready.send_after_write) {
      checker_.OnSend(message, node.disk, At(message.to).disk.incarnation);
      Send(message);
    }
  }
  Apply(node, std::move(ready.committed));
  AnswerReads(node, ready.reads);
}

void TestCluster::Apply(Node& node, std::vector<Entry> committed) {
  std::vector<const TestDisk*> disks;
  for (const Node& other : nodes_) disks.push_back(&other.disk);
  for (const Entry& entry : committed) {
    if (entry.index != node.ledger.index + 1) {
      checker_.Fail(absl::StrCat("node ", ToInt(node.slot), " applies ", entry.index.value(),
                                 " after ", node.ledger.index.value()));
    }
    checker_.OnCommitted(node.slot, entry, disks);
    node.ledger.index = entry.index;
    node.ledger.term = entry.term;
    if (entry.kind == EntryKind::kMembers) node.ledger.members = *DecodeMembers(*entry.payload);
    if (!node.disk.Holds(entry.index, entry.term)) {
      checker_.Fail(absl::StrCat("node ", ToInt(node.slot), " applies ", entry.index.value(),
                                 " before it is durable there"));
    }
    ++coverage_.applied;
  }
  CheckMembers(node);
  // The ledger is synced behind the log, at times of its own, and not while another one waits.
  if (!committed.empty() && !node.disk.staged.has_value() && random_.Permille(100)) {
    node.disk.ledger = node.ledger;
  }
}

void TestCluster::AnswerReads(Node& node, const std::vector<ReadState>& reads) {
  for (const ReadState& read : reads) {
    const auto asked = node.reads.find(read.id);
    if (asked == node.reads.end()) {
      checker_.Fail(absl::StrCat("read ", read.id, " was answered twice, or never asked"));
      continue;
    }
    if (read.confirmed && read.index < asked->second) {
      checker_.Fail(absl::StrCat("stale read at node ", ToInt(node.slot), ": index ",
                                 read.index.value(), ", but ", asked->second.value(),
                                 " was committed when it was asked"));
    }
    ++(read.confirmed ? coverage_.reads_confirmed : coverage_.reads_lost);
    node.reads.erase(asked);
  }
}

void TestCluster::StartSync(Node& node) {
  if (node.syncing > 0 || node.writes.empty()) return;
  node.syncing = node.writes.size();  // all that gathered, under one sync
  node.sync_began = now_;
  uint64_t delay = 1 + random_.Below(faults_.disk_max);
  if (random_.Permille(faults_.disk_stall)) delay += random_.Below(100 * kTick);
  Schedule(delay, {.what = What::kDisk, .node = node.slot, .life = node.life});
}

void TestCluster::FinishSync(Node& node) {
  uint64_t id = 0;
  std::vector<Message> released;
  for (; node.syncing > 0; --node.syncing) {
    Write& write = node.writes.front();
    Store(node, write);
    id = write.id;
    released.insert(released.end(), write.after.begin(), write.after.end());
    node.writes.pop_front();
  }
  if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " synced write ", id));
  for (const Message& message : released) {
    checker_.OnSend(message, node.disk, At(message.to).disk.incarnation);
    Send(message);
  }
  Adopt(node);
  node.core->Advance(id);
  if (node.stuck) {
    node.stuck = false;
    node.core->SetDiskStuck(false);
  }
  StartSync(node);
}

void TestCluster::Store(Node& node, const Write& write, size_t parts) {
  TestDisk& disk = node.disk;
  const auto next = [&parts] { return parts > 0 && parts-- > 0; };
  if (write.hard_state.has_value()) {
    if (!next()) return;
    checker_.OnDurable(disk.hard_state, *write.hard_state);
    disk.hard_state = *write.hard_state;
  }
  if (write.start.has_value()) {
    if (!next()) return;
    if (write.start->index < disk.snapshot_index) checker_.Fail("a log's start went back");
    disk.Begin(*write.start);
  }
  if (write.entries.empty() || parts == 0) return;
  const Index first = write.entries.front().index;
  if (first <= disk.snapshot_index || first > disk.last_index() + 1) {
    return checker_.Fail(absl::StrCat("node ", ToInt(node.slot), " writes entry ", first.value(),
                                      " to a log that ends at ", disk.last_index().value()));
  }
  if (first <= disk.last_index()) ++coverage_.truncations;
  disk.entries.resize(first - disk.snapshot_index - 1);
  for (const Entry& entry : write.entries) {
    if (!next()) return;
    checker_.OnStored(entry, disk.entries.empty() ? disk.snapshot_term : disk.entries.back().term,
                      disk.incarnation);
    disk.entries.push_back(entry);
  }
}

void TestCluster::Send(const Message& message) {
  Mix(message.term.value() * 131 + message.body.index() * 17 +
      static_cast<uint64_t>(message.from) * 4 + static_cast<uint64_t>(message.to));
  if (const auto* vote = std::get_if<VoteResponse>(&message.body)) {
    if (!vote->granted) ++coverage_.votes_refused;
  } else if (const auto* append = std::get_if<AppendResponse>(&message.body)) {
    if (!append->accepted && append->round != Round(0)) ++coverage_.appends_refused;
  }
  const size_t from = static_cast<size_t>(message.from);
  const size_t to = static_cast<size_t>(message.to);
  const std::string& listener = At(message.to).disk.incarnation;
  const bool lost = cut_until_[from][to] > now_ || random_.Permille(faults_.drop) ||
                    !Knows(At(message.from), message.to, listener);
  if (keep_trace_) Note(absl::StrCat(lost ? "  LOST " : "  send ", Describe(message)));
  if (lost) return;
  const int copies = random_.Permille(faults_.twice) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    uint64_t delay = 1 + random_.Below(faults_.delay_max);
    if (random_.Permille(faults_.late)) delay += random_.Below(30 * kTick);
    Schedule(delay, {.what = What::kDeliver,
                     .node = message.to,
                     .message = message,
                     .from = At(message.from).disk.incarnation,
                     .to = listener});
  }
}

void TestCluster::Observe(Node& node) {
  const Core& core = *node.core;
  if (core.term() < node.seen_term) checker_.Fail("a term went back");
  if (core.commit_index() < node.seen_commit) checker_.Fail("a commit index went back");
  if (core.commit_index() > core.last_index()) checker_.Fail("more is committed than there is");
  if (core.durable_index() > core.last_index()) checker_.Fail("more is durable than there is");
  if (core.role() == Role::kLeader) {
    if (node.seen_role != Role::kLeader) {
      ++coverage_.elections;
      if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " LEADS ", core.term().value()));
    }
    checker_.OnLeader(node.slot, core.term(), core.members(), node.disk.incarnation);
  } else if (node.seen_role == Role::kLeader && core.term() == node.seen_term) {
    ++coverage_.stand_downs;
  }
  node.seen_role = core.role();
  node.seen_term = core.term();
  node.seen_commit = core.commit_index();
  if (core.members_index() < node.seen_members) ++coverage_.members_cut;
  node.seen_members = core.members_index();
  committed_anywhere_ = std::max(committed_anywhere_, core.commit_index());
}

void TestCluster::Start(Node& node) {
  ++node.life;
  Recovered recovered = Recover(node);
  node.seen_term = node.disk.hard_state.term;
  node.seen_commit = node.ledger.index;
  node.seen_role = Role::kFollower;
  node.seen_members = Index();
  Config config = MakeConfig(node.slot, nodes_.size());
  config.incarnation = node.disk.incarnation;
  config.random = [this](uint32_t bound) { return random_.Below(bound); };
  node.core = std::make_unique<Core>(std::move(config), std::move(recovered));
  if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " starts"));
  Schedule(1 + random_.Below(node.tick_interval),
           {.what = What::kTick, .node = node.slot, .life = node.life});
  AfterInput(node);
}

void TestCluster::Crash(Node& node) {
  ++coverage_.crashes;
  // Writes reach the disk in their order; how many of those under way did is chance. What hangs
  // on them does not leave.
  const size_t kept = random_.Below(static_cast<uint32_t>(node.writes.size() + 1));
  for (size_t i = 0; i < kept; ++i) Store(node, node.writes[i]);
  if (kept < node.writes.size() && random_.Permille(500)) {
    ++coverage_.torn_writes;
    Store(node, node.writes[kept],
          random_.Below(static_cast<uint32_t>(node.writes[kept].entries.size()) + 3));
  }
  coverage_.lost_writes += node.writes.size() - kept;
  node.writes.clear();
  node.syncing = 0;
  node.stuck = false;
  node.fetching = false;
  node.reads.clear();
  node.ready_scheduled = false;
  node.paused_until = 0;
  node.notices_pause = false;
  node.core.reset();
  if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " CRASHES"));
}

void TestCluster::BreakStreams(const Node& node) {
  for (Node& other : nodes_) {
    if (other.slot == node.slot) continue;
    // A stream ends behind the last message it carried.
    Schedule(faults_.delay_max + 1 + random_.Below(kTick),
             {.what = What::kLinkDown, .node = other.slot, .life = other.life, .peer = node.slot});
  }
}

void TestCluster::Pause(Node& node) {
  node.paused_until = now_ + random_.Below(100 * kTick);
  if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " pauses"));
  node.notices_pause = random_.Permille(500);  // or it does not
}

}  // namespace triad::quorum
