#include "cli/reserve.h"

#include <algorithm>

#include "absl/strings/ascii.h"
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

constexpr absl::string_view kTypes[] = {"USER",    "HOST",  "DISPLAY",   "INTERNET",
                                        "PROJECT", "GROUP", "HOST_GROUP"};

FlagTable Flags(FlagTable own) {
  own.push_back({"json"});
  own.push_back({"admin-socket", Takes::kValue});
  return WithClusterFlags(std::move(own));
}

// Has `command` carried out; `outcome` is then what came of it. Returns the exit status.
int Act(absl::string_view verb, const Args& args, const v1::AdminCommand& command,
        v1::Outcome* outcome) {
  const bool json = args.Has("json");
  const auto found = FindTheClusters(args);
  if (!found.ok()) return RefuseSearchPath(found.status(), json);
  const std::vector<NodeAnswer> answers = AskFirstThatAnswers(found->clusters);
  const ClusterView view = MergeStatus(answers);
  if (!view.quorum) return RefuseUnreachable(view.Verdict(), /*certain=*/true, json);
  const auto done = AskAct(AdminTarget(args, answers), command);
  if (!done.ok()) return RefuseAct(verb, done.status(), json);
  *outcome = *done;
  if (!outcome->has_denied()) return kExitDone;
  Complain(
      absl::StrCat(verb, ": ", outcome->denied().reason(), " (", outcome->denied().code(), ")"));
  return kExitNo;
}

void Tell(const Args& args, const std::string& line, const JsonObject& object) {
  if (args.Has("json")) ToStdout(absl::StrCat(object.Text(), "\n"));
  args.Has("json") ? ToStderr(absl::StrCat("triad: ", line, "\n"))
                   : ToStdout(absl::StrCat("triad: ", line, "\n"));
}

}  // namespace

int ReserveVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(Flags({{"for", Takes::kValue}}), Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage("reserve", args.status());
  const auto refuse = [](std::string why) {
    return RefuseUsage("reserve", absl::InvalidArgumentError(why));
  };
  if (args->words().size() != 4) return refuse("give FEATURE COUNT TYPE NAME");
  v1::AdminCommand command;
  v1::Reserve& reserve = *command.mutable_reserve();
  reserve.set_feature(args->words()[0]);
  const auto count = ParseCount(args->words()[1]);
  if (!count.ok()) return RefuseUsage("reserve", count.status());
  reserve.set_count(*count);
  reserve.set_type(absl::AsciiStrToUpper(args->words()[2]));
  if (std::find(std::begin(kTypes), std::end(kTypes), reserve.type()) == std::end(kTypes)) {
    return refuse(absl::StrCat("'", args->words()[2],
                               "' is none of USER, HOST, DISPLAY, INTERNET, PROJECT, GROUP, "
                               "HOST_GROUP"));
  }
  reserve.set_name(args->words()[3]);
  if (args->Has("for")) {
    const auto time = ParseSeconds(args->Value("for"));
    if (!time.ok() || *time == 0) {
      return refuse(absl::StrCat("--for=", args->Value("for"), ": a time, as in 90s or 8h"));
    }
    reserve.set_for_ms(static_cast<uint64_t>(*time));
  }
  v1::Outcome outcome;
  if (const int exit = Act("reserve", *args, command, &outcome); exit != kExitDone) return exit;
  JsonObject object;
  object.Unsigned("reservation", outcome.reserved().id());
  object.String("feature", reserve.feature()).Unsigned("count", reserve.count());
  Tell(*args,
       absl::StrCat(reserve.feature(), ": ", reserve.count(), " reserved for ", reserve.type(), " ",
                    reserve.name(), ", reservation ", outcome.reserved().id(), "; triad unreserve ",
                    outcome.reserved().id(), " takes it back"),
       object);
  return kExitDone;
}

int UnreserveVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(Flags({}), Words::kAny, arguments);
  if (!args.ok()) return RefuseUsage("unreserve", args.status());
  uint64_t id = 0;
  if (args->words().size() != 1 || !absl::SimpleAtoi(args->words()[0], &id) || id == 0) {
    return RefuseUsage("unreserve",
                       absl::InvalidArgumentError("give the reservation's number, as triad "
                                                  "reserve has printed it"));
  }
  v1::AdminCommand command;
  command.mutable_unreserve()->set_id(id);
  v1::Outcome outcome;
  if (const int exit = Act("unreserve", *args, command, &outcome); exit != kExitDone) return exit;
  JsonObject object;
  object.Unsigned("reservation", id);
  Tell(*args, absl::StrCat("reservation ", id, " is taken back"), object);
  return kExitDone;
}

int UndoClockVerb(const std::vector<std::string>& arguments) {
  const auto args = ParseArgs(Flags({}), Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("undo-clock", args.status());
  v1::AdminCommand command;
  command.mutable_undo_clock();
  v1::Outcome outcome;
  if (const int exit = Act("undo-clock", *args, command, &outcome); exit != kExitDone) return exit;
  Tell(*args, "dates are judged by the leader's clock as it is now; this is recorded",
       JsonObject().Bool("done", true));
  return kExitDone;
}

}  // namespace triad::cli
