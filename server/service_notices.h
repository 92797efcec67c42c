// What the service manager (systemd) is told of this node, and when: that it is ready, one line of
// how it stands, and signs of life.
//
// Ready means that the node serves its role: it knows a leader or is one. A node whose others are
// not there yet says so after a while and counts as started all the same, or no first host could
// ever be installed and a start of all three would time out.
//
// Signs of life come from work alone, never from a timer: a round hands the log's thread a probe,
// which writes to the disk and syncs behind all writes before it, and the ledger's thread another;
// when both have come back through the loop, there is one sign. So a thread, a loop or a disk that
// hangs ends them, and the service manager starts the daemon anew.
//
// Not thread-safe: it belongs to the loop. Times are milliseconds of Clock::NowMs().
#pragma once

#include <cstdint>
#include <string>

#include "triad/v1/admin.pb.h"

namespace triad::server {

// One line for `systemctl status`; `in_use`: licenses that are out.
std::string ServiceStatusLine(const v1::NodeStatus& status, uint64_t in_use);

class ServiceNotices {
 public:
  enum class Worker { kLog, kLedger };

  // `watchdog_ms`: without a sign for so long the daemon is ended; 0: nobody watches.
  ServiceNotices(int64_t watchdog_ms, int64_t now_ms);

  // Whether both workers are to be handed a probe now. One round is under way at a time.
  bool WantsProbes(int64_t now_ms);
  void OnProbeDone(Worker worker);

  // Lines for sd_notify(); "" when there is nothing to say. What counts licenses or entries alone
  // is said once a second.
  std::string Tell(const v1::NodeStatus& status, uint64_t in_use, int64_t now_ms);

 private:
  const int64_t interval_ms_;  // between rounds; 0: none
  const int64_t since_ms_;
  int64_t round_ms_;  // when the last one began
  bool log_under_way_ = false;
  bool ledger_under_way_ = false;
  bool alive_ = false;  // a round is complete, and nobody was told
  bool ready_ = false;
  int64_t told_ms_ = 0;
  std::string standing_;  // as told last, without counts
  std::string line_;
};

}  // namespace triad::server
