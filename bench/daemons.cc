#include "bench/daemons.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace triad::bench {

int64_t CpuUs(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');  // the name may hold blanks
  if (name_end == std::string::npos) return 0;
  std::istringstream rest(text.substr(name_end + 2));
  std::string field;
  int64_t ticks = 0;
  for (int number = 3; rest >> field; ++number) {
    if (number == 14 || number == 15) ticks += std::stoll(field);
  }
  return ticks * 1'000'000 / sysconf(_SC_CLK_TCK);
}

int64_t ResidentBytes(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/statm"));
  int64_t size = 0;
  int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

int64_t CpuUs(integration::Cluster& cluster) {
  int64_t sum = 0;
  for (int node = 1; node <= 3; ++node) sum += CpuUs(cluster.process(node).pid());
  return sum;
}

int64_t ResidentBytes(integration::Cluster& cluster) {
  int64_t most = 0;
  for (int node = 1; node <= 3; ++node) {
    most = std::max(most, ResidentBytes(cluster.process(node).pid()));
  }
  return most;
}

std::vector<std::string> AddressesLeaderFirst(integration::Cluster& cluster) {
  const int leader = cluster.WaitForLeader();
  std::vector<std::string> addresses;
  for (int step = 0; step < 3; ++step) {
    const int node = (leader - 1 + step) % 3 + 1;
    addresses.push_back(absl::StrCat(cluster.Host(node), ":", cluster.port(node)));
  }
  return addresses;
}

}  // namespace triad::bench
