// What happens to a TestCluster (clients, faults), what must always hold (Checker), and what must
// hold in the end (HealAndConverge).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "quorum/test_cluster.h"

namespace triad::quorum {
namespace {

constexpr uint64_t kTick = 10;
constexpr uint64_t kElectionTimeoutTicks = 60;

constexpr size_t kFatBytes = 200 << 10;
constexpr size_t kFatPayloads = 32;

// Shared by all clusters: only the addresses matter.
const std::shared_ptr<const std::string>& FatPayload(size_t number) {
  static const auto* payloads = [] {
    auto* made = new std::vector<std::shared_ptr<const std::string>>();
    for (size_t i = 0; i < kFatPayloads; ++i) {
      made->push_back(std::make_shared<const std::string>(kFatBytes, 'f'));
    }
    return made;
  }();
  return (*payloads)[number % kFatPayloads];
}

bool IsHeldByMajority(const Members& members, const std::set<std::string>& holders) {
  size_t held = 0;
  for (const Member& member : members.list) {
    held += member.voter && holders.contains(member.incarnation) ? 1 : 0;
  }
  return members.voters() > 0 && held >= members.Majority();
}

}  // namespace

uint64_t TestRandom::Next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

Faults Faults::FromSeed(uint64_t seed) {
  TestRandom random(seed ^ 0xFA017u);
  Faults faults;
  if (random.Permille(200)) return faults;
  const auto maybe = [&random](uint32_t most) {
    return random.Permille(500) ? 1 + random.Below(most) : 0;
  };
  faults.delay_max = 1 + random.Below(40);
  faults.disk_max = 1 + random.Below(60);
  faults.lazy_ready = maybe(900);
  faults.drop = maybe(300);
  faults.twice = maybe(300);
  faults.late = maybe(200);
  faults.cut = maybe(30);
  faults.crash = maybe(20);
  faults.pause = maybe(15);
  faults.disk_stall = maybe(100);
  faults.link_down = maybe(20);
  faults.transfer = maybe(15);
  faults.compact = maybe(60);
  faults.wipe = maybe(40);
  faults.ledger_loss = maybe(300);
  if (random.Permille(200)) faults.fat = 1 + random.Below(1000);
  return faults;
}

void Coverage::Add(const Coverage& other) {
  elections += other.elections;
  truncations += other.truncations;
  applied += other.applied;
  crashes += other.crashes;
  lost_writes += other.lost_writes;
  reads_confirmed += other.reads_confirmed;
  reads_lost += other.reads_lost;
  transfers += other.transfers;
  stand_downs += other.stand_downs;
  votes_refused += other.votes_refused;
  appends_refused += other.appends_refused;
  compactions += other.compactions;
  snapshots += other.snapshots;
  snapshots_over_entries += other.snapshots_over_entries;
  ledgers_missing += other.ledgers_missing;
  adopted_at_start += other.adopted_at_start;
  wipes += other.wipes;
  admissions += other.admissions;
  promotions += other.promotions;
  members_cut += other.members_cut;
  strangers += other.strangers;
  leaders_stuck += other.leaders_stuck;
  torn_writes += other.torn_writes;
}

bool TestDisk::Holds(Index index, Term term) const {
  if (index <= snapshot_index) return true;
  return index <= last_index() && At(index).term == term;
}

void TestDisk::Begin(LogStart start) {
  const bool held = start.index <= last_index() && Holds(start.index, start.term);
  const size_t gone = held ? start.index - snapshot_index : entries.size();
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(gone));
  snapshot_index = start.index;
  snapshot_term = start.term;
  start_members = std::move(start.members);
}

