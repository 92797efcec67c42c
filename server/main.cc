// triadd, and under the name lmgrd FlexNet's license server.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "server/daemon.h"
#include "server/flags.h"
#include "server/lmgrd_flags.h"
#include "server/system.h"

namespace triad::server {
namespace {

// For lmver, and for people who look into the program.
[[gnu::used]] constexpr char kWhat[] = "Triad v" TRIAD_VERSION " license server";

std::optional<std::string> Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return value;
}

// In the background: ends when the daemon listens, or with its status when it does not.
int AwaitDaemon(pid_t daemon, int ready) {
  char byte = 0;
  ssize_t got = -1;
  do {
    got = read(ready, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) return kExitStopped;
  int status = 0;
  if (waitpid(daemon, &status, 0) != daemon || !WIFEXITED(status)) return kExitRefused;
  return WEXITSTATUS(status);
}

// As FlexNet's lmgrd: its flags and no others, in the background unless -z.
int RunLmgrd(const std::vector<std::string>& arguments) {
  auto parsed = ParseLmgrdFlags(arguments, Variable);
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s\n", std::string(parsed.status().message()).c_str());
    return kExitUsage;
  }
  if (parsed->help || parsed->version) {
    std::fputs(parsed->help ? LmgrdHelp().c_str() : "lmgrd v" TRIAD_VERSION " build 0 x64_lsb\n",
               stdout);
    return kExitStopped;
  }
  StderrLogger logger;
  Flags flags = parsed->flags;
  if (!IsDirectory(flags.data_dir)) {
    logger.Log(LogLevel::kError,
               "lmgrd: " + flags.data_dir + " holds no identity: run once: " + InitCommand(flags));
    return kExitRefused;
  }
  if (!parsed->ignored.empty()) logger.Log(LogLevel::kNotice, parsed->ignored);
  if (parsed->foreground) return RunDaemon(flags, &logger);
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return kExitRefused;
  const pid_t daemon = fork();  // before any thread begins
  if (daemon < 0) return kExitRefused;
  if (daemon > 0) {
    close(ready[1]);
    return AwaitDaemon(daemon, ready[0]);
  }
  close(ready[0]);
  setsid();
  flags.ready_fd = ready[1];
  return RunDaemon(flags, &logger);
}

}  // namespace
}  // namespace triad::server

int main(int argc, char** argv) {
  using namespace triad::server;  // NOLINT(google-build-using-namespace): main only
  // Before any thread begins: signals are waited for by one of the daemon's own.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  const std::string called = argc > 0 ? argv[0] : "";
  if (called.substr(called.rfind('/') + 1) == "lmgrd") {
    return RunLmgrd(std::vector<std::string>(argv + 1, argv + argc));
  }
  const auto flags = ParseFlags(std::vector<std::string>(argv + 1, argv + argc));
  if (!flags.ok()) {
    std::fprintf(stderr, "%s\n", std::string(flags.status().message()).c_str());
    return kExitUsage;
  }
  if (flags->help) {
    std::fputs(HelpText().c_str(), stdout);
    return kExitStopped;
  }
  StderrLogger logger;
  if (flags->verb == "init") return RunInit(*flags, &logger);
  if (flags->verb == "rejoin") return RunRejoin(*flags, &logger);
  if (flags->verb == "recover") return RunRecover(*flags, &logger);
  if (flags->verb == "restore") return RunRestore(*flags, &logger);
  return RunDaemon(*flags, &logger);
}
