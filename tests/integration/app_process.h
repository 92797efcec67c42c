// app.cc as a child process, so that a test can kill an application.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/integration/process.h"

namespace triad::integration {

class AppProcess {
 public:
  // Starts it; its session is open when this returns, or the test has failed.
  AppProcess(const std::string& path, const std::string& name);
  AppProcess(const std::string& path, const std::string& name, const std::string& host,
             const std::string& display);

  // The handle; 0: denied, or no answer (then the test has failed).
  uint64_t Checkout(const std::string& feature, uint64_t count = 1);
  // The answer to a command; events that come first are kept.
  std::string Ask(const std::string& command);
  // Waits for an event of this kind.
  bool WaitForEvent(const std::string& kind, int timeout_ms = 30'000);
  // "event lost tserver_sdn 101 ..."; so far.
  std::vector<std::string> Events();
  Process& process() { return process_; }

 private:
  std::string ReadAnswer();

  Process process_;
  std::vector<std::string> events_;
};

}  // namespace triad::integration
