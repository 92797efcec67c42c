// One complaint about a license or options file, with the place it is about.
#pragma once

#include <string>
#include <vector>

namespace triad::license {

// Where a line stands. Lines and columns count from 1; column counts bytes.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
};

enum class Severity { kNote, kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  Position position;
  std::string message;  // what is wrong and what to do, one line

  // "license.dat:7:12: error: message"
  std::string ToString() const;
};

using Diagnostics = std::vector<Diagnostic>;

// Adds a complaint. At kDiagnosticsMax one last line says that there are more, and the rest is
// dropped.
void AddDiagnostic(Diagnostics& list, Diagnostic diagnostic);

}  // namespace triad::license
