// What the fuzzers feed with bytes: every place where bytes from outside become something else.
//
// Each target takes any bytes and must neither crash, hang nor use memory without bound; what it
// also checks, it CHECKs. Built twice: with libFuzzer (`./dev fuzz`), and without, where
// replay_test.cc feeds the corpus that is kept.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"

namespace triad::fuzz {

// A license file: read, signed, verified, made pools of.
void LicenseFile(absl::string_view bytes);
// Two license files and an options file, split at lines of dashes: a catalog, and its policy asked.
void OptionsFile(absl::string_view bytes);
// The signature's canonical form: two layouts of a line have one form; another line has another.
void CanonicalForm(absl::string_view bytes);
// What comes over the wire or out of the log: parsed, handed to those who act on it.
void WireMessages(absl::string_view bytes);

struct Target {
  const char* name;  // of its corpus, too
  void (*run)(absl::string_view bytes);
};
const std::vector<Target>& Targets();

}  // namespace triad::fuzz
