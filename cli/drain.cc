#include "cli/drain.h"

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

// Who leads once it is not `drained` any more; 0: it still does when the time is over.
uint32_t AwaitLeaderBeside(const std::vector<client::Cluster>& clusters, uint32_t drained) {
  const absl::Time end = absl::Now() + absl::Milliseconds(kTransferTimeoutMs);
  while (absl::Now() < end) {
    const ClusterView view = MergeStatus(AskFirstThatAnswers(clusters));
    if (view.quorum && view.leader != drained) return view.leader;
    absl::SleepFor(absl::Milliseconds(kTransferPollMs));
  }
  return 0;
}

}  // namespace

int DrainVerb(const std::vector<std::string>& arguments) {
  const auto args =
      ParseArgs(WithClusterFlags(
                    {{"node", Takes::kValue}, {"undo"}, {"json"}, {"admin-socket", Takes::kValue}}),
                Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("drain", args.status());
  v1::DrainRequest request;
  request.set_undo(args->Has("undo"));
  uint32_t node = 0;
  if (args->Has("node") &&
      (!absl::SimpleAtoi(args->Value("node"), &node) || node < 1 || node > 3)) {
    return RefuseUsage("drain", absl::InvalidArgumentError("--node is a node: 1, 2 or 3"));
  }
  request.set_node(node);
  const bool json = args->Has("json");
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return RefuseSearchPath(found.status(), json);
  const std::vector<NodeAnswer> answers = AskFirstThatAnswers(found->clusters);
  const ClusterView view = MergeStatus(answers);
  if (!view.any_answer) return RefuseUnreachable(view.Verdict(), /*certain=*/true, json);
  const auto done = AskDrain(AdminTarget(*args, answers), request);
  if (!done.ok()) return RefuseAct("drain", done.status(), json);
  const uint32_t leader = request.undo() ? done->leader()
                          : view.nodes.size() == 1
                              ? 0
                              : AwaitLeaderBeside(found->clusters, done->node());
  const std::string line =
      request.undo() ? absl::StrCat("node ", done->node(), " is drained no more")
      : leader != 0  ? absl::StrCat("node ", done->node(),
                                    " is drained: its clients go to other nodes, and "
                                     "node ",
                                    leader, " leads; triad drain --undo ends it, a restart too")
                     : absl::StrCat("node ", done->node(),
                                    " is to be drained, but no other node can take "
                                     "over: see triad status");
  JsonObject object;
  object.Unsigned("node", done->node()).Bool("draining", !request.undo());
  object.Unsigned("leader", leader);
  if (json) ToStdout(absl::StrCat(object.Text(), "\n"));
  json ? ToStderr(absl::StrCat("triad: ", line, "\n"))
       : ToStdout(absl::StrCat("triad: ", line, "\n"));
  return request.undo() || leader != 0 ? kExitDone : kExitNo;
}

}  // namespace triad::cli
