#include "cli/status.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

bool IsMember(const std::string& role) {
  return role == "leader" || role == "follower";
}

const v1::NodeStatus* FirstAnswer(const std::vector<NodeAnswer>& answers) {
  for (const NodeAnswer& answer : answers) {
    if (answer.status) return &*answer.status;
  }
  return nullptr;
}

const NodeAnswer* AnswerOf(const std::vector<NodeAnswer>& answers, uint32_t node) {
  for (const NodeAnswer& answer : answers) {
    if (answer.status && answer.status->slot() == node) return &answer;
  }
  return nullptr;
}

std::string ErrorOf(const std::vector<NodeAnswer>& answers, const std::string& address) {
  for (const NodeAnswer& answer : answers) {
    if (client::FormatAddress(answer.address) == address) {
      return std::string(answer.error.message());
    }
  }
  return "not asked";
}

bool HasLinkTo(const v1::NodeStatus& status, uint32_t node) {
  for (const auto& other : status.nodes()) {
    if (other.slot() == node) return other.connected();
  }
  return false;
}

// Of several that say they lead, the one with the highest term does: the others were cut off.
const v1::NodeStatus* FindLeader(const std::vector<NodeAnswer>& answers) {
  const v1::NodeStatus* leader = nullptr;
  uint64_t term = 0;
  for (const NodeAnswer& answer : answers) {
    if (!answer.status) continue;
    const v1::NodeStatus& status = *answer.status;
    term = std::max(term, status.term());
    if (status.role() != "leader" || !status.quorum()) continue;
    if (leader == nullptr || status.term() > leader->term()) leader = &status;
  }
  return leader != nullptr && leader->term() == term ? leader : nullptr;
}

// A follower in touch with a leader that does not answer us.
const v1::NodeStatus* FindFollowerOfUnseen(const std::vector<NodeAnswer>& answers) {
  for (const NodeAnswer& answer : answers) {
    if (!answer.status || !answer.status->quorum() || answer.status->leader() == 0) continue;
    const uint32_t leader = answer.status->leader();
    if (leader == answer.status->slot() || AnswerOf(answers, leader) != nullptr) continue;
    if (HasLinkTo(*answer.status, leader)) return &*answer.status;
  }
  return nullptr;
}

// The nodes as the cluster numbers them; if none answers, as the search path does.
void ListNodes(const std::vector<NodeAnswer>& answers, ClusterView* view) {
  if (const v1::NodeStatus* any = FirstAnswer(answers)) {
    for (const auto& node : any->nodes()) {
      view->nodes.emplace_back();
      view->nodes.back().node = node.slot();
      view->nodes.back().address = node.address();
    }
    return;
  }
  for (const NodeAnswer& answer : answers) {
    view->nodes.emplace_back();
    view->nodes.back().node = static_cast<uint32_t>(view->nodes.size());
    view->nodes.back().address = client::FormatAddress(answer.address);
  }
}

// What the leader counts a node as: its own word may be late, or that of an incarnation which was
// replaced.
std::string RoleByLeader(const v1::NodeStatus& leader, uint32_t node, const std::string& own) {
  if (!IsMember(own)) return own;
  for (const auto& other : leader.nodes()) {
    if (other.slot() == node && other.member() == "learner") return "learner";
  }
  return own;
}

void DescribeNode(const std::vector<NodeAnswer>& answers, const v1::NodeStatus* leader,
                  uint64_t commit, NodeView* node) {
  const NodeAnswer* answer = AnswerOf(answers, node->node);
  if (answer == nullptr) {
    node->role = "down";
    node->error = ErrorOf(answers, node->address);
    return;
  }
  const v1::NodeStatus& status = *answer->status;
  node->role = status.role();
  // A leader that another has replaced does not know it yet.
  if (node->role == "leader" && leader != nullptr && leader != &status) node->role = "candidate";
  if (leader != nullptr) node->role = RoleByLeader(*leader, node->node, node->role);
  node->term = status.term();
  node->applied = status.applied();
  node->draining = status.draining();
  node->lag = commit > status.applied() ? commit - status.applied() : 0;
  node->in_touch = leader != nullptr && (leader == &status || HasLinkTo(*leader, node->node));
}

