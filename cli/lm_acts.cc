#include "cli/lm_acts.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/limits.h"
#include "cli/lm_tools.h"
#include "cli/lmstat.h"
#include "cli/output.h"
#include "cli/status.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

constexpr char kDownHelp[] =
    "usage: lmdown [-c LICENSE_PATH] [-vendor VENDOR] [-q] [-all] [-force]\n"
    "    stops the server that it is sent to, having handed over the lead\n"
    "    -all            all three servers\n"
    "    -vendor VENDOR  the servers go on, only this vendor is served no more until lmreread\n"
    "    -q              does not ask\n"
    "    -force          also when licenses are borrowed, or without it no quorum is left\n";
constexpr char kRereadHelp[] =
    "usage: lmreread [-c LICENSE_PATH] [-vendor VENDOR] [-all]\n"
    "    the server that it is sent to reads its license and options files again, and what they\n"
    "    say is in force on all three. A vendor that lmdown has stopped is served again.\n"
    "    -vendor VENDOR  only this vendor is served again; the files are read as a whole\n"
    "    -all            taken and ignored: all servers have one license set\n"
    "    -verbose        what changes\n";
constexpr char kRemoveHelp[] =
    "usage: lmremove [-c LICENSE_PATH] [-force] FEATURE USER USER_HOST DISPLAY\n"
    "       lmremove [-c LICENSE_PATH] [-force] -h FEATURE SERVER_HOST PORT HANDLE\n"
    "    frees licenses of others, as lmstat shows them; lingering and borrowed ones stay\n"
    "    -force: borrowed ones too, where the machine that has them is lost\n";

FlagTable Flags(FlagTable own) {
  return WithLmFlags(std::move(own));
}

// --- lmdown

// The node behind `target`: what a stop would stop.
uint32_t SlotOf(const std::string& target) {
  const auto status = AskNode(target);
  return status.ok() ? status->slot() : 0;
}

std::string Addresses(const std::vector<NodeAnswer>& nodes, const std::set<uint32_t>& slots) {
  const ClusterView view = MergeStatus(nodes);
  std::vector<std::string> texts;
  for (const NodeView& node : view.nodes) {
    if (slots.contains(node.node)) texts.push_back(node.address);
  }
  return absl::StrJoin(texts, ", ");
}

// TRUE: somebody said yes.
bool Confirmed(const std::string& what) {
  ToStdout(absl::StrCat(what, "\nAre you sure (y/n)? "));
  char line[64];
  if (std::fgets(line, sizeof(line), stdin) == nullptr) return false;
  return line[0] == 'y' || line[0] == 'Y';
}

// Of `slots`, those that still answer when the time is over.
std::set<uint32_t> AwaitGone(const std::vector<NodeAnswer>& nodes,
                             const std::set<uint32_t>& slots) {
  const absl::Time end = absl::Now() + absl::Milliseconds(kStopWaitMs);
  std::vector<client::Address> addresses;
  for (const NodeAnswer& node : nodes) {
    if (node.status && slots.contains(node.status->slot())) addresses.push_back(node.address);
  }
  for (;;) {
    std::set<uint32_t> answering;
    for (const NodeAnswer& node : AskStatus(addresses)) {
      if (node.status) answering.insert(node.status->slot());
    }
    if (answering.empty() || absl::Now() >= end) return answering;
    absl::SleepFor(absl::Milliseconds(kTransferPollMs));
  }
}

int StopVendor(const Args& args, const LmTarget& to) {
  v1::StopRequest request;
  request.set_vendor(args.Value("vendor"));
  request.set_force(args.Has("force"));
  request.set_id(DrawId());
  const auto done = AskStop(to.target, request);
  if (!done.ok()) return LmRefuse("lmdown", LmActError(done.status()), kLmVendorDown);
  ToStdout(absl::StrCat("vendor ", Printable(request.vendor()),
                        " is served no more, on all servers, until lmreread\n"));
  return 0;
}

// The nodes that were told to stop are gone, or it is said which are not.
int TellStopped(const LmTarget& to, const std::set<uint32_t>& slots,
                const std::vector<uint32_t>& unreachable) {
  const std::set<uint32_t> left = AwaitGone(to.nodes, slots);
  std::set<uint32_t> gone;
  std::set_difference(slots.begin(), slots.end(), left.begin(), left.end(),
                      std::inserter(gone, gone.end()));
  if (!gone.empty()) {
    ToStdout(absl::StrCat(gone.size(), gone.size() == 1 ? " license server" : " license servers",
                          " shut down: ", Addresses(to.nodes, gone), "\n"));
  }
  if (!left.empty()) {
    return LmRefuse("lmdown",
                    absl::StrCat(Addresses(to.nodes, left), ": was told to stop and still answers"),
                    kLmServerDown);
  }
  if (!unreachable.empty()) {
    return LmRefuse("lmdown",
                    absl::StrCat(Addresses(to.nodes, {unreachable.begin(), unreachable.end()}),
                                 ": could not be reached, so it was not told to stop"),
                    kLmServerDown);
  }
  return 0;
}

