// The word that a mistyped one may have been meant to be.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace triad::license {

// The first of `words` that `word` becomes, in any case, by the fewest (one or two; one where it is
// short) letters added, left out or changed. "": none does, or `word` is one of them.
absl::string_view NearWord(absl::string_view word, absl::Span<const absl::string_view> words);

}  // namespace triad::license
