// The benchmarks by name; each prints its table and fills its report. False: something was not as
// it must be (a wrong answer, a system that did not start), and stderr says what.
#pragma once

#include <string>

#include "bench/report.h"

namespace triad::bench {

struct Settings {
  // Seconds instead of minutes, to see that a benchmark still works. Its figures mean nothing.
  bool quick = false;
  bool etcd = true;  // beside it; only a quick run may do without
  // checkout only, for a profile: one system by its name, one number in flight. "", 0: all.
  std::string system;
  int inflight = 0;
  // checkout only, for a profile: the open loop at this rate alone. 0: no.
  int rate = 0;
  // checkout only, for a profile: what Triad's daemons are started with, a program by its whole
  // path and arguments without blanks. It must become the daemon (exec), not watch it. "": nothing.
  std::string under;
  int seconds = 0;  // checkout only, for a profile: each case measured for so long. 0: its own time
  // scale only: one of features, sessions, out. "": all.
  std::string what;
  // failover: how often each fault strikes each system.
  int rounds = 100;
  int etcd_rounds = 0;  // 0: as often
  std::string fault;    // this one only; "": all
};

bool RunCheckout(const Settings& settings, Report& report);
bool RunFailover(const Settings& settings, Report& report);
bool RunHistory(const Settings& settings, Report& report);
bool RunReport(const Settings& settings, Report& report);
bool RunLicenses(const Settings& settings, Report& report);
bool RunScale(const Settings& settings, Report& report);
bool RunStorm(const Settings& settings, Report& report);
bool RunRelay(const Settings& settings, Report& report);
bool RunAdmin(const Settings& settings, Report& report);

}  // namespace triad::bench
