// The guide, "Genesys Desktop .NET Toolkit".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysToolkit : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysToolkit,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysToolkit, AConnectionTakesALicenseOfItsTypeOrIsDenied) {
  Play("toolkit_connections");
}

TEST_P(GenesysToolkit, ATimeoutChecksTheLicenseIn) {
  Play("toolkit_timeout");
}

}  // namespace
}  // namespace triad::integration
