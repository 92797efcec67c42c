// One or three cores in one thread, with a simulated network (delay, loss, doubling, reordering,
// one-way cuts), simulated disks (writes become durable later, a crash loses what was not synced)
// and clocks that run at different speeds. Everything follows from the seed. For tests only.
//
// It does what a caller of Core must do, in the order of Ready, and after every event checks what
// must always hold (quorum-notes B.18): see Checker. The first violation ends the run; failure()
// names it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quorum/core.h"
#include "quorum/members.h"

namespace triad::quorum {

// In words, for traces.
std::string Describe(const Message& message);
std::string DescribeEntries(const std::vector<Entry>& entries);

// SplitMix64: the same numbers on every compiler.
class TestRandom {
 public:
  explicit TestRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(Next() % bound); }
  bool Permille(uint32_t chance) { return Below(1000) < chance; }

 private:
  uint64_t state_;
};

// Times in tenths of a tick; chances in thousandths, per message or per tick of the cluster.
struct Faults {
  uint32_t delay_max = 5;
  uint32_t disk_max = 5;
  uint32_t lazy_ready = 0;  // Ready is taken only later, so that several steps gather in it
  uint32_t drop = 0;
  uint32_t twice = 0;
  uint32_t late = 0;  // a message that takes up to 30 ticks
  uint32_t cut = 0;   // one direction between two nodes, for up to 200 ticks
  uint32_t crash = 0;
  uint32_t pause = 0;
  uint32_t disk_stall = 0;
  uint32_t link_down = 0;
  uint32_t transfer = 0;
  uint32_t compact = 0;      // per tick; leaves so few entries that followers need snapshots
  uint32_t wipe = 0;         // a node loses its disk and comes back as a new incarnation
  uint32_t ledger_loss = 0;  // per start: the ledger is gone, the log is whole
  uint32_t fat = 0;  // commands of 200 KB, so that messages, window and log meet their limits

  // Swarm: each seed draws which kinds there are and how bad; one in five has none.
  static Faults FromSeed(uint64_t seed);
};

// How often the rare things happened: a simulation that never reaches them proves nothing.
struct Coverage {
  uint64_t elections = 0;
  uint64_t truncations = 0;
  uint64_t applied = 0;
  uint64_t crashes = 0;
  uint64_t lost_writes = 0;
  uint64_t reads_confirmed = 0;
  uint64_t reads_lost = 0;
  uint64_t transfers = 0;
  uint64_t stand_downs = 0;  // a leader of a term became a follower in it
  uint64_t votes_refused = 0;
  uint64_t appends_refused = 0;
  uint64_t compactions = 0;
  uint64_t snapshots = 0;
  uint64_t snapshots_over_entries = 0;  // the log held the snapshot's entry and what follows stayed
  uint64_t ledgers_missing = 0;
  uint64_t adopted_at_start = 0;  // a crash came between the log's new start and the ledger's
  uint64_t wipes = 0;
  uint64_t admissions = 0;  // C2
  uint64_t promotions = 0;  // C3
  uint64_t members_cut = 0;
  uint64_t strangers = 0;  // messages of or for an incarnation that is no member
  uint64_t leaders_stuck = 0;
  uint64_t torn_writes = 0;

  void Add(const Coverage& other);
};

// The state that entries were applied to, as far as the core is concerned.
struct TestLedger {
  Index index;
  Term term;
  Members members;
};

struct TestDisk {
  std::string incarnation;
  Members birth;  // empty for an incarnation that came later
  HardState hard_state;
  Index snapshot_index;
  Term snapshot_term;
  Members start_members;             // in force there
  std::vector<Entry> entries;        // after snapshot_index
  std::optional<TestLedger> ledger;  // synced; empty: damaged
  std::optional<TestLedger> staged;  // a snapshot that has come and has not taken its place yet

  Index last_index() const { return snapshot_index + entries.size(); }
  const Entry& At(Index index) const { return entries[index - snapshot_index - 1]; }
  // True for a compacted one as well: it was committed.
  bool Holds(Index index, Term term) const;
  // What storage does with Ready::start.
  void Begin(LogStart start);
};

// What must hold, written down without a look into the cores.
class Checker {
 public:
  explicit Checker(Members birth) { members_[Index()] = std::move(birth); }

  const std::string& failure() const { return failure_; }
  void Fail(std::string what);

  // Election safety, and rule 9: elected by voters of `members` only.
  void OnLeader(Slot slot, Term term, const Members& members, const std::string& incarnation);
  // Nothing leaves early. `to` is the incarnation that listens.
  void OnSend(const Message& message, const TestDisk& disk, const std::string& to);
  void OnSendNow(const Message& message, const TestDisk& disk);  // the same, for send_now
  void OnDurable(const HardState& before, const HardState& after);
  void OnStored(const Entry& entry, Term prev_term,
                const std::string& incarnation);  // log matching
  void OnProposed(const Core::Position& position, const std::string* payload);
  // A leader puts `change` in the place of `before`, whose entry is of `before_term` (0:
  // compacted).
  void OnProposedMembers(const MembersLog::Change& before, Term before_term,
                         const MembersLog::Change& change);
  // The entry is given out for apply at `slot`; `disks` of all nodes.
  void OnCommitted(Slot slot, const Entry& entry, const std::vector<const TestDisk*>& disks);
  // A snapshot of what was applied up to `index`.
  void OnSnapshot(const TestLedger& ledger);

 private:
  struct Stored {
    const std::string* payload = nullptr;
    Term prev_term;
    std::set<std::string> holders;  // incarnations on whose disk it ever was
  };

