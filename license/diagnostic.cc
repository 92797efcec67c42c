#include "license/diagnostic.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "license/limits.h"

namespace triad::license {

std::string Diagnostic::ToString() const {
  const char* word = severity == Severity::kError     ? "error"
                     : severity == Severity::kWarning ? "warning"
                                                      : "note";
  return absl::StrCat(position.file, ":", position.line, ":", position.column, ": ", word, ": ",
                      message);
}

void AddDiagnostic(Diagnostics& list, Diagnostic diagnostic) {
  if (list.size() > kDiagnosticsMax) return;
  if (list.size() == kDiagnosticsMax) {
    diagnostic.severity = Severity::kWarning;
    diagnostic.message = absl::StrCat("more than ", kDiagnosticsMax,
                                      " complaints; from here on they are not shown: mend these "
                                      "first");
  }
  list.push_back(std::move(diagnostic));
}

}  // namespace triad::license
