// The guide, "Genesys Desktop".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysDesktop : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysDesktop,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysDesktop, ALoginTakesALicenseOfTheUsersKindOrOpensNoWindow) {
  Play("desktop_login");
}

TEST_P(GenesysDesktop, HoweverTheSessionEndsTheLicenseIsCheckedIn) {
  Play("desktop_end");
}

}  // namespace
}  // namespace triad::integration