  std::string failure_;
  std::map<Term, Slot> leaders_;
  // By what left the voter: its incarnation and term, and the incarnation it voted for.
  std::map<std::pair<std::string, Term>, std::string> votes_;
  std::map<std::pair<Index, Term>, Stored> stored_;
  std::map<std::pair<Index, Term>, const std::string*> proposed_;
  std::map<Index, Entry> committed_;
  std::map<Index, Members> members_;         // that were applied
  std::vector<MembersLog::Change> changes_;  // that were proposed
};

class TestCluster {
 public:
  TestCluster(uint64_t seed, size_t nodes, Faults faults);

  // Runs for so many ticks under the faults, with proposals, reads and handing over.
  void Run(uint64_t ticks);
  // Ends all faults, starts what is down, and demands progress: within ten election timeouts an
  // entry proposed then is applied everywhere and every read is answered; after that no term
  // changes any more.
  void HealAndConverge();

  // For scenarios: what is broken stays so until HealAndConverge.
  void Cut(Slot from, Slot to);
  // `breaks_streams`: the process died and its host says so; else the host is gone without a word.
  void Kill(Slot slot, bool breaks_streams);
  // Runs until another node than `except` leads and has committed in its term; the ticks that took,
  // or `ticks_max`.
  uint64_t RunUntilLed(Slot except, uint64_t ticks_max);
  // A node that leads and has committed in its term, else kNone.
  Slot ConfirmedLeader() const;
  const Core& core(Slot slot) { return *At(slot).core; }

  const std::string& failure() const { return checker_.failure(); }
  const Coverage& coverage() const { return coverage_; }
  uint64_t trace_hash() const { return trace_hash_; }
  // Keeps the last events in words, for the message of a failed seed.
  void KeepTrace() { keep_trace_ = true; }
  std::string Trace() const;

 private:
  struct Write {
    uint64_t id = 0;
    std::optional<HardState> hard_state;
    std::optional<LogStart> start;
    std::vector<Entry> entries;
    std::vector<Message> after;
  };
  struct Node {
    Slot slot = Slot::kNone;
    std::unique_ptr<Core> core;  // null while down
    uint64_t life = 0;           // counts restarts, so that old events find nobody
    TestDisk disk;
    std::deque<Write> writes;
    size_t syncing = 0;  // how many of them the sync under way covers
    uint64_t sync_began = 0;
    bool stuck = false;
    TestLedger ledger;       // in memory, ahead of the disk's
    bool fetching = false;   // a snapshot is on its way
    bool rejoining = false;  // a new incarnation that nobody has let in yet
    char life_letter = 'a';
    uint32_t tick_interval = 10;
    uint64_t paused_until = 0;
    bool notices_pause = false;
    bool ready_scheduled = false;
    Term seen_term;
    Index seen_commit;
    Index seen_members;
    Role seen_role = Role::kFollower;
    std::map<uint64_t, Index> reads;  // id -> what must be seen at least
  };
  enum class What : uint8_t {
    kTick,
    kDeliver,
    kDisk,
    kReady,
    kStart,
    kLinkDown,
    kClient,
    kSnapshot
  };
  struct Event {
    What what = What::kTick;
    Slot node = Slot::kNone;
    uint64_t life = 0;
    Message message{};
    Slot peer = Slot::kNone;
    std::string from{};  // incarnations at the two ends of the stream that carries the message
    std::string to{};
    TestLedger ledger{};
  };

  Node& At(Slot slot) { return nodes_[static_cast<size_t>(ToInt(slot)) - 1]; }
  void Schedule(uint64_t delay, Event event);
  void Handle(Event event);
  bool HandleOne();  // false: the next event lies behind until_
  void Client();
  void Misfortune();
  void Start(Node& node);
  void Crash(Node& node);
  void BreakStreams(const Node& node);
  void Pause(Node& node);
  // test_cluster_members.cc
  void Maintain();
  void CompactSome();
  void MaybeFetch(Node& node);
  void Install(Node& node, const TestLedger& snapshot);
  void Adopt(Node& node);
  void CheckMembers(const Node& node);
  void Wipe(Node& node);
  bool IsWhole() const;
  void ChangeMembers();
  void Admit(Node& leader, Node& newcomer);
  void Propose(Node& leader, const Members& members, uint64_t* counter);
  bool Knows(const Node& node, Slot other, const std::string& incarnation) const;
  Recovered Recover(Node& node);
  void AfterInput(Node& node);
  void Drain(Node& node);
  void Act(Node& node, Ready ready);
  void Apply(Node& node, std::vector<Entry> committed);
  void AnswerReads(Node& node, const std::vector<ReadState>& reads);
  void StartSync(Node& node);
  void FinishSync(Node& node);
  // A torn write leaves only so many of its parts: term and vote, start, then each entry.
  void Store(Node& node, const Write& write, size_t parts = ~size_t{0});
  void Send(const Message& message);
  void Observe(Node& node);
  Node* AnyLeader();
  bool HasConverged(Index target);
  void Note(const std::string& line);
  void Mix(uint64_t value);

  TestRandom random_;
  Faults faults_;
  Checker checker_;
  Coverage coverage_;
  std::vector<Node> nodes_;
  std::map<std::pair<uint64_t, uint64_t>, Event> events_;  // by time, then by order of making
  uint64_t now_ = 0;
  uint64_t until_ = 0;
  uint64_t event_count_ = 0;
  std::array<std::array<uint64_t, 4>, 4> cut_until_{};
  Index committed_anywhere_;
  uint64_t next_payload_ = 0;
  uint64_t next_read_ = 0;
  std::vector<std::shared_ptr<const std::string>> payloads_;  // keeps the addresses apart
  uint64_t trace_hash_ = 0;
  bool keep_trace_ = false;
  std::deque<std::string> trace_;
};

}  // namespace triad::quorum