void Checker::Fail(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

void Checker::OnLeader(Slot slot, Term term, const Members& members,
                       const std::string& incarnation) {
  const auto [it, first] = leaders_.emplace(term, slot);
  if (it->second != slot) {
    Fail(absl::StrCat("two leaders in term ", term.value(), ": ", ToInt(it->second), " and ",
                      ToInt(slot)));
  }
  if (!first) return;
  size_t votes = 0;
  for (const Member& member : members.list) {
    if (!member.voter) continue;
    const auto vote = votes_.find({member.incarnation, term});
    const bool own = member.incarnation == incarnation;
    if (own || (vote != votes_.end() && vote->second == incarnation)) ++votes;
  }
  if (votes < members.Majority()) {
    Fail(absl::StrCat("node ", ToInt(slot), " leads term ", term.value(), " with ", votes,
                      " votes of voters"));
  }
}

void Checker::OnSendNow(const Message& message, const TestDisk& disk) {
  const auto* vote = std::get_if<VoteRequest>(&message.body);
  if (vote != nullptr && vote->pre_vote) return;  // promises nothing
  if (vote != nullptr || std::holds_alternative<VoteResponse>(message.body) ||
      std::holds_alternative<AppendResponse>(message.body)) {
    Fail("a promise was sent before it was written");
  }
  // A leader's: appends and TimeoutNow.
  if (disk.hard_state != HardState{message.term, message.from}) {
    Fail(absl::StrCat("node ", ToInt(message.from), " speaks as the leader of term ",
                      message.term.value(), ", which its disk does not know"));
  }
}

void Checker::OnSend(const Message& message, const TestDisk& disk, const std::string& to) {
  const HardState& durable = disk.hard_state;
  const auto* response = std::get_if<VoteResponse>(&message.body);
  if (response != nullptr && response->pre_vote && response->granted) return;
  if (durable.term < message.term) {
    Fail(absl::StrCat("a message of term ", message.term.value(), " left node ",
                      ToInt(message.from), " while its disk was at ", durable.term.value()));
  }
  const auto* request = std::get_if<VoteRequest>(&message.body);
  if (request != nullptr || (response != nullptr && response->granted)) {
    const Slot voted_for = request != nullptr ? message.from : message.to;
    if (durable.term == message.term && durable.voted_for != voted_for) {
      Fail("a vote left that is not on the disk");
    }
    const std::string& chosen = request != nullptr ? disk.incarnation : to;
    const auto [it, first] = votes_.emplace(std::pair{disk.incarnation, message.term}, chosen);
    // A slot's vote may be sent twice, the second time to another incarnation of the slot:
    // members.h says why no two of them can both count it.
    if (!first && it->second != chosen && it->second.back() != chosen.back()) {
      Fail(absl::StrCat("node ", ToInt(message.from), " voted twice in term ",
                        message.term.value()));
    }
  }
  const auto* ack = std::get_if<AppendResponse>(&message.body);
  if (ack != nullptr && ack->accepted && durable.term == message.term &&
      disk.last_index() < ack->match) {
    Fail(absl::StrCat("node ", ToInt(message.from), " acknowledges ", ack->match.value(),
                      ", its disk ends at ", disk.last_index().value()));
  }
}

void Checker::OnDurable(const HardState& before, const HardState& after) {
  if (after.term < before.term) Fail("the term on a disk went back");
  if (after.term == before.term && before.voted_for != Slot::kNone &&
      after.voted_for != before.voted_for) {
    Fail(absl::StrCat("a vote of term ", after.term.value(), " was changed on a disk"));
  }
}

void Checker::OnStored(const Entry& entry, Term prev_term, const std::string& incarnation) {
  const auto [it, first] = stored_.emplace(std::pair{entry.index, entry.term},
                                           Stored{entry.payload.get(), prev_term, {}});
  it->second.holders.insert(incarnation);
  if (entry.kind == EntryKind::kNoop
          ? it->second.prev_term == prev_term
          : it->second.payload == entry.payload.get() && it->second.prev_term == prev_term) {
    return;
  }
  Fail(absl::StrCat("two logs differ at or before index ", entry.index.value(), " of term ",
                    entry.term.value()));
}

void Checker::OnProposed(const Core::Position& position, const std::string* payload) {
  if (!proposed_.emplace(std::pair{position.first_index, position.term}, payload).second) {
    Fail("two proposals got the same position");
  }
}

void Checker::OnProposedMembers(const MembersLog::Change& before, Term before_term,
                                const MembersLog::Change& change) {
  changes_.push_back(change);
  if (before_term == Term() || before.index == change.index) return;  // compacted: it was committed
  if (!IsHeldByMajority(before.members, stored_[{before.index, before_term}].holders)) {
    Fail(absl::StrCat("members were proposed at ", change.index.value(), " while those of ",
                      before.index.value(), " were not committed"));
  }
}

void Checker::OnCommitted(Slot slot, const Entry& entry,
                          const std::vector<const TestDisk*>& disks) {
  const auto [it, first] = committed_.emplace(entry.index, entry);
  if (it->second.term != entry.term || it->second.payload.get() != entry.payload.get()) {
    Fail(absl::StrCat("node ", ToInt(slot), " applies another entry at ", entry.index.value(),
                      " than was applied elsewhere"));
  }
  if (entry.kind == EntryKind::kMembers) members_[entry.index] = *DecodeMembers(*entry.payload);
  // Rule 9: a majority of the voters held it, by the members in force there or by a change that was
  // proposed behind it.
  std::set<std::string> holders = stored_[{entry.index, entry.term}].holders;
  for (const TestDisk* disk : disks) {
    if (disk->Holds(entry.index, entry.term)) holders.insert(disk->incarnation);
  }
  if (first && !IsHeldByMajority(std::prev(members_.upper_bound(entry.index))->second, holders) &&
      std::none_of(changes_.begin(), changes_.end(), [&](const MembersLog::Change& change) {
        return change.index >= entry.index && IsHeldByMajority(change.members, holders);
      })) {
    Fail(absl::StrCat("entry ", entry.index.value(), " is given out for apply at node ",
                      ToInt(slot), ", but only these ever held it: ", absl::StrJoin(holders, " ")));
  }
  if (entry.kind == EntryKind::kNoop) return;
  const auto proposal = proposed_.find({entry.index, entry.term});
  if (proposal == proposed_.end() || proposal->second != entry.payload.get()) {
    Fail(absl::StrCat("entry ", entry.index.value(), " is not what was proposed there"));
  }
}

void Checker::OnSnapshot(const TestLedger& ledger) {
  const auto committed = committed_.find(ledger.index);
  if (committed == committed_.end() || committed->second.term != ledger.term) {
    Fail(absl::StrCat("a snapshot at ", ledger.index.value(), " holds what was not committed"));
  }
  if (std::prev(members_.upper_bound(ledger.index))->second != ledger.members) {
    Fail(absl::StrCat("a snapshot at ", ledger.index.value(), " has other members"));
  }
}

TestCluster::Node* TestCluster::AnyLeader() {
  const size_t start = random_.Below(static_cast<uint32_t>(nodes_.size()));
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[(start + i) % nodes_.size()];
    if (node.core != nullptr && node.paused_until <= now_ && node.core->role() == Role::kLeader) {
      return &node;
    }
  }
  return nullptr;
}

