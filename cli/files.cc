#include "cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/limits.h"

namespace triad::cli {
namespace {

absl::Status SystemError(const std::string& path, int error) {
  const std::string line = absl::StrCat(path, ": ", std::strerror(error));
  if (error == ENOENT) return absl::NotFoundError(line);
  if (error == EEXIST) return absl::AlreadyExistsError(line);
  return absl::UnavailableError(line);
}

// Writes, syncs and closes.
absl::Status WriteAll(const std::string& path, int fd, absl::string_view bytes) {
  int error = 0;
  while (!bytes.empty() && error == 0) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (error == 0 && fsync(fd) != 0 && errno != EINVAL) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  return error == 0 ? absl::OkStatus() : SystemError(path, error);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  std::string bytes;
  char block[65536];
  int error = 0;
  while (bytes.size() <= kFileBytesMax) {
    const ssize_t got = read(fd, block, sizeof(block));
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      error = errno;
      break;
    }
    bytes.append(block, static_cast<size_t>(got));
  }
  close(fd);
  if (error != 0) return SystemError(path, error);
  if (bytes.size() > kFileBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": larger than ", kFileBytesMax, " bytes: not a license or key file"));
  }
  return bytes;
}

absl::Status WriteNewFile(const std::string& path, absl::string_view bytes, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (fd < 0) return SystemError(path, errno);
  absl::Status status = WriteAll(path, fd, bytes);
  if (!status.ok()) unlink(path.c_str());
  return status;
}

absl::Status ReplaceFile(const std::string& path, absl::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  struct stat old = {};
  const mode_t mask = umask(0);
  umask(mask);
  (void)fchmod(fd, stat(path.c_str(), &old) == 0 ? old.st_mode & 07777 : 0666 & ~mask);
  absl::Status status = WriteAll(path, fd, bytes);
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError(path, errno);
  }
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) return absl::OkStatus();
  const int error = errno;
  struct stat info = {};
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return absl::OkStatus();
  return SystemError(path, error);
}

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory,
                                                   absl::string_view suffix) {
  std::error_code error;
  std::vector<std::string> files;
  std::filesystem::directory_iterator it(directory, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (absl::EndsWith(it->path().native(), suffix)) files.push_back(it->path().native());
    if (files.size() == kKeyFilesMax) break;
  }
  if (error) return SystemError(directory, error.value());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace triad::cli
