#include "server/admin_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <grpcpp/server.h>
#include <grpcpp/server_posix.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace triad::server {
namespace {

constexpr int kBacklog = 64;
constexpr char kAdminGroup[] = "lmadmin";

bool AddressOf(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof(address->sun_path)) return false;
  std::copy(path.begin(), path.end(), address->sun_path);
  return true;
}

bool SomebodyListens(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool taken = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return taken;
}

}  // namespace

std::string UserName(unsigned uid) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return absl::StrCat("uid ", uid);
  }
  return absl::StrCat(found->pw_name, " (uid ", uid, ")");
}

absl::Status AdminSocket::Listen(const std::string& path) {
  const auto refuse = [&](absl::string_view why) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on the admin socket ", path, ": ", why));
  };
  sockaddr_un address;
  if (!AddressOf(path, &address)) return refuse("the path is too long; give --admin-socket");
  if (SomebodyListens(address)) {
    return refuse("another program listens there; stop it or give --admin-socket");
  }
  struct stat found {};
  if (lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) unlink(path.c_str());
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0 || pipe2(wake_, O_CLOEXEC) != 0) return refuse("out of file descriptors");
  const mode_t mask = umask(0117);
  const bool bound =
      bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  umask(mask);
  if (!bound || listen(listener_, kBacklog) != 0) {
    return refuse("check that its directory exists and is writable, or give --admin-socket");
  }
  path_ = path;
  if (const group* admins = getgrnam(kAdminGroup); admins != nullptr) {
    // Not in that group, and not root: it stays with its owner.
    (void)!chown(path.c_str(), static_cast<uid_t>(-1), admins->gr_gid);
  }
  return absl::OkStatus();
}

void AdminSocket::Start(grpc::Server* server) {
  if (listener_ < 0) return;
  thread_ = std::thread([this, server] { TakeAll(server); });
}

void AdminSocket::TakeAll(grpc::Server* server) {
  for (;;) {
    std::array<pollfd, 2> waits{pollfd{listener_, POLLIN, 0}, pollfd{wake_[0], POLLIN, 0}};
    if (poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[1].revents != 0) return;
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    ucred peer{};
    socklen_t size = sizeof(peer);
    const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    {
      absl::MutexLock lock(&mutex_);
      names_[fd] = known ? UserName(peer.uid) : "an unknown user";
    }
    grpc::AddInsecureChannelFromFd(server, fd);
  }
}

void AdminSocket::Stop() {
  if (thread_.joinable()) {
    (void)!write(wake_[1], "", 1);
    thread_.join();
  }
  for (int* fd : {&listener_, &wake_[0], &wake_[1]}) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
  }
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
}

std::string AdminSocket::NameOf(absl::string_view peer) const {
  int fd = 0;
  if (!absl::ConsumePrefix(&peer, "fd:") || !absl::SimpleAtoi(peer, &fd)) return "";
  absl::MutexLock lock(&mutex_);
  const auto found = names_.find(fd);
  return found == names_.end() ? "" : found->second;
}

}  // namespace triad::server
