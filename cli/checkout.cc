#include "cli/checkout.h"

#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/channels.h"
#include "cli/exit_status.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/servers.h"
#include "cli/signals.h"
#include "cli/text.h"

namespace triad::cli {
namespace {

std::string GrantObject(const Grant& grant) {
  JsonObject object;
  object.Bool("granted", true).String("feature", grant.feature).Unsigned("count", grant.count);
  object.Unsigned("handle", grant.handle).Unsigned("node", grant.node);
  return object.Text();
}

bool IsDenial(const Status& status) {
  return status.kind == ErrorKind::kDenied || status.kind == ErrorKind::kUnverified ||
         status.kind == ErrorKind::kCancelled;
}

// Looking for signals while a checkout waits in a queue, and for its end.
constexpr int64_t kLookMs = 50;

// Blocks until the checkout is decided. A signal ends the wait: then what may be granted in that
// moment goes back with the session.
Result<std::vector<License>> CheckoutHearingSignals(Client* client, SignalWaiter* signals,
                                                    const std::vector<CheckoutRequest>& requests,
                                                    const CheckoutOptions& terms) {
  struct Box {
    std::mutex mutex;
    std::optional<Result<std::vector<License>>> result;
  };
  auto box = std::make_shared<Box>();
  client->CheckoutTogetherAsync(requests, terms, [box](Result<std::vector<License>> result) {
    const std::lock_guard lock(box->mutex);
    box->result.emplace(std::move(result));
  });
  bool interrupted = false;
  while (true) {
    {
      const std::lock_guard lock(box->mutex);
      if (box->result.has_value()) {
        if (!interrupted || !box->result->ok()) return std::move(*box->result);
        Status cancelled;
        cancelled.kind = ErrorKind::kCancelled;
        cancelled.code = -35;
        cancelled.feature = requests[0].feature;
        cancelled.message = "no longer waiting in the queue";
        return cancelled;
      }
    }
    if (signals->Wait(kLookMs).signal == 0) continue;
    interrupted = true;
    (void)client->CancelWaits();
  }
}

// Gives everything back. The exit status.
int GiveBack(Held* held) {
  int exit = kExitDone;
  for (License& license : held->licenses) {
    if (license.state() == LicenseState::kLost) {
      Complain(absl::StrCat(license.feature(), ": license lost before it was given back"));
      continue;
    }
    const Status status = license.CheckIn();
    if (status.ok()) continue;
    Complain(absl::StrCat(status.ToString(),
                          ": not given back for sure; the servers free it by themselves"));
    exit = kExitUnreachable;
  }
  (void)held->client.Close();
  return exit;
}

}  // namespace

FlagTable WithCheckoutFlags(FlagTable flags) {
  flags.push_back({"f", Takes::kValue, true});
  flags.push_back({"n", Takes::kValue});
  flags.push_back({"v", Takes::kValue});
  flags.push_back({"wait", Takes::kWrittenValue});
  return WithClusterFlags(std::move(flags));
}

absl::StatusOr<std::vector<CheckoutRequest>> RequestsOf(const Args& args) {
  if (!args.Has("f")) return absl::InvalidArgumentError("-f FEATURE is missing");
  if (args.Has("up-to") && args.Has("all")) {
    return absl::InvalidArgumentError("--up-to and --all exclude each other");
  }
  uint64_t count = 1;
  if (args.Has("n")) {
    const auto given = ParseCount(args.Value("n"));
    if (!given.ok())
      return absl::InvalidArgumentError(absl::StrCat("-n: ", given.status().message()));
    count = *given;
  }
  std::vector<CheckoutRequest> requests;
  for (const std::string& text : args.Values("f")) {
    const auto feature = ParseFeatureArgument(text);
    if (!feature.ok()) return feature.status();
    CheckoutRequest request;
    request.feature = feature->feature;
    request.count = feature->count.value_or(count);
    request.version = feature->version.value_or(args.Value("v"));
    if (args.Has("up-to")) request.mode = CountMode::kUpTo;
    if (args.Has("all")) request.mode = CountMode::kAll;
    requests.push_back(std::move(request));
  }
  return requests;
}

absl::StatusOr<CheckoutOptions> TermsOf(const Args& args) {
  CheckoutOptions terms;
  terms.wait = args.Has("wait");
  if (args.Value("wait").empty()) return terms;
  const auto limit = ParseSeconds(args.Value("wait"));
  if (!limit.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--wait: ", limit.status().message()));
  }
  terms.wait_limit_ms = *limit;
  // Waiting for 0 seconds is not waiting.
  terms.wait = *limit > 0;
  return terms;
}

std::vector<Grant> GrantsOf(const std::vector<License>& licenses) {
  std::vector<Grant> grants;
  for (const License& license : licenses) {
    grants.push_back({license.feature(), license.count(), license.handle(), license.node()});
  }
  return grants;
}

std::string GrantText(const std::vector<Grant>& grants) {
  std::string text;
  for (const Grant& grant : grants) {
    absl::StrAppend(&text, "triad: ", Printable(grant.feature), ": license granted: ", grant.count,
                    ", handle ", grant.handle, ", node ", grant.node, "\n");
  }
  return text;
}

std::string GrantJson(const std::vector<Grant>& grants) {
  if (grants.size() == 1) return GrantObject(grants[0]);
  std::vector<std::string> items;
  for (const Grant& grant : grants) items.push_back(GrantObject(grant));
  return JsonObject().Bool("granted", true).Raw("items", JsonArray(items)).Text();
}

std::string RefusalText(const Status& status) {
  return absl::StrCat("triad: ", Printable(status.ToString()), "\n");
}

std::string RefusalJson(const Status& status, bool several) {
  if (!IsDenial(status)) {
    JsonObject object;
    object.String("error", status.ToString()).Bool("certain", status.certain);
    return object.Text();
  }
  JsonObject object;
  object.Bool("granted", false).String("feature", status.feature);
  object.String("reason", status.message).Number("code", status.code);
  if (!several) return object.Text();
  const std::string item = object.Text();
  return object.Raw("items", JsonArray({item})).Text();
}

int ExitOf(const Status& status) {
  if (status.ok()) return kExitDone;
  if (IsDenial(status)) return kExitNo;
  const bool usage = status.kind == ErrorKind::kUsage || status.kind == ErrorKind::kInsecure;
  return usage ? kExitUsage : kExitUnreachable;
}

std::string EventText(const Event& event) {
  std::string text = absl::StrCat(Printable(event.feature), ": license ", EventName(event.kind));
  if (event.handle != 0) absl::StrAppend(&text, ", handle ", event.handle);
  if (!event.reason.empty()) absl::StrAppend(&text, ": ", Printable(event.reason));
  return text;
}

Result<Held> TakeLicenses(const Args& args, const std::vector<CheckoutRequest>& requests,
                          const HoldOptions& options) {
  auto refuse = [&](Status status) {
    ToStderr(RefusalText(status));
    if (options.json) ToStdout(absl::StrCat(RefusalJson(status, requests.size() > 1), "\n"));
    return status;
  };
  const auto found = FindTheClusters(args);
  if (!found.ok()) {
    Status status;
    status.kind = found.status().code() == absl::StatusCode::kFailedPrecondition
                      ? ErrorKind::kInsecure
                      : ErrorKind::kSearchPath;
    status.message = std::string(found.status().message());
    return refuse(std::move(status));
  }
  ClientOptions client_options;
  client_options.license_path = AsSearchPath(found->clusters);
  client_options.insecure = InsecureAllowed(args);
  GiveTrustTo(&client_options);
  client_options.application = options.command;
  client_options.on_event = options.on_event;
  Result<Client> client = Client::Open(client_options);
  if (!client) return refuse(client.status());
  const bool waits = options.terms.wait && options.signals != nullptr;
  Result<std::vector<License>> licenses =
      waits ? CheckoutHearingSignals(&*client, options.signals, requests, options.terms)
            : client->CheckoutTogether(requests, options.terms);
  if (!licenses) {
    (void)client->Close();
    return refuse(licenses.status());
  }
  return Held{*std::move(client), *std::move(licenses)};
}

int CheckoutVerb(const std::vector<std::string>& arguments) {
  const FlagTable table =
      WithCheckoutFlags({{"up-to"}, {"all"}, {"json"}, {"hold", Takes::kValue}});
  const auto args = ParseArgs(table, Words::kNone, arguments);
  if (!args.ok()) return RefuseUsage("checkout", args.status());
  const auto requests = RequestsOf(*args);
  if (!requests.ok()) return RefuseUsage("checkout", requests.status());
  const auto terms = TermsOf(*args);
  if (!terms.ok()) return RefuseUsage("checkout", terms.status());
  std::optional<int64_t> hold_ms;
  if (args->Has("hold")) {
    const auto hold = ParseSeconds(args->Value("hold"));
    if (!hold.ok()) {
      return RefuseUsage("checkout", absl::InvalidArgumentError(
                                         absl::StrCat("--hold: ", hold.status().message())));
    }
    hold_ms = *hold;
  }
  // Before the library's threads begin, so that all of them have the signals blocked.
  SignalWaiter signals({SIGINT, SIGTERM, SIGHUP});
  HoldOptions options;
  options.json = args->Has("json");
  options.terms = *terms;
  options.signals = &signals;
  options.on_event = [](const Event& event) { Complain(EventText(event)); };
  Result<Held> held = TakeLicenses(*args, *requests, options);
  if (!held) return ExitOf(held.status());
  const std::vector<Grant> grants = GrantsOf(held->licenses);
  if (options.json) {
    ToStderr(GrantText(grants));
    ToStdout(absl::StrCat(GrantJson(grants), "\n"));
  } else {
    ToStdout(GrantText(grants));
  }
  (void)signals.Wait(hold_ms);
  // Whoever sends a second one does not want to wait for the servers.
  signals.Restore();
  return GiveBack(&*held);
}

}  // namespace triad::cli
