#include "license/near_word.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace triad::license {
namespace {

constexpr size_t kDistanceMax = 2;
// Of a short word, two other letters make any other word.
constexpr size_t kShortBytes = 4;
// No keyword is longer; a longer word is not compared.
constexpr size_t kWordBytesMax = 32;

// Levenshtein's; both words are short.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      const bool same = absl::ascii_toupper(a[i - 1]) == absl::ascii_toupper(b[j - 1]);
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

absl::string_view NearWord(absl::string_view word, absl::Span<const absl::string_view> words) {
  absl::string_view best;
  if (word.size() > kWordBytesMax) return best;
  size_t best_distance = (word.size() <= kShortBytes ? 1 : kDistanceMax) + 1;
  for (absl::string_view candidate : words) {
    if (candidate == word) return "";
    const size_t longer = std::max(candidate.size(), word.size());
    if (longer - std::min(candidate.size(), word.size()) > kDistanceMax) continue;
    const size_t distance = EditDistance(word, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace triad::license
