// The guide, "Outbound Contact Server".
#include "tests/integration/genesys.h"

namespace triad::integration {
namespace {

class GenesysOutbound : public Genesys {};
INSTANTIATE_TEST_SUITE_P(Genesys, GenesysOutbound,
                         ::testing::Values(Trouble::kNone, Trouble::kLeaderKilled), TroubleName);

TEST_P(GenesysOutbound, ChecksOutAsManyAsConfigured) {
  Play("outbound_start");
}

TEST_P(GenesysOutbound, ChecksOutNoMoreThanTheFileHas) {
  Play("outbound_start_capped");
}

TEST_P(GenesysOutbound, EveryAgentBeyondIsAViolationUntilALicenseIsFreed) {
  Play("outbound_agents");
}

TEST_P(GenesysOutbound, UnloadingACampaignGroupFreesItsLicenses) {
  Play("outbound_unload");
}

}  // namespace
}  // namespace triad::integration
