#include "server/on_cores.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "server/limits.h"

namespace triad::server {

void OnCores(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  const auto run = [&] {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  const size_t cores = std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kReadersMax);
  std::vector<std::thread> others;
  for (size_t i = 1; i < std::min(cores, count / kPerReaderMin); ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
}

}  // namespace triad::server
