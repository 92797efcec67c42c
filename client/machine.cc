#include "client/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "client/limits.h"
#include "license/host_id.h"
#include "license/limits.h"

namespace triad::client {
namespace {

absl::Status ErrnoStatus(int error) {
  return error == ENOENT ? absl::NotFoundError("no such file")
                         : absl::UnavailableError(std::strerror(error));
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  // Not O_NONBLOCK alone: a FIFO in the search path must not hang the application.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno);
  struct stat info = {};
  std::string bytes;
  absl::Status status;
  if (fstat(fd, &info) != 0) {
    status = ErrnoStatus(errno);
  } else if (!S_ISREG(info.st_mode)) {
    status = absl::FailedPreconditionError("not a file");
  } else {
    char block[65536];
    ssize_t got = 0;
    while ((got = read(fd, block, sizeof(block))) > 0 && bytes.size() <= kLicenseFileBytesMax) {
      bytes.append(block, static_cast<size_t>(got));
    }
    if (got < 0) status = ErrnoStatus(errno);
    if (bytes.size() > kLicenseFileBytesMax) {
      status = absl::FailedPreconditionError(
          absl::StrCat("larger than ", kLicenseFileBytesMax, " bytes: not a license file"));
    }
  }
  close(fd);
  if (!status.ok()) return status;
  return bytes;
}

absl::StatusOr<std::vector<std::string>> ListLicenseFiles(const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) return ErrnoStatus(errno);
  std::vector<std::string> files;
  while (const dirent* entry = readdir(directory)) {
    const absl::string_view name = entry->d_name;
    if (absl::EndsWith(name, ".lic") && files.size() < kFilesPerDirectoryMax) {
      files.push_back(absl::StrCat(path, absl::EndsWith(path, "/") ? "" : "/", name));
    }
  }
  closedir(directory);
  std::sort(files.begin(), files.end());
  return files;
}

std::string UserName() {
  struct passwd entry = {};
  struct passwd* found = nullptr;
  char buffer[4096];
  if (getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return absl::StrCat(getuid());
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

// As FlexNet on UNIX: the terminal, /dev/tty for programs without one (flexnet-facts 5).
std::string Display() {
  char name[256] = {};
  if (isatty(STDIN_FILENO) && ttyname_r(STDIN_FILENO, name, sizeof(name)) == 0) return name;
  return "/dev/tty";
}

std::string ProgramName() {
  absl::StatusOr<std::string> name = ReadWholeFile("/proc/self/comm");
  return name.ok() ? std::string(absl::StripAsciiWhitespace(*name)) : "";
}

// Addresses of the network cards, 12 hex digits each, in the order of the cards' names.
std::vector<std::string> EtherIds() {
  std::vector<std::string> cards;
  if (DIR* directory = opendir("/sys/class/net")) {
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_name[0] != '.') cards.push_back(entry->d_name);
    }
    closedir(directory);
  }
  std::sort(cards.begin(), cards.end());
  std::vector<std::string> ids;
  for (const std::string& card : cards) {
    absl::StatusOr<std::string> text =
        ReadWholeFile(absl::StrCat("/sys/class/net/", card, "/address"));
    if (!text.ok()) continue;
    std::string id = absl::StrReplaceAll(absl::StripAsciiWhitespace(*text), {{":", ""}});
    if (id.size() != 12 || id == "000000000000") continue;
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(std::move(id));
    if (ids.size() == license::kHostIdsMax - 1) break;  // one is left for UUID=
  }
  return ids;
}

// FlexNet's variable for PROJECT in options files and for records.
std::string Project() {
  const char* value = std::getenv("LM_PROJECT");
  return value == nullptr ? "" : value;
}

std::string Given(const std::string& option, const std::string& system) {
  std::string value = option.empty() ? system : option;
  value.resize(std::min(value.size(), license::kNameBytesMax));
  return value;
}

}  // namespace

v1::Identity MakeIdentity(const ClientOptions& options) {
  v1::Identity identity;
  identity.set_user(Given(options.user, UserName()));
  identity.set_host(Given(options.host, HostName()));
  identity.set_display(Given(options.display, Display()));
  identity.set_process_id(static_cast<uint64_t>(getpid()));
  identity.set_application(Given(options.application, ProgramName()));
  identity.set_version(Given(options.version, ""));
  identity.set_platform("x64_lsb");
  identity.set_project(Given(options.project, Project()));
  for (std::string& id : EtherIds()) identity.add_host_ids(std::move(id));
  const absl::StatusOr<std::string> machine_id = ReadWholeFile("/etc/machine-id");
  const std::string uuid = machine_id.ok() ? license::MachineUuid(*machine_id) : "";
  if (!uuid.empty()) identity.add_host_ids(absl::StrCat("UUID=", uuid));
  return identity;
}

Machine RealMachine() {
  Machine machine;
  machine.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
  machine.read_file = ReadWholeFile;
  machine.list_directory = ListLicenseFiles;
  return machine;
}

}  // namespace triad::client
