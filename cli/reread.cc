#include "cli/reread.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/status.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

using Change = v1::RereadResponse::PoolChange;

std::string Licenses(const Change& change) {
  const auto side = [&](bool there, uint64_t count) {
    if (!there) return std::string("-");
    return change.uncounted() ? std::string("uncounted") : absl::StrCat(count);
  };
  return absl::StrCat(side(change.was_there(), change.licenses_before()), " -> ",
                      side(change.is_there(), change.licenses_after()));
}

std::string What(const Change& change) {
  if (!change.was_there()) return "new";
  if (!change.is_there()) return "vanishes";
  if (change.licenses_after() > change.licenses_before()) return "grows";
  return change.licenses_after() < change.licenses_before() ? "shrinks" : "other dates";
}

std::string Holders(const v1::RereadResponse& response) {
  std::string text;
  for (const Change& change : response.changes()) {
    if (change.affected_size() == 0) continue;
    absl::StrAppend(&text, Printable(change.feature()), " ", change.version(), ": ",
                    change.in_use(), " in use, ", change.is_there() ? change.licenses_after() : 0,
                    " are left; these keep what they have, and are told of a violation:\n");
    for (const v1::Use& use : change.affected()) {
      absl::StrAppend(&text, "    ", Printable(use.user()), "@", Printable(use.host()), "  ",
                      use.holding().count(), ", handle ", use.holding().handle(), "\n");
    }
  }
  return text;
}

std::string Done(const v1::RereadResponse& response, bool dry_run) {
  const std::string whose = absl::StrCat("the files of node ", response.from());
  if (!response.refusal().empty()) {
    return absl::StrCat(whose, " would be refused: ", response.refusal());
  }
  if (response.unchanged()) return absl::StrCat(whose, " are what is in force already");
  if (dry_run) return absl::StrCat("nothing was changed: these would be ", whose);
  return absl::StrCat(whose, " are in force on all nodes: license set ",
                      response.license_set_number());
}

}  // namespace

std::string RereadText(const v1::RereadResponse& response, bool dry_run) {
  std::string text;
  if (response.changes_size() > 0) {
    std::vector<std::vector<std::string>> rows = {
        {"feature", "version", "licenses", "in use", "expires", "what"}};
    for (const Change& change : response.changes()) {
      rows.push_back({Printable(change.feature()), change.version(), Licenses(change),
                      absl::StrCat(change.in_use()), change.expires(), What(change)});
    }
    text =
        Table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft, Align::kLeft},
              rows);
  }
  absl::StrAppend(&text, Holders(response));
  for (const std::string& diagnostic : response.diagnostics()) {
    absl::StrAppend(&text, Printable(diagnostic), "\n");
  }
  if (!response.options_changes().empty()) {
    absl::StrAppend(&text, Printable(response.options_changes()), "\n");
  }
  return absl::StrCat(text, "triad: ", Done(response, dry_run), "\n");
}

std::string RereadJson(const v1::RereadResponse& response, bool dry_run) {
  std::vector<std::string> changes;
  for (const Change& change : response.changes()) {
    std::vector<std::string> affected;
    for (const v1::Use& use : change.affected()) {
      JsonObject holder;
      holder.String("user", use.user()).String("host", use.host());
      holder.Unsigned("count", use.holding().count()).Unsigned("handle", use.holding().handle());
      affected.push_back(holder.Text());
    }
    JsonObject object;
    object.String("feature", change.feature()).String("vendor", change.vendor());
    object.String("version", change.version()).String("expires", change.expires());
    object.String("what", What(change)).Bool("uncounted", change.uncounted());
    object.Unsigned("before", change.licenses_before());
    object.Unsigned("after", change.licenses_after()).Unsigned("in_use", change.in_use());
    object.Raw("affected", JsonArray(affected));
    changes.push_back(object.Text());
  }
  JsonObject object;
  object.Bool("dry_run", dry_run).Unsigned("from", response.from());
  object.Raw("changes", JsonArray(changes));
  object.Raw("diagnostics",
             JsonStrings({response.diagnostics().begin(), response.diagnostics().end()}));
  object.String("options", response.options_changes()).Bool("unchanged", response.unchanged());
  object.Unsigned("license_set", response.license_set_number());
  object.String("refusal", response.refusal());
  return object.Text();
}

int RereadVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(
      WithClusterFlags(
          {{"dry-run"}, {"json"}, {"from", Takes::kValue}, {"admin-socket", Takes::kValue}}),
      Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("reread", args.status());
  uint32_t from = 0;
  if (args->Has("from") &&
      (!absl::SimpleAtoi(args->Value("from"), &from) || from < 1 || from > 3)) {
    return RefuseUsage("reread", absl::InvalidArgumentError("--from is a node: 1, 2 or 3"));
  }
  const bool json = args->Has("json");
  const bool dry_run = args->Has("dry-run");
  const auto found = FindTheClusters(*args);
  if (!found.ok()) return RefuseSearchPath(found.status(), json);
  const std::vector<NodeAnswer> answers = AskFirstThatAnswers(found->clusters);
  const ClusterView view = MergeStatus(answers);
  if (!view.quorum) return RefuseUnreachable(view.Verdict(), /*certain=*/true, json);
  v1::RereadRequest request;
  request.set_dry_run(dry_run);
  request.set_from(from);
  const auto response = AskReread(AdminTarget(*args, answers), request);
  if (!response.ok()) return RefuseAct("reread", response.status(), json);
  if (json) {
    ToStderr(RereadText(*response, dry_run));
    ToStdout(absl::StrCat(RereadJson(*response, dry_run), "\n"));
  } else {
    ToStdout(RereadText(*response, dry_run));
  }
  return response->refusal().empty() ? kExitDone : kExitNo;
}

}  // namespace triad::cli
