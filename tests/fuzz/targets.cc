#include "tests/fuzz/targets.h"

namespace triad::fuzz {

const std::vector<Target>& Targets() {
  static const auto* const kTargets = new std::vector<Target>{{"license_file", LicenseFile},
                                                              {"options_file", OptionsFile},
                                                              {"canonical_form", CanonicalForm},
                                                              {"wire_messages", WireMessages}};
  return *kTargets;
}

}  // namespace triad::fuzz