int StopNodes(const Args& args, const LmTarget& to) {
  const uint32_t slot = SlotOf(to.target);
  if (slot == 0) {
    return LmRefuse("lmdown", "the server to be asked does not answer", kLmCannotConnect);
  }
  // Whoever names one server means that one, not the one whose admin socket is at hand.
  const auto found = FindTheClusters(args);
  const bool named_one = found.ok() && found->clusters.front().servers.size() == 1;
  if (named_one && !args.Has("all") && to.nodes.front().status &&
      to.nodes.front().status->slot() != slot) {
    return LmRefuse("lmdown",
                    absl::StrCat(client::FormatAddress(to.nodes.front().address),
                                 " can only be stopped on its own host, or with -all"),
                    -119);
  }
  const ClusterView view = MergeStatus(to.nodes);
  std::set<uint32_t> meant = {slot};
  if (args.Has("all")) {
    for (const NodeView& node : view.nodes) meant.insert(node.node);
  }
  const std::string what = absl::StrCat("Shutting down ", Addresses(to.nodes, meant));
  if (!args.Has("q") && !Confirmed(what)) {
    ToStdout("nothing was shut down\n");
    return 0;
  }
  v1::StopRequest request;
  request.set_all(args.Has("all"));
  request.set_force(args.Has("force"));
  const auto told = AskStop(to.target, request);
  if (!told.ok()) {
    // The answer may have been lost because it stopped.
    const bool may_have = told.status().code() == absl::StatusCode::kUnavailable;
    if (may_have && AwaitGone(to.nodes, {slot}).empty()) return TellStopped(to, {slot}, {});
    return LmRefuse("lmdown", LmActError(told.status()), kLmServerDown);
  }
  if (!told->refusal().empty()) return LmRefuse("lmdown", told->refusal(), told->code());
  return TellStopped(to, {told->nodes().begin(), told->nodes().end()},
                     {told->unreachable().begin(), told->unreachable().end()});
}

// --- lmremove

int Remove(const std::string& target, const v1::RemoveCheckouts& remove) {
  v1::AdminCommand command;
  *command.mutable_remove() = remove;
  const auto outcome = AskAct(target, command);
  if (!outcome.ok()) return LmRefuse("lmremove", LmActError(outcome.status()), kLmBadParameter);
  if (outcome->has_denied()) {
    return LmRefuse("lmremove", outcome->denied().reason(), outcome->denied().code());
  }
  const uint64_t count = outcome->removed().checkouts();
  ToStdout(absl::StrCat(count, count == 1 ? " checkout" : " checkouts", " of ",
                        Printable(remove.feature()), " removed\n"));
  return 0;
}

}  // namespace

absl::StatusOr<v1::RemoveCheckouts> RemovalByNames(const v1::Usage& usage,
                                                   absl::string_view feature,
                                                   absl::string_view user, absl::string_view host,
                                                   absl::string_view display) {
  v1::RemoveCheckouts remove;
  remove.set_feature(std::string(feature));
  bool found = false;
  for (const v1::Feature& each : usage.features()) {
    if (each.name() != feature) continue;
    for (const v1::Pool& pool : each.pools()) {
      for (const v1::Use& use : pool.uses()) {
        if (LmShown(use.user()) != user || LmShown(use.host()) != host ||
            LmShown(use.display()) != display) {
          continue;
        }
        const bool other = found && (use.user() != remove.user() || use.host() != remove.host() ||
                                     use.display() != remove.display());
        if (other) {
          return absl::InvalidArgumentError(
              "several users look like this: remove each by its handle, lmremove -h");
        }
        found = true;
        remove.set_user(use.user());
        remove.set_host(use.host());
        remove.set_display(use.display());
      }
    }
  }
  if (!found) {
    return absl::NotFoundError(absl::StrCat(
        "no checkout of ", Printable(feature), " by ", Printable(user), " on ", Printable(host),
        " at ", Printable(display), " is out: see lmstat -f ", Printable(feature)));
  }
  return remove;
}

