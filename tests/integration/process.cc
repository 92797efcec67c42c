#include "tests/integration/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace triad::integration {
namespace {

constexpr int kPollMs = 10;

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

// After fork: only what is safe there.
[[noreturn]] void BecomeChild(char* const* argv, char* const* environment, int in, int out,
                              int error, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  close_range(3, ~0u, 0);
  execve(argv[0], argv, environment);
  _exit(127);
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& text : strings) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

int StatusOf(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

}  // namespace

int64_t NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

void Pause(int ms) {
  // allow(sleep): the one place; WaitFor polls with it, and an application's work takes time
  usleep(static_cast<useconds_t>(ms) * 1000);
}

bool WaitFor(const std::function<bool()>& condition, int timeout_ms) {
  const int64_t deadline_ms = NowMs() + timeout_ms;
  while (!condition()) {
    if (NowMs() >= deadline_ms) return false;
    Pause(kPollMs);
  }
  return true;
}

std::string ReadFileOrEmpty(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteFileOrDie(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) Die(path);
}

Process::Process(const Options& options) {
  std::vector<std::string> environment = options.environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const std::vector<char*> argv = Pointers(options.argv);
  const std::vector<char*> envp = Pointers(environment);
  const std::string path = options.output.empty() ? "/dev/null" : options.output;
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int to_child[2] = {-1, -1};
  int from_child[2] = {-1, -1};
  if (file < 0) Die(path);
  if (options.pipes) {
    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) Die("pipe2");
  } else {
    to_child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  const int out = options.pipes ? from_child[1] : file;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) Die("fork");
  if (pid_ == 0) BecomeChild(argv.data(), envp.data(), to_child[0], out, file, parent);
  close(file);
  close(to_child[0]);
  if (!options.pipes) return;
  close(from_child[1]);
  in_ = to_child[1];
  out_ = from_child[0];
}

Process::Process(Process&& other) noexcept {
  *this = std::move(other);
}

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  Kill();
  CloseAll();
  pid_ = std::exchange(other.pid_, -1);
  exit_status_ = other.exit_status_;
  in_ = std::exchange(other.in_, -1);
  out_ = std::exchange(other.out_, -1);
  buffer_ = std::move(other.buffer_);
  return *this;
}

Process::~Process() {
  Kill();
  CloseAll();
}

void Process::CloseAll() {
  if (in_ >= 0) close(in_);
  if (out_ >= 0) close(out_);
  in_ = out_ = -1;
}

bool Process::running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  exit_status_ = StatusOf(status);
  pid_ = -1;
  return false;
}

void Process::Signal(int signal) {
  if (running()) kill(pid_, signal);
}

void Process::Kill() {
  if (!running()) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  exit_status_ = StatusOf(status);
  pid_ = -1;
}

std::optional<int> Process::WaitForExit(int timeout_ms) {
  if (!WaitFor([this] { return !running(); }, timeout_ms)) return std::nullopt;
  return exit_status_;
}

std::optional<std::string> Process::ReadLine(int timeout_ms) {
  const int64_t deadline_ms = NowMs() + timeout_ms;
  for (;;) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    const int64_t left_ms = deadline_ms - NowMs();
    pollfd ready{out_, POLLIN, 0};
    if (left_ms <= 0 || out_ < 0) return std::nullopt;
    if (poll(&ready, 1, static_cast<int>(left_ms)) <= 0) continue;
    char bytes[4096];
    const ssize_t got = read(out_, bytes, sizeof(bytes));
    if (got <= 0) return std::nullopt;
    buffer_.append(bytes, static_cast<size_t>(got));
  }
}

void Process::WriteLine(const std::string& line) {
  const std::string text = line + "\n";
  if (write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    std::perror("a child's stdin");
  }
}

RunResult RunToEnd(const std::vector<std::string>& argv,
                   const std::vector<std::string>& environment, int timeout_ms) {
  const TempDir dir;
  Process process({argv, environment, dir.path() + "/output", false});
  RunResult result;
  result.exit_status = process.WaitForExit(timeout_ms).value_or(-1);
  process.Kill();
  result.output = ReadFileOrEmpty(dir.path() + "/output");
  return result;
}

// In memory where that can be had: these tests kill processes, not machines, and what a process has
// written survives it there as well; a disk shared with others stands still for a second at times,
// and then a leader must go. What holds after a power cut is the simulator's and the enumerations'.
TempDir::TempDir() {
  constexpr const char* kMemory = "/dev/shm";
  const bool in_memory = getenv("TMPDIR") == nullptr && access(kMemory, W_OK | X_OK) == 0;
  const std::filesystem::path parent =
      in_memory ? std::filesystem::path(kMemory) : std::filesystem::temp_directory_path();
  std::string pattern = parent / "triad-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) Die(pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace triad::integration
