#include "tests/integration/app_process.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#ifndef TRIAD_APP
#error "TRIAD_APP: the path of the test's application"
#endif

namespace triad::integration {
namespace {

constexpr int kAnswerMs = 30'000;

}  // namespace

AppProcess::AppProcess(const std::string& path, const std::string& name)
    : process_({{TRIAD_APP, path, name}, {}, "", /*pipes=*/true}) {
  EXPECT_EQ(ReadAnswer(), "open") << name;
}

AppProcess::AppProcess(const std::string& path, const std::string& name, const std::string& host,
                       const std::string& display)
    : process_({{TRIAD_APP, path, name, host, display}, {}, "", /*pipes=*/true}) {
  EXPECT_EQ(ReadAnswer(), "open") << name;
}

std::string AppProcess::ReadAnswer() {
  for (;;) {
    auto line = process_.ReadLine(kAnswerMs);
    if (!line) return "no answer";
    if (!absl::StartsWith(*line, "event ")) return *std::move(line);
    events_.push_back(*std::move(line));
  }
}

std::string AppProcess::Ask(const std::string& command) {
  process_.WriteLine(command);
  return ReadAnswer();
}

uint64_t AppProcess::Checkout(const std::string& feature, uint64_t count) {
  const std::string answer = Ask(absl::StrCat("checkout ", feature, " ", count));
  const std::vector<std::string> words = absl::StrSplit(answer, ' ');
  uint64_t handle = 0;
  if (words[0] == "granted" && absl::SimpleAtoi(words[1], &handle)) return handle;
  EXPECT_TRUE(absl::StartsWith(answer, "denied ")) << answer;
  return 0;
}

bool AppProcess::WaitForEvent(const std::string& kind, int timeout_ms) {
  const auto is_it = [&](const std::string& line) {
    return absl::StartsWith(line, absl::StrCat("event ", kind, " "));
  };
  const int64_t deadline_ms = NowMs() + timeout_ms;
  while (std::none_of(events_.begin(), events_.end(), is_it)) {
    auto line = process_.ReadLine(static_cast<int>(std::max<int64_t>(0, deadline_ms - NowMs())));
    if (!line) return false;
    events_.push_back(*std::move(line));
  }
  return true;
}

std::vector<std::string> AppProcess::Events() {
  while (auto line = process_.ReadLine(1)) events_.push_back(*std::move(line));
  return events_;
}

}  // namespace triad::integration
