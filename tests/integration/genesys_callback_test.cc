// The guide, "Universal Callback Server".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysCallback : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysCallback,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysCallback, ChecksOutAtStartAtMostWhatIsConfigured) {
  Play("callback_start");
}

TEST_P(GenesysCallback, ACallbackOrABlockTakesALicenseForSixtyMinutes) {
  Play("callback_hour");
}

TEST_P(GenesysCallback, NoClientHoldsMoreThan9999) {
  Play("callback_limit");
}

TEST_P(GenesysCallback, ACallOnAnAutodialCdnWithPreviewIsUnlicensedMode) {
  Play("callback_autodial");
}

TEST_P(GenesysCallback, WithoutPreviewAutodialIsNoViolation) {
  Play("callback_no_preview");
}

}  // namespace
}  // namespace triad::integration