void TestCluster::Client() {
  Node* node = AnyLeader();
  if (node == nullptr) return;
  if (random_.Permille(600)) {
    std::vector<std::shared_ptr<const std::string>> payloads(1 + random_.Below(5));
    for (auto& payload : payloads) {
      ++next_payload_;
      payload = random_.Permille(faults_.fat)
                    ? FatPayload(next_payload_)
                    : std::make_shared<const std::string>(absl::StrCat("command ", next_payload_));
      payloads_.push_back(payload);
    }
    const auto position = node->core->Propose(payloads);
    for (size_t i = 0; position.ok() && i < payloads.size(); ++i) {
      checker_.OnProposed({position->term, position->first_index + i}, payloads[i].get());
    }
  }
  if (random_.Permille(200)) {
    const uint64_t id = ++next_read_;
    node->reads.emplace(id, committed_anywhere_);
    if (!node->core->RequestRead(id).ok()) checker_.Fail("a leader refused a read");
  }
  if (random_.Permille(faults_.transfer)) {
    const Slot to = static_cast<Slot>(random_.Below(static_cast<uint32_t>(nodes_.size()) + 1));
    if (node->core->TransferLeadership(to).ok()) ++coverage_.transfers;
  }
  AfterInput(*node);
}

void TestCluster::Misfortune() {
  const auto count = static_cast<uint32_t>(nodes_.size());
  Node& node = nodes_[random_.Below(count)];
  const auto other = static_cast<Slot>(1 + random_.Below(count));
  if (random_.Permille(faults_.cut)) {
    cut_until_[static_cast<size_t>(node.slot)][static_cast<size_t>(other)] =
        now_ + random_.Below(200 * kTick);
    if (keep_trace_) Note(absl::StrCat("CUT ", ToInt(node.slot), "->", ToInt(other)));
  }
  if (node.core == nullptr || node.paused_until > now_) return;
  if (random_.Permille(faults_.link_down)) {
    node.core->LinkDown(other);
    AfterInput(node);
  }
  if (random_.Permille(faults_.pause)) Pause(node);
  const bool whole = IsWhole();
  const bool wiped = random_.Permille(faults_.wipe) && whole;
  if (!wiped && !random_.Permille(faults_.crash)) return;
  Crash(node);
  if (wiped) Wipe(node);
  if (!wiped && whole && random_.Permille(faults_.ledger_loss)) node.disk.ledger.reset();
  Schedule(1 + random_.Below(150 * kTick),
           {.what = What::kStart, .node = node.slot, .life = node.life});
  if (random_.Permille(500)) BreakStreams(node);  // a host that vanishes breaks none
}

