// What the node around a core does about members, snapshots and compaction, in a TestCluster.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "quorum/test_cluster.h"
#include "quorum/test_node.h"

namespace triad::quorum {
namespace {

constexpr uint64_t kTick = 10;
constexpr uint32_t kTrailingMax = 30;      // entries left behind a compaction
constexpr uint32_t kFetchTicksMax = 60;    // what a snapshot takes to come
constexpr uint32_t kChangePermille = 200;  // per tick, when something is to be done about members

}  // namespace

// Whether this node talks to that incarnation: the stream is refused when another one is a member.
bool TestCluster::Knows(const Node& node, Slot other, const std::string& incarnation) const {
  if (node.core == nullptr) return true;  // its last messages are on their way
  const Members& members = node.core->members();
  const Member* self = members.Find(node.slot);
  // Too new, or too damaged, to judge.
  if (self == nullptr || self->incarnation != node.disk.incarnation) return true;
  const Member* member = members.Find(other);
  return member != nullptr && member->incarnation == incarnation;
}

void TestCluster::Maintain() {
  if (random_.Permille(faults_.compact)) CompactSome();
  if (random_.Permille(kChangePermille)) ChangeMembers();
}

void TestCluster::CompactSome() {
  Node& node = nodes_[random_.Below(static_cast<uint32_t>(nodes_.size()))];
  if (node.core == nullptr || node.paused_until > now_ || !node.disk.ledger.has_value()) return;
  const uint64_t trailing = random_.Below(kTrailingMax);
  const Index synced = node.disk.ledger->index;
  if (synced.value() <= trailing || synced - trailing <= node.core->snapshot_index()) return;
  node.core->Compact(synced - trailing);
  ++coverage_.compactions;
  if (keep_trace_) {
    Note(absl::StrCat(ToInt(node.slot), " compacts to ", (synced - trailing).value()));
  }
  AfterInput(node);
}

void TestCluster::MaybeFetch(Node& node) {
  const Slot source = node.core->snapshot_source();
  if (source == Slot::kNone || node.fetching || node.disk.staged.has_value()) return;
  Node& from = At(source);
  if (from.core == nullptr || from.ledger.index == Index() || from.fetching) return;
  node.fetching = true;
  checker_.OnSnapshot(from.ledger);
  Schedule(1 + random_.Below(kFetchTicksMax * kTick),
           {.what = What::kSnapshot, .node = node.slot, .life = node.life, .ledger = from.ledger});
}

void TestCluster::Install(Node& node, const TestLedger& snapshot) {
  Drain(node);  // nothing of the log may wait to be handed to the disk
  Core& core = *node.core;
  const bool missing = !node.disk.ledger.has_value() && !node.disk.staged.has_value();
  // By now the log may have brought it further than the snapshot does.
  if (missing ? snapshot.index < core.snapshot_index() : snapshot.index <= core.applied_index()) {
    return;
  }
  if (keep_trace_) {
    Note(absl::StrCat(ToInt(node.slot), " installs a snapshot at ", snapshot.index.value(), "/",
                      snapshot.term.value()));
  }
  ++coverage_.snapshots;
  const Index last = core.last_index();
  node.disk.staged = snapshot;
  node.ledger = snapshot;
  core.InstallSnapshot(snapshot.index, snapshot.term, snapshot.members);
  if (last > snapshot.index && core.last_index() == last) ++coverage_.snapshots_over_entries;
  CheckMembers(node);
}

// With nothing behind what is applied, the core and the ledger know the same members.
void TestCluster::CheckMembers(const Node& node) {
  if (node.core->last_index() != node.ledger.index || node.ledger.members.list.empty()) return;
  if (node.core->members() != node.ledger.members) {
    checker_.Fail(absl::StrCat("node ", ToInt(node.slot), " counts by other members than those of ",
                               node.ledger.index.value()));
  }
}

// The log's start that goes with the staged ledger is durable: it takes the place of the old one.
void TestCluster::Adopt(Node& node) {
  if (!node.disk.staged.has_value()) return;
  if (node.disk.snapshot_index < node.disk.staged->index) return;
  node.disk.ledger = std::move(node.disk.staged);
  node.disk.staged.reset();
}

// What a start finds (spec of server/data_directory).
Recovered TestCluster::Recover(Node& node) {
  TestDisk& disk = node.disk;
  Recovered recovered;
  recovered.hard_state = disk.hard_state;
  recovered.snapshot_index = disk.snapshot_index;
  recovered.snapshot_term = disk.snapshot_term;
  recovered.entries = disk.entries;
  const bool ledger_fits = disk.ledger.has_value() && disk.ledger->index >= disk.snapshot_index;
  const bool staged_fits = disk.staged.has_value() && disk.staged->index >= disk.snapshot_index &&
                           disk.staged->index <= disk.last_index() &&
                           disk.Holds(disk.staged->index, disk.staged->term);
  if (!ledger_fits && staged_fits) {
    disk.ledger = disk.staged;
    ++coverage_.adopted_at_start;
  } else if (!ledger_fits && disk.snapshot_index == Index()) {
    disk.ledger = TestLedger{Index(), Term(), disk.birth};  // made anew from the log
  } else if (!ledger_fits) {
    disk.ledger.reset();
  }
  disk.staged.reset();
  recovered.ledger_missing = !disk.ledger.has_value();
  if (recovered.ledger_missing) ++coverage_.ledgers_missing;
  node.ledger = disk.ledger.value_or(TestLedger{});
  recovered.applied = node.ledger.index;
  recovered.members = recovered.ledger_missing ? disk.start_members : node.ledger.members;
  return recovered;
}

// At most one disk or ledger may be lost at a time, and the next only when a majority of whole
// disks knows the last one's successor as a voter.
bool TestCluster::IsWhole() const {
  if (nodes_.size() < 3) return false;
  const Slot slot = ConfirmedLeader();
  if (slot == Slot::kNone) return false;
  const Core& leader = *nodes_[static_cast<size_t>(ToInt(slot)) - 1].core;
  return leader.members_committed() && leader.members().voters() == nodes_.size() &&
         std::all_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
           const Member* member = leader.members().Find(node.slot);
           return !node.rejoining && member != nullptr &&
                  member->incarnation == node.disk.incarnation &&
                  (node.disk.ledger.has_value() || node.disk.staged.has_value());
         });
}

