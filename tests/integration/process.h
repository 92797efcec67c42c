// Child processes for the tests: started, stopped, killed, waited for; their output in a file.
//
// A child dies with the test, however the test ends (PR_SET_PDEATHSIG): start it from a thread that
// lives on. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace triad::integration {

// Polls until `condition` holds; false when it still does not after `timeout_ms`.
bool WaitFor(const std::function<bool()>& condition, int timeout_ms = 30'000);

// The time that work takes, in a test's application, or an outage lasts; never to wait for
// something.
void Pause(int ms);

// Milliseconds of CLOCK_MONOTONIC.
int64_t NowMs();

std::string ReadFileOrEmpty(const std::string& path);
void WriteFileOrDie(const std::string& path, const std::string& text);

class Process {
 public:
  struct Options {
    std::vector<std::string> argv;
    std::vector<std::string> environment;  // "NAME=value", added to the test's own
    std::string output;                    // stdout and stderr are appended to this file
    bool pipes = false;                    // stdin and stdout are pipes; stderr goes to `output`
  };

  Process() = default;
  explicit Process(const Options& options);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // SIGKILL

  pid_t pid() const { return pid_; }
  // False once it has ended; then exit_status() is set.
  bool running();
  void Signal(int signal);
  // SIGKILL, and waits until it is gone.
  void Kill();
  // Waits for its end. nullopt: it still runs.
  std::optional<int> WaitForExit(int timeout_ms = 30'000);
  // As a shell says it: 128 + signal if a signal ended it.
  int exit_status() const { return exit_status_; }

  // With pipes: one line, without the end of line; nullopt after `timeout_ms` or at the end.
  std::optional<std::string> ReadLine(int timeout_ms);
  void WriteLine(const std::string& line);

 private:
  void CloseAll();

  pid_t pid_ = -1;
  int exit_status_ = 0;
  int in_ = -1;
  int out_ = -1;
  std::string buffer_;
};

// Runs a program to its end.
struct RunResult {
  int exit_status = -1;  // -1: killed after the timeout
  std::string output;    // stdout and stderr
};
RunResult RunToEnd(const std::vector<std::string>& argv,
                   const std::vector<std::string>& environment = {}, int timeout_ms = 30'000);

// A directory that is removed at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace triad::integration
