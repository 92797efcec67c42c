// The scripts in quorum/testdata: each shows one thing, in words, with the trace that it must give.
// test_scenario.h says how to write one. After a change that is meant, look at what differs:
//
//   TRIAD_REWRITE=1 build/tests/quorum_scenario_test && git diff quorum/testdata
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "quorum/test_scenario.h"

namespace triad::quorum {
namespace {

std::vector<std::string> Scripts() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(TRIAD_QUORUM_TESTDATA)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class Script : public ::testing::TestWithParam<std::string> {};

TEST_P(Script, GivesTheTraceThatItSays) {
  const auto path = std::filesystem::path(TRIAD_QUORUM_TESTDATA) / (GetParam() + ".txt");
  const std::string script = Read(path);
  Scenario scenario;
  const std::string run = scenario.Run(script);
  EXPECT_EQ(scenario.failure(), "") << run;
  if (std::getenv("TRIAD_REWRITE") != nullptr) {
    std::ofstream(path) << run;
  } else {
    EXPECT_EQ(run, script);
  }
}

std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Script, ::testing::ValuesIn(Scripts()), TestName);

TEST(Scenario, AnUnknownCommandIsAFailure) {
  Scenario scenario;
  scenario.Run("> nodes 3\n> frobnicate 1\n");
  EXPECT_NE(scenario.failure(), "");
}

}  // namespace
}  // namespace triad::quorum
