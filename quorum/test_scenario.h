// A few cores in one thread that do nothing but what a script says, and tell what came of it. For
// tests only; quorum/testdata holds the scripts, scenario_test.cc runs them.
//
// A script is lines of three kinds:
//
//   # text       a comment
//   > command    what happens next
//     trace      (two spaces) what came of the command above: rewritten by the run
//
// Nothing happens by itself: messages wait on their way until they are delivered, time passes when
// a node is ticked. Chance is always 0: a heartbeat every 2 ticks, an election after 10. Disks sync
// at once unless held, ledgers are always durable. Commands (K, A, B are nodes):
//
//   nodes 3 | nodes 1                a cluster as it was born; the first command
//   node K term T [vote V] log T1 T2 ... [applied I]    what its disk holds, before the start
//   start                            all nodes
//   tick K [n]    stand K            n ticks; ticks until it stands for election (at most 100)
//   pass [n]                         n times: every node ticks once, then settle
//   settle                           everything on its way is delivered, and what that brings about
//   deliver A>B [n]  drop A>B [n]    the oldest n on that way (default: all)
//   copy A>B   keep A>B   late       a copy of, or itself, the oldest there is kept back; late: all
//                                    that was kept is delivered
//   cut A>B  cut A=B  heal           one way, both ways: what is sent there from now on is lost
//   break A>B                        B is told that the stream from A broke
//   propose K [n]  read K ID  transfer K [B]
//   members K 1a 2a 3b?              proposes incarnations; ? is a learner
//   hold K  sync K [n]  free K       its disk does not sync; syncs n writes (default: all); syncs
//   again stuck K  answers K               it is told that its disk hangs, answers slept K it is
//   told that it stood still crash K  restart K               loses what was not synced wipe K
//   admit K                  crashes and loses its disk; starts as a new incarnation lose-ledger K
//   while it is down compact K I    fetch A>B         forgets entries up to I; B installs a
//   snapshot of A's ledger status                           one line for each node quiet COMMAND
//   messages and writes are left out of the trace
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "quorum/test_cluster.h"

namespace triad::quorum {

class Scenario {
 public:
  // The script with the trace that it gives now. What must always hold is checked after every step;
  // the first violation stands in failure().
  std::string Run(absl::string_view script);
  const std::string& failure() const { return failure_; }

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
    char life = 'a';
    std::unique_ptr<Core> core;  // null while down
    TestDisk disk;
    TestLedger ledger;  // in memory; the disk's is the same, but for a staged one
    std::deque<Write> writes;
    bool held = false;
    Role role = Role::kFollower;
    Term term;
    Slot snapshot_source = Slot::kNone;
  };
  struct Parcel {
    Message message;
    std::string from;
    std::string to;
  };
  using Words = std::vector<std::string>;

  void Execute(const Words& words);
  bool ExecuteOnCluster(const Words& words);
  bool ExecuteOnWay(const Words& words);
  bool ExecuteOnNode(const Words& words);
  bool ExecuteOnCore(Node& node, const Words& words);
  void Born(size_t nodes);
  void Describe(const Words& words);
  void Start(Node& node);
  void Crash(Node& node);
  void Wipe(Node& node);
  void Fetch(Node& from, Node& to);
  void Members(Node& node, const Words& words);
  void Propose(Node& node, size_t count);
  void Status();

  void Settle();
  void Deliver(Parcel parcel);
  bool TakeOldest(Slot from, Slot to, Parcel* parcel);
  void AfterInput(Node& node);
  void Act(Node& node, Ready ready);
  void Apply(Node& node, const Entry& entry);
  void Sync(Node& node, size_t count);
  void Store(Node& node, const Write& write);
  void Send(const Message& message);
  bool Knows(const Node& node, const Node& other) const;

  Node* Find(const std::string& word);
  bool Way(const std::string& word, Slot* from, Slot* to);
  std::shared_ptr<const std::string> Payload(Index index, Term term);
  void Say(const std::string& line, bool detail = false);
  void Fail(const std::string& what);

  std::vector<Node> nodes_;
  std::deque<Parcel> on_way_;
  std::deque<Parcel> kept_;
  std::set<std::pair<Slot, Slot>> cut_;
  std::map<Term, Slot> leaders_;
  std::map<Index, Entry> applied_;
  std::map<std::pair<Index, Term>, std::shared_ptr<const std::string>> payloads_;
  std::string trace_;
  std::string failure_;
  bool quiet_ = false;
};

}  // namespace triad::quorum
