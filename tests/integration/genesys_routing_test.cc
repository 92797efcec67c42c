// The guide, "Universal Routing Server".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysRouting : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysRouting,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysRouting, ChecksOutAllThatIsAvailable) {
  Play("routing_start");
}

TEST_P(GenesysRouting, TheFirstTargetTakesALicenseAndEveryNewLoginBeyondIsAViolation) {
  Play("routing_targets");
}

TEST_P(GenesysRouting, ALicenseIsFreedByLogoutDisablingAndDeleting) {
  Play("routing_freed");
}

TEST_P(GenesysRouting, ALicenseIsFreedByARestart) {
  Play("routing_restart");
}

}  // namespace
}  // namespace triad::integration
