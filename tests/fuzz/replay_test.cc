// The fuzzers' corpora, replayed without libFuzzer: what they have found stays mended, and CI needs
// no clang.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace triad::fuzz {
namespace {

std::vector<std::filesystem::path> CorpusOf(const std::string& target) {
  std::vector<std::filesystem::path> out;
  const std::filesystem::path folder = std::filesystem::path(TRIAD_CORPUS) / target;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

class Replay : public ::testing::TestWithParam<Target> {};

TEST_P(Replay, NothingInTheCorpusCrashes) {
  const std::vector<std::filesystem::path> files = CorpusOf(GetParam().name);
  EXPECT_FALSE(files.empty());
  for (const std::filesystem::path& path : files) {
    SCOPED_TRACE(path);
    std::ifstream in(path, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    GetParam().run(bytes.str());
  }
  GetParam().run("");
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, ::testing::ValuesIn(Targets()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace triad::fuzz