absl::StatusOr<v1::RemoveCheckouts> RemovalByHandle(const std::vector<std::string>& words,
                                                    const v1::NodeStatus& status) {
  uint64_t handle = 0;
  if (!absl::SimpleAtoi(words[3], &handle) || handle == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(Printable(words[3]),
                     " is no handle: take the last number in parentheses "
                     "from lmstat"));
  }
  const bool known = std::any_of(
      status.nodes().begin(), status.nodes().end(), [&](const v1::NodeStatus::Node& node) {
        const client::SearchPath path = client::ParseSearchPath(node.address());
        if (path.entries.size() != 1 || path.entries[0].clusters.empty()) return false;
        const client::Address& address = path.entries[0].clusters[0].servers[0];
        return address.host == words[1] && absl::StrCat(address.port) == words[2];
      });
  if (!known) {
    return absl::InvalidArgumentError(absl::StrCat(Printable(words[1]), "/", Printable(words[2]),
                                                   " is none of the servers of this handle"));
  }
  v1::RemoveCheckouts remove;
  remove.set_feature(words[0]);
  remove.set_handle(handle);
  return remove;
}

int LmdownVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(Flags({{"vendor", Takes::kValue}, {"q"}, {"all"}, {"force"}}),
                              Words::kNone, arguments);
  if (!args.ok()) return LmRefuseUsage("lmdown", args.status());
  if (LmHelpOrVersion(*args, "lmdown", kDownHelp)) return 0;
  ToStdout(LmFirstLine());
  const auto to = FindLmTarget(*args);
  if (!to.ok()) return LmRefuse("lmdown", to.status().message(), kLmCannotConnect);
  return args->Has("vendor") ? StopVendor(*args, *to) : StopNodes(*args, *to);
}

int LmrereadVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(Flags({{"vendor", Takes::kValue}, {"all"}}), Words::kNone, arguments);
  if (!args.ok()) return LmRefuseUsage("lmreread", args.status());
  if (LmHelpOrVersion(*args, "lmreread", kRereadHelp)) return 0;
  ToStdout(LmFirstLine());
  const auto to = FindLmTarget(*args);
  if (!to.ok()) return LmRefuse("lmreread", to.status().message(), kLmCannotConnect);
  const ClusterView view = MergeStatus(to->nodes);
  const std::string vendor = args->Value("vendor");
  if (!vendor.empty() &&
      std::find(view.vendors.begin(), view.vendors.end(), vendor) == view.vendors.end()) {
    return LmRefuse("lmreread", absl::StrCat("vendor ", Printable(vendor), " is not served here"),
                    kLmVendorDown);
  }
  v1::RereadRequest request;
  request.set_vendor(vendor);
  const auto response = AskReread(to->target, request);
  if (!response.ok()) return LmRefuse("lmreread", LmActError(response.status()), kLmServerDown);
  if (args->Has("verbose")) {
    for (const auto& change : response->changes()) {
      ToStdout(absl::StrCat(Printable(change.feature()), " v", Printable(change.version()), ": ",
                            change.licenses_before(), " -> ", change.licenses_after(),
                            " licenses\n"));
    }
    for (const std::string& diagnostic : response->diagnostics()) {
      ToStdout(absl::StrCat(Printable(diagnostic), "\n"));
    }
  }
  ToStdout(absl::StrCat("lmreread successful",
                        response->unchanged() ? ": the files say what was in force already" : "",
                        "\n"));
  return 0;
}

int LmremoveVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(Flags({{"h"}, {"force"}}), Words::kAny, arguments);
  if (!args.ok()) return LmRefuseUsage("lmremove", args.status());
  if (LmHelpOrVersion(*args, "lmremove", kRemoveHelp)) return 0;
  const std::vector<std::string>& words = args->words();
  if (words.size() != 4) {
    return LmRefuseUsage("lmremove", absl::InvalidArgumentError(
                                         args->Has("h") ? "give FEATURE SERVER_HOST PORT HANDLE"
                                                        : "give FEATURE USER USER_HOST DISPLAY"));
  }
  ToStdout(LmFirstLine());
  const auto to = FindLmTarget(*args);
  if (!to.ok()) return LmRefuse("lmremove", to.status().message(), kLmCannotConnect);
  absl::StatusOr<v1::RemoveCheckouts> remove;
  if (args->Has("h")) {
    for (const NodeAnswer& node : to->nodes) {
      if (node.status) remove = RemovalByHandle(words, *node.status);
      if (node.status) break;
    }
  } else {
    v1::GetUsageRequest request;
    request.set_feature(words[0]);
    const auto usage = AskUsage(to->nodes, request);
    if (!usage.ok()) return LmRefuse("lmremove", usage.status().message(), kLmServerDown);
    remove = RemovalByNames(*usage, words[0], words[1], words[2], words[3]);
  }
  if (!remove.ok()) return LmRefuse("lmremove", remove.status().message(), kLmBadParameter);
  remove->set_force(args->Has("force"));
  return Remove(to->target, *remove);
}

}  // namespace triad::cli
