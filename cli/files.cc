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

// 0, or what went wrong.
int WriteBytes(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

// Writes, syncs and closes.
absl::Status WriteAll(const std::string& path, int fd, absl::string_view bytes) {
  int error = WriteBytes(fd, bytes);
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

namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NewFile>> NewFile::Create(const std::string& path, mode_t mode) {
  struct stat info = {};
  if (lstat(path.c_str(), &info) == 0) return SystemError(path, EEXIST);
  const std::string directory = DirectoryOf(path);
  int fd = open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  if (fd >= 0) return std::unique_ptr<NewFile>(new NewFile(path, "", fd));
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return SystemError(path, errno);
  // A file system that knows no files without a name.
  std::string temporary = path + ".XXXXXX";
  fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return SystemError(path, errno);
  (void)fchmod(fd, mode);
  return std::unique_ptr<NewFile>(new NewFile(path, temporary, fd));
}

NewFile::~NewFile() {
  close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status NewFile::Write(absl::string_view bytes) {
  const int error = WriteBytes(fd_, bytes);
  return error == 0 ? absl::OkStatus() : SystemError(path_, error);
}

absl::Status NewFile::GiveName() {
  const std::string from = temporary_.empty() ? absl::StrCat("/proc/self/fd/", fd_) : temporary_;
  if (linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return SystemError(path_, errno);
  }
  return absl::OkStatus();
}

absl::Status NewFile::Finish() {
  if (fsync(fd_) != 0 && errno != EINVAL) return SystemError(path_, errno);
  absl::Status status = GiveName();
  if (!status.ok()) return status;
  const int directory = open(DirectoryOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return SystemError(path_, errno);
  const bool synced = fsync(directory) == 0 || errno == EINVAL;
  const int error = errno;
  close(directory);
  return synced ? absl::OkStatus() : SystemError(path_, error);
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