void TestCluster::Wipe(Node& node) {
  ++coverage_.wipes;
  node.disk = TestDisk();
  node.disk.incarnation = Incarnation(node.slot, ++node.life_letter);
  node.disk.ledger = TestLedger();
  node.rejoining = true;
  if (keep_trace_) Note(absl::StrCat(ToInt(node.slot), " IS WIPED"));
}

void TestCluster::ChangeMembers() {
  Node* leader = AnyLeader();
  if (leader == nullptr) return;  // when it may do what is up to the core
  for (Node& node : nodes_) {
    if (&node == leader) continue;
    const Members& members = leader->core->members();
    const Member* member = members.Find(node.slot);
    if (member == nullptr) continue;
    const bool is_new = member->incarnation != node.disk.incarnation;
    if (is_new && !node.rejoining) continue;
    Members next = members;
    auto& changed = next.list[static_cast<size_t>(member - members.list.data())];
    if (is_new) {
      changed = {node.slot, node.disk.incarnation, false};
      Propose(*leader, next, &coverage_.admissions);
    } else if (node.rejoining) {
      if (leader->core->members_committed()) Admit(*leader, node);
    } else if (!member->voter && leader->core->CaughtUp(node.slot)) {
      changed.voter = true;
      Propose(*leader, next, &coverage_.promotions);
    }
  }
}

void TestCluster::Propose(Node& leader, const Members& members, uint64_t* counter) {
  auto payload = EncodeMembers(members);
  payloads_.push_back(payload);
  const MembersLog::Change before{leader.core->members_index(), leader.core->members()};
  const auto position = leader.core->ProposeMembers(payload);
  if (!position.ok()) return;
  ++*counter;
  if (!leader.core->leads_confirmed()) {
    checker_.Fail("members were proposed before an entry of the leader's term was committed");
  }
  const TestDisk& disk = leader.disk;
  const bool known = before.index > disk.snapshot_index && before.index <= disk.last_index();
  checker_.OnProposedMembers(before, known ? disk.At(before.index).term : Term(),
                             {position->first_index, members});
  checker_.OnProposed(*position, payload.get());
  if (keep_trace_) {
    std::string line = absl::StrCat(ToInt(leader.slot), " proposes members at ",
                                    position->first_index.value(), ":");
    for (const Member& member : members.list) {
      absl::StrAppend(&line, " ", member.incarnation.substr(14), member.voter ? "" : "(learner)");
    }
    Note(line);
  }
  AfterInput(leader);
}

// The new incarnation is told that it is a member, and begins as one.
void TestCluster::Admit(Node& leader, Node& newcomer) {
  const auto from = static_cast<size_t>(leader.slot);
  const auto to = static_cast<size_t>(newcomer.slot);
  if (cut_until_[from][to] > now_ || cut_until_[to][from] > now_) return;
  newcomer.rejoining = false;
  Start(newcomer);
}

}  // namespace triad::quorum
