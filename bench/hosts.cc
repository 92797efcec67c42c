#include "bench/hosts.h"

#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/process.h"

namespace triad::bench {
namespace {

constexpr int kHosts = 3;
constexpr int kOwn = 254;  // this process's address on the bridge: the last number
constexpr const char* kPath = "PATH=/usr/sbin:/usr/bin:/sbin:/bin; ";

std::string Bridge() {
  return absl::StrCat("tb", getpid());
}

std::string Namespace(int host) {
  return absl::StrCat("triad-bench-", getpid(), "-", host);
}

std::string AddressOf(int number) {
  return absl::StrCat("198.18.", getpid() % 256, ".", number);
}

std::string MakeScript() {
  const std::string bridge = Bridge();
  // A port is to pass frames at once, and the bridge to keep its address whatever becomes of it.
  std::string script =
      absl::StrCat(kPath, "ip link add ", bridge, " type bridge forward_delay 0 stp_state 0; ",
                   "ip link set ", bridge, " address 02:54:42:00:00:fe up; ", "ip addr add ",
                   AddressOf(kOwn), "/24 dev ", bridge, "; ");
  for (int host = 1; host <= kHosts; ++host) {
    const std::string space = Namespace(host);
    const std::string port = absl::StrCat(bridge, "-", host);
    const std::string inside = absl::StrCat("ip -n ", space, " ");
    absl::StrAppend(&script, "ip netns add ", space, "; ", "ip link add ", port,
                    " type veth peer name eth0 netns ", space, "; ", "ip link set ", port,
                    " master ", bridge, " up; ", inside, "link set lo up; ", inside, "addr add ",
                    AddressOf(host), "/24 dev eth0; ", inside, "link set eth0 up; ");
  }
  return script;
}

// Waits for the end of its input, that is, of this process.
std::string RemoveScript() {
  std::string script = absl::StrCat(kPath, "read -r nothing; ");
  for (int host = 1; host <= kHosts; ++host) {
    absl::StrAppend(&script, "ip link del ", Bridge(), "-", host, "; ip netns del ",
                    Namespace(host), "; ");
  }
  return absl::StrCat(script, "ip link del ", Bridge());
}

// In a process group of its own: what interrupts the benchmark at a terminal must not end it too.
pid_t StartRemover(int input) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  std::string shell = "/bin/sh";
  std::string option = "-c";
  std::string script = RemoveScript();
  char* const argv[] = {shell.data(), option.data(), script.data(), nullptr};
  pid_t pid = -1;
  if (posix_spawn(&pid, shell.c_str(), &files, &attributes, argv, environ) != 0) pid = -1;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return pid;
}

}  // namespace

std::unique_ptr<Hosts> Hosts::Make(std::string& why) {
  if (geteuid() != 0) {
    why = "network namespaces need root";
    return nullptr;
  }
  std::unique_ptr<Hosts> hosts(new Hosts);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    why = "no pipe";
    return nullptr;
  }
  hosts->alive_ = ends[1];
  hosts->remover_ = StartRemover(ends[0]);
  close(ends[0]);
  const auto made = integration::RunToEnd({"/bin/sh", "-ec", MakeScript()});
  if (hosts->remover_ > 0 && made.exit_status == 0) return hosts;
  std::string said = made.output.substr(0, made.output.find('\n'));
  why = absl::StrCat("network namespaces cannot be made: ", said);
  return nullptr;
}

Hosts::~Hosts() {
  close(alive_);
  if (remover_ > 0) waitpid(remover_, nullptr, 0);
}

std::string Hosts::address(int host) const {
  return AddressOf(host);
}

std::vector<std::string> Hosts::launcher(int host) const {
  return {"/usr/bin/nsenter", absl::StrCat("--net=/run/netns/", Namespace(host)), "--"};
}

std::string Hosts::Port(int host) const {
  return absl::StrCat(Bridge(), "-", host);
}

void Hosts::Cut(int host) const {
  SetPort(host, BR_STATE_DISABLED);
}

void Hosts::Join(int host) const {
  SetPort(host, BR_STATE_FORWARDING);
}

// As `bridge link set dev PORT state N` does it, without the time that starting a program takes.
void Hosts::SetPort(int host, unsigned char state) const {
  struct {
    nlmsghdr header;
    ifinfomsg link;
    rtattr port;
    rtattr name;
    unsigned char value[4];
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = RTM_SETLINK;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  message.link.ifi_family = AF_BRIDGE;
  message.link.ifi_index = static_cast<int>(if_nametoindex(Port(host).c_str()));
  message.port.rta_type = IFLA_PROTINFO | NLA_F_NESTED;
  message.port.rta_len = sizeof(message.port) + sizeof(message.name) + sizeof(message.value);
  message.name.rta_type = IFLA_BRPORT_STATE;
  message.name.rta_len = sizeof(message.name) + sizeof(message.value[0]);
  message.value[0] = state;
  struct {
    nlmsghdr header;
    nlmsgerr error;
    char request[256];
  } answer{};
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  const bool sent = send(fd, &message, sizeof(message), 0) == sizeof(message) &&
                    recv(fd, &answer, sizeof(answer), 0) > 0;
  close(fd);
  if (!sent || answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error != 0) {
    std::fprintf(stderr, "bench: the link %s cannot be set: %s\n", Port(host).c_str(),
                 std::strerror(-answer.error.error));
  }
}

}  // namespace triad::bench
