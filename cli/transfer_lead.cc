#include "cli/transfer_lead.h"

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/status.h"

namespace triad::cli {
namespace {

constexpr char kDefaultSocket[] = "/run/triad/admin.sock";

// Where to ask: the admin socket that was named; the one of this host if its node leads; else the
// leader's port, which takes it on one machine or under --insecure.
std::string Target(const Args& args, const ClusterView& view,
                   const std::vector<NodeAnswer>& answers) {
  std::string named = args.Value("admin-socket");
  const char* variable = std::getenv("TRIAD_ADMIN_SOCKET");
  if (named.empty() && variable != nullptr) named = variable;
  if (!named.empty()) return absl::StrCat("unix:", named);
  const std::string local = absl::StrCat("unix:", kDefaultSocket);
  const auto local_status = AskNode(local);
  for (const NodeAnswer& answer : answers) {
    if (!answer.status || answer.status->slot() != view.leader) continue;
    const bool same = local_status.ok() && local_status->slot() == view.leader &&
                      local_status->cluster_id() == answer.status->cluster_id();
    return same ? local : client::DialTarget(answer.address);
  }
  return local;
}

// The node that leads once it is not `old` any more; 0: it still was when the time was over.
uint32_t AwaitOtherLeader(const client::Cluster& cluster, uint32_t old) {
  const absl::Time end = absl::Now() + absl::Milliseconds(kTransferTimeoutMs);
  while (absl::Now() < end) {
    const ClusterView view = MergeStatus(AskCluster(cluster));
    if (view.quorum && view.leader != old) return view.leader;
    absl::SleepFor(absl::Milliseconds(kTransferPollMs));
  }
  return 0;
}

int Tell(bool json, uint32_t leader, absl::string_view line) {
  const std::string text = absl::StrCat("triad: ", line, "\n");
  if (!json) {
    ToStdout(text);
    return kExitDone;
  }
  ToStdout(absl::StrCat(JsonObject().Unsigned("leader", leader).Text(), "\n"));
  ToStderr(text);
  return kExitDone;
}

int Transfer(const Args& args, uint32_t to, const client::Cluster& cluster) {
  const bool json = args.Has("json");
  const std::vector<NodeAnswer> answers = AskCluster(cluster);
  const ClusterView view = MergeStatus(answers);
  if (!view.quorum) return RefuseUnreachable(view.Verdict(), true, json);
  if (to == view.leader) return Tell(json, to, absl::StrCat("node ", to, " leads already"));
  if (to > view.nodes.size()) {
    return RefuseUsage("transfer-lead",
                       absl::InvalidArgumentError(
                           absl::StrCat("--to=", to, ": there are ", view.nodes.size(), " nodes")));
  }
  const auto done = AskTransferLead(Target(args, view, answers), to);
  if (!done.ok()) {
    const std::string line =
        absl::StrCat(done.status().message(), "; node ", view.leader,
                     " leads, and only its own host's admin socket can tell it");
    return RefuseAct("transfer-lead", absl::Status(done.status().code(), line), json);
  }
  const uint32_t leader = AwaitOtherLeader(cluster, view.leader);
  if (leader == 0) {
    Complain(absl::StrCat("transfer-lead: node ", view.leader,
                          " still leads: ", to == 0 ? "no other node" : absl::StrCat("node ", to),
                          " could take over; see triad status"));
    if (json) ToStdout(absl::StrCat(JsonObject().Unsigned("leader", view.leader).Text(), "\n"));
    return kExitNo;
  }
  return Tell(json, leader, absl::StrCat("node ", leader, " leads"));
}

}  // namespace

int TransferLeadVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(
      WithClusterFlags({{"to", Takes::kValue}, {"json"}, {"admin-socket", Takes::kValue}}),
      Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("transfer-lead", args.status());
  uint32_t to = 0;
  if (args->Has("to") && (!absl::SimpleAtoi(args->Value("to"), &to) || to < 1 || to > 3)) {
    return RefuseUsage("transfer-lead", absl::InvalidArgumentError("--to is a node: 1, 2 or 3"));
  }
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return RefuseSearchPath(found.status(), args->Has("json"));
  return Transfer(*args, to, found->clusters.front());
}

}  // namespace triad::cli
