#include "server/system.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace triad::server {
namespace {

int64_t ReadClockMs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Priorities of sd-daemon(3).
int JournalPriority(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return 7;
    case LogLevel::kInfo:
      return 6;
    case LogLevel::kNotice:
      return 5;
    case LogLevel::kWarning:
      return 4;
    case LogLevel::kError:
      return 3;
  }
  return 6;
}

absl::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kNotice:
      return "notice";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

// 32 hex digits and a line end; anything much longer is no machine id.
constexpr size_t kMachineIdBytesMax = 128;

void AddInterface(const ifaddrs& at, license::MachineIds* ids) {
  const bool loopback = (at.ifa_flags & IFF_LOOPBACK) != 0;
  char text[INET6_ADDRSTRLEN] = "";
  if (at.ifa_addr->sa_family == AF_PACKET && !loopback) {
    const auto* link = reinterpret_cast<const sockaddr_ll*>(at.ifa_addr);
    if (link->sll_halen != 6) return;
    const absl::string_view bytes(reinterpret_cast<const char*>(link->sll_addr), 6);
    ids->ethers.push_back(absl::BytesToHexString(bytes));
  } else if (at.ifa_addr->sa_family == AF_INET) {
    const auto* address = reinterpret_cast<const sockaddr_in*>(at.ifa_addr);
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
    ids->addresses.push_back(loopback ? "127.0.0.0/8" : text);
  } else if (at.ifa_addr->sa_family == AF_INET6) {
    const auto* address = reinterpret_cast<const sockaddr_in6*>(at.ifa_addr);
    inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    ids->addresses.emplace_back(text);
  }
}

}  // namespace

void NameThread(const char* name) {
  (void)pthread_setname_np(pthread_self(), name);
}

int64_t SystemClock::NowMs() {
  return ReadClockMs(CLOCK_BOOTTIME);
}

int64_t SystemClock::WallMs() {
  return ReadClockMs(CLOCK_REALTIME);
}

int32_t SystemClock::UtcOffsetSeconds() {
  const time_t now = time(nullptr);
  tm local{};
  localtime_r(&now, &local);
  return static_cast<int32_t>(local.tm_gmtoff);
}

std::string SystemRandom::Bytes(size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t got = getrandom(bytes.data() + have, size - have, 0);
    if (got > 0) have += static_cast<size_t>(got);
  }
  return bytes;
}

uint32_t SystemRandom::Below(uint32_t bound) {
  if (bound == 0) return 0;
  uint32_t value = 0;
  const std::string bytes = Bytes(sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value % bound;
}

int64_t SystemDiskSpace::FreeBytes() {
  struct statvfs disk;
  if (statvfs(dir_.c_str(), &disk) != 0) return -1;
  return static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
}

DiskProbe::~DiskProbe() {
  if (file_ >= 0) close(file_);
}

void DiskProbe::Touch() {
  if (file_ < 0) file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) return;
  ++touches_;
  (void)!pwrite(file_, &touches_, sizeof(touches_), 0);
  (void)!fdatasync(file_);
}

StderrLogger::StderrLogger() : journal_(getenv("JOURNAL_STREAM") != nullptr) {
}

// One event is one line, whatever a client has called itself.
std::string OneLine(absl::string_view line) {
  std::string out(line);
  for (char& c : out) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = c == '\t' ? ' ' : '?';
  }
  return out;
}

void StderrLogger::Log(LogLevel level, absl::string_view event) {
  const std::string line = OneLine(event);
  std::string text;
  if (journal_) {
    text = absl::StrCat("<", JournalPriority(level), ">", line, "\n");
  } else {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm local{};
    localtime_r(&now.tv_sec, &local);
    text =
        absl::StrFormat("%04d-%02d-%02d %02d:%02d:%02d.%03d %s: %s\n", local.tm_year + 1900,
                        local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                        static_cast<int>(now.tv_nsec / 1'000'000), LevelName(level), line);
  }
  // One write, so that lines of several threads do not mix. Nothing can be done if it fails.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

license::MachineIds ReadMachineIds() {
  license::MachineIds ids;
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) == 0) {
    ids.hostnames.emplace_back(name);
    const char* dot = std::strchr(name, '.');
    if (dot != nullptr) ids.hostnames.emplace_back(name, static_cast<size_t>(dot - name));
  }
  if (const passwd* user = getpwuid(geteuid())) ids.user = user->pw_name;
  const absl::StatusOr<std::string> machine_id = ReadFile("/etc/machine-id", kMachineIdBytesMax);
  if (machine_id.ok()) ids.uuid = license::MachineUuid(*machine_id);
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return ids;
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr != nullptr) AddInterface(*at, &ids);
  }
  freeifaddrs(all);
  return ids;
}

std::string AddressOfPeer(absl::string_view peer) {
  const bool v6 = absl::ConsumePrefix(&peer, "ipv6:");
  if (!v6 && !absl::ConsumePrefix(&peer, "ipv4:")) return std::string(peer);
  peer = peer.substr(0, peer.rfind(':'));
  std::string address =
      absl::StrReplaceAll(peer, {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}, {"%25", "%"}});
  return address.substr(0, address.find('%'));  // without a zone
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t bytes_max) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  std::string bytes;
  char buffer[65536];
  ssize_t got = 0;
  while (bytes.size() <= bytes_max && (got = read(file, buffer, sizeof buffer)) > 0) {
    bytes.append(buffer, static_cast<size_t>(got));
  }
  const int error = errno;
  close(file);
  if (got < 0) return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(error)));
  if (bytes.size() > bytes_max) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": larger than ", bytes_max, " bytes"));
  }
  return bytes;
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::vector<std::string> ListFiles(const std::string& dir, absl::string_view suffix) {
  std::vector<std::string> files;
  DIR* directory = opendir(dir.c_str());
  if (directory == nullptr) return files;
  while (const dirent* entry = readdir(directory)) {
    if (absl::EndsWith(entry->d_name, suffix))
      files.push_back(absl::StrCat(dir, "/", entry->d_name));
  }
  closedir(directory);
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace triad::server
