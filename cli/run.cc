#include "cli/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cli/args.h"
#include "cli/checkout.h"
#include "cli/exit_status.h"
#include "cli/output.h"

namespace triad::cli {
namespace {

std::set<int> OpenDescriptors() {
  std::set<int> open;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    int fd = 0;
    if (absl::SimpleAtoi(it->path().filename().native(), &fd)) open.insert(fd);
  }
  return open;
}

// COMMAND must not hold our connections: the servers are to notice when we are killed. What was
// open before is the caller's, and COMMAND's.
void CloseOnExecAllBut(const std::set<int>& kept) {
  for (int fd : OpenDescriptors()) {
    if (kept.find(fd) == kept.end()) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

// 0, or an errno.
int Spawn(const std::vector<std::string>& command, const sigset_t& mask, pid_t* child) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &mask);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);  // main ignores it
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error = posix_spawnp(child, argv[0], nullptr, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  return error;
}

// COMMAND is looked at this often without a signal: a thread that was there before the signals were
// blocked may have taken SIGCHLD.
constexpr int64_t kLookMs = 200;

// COMMAND's status once it has ended.
std::optional<int> Ended(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, WNOHANG) != child) return std::nullopt;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int RunCommand(const std::vector<std::string>& command, OnLost on_lost, SignalWaiter* signals) {
  pid_t child = 0;
  const int error = Spawn(command, signals->mask_before(), &child);
  if (error != 0) {
    Complain(absl::StrCat("run: ", command[0], ": ", std::strerror(error)));
    return error == ENOENT ? kExitRunNotFound : kExitRunCannotExecute;
  }
  while (true) {
    if (const std::optional<int> status = Ended(child)) return *status;
    const SignalWaiter::Arrival arrival = signals->Wait(kLookMs);
    // Until Ended() has seen its end, the process id is still COMMAND's.
    if (arrival.woken && on_lost == OnLost::kStop) kill(child, SIGTERM);
    const bool ours = arrival.signal == 0 || arrival.signal == SIGCHLD || arrival.from_terminal;
    if (!ours) kill(child, arrival.signal);
  }
}

int RunVerb(const std::vector<std::string>& arguments) {
  auto refuse = [](const absl::Status& status) {
    (void)RefuseUsage("run", status);
    return kExitRunFailed;
  };
  const auto args =
      ParseArgs(WithCheckoutFlags({{"on-lost", Takes::kValue}}), Words::kCommand, arguments);
  if (!args.ok()) return refuse(args.status());
  const auto requests = RequestsOf(*args);
  if (!requests.ok()) return refuse(requests.status());
  const auto terms = TermsOf(*args);
  if (!terms.ok()) return refuse(terms.status());
  if (args->words().empty()) return refuse(absl::InvalidArgumentError("-- COMMAND is missing"));
  const std::string on_lost = args->Has("on-lost") ? args->Value("on-lost") : "continue";
  if (on_lost != "continue" && on_lost != "stop") {
    return refuse(absl::InvalidArgumentError("--on-lost is continue or stop"));
  }
  // Before the library's threads begin, so that all of them have the signals blocked.
  SignalWaiter signals({SIGINT, SIGTERM, SIGHUP, SIGCHLD});
  const std::set<int> before = OpenDescriptors();
  HoldOptions options;
  options.terms = *terms;
  options.signals = &signals;
  options.command = std::filesystem::path(args->words()[0]).filename().native();
  options.on_event = [&signals](const Event& event) {
    Complain(EventText(event));
    const bool over = event.kind == Event::Kind::kLost || event.kind == Event::Kind::kEnded;
    if (over) signals.Wake();
  };
  Result<Held> held = TakeLicenses(*args, *requests, options);
  if (!held) return ExitOf(held.status()) == kExitNo ? kExitRunDenied : kExitRunFailed;
  ToStderr(GrantText(GrantsOf(held->licenses)));
  CloseOnExecAllBut(before);
  const int status =
      RunCommand(args->words(), on_lost == "stop" ? OnLost::kStop : OnLost::kContinue, &signals);
  (void)held->client.Close();
  return status;
}

}  // namespace triad::cli
