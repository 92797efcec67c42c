#include "storage/identity.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "storage/limits.h"
#include "xxhash.h"

namespace triad::storage {
namespace {

constexpr absl::string_view kFirstLine = "triad identity 1";
constexpr absl::string_view kFirstWords = "triad identity ";
constexpr size_t kIncarnationBytes = 16;
constexpr size_t kHashBytes = 32;
constexpr int kSlotsMax = 3;

std::string PathOf(const std::string& dir) {
  return dir + "/identity";
}

std::string ChecksumLine(absl::string_view text) {
  return absl::StrCat("checksum ",
                      absl::Hex(XXH3_64bits(text.data(), text.size()), absl::kZeroPad16), "\n");
}

std::string Hex(const std::string& bytes) {
  return absl::BytesToHexString(bytes);
}

// Exactly `bytes` bytes in lower-case hex; anything else is not what Format wrote.
bool ParseHex(absl::string_view text, size_t bytes, std::string* out) {
  if (text.size() != 2 * bytes) return false;
  if (text.find_first_not_of("0123456789abcdef") != absl::string_view::npos) return false;
  *out = absl::HexStringToBytes(text);
  return true;
}

bool ParseSlot(absl::string_view text, int* slot) {
  return absl::SimpleAtoi(text, slot) && *slot >= 1 && *slot <= kSlotsMax && text.size() == 1;
}

// The rules that both directions hold to. Empty: none is broken.
absl::string_view BrokenRule(const Identity& identity) {
  if (identity.slot < 1 || identity.slot > kSlotsMax) return "the slot is not 1, 2 or 3";
  if (identity.incarnation.size() != kIncarnationBytes) return "the incarnation is not 16 bytes";
  if (identity.server_set.size() != kHashBytes) return "the server set is not 32 bytes";
  if (identity.cluster_id.empty() != identity.members.empty()) {
    return "cluster id and members are known together or not at all";
  }
  if (!identity.cluster_id.empty() && identity.cluster_id.size() != kHashBytes) {
    return "the cluster id is not 32 bytes";
  }
  int before = 0;
  for (const Member& member : identity.members) {
    if (member.slot <= before || member.slot > kSlotsMax)
      return "the members are not in slot order";
    if (member.incarnation.size() != kIncarnationBytes) return "an incarnation is not 16 bytes";
    before = member.slot;
  }
  return "";
}

std::string Format(const Identity& identity) {
  std::string text =
      absl::StrCat(kFirstLine, "\nslot ", identity.slot, "\nincarnation ",
                   Hex(identity.incarnation), "\nserver-set ", Hex(identity.server_set), "\n");
  if (!identity.cluster_id.empty()) {
    absl::StrAppend(&text, "cluster ", Hex(identity.cluster_id), "\n");
  }
  if (identity.rejoining) absl::StrAppend(&text, "rejoining yes\n");
  for (const Member& member : identity.members) {
    absl::StrAppend(&text, "member ", member.slot, " ", Hex(member.incarnation), "\n");
  }
  absl::StrAppend(&text, ChecksumLine(text));
  return text;
}

bool ParseLine(absl::string_view line, Identity* identity) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() == 3 && words[0] == "member") {
    Member member;
    if (!ParseSlot(words[1], &member.slot)) return false;
    if (!ParseHex(words[2], kIncarnationBytes, &member.incarnation)) return false;
    identity->members.push_back(member);
    return true;
  }
  if (words.size() != 2) return false;
  if (words[0] == "slot") return ParseSlot(words[1], &identity->slot);
  if (words[0] == "incarnation") {
    return ParseHex(words[1], kIncarnationBytes, &identity->incarnation);
  }
  if (words[0] == "server-set") return ParseHex(words[1], kHashBytes, &identity->server_set);
  if (words[0] == "rejoining") return identity->rejoining = words[1] == "yes";
  if (words[0] == "cluster") return ParseHex(words[1], kHashBytes, &identity->cluster_id);
  return false;
}

// nullopt: not what Format writes. That it is written back the same leaves no second spelling.
std::optional<Identity> Parse(absl::string_view text) {
  Identity identity;
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 3 || lines.front() != kFirstLine) return std::nullopt;
  for (size_t i = 1; i + 2 < lines.size(); ++i) {
    if (!ParseLine(lines[i], &identity)) return std::nullopt;
  }
  if (!BrokenRule(identity).empty() || absl::string_view(Format(identity)) != text) {
    return std::nullopt;
  }
  return identity;
}

}  // namespace

absl::StatusOr<std::optional<Identity>> ReadIdentity(FileSystem* files, const std::string& dir) {
  const std::string path = PathOf(dir);
  if (!files->Exists(path)) return std::nullopt;
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(path, /*create=*/false);
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> text = (*file)->ReadAt(0, kIdentityBytesMax + 1);
  if (!text.ok()) return text.status();
  const absl::string_view view = *text;
  const absl::string_view first_line = view.substr(0, view.find('\n'));
  if (first_line.substr(0, kFirstWords.size()) == kFirstWords && first_line != kFirstLine) {
    // Only if the whole file is sound in the way that this version knows; else it is damage.
    const size_t last = view.rfind("checksum ");
    if (last != absl::string_view::npos &&
        view.substr(last) == absl::string_view(ChecksumLine(view.substr(0, last)))) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is of another version of triadd: \"", first_line, "\""));
    }
  }
  if (std::optional<Identity> identity = Parse(view)) return identity;
  return absl::DataLossError(absl::StrCat(
      path, " is damaged, so this node cannot know which one it is: run `triadd rejoin`"));
}

absl::Status WriteIdentity(FileSystem* files, const std::string& dir, const Identity& identity) {
  const std::string path = PathOf(dir);
  if (const absl::string_view rule = BrokenRule(identity); !rule.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot write ", path, ": ", rule));
  }
  const std::string temporary = path + ".tmp";
  absl::StatusOr<std::unique_ptr<File>> file = files->Open(temporary, /*create=*/true);
  if (!file.ok()) return file.status();
  if (absl::Status s = (*file)->Truncate(0); !s.ok()) return s;
  if (absl::Status s = (*file)->WriteAt(0, Format(identity)); !s.ok()) return s;
  if (absl::Status s = (*file)->Sync(); !s.ok()) return s;
  if (absl::Status s = files->Rename(temporary, path); !s.ok()) return s;
  return files->SyncDirectory(dir);
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> DirectoryLock::Take(const std::string& dir) {
  const std::string path = dir + "/lock";
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  std::unique_ptr<DirectoryLock> lock(new DirectoryLock(descriptor));
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    if (error != EWOULDBLOCK) {
      return absl::ErrnoToStatus(error, absl::StrCat("cannot lock ", path));
    }
    char pid[32];
    const ssize_t n = pread(descriptor, pid, sizeof(pid), 0);
    const absl::string_view text(pid, n > 0 ? static_cast<size_t>(n) : 0);
    return absl::FailedPreconditionError(absl::StrCat("another triadd runs on ", dir, " (pid ",
                                                      text.substr(0, text.find('\n')), ")"));
  }
  // The pid only helps the operator; the lock holds without it.
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  return lock;
}

DirectoryLock::~DirectoryLock() {
  close(descriptor_);
}

}  // namespace triad::storage
