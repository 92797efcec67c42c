#include "client/borrow_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/limits.h"
#include "client/machine.h"
#include "license/digest.h"

namespace triad::client {
namespace {

constexpr absl::string_view kSuffix = ".borrowed";
// Locks lie beyond the end of the file: nothing is written there.
constexpr off_t kFirstLockedByte = off_t{1} << 40;

absl::Status ErrnoStatus(const std::string& path, const char* what) {
  return absl::UnavailableError(absl::StrCat(path, ": cannot ", what, ": ", std::strerror(errno)));
}

std::string DefaultDirectory() {
  const char* directory = std::getenv("TRIAD_BORROW_DIR");
  if (directory != nullptr && directory[0] != '\0') return directory;
  const char* home = std::getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, "/.local/share/triad");
}

bool Lock(int fd, uint64_t first, uint64_t count) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kFirstLockedByte + static_cast<off_t>(first);
  lock.l_len = static_cast<off_t>(count);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

// As many as `wanted` of `all` licenses, one by one: they need not lie together. Less if `some`
// will do.
uint64_t LockSome(int fd, uint64_t all, uint64_t wanted, bool some) {
  uint64_t locked = 0;
  for (uint64_t i = 0; i < all && locked < wanted; ++i) locked += Lock(fd, i, 1) ? 1 : 0;
  return locked == wanted || some ? locked : 0;
}

// Its length, and what it holds, come from a file that only its owner can write.
bool Private(int fd) {
  struct stat info = {};
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
         (info.st_mode & 077) == 0 && info.st_size <= off_t{kLicenseFileBytesMax};
}

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0;
}

}  // namespace

BorrowUse::~BorrowUse() {
  close(fd_);
}

BorrowStore::BorrowStore(const std::string& directory, Borrower here, license::VendorKeys keys)
    : directory_(directory.empty() ? DefaultDirectory() : directory),
      here_(std::move(here)),
      keys_(std::move(keys)) {
}

absl::StatusOr<std::string> BorrowStore::Write(const BorrowRecord& record) const {
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(directory_, ": cannot make: ", error.message()));
  }
  const std::string name =
      license::Sha256Hex(absl::StrCat(record.license.feature, "\n", record.license.handle, "\n",
                                      record.borrowed_ms))
          .substr(0, 24);
  const std::string path = absl::StrCat(directory_, "/", name, kSuffix);
  const std::string draft = absl::StrCat(path, ".new");
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return ErrnoStatus(draft, "write");
  const bool written = fchmod(fd, 0600) == 0 && WriteAll(fd, FormatRecord(record));
  const absl::Status failed = written ? absl::OkStatus() : ErrnoStatus(draft, "write");
  close(fd);
  if (!failed.ok() || rename(draft.c_str(), path.c_str()) != 0) {
    const absl::Status renamed = ErrnoStatus(path, "write");
    unlink(draft.c_str());
    return failed.ok() ? renamed : failed;
  }
  const int directory = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    (void)fsync(directory);
    close(directory);
  }
  return path;
}

absl::StatusOr<BorrowRecord> BorrowStore::Read(const std::string& path) const {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return ErrnoStatus(path, "read");
  std::string text;
  const bool is_private = Private(fd);
  if (is_private) {
    char block[65536];
    ssize_t got = 0;
    while ((got = read(fd, block, sizeof(block))) > 0) text.append(block, static_cast<size_t>(got));
  }
  close(fd);
  if (!is_private) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": must be this user's own file with mode 0600"));
  }
  absl::StatusOr<BorrowRecord> record = ParseRecord(text);
  if (!record.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", record.status().message()));
  }
  record->license.record = path;
  const absl::Status usable = CheckRecord(*record, here_, WallMs(), keys_);
  if (usable.ok()) return record;
  return absl::Status(usable.code(),
                      absl::StrCat(path, ": ", record->license.feature, ": ", usable.message()));
}

std::vector<BorrowRecord> BorrowStore::List(std::vector<std::string>* problems) const {
  std::vector<std::string> paths;
  if (DIR* directory = opendir(directory_.c_str())) {
    while (const dirent* entry = readdir(directory)) {
      if (!absl::EndsWith(entry->d_name, kSuffix) || paths.size() == kBorrowRecordsMax) continue;
      paths.push_back(absl::StrCat(directory_, "/", entry->d_name));
    }
    closedir(directory);
  }
  std::sort(paths.begin(), paths.end());
  std::vector<BorrowRecord> records;
  for (const std::string& path : paths) {
    absl::StatusOr<BorrowRecord> record = Read(path);
    if (record.ok()) {
      records.push_back(*std::move(record));
    } else if (problems != nullptr) {
      problems->push_back(std::string(record.status().message()));
    }
  }
  return records;
}

std::unique_ptr<BorrowUse> BorrowStore::Use(const CheckoutRequest& request, uint64_t* count) const {
  for (BorrowRecord& record : List(nullptr)) {
    if (!Serves(record, request)) continue;
    const uint64_t all = record.license.count;
    const uint64_t wanted =
        request.mode == CountMode::kExact ? request.count : std::min(request.count, all);
    const int fd = open(record.license.record.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    auto use = std::make_unique<BorrowUse>(std::move(record), fd);
    const bool every = request.mode == CountMode::kAll;
    *count = LockSome(fd, all, every ? all : wanted, request.mode != CountMode::kExact);
    if (*count > 0) return use;
  }
  return nullptr;
}

absl::StatusOr<std::unique_ptr<BorrowUse>> BorrowStore::Seize(const std::string& path) const {
  absl::StatusOr<BorrowRecord> record = Read(path);
  if (!record.ok()) return record.status();
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return ErrnoStatus(path, "read");
  const uint64_t all = record->license.count;
  auto use = std::make_unique<BorrowUse>(*std::move(record), fd);
  if (Lock(fd, 0, all)) return use;
  return absl::FailedPreconditionError(
      absl::StrCat(path, ": in use: return the checkouts from it first"));
}

void BorrowStore::Remove(const std::string& path) const {
  unlink(path.c_str());
}

Borrower ThisBorrower(const ClientOptions& options) {
  const v1::Identity identity = MakeIdentity(options);
  Borrower here;
  here.user = identity.user();
  here.host = identity.host();
  std::string machine;
  const Machine system = RealMachine();
  const absl::StatusOr<std::string> id = system.read_file("/etc/machine-id");
  if (id.ok()) {
    machine = *id;
  } else if (identity.host_ids_size() > 0) {
    machine = identity.host_ids(0);
  }
  here.machine = license::Sha256Hex(absl::StrCat("triad borrow ", machine));
  return here;
}

int64_t WallMs() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace triad::client
