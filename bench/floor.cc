#include "bench/floor.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "bench/load.h"
#include "grpcpp/grpcpp.h"
#include "tests/integration/cluster.h"

namespace triad::bench {
namespace {

constexpr int kUpMs = 30'000;
constexpr int64_t kFileBytes = 64 << 20;

std::string NewAddress() {
  return absl::StrCat("127.0.0.1:", integration::FreePort());
}

void Start(Floor* floor, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "/proc/self/exe");
  const std::string address = arguments[2];
  floor->processes.emplace_back(integration::Process::Options{
      .argv = std::move(arguments), .environment = {}, .output = floor->dir.path() + "/log"});
  grpc::CreateChannel(address, grpc::InsecureChannelCredentials())
      ->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(kUpMs));
}

}  // namespace

std::unique_ptr<Floor> StartEmpty() {
  auto floor = std::make_unique<Floor>();
  floor->address = NewAddress();
  Start(floor.get(), {"serve-empty", floor->address});
  return floor;
}

std::unique_ptr<Floor> StartChain() {
  auto floor = std::make_unique<Floor>();
  const std::string first = NewAddress();
  const std::string second = NewAddress();
  floor->address = NewAddress();
  const std::string file = floor->dir.path() + "/log";
  Start(floor.get(), {"serve-chain-follower", first, file + ".1"});
  Start(floor.get(), {"serve-chain-follower", second, file + ".2"});
  Start(floor.get(), {"serve-chain-head", floor->address, file + ".0", first, second});
  return floor;
}

SyncFloor MeasureSyncedAppend(size_t bytes, int64_t run_ms) {
  integration::TempDir dir;
  const std::string path = dir.path() + "/log";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const std::string zeros(1 << 20, '\0');
  for (int64_t at = 0; at < kFileBytes; at += static_cast<int64_t>(zeros.size())) {
    if (pwrite(fd, zeros.data(), zeros.size(), at) < 0) return {};
  }
  fsync(fd);
  const std::string payload(bytes, 'x');
  std::vector<int64_t> samples;
  const int64_t start = NowNs();
  int64_t at = 0;
  while (NowNs() - start < run_ms * 1'000'000) {
    const int64_t begun = NowNs();
    if (pwrite(fd, payload.data(), payload.size(), at) < 0 || fdatasync(fd) != 0) return {};
    samples.push_back(NowNs() - begun);
    at = (at + static_cast<int64_t>(bytes)) % (kFileBytes - static_cast<int64_t>(bytes));
  }
  const double seconds = static_cast<double>(NowNs() - start) / 1e9;
  close(fd);
  SyncFloor floor;
  floor.per_s = static_cast<double>(samples.size()) / seconds;
  floor.p50_us = Percentile(samples, 0.50) / 1e3;
  floor.p99_us = Percentile(samples, 0.99) / 1e3;
  return floor;
}

}  // namespace triad::bench