void TestCluster::Cut(Slot from, Slot to) {
  cut_until_[static_cast<size_t>(from)][static_cast<size_t>(to)] = ~uint64_t{0};
}

void TestCluster::Kill(Slot slot, bool breaks_streams) {
  Crash(At(slot));
  if (breaks_streams) BreakStreams(At(slot));
}

Slot TestCluster::ConfirmedLeader() const {
  Slot found = Slot::kNone;
  Term term;
  for (const Node& node : nodes_) {
    if (node.core == nullptr || !node.core->leads_confirmed() || node.core->term() < term) continue;
    found = node.slot;
    term = node.core->term();
  }
  return found;
}

uint64_t TestCluster::RunUntilLed(Slot except, uint64_t ticks_max) {
  const uint64_t start = now_;
  until_ = now_ + ticks_max * kTick;
  Slot leader = Slot::kNone;
  while (leader == Slot::kNone || leader == except) {
    if (!HandleOne()) return ticks_max;
    leader = ConfirmedLeader();
  }
  return (now_ - start) / kTick;
}

bool TestCluster::HasConverged(Index target) {
  return std::all_of(nodes_.begin(), nodes_.end(), [target](const Node& node) {
    return node.core != nullptr && node.ledger.index >= target && node.reads.empty() &&
           node.core->members().voters() == node.core->members().list.size();
  });
}

void TestCluster::HealAndConverge() {
  faults_ = Faults();
  cut_until_ = {};
  for (Node& node : nodes_) {
    node.paused_until = 0;
    if (node.core == nullptr && !node.rejoining) Start(node);
  }
  // Stalled syncs and late messages of the bad time are still out there: 100 ticks at most.
  Run(100);
  until_ = now_ + 10 * kElectionTimeoutTicks * kTick;
  Index target;
  while (!HasConverged(target) || target == Index(0)) {
    Node* leader = AnyLeader();
    if (target == Index(0) && leader != nullptr && leader->core->leads_confirmed() &&
        leader->core->commit_index() == leader->core->last_index()) {
      target = leader->core->last_index();
    }
    if (!HandleOne()) break;
  }
  if (!failure().empty()) return;
  if (!HasConverged(target) || target == Index(0)) {
    return checker_.Fail("no progress within ten election timeouts after healing");
  }
  const uint64_t elections = coverage_.elections;
  Run(5 * kElectionTimeoutTicks);
  if (coverage_.elections != elections) checker_.Fail("an election in a healthy cluster");
}

}  // namespace triad::quorum