// Who does not take part, as "node 3 (27003@h) is down: connection refused".
std::vector<std::string> Absent(const ClusterView& view) {
  std::vector<std::string> absent;
  for (const NodeView& node : view.nodes) {
    const std::string name = absl::StrCat("node ", node.node, " (", node.address, ")");
    if (node.role == "down") {
      absent.push_back(absl::StrCat(name, " is down: ", node.error));
    } else if (view.quorum && !IsMember(node.role)) {
      absent.push_back(absl::StrCat(name, " is ", node.role));
    } else if (view.quorum && !node.in_touch) {
      absent.push_back(absl::StrCat(name, " has no link to the leader"));
    }
  }
  return absent;
}

// What the nodes that answer say they wait for; the one with the newest term knows best.
std::string OwnWords(const std::vector<NodeAnswer>& answers) {
  const v1::NodeStatus* best = nullptr;
  for (const NodeAnswer& answer : answers) {
    if (!answer.status || answer.status->waiting_for().empty()) continue;
    if (best == nullptr || answer.status->term() > best->term()) best = &*answer.status;
  }
  return best == nullptr ? "" : best->waiting_for();
}

std::string WaitingFor(const std::vector<NodeAnswer>& answers, const ClusterView& view) {
  std::vector<std::string> down;
  bool forming = false;
  for (const NodeView& node : view.nodes) {
    forming = forming || node.role == "forming";
    if (node.role != "down") continue;
    down.push_back(absl::StrCat("node ", node.node, " (", node.address, ": ", node.error, ")"));
  }
  const size_t up = view.nodes.size() - down.size();
  // A cluster is born when all have met; after that a majority is enough.
  if (!down.empty() && (forming || 2 * up <= view.nodes.size())) return absl::StrJoin(down, ", ");
  const std::string words = OwnWords(answers);
  return absl::StrCat(forming ? "the cluster to form" : "an election", words.empty() ? "" : ": ",
                      words);
}

void AddWarnings(const std::vector<NodeAnswer>& answers, ClusterView* view) {
  std::set<std::string> clusters;
  for (const NodeAnswer& answer : answers) {
    if (!answer.status) continue;
    if (!answer.status->cluster_id().empty()) clusters.insert(answer.status->cluster_id());
    for (const std::string& warning : answer.status->warnings()) {
      view->warnings.push_back(absl::StrCat("node ", answer.status->slot(), ": ", warning));
    }
  }
  if (clusters.size() > 1) {
    view->warnings.emplace_back("these nodes belong to different clusters");
  }
  const bool seen = std::any_of(view->nodes.begin(), view->nodes.end(), [&](const NodeView& node) {
    return node.node == view->leader && node.applied;
  });
  if (view->quorum && !seen) {
    view->warnings.push_back(
        absl::StrCat("node ", view->leader, " leads, but does not answer here"));
  }
}

}  // namespace

ClusterView MergeStatus(const std::vector<NodeAnswer>& answers) {
  ClusterView view;
  const v1::NodeStatus* leader = FindLeader(answers);
  const v1::NodeStatus* source = leader != nullptr ? leader : FindFollowerOfUnseen(answers);
  view.any_answer = FirstAnswer(answers) != nullptr;
  view.quorum = source != nullptr;
  uint64_t commit = 0;
  for (const NodeAnswer& answer : answers) {
    if (!answer.status) continue;
    view.term = std::max(view.term, answer.status->term());
    commit = std::max(commit, answer.status->commit());
  }
  if (source != nullptr) {
    view.leader = leader != nullptr ? leader->slot() : source->leader();
    view.term = source->term();
  }
  const v1::NodeStatus* told = source != nullptr ? source : FirstAnswer(answers);
  if (told != nullptr) {
    view.sessions = told->sessions();
    view.license_set = told->license_set_number();
    view.vendors.assign(told->vendors().begin(), told->vendors().end());
  }
  ListNodes(answers, &view);
  for (NodeView& node : view.nodes) DescribeNode(answers, leader, commit, &node);
  if (!view.quorum) view.waiting_for = WaitingFor(answers, view);
  AddWarnings(answers, &view);
  return view;
}

