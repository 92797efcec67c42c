// The answers to one (pre-)vote request. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>

#include "quorum/types.h"

namespace triad::quorum {

class Votes {
 public:
  explicit Votes(size_t voters) : voters_(voters) {}

  // The first answer of a voter stands: a doubled message changes nothing.
  void Record(Slot voter, bool granted) {
    Answer& answer = answers_[static_cast<size_t>(ToInt(voter))];
    if (answer == Answer::kNone) answer = granted ? Answer::kGranted : Answer::kRefused;
  }
  bool HasWon() const { return Count(Answer::kGranted) > voters_ / 2; }

 private:
  enum class Answer : uint8_t { kNone, kGranted, kRefused };

  size_t Count(Answer wanted) const {
    size_t count = 0;
    for (Answer answer : answers_) count += answer == wanted ? 1 : 0;
    return count;
  }

  size_t voters_;
  std::array<Answer, kSlotsMax + 1> answers_{};
};

}  // namespace triad::quorum
