// `triad checkout`: takes licenses, says so, and holds them for a while. What a result looks like
// (for people and as JSON) is pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/args.h"
#include "cli/signals.h"
#include "triad/client.h"

namespace triad::cli {

// The flags that say what to check out, and how: -f, -n, -v, --wait.
FlagTable WithCheckoutFlags(FlagTable flags);
// INVALID_ARGUMENT: wrong usage.
absl::StatusOr<std::vector<CheckoutRequest>> RequestsOf(const Args& args);

// What --wait says. INVALID_ARGUMENT: wrong usage.
absl::StatusOr<CheckoutOptions> TermsOf(const Args& args);

// One checkout that was granted.
struct Grant {
  std::string feature;
  uint64_t count = 0;
  uint64_t handle = 0;
  uint32_t node = 0;
};
std::vector<Grant> GrantsOf(const std::vector<License>& licenses);

// "triad: tserver_sdn: license granted: 3, handle 101, node 2\n", a line for each.
std::string GrantText(const std::vector<Grant>& grants);
std::string GrantJson(const std::vector<Grant>& grants);
// "triad: tserver_sdn: license denied: all licenses in use (-4)\n"
std::string RefusalText(const Status& status);
// Denied: {"granted":false,...}; without an answer: {"error":...,"certain":...}. `several`: more
// than one feature was asked for.
std::string RefusalJson(const Status& status, bool several);
// 1: the answer was no; 2: the question was wrong; 3: there was no answer.
int ExitOf(const Status& status);
// What happened to a license while it is held, one line; "" for what need not be said.
std::string EventText(const Event& event);

// A session with what `args` names, and all its licenses or none.
struct Held {
  Client client;
  std::vector<License> licenses;
};
// `command` becomes the application's name as lmstat's relatives show it. A refusal has been said
// already (stderr, and stdout if `json`), and is its exit status.
struct HoldOptions {
  bool json = false;
  std::string command = "triad";
  CheckoutOptions terms;
  // Of these, each ends a wait in the queue.
  SignalWaiter* signals = nullptr;
  std::function<void(const Event&)> on_event;
};
Result<Held> TakeLicenses(const Args& args, const std::vector<CheckoutRequest>& requests,
                          const HoldOptions& options);

int CheckoutVerb(const std::vector<std::string>& arguments);

}  // namespace triad::cli