int ClusterView::CanLose() const {
  if (!quorum) return 0;
  const auto members = std::count_if(nodes.begin(), nodes.end(), [](const NodeView& node) {
    return IsMember(node.role) && node.in_touch;
  });
  return members >= 3 ? 1 : 0;
}

std::string ClusterView::Verdict() const {
  if (!quorum) return absl::StrCat("no quorum: waiting for ", waiting_for);
  if (CanLose() > 0) return "can lose 1";
  const std::vector<std::string> absent = Absent(*this);
  if (nodes.size() == 1) return "cannot lose any: there is one SERVER line only";
  return absl::StrCat("cannot lose any: ", absent.empty() ? "the leader is not seen from here"
                                                          : absl::StrJoin(absent, ", "));
}

std::string StatusText(const ClusterView& view) {
  std::vector<std::vector<std::string>> rows = {
      {"node", "address", "role", "term", "applied", "lag"}};
  for (const NodeView& node : view.nodes) {
    if (node.applied) {
      rows.push_back({absl::StrCat(node.node), node.address, node.role, absl::StrCat(node.term),
                      absl::StrCat(*node.applied), absl::StrCat(node.lag)});
    } else {
      rows.push_back({absl::StrCat(node.node), node.address, node.role, "-", "-", "-"});
    }
  }
  std::string text =
      Table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kRight},
            rows);
  if (view.quorum) {
    absl::StrAppend(&text, "node ", view.leader, " leads, ", Counted(view.sessions, "session"),
                    ", vendor ", view.vendors.empty() ? "none" : absl::StrJoin(view.vendors, ", "),
                    "\n");
  }
  absl::StrAppend(&text, view.Verdict(), "\n");
  for (const std::string& warning : view.warnings) {
    absl::StrAppend(&text, "warning: ", Printable(warning), "\n");
  }
  return text;
}

std::string StatusJson(const ClusterView& view) {
  std::vector<std::string> nodes;
  for (const NodeView& node : view.nodes) {
    JsonObject object;
    object.Unsigned("node", node.node).String("address", node.address).String("role", node.role);
    if (node.applied) {
      object.Unsigned("applied", *node.applied).Unsigned("term", node.term);
      object.Unsigned("lag", node.lag).Bool("draining", node.draining);
    } else {
      object.Null("applied").String("error", node.error);
    }
    nodes.push_back(object.Text());
  }
  JsonObject object;
  object.Bool("quorum", view.quorum);
  if (view.leader != 0) {
    object.Unsigned("leader", view.leader);
  } else {
    object.Null("leader");
  }
  object.Unsigned("term", view.term).Raw("nodes", JsonArray(nodes));
  object.Number("can_lose", view.CanLose()).String("verdict", view.Verdict());
  object.Unsigned("sessions", view.sessions).Raw("vendors", JsonStrings(view.vendors));
  object.Unsigned("license_set", view.license_set).Raw("warnings", JsonStrings(view.warnings));
  if (!view.quorum) object.String("error", view.Verdict()).Bool("certain", true);
  return object.Text();
}

int CheckStatus(const ClusterView& view) {
  if (!view.any_answer) return kCheckUnknown;
  if (!view.quorum) return kCheckCritical;
  return view.CanLose() > 0 ? kCheckOk : kCheckWarning;
}

std::string CheckText(const ClusterView& view) {
  constexpr const char* kWords[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  return absl::StrCat("TRIAD ", kWords[CheckStatus(view)], ": ", view.Verdict(), "\n");
}

int StatusVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(WithClusterFlags({{"json"}, {"check"}}), Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("status", args.status());
  const auto found = FindTheClusters(*args);
  const bool check = args->Has("check");
  if (!found.ok()) {
    const int exit = RefuseSearchPath(found.status(), args->Has("json"));
    return check ? kCheckUnknown : exit;
  }
  const ClusterView view = MergeStatus(AskFirstThatAnswers(found->clusters));
  const std::string people = check ? CheckText(view) : StatusText(view);
  if (args->Has("json")) {
    ToStderr(people);
    ToStdout(absl::StrCat(StatusJson(view), "\n"));
  } else {
    ToStdout(people);
  }
  if (check) return CheckStatus(view);
  return view.quorum ? kExitDone : kExitUnreachable;
}

}  // namespace triad::cli
