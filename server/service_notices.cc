#include "server/service_notices.h"

#include "absl/strings/str_cat.h"
#include "server/limits.h"

namespace triad::server {
namespace {

// Voters that this node has a link to, itself among them.
int ConnectedVoters(const v1::NodeStatus& status) {
  int voters = 0;
  for (const auto& node : status.nodes()) {
    if (node.connected() && node.member() == "voter") ++voters;
  }
  return voters;
}

// Role, term and quorum: what changes seldom and is told at once.
std::string Standing(const v1::NodeStatus& status) {
  std::string line =
      absl::StrCat("node ", status.slot(), ": ", status.role(), ", term ", status.term());
  if (!status.quorum()) return absl::StrCat(line, ", no quorum: ", status.waiting_for());
  if (status.leader() != status.slot()) {
    absl::StrAppend(&line, ", leader is node ", status.leader());
  }
  absl::StrAppend(&line, ", quorum: ",
                  ConnectedVoters(status) >= kVotersToLoseOne ? "can lose 1" : "cannot lose any");
  if (status.draining()) absl::StrAppend(&line, ", drained");
  return line;
}

std::string WithCounts(const std::string& standing, const v1::NodeStatus& status, uint64_t in_use) {
  const uint64_t lag = status.commit() > status.applied() ? status.commit() - status.applied() : 0;
  return absl::StrCat(standing, ", lag ", lag, ", ", in_use,
                      in_use == 1 ? " license in use" : " licenses in use");
}

}  // namespace

std::string ServiceStatusLine(const v1::NodeStatus& status, uint64_t in_use) {
  return WithCounts(Standing(status), status, in_use);
}

ServiceNotices::ServiceNotices(int64_t watchdog_ms, int64_t now_ms)
    : interval_ms_(watchdog_ms / kWatchdogRounds), since_ms_(now_ms), round_ms_(now_ms) {
}

bool ServiceNotices::WantsProbes(int64_t now_ms) {
  if (interval_ms_ == 0 || log_under_way_ || ledger_under_way_) return false;
  if (now_ms - round_ms_ < interval_ms_) return false;
  round_ms_ = now_ms;
  log_under_way_ = true;
  ledger_under_way_ = true;
  return true;
}

void ServiceNotices::OnProbeDone(Worker worker) {
  (worker == Worker::kLog ? log_under_way_ : ledger_under_way_) = false;
  if (!log_under_way_ && !ledger_under_way_) alive_ = true;
}

std::string ServiceNotices::Tell(const v1::NodeStatus& status, uint64_t in_use, int64_t now_ms) {
  std::string lines;
  const std::string standing = Standing(status);
  if (standing != standing_ || now_ms - told_ms_ >= kServiceStatusMs) {
    standing_ = standing;
    told_ms_ = now_ms;
    std::string line = WithCounts(standing, status, in_use);
    if (line != line_) {
      line_ = std::move(line);
      absl::StrAppend(&lines, "STATUS=", line_, "\n");
    }
  }
  if (!ready_ && (status.quorum() || now_ms - since_ms_ >= kReadyWithoutQuorumMs)) {
    ready_ = true;
    absl::StrAppend(&lines, "READY=1\n");
  }
  if (alive_) {
    alive_ = false;
    absl::StrAppend(&lines, "WATCHDOG=1\n");
  }
  return lines;
}

}  // namespace triad::server
