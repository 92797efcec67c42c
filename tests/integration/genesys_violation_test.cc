// The guide, "Licensing Violations".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysViolation : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysViolation,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysViolation, FewerInTheLicenseFileInterruptNothing) {
  Play("violation_file");
}

TEST_P(GenesysViolation, FewerInTheConfigurationInterruptNothing) {
  Play("violation_configuration");
}

}  // namespace
}  // namespace triad::integration
