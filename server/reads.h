// Reads and heartbeat reports that wait for the leader's confirmation, and then for this node to
// have applied that far.
//
// Pure bookkeeping; single-threaded. The Node asks the core, or the leader, and tells this class
// what came of it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "quorum/types.h"
#include "triad/v1/peer.pb.h"

namespace triad::server {

struct WaitingRead {
  enum class Kind : uint8_t {
    kLocal,   // done() when this node has applied what the confirmation named
    kPeer,    // a follower asks for the index: answered at once when confirmed
    kReport,  // heartbeats reported by `from` (perhaps this node)
  };
  Kind kind = Kind::kLocal;
  std::function<void(const absl::Status&)> done;
  quorum::Slot from = quorum::Slot::kNone;
  uint64_t peer_id = 0;
  v1::SessionReport report;
  int64_t asked_ms = 0;
  bool confirmed = false;
  bool asked = false;  // of the core or the leader
  quorum::Index index;
};

class Reads {
 public:
  // Drawn anew for each run of the process: another node's answer to an earlier run's read must not
  // be taken for this run's.
  explicit Reads(uint64_t first_id) : next_id_(first_id) {}

  uint64_t Add(WaitingRead read) {
    waiting_[next_id_] = std::move(read);
    return next_id_++;
  }
  WaitingRead* Find(uint64_t id) {
    auto it = waiting_.find(id);
    return it == waiting_.end() ? nullptr : &it->second;
  }
  void Erase(uint64_t id) { waiting_.erase(id); }
  size_t size() const { return waiting_.size(); }

  // Takes out those that are confirmed up to an index that is applied.
  std::vector<WaitingRead> TakeReady(quorum::Index applied) {
    return TakeIf(
        [applied](const WaitingRead& read) { return read.confirmed && read.index <= applied; });
  }
  // But confirmed reports: that sessions were heard counts, however late this node applies.
  std::vector<WaitingRead> TakeTimedOut(int64_t now_ms, int64_t timeout_ms) {
    return TakeIf([=](const WaitingRead& read) {
      const bool heard = read.kind == WaitingRead::Kind::kReport && read.confirmed;
      return !heard && now_ms - read.asked_ms >= timeout_ms;
    });
  }
  // Ids of local reads that nobody has been asked about since the leader changed.
  std::vector<uint64_t> Unasked() const {
    std::vector<uint64_t> ids;
    for (const auto& [id, read] : waiting_) {
      if (!read.asked && read.kind == WaitingRead::Kind::kLocal) ids.push_back(id);
    }
    return ids;
  }
  void ForgetLeader() {
    for (auto& [id, read] : waiting_) {
      if (!read.confirmed) read.asked = false;
    }
  }

 private:
  template <typename Predicate>
  std::vector<WaitingRead> TakeIf(Predicate predicate) {
    std::vector<WaitingRead> taken;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (predicate(it->second)) {
        taken.push_back(std::move(it->second));
        it = waiting_.erase(it);
      } else {
        ++it;
      }
    }
    return taken;
  }

  uint64_t next_id_;
  std::map<uint64_t, WaitingRead> waiting_;
};

}  // namespace triad::server
