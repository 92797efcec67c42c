// triadd.
#include <signal.h>

#include <cstdio>
#include <string>
#include <vector>

#include "server/daemon.h"
#include "server/flags.h"
#include "server/system.h"

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
  return RunDaemon(*flags, &logger);
}
