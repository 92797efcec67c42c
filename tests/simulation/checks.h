// What must never happen, looked at after every event that can change it (quorum-notes B.18).
//
//   1 one leader in a term            2 a vote is never changed         3 nothing goes back
//   4 committed is for ever           5 no promise before its sync      6 never more out than there
//   are 7 one effect, one reply           8 equal nodes have equal digests  10 no client counts a
//   license as confirmed that was freed
//
// (9, who counts for a quorum, is in OnPeerSend.) Beside the hosts it keeps what was committed, a
// ledger that applied each entry exactly once, and the model of licenses.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "client/environment.h"
#include "license/ledger.h"
#include "quorum/types.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/model.h"
#include "tests/simulation/recorder.h"
#include "triad/v1/peer.pb.h"

namespace triad::simulation {

class App;
class Cluster;
class Host;

class Checks {
 public:
  explicit Checks(Cluster* cluster);

  void OnRecovered(Host& host, const LogMirror& found);
  void OnBoot(Host& host);
  void OnRefusal(Host& host);
  void OnFatal(Host& host, const std::string& reason);
  void OnProcessEnd(Host& host);
  void OnTurn(Host& host);
  void OnPeerSend(Host& host, int to, const v1::PeerMessage& message);
  // It may not vote with what it has found.
  void OnDamage(Host& host, const std::string& damage);
  // Everything on its disk is gone.
  void OnWiped(Host& host);
  // It goes on alone with what it has: its log and two entries more. What the others had committed
  // without it is lost, and with it nothing else.
  void OnNewCluster(Host& host, const LogMirror& found);
  void OnLogWrite(Host& host, const std::optional<quorum::LogStart>& start,
                  const std::vector<quorum::Entry>& entries);

  void OnAnswered(App& app, uint64_t number, const Status& status,
                  const std::vector<client::LicenseView>& licenses);
  // It stood still, and has now taken note of what had come meanwhile.
  void OnResumed(App& app);

  // When all is healed and quiet: every node the same, every application right.
  void OnEnd();

  // A read was asked for when `committed` entries were applied somewhere.
  void OnRead(Host& host, uint64_t committed);
  // Whether there is an order in which all that clients saw makes sense.
  void JudgeHistory();

  Recorder& recorder() { return recorder_; }
  // Two nodes were lost for good, and the third went on with what it had.
  bool any_lost() const { return new_cluster_from_ > 0; }
  size_t WaitersOf(const std::string& session) const { return model_.WaitersOf(session); }
  uint64_t committed() const { return committed_.size(); }
  uint64_t commands() const { return commands_; }
  uint64_t checked() const { return checked_; }
  const license::Ledger& ledger() const { return ledger_; }

 private:
  struct Seen {
    quorum::Term term;
    quorum::Index commit;
    license::LogPosition applied;
    uint64_t cluster_ms = 0;
    bool leads = false;
    quorum::Term durable_term;
  };
  struct Committed {
    quorum::Term term;
    quorum::EntryKind kind = quorum::EntryKind::kNoop;
    std::shared_ptr<const std::string> payload;
  };

  void OnApplied(Host& host, uint64_t index);
  void Commit(Host& host, const quorum::Entry& entry);
  void OnEvents(int64_t written_us, const v1::Command& command, const v1::Outcome& outcome,
                const std::vector<license::LedgerEvent>& events);
  void OnInstalled(int64_t written_us);
  void CheckQueues();
  void CompareDigest(Host& host);
  void OnQuorumSend(Host& host, int to, const v1::QuorumMessage& message);
  void OnVote(Host& host, uint64_t term, int voted_for);
  void OnMembers();
  void SetTotals();
  void CheckKnown(const App& app);
  void Forget(uint64_t committed);
  void OnGranted(uint64_t index);
  void CountHolders(Host& host, const quorum::Entry& entry);
  size_t Holders(const quorum::Members& members, const quorum::Entry& entry) const;
  void Fail(std::string what);

  Cluster* const cluster_;
  std::array<Seen, 4> seen_;
  std::map<uint64_t, int> leaders_;  // term -> slot
  // (slot, incarnation, term) -> voted for
  std::map<std::tuple<int, int, uint64_t>, int> votes_;
  std::vector<Committed> committed_;      // index 1, 2, ...
  std::map<uint64_t, uint64_t> digests_;  // index -> of the ledger
  license::Ledger ledger_;                // every committed entry, once
  LicenseModel model_;
  std::map<uint64_t, std::string> freed_;  // handles that nobody gave back -> why
  // When an entry that is not yet committed was first written: by its leader.
  std::map<std::pair<uint64_t, uint64_t>, int64_t> written_us_;  // (index, term)
  Recorder recorder_;
  // Licenses that a new cluster does not know of, as their holders have them.
  struct Forgotten {
    App* app = nullptr;
    uint64_t process = 0;
    uint64_t handle = 0;
  };
  std::vector<Forgotten> forgotten_;
  uint64_t new_cluster_from_ = 0;  // entries behind this one were agreed on in it
  uint64_t commands_ = 0;
  uint64_t checked_ = 0;
};

}  // namespace triad::simulation
